package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Settle implements syncer.Table. A walk that changed nothing costs one update
// of the partition's own row.
func (t *Table) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	t.drift.growing.RLock()
	defer t.drift.growing.RUnlock()
	t = t.current()
	var out syncer.Settled
	var lost error
	var floor any
	s.End, floor = t.spec.Listed(s.End)
	now := instant(0)
	var st state
	err := t.db.write(ctx, func(x *tx) (err error) {
		now = x.now
		if st, err = t.state(x, w.Partition); err != nil {
			return err
		}
		if s.End == nil {
			return t.fail(x, w, s)
		}
		st.floor = floor
		out, err = t.end(x, w, s, &st)
		if errors.Is(err, syncer.ErrListLost) {
			lost = err
			return t.startAgain(x, w.Partition.Name)
		}
		return err
	})
	if err == nil {
		err = lost
	}
	if err != nil {
		return syncer.Settled{}, fmt.Errorf("settle %q: %w", t.spec.Target, err)
	}
	out.AsOf, out.DeletesAsOf = st.asOf.local(now), st.deletesAsOf.local(now)
	return out, nil
}

// end settles a complete walk.
func (t *Table) end(x *tx, w syncer.Walk, s syncer.Settlement, st *state) (out syncer.Settled, err error) {
	switch {
	case w.Kind != syncer.Audit:
	case w.Audit == nil:
		return out, errNoComparison
	case !s.End.Listed:
		return out, errNotListed
	}
	sweeps := w.Kind.Listing() && s.End.Listed && !s.End.Unchanged
	if sweeps {
		if err := t.checkNotes(x, w, st); err != nil {
			return out, err
		}
	}
	if w.Kind == syncer.Audit {
		return t.settleAudit(x, w, s, st)
	}
	if sweeps {
		if out, err = t.sweep(x, w, st); err != nil {
			return out, err
		}
	}
	return out, t.complete(x, w, s, st)
}

// fail writes down a failure. It moves nothing; behind misfits a walk does not
// go on.
func (t *Table) fail(x *tx, w syncer.Walk, s syncer.Settlement) error {
	if s.Failure == nil {
		return errors.New("settlement has neither end nor failure")
	}
	if s.Failure.Class == syncer.ClassMisfit {
		slot := `resume = NULL, walk_sent = NULL`
		if w.Kind.Listing() {
			slot = `list_resume = NULL, list_sent = NULL`
		}
		err := x.exec(`UPDATE "larder_watermark" SET `+slot+` WHERE table_name = ? AND partition = ?`, t.spec.Target, w.Partition.Name)
		if err != nil {
			return err
		}
	}
	if w.Kind == syncer.Audit {
		return x.exec(`UPDATE "larder_watermark" SET audit_error = ? WHERE table_name = ? AND partition = ?`,
			s.Failure.Text, t.spec.Target, w.Partition.Name)
	}
	began := x.now
	if !s.Began.IsZero() {
		began = x.ago(syncer.Age(s.Began, time.Now()))
	}
	return x.exec(`UPDATE "larder_watermark" SET last_poll = ?, next_poll = ?, error_class = ?, error = ?, error_kind = ?,
			failing_since = CASE error_class WHEN '' THEN ? ELSE failing_since END
		WHERE table_name = ? AND partition = ?`,
		x.now, t.due(x, s.Next), s.Failure.Class, s.Failure.Text, string(w.Kind), began, t.spec.Target, w.Partition.Name)
}

// due brings the time of the next poll to the database's clock.
func (t *Table) due(x *tx, next time.Time) instant {
	if next.IsZero() {
		return 0
	}
	return x.now + instant(time.Until(next).Seconds())
}

// complete moves watermark, as-of and deadlines to what the walk has proven.
func (t *Table) complete(x *tx, w syncer.Walk, s syncer.Settlement, st *state) error {
	held, waiting, err := t.absent(x, w.Partition.Name)
	if err != nil {
		return err
	}
	t.position(w, s, st)
	if held+waiting > 0 {
		st.validator = "" // "not modified" would keep the sweep waiting for ever
	}
	// The age is taken after the database's clock was read, so that the time
	// between makes the copy look older and not younger.
	age := syncer.Age(w.Sent, time.Now())
	asOf := x.ago(age + s.Lag + s.End.Age)
	if st.asOf > x.now { // the database's clock was set back
		st.asOf = asOf
	}
	st.asOf = max(st.asOf, asOf)
	st.held, st.late = held, max(st.late, s.Late.Seconds())
	before := st.newest.local(x.now)
	if newest := syncer.NewestAfter(before, w, s.End, time.Now()); !newest.Equal(before) {
		st.newest = x.stamp(newest)
	}
	if w.Kind == syncer.Resync {
		st.resync = s.End.Listed && waiting > 0
	}
	st.resync = st.resync || w.Kind.Listing() && !syncer.ShapeCovers(st.shape, t.spec.Shape)
	lists := w.Kind.Listing() && (s.End.Listed || s.End.Unchanged)
	var list listed
	if lists {
		st.audited, st.auditAsOf, list.asOf = x.ago(age), asOf, asOf
	}
	if err := t.moveDeletes(x, w.Partition.Name, st, list); err != nil {
		return err
	}
	if w.Kind.Listing() {
		return t.storeListing(x, w, s, st)
	}
	return t.storeChanges(x, w, s, st)
}

// position moves what is asked for next.
func (t *Table) position(w syncer.Walk, s syncer.Settlement, st *state) {
	end := s.End
	if w.Kind != syncer.Resync || !s.KeepPosition {
		// A resync that found nothing to go on from voids what was held.
		if end.Watermark != "" || w.Kind == syncer.Resync {
			st.watermark = end.Watermark
		}
		if end.Epoch != "" || w.Kind.Listing() {
			st.epoch = end.Epoch
		}
		st.validator, st.changes = end.Validator, slot{}
	}
	// Changes do not fill a column that was added since.
	switch {
	case st.shape == "" || w.Kind.Listing():
		st.shape = t.drift.begun.Shape(w, t.drift.configured.spec, t.spec)
	case syncer.ShapeCovers(st.shape, t.spec.Shape):
		st.shape = t.spec.Shape
	}
}

// settled are the columns that the end of every walk sets, but for an audit's.
const settled = `source = ?, shape = ?, watermark = ?, validator = ?, epoch = ?, resume = nullif(?, ''), walk_sent = ?,
	as_of = ?, deletes_as_of = ?, warn = ?, critical = ?, deletes = ?, warn_at = ?, critical_at = ?,
	newest = ?, newest_at = ?, last_poll = ?, next_poll = ?, "rows" = ?, held = ?, late = ?, resync = ?`

func (t *Table) settledValues(x *tx, s syncer.Settlement, st *state) []any {
	b := t.ages(x, st)
	warnAt, criticalAt := t.deadlines(x, st)
	return []any{
		t.spec.Source, st.shape, st.watermark, st.validator, st.epoch, st.changes.resume, st.changes.sent,
		st.asOf, st.deletesAsOf, instant(b.Warn.Seconds()), b.Critical.Seconds(), instant(b.Deletes.Seconds()), warnAt, criticalAt,
		instant(b.Newest.Seconds()), st.newest, x.now, t.due(x, s.Next), st.rows, st.held, st.late, st.resync,
	}
}

// storeChanges is the one update of a settled walk for changes. It leaves what
// is a listing walk's: its notes, where it goes on, and what a resync failed of.
func (t *Table) storeChanges(x *tx, w syncer.Walk, s syncer.Settlement, st *state) error {
	return x.exec(`UPDATE "larder_watermark" SET `+settled+`,
			error_class = iif(error_kind = 'resync', error_class, ''), error = iif(error_kind = 'resync', error, ''),
			failing_since = iif(error_kind = 'resync', failing_since, NULL), error_kind = iif(error_kind = 'resync', error_kind, '')
		WHERE table_name = ? AND partition = ?`,
		append(t.settledValues(x, s, st), t.spec.Target, w.Partition.Name)...)
}

// storeListing is the one update of a settled snapshot or resync.
func (t *Table) storeListing(x *tx, w syncer.Walk, s syncer.Settlement, st *state) error {
	if st.seenWalk != "" {
		if err := t.openNotes(x); err != nil {
			return err
		}
		if err := t.dropNotes(x, w.Partition.Name); err != nil {
			return err
		}
	}
	return x.exec(`UPDATE "larder_watermark" SET `+settled+`, list_resume = NULL, list_sent = NULL, seen_walk = '', seen_count = 0,
			audited = ?, audit_as_of = ?, suspects = ?, error_class = '', error = '', error_kind = '', failing_since = NULL
		WHERE table_name = ? AND partition = ?`,
		append(t.settledValues(x, s, st), st.audited, st.auditAsOf, st.suspects, t.spec.Target, w.Partition.Name)...)
}
