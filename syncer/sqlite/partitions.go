package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Where partitions change, the row of the watermark table without a partition's
// name stands for the list of them: it is as old as the list.

// partitions notes the partitions that are configured when they are first seen,
// and retires those that are configured no more.
func (t *Table) partitions(x *tx) error {
	if t.spec.Changing {
		return t.openList(x)
	}
	for _, p := range t.spec.Partitions {
		st, err := t.state(x, p)
		if err != nil {
			return err
		}
		if st.isList {
			// The table had partitions that changed; as a whole it was never polled.
			if err := t.restart(x, 0); err != nil {
				return err
			}
			if err := t.recount(x, p); err != nil {
				return err
			}
		}
		if err := t.recall(x, p.Name, &st); err != nil {
			return err
		}
	}
	if len(t.spec.Partitions) == 0 {
		return nil
	}
	if err := x.exec(`DELETE FROM "larder_watermark" WHERE table_name = ? AND partition = '' AND parts <> 0`, t.spec.Target); err != nil {
		return err
	}
	return t.retire(x, t.spec.Partitions)
}

// openList makes the row that stands for the list, out of that of the whole
// table if it was one.
func (t *Table) openList(x *tx) error {
	st, err := t.row(x, "")
	if err != nil || st.isList {
		return err
	}
	if !st.known {
		if err := t.know(x, "", 0); err != nil {
			return err
		}
	} else if err := t.clean(x, ""); err != nil {
		return err
	}
	return t.restart(x, 1)
}

// restart makes the row without a partition's name as if it were new: that of
// the list of partitions, or of the whole.
func (t *Table) restart(x *tx, isList int) error {
	return x.exec(`UPDATE "larder_watermark" SET parts = ?, `+neverPolled+` WHERE table_name = ? AND partition = ''`, isList, t.spec.Target)
}

// recount stores how many rows there are of a partition.
func (t *Table) recount(x *tx, p syncer.Partition) error {
	scope, err := t.scope(p)
	if err != nil {
		return err
	}
	rows, err := x.count(t.sql.countRows, scope...)
	if err != nil {
		return err
	}
	return x.exec(`UPDATE "larder_watermark" SET "rows" = ? WHERE table_name = ? AND partition = ?`, rows, t.spec.Target, p.Name)
}

// neverPolled are the assignments that make a row as if it were new, but for
// when it was first seen and whether it is paused.
const neverPolled = `as_of = NULL, deletes_as_of = NULL, warn_at = NULL, critical_at = NULL,
	shape = '', watermark = '', validator = '', epoch = '', resume = NULL, walk_sent = NULL, list_resume = NULL, list_sent = NULL,
	seen_walk = '', seen_count = 0, error_class = '', error = '', error_kind = '', failing_since = NULL, resync = 0,
	"rows" = 0, held = 0, suspects = 0, proven_as_of = NULL, audited = NULL, audit_as_of = NULL, newest_at = NULL,
	audit_compared = 0, audit_found = 0, audit_left = 0, audit_error = '', retired = 0`

// row reads the row of a partition as it is.
func (t *Table) row(x *tx, partition string) (st state, err error) {
	err = x.each(selectState, func(s *sqlite.Stmt) error {
		st = scanState(s)
		return nil
	}, t.spec.Target, partition)
	return st, err
}

// Repartition implements syncer.Keeper.
func (t *Table) Repartition(ctx context.Context, parts []syncer.Partition, asked time.Time) error {
	t.drift.growing.RLock()
	defer t.drift.growing.RUnlock()
	t = t.current()
	err := t.db.write(ctx, func(x *tx) error {
		if !t.spec.Changing {
			return refusal("its partitions do not change")
		}
		if err := t.openList(x); err != nil {
			return err
		}
		list, err := t.row(x, "")
		if err != nil {
			return err
		}
		for _, p := range parts {
			if err := t.welcome(x, p, list.asOf); err != nil {
				return fmt.Errorf("note partition %s: %w", p, err)
			}
		}
		if err := t.retire(x, parts); err != nil {
			return err
		}
		at := x.ago(syncer.Age(asked, time.Now()))
		if list.asOf <= x.now { // unless the database's clock was set back
			at = max(at, list.asOf)
		}
		list.asOf, list.deletesAsOf = at, at
		if err := t.storeAsOf(x, "", &list); err != nil {
			return err
		}
		return x.exec(`UPDATE "larder_watermark" SET error_class = '', error = '', error_kind = '', failing_since = NULL, next_poll = NULL
			WHERE table_name = ? AND partition = '' AND error_class <> ''`, t.spec.Target)
	})
	if err != nil {
		return fmt.Errorf("state partitions of %q: %w", t.spec.Target, err)
	}
	return nil
}

// welcome notes a partition that the list has. Before the list had it the copy
// needed nothing of it: a new one is as old as the list was. One that was
// retired, but whose rows were held, goes on.
func (t *Table) welcome(x *tx, p syncer.Partition, before instant) error {
	st, err := t.row(x, p.Name)
	if err != nil || p.Name == "" {
		return err
	}
	if st.known {
		return t.recall(x, p.Name, &st)
	}
	if st, err = t.state(x, p); err != nil {
		return err
	}
	st.asOf, st.deletesAsOf = before, before
	return t.storeAsOf(x, p.Name, &st)
}

// recall takes a partition back that was retired while its rows were held.
func (t *Table) recall(x *tx, partition string, st *state) error {
	if !st.retired {
		return nil
	}
	if err := run(x.Conn, t.sql.forgetMissing, partition); err != nil {
		return err
	}
	return x.exec(`UPDATE "larder_watermark" SET held = 0, retired = 0 WHERE table_name = ? AND partition = ?`, t.spec.Target, partition)
}

// storeAsOf stores up to when a partition is complete.
func (t *Table) storeAsOf(x *tx, partition string, st *state) error {
	warnAt, criticalAt := t.deadlines(x, st)
	return x.exec(`UPDATE "larder_watermark" SET as_of = ?, deletes_as_of = ?, warn_at = ?, critical_at = ? WHERE table_name = ? AND partition = ?`,
		st.asOf, st.deletesAsOf, warnAt, criticalAt, t.spec.Target, partition)
}

// retire sweeps the partitions that are no more. The guard looks at all of them
// together and at the whole table, because the whole table is what a mistake in
// the configuration, or in the list, may cost; what it holds waits to be
// accepted.
func (t *Table) retire(x *tx, parts []syncer.Partition) error {
	retired, err := t.leaving(x, parts)
	if err != nil || len(retired) == 0 {
		return err
	}
	total, err := x.count(t.sql.countAll)
	if err != nil {
		return err
	}
	missing, sum := make([]int, len(retired)), 0
	for i, r := range retired {
		if missing[i], err = t.missAll(x, r, parts); err != nil {
			return err
		}
		sum += missing[i]
	}
	holds := t.spec.Guard.Holds(sum, int(total))
	for i, r := range retired {
		if holds && missing[i] > 0 {
			err = t.holdRetired(x, r.partition.Name, missing[i])
		} else {
			err = t.retireOne(x, r, parts)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// retiring is a partition that is no more; held is how many of its rows are,
// if it was retired before.
type retiring struct {
	partition syncer.Partition
	held      int64
}

// leaving are the partitions that are known and are not among parts.
func (t *Table) leaving(x *tx, parts []syncer.Partition) (out []retiring, err error) {
	stay := make(map[string]bool, len(parts))
	for _, p := range parts {
		stay[p.Name] = true
	}
	err = x.each(`SELECT partition, retired * held FROM "larder_watermark" WHERE table_name = ? ORDER BY partition`, func(s *sqlite.Stmt) error {
		if name := s.ColumnText(0); !stay[name] && (name != "" || !t.spec.Changing) {
			out = append(out, retiring{syncer.ParsePartition(name), s.ColumnInt64(1)})
		}
		return nil
	}, t.spec.Target)
	return out, err
}

// retireAccepted forgets the partitions that were held for their removal, as
// far as nothing of them is held any more.
func (t *Table) retireAccepted(x *tx) error {
	if !t.spec.Changing {
		if len(t.spec.Partitions) == 0 {
			return nil
		}
		return t.retire(x, t.spec.Partitions)
	}
	var parts []syncer.Partition
	err := x.each(`SELECT partition FROM "larder_watermark" WHERE table_name = ? AND retired = 0 AND partition <> ''`, func(s *sqlite.Stmt) error {
		parts = append(parts, syncer.ParsePartition(s.ColumnText(0)))
		return nil
	}, t.spec.Target)
	if err != nil {
		return err
	}
	return t.retire(x, parts)
}

// holdRetired keeps the rows of a partition that is no more.
func (t *Table) holdRetired(x *tx, partition string, missing int) error {
	return x.exec(`UPDATE "larder_watermark" SET held = ?1, retired = 1, resume = NULL, walk_sent = NULL, list_resume = NULL, list_sent = NULL
		WHERE table_name = ?2 AND partition = ?3 AND (held <> ?1 OR retired = 0)`, missing, t.spec.Target, partition)
}

// retireOne deletes what is left of a partition and forgets it. What was held of
// it may not be what is left by now.
func (t *Table) retireOne(x *tx, r retiring, parts []syncer.Partition) error {
	partition := r.partition.Name
	if r.held > 0 {
		r.held = 0
		if _, err := t.missAll(x, r, parts); err != nil {
			return err
		}
	}
	if _, err := t.deleteConfirmed(x, partition); err != nil {
		return err
	}
	if err := t.clean(x, partition); err != nil {
		return err
	}
	return x.exec(`DELETE FROM "larder_watermark" WHERE table_name = ? AND partition = ?`, t.spec.Target, partition)
}

// clean throws away what is noted of a partition, but for its position.
func (t *Table) clean(x *tx, partition string) error {
	if err := t.openNotes(x); err != nil {
		return err
	}
	if err := t.dropNotes(x, partition); err != nil {
		return err
	}
	for _, statement := range []string{t.sql.forgetMissing, t.sql.dropSuspects} {
		if err := run(x.Conn, statement, partition); err != nil {
			return err
		}
	}
	return x.exec(`DELETE FROM "larder_quarantine" WHERE table_name = ? AND partition = ?`, t.spec.Target, partition)
}

// missAll takes all rows of a partition for missing and counts them. Rows that
// no column tells from those of other partitions are theirs, and rows that are
// kept are not missing.
func (t *Table) missAll(x *tx, r retiring, parts []syncer.Partition) (int, error) {
	name := r.partition.Name
	scope, ok := t.owned(r.partition, parts)
	if ok && r.held > 0 {
		// Nothing is written while what is held stays the same.
		if n, err := x.count(t.sql.countRows, scope...); err != nil || n == r.held {
			return int(n), err
		}
	}
	if err := run(x.Conn, t.sql.forgetMissing, name); err != nil || !ok {
		return 0, err
	}
	err := run(x.Conn, t.sql.missAll, append([]any{name, t.spec.Confirm}, scope...)...)
	return x.Changes(), err
}

// owned are the values that set the rows of a leaving partition apart; not ok
// where no row goes with it.
func (t *Table) owned(p syncer.Partition, parts []syncer.Partition) (scope []any, ok bool) {
	staying := row.Spec{Columns: t.spec.Columns, Key: t.spec.Key, Partitions: parts}
	scope, err := t.scope(p)
	// No row can hold values that do not fit its column.
	return scope, err == nil && !t.spec.Keep && !staying.Covers(p)
}
