package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// remove deletes the rows of the tombstones that are left, remembers their
// versions, and returns their numbers. Of a row that the table turns down, only
// one that was there is remembered.
func (m *merge) remove(ctx context.Context, done *tally) ([]int32, error) {
	var deleted int
	var idle []int32
	err := m.tx.QueryRow(ctx, fmt.Sprintf(`WITH gone AS (%s RETURNING s.n)
		SELECT (SELECT count(*) FROM gone), ARRAY(SELECT n FROM %s s WHERE s.kind = 't' AND NOT EXISTS (SELECT FROM gone g WHERE g.n = s.n) ORDER BY n)`,
		m.form.cut(m.name, stageName+" s", "s.kind IN ('d', 't') AND "+m.form.keys()), stageName)).Scan(&deleted, &idle)
	if err != nil {
		return nil, failed("delete rows", err)
	}
	done.Deleted = deleted
	if m.walk.Kind.Listing() {
		n, err := m.exec(ctx, "note deletions", fmt.Sprintf("DELETE FROM %s o USING %s s WHERE o.partition = $1 AND NOT o.touched AND s.kind IN ('d', 't') AND %s",
			m.seen, stageName, m.form.notedKeys()), m.walk.Partition.Name)
		if err != nil {
			return nil, err
		}
		done.noted -= n
	}
	if m.head.missing {
		held, err := m.notMissing(ctx, "'d', 't'")
		if err != nil {
			return nil, err
		}
		done.back += held
	}
	rows, err := m.tx.Query(ctx, "SELECT n FROM "+stageName+" WHERE kind IN ('d', 't') ORDER BY n")
	if err != nil {
		return nil, failed("remember deletions", err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return nil, failed("remember deletions", err)
	}
	return numbers, m.remember(ctx, slices.DeleteFunc(slices.Clone(numbers), func(n int32) bool {
		_, found := slices.BinarySearch(idle, n)
		return found
	}))
}

// leaveTurned leaves what changes turn down to a list and its guard: where a
// resync is due because the table takes other records than its rows were taken
// by, and where a sweep has the row already.
func (m *merge) leaveTurned(ctx context.Context) error {
	if m.walk.Kind != syncer.Changes {
		return nil
	}
	if m.outgrown(m.head.shape) {
		_, err := m.exec(ctx, "leave rows to a resync", "DELETE FROM "+stageName+" WHERE kind = 't'")
		return err
	}
	if !m.head.missing {
		return nil
	}
	_, err := m.exec(ctx, "leave rows to a sweep", fmt.Sprintf("DELETE FROM %s s USING %s o WHERE s.kind = 't' AND o.partition = $1 AND %s",
		stageName, m.missing, m.form.notedKeys()), m.walk.Partition.Name)
	return err
}

// remember keeps the versions of deleted keys for a while, the newest of each.
// A deletion that is told again, as the overlap does all the time, is not
// remembered any longer: what is older than it may be late by no more.
func (m *merge) remember(ctx context.Context, numbers []int32) error {
	if m.spec.Remember <= 0 || !m.form.versioned() {
		return nil
	}
	told := map[string]any{}
	for _, n := range numbers {
		if v := m.changes[n].Values[m.spec.Version]; row.EncodeVersion(v) != "" {
			told[m.changes[n].Key] = v
		}
	}
	if m.head.gone && len(told) > 0 {
		known, err := m.deleted(ctx, slices.Sorted(maps.Keys(told)))
		if err != nil {
			return err
		}
		maps.DeleteFunc(told, func(key string, v any) bool {
			before, ok := known[key]
			return ok && m.spec.Compare(v, before) <= 0
		})
	}
	if len(told) == 0 {
		return nil
	}
	keys, versions := slices.Sorted(maps.Keys(told)), make([]string, 0, len(told))
	for _, key := range keys {
		versions = append(versions, row.EncodeVersion(told[key]))
	}
	_, err := m.exec(ctx, "remember deletions", `INSERT INTO `+m.db.own("gone")+` (table_name, key, version, until)
		SELECT $1, u.key, u.version, now() + `+interval("$4")+` FROM unnest($2::text[], $3::text[]) AS u (key, version)
		ON CONFLICT (table_name, key) DO UPDATE SET version = excluded.version, until = excluded.until`,
		m.spec.Target, keys, versions, m.spec.Remember.Microseconds())
	return err
}

// loseToGone drops rows that are older than the deletion of their key, and
// ends the memory of the deletions that the others undo. In a resync nothing
// loses to a deletion, because the owner may have been restored to before it.
// It returns how many rows it dropped.
func (m *merge) loseToGone(ctx context.Context, live []numbered) (int, error) {
	if !m.head.gone || !m.form.versioned() {
		return 0, nil
	}
	var keys []string
	for _, c := range live {
		if c.kind == upsert {
			keys = append(keys, c.Key)
		}
	}
	gone, err := m.deleted(ctx, keys)
	if err != nil || len(gone) == 0 {
		return 0, err
	}
	var losers []int32
	var winners []string
	for _, c := range live {
		version, known := gone[c.Key]
		switch {
		case !known || c.kind != upsert:
		case m.walk.Kind != syncer.Resync && !m.untold(c.staged) && m.spec.Compare(c.Values[m.spec.Version], version) < 0:
			losers = append(losers, c.n)
		default:
			winners = append(winners, c.Key)
		}
	}
	if err := m.notGone(ctx, winners); err != nil {
		return 0, err
	}
	return len(losers), m.drop(ctx, losers)
}

// notGone ends the memory of deletions.
func (m *merge) notGone(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	_, err := m.exec(ctx, "forget deletions", `DELETE FROM `+m.db.own("gone")+` WHERE table_name = $1 AND key = ANY($2)`, m.spec.Target, keys)
	return err
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
