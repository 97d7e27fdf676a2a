package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/syncer"
)

func (a *app) pollCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "poll [SOURCE…]",
		Short: "poll now, once; exit 0 only if every poll completed and committed",
		Long: `poll walks the named sources, or all of them, once and at once, and prints what
came of each. A source is polled as a whole, with all its tables. The first poll
reads everything; a later one asks for what changed, and a little more.

Without a daemon poll does the work itself. Where a daemon holds the lease of a
consumer's database, poll asks the daemon to do it and waits for the outcome.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.load()
			if err != nil {
				return err
			}
			defer p.close()
			feeds, err := p.choose(args)
			if err != nil {
				return err
			}
			return a.poll(cmd.Context(), p, feeds, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the reports as JSON")
	return cmd
}

// choose returns the feeds of the named sources, all of them for no names.
func (p *parts) choose(names []string) ([]*feed, error) {
	if len(p.feeds) == 0 {
		return nil, errors.New("no source is enabled and has a table; there is nothing to do")
	}
	if len(names) == 0 {
		return p.feeds, nil
	}
	var out []*feed
	for _, name := range names {
		i := slices.IndexFunc(p.feeds, func(f *feed) bool { return f.Name == name })
		if i < 0 {
			var all []string
			for _, f := range p.feeds {
				all = append(all, f.Name)
			}
			return nil, usagef("source %q is not in the configuration, or not enabled; there are: %s", name, strings.Join(all, ", "))
		}
		out = append(out, p.feeds[i])
	}
	return out, nil
}

// polled is what one source's poll came to.
type polled struct {
	Source  string   `json:"source"`
	OK      bool     `json:"ok"`
	Outcome string   `json:"outcome"`
	Walks   []walked `json:"walks,omitempty"`
}

// poll polls the feeds one after the other and prints what came of each.
func (a *app) poll(ctx context.Context, p *parts, feeds []*feed, asJSON bool) error {
	history := p.history(ctx)
	var results []polled
	var errs []error
	for _, f := range feeds {
		if ctx.Err() != nil {
			break
		}
		var reports []syncer.Report
		by, err := hold(ctx, f.consumers, func(ctx context.Context) error {
			f.Progress = a.progress()
			reports = f.Poll(ctx, time.Time{})
			record(ctx, p, history, reports)
			return ctx.Err()
		})
		switch {
		case by != nil:
			results = append(results, ask(ctx, f, by))
		case reports == nil:
			results = append(results, polled{Source: f.Name, Outcome: fmt.Sprint(err)})
		default:
			results, errs = append(results, newPolled(f.Name, reports)), append(errs, err)
		}
	}
	return errors.Join(a.printPolled(results, asJSON), errors.Join(errs...), ctx.Err())
}

func record(ctx context.Context, p *parts, history syncer.History, reports []syncer.Report) {
	if history == nil {
		return
	}
	for _, r := range reports {
		if err := history.Record(context.WithoutCancel(ctx), r); err != nil {
			p.log.Warn().Err(err).Msg("poll history is not written")
		}
	}
}

func newPolled(source string, reports []syncer.Report) polled {
	line, err := syncer.Outcome(reports)
	if err != nil {
		line = err.Error()
	}
	p := polled{Source: source, OK: err == nil, Outcome: line}
	for _, r := range reports {
		p.Walks = append(p.Walks, newWalked(r))
	}
	return p
}

// ask has the daemon that holds a consumer's lease poll a feed.
func ask(ctx context.Context, f *feed, by *consumer) polled {
	i := slices.IndexFunc(f.copies, func(c *copied) bool { return c.consumer == by })
	line, err := follow(ctx, by, syncer.Order{Kind: syncer.OrderPoll, Table: f.copies[i].target})
	if err != nil {
		line = err.Error()
	}
	return polled{Source: f.Name, OK: err == nil, Outcome: line}
}

func (a *app) printPolled(results []polled, asJSON bool) error {
	failed := 0
	for _, r := range results {
		if !r.OK {
			failed++
		}
		if !asJSON {
			word := "ok"
			if !r.OK {
				word = "FAILED"
			}
			a.say("%s: %s: %s", r.Source, word, r.Outcome)
		}
	}
	if asJSON {
		if err := a.printJSON(results); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d sources failed", failed, len(results))
	}
	return nil
}

// progress tells at most once a second how far a walk is.
func (a *app) progress() func(syncer.Report) {
	last := time.Now()
	return func(r syncer.Report) {
		if time.Since(last) < time.Second {
			return
		}
		last = time.Now()
		fmt.Fprintf(a.stderr, "%s: %d records in %d batches\n", r.Source, r.Records, r.Batches)
	}
}
