package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/syncer"
)

func (a *app) pauseCommand() *cobra.Command {
	return a.orderCommand(syncer.OrderPause, "stop polling a table; its staleness is still judged", `pause stops the polls of one table until resume. The other tables of its source
go on. The copy stays as it is and can be read; it grows stale, and status and
check say so, because a pause that is forgotten must be seen.`)
}

func (a *app) resumeCommand() *cobra.Command {
	return a.orderCommand(syncer.OrderResume, "go on polling a table that was paused", `resume ends a pause. The table takes part in the next poll of its source, which
starts from where the table stands, so that nothing of the pause is missing.`)
}

func (a *app) orderCommand(kind syncer.OrderKind, short, long string) *cobra.Command {
	return &cobra.Command{
		Use: string(kind) + " TABLE", Short: short, Long: long, Args: one("TABLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.orderTable(cmd.Context(), args[0], syncer.Order{Kind: kind})
		},
	}
}

func (a *app) orderTable(ctx context.Context, table string, o syncer.Order) error {
	p, err := a.loadForDatabases()
	if err != nil {
		return err
	}
	defer p.close()
	_, c, err := p.find(table)
	if err != nil {
		return err
	}
	return a.order(ctx, c, o)
}

func (a *app) acceptCommand() *cobra.Command {
	deletes := 0
	cmd := &cobra.Command{
		Use: "accept TABLE --deletes N", Short: "let a held sweep delete up to N rows",
		Long: `A complete answer of an owner that lacks many rows of the copy may be a mistake
of the owner, so the guard max_delete holds such deletions. Look at the owner
first. If the rows are really gone, accept deletes them, if they are no more
than N; if there are more, it deletes none. status says how many are held.`,
		Args: one("TABLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if deletes <= 0 {
				return usagef("accept: --deletes N says how many rows may go; status shows how many are held")
			}
			return a.orderTable(cmd.Context(), args[0], syncer.Order{Kind: syncer.OrderAccept, Deletes: deletes})
		},
	}
	cmd.Flags().IntVar(&deletes, "deletes", 0, "how many rows may be deleted, at most; required")
	return cmd
}

func (a *app) resyncCommand() *cobra.Command {
	return &cobra.Command{
		Use: "resync TABLE", Short: "poll everything from zero, without emptying the copy first",
		Long: `resync is for a copy that you do not trust any more. It asks the owner for
everything, not only for what changed, and makes the copy equal to that: rows
that differ are rewritten, and rows that the owner does not have are deleted,
under the guard max_delete. The copy is there and can be read all the while.
The source's other tables do not wait for it, and what changes goes on being
polled, unless each change needs the one before it (logs, partial records).

If the polls start at watermark.initial, the list begins there, too: rows that
are older, or have no version, stay as they are. Where a table cannot tell which
of its rows those are, nothing is deleted; config/README.md says when.`,
		Args: one("TABLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.load()
			if err != nil {
				return err
			}
			defer p.close()
			f, c, err := p.find(args[0])
			if err != nil {
				return err
			}
			return a.resync(cmd.Context(), p, f, c)
		},
	}
}

// resync marks the table and polls its source.
func (a *app) resync(ctx context.Context, p *parts, f *feed, c *copied) error {
	o := syncer.Order{Kind: syncer.OrderResync, Table: c.target}
	var result polled
	by, err := hold(ctx, f.consumers, func(ctx context.Context) error {
		if err := c.Ready(); err != nil {
			return err
		}
		if _, err := c.Keeper.Obey(ctx, o); err != nil {
			return err
		}
		f.Progress = a.progress()
		result = newPolled(f.Name, f.Poll(ctx, time.Time{}))
		return nil
	})
	switch {
	case by == c.consumer:
		var line string
		line, err = follow(ctx, by, o)
		result = polled{Source: f.Name, OK: true, Outcome: line}
	case by != nil:
		// Another consumer's daemon polls the source: the mark is ours to set,
		// the poll is that daemon's.
		if err = a.order(ctx, c, o); err == nil {
			result = ask(ctx, f, by)
		}
	}
	if err != nil {
		return fmt.Errorf("resync %s: %w", c.Name, err)
	}
	return a.printPolled([]polled{result}, false)
}

func (a *app) quarantineCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "quarantine", Short: "the records that do not fit their table", Args: known,
		Long: `A record with a value that does not fit its column is set aside, with the reason,
and the poll goes on. It leaves the quarantine when the owner sends a newer
record of the same key that fits, or by retry or drop.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	asJSON, limit := false, 100
	list := &cobra.Command{Use: "list [TABLE]", Short: "show the records set aside, and why", Args: atMostOne,
		Long: `list shows, of one table or of all, the key of each record set aside, the column
that it does not fit, why, since when, and the fields that are mapped.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.listQuarantine(cmd.Context(), args, limit, asJSON)
		}}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	list.Flags().IntVar(&limit, "limit", limit, "how many of a table, at most")
	cmd.AddCommand(list)
	for _, o := range []struct {
		use, short, long string
		kind             syncer.OrderKind
	}{
		{"retry", "convert the records again, after a change of the columns", `retry converts the records set aside once more, and writes those that fit as
rows. Correct the columns in the configuration first; a daemon must be restarted
to read them.`, syncer.OrderQuarantineRetry},
		{"drop", "forget the records", `drop forgets the records set aside. The copy then lacks them, or keeps older
versions of them, until their owner changes them again or you resync.`, syncer.OrderQuarantineDrop},
	} {
		key := ""
		sub := &cobra.Command{Use: o.use + " TABLE", Short: o.short, Long: o.long, Args: one("TABLE"),
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.orderTable(cmd.Context(), args[0], syncer.Order{Kind: o.kind, Key: key})
			}}
		sub.Flags().StringVar(&key, "key", "", "only the record of this key, as list shows it")
		cmd.AddCommand(sub)
	}
	return cmd
}

// listQuarantine shows what is set aside, of one table or of all.
func (a *app) listQuarantine(ctx context.Context, args []string, limit int, asJSON bool) error {
	p, err := a.loadForDatabases()
	if err != nil {
		return err
	}
	defer p.close()
	only := ""
	if len(args) == 1 {
		_, c, err := p.find(args[0])
		if err != nil {
			return err
		}
		only = c.Name
	}
	all := []setAside{}
	for _, f := range p.feeds {
		for _, c := range f.copies {
			if only != "" && c.Name != only {
				continue
			}
			found, err := c.consumer.db.Quarantine(ctx, c.target, limit)
			if err != nil {
				return fmt.Errorf("read quarantine of %s: %w", c.Name, err)
			}
			for _, q := range found {
				q.Table = c.Name
				all = append(all, newSetAside(q))
			}
		}
	}
	if asJSON {
		return a.printJSON(all)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TABLE\tKEY\tCOLUMN\tREASON\tSINCE\tRECORD")
	for _, q := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", q.Table, q.Key, q.Column, q.Reason, q.Since.UTC().Format(time.RFC3339), q.Record)
	}
	return w.Flush()
}
