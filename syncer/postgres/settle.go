package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// Settle implements syncer.Table.
func (t *Table) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	var floor any
	s.End, floor = t.spec.Listed(s.End)
	if w.Kind == syncer.Audit && s.End != nil && (!s.End.Listed || s.End.Unchanged) {
		return syncer.Settled{}, fmt.Errorf("settle audit of %s: owner cannot list everything", t.spec.Name)
	}
	t.drift.growing.RLock()
	defer t.drift.growing.RUnlock()
	t = t.current()
	var settled syncer.Settled
	lost := false
	err := t.db.fenced(ctx, "settle", func(tx pgx.Tx) (err error) {
		settled, lost = syncer.Settled{}, false
		h, err := t.lock(ctx, tx, w.Partition, w.Kind)
		switch {
		case err != nil:
			return err
		case s.Failure != nil:
			return t.settleFailure(ctx, tx, w, s)
		}
		h.floor = floor
		e := end{w, s, h}
		if w.Kind.Listing() && s.End.Listed && !s.End.Unchanged {
			whole, err := t.notesWhole(ctx, tx, w, h)
			if err != nil {
				return err
			}
			if !whole {
				lost = true
				return t.dropWalk(ctx, tx, w.Partition, h)
			}
			if w.Kind == syncer.Audit {
				if err := t.settleAudit(ctx, tx, e, &settled); err != nil {
					return err
				}
				return t.tell(ctx, tx, syncer.Applied{Deleted: int(h.cut)})
			}
			if !t.spec.Keep {
				if settled, err = t.sweep(ctx, tx, w, h); err != nil {
					return err
				}
			}
		}
		if err := t.tell(ctx, tx, syncer.Applied{Deleted: settled.Swept}); err != nil {
			return err
		}
		return t.settleEnd(ctx, tx, e, &settled)
	})
	if err == nil && lost {
		err = syncer.ErrListLost
	}
	if err != nil {
		return syncer.Settled{}, err
	}
	return settled, nil
}

// settleFailure writes why a walk failed, which moves nothing. An audit is no
// poll: why it failed is told apart.
func (t *Table) settleFailure(ctx context.Context, tx pgx.Tx, w syncer.Walk, s syncer.Settlement) error {
	resume, sent := slot(w.Kind)
	goOn := fmt.Sprintf("%[1]s = CASE WHEN $3 <> 'misfit' THEN %[1]s END, %[2]s = CASE WHEN $3 <> 'misfit' THEN %[2]s END", resume, sent)
	args := []any{t.spec.Target, w.Partition.Name, string(s.Failure.Class), s.Failure.Text}
	set := goOn + ", audit_error = $4"
	if w.Kind != syncer.Audit {
		set = goOn + `, last_poll = now(), error_class = $3, error = $4, error_kind = $5,
			failing_since = coalesce(failing_since, ` + before("$6") + `), next_poll = now() + ` + interval("$7")
		args = append(args, string(w.Kind), beganAgo(s).Microseconds(), until(s.Next))
	}
	_, err := tx.Exec(ctx, `UPDATE `+t.db.own("watermark")+` SET `+set+` WHERE table_name = $1 AND partition = $2`, args...)
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

// back is how long before the settlement the walk's as-of lies.
func (e end) back() time.Duration {
	return syncer.Age(e.walk.Sent, time.Now()) + e.Lag + e.End.Age
}

// lists says that the walk saw all that the owner has, or that it is as it was.
func (e end) lists() bool { return e.walk.Kind.Listing() && (e.End.Listed || e.End.Unchanged) }

// settleEnd moves position and as-of. The delete as-of stands where the rows
// that are missing were last known to be there.
func (t *Table) settleEnd(ctx context.Context, tx pgx.Tx, e end, settled *syncer.Settled) error {
	if e.head.stale {
		if err := t.forgetGone(ctx, tx); err != nil {
			return err
		}
	}
	kind := e.walk.Kind
	if kind.Listing() {
		if err := t.forgetNotes(ctx, tx, e.walk.Partition, e.head); err != nil {
			return err
		}
	}
	shape := t.drift.begun.Shape(e.walk, &t.drift.configured.spec, &t.spec)
	if kind == syncer.Changes && e.head.shape != "" {
		shape = t.spec.Shape
		if !syncer.ShapeCovers(e.head.shape, shape) {
			shape = e.head.shape // changes alone do not fill a column that was added
		}
	}
	resync := e.head.resync
	if kind == syncer.Resync {
		resync = settled.Waiting > 0 // only another resync confirms what this one missed
	}
	resync = resync || kind.Listing() && !syncer.ShapeCovers(shape, t.spec.Shape)
	if e.End.Unchanged && e.End.Validator == "" {
		e.End.Validator = e.head.validator
	}
	var asOf, deletes *int64
	err := tx.QueryRow(ctx, t.endSQL(e), pgx.NamedArgs{
		"table": t.spec.Target, "partition": e.walk.Partition.Name, "watermark": e.End.Watermark, "validator": e.End.Validator,
		"epoch": e.End.Epoch, "shape": shape, "resync": resync, "back": e.back().Microseconds(), "sent": sentAgo(e.walk.Sent),
		"next": until(e.Next), "late": e.Late.Microseconds(), "held": settled.Held, "counted": e.head.counted,
		"newest": agoOf(e.End.Newest), "startsOver": e.walk.StartsOver(e.End),
	}).Scan(&asOf, &deletes)
	if err != nil {
		return failed("settle", err)
	}
	settled.AsOf, settled.DeletesAsOf = ago(asOf), ago(deletes)
	return t.keepGrace(ctx, tx, []string{e.walk.Partition.Name})
}

// endSQL is the one statement of a settled walk. greatest and least leave null
// out, which is right for an as-of that was never set, and wrong for deletions
// that were never proven.
func (t *Table) endSQL(e end) string {
	w := t.db.own("watermark")
	validator, resume := "@validator", `resume = NULL, walk_sent = NULL`
	if e.KeepPosition && e.walk.Kind == syncer.Resync {
		validator, resume = "w.validator", `resume = w.resume`
	}
	set := append(e.position(), `validator = CASE WHEN n.missing THEN '' ELSE `+validator+` END`, `shape = @shape`,
		resume, `as_of = n.as_of, deletes_as_of = n.deletes_as_of`, deadlines("n.as_of", "n.deletes_as_of", "w"), newestSQL,
		`last_poll = now(), next_poll = now() + `+interval("@next"), `late = greatest(w.late, `+interval("@late")+`)`,
		`resync = @resync, rows = coalesce(@counted, w.rows)`,
		`held = CASE WHEN @counted::bigint IS NOT NULL THEN @held ELSE least(w.held, n.count) END`)
	return `UPDATE ` + w + ` w SET ` + strings.Join(set, ",\n\t\t") + `
		FROM (SELECT a.as_of, a.own, m.count, m.count > 0 AS missing, ` + t.deletesSQL(e.kindOfProof()) + ` AS deletes_as_of
			FROM (SELECT greatest(` + past("o.as_of") + `, b.own) AS as_of, b.own, o.deletes_as_of FROM ` + w + ` o, (SELECT ` + before("@back") + ` AS own) b
				WHERE o.table_name = @table AND o.partition = @partition) a,
			LATERAL (` + t.missingSQL("@partition") + `) m) n
		WHERE w.table_name = @table AND w.partition = @partition
		RETURNING ` + age("w.as_of") + `, ` + age("w.deletes_as_of")
}

// past is an instant, but for one that has not come yet: the database's clock was
// set back since.
func past(instant string) string {
	return `CASE WHEN ` + instant + ` <= now() THEN ` + instant + ` END`
}

// newestSQL is syncer.NewestAfter on the database's clock.
const newestSQL = `newest_at = CASE WHEN @startsOver AND coalesce(w.newest_at <= now() - @sent::bigint * interval '1 microsecond', true)
			THEN now() - @newest::bigint * interval '1 microsecond'
			ELSE greatest(CASE WHEN w.newest_at > now() THEN now() ELSE w.newest_at END, now() - @newest::bigint * interval '1 microsecond') END`

// agoOf is how long ago, in microseconds, an instant was; nil for none.
func agoOf(at time.Time) *int64 {
	if at.IsZero() {
		return nil
	}
	us := time.Since(at).Microseconds()
	return &us
}

// position is where the next walk begins. A resync that found nothing to go on
// from voids the watermark that was held. Changes leave what belongs to a
// listing walk, and why a resync failed, which they do not make good.
func (e end) position() []string {
	switch e.walk.Kind {
	case syncer.Changes:
		set := []string{`watermark = CASE WHEN @watermark = '' THEN w.watermark ELSE @watermark END`,
			`epoch = CASE WHEN @epoch = '' THEN w.epoch ELSE @epoch END`}
		for _, c := range []struct{ name, none string }{{"error_class", "''"}, {"error", "''"}, {"error_kind", "''"}, {"failing_since", "NULL"}} {
			set = append(set, fmt.Sprintf("%[1]s = CASE WHEN w.error_kind = 'resync' THEN w.%[1]s ELSE %[2]s END", c.name, c.none))
		}
		return set
	case syncer.Resync:
		if e.KeepPosition {
			return e.listed()
		}
		return append(e.listed(), `epoch = @epoch`, `watermark = @watermark`)
	}
	return append(e.listed(), `epoch = @epoch`, `watermark = CASE WHEN @watermark = '' THEN w.watermark ELSE @watermark END`)
}

// listed is what a listing walk settles beside the position.
func (e end) listed() []string {
	set := []string{noList, `error_class = '', error = '', error_kind = '', failing_since = NULL`}
	if e.lists() {
		set = append(set, `audited = `+before("@sent")+`, audit_as_of = greatest(w.audit_as_of, n.own)`)
	}
	return set
}

// kindOfProof is the kind of walk as which it tells of deletions.
func (e end) kindOfProof() syncer.WalkKind {
	if !e.lists() {
		return syncer.Changes
	}
	return e.walk.Kind
}

// deletesSQL is the delete as-of behind a walk: from a, where the walk stands,
// and m, what is missing. Where only lists see deletions, changes prove none,
// and a list none that came after it.
func (t *Table) deletesSQL(kind syncer.WalkKind) string {
	switch {
	case t.spec.Keep:
		return "a.as_of"
	case t.spec.Budget.Deletes <= 0 && kind != syncer.Audit:
		return "CASE WHEN m.unknown THEN a.deletes_as_of ELSE least(a.as_of, m.present_at) END"
	case kind == syncer.Changes:
		return "a.deletes_as_of"
	}
	return "CASE WHEN m.unknown THEN a.deletes_as_of ELSE greatest(" + past("a.deletes_as_of") + ", least(a.own, m.present_at)) END"
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
