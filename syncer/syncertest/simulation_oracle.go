package syncertest

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// judge is the oracle: it knows the owner's log and asks, after each poll,
// whether what the tables claim is true.
func (s *simulation) judge(p Planned) error {
	// Each lane walks at most twice.
	alone := p.Beside == 0 && p.Audit == Unaudited
	if most := 4 * (len(s.Log) + 1); alone && (s.owner.walks > 4 || s.owner.pages > most) {
		return fmt.Errorf("a poll takes %d walks and %d pages of at most 4 and %d", s.owner.walks, s.owner.pages, most)
	}
	for i, t := range s.tables {
		now := s.standing(i)
		if err := s.claim(i, now); err != nil {
			return fmt.Errorf("table %s: %w", s.spec(i).Target, err)
		}
		settled := !alone || s.owner.ended && t.settled
		if err := s.moves(t, now, settled); err != nil {
			return fmt.Errorf("table %s: %w", s.spec(i).Target, err)
		}
	}
	return nil
}

// claim checks staleness: for every key the table holds a version at least as
// new as the last one committed by its as-of, and nothing that was deleted by
// its delete as-of. A key that the owner has deleted since counts by the delete
// as-of alone.
func (s *simulation) claim(i int, st syncer.Standing) error {
	if st.AsOf.IsZero() {
		return nil
	}
	rows, asOf, deletes := s.rows(i), s.since(st.AsOf), s.since(st.DeletesAsOf)
	if st.AsOf.After(time.Now()) || st.DeletesAsOf.After(time.Now()) {
		return fmt.Errorf("claims deletes as of %s, all as of %s, at %s", deletes, asOf, s.owner.clock())
	}
	known := s.owner.visible(s.owner.clock())
	for key, at := range latest(s.Log, func(c Change) bool { return c.Commit <= asOf }) {
		held, there := rows[key]
		switch {
		case s.Log[at].Gone:
			// The delete as-of tells of it.
		case there && held < at && (s.deletedSince(key, at, deletes) || s.Invisible && s.deletedSince(key, at, 0) && s.writtenSince(key, at)):
			// A list cannot have it any more; it waits for its deletion, or for
			// what stands in its place since.
		case there && held < at:
			return fmt.Errorf("claims to be as of %s but holds key %d at change %d, not %d", asOf, key, held, at)
		case !there && !s.deletedSince(key, at, 0):
			return fmt.Errorf("claims to be as of %s but has no key %d, which change %d wrote", asOf, key, at)
		}
	}
	// A list cannot tell a row that was there again from one that has changed: of
	// what it held as-of tells.
	for key, at := range latest(s.Log, func(c Change) bool { return c.Commit <= deletes }) {
		if held, there := rows[key]; there && s.Log[at].Gone && held < at && !s.writtenSince(key, at) {
			return fmt.Errorf("claims deletes as of %s but holds key %d at change %d, deleted by change %d", deletes, key, held, at)
		}
	}
	for key, held := range rows {
		if last, ok := known[key]; !ok || held > last {
			return fmt.Errorf("holds key %d at change %d, which nobody can have seen", key, held)
		}
	}
	return nil
}

// counted checks what an audit counts: the owner tells of every change, and the
// tables lose none, so that only deletions that nobody tells of can be found, if
// polls are not kept from telling. What is proven must be so.
func (s *simulation) counted(i int, p Planned, r syncer.Report) error {
	for _, t := range r.Tables {
		a := t.Settled.Audit
		if a == nil || t.Table != s.spec(i).Name || p.Fault.Kind != None {
			continue
		}
		if a.Missing+a.Different > 0 || a.Extra > 0 && !s.Invisible {
			return fmt.Errorf("an audit counts %+v, though the feed tells of it", *a)
		}
		if s.since(a.Proven) > s.owner.clock() {
			return fmt.Errorf("an audit proves the copy as of %s", s.since(a.Proven))
		}
	}
	return nil
}

// writtenSince reports whether readers could see a key written after change at.
func (s *simulation) writtenSince(key, at int) bool {
	for _, c := range s.Log[at+1:] {
		if c.Key == key && !c.Gone && c.Visible <= s.owner.clock() {
			return true
		}
	}
	return false
}

// deletedSince reports whether readers could see a key deleted after change at,
// by a deletion that was committed after an instant.
func (s *simulation) deletedSince(key, at int, after time.Duration) bool {
	for _, c := range s.Log[at+1:] {
		if c.Key == key && c.Gone && c.Visible <= s.owner.clock() && c.Commit > after {
			return true
		}
	}
	return false
}

// moves checks that watermark and as-of move only forward, and only when the
// walk ended and the table settled, or could not hear that it did. A resync may
// set the watermark back, and so may a walk from the older position of another
// table if the record that moved this one is not there any more.
func (s *simulation) moves(t *simTable, now syncer.Standing, settled bool) error {
	old, moved := t.before.Position.Watermark, now.Position.Watermark
	switch {
	case !settled && (moved != old || !now.AsOf.Equal(t.before.AsOf)):
		return fmt.Errorf("watermark moves from %q to %q, as-of from %s to %s, though nothing settled",
			old, moved, s.since(t.before.AsOf), s.since(now.AsOf))
	case old != "" && moved == "", old != "" && !t.resynced && !s.Invisible && parse(moved) < parse(old):
		return fmt.Errorf("watermark moves back from %q to %q", old, moved)
	case now.AsOf.Before(t.before.AsOf), now.DeletesAsOf.Before(t.before.DeletesAsOf):
		return errors.New("as-of moves back")
	}
	return nil
}

// equal checks that every table holds exactly what the owner does, and says so.
func (s *simulation) equal() error {
	want := s.owner.visible(s.owner.clock())
	maps.DeleteFunc(want, func(_, at int) bool { return s.Log[at].Gone })
	for i := range s.tables {
		st := s.standing(i)
		if got := s.rows(i); !maps.Equal(got, want) {
			return fmt.Errorf("table %s holds key:change %v, the owner %v", s.spec(i).Target, got, want)
		}
		if st.Resync || st.AsOf.IsZero() || st.DeletesAsOf.IsZero() || !s.Invisible && st.DeletesAsOf.Before(st.AsOf) {
			return fmt.Errorf("table %s is as of %s, deletes %s, resync %t", s.spec(i).Target, s.since(st.AsOf), s.since(st.DeletesAsOf), st.Resync)
		}
	}
	return nil
}
