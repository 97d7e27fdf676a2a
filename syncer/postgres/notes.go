package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
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

// lockBeside locks, in one order for all writers, the partition and those that
// are listed right now, and returns the others: a row that changes bring may be
// in their lists still. Where the key tells the partitions apart there are none.
func (l *load) lockBeside(ctx context.Context, tx pgx.Tx) ([]string, error) {
	own := l.walk.Partition
	if l.walk.Kind != syncer.Changes || !l.moves || len(l.changes) == 0 || l.spec.KeyTells(own) {
		return nil, nil
	}
	rows, err := tx.Query(ctx, `SELECT partition FROM `+l.db.own("watermark")+`
		WHERE table_name = $1 AND (partition = $2 OR seen_walk <> '') ORDER BY partition FOR NO KEY UPDATE`, l.spec.Target, own.Name)
	if err != nil {
		return nil, failed("lock partitions", err)
	}
	parts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return slices.DeleteFunc(parts, func(p string) bool { return p == own.Name }), failed("lock partitions", err)
}

// touch notes, beside a listing walk, the keys that changes bring up to date:
// what the list says of them may be older. What lost against a newer row is
// out of the staging table already; what does not fit is in it by its key.
func (m *merge) touch(ctx context.Context, done *tally) error {
	if m.walk.Kind.Listing() || !m.moves {
		return nil
	}
	if m.head.seenWalk != "" {
		var noted, touched int64
		err := m.tx.QueryRow(ctx, fmt.Sprintf(`WITH noted AS (%s) SELECT count(*) FILTER (WHERE new), count(*) FROM noted`,
			m.touchSQL("true")), []string{m.walk.Partition.Name}).Scan(&noted, &touched)
		if err != nil {
			return failed("touch keys", err)
		}
		done.noted += noted
		done.touched = touched > 0
	}
	if len(m.head.others) == 0 {
		return nil
	}
	// That a key is gone tells the other partitions nothing, unless a version
	// says since when; what does not fit tells them nothing at all.
	tells := "s.kind = 'u'"
	if m.form.versioned() {
		tells += fmt.Sprintf(" OR s.kind <> 's' AND s.c%d IS NOT NULL", m.spec.Version)
	}
	_, err := m.exec(ctx, "touch keys of other partitions", fmt.Sprintf(`WITH noted AS (%s),
			sums AS (SELECT partition, count(*) FILTER (WHERE new) AS n FROM noted GROUP BY partition)
		UPDATE %s w SET seen_count = w.seen_count + n.n, touched = true FROM sums n WHERE w.table_name = $2 AND w.partition = n.partition`,
		m.touchSQL(tells), m.db.own("watermark")), m.head.others, m.spec.Target)
	return err
}

// touchSQL notes staged keys as touched in the partitions $1.
func (m *merge) touchSQL(which string) string {
	return fmt.Sprintf(`INSERT INTO %s AS o (partition, %s, touched) SELECT DISTINCT p.name, %s, true FROM %s s, unnest($1::text[]) AS p (name)
		WHERE s.kind IN ('u', 'd', 't', 's') AND (%s)
		ON CONFLICT (partition, %s) DO UPDATE SET touched = true WHERE NOT o.touched RETURNING o.partition, o.xmax = 0 AS new`,
		m.seen, keyColumns(m.form), m.form.stagedKeys(), stageName, which, keyColumns(m.form))
}

// dropTouched leaves alone what a list says of keys that changes have touched
// since the walk began, unless it is newer, and returns the rest.
func (m *merge) dropTouched(ctx context.Context, live []numbered) ([]numbered, error) {
	if !m.walk.Kind.Listing() || !m.head.touched {
		return live, nil
	}
	if err := m.nestedLoops(ctx, true); err != nil {
		return nil, err
	}
	touched, err := m.meetTouched(ctx)
	if err != nil {
		return nil, err
	}
	drop, err := m.notNewer(ctx, touched)
	if err != nil {
		return nil, err
	}
	if err := m.drop(ctx, drop); err != nil {
		return nil, err
	}
	if err := m.nestedLoops(ctx, false); err != nil {
		return nil, err
	}
	slices.Sort(drop)
	return slices.DeleteFunc(live, func(c numbered) bool {
		_, dropped := slices.BinarySearch(drop, c.n)
		return dropped
	}), nil
}

// met is a staged record of a key that changes have touched.
type met struct {
	n int32
	// there says that there is a row of the key; newer, that the record is
	// newer than it, where the database can tell; held is the row's version
	// where it cannot.
	there, newer bool
	held         *string
}

func (m *merge) meetTouched(ctx context.Context) ([]met, error) {
	newer, held := "false", "NULL::text"
	switch {
	case m.form.bySQL():
		newer = m.form.newer(m.form.targetVersion())
	case m.form.versioned():
		held = m.form.targetVersion() + "::text"
	}
	rows, err := m.tx.Query(ctx, fmt.Sprintf("SELECT s.n, t.%s IS NOT NULL, %s, %s FROM %s s JOIN %s o ON o.partition = $1 AND o.touched AND %s LEFT JOIN %s t ON %s",
		m.form.columns[m.spec.Key[0]].name, newer, held, stageName, m.seen, m.form.notedKeys(), m.name, m.form.keys()), m.walk.Partition.Name)
	if err != nil {
		return nil, failed("find touched keys", err)
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (t met, err error) {
		return t, r.Scan(&t.n, &t.there, &t.newer, &t.held)
	})
	return all, failed("find touched keys", err)
}

// notNewer returns the numbers of the records of touched keys that are not newer
// than what the changes left. Audits leave them all alone: they move nothing
// that the changes would not make good.
func (m *merge) notNewer(ctx context.Context, touched []met) (drop []int32, err error) {
	m.touched = make(map[string]bool, len(touched))
	var absent []string
	for _, t := range touched {
		m.touched[m.changes[t.n].Key] = true
		if !t.there {
			absent = append(absent, m.changes[t.n].Key)
		}
	}
	var gone map[string]any
	compares := m.form.versioned() && m.walk.Kind != syncer.Audit
	if compares && m.head.gone && len(absent) > 0 {
		if gone, err = m.deleted(ctx, absent); err != nil {
			return nil, err
		}
	}
	for _, t := range touched {
		if !compares || !m.beats(t, gone) {
			drop = append(drop, t.n)
		}
	}
	return drop, nil
}

// beats reports whether a record is newer than the row of its key, or than the
// deletion that is remembered of it.
func (m *merge) beats(t met, gone map[string]any) bool {
	c := &m.changes[t.n]
	if c.kind != upsert && c.kind != remove {
		return false
	}
	version := c.Values[m.spec.Version]
	switch {
	case t.there && m.form.bySQL():
		return t.newer
	case t.there && t.held == nil:
		return version != nil
	case t.there:
		return m.spec.Compare(version, *t.held) > 0
	case c.kind == remove:
		return false
	}
	deleted, known := gone[c.Key]
	return known && m.spec.Compare(version, deleted) > 0
}

// notOvertaken leaves out the misfits of keys that changes have touched since
// the list began.
func (m *merge) notOvertaken(misfits []row.Misfit) []row.Misfit {
	if len(m.touched) == 0 {
		return misfits
	}
	return slices.DeleteFunc(slices.Clone(misfits), func(f row.Misfit) bool { return f.Readable && m.touched[f.Key] })
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
