package sqlite

import (
	"fmt"

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
	if t.spec.Keep {
		return out, run(x.Conn, t.sql.forgetMissing, name)
	}
	inList := st.rows
	if st.floor != nil {
		scope = t.from(scope, st.floor)
		if inList, err = x.count(t.sql.countRows, scope...); err != nil {
			return out, err
		}
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
	if t.spec.Guard.Holds(int(confirmed), int(inList)) {
		out.Held = int(confirmed)
	} else if confirmed > 0 {
		out.Swept, err = t.deleteConfirmed(x, name)
		st.rows -= int64(out.Swept)
	}
	if err == nil {
		err = t.acquit(x, name, scope, st)
	}
	return out, err
}

// acquit forgets that rows are extra which were deleted, or which the list could
// not have.
func (t *Table) acquit(x *tx, partition string, scope []any, st *state) (err error) {
	if st.suspects == 0 {
		return nil
	}
	if err := run(x.Conn, t.sql.vanished, append([]any{partition}, scope...)...); err != nil {
		return err
	}
	st.suspects, err = x.count(t.sql.countSuspects, partition)
	return err
}

// deleteConfirmed deletes the rows of a partition that are missing for long
// enough, and are its own still.
func (t *Table) deleteConfirmed(x *tx, partition string) (int, error) {
	n := 0
	// No row can hold values that do not fit its column.
	if scope, err := t.scope(syncer.ParsePartition(partition)); err == nil {
		if err := run(x.Conn, t.sql.sweep, t.cutting(x, append([]any{partition, t.spec.Confirm}, scope...)...)...); err != nil {
			return 0, fmt.Errorf("delete what is missing: %w", err)
		}
		n = x.Changes()
	}
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
