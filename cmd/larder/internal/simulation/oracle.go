package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// judge is the oracle: it knows the owner's log and asks, after each poll,
// whether what the tables claim is true, and whether they moved as they may.
func (l *life) judge(ctx context.Context, p Poll, reports []syncer.Report) error {
	if l.unfenced != nil {
		return l.unfenced
	}
	if err := l.bounded(p); err != nil {
		return err
	}
	if err := l.kept(reports); err != nil {
		return err
	}
	for i := range l.tables {
		for j := range l.parts {
			if err := l.moves(ctx, i, j, p, reports); err != nil {
				return err
			}
		}
	}
	l.trust(reports)
	if err := l.claims(ctx); err != nil {
		return err
	}
	for i := range l.tables {
		if err := l.counted(i, p, reports); err != nil {
			return err
		}
	}
	return nil
}

// bounded checks that a poll asks no more than it has to: each lane of a
// partition walks at most twice for each table that stands apart.
func (l *life) bounded(p Poll) error {
	// A pass through numbered pages is repeated where its count does not agree;
	// the front of a feed that comes newest first is read again.
	walks, requests := 4*len(l.tables)*l.Parts, 16*l.Parts*(len(l.Log)+2)*l.Attempts
	if p.alone() && (l.walks > walks || l.requests > requests) {
		return l.violates(-1, -1, "a poll takes %d walks and %d requests of at most %d and %d", l.walks, l.requests, walks, requests)
	}
	return nil
}

// alone reports whether nothing goes on beside the poll.
func (p Poll) alone() bool { return p.Beside == 0 && p.Audit == Unaudited }

// claims checks what every partition of every table claims right now.
func (l *life) claims(ctx context.Context) error {
	for i := range l.tables {
		rows := l.rows(i)
		for j := range l.parts {
			st, err := l.tables[i].Table.Standing(ctx, l.parts[j])
			if err != nil {
				return err
			}
			if err := l.claim(ctx, view{i, j, rows, st}); err != nil {
				return err
			}
		}
	}
	return nil
}

// view is what a table shows of a partition.
type view struct {
	table, part int
	rows        map[int64]int
	syncer.Standing
}

// claim checks staleness: for every key the table holds a version at least as
// new as the last one committed by its as-of, and nothing that was deleted by
// its delete as-of. A key that the owner has deleted since counts by the delete
// as-of alone.
func (l *life) claim(ctx context.Context, v view) error {
	if v.AsOf.IsZero() || l.doubts(stand{v.table, v.part}) {
		return nil
	}
	asOf, deletes := l.since(v.AsOf), l.since(v.DeletesAsOf)
	if l.Cached > 0 {
		// What a cache kept is taken if it may be as new as the copy: by how long
		// the answer was on its way, nobody can tell.
		asOf, deletes = asOf-l.Takes-time.Second, deletes-l.Takes-time.Second
	}
	if v.AsOf.After(time.Now()) || v.DeletesAsOf.After(time.Now()) {
		return l.violates(v.table, -1, "claims deletes as of %s, all as of %s, before they have come", deletes, asOf)
	}
	known := l.visible(v.part)
	for key, held := range v.rows {
		if int(key)/keys != v.part {
			continue
		}
		// The row of a record that is set aside stays, be it one of before a restore.
		if last, ok := known[key]; (!ok || held > last) && !l.aside(ctx, v.table, key) {
			return l.violates(v.table, key, "holds key %d at change %d, which nobody can have seen", key, held)
		}
	}
	if l.skips() {
		return nil
	}
	for key, at := range l.latest(v.part, func(c Change) bool { return c.Commit <= asOf }) {
		held, there := v.rows[key]
		switch {
		case l.Log[at].Gone:
			// The delete as-of tells of it.
		case there && held < at && (l.deletedSince(at, deletes) || !l.tells() && l.deletedSince(at, 0) && l.writtenSince(at)):
			// A list cannot have it any more; it waits for its deletion, or for
			// what stands in its place since.
		case l.Until && l.writtenSince(at) && held < at:
			// What changes again while it is asked for lies behind the bound.
		case l.aside(ctx, v.table, key):
			// Shown as quarantined.
		case there && held < at:
			return l.violates(v.table, key, "claims to be as of %s but holds key %d at change %d, not %d", asOf, key, held, at)
		case !there && !l.deletedSince(at, 0):
			return l.violates(v.table, key, "claims to be as of %s but has no key %d, which change %d wrote", asOf, key, at)
		}
	}
	// A list cannot tell a row that was there again from one that has changed: of
	// what it held as-of tells.
	for key, at := range l.latest(v.part, func(c Change) bool { return c.Commit <= deletes }) {
		if held, there := v.rows[key]; there && l.Log[at].Gone && held < at && !l.writtenSince(at) {
			return l.violates(v.table, key, "claims deletes as of %s but holds key %d at change %d, deleted by change %d", deletes, key, held, at)
		}
	}
	return nil
}

// latest is for each key of a partition the number of its last change that holds
// is true of. Changes of one key commit and become visible in the order of the
// log.
func (l *life) latest(part int, holds func(Change) bool) map[int64]int {
	out := make(map[int64]int)
	for i, c := range l.Log {
		if c.Part == part && !l.undone[i] && holds(c) {
			out[id(c.Part, c.Key)] = i
		}
	}
	return out
}

// visible is what readers see now.
func (l *life) visible(part int) map[int64]int {
	now := l.clock()
	return l.latest(part, func(c Change) bool { return c.Visible <= now })
}

// aside reports whether a key is shown as quarantined.
func (l *life) aside(ctx context.Context, i int, key int64) bool {
	if !l.broken {
		return false
	}
	all, err := l.handles[i%len(l.handles)].Quarantine(ctx, l.tables[i].target(), len(l.Log))
	return err == nil && slices.ContainsFunc(all, func(q syncer.Quarantined) bool { return q.Key == "["+strconv.FormatInt(key, 10)+"]" })
}

// writtenSince reports whether readers could see the key of a change written
// after it.
func (l *life) writtenSince(at int) bool {
	return l.after(at, func(c Change) bool { return !c.Gone })
}

// deletedSince reports whether readers could see the key of a change deleted
// after it, by a deletion that was committed after an instant.
func (l *life) deletedSince(at int, instant time.Duration) bool {
	return l.after(at, func(c Change) bool { return c.Gone && c.Commit > instant })
}

func (l *life) after(at int, holds func(Change) bool) bool {
	of, now := l.Log[at], l.clock()
	for i, c := range l.Log[at+1:] {
		if c.Part == of.Part && c.Key == of.Key && c.Visible <= now && !l.undone[at+1+i] && holds(c) {
			return true
		}
	}
	return false
}

// counted checks what an audit counts: the owner tells of every change, and the
// tables lose none, so that only deletions that nobody tells of can be found, if
// polls are not kept from telling. What is proven must be so.
func (l *life) counted(i int, p Poll, reports []syncer.Report) error {
	for _, r := range reports {
		for _, t := range r.Tables {
			a := t.Settled.Audit
			if a == nil || t.Table != "c."+l.tables[i].target() || p.Fault.Kind != None || l.unsure() {
				continue
			}
			if a.Missing+a.Different > 0 || a.Extra > 0 && l.tells() {
				return l.violates(i, -1, "an audit counts %+v, though the feed tells of it", *a)
			}
			if l.since(a.Proven) > l.clock() {
				return l.violates(i, -1, "an audit proves the copy as of %s", l.since(a.Proven))
			}
		}
	}
	return nil
}

// unsure reports whether an audit may well find differences: pages skip
// records, bounds leave them out, answers are older than others before, records
// do not fit, or claims are in doubt.
func (l *life) unsure() bool {
	return l.skips() || l.Until || l.ages() || len(l.doubt) > 0 || l.broken
}

// trust ends the doubt in those that have walked to an end since it began.
func (l *life) trust(reports []syncer.Report) {
	for _, r := range reports {
		for s, why := range l.doubt {
			lists := r.Kind == syncer.Resync || r.Kind == syncer.Snapshot
			if r.Failure != nil || r.Partition != l.parts[s.part].Name || r.Kind == syncer.Audit || l.struck ||
				why == rewound && (!lists || r.Sent.Before(l.restored)) {
				continue
			}
			for _, t := range r.Tables {
				if t.Table == "c."+l.tables[s.table].target() && t.Failure == nil && t.Settled.Held+t.Settled.Waiting == 0 {
					delete(l.doubt, s)
				}
			}
		}
	}
}

// moves checks that watermark and as-of move only forward, and only when the
// walk ended and the table settled, or could not hear that it did. A resync may
// set the watermark back, and so may a walk from the older position of another
// table if the record that moved this one is not there any more, or if only
// stamps tell how late it was at the owner.
func (l *life) moves(ctx context.Context, i, j int, p Poll, reports []syncer.Report) error {
	now, err := l.tables[i].Table.Standing(ctx, l.parts[j])
	if err != nil {
		return err
	}
	then := l.before[stand{i, j}]
	old, moved := then.Position.Watermark, now.Position.Watermark
	settled, resynced := l.unheard[i] || !p.alone(), l.doubts(stand{i, j})
	for _, r := range reports {
		if r.Partition != l.parts[j].Name {
			continue
		}
		resynced = resynced || r.Kind == syncer.Resync
		for _, t := range r.Tables {
			settled = settled || t.Table == "c."+l.tables[i].target() && t.Failure == nil && r.Failure == nil
		}
	}
	switch {
	case !settled && (moved != old || !now.AsOf.Equal(then.AsOf)):
		return l.violates(i, -1, "watermark moves from %q to %q, as-of from %s to %s, though nothing settled",
			old, moved, l.since(then.AsOf), l.since(now.AsOf))
	case old != "" && moved == "" && !resynced, old != "" && !resynced && l.steady() && before(moved, old):
		return l.violates(i, -1, "watermark moves back from %q to %q", old, moved)
	case now.AsOf.Before(then.AsOf), now.DeletesAsOf.Before(then.DeletesAsOf) && now.DeletesAsOf.Before(now.AsOf):
		// A list may prove deletes for later than changes that stay behind do.
		return l.violates(i, -1, "as-of moves back from %s to %s, deletes from %s to %s",
			l.since(then.AsOf), l.since(now.AsOf), l.since(then.DeletesAsOf), l.since(now.DeletesAsOf))
	}
	return nil
}

// steady reports whether a record that was shown is shown from then on, and the
// owner tells how late it is, so that no walk can leave a watermark before one
// of an earlier walk.
func (c *Contract) steady() bool { return c.tells() && !c.NoDate && !c.ages() }

// before compares watermarks that are times; others have no order.
func before(a, b string) bool {
	x, err := time.Parse(time.RFC3339Nano, a)
	y, err2 := time.Parse(time.RFC3339Nano, b)
	return err == nil && err2 == nil && x.Before(y)
}

// equal checks that every table holds exactly what the owner does, and says so.
func (l *life) equal(ctx context.Context) error {
	want := map[int64]int{}
	for j := range l.parts {
		maps.Copy(want, l.visible(j))
	}
	maps.DeleteFunc(want, func(_ int64, at int) bool { return l.Log[at].Gone })
	for i := range l.tables {
		got := l.rows(i)
		for key, at := range want {
			if l.Log[at].Misfit && l.aside(ctx, i, key) {
				got[key] = at
			}
		}
		if !maps.Equal(got, want) {
			return l.violates(i, -1, "holds key:change %v, the owner %v", got, want)
		}
		for j := range l.parts {
			st, err := l.tables[i].Table.Standing(ctx, l.parts[j])
			if err != nil {
				return err
			}
			if st.Resync || st.AsOf.IsZero() || st.DeletesAsOf.IsZero() || l.tells() && st.DeletesAsOf.Before(st.AsOf) {
				return l.violates(i, -1, "is as of %s, deletes %s, resync %t", l.since(st.AsOf), l.since(st.DeletesAsOf), st.Resync)
			}
		}
	}
	return nil
}

// violates is what the oracle objects to; table and key are negative where it
// is about none.
func (l *life) violates(i int, key int64, format string, args ...any) *Violation {
	v := &Violation{What: fmt.Sprintf(format, args...), Key: key, When: l.clock()}
	if i >= 0 {
		v.Table = l.tables[i].target()
	}
	return v
}
