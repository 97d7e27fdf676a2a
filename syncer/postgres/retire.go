package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// retire sweeps the partitions that are configured no more. The guard looks at
// the whole table, because the whole table is what a mistake in the
// configuration may cost; what it holds waits to be accepted.
func (t *Table) retire(ctx context.Context, tx pgx.Tx, f *form) error {
	var kept []string
	for _, p := range t.spec.Partitions {
		kept = append(kept, p.Name)
	}
	if len(kept) == 0 {
		return nil
	}
	parts, err := t.lockParts(ctx, tx, kept)
	if err != nil || len(parts) == 0 {
		return err
	}
	var total int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+t.name).Scan(&total); err != nil {
		return failed("count rows", err)
	}
	for _, name := range parts {
		if err := t.retirePart(ctx, tx, f, syncer.ParsePartition(name), total); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) retirePart(ctx context.Context, tx pgx.Tx, f *form, p syncer.Partition, total int) error {
	if err := t.missAll(ctx, tx, f, p); err != nil {
		return err
	}
	missing, _, err := t.countMissing(ctx, tx, p)
	if err != nil {
		return err
	}
	w := t.db.own("watermark")
	if t.spec.Guard.Holds(missing, total) {
		_, err := tx.Exec(ctx, `UPDATE `+w+` SET held = $3, resume = NULL, walk_sent = NULL WHERE table_name = $1 AND partition = $2`, t.spec.Target, p.Name, missing)
		return failed("hold partition", err)
	}
	if _, err := t.deleteConfirmed(ctx, tx, f, p); err != nil {
		return err
	}
	for _, table := range []string{w, t.db.own("quarantine")} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE table_name = $1 AND partition = $2`, t.spec.Target, p.Name); err != nil {
			return failed("retire partition", err)
		}
	}
	if err := t.absolve(ctx, tx, p, "true"); err != nil {
		return err
	}
	return t.forgetNotes(ctx, tx, p, &head{seenCount: 1})
}

// missAll takes all rows of a partition for missing. Rows that no column tells
// from those of other partitions are theirs.
func (t *Table) missAll(ctx context.Context, tx pgx.Tx, f *form, p syncer.Partition) error {
	if _, err := tx.Exec(ctx, `DELETE FROM `+t.missing+` WHERE partition = $1`, p.Name); err != nil {
		return failed("retire partition", err)
	}
	if _, _, err := t.spec.PartitionValues(p); err != nil || t.spec.Covers(p) {
		return nil // no row can hold values that do not fit
	}
	within, args, err := f.within(p, 3)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`INSERT INTO %s (partition, %s, walks) SELECT $1, %s, $2 FROM %s t WHERE %s`, t.missing, keyColumns(f),
		f.keyList(func(_, i int) string { return "t." + f.columns[i].name }), t.name, within), append([]any{p.Name, t.spec.Confirm}, args...)...)
	return failed("retire partition", err)
}
