package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// truncateFrom is from how many notes on a truncation is cheaper than to
// delete them.
const truncateFrom = 10_000

// note notes the keys as seen and returns how many were not yet.
func (m *merge) note(ctx context.Context) (int64, error) {
	return m.exec(ctx, "note keys", fmt.Sprintf(`INSERT INTO %s (partition, %s, touched) SELECT $1, %s, false FROM %s s
		WHERE s.kind IN ('u', 's', 'o') ON CONFLICT DO NOTHING`, m.seen, keyColumns(m.form), m.form.stagedKeys(), stageName),
		m.walk.Partition.Name)
}

// touch notes, beside a listing walk, the keys that changes bring up to date:
// what the list says of them may be older. What lost against a newer row is
// out of the staging table already.
func (m *merge) touch(ctx context.Context, done *tally) error {
	if m.walk.Kind.Listing() || !m.moves || m.head.seenWalk == "" {
		return nil
	}
	var noted, touched int64
	err := m.tx.QueryRow(ctx, fmt.Sprintf(`WITH noted AS (INSERT INTO %s AS o (partition, %s, touched) SELECT $1, %s, true FROM %s s
			WHERE s.kind IN ('u', 'd', 't') ON CONFLICT (partition, %s) DO UPDATE SET touched = true WHERE NOT o.touched RETURNING o.xmax = 0 AS new)
		SELECT count(*) FILTER (WHERE new), count(*) FROM noted`,
		m.seen, keyColumns(m.form), m.form.stagedKeys(), stageName, keyColumns(m.form)), m.walk.Partition.Name).Scan(&noted, &touched)
	done.noted += noted
	done.touched = touched > 0
	return failed("touch keys", err)
}

// dropTouched leaves alone what a list says of keys that changes have touched
// since the walk began, and returns the rest.
func (m *merge) dropTouched(ctx context.Context, live []numbered) ([]numbered, error) {
	if !m.walk.Kind.Listing() || !m.head.touched {
		return live, nil
	}
	if err := m.nestedLoops(ctx, true); err != nil {
		return nil, err
	}
	rows, err := m.tx.Query(ctx, fmt.Sprintf("DELETE FROM %s s USING %s o WHERE o.partition = $1 AND o.touched AND s.kind IN ('u', 'd', 't') AND %s RETURNING s.n",
		stageName, m.seen, m.form.notedKeys()), m.walk.Partition.Name)
	if err != nil {
		return nil, failed("leave touched keys", err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return nil, failed("leave touched keys", err)
	}
	if err := m.nestedLoops(ctx, false); err != nil {
		return nil, err
	}
	slices.Sort(numbers)
	return slices.DeleteFunc(live, func(c numbered) bool {
		_, touched := slices.BinarySearch(numbers, c.n)
		return touched
	}), nil
}

// clearSuspects ends the suspicion against the keys that are written.
func (m *merge) clearSuspects(ctx context.Context, done *tally) error {
	if m.head.suspects == 0 {
		return nil
	}
	n, err := m.exec(ctx, "clear suspects", fmt.Sprintf("DELETE FROM %s o USING %s s WHERE o.partition = $1 AND s.kind IN ('u', 'd', 't') AND %s",
		m.suspect, stageName, m.form.notedKeys()), m.walk.Partition.Name)
	done.suspects -= n
	return err
}

// forgetNotes empties the notes of a partition, if there are any.
func (t *Table) forgetNotes(ctx context.Context, tx pgx.Tx, p syncer.Partition, h *head) error {
	noted := h.seenCount
	h.seenWalk, h.seenCount, h.touched, h.tally = "", 0, false, auditTally{}
	if noted == 0 {
		return nil
	}
	if err := execScript(ctx, tx, "SET LOCAL statement_timeout = "+milliseconds(patience)); err != nil {
		return failed("forget notes", err)
	}
	sql, args := `DELETE FROM `+t.seen+` WHERE partition = $1`, []any{p.Name}
	if p.Name == "" && noted > truncateFrom {
		sql, args = `TRUNCATE `+t.seen, nil // the whole has no other partition beside it
	}
	_, err := tx.Exec(ctx, sql, args...)
	return failed("forget notes", err)
}

// notesWhole reports whether the notes are what this walk noted. They do not
// outlive a crash of the server, which the number that was committed with the
// rows tells. A walk without records has no notes.
func (t *Table) notesWhole(ctx context.Context, tx pgx.Tx, w syncer.Walk, h *head) (bool, error) {
	if h.seenWalk != w.ID {
		return true, t.forgetNotes(ctx, tx, w.Partition, h)
	}
	var n int64
	err := tx.QueryRow(ctx, `SELECT count(*) FROM `+t.seen+` WHERE partition = $1`, w.Partition.Name).Scan(&n)
	return n == h.seenCount, failed("count notes", err)
}

// dropWalk makes an unfinished listing walk start again.
func (t *Table) dropWalk(ctx context.Context, tx pgx.Tx, p syncer.Partition, h *head) error {
	if err := t.forgetNotes(ctx, tx, p, h); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE `+t.db.own("watermark")+` SET `+noList+` WHERE table_name = $1 AND partition = $2`, t.spec.Target, p.Name)
	return failed("drop walk", err)
}

// noList are the assignments that end a listing walk.
const noList = "list_resume = NULL, list_sent = NULL, list_tally = NULL, seen_walk = '', seen_count = 0, touched = false"
