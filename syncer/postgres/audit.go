package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// auditTally is what an audit under way has compared, and the rows that were
// missing or different and that it put right. What it leaves stands in the
// table of suspects.
type auditTally struct {
	compared, missing, different int64
}

func (a auditTally) plus(b auditTally) auditTally {
	return auditTally{a.compared + b.compared, a.missing + b.missing, a.different + b.different}
}

// write and read are how a tally is stored.
func (a auditTally) write() []int64 { return []int64{a.compared, a.missing, a.different} }

func (a *auditTally) read(stored []int64) {
	if len(stored) == 3 {
		*a = auditTally{stored[0], stored[1], stored[2]}
	}
}

// comparison is how the walk compares.
func comparison(w syncer.Walk) syncer.Comparison {
	if w.Audit == nil {
		return syncer.Comparison{Compare: syncer.CompareAll}
	}
	return *w.Audit
}

// sampled reports whether an audit compares a key.
func sampled(c syncer.Comparison, key string) bool {
	return c.Compare != syncer.CompareSample || row.InSample(key, c.Sample, c.Samples)
}

// audit holds the staged records against the rows. What is equal is no suspect;
// what differs is one, until it has lasted.
func (m *merge) audit(ctx context.Context, live []numbered, done *tally) (err error) {
	for _, c := range live {
		if c.kind == upsert {
			done.audit.compared++
		}
	}
	nested := m.head.rows > 8*int64(len(m.changes))
	if nested {
		if err := m.nestedLoops(ctx, true); err != nil {
			return err
		}
	}
	if done.noted, err = m.note(ctx); err != nil {
		return err
	}
	n, err := m.exec(ctx, "note deletions", fmt.Sprintf("DELETE FROM %s o USING %s s WHERE o.partition = $1 AND s.kind IN ('d', 't') AND %s",
		m.seen, stageName, m.form.notedKeys()), m.walk.Partition.Name)
	if err != nil {
		return err
	}
	done.noted -= n
	if err := m.dropEqual(ctx, done); err != nil {
		return err
	}
	if err := m.judge(ctx, done); err != nil {
		return err
	}
	if nested {
		if err := m.nestedLoops(ctx, false); err != nil {
			return err
		}
	}
	return m.putRight(ctx, done)
}

// dropEqual takes out of the staging table what is not to be compared, and
// what is equal; of the latter nothing is suspected.
func (m *merge) dropEqual(ctx context.Context, done *tally) error {
	if _, err := m.exec(ctx, "compare rows", "DELETE FROM "+stageName+" WHERE kind <> 'u'"); err != nil {
		return err
	}
	same := m.form.same()
	if comparison(m.walk).Compare == syncer.CompareKeys {
		same = "true"
	}
	equal := fmt.Sprintf("DELETE FROM %s s USING %s t WHERE %s AND %s", stageName, m.name, m.form.keys(), same)
	if m.head.suspects == 0 {
		n, err := m.exec(ctx, "compare rows", equal)
		done.Unchanged = int(n)
		return err
	}
	var n, absolved int64
	err := m.tx.QueryRow(ctx, fmt.Sprintf(`WITH s AS (%s RETURNING %s), absolved AS (DELETE FROM %s o USING s WHERE o.partition = $1 AND %s RETURNING 1)
		SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM absolved)`,
		equal, m.form.stagedKeys(), m.suspect, m.form.notedKeys()), m.walk.Partition.Name).Scan(&n, &absolved)
	done.Unchanged = int(n)
	done.suspects -= absolved
	return failed("compare rows", err)
}

// suspicion are the columns of the suspects that tell one finding from another.
const suspicion = "kind, theirs, ours"

// judge decides of each record that differs from its row whether that counts,
// because a walk before this one found the same, long enough ago. What counts
// and is put right stays in the staging table.
func (m *merge) judge(ctx context.Context, done *tally) error {
	c := comparison(m.walk)
	f := m.form
	first := f.columns[f.spec.Key[0]].name
	found := fmt.Sprintf(`SELECT s.n, %s, CASE WHEN t.%s IS NULL THEN 'missing' ELSE 'different' END AS kind,
			%s AS theirs, CASE WHEN t.%s IS NULL THEN '' ELSE %s END AS ours
		FROM %s s LEFT JOIN %s t ON %s`,
		f.keyList(func(n, i int) string { return fmt.Sprintf("s.c%d AS k%d", i, n) }), first,
		f.fingerprint(func(i int, _ column) string { return fmt.Sprintf("s.c%d", i) }), first,
		f.fingerprint(func(_ int, c column) string { return "t." + c.name }), stageName, m.name, f.keys())
	var missing, different, suspects int64
	err := m.tx.QueryRow(ctx, fmt.Sprintf(`WITH found AS (%s), judged AS (%s),
			noted AS (%s WHERE NOT (j.counts AND @repair) %s),
			righted AS (DELETE FROM %s o USING judged j WHERE o.partition = @partition AND j.counts AND @repair AND %s RETURNING 1),
			left_out AS (DELETE FROM %s WHERE n NOT IN (SELECT n FROM judged WHERE counts AND @repair))
		SELECT count(*) FILTER (WHERE counts AND @repair AND kind = 'missing'), count(*) FILTER (WHERE counts AND @repair AND kind = 'different'),
			(SELECT count(*) FROM noted WHERE new) - (SELECT count(*) FROM righted) FROM judged`,
		found, m.judgedSQL(f), m.suspectSQL(f), conflictSQL(f), m.suspect, f.join(func(n, _ int) string { return fmt.Sprintf("o.k%d = j.k%d", n, n) }), stageName),
		m.suspectArgs(m.walk)).Scan(&missing, &different, &suspects)
	done.suspects += suspects
	done.audit.missing, done.audit.different = missing, different
	if c.Repair {
		return failed("find differences", err)
	}
	if err == nil {
		_, err = m.exec(ctx, "find differences", "DELETE FROM "+stageName)
	}
	return failed("find differences", err)
}

// fingerprint is the SQL that tells whether a row of the target or of the
// staging table, whose columns are of the same types, is still the same.
func (f *form) fingerprint(each func(i int, c column) string) string {
	return fmt.Sprintf("encode(sha256(convert_to(ROW(%s)::text, getdatabaseencoding())), 'hex')", f.columnList(each))
}

// sentSQL is the instant that the walk was sent at. It is told by the clock, not
// by the transaction's start: that lies further back the longer the transaction
// has lasted, and what is found in it would seem to have been so for as long.
const sentSQL = "((SELECT clock_timestamp()) - @sent::bigint * interval '1 microsecond')"

// judgedSQL joins what was found (found: keys, kind, theirs, ours) with what is
// suspected. Another finding of the same walk does not confirm it. An extra row
// was the owner's when the last list was complete that had it.
func (t *Table) judgedSQL(f *form) string {
	// A suspicion that lies in the future, because the clock was set back, counts
	// from now on.
	const same = "o.kind = f.kind AND o.theirs = f.theirs AND o.ours = f.ours AND o.since <= (SELECT clock_timestamp())"
	return fmt.Sprintf(`SELECT f.*, CASE WHEN f.kind <> 'extra' THEN NULL WHEN o.kind = 'extra' THEN o.present
				ELSE (SELECT audit_as_of FROM %s WHERE table_name = @table AND partition = @partition) END AS present,
			CASE WHEN `+same+` THEN o.since ELSE `+sentSQL+` END AS since,
			coalesce(`+same+` AND CASE WHEN o.walk = @walk THEN o.counted ELSE o.since <= `+sentSQL+` - `+interval("@persist")+` END, false) AS counts
		FROM found f LEFT JOIN %s o ON o.partition = @partition AND %s`,
		t.db.own("watermark"), t.suspect, f.join(func(n, _ int) string { return fmt.Sprintf("o.k%d = f.k%d", n, n) }))
}

// suspectSQL notes what was judged, up to its WHERE.
func (t *Table) suspectSQL(f *form) string {
	return fmt.Sprintf(`INSERT INTO %s AS o (partition, %s, %s, since, present, counted, walk)
		SELECT @partition, %s, j.kind, j.theirs, j.ours, j.since, j.present, j.counts, @walk FROM judged j`, t.suspect, keyColumns(f), suspicion,
		f.keyList(func(n, _ int) string { return fmt.Sprintf("j.k%d", n) }))
}

func conflictSQL(f *form) string {
	return fmt.Sprintf(`ON CONFLICT (partition, %s) DO UPDATE SET kind = excluded.kind, theirs = excluded.theirs, ours = excluded.ours,
		since = excluded.since, present = excluded.present, counted = excluded.counted, walk = excluded.walk RETURNING o.xmax = 0 AS new`, keyColumns(f))
}

func (t *Table) suspectArgs(w syncer.Walk) pgx.NamedArgs {
	c := comparison(w)
	return pgx.NamedArgs{"table": t.spec.Target, "partition": w.Partition.Name, "walk": w.ID, "sent": sentAgo(w.Sent),
		"persist": c.Persist.Microseconds(), "repair": c.Repair}
}

// putRight writes what is left in the staging table, whatever its version.
func (m *merge) putRight(ctx context.Context, done *tally) error {
	if done.audit.missing+done.audit.different == 0 {
		return nil
	}
	rows, err := m.tx.Query(ctx, "SELECT n FROM "+stageName)
	if err != nil {
		return failed("put right", err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return failed("put right", err)
	}
	var keys []string
	for _, n := range numbers {
		keys = append(keys, m.changes[n].Key)
	}
	if m.head.gone {
		if err := m.notGone(ctx, keys); err != nil {
			return err
		}
	}
	if m.head.quarantined {
		if err := m.outOfQuarantine(ctx, keys); err != nil {
			return err
		}
	}
	if m.head.missing {
		held, err := m.notMissing(ctx, "'u'")
		if err != nil {
			return err
		}
		done.back += held
	}
	err = m.insert(ctx, done)
	done.Late = 0
	return err
}
