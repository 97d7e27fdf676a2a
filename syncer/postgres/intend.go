package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// Intend says what Prepare would do to the table, without the lease and without
// writing anything. larder's own tables are not among its statements.
func (t *Table) Intend(ctx context.Context) (syncer.Intent, error) {
	pool, err := t.db.pool(ctx)
	if err != nil {
		return syncer.Intent{}, err
	}
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return syncer.Intent{}, failed("begin", err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(end) // nothing was written
	}()
	if err := execScript(ctx, tx, "SET LOCAL statement_timeout = "+milliseconds(patience)); err != nil {
		return syncer.Intent{}, failed("look at table", err)
	}
	return t.intend(ctx, tx)
}

func (t *Table) intend(ctx context.Context, tx pgx.Tx) (syncer.Intent, error) {
	found, err := t.db.layout(ctx, tx)
	if err != nil {
		return syncer.Intent{}, err
	}
	if t, err = t.intended(ctx, tx, found); err != nil {
		return syncer.Intent{}, err
	}
	var out syncer.Intent
	f, ddl, err := t.outline(ctx, tx, found > 0)
	var misfit *MisfitTableError
	if errors.As(err, &misfit) {
		out.Unfit = misfit.Error()
	} else if err != nil {
		return syncer.Intent{}, err
	}
	out.DDL = ddl
	look := &outlook{Table: t, tx: tx, form: f, from: t.positions(found)}
	if out.Partitions, err = look.partitions(ctx, found > 0); err != nil {
		return syncer.Intent{}, err
	}
	return out, nil
}

// positions is a relation with the columns of the watermark table, whichever
// larder made it.
func (t *Table) positions(found int) string {
	w := t.db.own("watermark")
	switch {
	case found > 3:
		return w
	case found > 1:
		return `(SELECT o.*, NULL::timestamptz AS newest_at FROM ` + w + ` o)`
	}
	return `(SELECT o.*, NULL::timestamptz AS newest_at, '' AS epoch, NULL AS list_resume, NULL::timestamptz AS list_sent, NULL::timestamptz AS proven_as_of,
		NULL::timestamptz AS audited, false AS roster FROM ` + w + ` o)`
}

// outlook looks at what would become of partitions.
type outlook struct {
	*Table
	tx   pgx.Tx
	form *form // nil: there is no table
	from string
}

// partitions lists those of the configuration, and behind them those that are
// kept beside.
func (o *outlook) partitions(ctx context.Context, known bool) ([]syncer.PartitionIntent, error) {
	var kept []string
	if known {
		rows, err := o.tx.Query(ctx, `SELECT partition FROM `+o.from+` w WHERE table_name = $1 AND NOT roster ORDER BY partition`, o.spec.Target)
		if err != nil {
			return nil, failed("read partitions", err)
		}
		if kept, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return nil, failed("read partitions", err)
		}
	}
	held := map[string]bool{}
	for _, name := range kept {
		held[name] = true
	}
	var out []syncer.PartitionIntent
	configured := map[string]bool{}
	for _, p := range o.spec.Partitions {
		configured[p.Name] = true
		out = append(out, syncer.PartitionIntent{Partition: p, Kept: held[p.Name]})
	}
	for _, name := range kept {
		if !configured[name] {
			out = append(out, syncer.PartitionIntent{Partition: syncer.ParsePartition(name), Kept: true, Retired: !o.spec.Changing})
		}
	}
	for i := range out {
		if err := o.fill(ctx, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, o.hold(ctx, out)
}

// fill tells what is kept of a partition.
func (o *outlook) fill(ctx context.Context, p *syncer.PartitionIntent) (err error) {
	if p.Rows, err = o.rows(ctx, p.Partition); err != nil || !p.Kept {
		return err
	}
	var shape string
	err = o.tx.QueryRow(ctx, `SELECT shape FROM `+o.from+` w WHERE table_name = $1 AND partition = $2`, o.spec.Target, p.Partition.Name).Scan(&shape)
	if err != nil {
		return failed("read standing", err)
	}
	if shape != "" && !syncer.SameSource(shape, o.spec.Shape) {
		p.Void = "the source is asked otherwise"
	}
	p.Standing, err = o.standing(ctx, o.tx, o.from, p.Partition)
	return err
}

// rows counts those of a partition; none where no column can hold its values.
func (o *outlook) rows(ctx context.Context, p syncer.Partition) (int64, error) {
	columns, _, err := o.spec.PartitionValues(p)
	if err != nil || o.form == nil {
		return 0, nil
	}
	for _, i := range columns {
		if o.form.columns[i].typ == "" {
			return 0, nil
		}
	}
	within, args, err := o.form.within(p, 1)
	if err != nil {
		return 0, err
	}
	var n int64
	err = o.tx.QueryRow(ctx, `SELECT count(*) FROM `+o.name+` t WHERE `+within, args...).Scan(&n)
	return n, failed("count rows", err)
}

// hold says whether the guard would keep the rows of the partitions that go.
func (o *outlook) hold(ctx context.Context, parts []syncer.PartitionIntent) error {
	var missing, total int64
	for _, p := range parts {
		if p.Retired && o.orphaned(p.Partition, o.spec.Partitions) {
			missing += p.Rows
		}
	}
	if missing == 0 {
		return nil
	}
	if err := o.tx.QueryRow(ctx, `SELECT count(*) FROM `+o.name+` t WHERE true`+o.form.alive()).Scan(&total); err != nil {
		return failed("count rows", err)
	}
	for i := range parts {
		p := &parts[i]
		p.Held = p.Retired && p.Rows > 0 && o.orphaned(p.Partition, o.spec.Partitions) && o.spec.Guard.Holds(int(missing), int(total))
	}
	return nil
}
