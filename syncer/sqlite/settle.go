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
	var out syncer.Settled
	var lost error
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
		if w.Kind.Listing() && s.End.Listed && !s.End.Unchanged {
			if lost = t.checkNotes(x, w, &st); errors.Is(lost, syncer.ErrListLost) {
				return t.startAgain(x, w.Partition.Name)
			}
			if lost != nil {
				return lost
			}
			if out, err = t.sweep(x, w, &st); err != nil {
				return err
			}
		}
		return t.complete(x, w, s, &st)
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

// fail writes down a failure. It moves nothing.
func (t *Table) fail(x *tx, w syncer.Walk, s syncer.Settlement) error {
	if s.Failure == nil {
		return errors.New("settlement has neither end nor failure")
	}
	began := x.now
	if !s.Began.IsZero() {
		began = x.ago(syncer.Age(s.Began, time.Now()))
	}
	return x.exec(`UPDATE "larder_watermark" SET last_poll = ?1, next_poll = ?2, error_class = ?3, error = ?4,
			failing_since = CASE error_class WHEN '' THEN ?5 ELSE failing_since END,
			resume = CASE ?3 WHEN 'misfit' THEN NULL ELSE resume END
		WHERE table_name = ?6 AND partition = ?7`,
		x.now, t.due(x, s.Next), s.Failure.Class, s.Failure.Text, began, t.spec.Target, w.Partition.Name)
}

// startAgain makes the next walk begin from its start, because the notes of
// this one are not whole.
func (t *Table) startAgain(x *tx, partition string) error {
	return x.exec(`UPDATE "larder_watermark" SET resume = NULL, walk_sent = NULL, seen_walk = '', seen_count = 0
		WHERE table_name = ? AND partition = ?`, t.spec.Target, partition)
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
	if st.seenWalk != "" {
		if err := t.openNotes(x); err != nil {
			return err
		}
		if err := t.dropNotes(x, w.Partition.Name); err != nil {
			return err
		}
	}
	held, waiting, err := t.absent(x, w.Partition.Name)
	if err != nil {
		return err
	}
	// A resync that found nothing to go on from voids what was held.
	if s.End.Watermark != "" || w.Kind == syncer.Resync {
		st.watermark = s.End.Watermark
	}
	st.validator = s.End.Validator
	if held+waiting > 0 {
		st.validator = "" // "not modified" would keep the sweep waiting for ever
	}
	// Changes do not fill a column that was added since.
	if st.shape == "" || w.Kind.Listing() || syncer.ShapeCovers(st.shape, t.spec.Shape) {
		st.shape = t.spec.Shape
	}
	// The age is taken after the database's clock was read, so that the time
	// between makes the copy look older and not younger.
	asOf := x.ago(syncer.Age(w.Sent, time.Now()) + s.Lag + s.End.Age)
	if st.asOf > x.now { // the database's clock was set back
		st.asOf = asOf
	}
	st.asOf = max(st.asOf, asOf)
	if err := t.moveDeletes(x, w.Partition.Name, st); err != nil {
		return err
	}
	if w.Kind == syncer.Resync {
		st.resync = s.End.Listed && waiting > 0
	}
	st.held, st.late = held, max(st.late, s.Late.Seconds())
	return t.store(x, w, s, st)
}

// store is the one update of a settled walk.
func (t *Table) store(x *tx, w syncer.Walk, s syncer.Settlement, st *state) error {
	warnAt, criticalAt := t.deadlines(st)
	return x.exec(`UPDATE "larder_watermark" SET source = ?, shape = ?, watermark = ?, validator = ?,
			resume = NULL, walk_sent = NULL, seen_walk = '', seen_count = 0,
			as_of = ?, deletes_as_of = ?, warn = ?, critical = ?, warn_at = ?, critical_at = ?,
			last_poll = ?, next_poll = ?, error_class = '', error = '', failing_since = NULL,
			"rows" = ?, held = ?, late = ?, resync = ?
		WHERE table_name = ? AND partition = ?`,
		t.spec.Source, st.shape, st.watermark, st.validator,
		st.asOf, st.deletesAsOf, instant(t.spec.Budget.Warn.Seconds()), t.spec.Budget.Critical.Seconds(), warnAt, criticalAt,
		x.now, t.due(x, s.Next), st.rows, st.held, st.late, st.resync,
		t.spec.Target, w.Partition.Name)
}

// deadlines are when the copy's staleness passes its budget, if nothing moves.
func (t *Table) deadlines(st *state) (warn, critical instant) {
	if st.asOf == 0 || st.deletesAsOf == 0 {
		return 0, 0
	}
	proven := min(st.asOf, st.deletesAsOf)
	return proven.after(t.spec.Budget.Warn), proven.after(t.spec.Budget.Critical)
}
