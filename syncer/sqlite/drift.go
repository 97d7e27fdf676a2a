package sqlite

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"zombiezen.com/go/sqlite"

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

// with is the configured table with columns that were added, of which the table
// that is there demands nothing.
func (t *Table) with(added []row.Added) *Table {
	v := t.db.view(t.drift.configured.spec.With(added))
	v.drift = t.drift
	return v
}

// follow folds batches, having added columns for, or noted, what nobody named,
// in a transaction of its own. A kill behind it leaves a column that is known,
// empty, and not proven to be full: the table's shape asks for a resync.
func (t *Table) follow(ctx context.Context, w syncer.Walk, batches []*syncer.Batch) (*Table, row.Folded, error) {
	t = t.current()
	folded := t.strict.Load().Fold(batches, w.Kind.Listing())
	if w.Kind == syncer.Audit || !t.drift.heard.News(t.spec, w.ID, folded.Unnamed) {
		return t, folded, nil // an audit writes nothing but what it repairs
	}
	if err := t.spec.Drifted(folded); err != nil {
		return t, folded, err
	}
	t.drift.growing.Lock()
	defer t.drift.growing.Unlock()
	next, refused, err := t.learn(ctx, folded.Unnamed)
	if err != nil {
		return t, folded, fmt.Errorf("follow the owner's fields: %w", err)
	}
	t.drift.show(next)
	t.drift.heard.Note(t.spec, w.ID, folded.Unnamed, refused)
	if len(next.spec.Columns) == len(t.spec.Columns) {
		return t, folded, nil
	}
	return next, next.strict.Load().Fold(batches, w.Kind.Listing()), nil
}

// learn writes down what becomes of fields, and returns the table as it is then.
// Another walk, or the daemon that had the lease before, may have written down
// some of them.
func (t *Table) learn(ctx context.Context, found []row.Unnamed) (next *Table, refused []row.Note, err error) {
	err = t.db.write(ctx, func(x *tx) error {
		known, err := t.fields(x)
		if err != nil {
			return err
		}
		target, err := t.target(x)
		if err != nil {
			return err
		}
		add, notes := t.spec.Follow(found, known, target)
		if add, refused, err = grow(x, target, add); err != nil {
			return err
		}
		next = t.with(append(t.spec.Kept(known), add...))
		for _, a := range add {
			if err := t.noteField(x, a.Name, a.Type.String(), ""); err != nil {
				return err
			}
		}
		for _, n := range row.Refused(known, notes, refused) {
			if err := t.noteField(x, n.Name, "", n.Why); err != nil {
				return err
			}
		}
		plan, err := next.design(x)
		if err != nil {
			return err
		}
		next.strict.Store(plan.strict)
		if len(add) == 0 {
			return nil
		}
		return next.askAgain(x)
	})
	return next, refused, err
}

// grow adds columns, as far as SQLite will.
func grow(x *tx, target row.Target, add []row.Added) (added []row.Added, refused []row.Note, err error) {
	for _, a := range add {
		err := run(x.Conn, target.Add(a))
		switch sqlite.ErrCode(err).ToPrimary() {
		case sqlite.ResultOK:
			added = append(added, a)
		case sqlite.ResultError, sqlite.ResultConstraint, sqlite.ResultTooBig: // the statement alone is undone
			refused = append(refused, row.Note{Name: a.Name, Why: "cannot be added: " + row.Label(err.Error())})
		default:
			return nil, nil, err
		}
	}
	return added, refused, nil
}

// noteField writes down what became of a field.
func (t *Table) noteField(x *tx, name, typ, why string) error {
	return x.exec(`INSERT INTO "larder_field" (table_name, name, type, added, told, why, first_seen) VALUES (?1, ?2, ?3, ?3 <> '', ?3 = '', ?4, ?5)
		ON CONFLICT (table_name, name) DO UPDATE SET type = excluded.type, added = excluded.added, told = excluded.told, why = excluded.why`,
		t.spec.Target, name, typ, why, x.now)
}

// fields reads what the bookkeeping has of fields, the oldest first.
func (t *Table) fields(x *tx) (known []row.Known, err error) {
	err = x.each(`SELECT name, type, why FROM "larder_field" WHERE table_name = ? ORDER BY first_seen, name`, func(s *sqlite.Stmt) error {
		k := row.Known{Added: row.Added{Name: s.ColumnText(0)}, Column: s.ColumnText(1) != "", Why: s.ColumnText(2)}
		var err error
		if k.Column {
			k.Type, err = row.ParseType(s.ColumnText(1))
		}
		known = append(known, k)
		return err
	}, t.spec.Target)
	return known, err
}

// target is the table as it stands in the database.
func (t *Table) target(x *tx) (row.Target, error) {
	target := row.Target{
		Reserved: []string{"rowid", "oid", "_rowid_"},
		Fold:     fold,
		Add: func(a row.Added) string {
			return fmt.Sprintf("ALTER TABLE main.%s ADD COLUMN %s %s", quote(t.spec.Target), quote(a.Name), columnType(a.Type.Kind))
		},
	}
	e, err := inspect(x, t.spec.Target)
	if err != nil {
		return target, err
	}
	for name := range e.columns {
		target.Columns = append(target.Columns, name)
	}
	target.Made, err = t.made(x)
	return target, err
}

// recallFields brings the bookkeeping of fields to what is configured, and returns the
// table with the columns that stay added.
func (t *Table) recallFields(x *tx) (*Table, error) {
	known, err := t.fields(x)
	if err != nil {
		return nil, err
	}
	if known, err = t.forgetLost(x, known); err != nil {
		return nil, err
	}
	stays, forget := t.drift.configured.spec.Recall(known, fold)
	for _, name := range forget {
		if err := x.exec(`DELETE FROM "larder_field" WHERE table_name = ? AND name = ?`, t.spec.Target, name); err != nil {
			return nil, err
		}
	}
	if len(stays) > 0 {
		err := x.exec(`UPDATE "larder_field" SET added = ?2, told = ?3 WHERE table_name = ?1 AND type <> '' AND (added, told) <> (?2, ?3)`,
			t.spec.Target, t.spec.Drift == row.DriftAdd, t.spec.Drift == row.DriftNote)
		if err != nil {
			return nil, err
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
		d.begun.Grow(before.spec, v.spec)
	}
	d.view.Store(v)
}

// intended is the table with the columns that would stay added.
func (t *Table) intended(x *tx) (*Table, error) {
	there, err := x.defined("main", x.names.name("field"))
	if err != nil || there == "" {
		return t.drift.configured, err
	}
	known, err := t.fields(x)
	if err != nil {
		return nil, err
	}
	if known, _, err = t.lost(x, known); err != nil {
		return nil, err
	}
	stays, _ := t.drift.configured.spec.Recall(known, fold)
	return t.with(t.spec.Kept(stays)), nil
}

// tellFields adds to what the view of freshness tells the fields that nobody
// named. They do not stand in the view, because the JSON that a list would take
// is not known to every SQLite that reads it.
func tellFields(c *sqlite.Conn, names prefix, all []syncer.Status) error {
	err := once(c, names.sql(`SELECT unixepoch('subsec'), table_name, name, type, added, why, first_seen FROM "larder_field"
		WHERE told OR added ORDER BY first_seen, name`), func(s *sqlite.Stmt) error {
		i := slices.IndexFunc(all, func(st syncer.Status) bool { return st.Table == s.ColumnText(1) })
		if i < 0 {
			return nil
		}
		name, since := s.ColumnText(2), instant(s.ColumnFloat(6)).local(instant(s.ColumnFloat(0)))
		if s.ColumnInt64(4) != 0 {
			all[i].Added = append(all[i].Added, syncer.AddedColumn{Name: name, Type: s.ColumnText(3), Since: since})
		} else {
			all[i].Unnamed = append(all[i].Unnamed, syncer.Unnamed{Name: name, Why: s.ColumnText(5), Since: since})
		}
		return nil
	})
	if noTable(err, names) { // an older larder kept none
		return nil
	}
	return err
}
