package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// retire sweeps the partitions that are not among these any more, and takes
// back those that are there again.
func (t *Table) retire(ctx context.Context, tx pgx.Tx, f *form, names []string) (deleted int, err error) {
	w := t.db.own("watermark")
	rows, err := tx.Query(ctx, `SELECT partition FROM `+w+` WHERE table_name = $1 AND NOT roster AND retired = (partition = ANY($2))
		ORDER BY partition FOR NO KEY UPDATE`, t.spec.Target, names)
	if err != nil {
		return 0, failed("lock partitions", err)
	}
	moved, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, failed("lock partitions", err)
	}
	if len(moved) > 0 {
		// What is there again has nothing that would be deleted by an accept.
		_, err = tx.Exec(ctx, `DELETE FROM `+t.missing+` WHERE partition = ANY($1)`, moved)
		if err == nil {
			_, err = tx.Exec(ctx, `UPDATE `+w+` SET retired = NOT retired, held = 0 WHERE table_name = $1 AND partition = ANY($2)`, t.spec.Target, moved)
		}
		if err != nil {
			return 0, failed("mark partitions", err)
		}
	}
	return t.retireMarked(ctx, tx, f)
}

// retireMarked sweeps the partitions that are marked. The guard looks at all of
// them together and at the whole table, because the whole table is what a
// mistake in the configuration, or in the query that tells the partitions, may
// cost; what it holds waits to be accepted.
func (t *Table) retireMarked(ctx context.Context, tx pgx.Tx, f *form) (deleted int, err error) {
	names, err := t.lockParts(ctx, tx, "retired")
	if err != nil || len(names) == 0 {
		return 0, err
	}
	before, err := t.heldRetired(ctx, tx)
	if err != nil {
		return 0, err
	}
	kept, err := t.keptParts(ctx, tx)
	if err != nil {
		return 0, err
	}
	var total, missing int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+t.name+` t WHERE true`+f.alive()).Scan(&total); err != nil {
		return 0, failed("count rows", err)
	}
	counts := make([]int, len(names))
	for i, name := range names {
		if counts[i], err = t.countOrphans(ctx, tx, f, syncer.ParsePartition(name), kept); err != nil {
			return 0, err
		}
		missing += counts[i]
	}
	hold := t.spec.Guard.Holds(missing, total)
	for i, name := range names {
		p := syncer.ParsePartition(name)
		if hold && counts[i] > 0 && counts[i] == before[name] {
			continue // nothing is written while what is held stays the same
		}
		if err := t.missAll(ctx, tx, f, p, kept); err != nil {
			return 0, err
		}
		if hold && counts[i] > 0 {
			_, err = tx.Exec(ctx, `UPDATE `+t.db.own("watermark")+` SET held = $3, resume = NULL, walk_sent = NULL, list_resume = NULL, list_sent = NULL
				WHERE table_name = $1 AND partition = $2`, t.spec.Target, name, counts[i])
			err = failed("hold partition", err)
		} else {
			n, failure := t.retirePart(ctx, tx, f, p)
			deleted, err = deleted+n, failure
		}
		if err != nil {
			return 0, err
		}
	}
	return deleted, nil
}

// heldRetired is how many rows are held of the partitions that are marked.
func (t *Table) heldRetired(ctx context.Context, tx pgx.Tx) (map[string]int, error) {
	rows, err := tx.Query(ctx, `SELECT partition, held FROM `+t.db.own("watermark")+` WHERE table_name = $1 AND retired`, t.spec.Target)
	if err != nil {
		return nil, failed("read held partitions", err)
	}
	out := map[string]int{}
	var name string
	var held int
	_, err = pgx.ForEachRow(rows, []any{&name, &held}, func() error {
		out[name] = held
		return nil
	})
	return out, failed("read held partitions", err)
}

// countOrphans counts the rows that go with a partition.
func (t *Table) countOrphans(ctx context.Context, tx pgx.Tx, f *form, p syncer.Partition, kept []syncer.Partition) (n int, err error) {
	if !t.orphaned(p, kept) {
		return 0, nil
	}
	within, args, err := f.within(p, 1)
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, fmt.Sprintf(`SELECT count(*) FROM %s t WHERE %s`, t.name, within), args...).Scan(&n)
	return n, failed("count rows", err)
}

// retirePart deletes the rows of a partition that are missing, and forgets it.
func (t *Table) retirePart(ctx context.Context, tx pgx.Tx, f *form, p syncer.Partition) (deleted int, err error) {
	if deleted, err = t.deleteConfirmed(ctx, tx, f, p); err != nil {
		return 0, err
	}
	for _, table := range []string{t.db.own("watermark"), t.db.own("quarantine")} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE table_name = $1 AND partition = $2`, t.spec.Target, p.Name); err != nil {
			return 0, failed("retire partition", err)
		}
	}
	return deleted, t.forgetKeys(ctx, tx, p.Name)
}

// forgetKeys forgets all keys that are noted of a partition.
func (t *Table) forgetKeys(ctx context.Context, tx pgx.Tx, partition string) error {
	for _, table := range []string{t.seen, t.missing, t.suspect} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+table+` WHERE partition = $1`, partition); err != nil {
			return failed("forget keys", err)
		}
	}
	return nil
}

// keptParts are the partitions that are not retired.
func (t *Table) keptParts(ctx context.Context, q querier) ([]syncer.Partition, error) {
	rows, err := q.Query(ctx, `SELECT partition FROM `+t.db.own("watermark")+` WHERE table_name = $1 AND NOT retired AND NOT roster`, t.spec.Target)
	if err != nil {
		return nil, failed("read partitions", err)
	}
	parts, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (syncer.Partition, error) {
		var name string
		err := r.Scan(&name)
		return syncer.ParsePartition(name), err
	})
	return parts, failed("read partitions", err)
}

// orphaned reports whether rows go with a partition when it goes. Rows that no
// column tells from those of the partitions that are kept are theirs, and no
// row can hold values that do not fit.
func (t *Table) orphaned(p syncer.Partition, kept []syncer.Partition) bool {
	spec := t.spec
	spec.Partitions = kept
	_, _, err := spec.PartitionValues(p)
	return err == nil && !spec.Keep && !spec.Covers(p)
}

// missAll takes all rows of a partition for missing.
func (t *Table) missAll(ctx context.Context, tx pgx.Tx, f *form, p syncer.Partition, kept []syncer.Partition) error {
	if _, err := tx.Exec(ctx, `DELETE FROM `+t.missing+` WHERE partition = $1`, p.Name); err != nil {
		return failed("retire partition", err)
	}
	if !t.orphaned(p, kept) {
		return nil
	}
	within, args, err := f.within(p, 3)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(`INSERT INTO %s (partition, %s, walks) SELECT $1, %s, $2 FROM %s t WHERE %s`, t.missing, keyColumns(f),
		f.keyList(func(_, i int) string { return "t." + f.columns[i].name }), t.name, within), append([]any{p.Name, t.spec.Confirm}, args...)...)
	return failed("retire partition", err)
}
