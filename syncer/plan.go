package syncer

import (
	"slices"
	"time"
)

// member is a table that takes part in a walk.
type member struct {
	copy *Copy
	// term is the one in which standing was read. See Copy.term.
	term int
	// walk is the walk as this table applies it: kinds differ between tables
	// when one of them has to be resynced and the others do not.
	walk     Walk
	standing Standing
	report   TableReport
	err      error
}

// planWalk decides, from where the members stand, how the owner is asked: one
// walk for all of them, and for each member the kind in which it applies it.
//
// An unfinished walk goes on only if every member stands at the same place of
// it. Otherwise a new walk starts from the position of the member with the
// oldest as-of, and from zero if any member has to be resynced or asks from
// the beginning.
func planWalk(f *Feed, p Partition, members []*member, id string, now time.Time) Walk {
	if r := commonResume(members); r != nil {
		w := Walk{ID: r.Walk, Kind: r.Kind, Partition: p, Sent: r.Sent}
		w.From = Position{Watermark: r.From, Resume: r}
		for _, m := range members { // a database whose clock jumped tells another start
			if sent := m.standing.Position.Resume.Sent; sent.Before(w.Sent) {
				w.Sent = sent
			}
		}
		for _, m := range members {
			m.walk = w
			m.walk.Kind = m.standing.Position.Resume.Kind
		}
		w.Kind = askKind(f, r.From == "")
		return w
	}
	oldest := slices.MinFunc(members, func(a, b *member) int {
		if az, bz := fromZero(a), fromZero(b); az != bz {
			return map[bool]int{true: -1, false: 1}[az]
		}
		return a.standing.AsOf.Compare(b.standing.AsOf)
	})
	w := Walk{ID: id, Partition: p, Sent: now}
	if !fromZero(oldest) {
		w.From = Position{Watermark: oldest.standing.Position.Watermark, Validator: commonValidator(members)}
	}
	if f.Snapshot && !oldest.standing.Resync {
		w.From.Validator = commonValidator(members)
	}
	for _, m := range members {
		m.walk = w
		if m.walk.Kind = applyKind(f, m); f.Lists && fromZero(oldest) {
			m.walk.Kind = Resync
		}
	}
	w.Kind = askKind(f, fromZero(oldest))
	return w
}

// fromZero reports whether a member has to be asked for everything.
func fromZero(m *member) bool {
	return m.standing.Resync || m.standing.Position.Watermark == ""
}

// applyKind is the kind in which a member applies a new walk.
func applyKind(f *Feed, m *member) WalkKind {
	switch {
	case m.standing.Resync || !f.Snapshot && m.standing.Position.Watermark == "":
		return Resync
	case f.Snapshot:
		return Snapshot
	}
	return Changes
}

// askKind is the kind in which the owner is asked.
func askKind(f *Feed, zero bool) WalkKind {
	switch {
	case f.Snapshot:
		return Snapshot
	case zero:
		return Resync
	}
	return Changes
}

// commonResume is the place in an unfinished walk at which all members stand,
// nil if they do not, or if an operator asked for a resync after it began.
func commonResume(members []*member) *Resume {
	first := members[0].standing.Position.Resume
	for _, m := range members {
		r := m.standing.Position.Resume
		if r == nil || !r.same(first) || m.standing.Resync && r.Kind != Resync {
			return nil
		}
	}
	return first
}

// commonValidator is the validator that all members hold, "" if they differ:
// "not modified" must be true of every one of them.
func commonValidator(members []*member) string {
	v := members[0].standing.Position.Validator
	for _, m := range members {
		if m.standing.Position.Validator != v || m.standing.Resync {
			return ""
		}
	}
	return v
}
