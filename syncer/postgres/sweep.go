package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// sweep finds the rows that a complete walk has not seen, and deletes those
// that are confirmed, under the guard.
func (t *Table) sweep(ctx context.Context, tx pgx.Tx, w syncer.Walk, h *head) (syncer.Settled, error) {
	f, err := t.catalogued(ctx, tx)
	if err != nil {
		return syncer.Settled{}, err
	}
	// Scans of whole tables may take longer than an ordinary statement.
	if err := execScript(ctx, tx, "SET LOCAL statement_timeout = "+milliseconds(patience)); err != nil {
		return syncer.Settled{}, failed("sweep", err)
	}
	rows, inList, err := t.markMissing(ctx, tx, f, w, h)
	if err != nil {
		return syncer.Settled{}, err
	}
	confirmed, missing, err := t.countMissing(ctx, tx, w.Partition)
	if err != nil {
		return syncer.Settled{}, err
	}
	out := syncer.Settled{Waiting: missing - confirmed}
	if t.spec.Guard.Holds(confirmed, int(inList)) {
		out.Held = confirmed
	} else if confirmed > 0 {
		if out.Swept, err = t.deleteConfirmed(ctx, tx, f, w.Partition); err != nil {
			return syncer.Settled{}, err
		}
	}
	rows -= int64(out.Swept)
	h.counted = &rows
	return out, t.acquit(ctx, tx, f, w.Partition, h)
}

// acquit forgets that rows are extra which were deleted, or which the list could
// not have.
func (t *Table) acquit(ctx context.Context, tx pgx.Tx, f *form, p syncer.Partition, h *head) error {
	if h.suspects == 0 {
		return nil
	}
	within, args, err := f.within(p, 2)
	if err != nil {
		return err
	}
	reaches, floor := f.inList(h.floor, len(args)+2)
	return t.absolve(ctx, tx, p, fmt.Sprintf("o.kind = 'extra' AND NOT EXISTS (SELECT FROM %s t WHERE %s AND %s AND %s)",
		t.name, f.keptKeys(), within, reaches), append(args, floor...)...)
}

// markMissing brings the missing rows of a partition up to date with the notes
// and returns how many rows the partition has, and how many of them the list
// could have.
func (t *Table) markMissing(ctx context.Context, tx pgx.Tx, f *form, w syncer.Walk, h *head) (rows, inList int64, err error) {
	within, args, err := f.within(w.Partition, 2)
	if err != nil {
		return 0, 0, err
	}
	args = append([]any{w.Partition.Name}, args...)
	reaches, floor := f.inList(h.floor, len(args)+1)
	args = append(args, floor...)
	if h.missing {
		if err := t.clearMissing(ctx, tx, f, within+" AND "+reaches, args); err != nil {
			return 0, 0, err
		}
		if _, err = tx.Exec(ctx, `UPDATE `+t.missing+` SET walks = walks + 1 WHERE partition = $1`, w.Partition.Name); err != nil {
			return 0, 0, failed("count walks", err)
		}
	}
	err = tx.QueryRow(ctx, fmt.Sprintf(`WITH mine AS (SELECT %s, %s AS listed FROM %s t WHERE %s),
		lacking AS (INSERT INTO %s (partition, %s, walks, present_at)
			SELECT $1, %s, 1, (SELECT deletes_as_of FROM %s WHERE table_name = $%d AND partition = $1)
			FROM mine m WHERE m.listed AND NOT EXISTS (SELECT FROM %s o WHERE o.partition = $1 AND %s)
			ON CONFLICT DO NOTHING)
		SELECT count(*), count(*) FILTER (WHERE listed) FROM mine`,
		f.keyList(func(n, i int) string { return fmt.Sprintf("t.%s AS k%d", f.columns[i].name, n) }), reaches, t.name, within,
		t.missing, keyColumns(f), keyColumns(f), t.db.own("watermark"), len(args)+1,
		t.seen, f.join(func(n, _ int) string { return fmt.Sprintf("o.k%d = m.k%d", n, n) })),
		append(args, t.spec.Target)...).Scan(&rows, &inList)
	return rows, inList, failed("find missing", err)
}

// clearMissing ends the absence of what came back, or was deleted otherwise.
func (t *Table) clearMissing(ctx context.Context, tx pgx.Tx, f *form, within string, args []any) error {
	_, err := tx.Exec(ctx, fmt.Sprintf(`DELETE FROM %s o WHERE o.partition = $1 AND (EXISTS (SELECT FROM %s n WHERE n.partition = $1 AND %s)
		OR NOT EXISTS (SELECT FROM %s t WHERE %s AND %s))`, t.missing, t.seen,
		f.join(func(n, _ int) string { return fmt.Sprintf("n.k%d = o.k%d", n, n) }), t.name, f.keptKeys(), within), args...)
	return failed("clear missing", err)
}

func keyColumns(f *form) string {
	return f.keyList(func(n, _ int) string { return fmt.Sprintf("k%d", n) })
}

// countMissing counts the missing rows of a partition, and those of them that
// were absent from enough walks.
func (t *Table) countMissing(ctx context.Context, tx pgx.Tx, p syncer.Partition) (confirmed, missing int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE walks >= $2), count(*) FROM `+t.missing+` WHERE partition = $1`,
		p.Name, t.spec.Confirm).Scan(&confirmed, &missing)
	return confirmed, missing, failed("count missing", err)
}

// dropMoved forgets what is missing of a partition and is gone, or belongs to
// another partition by now.
func (t *Table) dropMoved(ctx context.Context, tx pgx.Tx, f *form, p syncer.Partition) error {
	within, args, err := f.within(p, 2)
	if err != nil {
		within, args = "false", nil
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`DELETE FROM %s o WHERE o.partition = $1 AND NOT EXISTS (SELECT FROM %s t WHERE %s AND %s)`,
		t.missing, t.name, f.keptKeys(), within), append([]any{p.Name}, args...)...)
	return failed("forget moved rows", err)
}

// deleteConfirmed deletes the missing rows of a partition that were absent
// from enough walks, and are the partition's still.
func (t *Table) deleteConfirmed(ctx context.Context, tx pgx.Tx, f *form, p syncer.Partition) (int, error) {
	var n int64
	// No row can hold values that do not fit.
	if within, args, err := f.within(p, 3); err == nil {
		tag, err := tx.Exec(ctx, f.cut(t.name, t.missing+" o", fmt.Sprintf(`o.partition = $1 AND o.walks >= $2 AND %s AND %s`,
			f.keptKeys(), within)), append([]any{p.Name, t.spec.Confirm}, args...)...)
		if err != nil {
			return 0, failed("sweep", err)
		}
		n = tag.RowsAffected()
	}
	_, err := tx.Exec(ctx, `DELETE FROM `+t.missing+` WHERE partition = $1 AND walks >= $2`, p.Name, t.spec.Confirm)
	return int(n), failed("sweep", err)
}
