package sqlite

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Table is one table in the database. It is safe for concurrent use.
type Table struct {
	db   *Database
	spec *row.Spec
	// strict is spec as Prepare found that the table demands it: a column that
	// is NOT NULL there takes no null, whatever the configuration says, so that
	// one null goes to quarantine and does not fail every poll.
	strict atomic.Pointer[row.Spec]
	own    ownNames
	sql    statements
	// drift is what all views of the table know of fields that nobody named.
	drift *drift
}

// ownNames are what our own tables for one target are called: of its notes and
// the lists that they belong to, of what is absent, and of what an audit found
// to differ.
type ownNames struct{ seen, list, missing, suspect string }

func (p prefix) ownNames(target string) ownNames {
	return ownNames{p.own("seen_", target), p.own("list_", target), p.own("missing_", target), p.own("suspect_", target)}
}

var _ interface {
	syncer.Table
	syncer.Keeper
} = (*Table)(nil)

// Table returns the table that spec describes. It does not touch the database.
func (d *Database) Table(spec row.Spec) *Table {
	t := d.view(spec)
	t.drift = &drift{configured: t}
	return t
}

// view is a table as a spec describes it.
func (d *Database) view(spec row.Spec) *Table {
	t := &Table{db: d, spec: &spec, own: d.names.ownNames(spec.Target)}
	t.strict.Store(t.spec)
	t.sql = newStatements(t.spec, t.own)
	return t
}

// Prepare implements syncer.Keeper: it creates the table, or checks that the
// one that is there fits. It never alters a table that it did not create.
func (t *Table) Prepare(ctx context.Context) error {
	t.drift.growing.Lock()
	defer t.drift.growing.Unlock()
	view := t.drift.configured
	err := t.db.write(ctx, func(x *tx) error {
		t, err := t.recallFields(x)
		if err != nil {
			return err
		}
		view = t
		plan, err := t.adopt(x)
		if err != nil {
			return err
		}
		if err := x.define("main", "TABLE", t.own.missing, t.sql.createMissing); err != nil {
			return err
		}
		if err := t.openSuspects(x); err != nil {
			return err
		}
		if err := t.openNotes(x); err != nil {
			return err
		}
		if err := t.distrust(x, plan); err != nil {
			return err
		}
		if err := t.partitions(x); err != nil {
			return fmt.Errorf("prepare partitions: %w", err)
		}
		if err := t.askAgain(x); err != nil {
			return err
		}
		if plan.creates {
			if err := x.exec(`UPDATE "larder_watermark" SET made = 1 WHERE table_name = ?`, t.spec.Target); err != nil {
				return err
			}
		}
		if err := t.reviseNotes(x); err != nil {
			return err
		}
		return t.refresh(x)
	})
	if err != nil {
		return fmt.Errorf("prepare %q: %w", t.spec.Target, err)
	}
	t.drift.recalled(view)
	return nil
}

// openSuspects makes the table of suspects ready. One that is made again has
// none.
func (t *Table) openSuspects(x *tx) error {
	if err := x.define("main", "TABLE", t.own.suspect, t.sql.createSuspect); err != nil {
		return err
	}
	n, err := x.count("SELECT count(*) FROM main." + quote(t.own.suspect))
	if err != nil || n > 0 {
		return err
	}
	return x.exec(`UPDATE "larder_watermark" SET suspects = 0 WHERE table_name = ? AND suspects <> 0`, t.spec.Target)
}

// refresh brings what depends on the configuration up to date, and forgets
// what is out of date. It writes only what differs.
func (t *Table) refresh(x *tx) error {
	b := t.spec.Budget
	err := x.exec(`UPDATE "larder_watermark" SET source = ?2, warn = ?3, critical = ?4, deletes = ?5, newest = ?6,
			warn_at = iif(?5 > 0, iif(deletes_as_of IS NULL, NULL, as_of), min(as_of, deletes_as_of)) + ?3,
			critical_at = min(as_of + ?4, deletes_as_of + coalesce(?5, ?4))
		WHERE table_name = ?1 AND (source IS NOT ?2 OR warn IS NOT ?3 OR critical IS NOT ?4 OR deletes IS NOT ?5 OR newest IS NOT ?6)`,
		t.spec.Target, t.spec.Source, instant(b.Warn.Seconds()), b.Critical.Seconds(), instant(b.Deletes.Seconds()), instant(b.Newest.Seconds()))
	if err == nil && !b.Grace.IsZero() {
		err = t.refreshGrace(x)
	}
	if err != nil {
		return err
	}
	return t.forgetGone(x)
}

// refreshGrace brings the deadlines up to date that follow the schedule: each
// partition has its own.
func (t *Table) refreshGrace(x *tx) error {
	partitions, states, err := t.states(x)
	if err != nil {
		return err
	}
	for i := range states {
		b := t.ages(x, &states[i])
		warnAt, criticalAt := t.deadlines(x, &states[i])
		err := x.exec(`UPDATE "larder_watermark" SET warn = ?, critical = ?, warn_at = ?, critical_at = ? WHERE table_name = ? AND partition = ?`,
			instant(b.Warn.Seconds()), b.Critical.Seconds(), warnAt, criticalAt, t.spec.Target, partitions[i])
		if err != nil {
			return err
		}
	}
	return nil
}

// scope are the values that set a partition's rows apart, and no floor.
func (t *Table) scope(p syncer.Partition) ([]any, error) {
	_, values, err := t.spec.PartitionValues(p)
	if floors(t.spec) {
		values = append(values, nil)
	}
	return values, err
}

// key are the values of a row's key.
func (t *Table) key(r row.Row) []any {
	out := make([]any, len(t.spec.Key))
	for n, i := range t.spec.Key {
		out[n] = r.Values[i]
	}
	return out
}

// version is a row's version, nil where rows carry none.
func (t *Table) version(r row.Row) any {
	if t.spec.Version < 0 {
		return nil
	}
	return r.Values[t.spec.Version]
}
