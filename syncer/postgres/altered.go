package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer/row"
)

// The table is its consumer's to drop, and so are its columns. What larder knows
// of the copy is true of what it wrote alone.

// distrust brings what is known of the partitions to what Prepare found: a table
// that had to be created is empty, and a column that had to be added is.
func (t *Table) distrust(ctx context.Context, tx pgx.Tx, created, added bool) error {
	switch {
	case created:
		return t.forgetPositions(ctx, tx)
	case added:
		_, err := tx.Exec(ctx, `UPDATE `+t.db.own("watermark")+` SET resync = resync OR as_of IS NOT NULL, validator = ''
			WHERE table_name = $1 AND NOT roster AND NOT retired`, t.spec.Target)
		if err != nil {
			return failed("ask for a resync", err)
		}
		return t.beginAgain(ctx, tx)
	}
	return nil
}

// forgetPositions makes all partitions as if they had never been polled. The
// list of them is none the worse.
func (t *Table) forgetPositions(ctx context.Context, tx pgx.Tx) error {
	w := t.db.own("watermark")
	for _, statement := range []string{
		`DELETE FROM ` + w + ` WHERE table_name = $1 AND retired`, // nothing of it is held any more
		`DELETE FROM ` + t.db.own("quarantine") + ` WHERE table_name = $1`,
		`UPDATE ` + w + ` SET ` + neverPolled + `, last_poll = NULL WHERE table_name = $1 AND NOT roster`,
	} {
		if _, err := tx.Exec(ctx, statement, t.spec.Target); err != nil {
			return failed("forget positions", err)
		}
	}
	for _, keys := range []string{t.seen, t.missing, t.suspect} {
		if err := execScript(ctx, tx, "DELETE FROM "+keys); err != nil {
			return failed("forget notes", err)
		}
	}
	return nil
}

// beginAgain makes unfinished walks begin again: what they have read so far
// lacks a column.
func (t *Table) beginAgain(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `UPDATE `+t.db.own("watermark")+` SET list_resume = NULL, list_sent = NULL,
			resume = CASE WHEN shape <> '' THEN resume END, walk_sent = CASE WHEN shape <> '' THEN walk_sent END
		WHERE table_name = $1 AND NOT roster`, t.spec.Target)
	return failed("begin walks again", err)
}

// lost parts what is known of fields by whether their columns are there still.
// A table that is not there gets them when it is created.
func (t *Table) lost(ctx context.Context, q querier, known []row.Known) (stays []row.Known, lost []row.Added, err error) {
	if len(known) == 0 {
		return nil, nil, nil
	}
	if _, err := loadForm(ctx, q, t); errors.Is(err, errNoTable) {
		return known, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	have, err := t.catalogColumns(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	var columns []string
	for _, c := range have {
		columns = append(columns, c.name)
	}
	stays, lost = row.Lost(known, columns, exactly)
	return stays, lost, nil
}

// forgetLost forgets the columns that were added and that the consumer dropped,
// and returns what stays known.
func (t *Table) forgetLost(ctx context.Context, tx pgx.Tx, known []row.Known) ([]row.Known, error) {
	known, lost, err := t.lost(ctx, tx, known)
	if err != nil || len(lost) == 0 {
		return known, err
	}
	w := t.db.own("watermark")
	var names []string
	for _, a := range lost {
		names = append(names, a.Name)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM `+t.db.own("field")+` WHERE table_name = $1 AND name = ANY($2)`, t.spec.Target, names); err != nil {
		return nil, failed("forget fields", err)
	}
	rows, err := tx.Query(ctx, `SELECT DISTINCT shape FROM `+w+` WHERE table_name = $1`, t.spec.Target)
	if err != nil {
		return nil, failed("read shapes", err)
	}
	shapes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, failed("read shapes", err)
	}
	for _, shape := range shapes {
		_, err := tx.Exec(ctx, `UPDATE `+w+` SET shape = $3 WHERE table_name = $1 AND shape = $2`, t.spec.Target, shape, row.ShapeWithout(shape, lost))
		if err != nil {
			return nil, failed("forget fields", err)
		}
	}
	return known, t.beginAgain(ctx, tx)
}
