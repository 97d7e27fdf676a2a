package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// Settle implements syncer.Table.
func (t *Table) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	var settled syncer.Settled
	lost := false
	err := t.db.fenced(ctx, "settle", func(tx pgx.Tx) (err error) {
		settled, lost = syncer.Settled{}, false
		h, err := t.lock(ctx, tx, w.Partition)
		switch {
		case err != nil:
			return err
		case s.Failure != nil:
			return t.settleFailure(ctx, tx, w, s)
		}
		if w.Kind.Listing() && s.End.Listed && !s.End.Unchanged {
			whole, err := t.notesWhole(ctx, tx, w, h)
			if err != nil {
				return err
			}
			if !whole {
				lost = true
				return t.dropWalk(ctx, tx, w.Partition, h)
			}
			if settled, err = t.sweep(ctx, tx, w, h); err != nil {
				return err
			}
		}
		return t.settleEnd(ctx, tx, end{w, s, h}, &settled)
	})
	if err == nil && lost {
		err = syncer.ErrListLost
	}
	if err != nil {
		return syncer.Settled{}, err
	}
	return settled, nil
}

// settleFailure writes why a walk failed, which moves nothing.
func (t *Table) settleFailure(ctx context.Context, tx pgx.Tx, w syncer.Walk, s syncer.Settlement) error {
	_, err := tx.Exec(ctx, `UPDATE `+t.db.own("watermark")+` SET last_poll = now(), error_class = $3, error = $4,
		failing_since = coalesce(failing_since, `+before("$6")+`), next_poll = now() + $5::bigint * interval '1 microsecond',
		resume = CASE WHEN $3 <> 'misfit' THEN resume END
		WHERE table_name = $1 AND partition = $2`,
		t.spec.Target, w.Partition.Name, string(s.Failure.Class), s.Failure.Text, until(s.Next), beganAgo(s).Microseconds())
	return failed("settle failure", err)
}

// beganAgo is how long ago the poll began.
func beganAgo(s syncer.Settlement) time.Duration {
	if s.Began.IsZero() {
		return 0
	}
	return syncer.Age(s.Began, time.Now())
}

// until is how long, in microseconds, an instant of this process is away; nil
// for none.
func until(next time.Time) *int64 {
	if next.IsZero() {
		return nil
	}
	us := time.Until(next).Microseconds()
	return &us
}

// end is a complete walk on its way into the watermark's row.
type end struct {
	walk syncer.Walk
	syncer.Settlement
	head *head
}

// settleEnd moves position and as-of. The delete as-of stands where the rows
// that are missing were last known to be there.
func (t *Table) settleEnd(ctx context.Context, tx pgx.Tx, e end, settled *syncer.Settled) error {
	if e.head.stale {
		if err := t.forgetGone(ctx, tx); err != nil {
			return err
		}
	}
	if e.head.seenWalk != "" {
		if err := t.forgetNotes(ctx, tx, e.walk.Partition, e.head); err != nil {
			return err
		}
	}
	shape := t.spec.Shape
	if e.walk.Kind == syncer.Changes && e.head.shape != "" && !syncer.ShapeCovers(e.head.shape, shape) {
		shape = e.head.shape // changes alone do not fill a column that was added
	}
	resync := e.head.resync
	if e.walk.Kind == syncer.Resync {
		resync = settled.Waiting > 0 // only another resync confirms what this one missed
	}
	if e.End.Unchanged && e.End.Validator == "" {
		e.End.Validator = e.head.validator
	}
	back := syncer.Age(e.walk.Sent, time.Now()) + e.Lag + e.End.Age
	var asOf, deletes *int64
	err := tx.QueryRow(ctx, t.endSQL(),
		t.spec.Target, e.walk.Partition.Name, e.End.Watermark, e.End.Validator, shape, back.Microseconds(),
		until(e.Next), e.Late.Microseconds(), resync, settled.Held,
		e.head.counted, e.walk.Kind == syncer.Resync).Scan(&asOf, &deletes)
	settled.AsOf, settled.DeletesAsOf = ago(asOf), ago(deletes)
	return failed("settle", err)
}

// endSQL is the one statement of a settled walk. greatest and least leave null
// out, which is right for an as-of that was never set, and wrong for deletions
// that were never proven. A resync that found nothing to go on from voids the
// watermark that was held.
func (t *Table) endSQL() string {
	return `UPDATE ` + t.db.own("watermark") + ` w SET
		watermark = CASE WHEN $3 = '' AND NOT $12 THEN w.watermark ELSE $3 END,
		validator = CASE WHEN n.missing THEN '' ELSE $4 END,
		shape = $5, resume = NULL, walk_sent = NULL, seen_walk = '', seen_count = 0,
		as_of = n.as_of, deletes_as_of = n.deletes_as_of,
		warn_at = n.deletes_as_of + w.warn, critical_at = n.deletes_as_of + w.critical,
		last_poll = now(), error_class = '', error = '', failing_since = NULL,
		next_poll = now() + $7::bigint * interval '1 microsecond',
		late = greatest(w.late, $8::bigint * interval '1 microsecond'),
		resync = $9, rows = coalesce($11, w.rows),
		held = CASE WHEN $11::bigint IS NOT NULL THEN $10 ELSE least(w.held, n.count) END
		FROM (SELECT a.as_of, m.count, m.count > 0 AS missing,
				CASE WHEN m.unknown THEN a.deletes_as_of ELSE least(a.as_of, m.present_at) END AS deletes_as_of
			FROM (SELECT greatest(o.as_of, ` + before("$6") + `) AS as_of, o.deletes_as_of
				FROM ` + t.db.own("watermark") + ` o WHERE o.table_name = $1 AND o.partition = $2) a,
			LATERAL (` + t.missingSQL("$2") + `) m) n
		WHERE w.table_name = $1 AND w.partition = $2
		RETURNING ` + age("w.as_of") + `, ` + age("w.deletes_as_of")
}

// missingSQL sums up what is missing of a partition.
func (t *Table) missingSQL(partition string) string {
	return `SELECT count(*) AS count, min(present_at) AS present_at,
		coalesce(bool_or(present_at IS NULL), false) AS unknown FROM ` + t.missing + ` WHERE partition = ` + partition
}

// forgetGone drops the versions of deletions whose time is over.
func (t *Table) forgetGone(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `DELETE FROM `+t.db.own("gone")+` WHERE table_name = $1 AND until < now()`, t.spec.Target)
	return failed("forget deletions", err)
}
