package sqlite

import (
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// sweep compares a partition's rows with the notes of a complete walk. What is
// there and was not seen is missing; what is missing for long enough is
// deleted, unless the guard holds it.
func (t *Table) sweep(x *tx, w syncer.Walk, st *state) (out syncer.Settled, err error) {
	scope, err := t.scope(w.Partition)
	if err != nil {
		return out, err
	}
	name := w.Partition.Name
	if st.rows, err = x.count(t.sql.countRows, scope...); err != nil {
		return out, err
	}
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{t.sql.back, append([]any{name}, scope...)},
		{t.sql.again, []any{name}},
		{t.sql.first, append([]any{name, st.deletesAsOf}, scope...)},
	} {
		if err := run(x.Conn, step.statement, step.args...); err != nil {
			return out, fmt.Errorf("find what is missing: %w", err)
		}
	}
	confirmed, waiting, err := t.absent(x, name)
	if err != nil {
		return out, err
	}
	out.Waiting = int(waiting)
	if t.spec.Guard.Holds(int(confirmed), int(st.rows)) {
		out.Held = int(confirmed)
		return out, nil
	}
	if confirmed > 0 {
		out.Swept, err = t.deleteConfirmed(x, name)
		st.rows -= int64(out.Swept)
	}
	return out, err
}

// deleteConfirmed deletes the rows that are missing for long enough.
func (t *Table) deleteConfirmed(x *tx, partition string) (int, error) {
	if err := run(x.Conn, t.sql.sweep, partition, t.spec.Confirm); err != nil {
		return 0, fmt.Errorf("delete what is missing: %w", err)
	}
	n := x.Changes()
	return n, run(x.Conn, t.sql.swept, partition, t.spec.Confirm)
}

// absent counts what of a partition is held and what waits for another walk.
func (t *Table) absent(x *tx, partition string) (held, waiting int64, err error) {
	if held, err = x.count(t.sql.confirmed, partition, t.spec.Confirm); err != nil {
		return 0, 0, err
	}
	waiting, err = x.count(t.sql.waiting, partition, t.spec.Confirm)
	return held, waiting, err
}

// countHeld brings the number of held rows up to date.
func (t *Table) countHeld(x *tx, partition string) error {
	held, err := x.count(t.sql.confirmed, partition, t.spec.Confirm)
	if err != nil {
		return err
	}
	return x.exec(`UPDATE "larder_watermark" SET held = ?3 WHERE table_name = ?1 AND partition = ?2 AND held <> ?3`,
		t.spec.Target, partition, held)
}

// moveDeletes brings the delete as-of to the least of as-of and of the
// instants up to which the missing rows are known to have been there. While
// one of those is not known it stays where it is.
func (t *Table) moveDeletes(x *tx, partition string, st *state) error {
	return each(x.Conn, t.sql.present, func(s *sqlite.Stmt) error {
		unknown, earliest := s.ColumnInt64(0), instant(s.ColumnFloat(1))
		switch {
		case unknown > 0:
		case earliest == 0:
			st.deletesAsOf = st.asOf
		default:
			st.deletesAsOf = min(st.asOf, earliest)
		}
		return nil
	}, partition)
}
