package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// maxPieces bounds how often a batch is taken apart to find the rows that the
// database refuses: enough for some hundred of them among twenty thousand.
const maxPieces = 5000

// Apply implements syncer.Table. Where the database refuses a value that row
// found fine, as a check or a length of an adopted table may, the batch is
// applied a second time in pieces, and the rows it refuses go to quarantine.
func (t *Table) Apply(ctx context.Context, w syncer.Walk, batches []*syncer.Batch) (syncer.Applied, error) {
	t, folded, err := t.follow(ctx, w, batches)
	if err != nil {
		return syncer.Applied{}, err
	}
	t.drift.growing.RLock()
	defer t.drift.growing.RUnlock()
	if now := t.current(); now != t { // another walk added a column since
		t, folded = now, now.spec.Fold(batches, w.Kind.Listing())
	}
	shape := t.drift.begun.WalkShape(w, &t.drift.configured.spec, &t.spec)
	if t.spec.MisfitFails && len(folded.Misfits) > 0 {
		m := folded.Misfits[0]
		return syncer.Applied{}, &syncer.MisfitError{Quarantined: len(folded.Misfits), Records: folded.Records, First: m.Why()}
	}
	l := &load{Table: t, walk: w, misfits: folded.Misfits, sent: w.Sent}
	if n := len(batches); n > 0 {
		var err error
		l.moves = true
		if l.resume, err = encodeResume(batches[n-1].Resume, shape); err != nil {
			return syncer.Applied{}, fmt.Errorf("write resume: %w", err)
		}
		if r := batches[n-1].Resume; r != nil {
			l.sent = r.Sent
		}
	}
	l.gather(folded)
	return l.apply(ctx)
}

// load is what one Apply brings.
type load struct {
	*Table
	walk    syncer.Walk
	changes []staged
	misfits []row.Misfit
	resume  *string
	sent    time.Time // of resume
	// moves says that the position moves, too: not for records that come out
	// of quarantine, nor where a listing walk only begins its notes.
	moves bool
}

// gather numbers what is to be staged. Of a key that is not in an audit's
// sample nothing is staged but that it was seen.
func (l *load) gather(f row.Folded) {
	l.changes = make([]staged, 0, len(f.Upserts)+len(f.Deletes))
	for _, r := range f.Upserts {
		kind := byte(upsert)
		if l.walk.Kind == syncer.Audit && !sampled(comparison(l.walk), r.Key) {
			kind = outside
		}
		l.changes = append(l.changes, staged{kind, r})
	}
	for _, r := range f.Deletes {
		kind := byte(remove)
		if r.Turned {
			kind = turned
		}
		l.changes = append(l.changes, staged{kind, r})
	}
	for _, m := range f.Misfits {
		if !m.Readable {
			continue
		}
		values := make([]any, len(l.spec.Columns))
		for n, i := range l.spec.Key {
			values[i] = m.KeyValues[n]
		}
		l.changes = append(l.changes, staged{noteOnly, row.Row{Values: values, Key: m.Key}})
	}
}

func (l *load) apply(ctx context.Context) (syncer.Applied, error) {
	var done tally
	attempt := func(inPieces bool) error {
		return l.db.write(ctx, "apply", func(tx pgx.Tx, generation int64) (err error) {
			if done, err = l.transact(ctx, tx, generation, inPieces); err != nil {
				l.setForm(nil)
			}
			return err
		})
	}
	err := attempt(false)
	if refused(err) && len(l.changes) > 0 && !l.spec.MisfitFails {
		err = attempt(true)
	}
	if err != nil {
		return syncer.Applied{}, err
	}
	return done.Applied, nil
}

// transact is the transaction: stage, fence, merge, bookkeeping.
func (l *load) transact(ctx context.Context, tx pgx.Tx, generation int64, inPieces bool) (tally, error) {
	f, err := l.catalogued(ctx, tx)
	if err != nil {
		return tally{}, err
	}
	if len(l.changes) > 0 {
		if err := l.stage(ctx, tx, f, inPieces); err != nil {
			return tally{}, err
		}
	}
	if err := l.db.fence(ctx, tx, generation); err != nil {
		return tally{}, err
	}
	others, err := l.lockBeside(ctx, tx)
	if err != nil {
		return tally{}, err
	}
	h, err := l.lock(ctx, tx, l.walk.Partition, l.walk.Kind)
	if err != nil {
		return tally{}, err
	}
	h.others = others
	begins := l.walk.Kind.Listing() && h.seenWalk != l.walk.ID
	// A list beside which changes are walked opens its notes before its first
	// record; a snapshot that never noted anything needs none.
	opens := begins && (!l.moves || l.walk.Kind != syncer.Snapshot)
	if !opens && len(l.changes) == 0 && len(l.misfits) == 0 && (!l.moves || l.resume == nil && h.resumed == "" && !l.voids(h)) {
		return tally{}, nil
	}
	if begins {
		if err := l.forgetNotes(ctx, tx, l.walk.Partition, h); err != nil {
			return tally{}, err
		}
		h.seenWalk = l.walk.ID
	}
	m := &merge{load: l, form: f, tx: tx, head: h}
	misfits := l.misfits
	var done tally
	switch {
	case len(l.changes) == 0:
	case inPieces:
		err = m.pieces(ctx, 0, len(l.changes))
		done, misfits = m.sum, append(misfits[:len(misfits):len(misfits)], m.refused...)
	default:
		done, err = m.run(ctx, 0, len(l.changes))
	}
	if err != nil {
		return tally{}, err
	}
	misfits = m.notOvertaken(misfits)
	if err := l.setAside(ctx, tx, l.walk.Partition, misfits); err != nil {
		return tally{}, err
	}
	done.Quarantined = len(misfits)
	if err := l.tell(ctx, tx, done.Applied); err != nil {
		return tally{}, err
	}
	return done, l.advance(ctx, tx, h, done)
}

func (l *load) stage(ctx context.Context, tx pgx.Tx, f *form, inPieces bool) error {
	if err := stage(ctx, tx, f, l.name); err != nil {
		return err
	}
	if !inPieces {
		return copyInto(ctx, tx, stageName, l.changes, f.partial)
	}
	if err := stageText(ctx, tx, f); err != nil {
		return err
	}
	return copyInto(ctx, tx, textName, l.changes, f.partial)
}

// advance writes the bookkeeping that belongs to the rows.
func (l *load) advance(ctx context.Context, tx pgx.Tx, h *head, done tally) error {
	set, args := "", []any{l.spec.Target, l.walk.Partition.Name, done.grown(), done.back, h.seenWalk, h.seenCount + done.noted,
		h.touched || done.touched, h.suspects + done.suspects, h.tally.plus(done.audit).write()}
	if l.moves {
		resume, sent := slot(l.walk.Kind)
		set = fmt.Sprintf(", %s = $10, %s = CASE WHEN $10::text IS NOT NULL THEN %s END", resume, sent, before("$11"))
		args = append(args, l.resume, sentAgo(l.sent))
		if l.voids(h) {
			set += ", validator = ''"
		}
	}
	_, err := tx.Exec(ctx, `UPDATE `+l.db.own("watermark")+` SET rows = greatest(0, rows + $3), held = greatest(0, held - $4),
		seen_walk = $5, seen_count = $6, touched = $7, suspects = $8, list_tally = $9`+set+`
		WHERE table_name = $1 AND partition = $2`, args...)
	return failed("move position", err)
}

// voids reports whether there is a validator to void: until the walk comes to
// its end, the copy is not what the validator names.
func (l *load) voids(h *head) bool {
	return l.walk.Kind != syncer.Audit && h.validator != ""
}

// pieces applies a range of the staged rows under a savepoint, and in halves
// where the database refuses something in it.
func (m *merge) pieces(ctx context.Context, from, to int) error {
	if m.tried++; m.tried > maxPieces {
		return &Error{step: "apply", err: fmt.Errorf("%d rows and more are refused: %w", len(m.refused), m.lastRefusal)}
	}
	done, err := m.piece(ctx, func() (tally, error) {
		if err := fill(ctx, m.tx, m.form, from, to); err != nil {
			return tally{}, err
		}
		return m.run(ctx, from, to)
	})
	if err == nil {
		m.sum.add(done)
		return nil
	}
	if !refused(err) {
		return err
	}
	m.lastRefusal = err
	if to-from == 1 {
		return m.refuse(ctx, from, err)
	}
	middle := from + (to-from)/2
	if err := m.pieces(ctx, from, middle); err != nil {
		return err
	}
	return m.pieces(ctx, middle, to)
}

// piece runs do under a savepoint. Constraints that wait for the commit are
// asked at once, because a commit cannot be taken apart.
func (m *merge) piece(ctx context.Context, do func() (tally, error)) (tally, error) {
	save, err := m.tx.Begin(ctx)
	if err != nil {
		return tally{}, failed("set savepoint", err)
	}
	done, err := do()
	if err == nil {
		_, err = m.tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE")
	}
	if err != nil {
		return tally{}, errors.Join(failed("check constraints", err), failed("roll back to savepoint", save.Rollback(ctx)))
	}
	return done, failed("release savepoint", save.Commit(ctx))
}

// refuse sets one row aside. Its key counts as seen, or as touched by a change,
// if it can be a key at all: a row that the database refuses must not cost the
// good old one, nor be overtaken by an older one of a list.
func (m *merge) refuse(ctx context.Context, n int, why error) error {
	c := m.changes[n]
	if c.kind != noteOnly && c.kind != outside {
		m.refused = append(m.refused, refusal(&m.spec, c, why))
	}
	if !m.walk.Kind.Listing() && m.head.seenWalk == "" || c.removes() {
		return nil
	}
	done, err := m.piece(ctx, func() (tally, error) {
		if err := fillKey(ctx, m.tx, m.form, n); err != nil {
			return tally{}, err
		}
		if !m.walk.Kind.Listing() {
			var done tally
			err := m.touch(ctx, &done)
			return done, err
		}
		noted, err := m.note(ctx)
		return tally{noted: noted}, err
	})
	if err == nil {
		m.sum.add(done)
	} else if refused(err) {
		err = nil
	}
	return err
}
