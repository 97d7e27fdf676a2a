package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// drift is what a table knows of the fields that nobody named, as its owner
// adds them. All calls go by the table as it is configured; those that touch
// rows take the view of it that has the columns which were added.
type drift struct {
	configured *Table
	view       atomic.Pointer[Table] // nil: not known yet
	// growing is held while the view changes, and read by all that write rows:
	// what was folded without a column that is there would leave in it what an
	// older record had.
	growing sync.RWMutex
	heard   row.Heard
	begun   row.Begun
}

// current is the table with the columns that were added so far.
func (t *Table) current() *Table {
	if v := t.drift.view.Load(); v != nil {
		return v
	}
	return t.drift.configured
}

// with is the configured table with columns that were added.
func (t *Table) with(added []row.Added) *Table {
	v := t.db.view(t.drift.configured.spec.With(added))
	v.drift = t.drift
	return v
}

// follow folds batches, having added columns for, or noted, what nobody named.
// That has a short transaction of its own, so that readers wait for the change
// of the table alone and not for the rows of a batch. A kill behind it leaves a
// column that is known, empty, and not proven to be full: the table's shape asks
// for a resync.
func (t *Table) follow(ctx context.Context, w syncer.Walk, batches []*syncer.Batch) (*Table, row.Folded, error) {
	t = t.current()
	folded := t.spec.Fold(batches, w.Kind.Listing())
	if w.Kind == syncer.Audit || !t.drift.heard.News(&t.spec, w.ID, folded.Unnamed) {
		return t, folded, nil // an audit writes nothing but what it repairs
	}
	if err := t.spec.Drifted(folded); err != nil {
		return t, folded, err
	}
	t.drift.growing.Lock()
	defer t.drift.growing.Unlock()
	next, refused, err := t.learn(ctx, folded.Unnamed)
	if err != nil {
		return t, folded, err
	}
	t.drift.show(next)
	t.drift.heard.Note(&t.spec, w.ID, folded.Unnamed, refused)
	if len(next.spec.Columns) == len(t.spec.Columns) {
		return t, folded, nil
	}
	return next, next.spec.Fold(batches, w.Kind.Listing()), nil
}

// learn writes down what becomes of fields, and returns the table as it is then.
// Another walk, or the daemon that had the lease before, may have written down
// some of them.
func (t *Table) learn(ctx context.Context, found []row.Unnamed) (next *Table, refused []row.Note, err error) {
	err = t.db.fenced(ctx, "follow the owner's fields", func(tx pgx.Tx) error {
		if err := t.db.lockDDL(ctx, tx); err != nil {
			return err
		}
		known, err := t.known(ctx, tx)
		if err != nil {
			return err
		}
		target, err := t.target(ctx, tx)
		if err != nil {
			return err
		}
		add, notes := t.spec.Follow(found, known, target)
		if add, refused, err = t.grow(ctx, tx, target, add); err != nil {
			return err
		}
		next = t.with(append(t.spec.Kept(known), add...))
		for _, a := range add {
			if err := t.write(ctx, tx, a.Name, a.Type.String(), ""); err != nil {
				return err
			}
		}
		for _, n := range row.Refused(known, notes, refused) {
			if err := t.write(ctx, tx, n.Name, "", n.Why); err != nil {
				return err
			}
		}
		if len(add) == 0 {
			return nil
		}
		return next.askAgain(ctx, tx)
	})
	return next, refused, err
}

// write writes down what became of a field.
func (t *Table) write(ctx context.Context, tx pgx.Tx, name, typ, why string) error {
	_, err := tx.Exec(ctx, `INSERT INTO `+t.db.own("field")+` (table_name, name, type, added, told, why) VALUES ($1, $2, $3::text, $3 <> '', $3 = '', $4)
		ON CONFLICT (table_name, name) DO UPDATE SET type = excluded.type, added = excluded.added, told = excluded.told, why = excluded.why`,
		t.spec.Target, name, typ, why)
	return failed("note field", err)
}

// known reads what the bookkeeping has of fields, the oldest first.
func (t *Table) known(ctx context.Context, q querier) ([]row.Known, error) {
	rows, err := q.Query(ctx, `SELECT name, type, why FROM `+t.db.own("field")+` WHERE table_name = $1 ORDER BY first_seen, name COLLATE "C"`, t.spec.Target)
	if err != nil {
		return nil, failed("read fields", err)
	}
	known, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (k row.Known, err error) {
		var typ string
		if err := r.Scan(&k.Name, &typ, &k.Why); err != nil || typ == "" {
			return k, err
		}
		k.Column = true
		k.Type, err = row.ParseType(typ)
		return k, err
	})
	return known, failed("read fields", err)
}

// target is the table as it stands in the database.
func (t *Table) target(ctx context.Context, q querier) (row.Target, error) {
	target := row.Target{
		Reserved: []string{"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"},
		Fold:     exactly,
		Add: func(a row.Added) string {
			return "ALTER TABLE " + t.name + " ADD COLUMN " + columnDDL(row.Column{Name: a.Name, Type: a.Type})
		},
	}
	err := q.QueryRow(ctx, `SELECT coalesce(bool_or(made), false) FROM `+t.db.own("watermark")+` WHERE table_name = $1`, t.spec.Target).Scan(&target.Made)
	if err != nil {
		return target, failed("read bookkeeping", err)
	}
	columns, err := t.catalogColumns(ctx, q)
	for _, c := range columns {
		target.Columns = append(target.Columns, c.name)
	}
	return target, err
}

func exactly(name string) string { return name }

// recallFields brings the bookkeeping of fields to what is configured, and returns the
// table with the columns that stay added.
func (t *Table) recallFields(ctx context.Context, tx pgx.Tx) (*Table, error) {
	known, err := t.known(ctx, tx)
	if err != nil {
		return nil, err
	}
	if known, err = t.forgetLost(ctx, tx, known); err != nil {
		return nil, err
	}
	stays, forget := t.drift.configured.spec.Recall(known, exactly)
	if len(forget) > 0 {
		_, err := tx.Exec(ctx, `DELETE FROM `+t.db.own("field")+` WHERE table_name = $1 AND name = ANY($2)`, t.spec.Target, forget)
		if err != nil {
			return nil, failed("forget fields", err)
		}
	}
	if len(stays) > 0 {
		_, err := tx.Exec(ctx, `UPDATE `+t.db.own("field")+` SET added = $2, told = $3 WHERE table_name = $1 AND type <> '' AND (added, told) <> ($2, $3)`,
			t.spec.Target, t.spec.Drift == row.DriftAdd, t.spec.Drift == row.DriftNote)
		if err != nil {
			return nil, failed("note fields", err)
		}
	}
	return t.with(t.spec.Kept(stays)), nil
}

// recalled makes the view that recallFields returned the current one. growing is
// held since before it was read.
func (d *drift) recalled(v *Table) {
	d.heard.Forget()
	d.show(v)
}

// show makes a view the current one. Columns that the first view of a process
// has are older than all its walks.
func (d *drift) show(v *Table) {
	if before := d.view.Load(); before != nil {
		d.begun.Grow(&before.spec, &v.spec)
	}
	d.view.Store(v)
}

// intended is the table with the columns that would stay added.
func (t *Table) intended(ctx context.Context, q querier, found int) (*Table, error) {
	if found < 3 {
		return t.drift.configured, nil
	}
	known, err := t.known(ctx, q)
	if err != nil {
		return nil, err
	}
	if known, _, err = t.lost(ctx, q, known); err != nil {
		return nil, err
	}
	stays, _ := t.drift.configured.spec.Recall(known, exactly)
	return t.with(t.spec.Kept(stays)), nil
}

// told reads the fields that the view of freshness tells of.
func told(s *syncer.Status, text *string, now time.Time) error {
	if text == nil {
		return nil
	}
	var fields []struct {
		Name, Type, Why string
		Added           bool
		Since           time.Time
	}
	if err := json.Unmarshal([]byte(*text), &fields); err != nil {
		return fmt.Errorf("read fields of %q: %w", s.Table, err)
	}
	for _, f := range fields {
		since := time.Now().Add(f.Since.Sub(now))
		if f.Added {
			s.Added = append(s.Added, syncer.AddedColumn{Name: f.Name, Type: f.Type, Since: since})
		} else {
			s.Unnamed = append(s.Unnamed, syncer.Unnamed{Name: f.Name, Why: f.Why, Since: since})
		}
	}
	return nil
}
