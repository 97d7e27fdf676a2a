package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// tally is what a merge did.
type tally struct {
	syncer.Applied
	// noted is by how much the number of noted keys has grown, suspects the
	// same of suspects.
	noted, suspects int64
	// touched says that keys of changes were noted beside a listing walk.
	touched bool
	// back is how many rows that were held came up again.
	back int64
	// audit is what an audit compared and found.
	audit auditTally
}

func (a *tally) add(b tally) {
	a.Applied.Add(b.Applied)
	a.noted += b.noted
	a.suspects += b.suspects
	a.touched = a.touched || b.touched
	a.back += b.back
	a.audit = a.audit.plus(b.audit)
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
	// touched are the staged keys that changes have touched beside this list.
	touched map[string]bool
	// What taking a batch apart has come to.
	sum         tally
	refused     []row.Misfit
	tried       int
	lastRefusal error
}

// numbered is a staged row with its number.
type numbered struct {
	n int32
	*staged
}

// run merges what is staged: the changes with numbers in [from, to).
func (m *merge) run(ctx context.Context, from, to int) (tally, error) {
	live := make([]numbered, 0, to-from)
	upserts, removes := 0, 0
	for n := from; n < to; n++ {
		c := &m.changes[n]
		live = append(live, numbered{int32(n), c})
		switch {
		case c.kind == upsert:
			upserts++
		case c.removes():
			removes++
		}
	}
	var done tally
	live, err := m.dropTouched(ctx, live)
	if err != nil {
		return tally{}, err
	}
	if removes > 0 {
		if err := m.leaveTurned(ctx); err != nil {
			return tally{}, err
		}
	}
	present := "'u', 's'"
	if m.walk.Kind == syncer.Audit {
		present = "'s'" // what the list has is back once it is complete
	}
	if m.head.missing {
		if done.back, err = m.notMissing(ctx, present); err != nil {
			return tally{}, err
		}
	}
	if m.walk.Kind == syncer.Audit {
		err = m.audit(ctx, live, &done)
		return done, err
	}
	lost, err := m.loseToGone(ctx, live)
	if err != nil {
		return tally{}, err
	}
	if err := m.reduce(ctx, &done); err != nil {
		return tally{}, err
	}
	var tombstones []int32
	if removes > 0 {
		if tombstones, err = m.remove(ctx, &done); err != nil {
			return tally{}, err
		}
	}
	if upserts > 0 {
		if err := m.insert(ctx, &done); err != nil {
			return tally{}, err
		}
		done.Unchanged = upserts - lost - done.Inserted - done.Updated
	}
	return done, m.clearQuarantine(ctx, live, tombstones)
}

// untold reports whether a partial record does not tell its version: it is not
// older than anything.
func (m *merge) untold(c *staged) bool {
	return c.Absent != nil && m.spec.Version >= 0 && c.Absent[m.spec.Version]
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

// insert writes the rows that are left. A row that the consumer's own
// statements wrote in between is updated under the same guard.
func (m *merge) insert(ctx context.Context, done *tally) error {
	var set []string
	for i, c := range m.form.columns {
		if !m.form.isKey(i) {
			set = append(set, c.name+" = excluded."+c.name)
		}
	}
	unmarked, null := "", ""
	if m.form.mark != "" {
		set = append(set, m.form.mark+" = NULL")
		unmarked, null = ", "+m.form.mark, ", NULL" // the column may have a default
	}
	conflict := "DO NOTHING"
	if len(set) > 0 {
		conflict = "DO UPDATE SET " + strings.Join(set, ", ")
		if m.form.bySQL() && m.walk.Kind != syncer.Resync && m.walk.Kind != syncer.Audit {
			held := m.form.targetVersion()
			conflict += fmt.Sprintf(" WHERE %s IS NULL OR %s >= %s", held,
				m.form.version("excluded."+m.form.columns[m.spec.Version].name), m.form.version(held))
			if m.form.mark != "" {
				conflict += " OR t." + m.form.mark + " IS NOT NULL"
			}
		}
	}
	// A partitioned table does not show xmax; there the rows that exist are
	// counted.
	isNew, old := "t.xmax = 0", "0"
	switch {
	case m.form.partitioned:
		isNew = "true"
		old = fmt.Sprintf("(SELECT count(*) FROM %s s JOIN %s t ON %s WHERE s.kind = 'u')", stageName, m.name, m.form.keys())
	case m.form.mark != "":
		old = "-" + m.form.revived(m.name)
	}
	sql := fmt.Sprintf(`WITH written AS (INSERT INTO %s AS t (%s%s) SELECT %s%s FROM %s s WHERE s.kind = 'u' ORDER BY s.n
			ON CONFLICT (%s) %s RETURNING %s AS new)
		SELECT count(*) FILTER (WHERE new), count(*) FILTER (WHERE NOT new), %s,
			(SELECT coalesce(max(late), 0) FROM %s WHERE kind = 'u') FROM written`,
		m.name, m.form.columnList(func(_ int, c column) string { return c.name }), unmarked,
		m.form.columnList(func(i int, _ column) string { return fmt.Sprintf("s.c%d", i) }), null, stageName,
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
func (m *merge) clearQuarantine(ctx context.Context, live []numbered, tombstones []int32) error {
	if !m.head.quarantined {
		return nil
	}
	var keys []string
	for _, c := range live {
		if c.kind == upsert {
			keys = append(keys, c.Key)
		}
	}
	for _, n := range tombstones {
		keys = append(keys, m.changes[n].Key)
	}
	// Of a touched key a change may be set aside that is newer than the list.
	keys = slices.DeleteFunc(keys, func(key string) bool { return m.touched[key] })
	return m.outOfQuarantine(ctx, keys)
}

func (m *merge) outOfQuarantine(ctx context.Context, keys []string) error {
	_, err := m.exec(ctx, "clear quarantine", `DELETE FROM `+m.db.own("quarantine")+
		` WHERE table_name = $1 AND partition = $2 AND key = ANY($3)`, m.spec.Target, m.walk.Partition.Name, keys)
	return err
}
