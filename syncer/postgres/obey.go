package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// Obey implements syncer.Keeper.
func (t *Table) Obey(ctx context.Context, o syncer.Order) (string, error) {
	t.drift.growing.RLock()
	defer t.drift.growing.RUnlock()
	t = t.current()
	switch o.Kind {
	case syncer.OrderResync:
		return "everything is asked for again by the next poll",
			t.mark(ctx, "resync = true, list_resume = NULL, list_sent = NULL, validator = ''")
	case syncer.OrderPause:
		return "polls are paused", t.mark(ctx, "paused = true")
	case syncer.OrderResume:
		return "polls go on", t.mark(ctx, "paused = false")
	case syncer.OrderAccept:
		return t.accept(ctx, o.Deletes)
	case syncer.OrderQuarantineRetry, syncer.OrderQuarantineDrop:
		return t.release(ctx, o)
	}
	return "", fmt.Errorf("order %q is not one for a table", o.Kind)
}

// mark sets columns of the table's rows in watermark, in all partitions. The
// row of a table that was never polled is made first.
func (t *Table) mark(ctx context.Context, set string) error {
	return t.db.fenced(ctx, "obey", func(tx pgx.Tx) error {
		sql := `UPDATE ` + t.db.own("watermark") + ` SET ` + set + ` WHERE table_name = $1`
		tag, err := tx.Exec(ctx, sql, t.spec.Target)
		if err == nil && tag.RowsAffected() == 0 {
			if _, err = t.begin(ctx, tx, []string{""}); err == nil {
				_, err = tx.Exec(ctx, sql, t.spec.Target)
			}
		}
		return failed("obey", err)
	})
}

// accept deletes the confirmed missing rows of all partitions, if they are not
// more than limit.
func (t *Table) accept(ctx context.Context, limit int) (string, error) {
	deleted := 0
	var refusal error
	err := t.db.fenced(ctx, "accept", func(tx pgx.Tx) error {
		deleted, refusal = 0, nil
		f, err := t.catalogued(ctx, tx)
		if err != nil {
			return err
		}
		if err := execScript(ctx, tx, "SET LOCAL statement_timeout = "+milliseconds(patience)); err != nil {
			return failed("accept", err)
		}
		parts, err := t.lockParts(ctx, tx, "NOT roster")
		if err != nil {
			return err
		}
		for _, p := range parts {
			if err := t.dropMoved(ctx, tx, f, syncer.ParsePartition(p)); err != nil {
				return err
			}
		}
		var held int
		err = tx.QueryRow(ctx, `SELECT count(*) FROM `+t.missing+` WHERE walks >= $1`, t.spec.Confirm).Scan(&held)
		switch {
		case err != nil:
			return failed("count missing", err)
		case held == 0:
			refusal = fmt.Errorf("no deletions of %q are held", t.spec.Target)
		case held > limit:
			refusal = fmt.Errorf("%d deletions of %q are held, more than the %d accepted", held, t.spec.Target, limit)
		}
		if refusal != nil {
			return nil
		}
		for _, p := range parts {
			n, err := t.acceptPart(ctx, tx, f, syncer.ParsePartition(p))
			if err != nil {
				return err
			}
			deleted += n
		}
		// What is left of a partition that was held for its removal goes, too.
		n, err := t.retireMarked(ctx, tx, f)
		if err != nil {
			return err
		}
		return t.tell(ctx, tx, syncer.Applied{Deleted: deleted + n})
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d rows are deleted", deleted), nil
}

// lockParts locks and names the partitions that a condition holds of, in one
// order for all writers.
func (t *Table) lockParts(ctx context.Context, tx pgx.Tx, condition string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT partition FROM `+t.db.own("watermark")+
		` WHERE table_name = $1 AND `+condition+` ORDER BY partition FOR NO KEY UPDATE`, t.spec.Target)
	if err != nil {
		return nil, failed("lock partitions", err)
	}
	parts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return parts, failed("lock partitions", err)
}

// acceptPart deletes the confirmed missing rows of one partition, and lets its
// delete as-of catch up.
func (t *Table) acceptPart(ctx context.Context, tx pgx.Tx, f *form, p syncer.Partition) (int, error) {
	n, err := t.deleteConfirmed(ctx, tx, f, p)
	if err != nil {
		return 0, err
	}
	gone := fmt.Sprintf("o.kind = 'extra' AND NOT EXISTS (SELECT FROM %s t WHERE %s)", t.name, f.keptKeys())
	if err := t.absolve(ctx, tx, p, gone); err != nil {
		return 0, err
	}
	// Where only lists see deletions, they are proven up to the last one.
	at, absent := "CASE WHEN m.unknown THEN o.deletes_as_of ELSE least(o.as_of, m.present_at) END", t.missingSQL("$2")
	if t.spec.Budget.Deletes > 0 {
		absent = t.absentSQL("$2")
		at = "CASE WHEN m.unknown THEN o.deletes_as_of ELSE greatest(o.deletes_as_of, least(o.audit_as_of, m.present_at)) END"
	}
	_, err = tx.Exec(ctx, `UPDATE `+t.db.own("watermark")+` w SET deletes_as_of = n.at, `+deadlines("w.as_of", "n.at", "w")+`,
			held = 0, rows = greatest(0, w.rows - $3), audit_left = greatest(0, w.audit_left - $3)
		FROM (SELECT `+at+` AS at FROM `+t.db.own("watermark")+` o, LATERAL (`+absent+`) m WHERE o.table_name = $1 AND o.partition = $2) n
		WHERE w.table_name = $1 AND w.partition = $2`, t.spec.Target, p.Name, n)
	if err != nil {
		return n, failed("accept", err)
	}
	return n, t.keepGrace(ctx, tx, []string{p.Name})
}
