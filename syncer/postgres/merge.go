package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// tally is what a merge did.
type tally struct {
	syncer.Applied
	// noted is by how much the number of noted keys has grown.
	noted int64
	// back is how many rows that were held came up again.
	back int64
}

func (a *tally) add(b tally) {
	a.Applied.Add(b.Applied)
	a.noted += b.noted
	a.back += b.back
}

// grown is by how many rows the table has.
func (a *tally) grown() int64 { return int64(a.Inserted - a.Deleted) }

// merge brings staged rows into the table. It takes out of the staging table,
// step by step, what is not to be written: a row that is locked or written
// without need costs the consumer's database more than any join.
type merge struct {
	*load
	form *form
	tx   pgx.Tx
	head *head
	// What taking a batch apart has come to.
	sum         tally
	refused     []row.Misfit
	tried       int
	lastRefusal error
}

// run merges what is staged: the changes with numbers in [from, to).
func (m *merge) run(ctx context.Context, from, to int) (tally, error) {
	changes := m.changes[from:to]
	count := map[byte]int{}
	for i := range changes {
		count[changes[i].kind]++
	}
	done := tally{}
	var err error
	if m.head.missing {
		if done.back, err = m.notMissing(ctx, "'u', 's'"); err != nil {
			return tally{}, err
		}
	}
	lost, err := m.loseToGone(ctx, changes, from)
	if err != nil {
		return tally{}, err
	}
	if done.noted, err = m.reduce(ctx); err != nil {
		return tally{}, err
	}
	var tombstones []int32
	if count[remove] > 0 {
		if tombstones, err = m.remove(ctx, &done); err != nil {
			return tally{}, err
		}
	}
	if count[upsert] > 0 {
		if err := m.insert(ctx, &done); err != nil {
			return tally{}, err
		}
		done.Unchanged = count[upsert] - lost - done.Inserted - done.Updated
	}
	return done, m.clearQuarantine(ctx, changes, tombstones)
}

// exec runs one statement of the merge and returns how many rows it touched.
func (m *merge) exec(ctx context.Context, step, sql string, args ...any) (int64, error) {
	tag, err := m.tx.Exec(ctx, sql, args...)
	return tag.RowsAffected(), failed(step, err)
}

// notMissing takes the staged keys of these kinds out of the missing, and
// returns how many of them the guard had held.
func (m *merge) notMissing(ctx context.Context, kinds string) (held int64, err error) {
	err = m.tx.QueryRow(ctx, fmt.Sprintf(`WITH back AS (DELETE FROM %s o USING %s s WHERE o.partition = $1 AND s.kind IN (%s) AND %s RETURNING o.walks)
		SELECT count(*) FILTER (WHERE walks >= $2) FROM back`, m.missing, stageName, kinds, m.form.notedKeys()),
		m.walk.Partition.Name, m.spec.Confirm).Scan(&held)
	return held, failed("clear missing", err)
}

// note notes the keys as seen and returns how many were not yet.
func (m *merge) note(ctx context.Context) (int64, error) {
	return m.exec(ctx, "note keys", fmt.Sprintf(`INSERT INTO %s (partition, %s) SELECT $1, %s FROM %s s
		WHERE s.kind IN ('u', 's') ON CONFLICT DO NOTHING`, m.seen, keyColumns(m.form),
		m.form.keyList(func(_, i int) string { return fmt.Sprintf("s.c%d", i) }), stageName),
		m.walk.Partition.Name)
}

// loseToGone drops rows that are older than the deletion of their key, and
// ends the memory of the deletions that the others undo. In a resync nothing
// loses to a deletion, because the owner may have been restored to before it.
// It returns how many rows it dropped.
func (m *merge) loseToGone(ctx context.Context, changes []staged, from int) (int, error) {
	if !m.head.gone || !m.form.versioned() {
		return 0, nil
	}
	var keys []string
	for i := range changes {
		if changes[i].kind == upsert {
			keys = append(keys, changes[i].Key)
		}
	}
	gone, err := m.deleted(ctx, keys)
	if err != nil || len(gone) == 0 {
		return 0, err
	}
	var losers []int32
	var winners []string
	for i := range changes {
		version, known := gone[changes[i].Key]
		switch {
		case !known || changes[i].kind != upsert:
		case m.walk.Kind != syncer.Resync && m.spec.Compare(changes[i].Values[m.spec.Version], version) < 0:
			losers = append(losers, int32(from+i))
		default:
			winners = append(winners, changes[i].Key)
		}
	}
	if len(winners) > 0 {
		_, err := m.exec(ctx, "forget deletions", `DELETE FROM `+m.db.own("gone")+` WHERE table_name = $1 AND key = ANY($2)`, m.spec.Target, winners)
		if err != nil {
			return 0, err
		}
	}
	return len(losers), m.drop(ctx, losers)
}

// deleted reads the remembered versions of deletions by key.
func (m *merge) deleted(ctx context.Context, keys []string) (map[string]any, error) {
	rows, err := m.tx.Query(ctx, `SELECT key, version FROM `+m.db.own("gone")+
		` WHERE table_name = $1 AND key = ANY($2) AND until > now()`, m.spec.Target, keys)
	if err != nil {
		return nil, failed("read deletions", err)
	}
	gone := map[string]any{}
	var key, version string
	_, err = pgx.ForEachRow(rows, []any{&key, &version}, func() error {
		gone[key] = m.spec.DecodeVersion(version)
		return nil
	})
	return gone, failed("read deletions", err)
}

// drop takes changes out of the staging table, by number.
func (m *merge) drop(ctx context.Context, numbers []int32) error {
	if len(numbers) == 0 {
		return nil
	}
	_, err := m.exec(ctx, "drop staged rows", "DELETE FROM "+stageName+" WHERE n = ANY($1)", numbers)
	return err
}

// reduce notes what came up, and takes out of the staging table what need not
// be written: what is older than the row that it would replace, and what
// changes nothing. It returns how many keys it noted.
func (m *merge) reduce(ctx context.Context) (noted int64, err error) {
	nested := m.head.rows > 8*int64(len(m.changes))
	if nested {
		if err := m.nestedLoops(ctx, true); err != nil {
			return 0, err
		}
	}
	// What is older than a row was seen before in a resync, and is noted.
	if m.walk.Kind == syncer.Resync {
		if err := m.dropOlder(ctx); err != nil {
			return 0, err
		}
	}
	if m.walk.Kind.Listing() {
		if noted, err = m.note(ctx); err != nil {
			return 0, err
		}
	}
	if m.walk.Kind != syncer.Resync {
		if err := m.dropOlder(ctx); err != nil {
			return 0, err
		}
	}
	_, err = m.exec(ctx, "drop unchanged rows", fmt.Sprintf("DELETE FROM %s s USING %s t WHERE %s AND %s", stageName, m.name, m.form.keys(), m.form.same()))
	if err == nil && nested {
		err = m.nestedLoops(ctx, false)
	}
	return noted, err
}

// dropOlder drops what is older than the row that it would replace. In a
// resync only rows that the same walk has seen are compared with, so that the
// history of an owner that was restored wins.
func (m *merge) dropOlder(ctx context.Context) error {
	if !m.form.versioned() {
		return nil
	}
	join, args := m.form.keys(), []any{}
	if m.walk.Kind == syncer.Resync {
		join += fmt.Sprintf(" AND EXISTS (SELECT FROM %s o WHERE o.partition = $1 AND %s)", m.seen, m.form.notedKeys())
		args = append(args, m.walk.Partition.Name)
	}
	if m.form.bySQL() {
		_, err := m.exec(ctx, "compare versions", fmt.Sprintf("DELETE FROM %s s USING %s t WHERE %s AND %s",
			stageName, m.name, join, m.form.older(m.form.targetVersion())), args...)
		return err
	}
	return m.dropByFormat(ctx, fmt.Sprintf("SELECT s.n, %s::text FROM %s s JOIN %s t ON %s", m.form.targetVersion(), stageName, m.name, join), args...)
}

// nestedLoops steers the planner: with a few rows against many it would read
// the whole table for each batch, because it knows nothing of staging tables.
func (m *merge) nestedLoops(ctx context.Context, on bool) error {
	_, err := m.exec(ctx, "plan joins", `SELECT set_config('enable_hashjoin', $1, true), set_config('enable_mergejoin', $1, true)`,
		map[bool]string{true: "off", false: "on"}[on])
	return err
}

// dropByFormat drops what is older than the version that the query gives for
// its number, where only the version's format can tell.
func (m *merge) dropByFormat(ctx context.Context, query string, args ...any) error {
	rows, err := m.tx.Query(ctx, query, args...)
	if err != nil {
		return failed("compare versions", err)
	}
	var n int32
	var held *string
	var losers []int32
	_, err = pgx.ForEachRow(rows, []any{&n, &held}, func() error {
		c := &m.changes[n]
		version := c.Values[m.spec.Version]
		if held == nil || c.kind == noteOnly || c.kind == remove && version == nil {
			return nil
		}
		if m.spec.Compare(version, *held) < 0 {
			losers = append(losers, n)
		}
		return nil
	})
	if err != nil {
		return failed("compare versions", err)
	}
	return m.drop(ctx, losers)
}

// remove deletes the rows of the tombstones that are left, remembers their
// versions, and returns their numbers.
func (m *merge) remove(ctx context.Context, done *tally) ([]int32, error) {
	n, err := m.exec(ctx, "delete rows", fmt.Sprintf("DELETE FROM %s t USING %s s WHERE s.kind = 'd' AND %s", m.name, stageName, m.form.keys()))
	if err != nil {
		return nil, err
	}
	done.Deleted = int(n)
	if m.walk.Kind.Listing() {
		n, err := m.exec(ctx, "note deletions", fmt.Sprintf("DELETE FROM %s o USING %s s WHERE o.partition = $1 AND s.kind = 'd' AND %s",
			m.seen, stageName, m.form.notedKeys()), m.walk.Partition.Name)
		if err != nil {
			return nil, err
		}
		done.noted -= n
	}
	if m.head.missing {
		held, err := m.notMissing(ctx, "'d'")
		if err != nil {
			return nil, err
		}
		done.back += held
	}
	rows, err := m.tx.Query(ctx, "SELECT n FROM "+stageName+" WHERE kind = 'd' ORDER BY n")
	if err != nil {
		return nil, failed("remember deletions", err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return nil, failed("remember deletions", err)
	}
	return numbers, m.remember(ctx, numbers)
}

// remember keeps the versions of deleted keys for a while, the newest of each.
// A deletion that is asked for again, as the overlap does all the time, is
// written again only when half of its time has passed.
func (m *merge) remember(ctx context.Context, numbers []int32) error {
	if m.spec.Remember <= 0 || !m.form.versioned() {
		return nil
	}
	var keys, versions []string
	for _, n := range numbers {
		if v := row.EncodeVersion(m.changes[n].Values[m.spec.Version]); v != "" {
			keys, versions = append(keys, m.changes[n].Key), append(versions, v)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	if m.head.gone {
		known, err := m.deleted(ctx, keys)
		if err != nil {
			return err
		}
		for i, key := range keys {
			if v, ok := known[key]; ok && m.spec.Compare(m.spec.DecodeVersion(versions[i]), v) < 0 {
				versions[i] = row.EncodeVersion(v)
			}
		}
	}
	_, err := m.exec(ctx, "remember deletions", `INSERT INTO `+m.db.own("gone")+` (table_name, key, version, until)
		SELECT $1, u.key, u.version, now() + $4::bigint * interval '1 microsecond'
		FROM unnest($2::text[], $3::text[]) AS u (key, version)
		WHERE NOT EXISTS (SELECT FROM `+m.db.own("gone")+` g WHERE g.table_name = $1 AND g.key = u.key AND g.version = u.version
			AND g.until > now() + $4::bigint * interval '1 microsecond' / 2)
		ON CONFLICT (table_name, key) DO UPDATE SET version = excluded.version, until = excluded.until`,
		m.spec.Target, keys, versions, m.spec.Remember.Microseconds())
	return err
}

// insert writes the rows that are left. A row that the consumer's own
// statements wrote in between is updated under the same guard.
func (m *merge) insert(ctx context.Context, done *tally) error {
	var set []string
	for i, c := range m.form.columns {
		if !m.form.isKey(i) {
			set = append(set, c.name+" = excluded."+c.name)
		}
	}
	conflict := "DO NOTHING"
	if len(set) > 0 {
		conflict = "DO UPDATE SET " + strings.Join(set, ", ")
		if m.form.bySQL() && m.walk.Kind != syncer.Resync {
			held := m.form.targetVersion()
			conflict += fmt.Sprintf(" WHERE %s IS NULL OR %s >= %s", held,
				m.form.version("excluded."+m.form.columns[m.spec.Version].name), m.form.version(held))
		}
	}
	// A partitioned table does not show xmax; there the rows that exist are
	// counted.
	isNew, old := "t.xmax = 0", "0"
	if m.form.partitioned {
		isNew = "true"
		old = fmt.Sprintf("(SELECT count(*) FROM %s s JOIN %s t ON %s WHERE s.kind = 'u')", stageName, m.name, m.form.keys())
	}
	sql := fmt.Sprintf(`WITH written AS (INSERT INTO %s AS t (%s) SELECT %s FROM %s s WHERE s.kind = 'u' ORDER BY s.n
			ON CONFLICT (%s) %s RETURNING %s AS new)
		SELECT count(*) FILTER (WHERE new), count(*) FILTER (WHERE NOT new), %s,
			(SELECT coalesce(max(late), 0) FROM %s WHERE kind = 'u') FROM written`,
		m.name, m.form.columnList(func(_ int, c column) string { return c.name }),
		m.form.columnList(func(i int, _ column) string { return fmt.Sprintf("s.c%d", i) }), stageName,
		m.form.keyList(func(_, i int) string { return m.form.columns[i].name }), conflict, isNew, old, stageName)
	var inserted, updated, existed int
	var late int64
	if err := m.tx.QueryRow(ctx, sql).Scan(&inserted, &updated, &existed, &late); err != nil {
		return failed("write rows", err)
	}
	done.Inserted, done.Updated = inserted-existed, updated+existed
	done.Late = time.Duration(late)
	return nil
}

// clearQuarantine ends the quarantine of keys that a good record came for, or
// one of these tombstones.
func (m *merge) clearQuarantine(ctx context.Context, changes []staged, tombstones []int32) error {
	if !m.head.quarantined {
		return nil
	}
	var keys []string
	for i := range changes {
		if changes[i].kind == upsert {
			keys = append(keys, changes[i].Key)
		}
	}
	for _, n := range tombstones {
		keys = append(keys, m.changes[n].Key)
	}
	_, err := m.exec(ctx, "clear quarantine", `DELETE FROM `+m.db.own("quarantine")+
		` WHERE table_name = $1 AND partition = $2 AND key = ANY($3)`, m.spec.Target, m.walk.Partition.Name, keys)
	return err
}
