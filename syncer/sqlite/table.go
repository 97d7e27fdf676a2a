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
	// seen and missing are the names of the tables of notes and of absences.
	seen, missing string
	sql           statements
}

var _ interface {
	syncer.Table
	syncer.Keeper
} = (*Table)(nil)

// Table returns the table that spec describes. It does not touch the database.
func (d *Database) Table(spec row.Spec) *Table {
	t := &Table{db: d, spec: &spec, seen: d.names.own("seen_", spec.Target), missing: d.names.own("missing_", spec.Target)}
	t.strict.Store(t.spec)
	t.sql = newStatements(t.spec, t.seen, t.missing)
	return t
}

// Prepare implements syncer.Keeper: it creates the table, or checks that the
// one that is there fits. It never alters a table that it did not create.
func (t *Table) Prepare(ctx context.Context) error {
	err := t.db.write(ctx, func(x *tx) error {
		if err := t.adopt(x); err != nil {
			return err
		}
		if err := x.define("main", "TABLE", t.missing, t.sql.createMissing); err != nil {
			return err
		}
		if err := t.openNotes(x); err != nil {
			return err
		}
		for _, p := range t.spec.Partitions {
			if _, err := t.state(x, p); err != nil {
				return err
			}
		}
		if err := t.retire(x); err != nil {
			return fmt.Errorf("retire partitions: %w", err)
		}
		if err := t.reviseNotes(x); err != nil {
			return err
		}
		return t.refresh(x)
	})
	if err != nil {
		return fmt.Errorf("prepare %q: %w", t.spec.Target, err)
	}
	return nil
}

// refresh brings what depends on the configuration up to date, and forgets
// what is out of date. It writes only what differs.
func (t *Table) refresh(x *tx) error {
	warn, critical := instant(t.spec.Budget.Warn.Seconds()), t.spec.Budget.Critical.Seconds()
	err := x.exec(`UPDATE "larder_watermark" SET source = ?2, warn = ?3, critical = ?4,
			warn_at = min(as_of, deletes_as_of) + ?3, critical_at = min(as_of, deletes_as_of) + ?4
		WHERE table_name = ?1 AND (source IS NOT ?2 OR warn IS NOT ?3 OR critical IS NOT ?4)`,
		t.spec.Target, t.spec.Source, warn, critical)
	if err != nil {
		return err
	}
	return t.forgetGone(x)
}

// scope are the values that set a partition's rows apart.
func (t *Table) scope(p syncer.Partition) ([]any, error) {
	_, values, err := t.spec.PartitionValues(p)
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

// Repartition implements syncer.Keeper.
func (t *Table) Repartition(ctx context.Context, _ []syncer.Partition) error { return t.Prepare(ctx) }
