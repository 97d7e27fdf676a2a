package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/postgres"
	"github.com/larder-sync/larder/syncer/sqlite"
)

func (a *app) forgetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "forget TABLE", Short: "retire a table that left the configuration",
		Long: `A table that was taken out of the configuration is polled no more, but its
consumer's database still tells how stale it is: first warn, then critical, for
ever. status shows it as not in the configuration.

forget removes all that larder remembers of it: where its polls stood, records
in quarantine, versions of deleted rows, orders. The table and its rows are the
consumer's and stay as they are. Configured again, the table is adopted and
polled from zero.

A table that is still in the configuration is refused; so it is by a running
daemon whose configuration has it: restart the daemon first.`,
		Args: one("TABLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.loadForDatabases()
			if err != nil {
				return err
			}
			defer p.close()
			t, err := p.leftTable(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.forget(cmd.Context(), t)
		},
	}
}

// kept is a table that the configuration names, or a consumer's database.
type kept struct {
	consumer   *consumer
	target     string
	configured bool
}

func (t kept) name() string { return t.consumer.Name + "." + t.target }

// forget retires the table. It needs no other table of the consumer ready.
func (a *app) forget(ctx context.Context, t kept) error {
	bare := &consumer{Consumer: &syncer.Consumer{Name: t.consumer.Name, Lease: t.consumer.Lease}, db: t.consumer.db}
	o := syncer.Order{Kind: syncer.OrderForget, Table: t.target}
	line, err := carryOut(ctx, bare, o, func(ctx context.Context) (string, error) { return bare.db.Forget(ctx, t.target) })
	if err != nil {
		return fmt.Errorf("forget %s: %w", t.name(), err)
	}
	a.say("%s: %s", t.name(), line)
	return nil
}

// leftTable looks a table that left the configuration up by CONSUMER.name, or
// by its name where that is unique among what is configured and what the
// consumers' databases know.
func (p *parts) leftTable(ctx context.Context, name string) (kept, error) {
	all, err := p.keptTables(ctx)
	var found []kept
	var left, names []string
	for _, t := range all {
		if t.name() == name {
			found, err = []kept{t}, nil
			break
		}
		if t.target == name {
			found, names = append(found, t), append(names, t.name())
		}
		if !t.configured {
			left = append(left, t.name())
		}
	}
	switch {
	case len(found) > 1:
		return kept{}, usagef("table %q is in several consumers: write %s", name, strings.Join(names, " or "))
	case err != nil:
		// A database that does not answer may know the name, too.
		return kept{}, fmt.Errorf("look for table %q: %w", name, err)
	case len(found) == 0 && len(left) == 0:
		return kept{}, usagef("table %q is not known, and neither is any other that is not in the configuration", name)
	case len(found) == 0:
		return kept{}, usagef("table %q is not known; not in the configuration are: %s", name, strings.Join(left, ", "))
	case found[0].configured:
		return kept{}, usagef("table %s is still in the configuration: remove it from the configuration first", found[0].name())
	}
	return found[0], nil
}

// keptTables are the tables that are configured or that a database knows, each
// once; also those that are found before a database does not answer.
func (p *parts) keptTables(ctx context.Context) ([]kept, error) {
	var all []kept
	var errs []error
	for _, con := range p.consumers {
		for _, t := range p.config.Tables {
			if t.Consumer.Name == con.Name {
				all = append(all, kept{con, t.Name, true})
			}
		}
		statuses, err := con.db.Status(ctx)
		if err != nil && !unwritten(err) {
			errs = append(errs, fmt.Errorf("ask database of %s: %w", con.Name, err))
		}
		for _, s := range statuses {
			if !p.configured(con, s.Table) {
				all = append(all, kept{con, s.Table, false})
			}
		}
	}
	return all, errors.Join(errs...)
}

// configured reports whether the configuration has the table, be its source
// switched off or not.
func (p *parts) configured(con *consumer, target string) bool {
	return slices.ContainsFunc(p.config.Tables, func(t *config.Table) bool { return t.Consumer.Name == con.Name && t.Name == target })
}

// unwritten reports whether larder never wrote to the database.
func unwritten(err error) bool {
	return errors.Is(err, sqlite.ErrNoBookkeeping) || errors.Is(err, postgres.ErrNoBookkeeping)
}

// leftLine is the line of a table that a database knows and the configuration
// does not. Its budgets are what the stored deadlines tell of them; that no
// poll is due, or that the last one failed, is no news any more.
func leftLine(con *consumer, s syncer.Status) line {
	l := line{Table: con.Name + "." + s.Table, Source: s.Source, NotConfigured: true}
	s.NextPoll, s.FailingSince, s.Class, s.Error = time.Time{}, time.Time{}, "", ""
	l.take(s)
	l.Reason = fmt.Sprintf("not in the configuration; larder forget %s retires it", l.Table)
	if s.AsOf.IsZero() {
		return l
	}
	if !s.WarnAt.IsZero() {
		l.budget.Warn = s.WarnAt.Sub(s.AsOf).Round(time.Second)
	}
	if !s.CriticalAt.IsZero() {
		l.budget.Critical = s.CriticalAt.Sub(s.AsOf).Round(time.Second)
	}
	l.Warn, l.Critical = l.budget.Warn.Seconds(), l.budget.Critical.Seconds()
	return l
}
