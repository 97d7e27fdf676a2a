package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// Repartition implements syncer.Keeper. The row of the whole stands for the
// list of partitions itself, so that a list that cannot be had makes the copy
// stale. A partition that is new is complete up to the last list that did not
// have it: the copy needed nothing of it.
func (t *Table) Repartition(ctx context.Context, parts []syncer.Partition, asked time.Time) error {
	t.drift.growing.RLock()
	defer t.drift.growing.RUnlock()
	t = t.current()
	if !t.spec.Changing {
		return fmt.Errorf("state partitions of %s: they are those of the configuration", t.name)
	}
	names := partitionNames(parts)
	return t.db.fenced(ctx, "state partitions of "+t.name, func(tx pgx.Tx) error {
		if err := execScript(ctx, tx, "SET LOCAL statement_timeout = "+milliseconds(patience)); err != nil {
			return failed("state partitions", err)
		}
		f, err := t.catalogued(ctx, tx)
		if err != nil {
			return err
		}
		if err := t.makeRoster(ctx, tx); err != nil {
			return err
		}
		fresh, err := t.begin(ctx, tx, names)
		if err != nil {
			return err
		}
		w := t.db.own("watermark")
		if len(fresh) > 0 {
			_, err := tx.Exec(ctx, `UPDATE `+w+` w SET as_of = o.as_of, deletes_as_of = o.as_of, `+deadlines("o.as_of", "o.as_of", "w")+`
				FROM `+w+` o WHERE o.table_name = $1 AND o.roster AND w.table_name = $1 AND w.partition = ANY($2)`, t.spec.Target, fresh)
			if err != nil {
				return failed("state partitions", err)
			}
		}
		deleted, err := t.retire(ctx, tx, f, names)
		if err == nil {
			err = t.tell(ctx, tx, syncer.Applied{Deleted: deleted})
		}
		if err != nil {
			return err
		}
		at := "greatest(" + past("w.as_of") + ", o.asked)"
		_, err = tx.Exec(ctx, `UPDATE `+w+` w SET as_of = `+at+`, deletes_as_of = `+at+`, `+deadlines(at, at, "w")+`,
				error_class = '', error = '', error_kind = '', failing_since = NULL, next_poll = NULL
			FROM (SELECT `+before("$2")+` AS asked) o WHERE w.table_name = $1 AND w.roster`, t.spec.Target, sentAgo(asked))
		if err != nil {
			return failed("state partitions", err)
		}
		return t.keepGrace(ctx, tx, append(fresh, ""))
	})
}

// makeRoster makes the row of the whole stand for the list of partitions. What
// it knew as a copy of its own is over.
func (t *Table) makeRoster(ctx context.Context, tx pgx.Tx) error {
	if _, err := t.begin(ctx, tx, []string{""}); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `UPDATE `+t.db.own("watermark")+` SET roster = true, `+neverPolled+`
		WHERE table_name = $1 AND partition = '' AND NOT roster`, t.spec.Target)
	if err != nil || tag.RowsAffected() == 0 {
		return failed("state partitions", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM `+t.db.own("quarantine")+` WHERE table_name = $1 AND partition = ''`, t.spec.Target); err != nil {
		return failed("state partitions", err)
	}
	return t.forgetKeys(ctx, tx, "")
}

// neverPolled are the assignments that make a row as if it were new, but for
// when it was first seen and whether it is paused.
const neverPolled = `as_of = NULL, deletes_as_of = NULL, newest_at = NULL, warn_at = NULL, critical_at = NULL, shape = '', watermark = '', validator = '', epoch = '',
	resume = NULL, walk_sent = NULL, ` + noList + `, rows = 0, held = 0, suspects = 0, resync = false, retired = false,
	error_class = '', error = '', error_kind = '', failing_since = NULL, next_poll = NULL,
	audited = NULL, audit_as_of = NULL, proven_as_of = NULL, audit_compared = 0, audit_found = 0, audit_left = 0, audit_error = ''`

// configure brings the partitions to those of the configuration; where they
// are not fixed, all that are known stay.
func (t *Table) configure(ctx context.Context, tx pgx.Tx, f *form) error {
	if t.spec.Changing {
		return t.makeRoster(ctx, tx)
	}
	names := partitionNames(t.spec.Partitions)
	if _, err := t.begin(ctx, tx, names); err != nil {
		return err
	}
	// What stood for a list of partitions is no copy of the whole.
	w := t.db.own("watermark")
	forget := `DELETE FROM ` + w + ` WHERE table_name = $1 AND roster`
	if slices.Contains(names, "") {
		forget = `UPDATE ` + w + ` SET roster = false, first_seen = now(), as_of = NULL, deletes_as_of = NULL, warn_at = NULL, critical_at = NULL
			WHERE table_name = $1 AND roster`
	}
	tag, err := tx.Exec(ctx, forget, t.spec.Target)
	if err != nil {
		return failed("forget list of partitions", err)
	}
	if slices.Contains(names, "") && tag.RowsAffected() > 0 {
		if err := t.countFresh(ctx, tx, []string{""}); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		return nil
	}
	deleted, err := t.retire(ctx, tx, f, names)
	if err != nil {
		return err
	}
	return t.tell(ctx, tx, syncer.Applied{Deleted: deleted})
}

// outgrown reports whether a partition is complete under another shape alone, so
// that a resync of it is due.
func (t *Table) outgrown(shape string) bool {
	return shape != "" && !syncer.ShapeCovers(shape, t.spec.Shape)
}

// askAgain notes that a resync is due of the partitions that are outgrown, so
// that the view tells of it.
func (t *Table) askAgain(ctx context.Context, tx pgx.Tx) error {
	w := t.db.own("watermark")
	rows, err := tx.Query(ctx, `SELECT DISTINCT shape FROM `+w+` WHERE table_name = $1 AND as_of IS NOT NULL AND NOT retired AND NOT resync`, t.spec.Target)
	if err != nil {
		return failed("read shapes", err)
	}
	shapes, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return failed("read shapes", err)
	}
	shapes = slices.DeleteFunc(shapes, func(shape string) bool { return !t.outgrown(shape) })
	if len(shapes) == 0 {
		return nil
	}
	_, err = tx.Exec(ctx, `UPDATE `+w+` SET resync = true
		WHERE table_name = $1 AND as_of IS NOT NULL AND NOT retired AND shape = ANY($2)`, t.spec.Target, shapes)
	return failed("ask for a resync", err)
}

func partitionNames(parts []syncer.Partition) []string {
	names := make([]string, 0, len(parts))
	for _, p := range parts {
		names = append(names, p.Name)
	}
	return names
}
