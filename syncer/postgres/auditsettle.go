package postgres

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// settleAudit ends an audit: what the copy has and the list has not is extra.
// Of the standing it moves what audits prove, and nothing else.
func (t *Table) settleAudit(ctx context.Context, tx pgx.Tx, e end, settled *syncer.Settled) error {
	f, err := t.catalogued(ctx, tx)
	if err != nil {
		return err
	}
	// Scans of whole tables may take longer than an ordinary statement.
	if err := execScript(ctx, tx, "SET LOCAL statement_timeout = "+milliseconds(patience)); err != nil {
		return failed("audit", err)
	}
	a := &syncer.Audited{Compared: int(e.head.tally.compared), Missing: int(e.head.tally.missing), Different: int(e.head.tally.different)}
	a.Repaired = a.Missing + a.Different
	rows, inList, err := t.findExtra(ctx, tx, f, e)
	if err != nil {
		return err
	}
	e.head.counted = &inList
	if comparison(e.walk).Repair {
		if err := t.deleteExtra(ctx, tx, f, e, a); err != nil {
			return err
		}
	}
	if err := t.countSuspects(ctx, tx, f, e, a); err != nil {
		return err
	}
	if err := t.forgetNotes(ctx, tx, e.walk.Partition, e.head); err != nil {
		return err
	}
	settled.Audit = a
	return t.writeAudit(ctx, tx, e, settled, rows-int64(e.head.cut))
}

// findExtra brings the suspects that are extra up to date with the notes, and
// returns how many rows the partition has, and how many of them the list could
// have.
func (t *Table) findExtra(ctx context.Context, tx pgx.Tx, f *form, e end) (rows, inList int64, err error) {
	within, args, err := f.within(e.walk.Partition, 2)
	if err != nil {
		return 0, 0, err
	}
	args = append([]any{e.walk.Partition.Name}, args...)
	reaches, floor := f.inList(e.head.floor, len(args)+1)
	args = append(args, floor...)
	err = tx.QueryRow(ctx, fmt.Sprintf(`SELECT count(*), count(*) FILTER (WHERE %s) FROM %s t WHERE $1::text IS NOT NULL AND %s`, reaches, t.name, within), args...).
		Scan(&rows, &inList)
	if err != nil {
		return 0, 0, failed("count rows", err)
	}
	within += " AND " + reaches
	if e.head.missing {
		if err := t.clearMissing(ctx, tx, f, within, args); err != nil {
			return 0, 0, err
		}
	}
	if err := t.dismiss(ctx, tx, f, e.walk, within, args); err != nil || t.spec.Keep {
		return rows, inList, err
	}
	columns := f.keyList(func(n, i int) string { return fmt.Sprintf("t.%s AS k%d", f.columns[i].name, n) })
	err = execScript(ctx, tx, fmt.Sprintf(`CREATE TEMP TABLE larder_extra ON COMMIT DROP AS SELECT 0::bigint AS n, %s, ''::text AS ours FROM %s t WITH NO DATA`, columns, t.name))
	if err != nil {
		return 0, 0, failed("find extra rows", err)
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`INSERT INTO %s SELECT row_number() OVER (), %s, %s FROM %s t WHERE %s
			AND NOT EXISTS (SELECT FROM %s o WHERE o.partition = $1 AND %s)`,
		extraName, f.keyList(func(_, i int) string { return "t." + f.columns[i].name }), f.fingerprint(func(_ int, c column) string { return "t." + c.name }),
		t.name, within, t.seen, f.keptKeys()), args...)
	if err != nil {
		return 0, 0, failed("find extra rows", err)
	}
	if err := t.sampleExtra(ctx, tx, f, e.walk); err != nil {
		return 0, 0, err
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`WITH found AS (SELECT x.*, 'extra' AS kind, '' AS theirs FROM %s x), judged AS (%s) %s %s`,
		extraName, t.judgedSQL(f), t.suspectSQL(f), conflictSQL(f)), t.suspectArgs(e.walk))
	return rows, inList, failed("find extra rows", err)
}

// extraName is the temporary table of rows that the list has not.
const extraName = "pg_temp.larder_extra"

// sampleExtra leaves out the rows that are not in the audit's sample. Which
// keys are in it, only their canonical text tells.
func (t *Table) sampleExtra(ctx context.Context, tx pgx.Tx, f *form, w syncer.Walk) error {
	c := comparison(w)
	if c.Compare != syncer.CompareSample {
		return nil
	}
	rows, err := tx.Query(ctx, "SELECT n, ARRAY["+f.keyList(func(n, _ int) string { return fmt.Sprintf("k%d::text", n) })+"] FROM "+extraName)
	if err != nil {
		return failed("draw sample", err)
	}
	var outside []int64
	var n int64
	var texts []string
	_, err = pgx.ForEachRow(rows, []any{&n, &texts}, func() error {
		if !sampled(c, t.keyOf(texts)) {
			outside = append(outside, n)
		}
		return nil
	})
	if err == nil {
		_, err = tx.Exec(ctx, "DELETE FROM "+extraName+" WHERE n = ANY($1)", outside)
	}
	return failed("draw sample", err)
}

// readText reads a key's value from its text in the database, as a record's
// value of that kind is kept in memory. Text that is none of the kind, as a
// column of another type may hold, stands for itself.
func readText(kind row.Kind, text string) any {
	switch kind {
	case row.Boolean:
		return strings.HasPrefix(text, "t")
	case row.Integer, row.Bigint:
		if v, err := strconv.ParseInt(plain(text), 10, 64); err == nil {
			return v
		}
	case row.Double:
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			return v
		}
	case row.Numeric:
		return row.Decimal(plain(text))
	case row.Timestamptz:
		for _, layout := range []string{"2006-01-02 15:04:05.999999-07", "2006-01-02 15:04:05.999999"} {
			if v, err := time.Parse(layout, text); err == nil {
				return v
			}
		}
	case row.Date:
		return row.Day(text)
	case row.Bytes:
		if v, err := hex.DecodeString(strings.TrimPrefix(text, `\x`)); err == nil {
			return v
		}
	}
	return text
}

// plain writes equal numbers alike.
func plain(number string) string {
	whole, fraction, ok := strings.Cut(number, ".")
	if !ok {
		return number
	}
	return strings.TrimSuffix(whole+"."+strings.TrimRight(fraction, "0"), ".")
}

// dismiss forgets the suspects that the whole list does not bear out: rows that
// it has, or could not have, are not extra. within and args are the rows that it
// could.
func (t *Table) dismiss(ctx context.Context, tx pgx.Tx, f *form, w syncer.Walk, within string, args []any) error {
	seen := fmt.Sprintf("EXISTS (SELECT FROM %s n WHERE n.partition = $1 AND %s)", t.seen, f.join(func(n, _ int) string { return fmt.Sprintf("n.k%d = o.k%d", n, n) }))
	_, err := tx.Exec(ctx, fmt.Sprintf(`DELETE FROM %s o WHERE o.partition = $1 AND o.walk <> $%d AND CASE WHEN o.kind = 'extra' THEN %t OR %s OR NOT EXISTS (SELECT FROM %s t WHERE %s AND %s)
		ELSE NOT %s END`, t.suspect, len(args)+1, t.spec.Keep, seen, t.name, f.keptKeys(), within, seen), append(slices.Clone(args), w.ID)...)
	return failed("dismiss suspects", err)
}

// deleteExtra deletes the extra rows that count, or holds them under the guard
// as a sweep does.
func (t *Table) deleteExtra(ctx context.Context, tx pgx.Tx, f *form, e end, a *syncer.Audited) error {
	const count = "o.partition = $1 AND o.kind = 'extra' AND o.counted AND o.walk = $2"
	args := []any{e.walk.Partition.Name, e.walk.ID}
	var extra int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+t.suspect+` o WHERE `+count, args...).Scan(&extra); err != nil {
		return failed("count extra rows", err)
	}
	if t.spec.Guard.Holds(extra, int(*e.head.counted)) {
		a.Held = extra
		_, err := tx.Exec(ctx, fmt.Sprintf(`INSERT INTO %s AS m (partition, %s, walks, present_at) SELECT $1, %s, $3, o.present FROM %s o WHERE %s
			ON CONFLICT (partition, %s) DO UPDATE SET walks = excluded.walks`, t.missing, keyColumns(f), keyColumns(f), t.suspect, count, keyColumns(f)),
			append(args, t.spec.Confirm)...)
		return failed("hold extra rows", err)
	}
	if extra == 0 {
		return nil
	}
	tag, err := tx.Exec(ctx, f.cut(t.name, t.suspect+" o", count+" AND "+f.keptKeys()), args...)
	if err != nil {
		return failed("delete extra rows", err)
	}
	e.head.cut = tag.RowsAffected()
	a.Extra, a.Repaired = int(e.head.cut), a.Repaired+int(e.head.cut)
	_, err = tx.Exec(ctx, fmt.Sprintf(`WITH gone AS (DELETE FROM %s o WHERE %s RETURNING o.*) DELETE FROM %s m USING gone o WHERE m.partition = o.partition AND %s`,
		t.suspect, count, t.missing, f.join(func(n, _ int) string { return fmt.Sprintf("m.k%d = o.k%d", n, n) })), args...)
	return failed("delete extra rows", err)
}

// countSuspects adds up what the walk leaves. What it did not look at stays a
// suspect and proves nothing.
func (t *Table) countSuspects(ctx context.Context, tx pgx.Tx, f *form, e end, a *syncer.Audited) error {
	unjudged, err := t.notLookedAt(ctx, tx, f, e)
	if err != nil {
		return err
	}
	var missing, extra, different, undecided, absent int
	err = tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE counted AND kind = 'missing'), count(*) FILTER (WHERE counted AND kind = 'extra'),
			count(*) FILTER (WHERE counted AND kind = 'different'), count(*) FILTER (WHERE NOT counted), (SELECT count(*) FROM `+t.missing+` WHERE partition = $1),
			(SELECT count(*) FROM `+t.db.own("quarantine")+` WHERE table_name = $3 AND partition = $1)
		FROM `+t.suspect+` WHERE partition = $1 AND walk = $2`, e.walk.Partition.Name, e.walk.ID, t.spec.Target).
		Scan(&missing, &extra, &different, &undecided, &absent, &a.Quarantined)
	undecided += unjudged
	a.Missing, a.Extra, a.Different, a.Suspects = a.Missing+missing, a.Extra+extra, a.Different+different, undecided
	if comparison(e.walk).Compare != syncer.CompareSample && missing+extra+different+undecided+absent == 0 {
		a.Proven = time.Now().Add(-e.back())
	}
	return failed("count suspects", err)
}

// notLookedAt counts the suspects of walks before that this one was to look at:
// changes touched the key, or the list's record of it did not fit.
func (t *Table) notLookedAt(ctx context.Context, tx pgx.Tx, f *form, e end) (n int, err error) {
	rows, err := tx.Query(ctx, fmt.Sprintf("SELECT ARRAY[%s] FROM %s o JOIN %s n ON n.partition = $1 AND %s WHERE o.partition = $1 AND o.walk <> $2",
		f.keyList(func(n, _ int) string { return fmt.Sprintf("o.k%d::text", n) }), t.suspect, t.seen,
		f.join(func(n, _ int) string { return fmt.Sprintf("n.k%d = o.k%d", n, n) })), e.walk.Partition.Name, e.walk.ID)
	if err != nil {
		return 0, failed("count suspects", err)
	}
	var texts []string
	_, err = pgx.ForEachRow(rows, []any{&texts}, func() error {
		if sampled(comparison(e.walk), t.keyOf(texts)) {
			n++
		}
		return nil
	})
	return n, failed("count suspects", err)
}

// keyOf is the canonical text of a key from the texts of its columns.
func (t *Table) keyOf(texts []string) string {
	values := make([]any, len(t.spec.Columns))
	for k, i := range t.spec.Key {
		values[i] = readText(t.spec.Columns[i].Type.Kind, texts[k])
	}
	return t.spec.KeyOf(values)
}

// writeAudit writes what the audit proves. A sample proves nothing of the rows
// that it leaves out.
func (t *Table) writeAudit(ctx context.Context, tx pgx.Tx, e end, settled *syncer.Settled, rows int64) error {
	w, a := t.db.own("watermark"), settled.Audit
	whole := comparison(e.walk).Compare != syncer.CompareSample
	deletes := t.deletesSQL(syncer.Audit)
	if t.spec.Keep || !whole {
		deletes = "a.deletes_as_of"
	}
	var asOf, moved *int64
	err := tx.QueryRow(ctx, `UPDATE `+w+` w SET `+noList+`, audited = `+before("@sent")+`, audit_error = '',
			audit_as_of = CASE WHEN @whole THEN n.own ELSE w.audit_as_of END,
			audit_compared = @compared, audit_found = @found, audit_left = @left,
			proven_as_of = CASE WHEN @proven THEN greatest(w.proven_as_of, n.own) ELSE w.proven_as_of END,
			deletes_as_of = n.deletes_as_of, `+deadlines("w.as_of", "n.deletes_as_of", "w")+`, rows = @rows,
			held = (SELECT count(*) FROM `+t.missing+` WHERE partition = @partition AND walks >= @confirm),
			suspects = (SELECT count(*) FROM `+t.suspect+` WHERE partition = @partition)
		FROM (SELECT a.own, `+deletes+` AS deletes_as_of
			FROM (SELECT o.as_of, o.deletes_as_of, `+before("@back")+` AS own FROM `+w+` o WHERE o.table_name = @table AND o.partition = @partition) a,
			LATERAL (`+t.absentSQL("@partition")+`) m) n
		WHERE w.table_name = @table AND w.partition = @partition
		RETURNING `+age("w.as_of")+`, `+age("w.deletes_as_of"), pgx.NamedArgs{
		"table": t.spec.Target, "partition": e.walk.Partition.Name, "sent": sentAgo(e.walk.Sent), "back": e.back().Microseconds(),
		"compared": a.Compared, "found": a.Found(), "left": a.Left(), "proven": !a.Proven.IsZero(), "rows": rows, "confirm": t.spec.Confirm, "whole": whole,
	}).Scan(&asOf, &moved)
	if err != nil {
		return failed("settle audit", err)
	}
	settled.AsOf, settled.DeletesAsOf = ago(asOf), ago(moved)
	return t.keepGrace(ctx, tx, []string{e.walk.Partition.Name})
}

// absentSQL sums up what the owner has no more of a partition, what audits
// suspect included.
func (t *Table) absentSQL(partition string) string {
	return fmt.Sprintf(`SELECT min(present_at) AS present_at, coalesce(bool_or(present_at IS NULL), false) AS unknown
		FROM (SELECT present_at FROM %s WHERE partition = %s UNION ALL SELECT present FROM %s WHERE partition = %s AND kind = 'extra') x`,
		t.missing, partition, t.suspect, partition)
}

// absolve ends the suspicions that a condition on o, whose arguments begin with
// the second, holds of.
func (t *Table) absolve(ctx context.Context, tx pgx.Tx, p syncer.Partition, condition string, args ...any) error {
	_, err := tx.Exec(ctx, `DELETE FROM `+t.suspect+` o WHERE o.partition = $1 AND `+condition, append([]any{p.Name}, args...)...)
	if err == nil {
		_, err = tx.Exec(ctx, `UPDATE `+t.db.own("watermark")+` SET suspects = (SELECT count(*) FROM `+t.suspect+` WHERE partition = $2)
			WHERE table_name = $1 AND partition = $2`, t.spec.Target, p.Name)
	}
	return failed("dismiss suspects", err)
}
