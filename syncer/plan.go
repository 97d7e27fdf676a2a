package syncer

import (
	"context"
	"slices"
	"time"
)

// member is a table that takes part in a walk.
type member struct {
	copy *Copy
	// term is the one in which standing was read. See Copy.term.
	term int
	// walk is the walk as this table applies it: in a snapshot feed, a table
	// that has to be resynced applies as a resync what the others take as a
	// snapshot.
	walk     Walk
	standing Standing
	// need says that everything has to be asked for; valid that changes can be.
	need, valid, claimed bool
	// ended is when the walk ended, at the latest, that the watermark stems from.
	ended time.Time
	// retry is when the listing lane takes the table again after a failure.
	retry time.Time
	// quarantined counts what did not fit in this walk, which may be repeated
	// within a poll.
	quarantined int
	report      TableReport
	err         error
}

// look reads where a member stands, and finds out what it needs. The other lane
// may settle while it is read: what was read then may be older, and is read
// again.
func (m *member) look(ctx context.Context, f *Feed, p Partition, now time.Time) error {
	for {
		var before int
		m.copy.know(p, func(k *known) { before = k.settled })
		st, err := m.copy.Table.Standing(ctx, p)
		if err != nil {
			m.copy.unread(p, err, now)
			return err
		}
		if m.note(f, p, st, before, now) {
			return nil
		}
	}
}

// note keeps what was read, unless a walk has settled since.
func (m *member) note(f *Feed, p Partition, st Standing, before int, now time.Time) (ok bool) {
	m.copy.know(p, func(k *known) {
		if ok = k.settled == before; !ok {
			return
		}
		outlived := f.outlive(&st, now)
		valid := st.Position.Watermark != "" && !k.void && !outlived
		f.outliveList(&st, valid, now)
		m.standing = st
		k.standing, k.read = st, true
		k.need = !f.Snapshot && !st.Paused && (st.Resync || st.Position.Watermark == "" || k.void || outlived ||
			!k.wanted.IsZero() || st.Listing != nil && st.Listing.Kind == Resync)
		if !k.need {
			k.unlisted = nil
		}
		k.unread = nil
		k.calm()
		m.need, m.valid, m.claimed, m.retry, m.ended = k.need, valid, k.claimed, k.retry, k.ended
		if m.ended.IsZero() {
			m.ended = st.LastPoll
		}
	})
	return ok
}

// outlive reports whether a table stands further back than the owner can tell.
// An unfinished walk for changes that began before that is of no use either: the
// watermark that it would leave is as old as its start.
func (f *Feed) outlive(st *Standing, now time.Time) bool {
	if f.Retention <= 0 || f.Snapshot {
		return false
	}
	if r := st.Position.Resume; r != nil && Age(r.Sent, now) > f.Retention {
		st.Position.Resume = nil
	}
	return !st.AsOf.IsZero() && Age(st.AsOf, now) > f.Retention
}

// outliveList drops an unfinished resync that began longer ago than the owner
// can tell, unless the changes lane has a watermark that is valid: then that one
// is kept.
func (f *Feed) outliveList(st *Standing, valid bool, now time.Time) {
	r := st.Listing
	if f.Retention > 0 && !f.Snapshot && !valid && r != nil && r.Kind == Resync && Age(r.Sent, now) > f.Retention {
		st.Listing = nil
	}
}

// plan decides, from where the members stand, how the owner is asked: one walk
// of one kind for all of them.
//
// An unfinished walk goes on only if every member stands at the same place of
// it. Otherwise a new walk starts: one for changes from the position of the
// member with the oldest as-of, any other from zero.
func (g *group) plan(p Partition, id string, now time.Time) Walk {
	w := Walk{ID: id, Kind: g.kind, Partition: p, Sent: now, Audit: g.audit}
	oldest := g.oldest()
	if g.kind == Changes {
		w.From.Epoch = oldest.standing.Position.Epoch
	}
	if r := g.commonResume(); r != nil {
		w.ID, w.Sent, w.From.Watermark, w.From.Resume = r.Walk, r.Sent, r.From, r
		for _, m := range g.members { // a database whose clock jumped tells another start
			if sent := m.resume(g.kind).Sent; sent.Before(w.Sent) {
				w.Sent = sent
			}
		}
		for _, m := range g.members {
			m.walk = w
			m.walk.Kind = m.resume(g.kind).Kind
		}
		return w
	}
	if g.kind == Changes {
		w.From.Watermark = oldest.standing.Position.Watermark
	}
	if g.kind == Changes || g.kind == Snapshot {
		w.From.Validator = g.commonValidator()
	}
	for _, m := range g.members {
		m.walk = w
		if g.kind == Snapshot && m.standing.Resync {
			m.walk.Kind = Resync
		}
	}
	return w
}

// part takes out of a group those members that cannot share its walk, and
// returns them as a group of their own; nil if all can.
//
// A walk asks from the watermark of the member with the oldest as-of. Of what
// changed, that watermark may leave out all that the owner showed until the walk
// ended that it stems from. Another member has that too if it was complete at a
// later moment still. That is so where walks follow each other, and need not be
// where the two lanes went on side by side.
//
// Of events, and behind tokens, each watermark is walked by itself. What a member
// has seen must not come again: its rows would go back to what they were, and
// stay so if the walk fails. And of a key that came and went since an older
// token, an owner says nothing, although the member may hold it.
func (f *Feed) part(g *group) *group {
	if g.kind != Changes || len(g.members) < 2 || g.commonResume() != nil {
		return nil
	}
	first := g.oldest()
	from := first.standing.Position
	rest := &group{began: g.began, took: g.took, kind: g.kind}
	for _, m := range g.members {
		at := m.standing.Position
		if at.Watermark == from.Watermark && at.Epoch == from.Epoch {
			continue
		}
		// What was read of a table's instants may be late by as long as it took.
		if complete := m.standing.AsOf.Add(f.Lag - g.took); f.FromOwn || complete.Before(first.ended) {
			rest.members = append(rest.members, m)
		}
	}
	if len(rest.members) == 0 {
		return nil
	}
	g.keep(func(m *member) bool { return !slices.Contains(rest.members, m) })
	return rest
}

// oldest is the member with the oldest as-of.
func (g *group) oldest() *member {
	return slices.MinFunc(g.members, func(a, b *member) int { return a.standing.AsOf.Compare(b.standing.AsOf) })
}

// resume is the member's place in an unfinished walk of a kind's lane.
func (m *member) resume(kind WalkKind) *Resume {
	if kind == Changes {
		return m.standing.Position.Resume
	}
	return m.standing.Listing
}

// commonResume is the place in an unfinished walk at which all members stand,
// nil if they do not, or if the walk was for something else.
func (g *group) commonResume() *Resume {
	first := g.members[0].resume(g.kind)
	for _, m := range g.members {
		r := m.resume(g.kind)
		if r == nil || !r.same(first) || r.Sent.Before(g.since) {
			return nil
		}
		switch wanted := r.Kind == g.kind; {
		case g.kind == Snapshot && r.Kind == Resync:
		case !wanted, g.kind == Snapshot && m.standing.Resync:
			return nil
		}
	}
	return first
}

// commonValidator is the validator that all members hold, "" if they differ:
// "not modified" must be true of every one of them.
func (g *group) commonValidator() string {
	v := g.members[0].standing.Position.Validator
	for _, m := range g.members {
		if m.standing.Position.Validator != v || m.standing.Resync {
			return ""
		}
	}
	return v
}
