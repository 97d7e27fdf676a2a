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

func (a *app) auditCommand() *cobra.Command {
	repair, asJSON := false, false
	cmd := &cobra.Command{
		Use: "audit [TABLE…]", Short: "compare tables with everything that their owners have",
		Long: `audit asks the owner for everything and compares it with the copy: rows that
are missing, rows that the owner does not have (extra), and rows that differ.
Changes go on being polled meanwhile.

The owner may only be about to show what the copy lacks, or the copy to be told
what the owner has. So a difference counts once it is found again, unchanged on
both sides, after the source's overlap and lag; audit waits for that and says
so.

A record in quarantine does not fit its table, and is not compared: the row may
be missing or old. The line says how many there are. Where the source's audit
has compare = "keys", keys alone are compared and proven.

With --repair what counts is put right: rows are written, and extra ones deleted
under the guard max_delete. What the guard holds, accept lets pass.

It prints one line a table and exits 0 only if nothing is left to put right.
Without names it compares all tables but those whose source cannot be compared:
each poll of a snapshot compares everything anyway, and a log tells no more than
what happened. Behind watermark.initial, rows that are older are not compared.

Where a daemon holds the lease of the consumer's database, the daemon does it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.load()
			if err != nil {
				return err
			}
			defer p.close()
			return a.audit(cmd.Context(), p, args, auditFlags{repair, asJSON})
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "put right what counts")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

type auditFlags struct{ repair, json bool }

// comparedTable is what the audit of one table came to, as --json prints it.
type comparedTable struct {
	Table  string `json:"table"`
	Source string `json:"source"`
	// OK says that it was compared and nothing is left.
	OK bool `json:"ok"`
	// The figures, nil where there are none.
	*compared
	// Skipped is why it is not compared, though nothing is wrong.
	Skipped string `json:"skipped,omitempty"`
	Error   string `json:"error,omitempty"`
	line    string
}

// audit compares the named tables, all of them for no names, one after the
// other, because each of them asks its owner for everything.
func (a *app) audit(ctx context.Context, p *parts, names []string, flags auditFlags) error {
	tables, err := p.toCompare(names)
	if err != nil {
		return err
	}
	history := p.history(ctx)
	results := []comparedTable{}
	bad := 0
	for _, t := range tables {
		if ctx.Err() != nil {
			break
		}
		r := comparedTable{Table: t.table.Name, Source: t.feed.Name}
		switch why := t.feed.uncompared(); {
		case why != "" && len(names) > 0:
			r.Error = "it cannot be compared: " + why
		case why != "":
			r.Skipped = why
		default:
			a.compare(ctx, comparing{parts: p, history: history, feed: t.feed, table: t.table, repair: flags.repair}, &r)
		}
		if r.Skipped == "" && !r.OK {
			bad++
		}
		results = append(results, r)
		if !flags.json {
			a.say("%s: %s", r.Table, r.text())
		}
	}
	if flags.json {
		err = a.printJSON(results)
	}
	if err = errors.Join(err, ctx.Err()); err == nil && bad > 0 {
		err = fmt.Errorf("%d of %d tables are not proven equal to what their owners have", bad, len(results))
	}
	return err
}

// tableOf is a table with its feed.
type tableOf struct {
	feed  *feed
	table *copied
}

// toCompare looks tables up; all of them for no names.
func (p *parts) toCompare(names []string) ([]tableOf, error) {
	var out []tableOf
	for _, name := range names {
		f, c, err := p.find(name)
		if err != nil {
			return nil, err
		}
		out = append(out, tableOf{f, c})
	}
	if len(names) > 0 {
		return out, nil
	}
	for _, f := range p.feeds {
		for _, c := range f.copies {
			out = append(out, tableOf{f, c})
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no source is enabled and has a table; there is nothing to do")
	}
	return out, nil
}

// uncompared is why a source cannot be compared with its owner; "" if it can.
// It is what keeps a schedule from audits, too.
func (f *feed) uncompared() string {
	if why := f.source.Uncompared(); why != "" {
		return why
	}
	if f.unfloored {
		return "watermark.initial leaves out what lies before it, and not every table can tell which of its rows do"
	}
	return ""
}

// comparing is the audit of one table.
type comparing struct {
	*parts
	history syncer.History
	feed    *feed
	table   *copied
	repair  bool
}

var errElsewhere = errors.New("another table is audited")

// compare carries the audit out, or has the daemon do it.
func (a *app) compare(ctx context.Context, c comparing, r *comparedTable) {
	o := syncer.Order{Kind: syncer.OrderAudit, Table: c.table.target}
	if c.repair {
		o.Kind = syncer.OrderRepair
	}
	line, err := carryOut(ctx, c.table.consumer, o, func(ctx context.Context) (string, error) { return a.compareHere(ctx, c) })
	if c.table.Ready() == nil && line != "" {
		err = nil // that another table of the consumer is not fit is no news of this one
	}
	if err != nil {
		r.Error = strings.ReplaceAll(err.Error(), "\n", "; ")
		return
	}
	r.line = line
	found, ok := syncer.ParseAudited(line)
	r.compared = newCompared(&found)
	r.OK = ok && found.Left() == 0 && found.Suspects == 0
	if s, ok := c.statusOf(ctx, c.table); ok {
		r.Proven = instant(s.ProvenAsOf)
	}
}

// compareHere audits the table under the lease that is held, and no other table
// of the source.
func (a *app) compareHere(ctx context.Context, c comparing) (string, error) {
	if err := c.table.Ready(); err != nil {
		return "", err
	}
	for _, other := range c.feed.copies {
		if other.consumer != c.table.consumer {
			other.SetReady(errElsewhere)
		}
	}
	c.feed.Progress = a.progress()
	c.feed.Waits = func(p syncer.Partition, suspects int, until time.Time) {
		where := c.table.Name
		if p.Name != "" {
			where += " " + p.Name
		}
		fmt.Fprintf(a.stderr, "%s: %d differences; waits %s to see which of them last\n", where, suspects, max(time.Until(until), 0).Round(100*time.Millisecond))
	}
	reports, err := c.feed.AuditNow(ctx, c.table.Copy, c.repair)
	record(ctx, c.parts, c.history, reports)
	if err != nil {
		return "", err
	}
	return syncer.Outcome(reports)
}

// statusOf is what the database says of a table.
func (p *parts) statusOf(ctx context.Context, c *copied) (syncer.Status, bool) {
	all, err := c.consumer.db.Status(ctx)
	i := slices.IndexFunc(all, func(s syncer.Status) bool { return s.Table == c.target })
	if err != nil || i < 0 {
		return syncer.Status{}, false
	}
	return all[i], true
}

// text is the line that is printed of a table.
func (r comparedTable) text() string {
	switch {
	case r.Error != "":
		return "FAILED: " + r.Error
	case r.Skipped != "":
		return "not compared: " + r.Skipped
	}
	line := strings.TrimPrefix(r.line, "audit: ")
	keys := r.compared != nil && r.Keys // the line ends with "keys alone"
	switch proven := r.compared != nil && r.Proven != nil; {
	case proven && keys:
		return line + " are proven as of " + clock(r.Proven)
	case proven:
		return line + "; proven as of " + clock(r.Proven)
	case keys:
		return line + " are compared; never proven equal"
	}
	return line + "; never proven equal"
}
