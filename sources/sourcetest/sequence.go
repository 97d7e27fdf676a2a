package sourcetest

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// Sequence is how the styles Delta and Log number changes: in the order in which
// they come to be seen, from 1.
//
// Delta lists everything without ?token=. The pages lead on by meta.next_cursor
// (?cursor=) and, the same, links.next; all of a walk show one moment. The last
// page alone has the token for the next walk, in meta.token (?token=) and
// links.delta. A walk with a token lists what has changed since, deletions with
// deleted_at.
//
// Log lists events behind the number ?after=, in ascending order, deletions with
// deleted_at; each has its number as seq. meta.last is the number of the page's
// last event, meta.head that of the newest, meta.more says whether more follow.
//
// Either lists what lives with ?list=1, paged as Cursor, with meta.head.
type Sequence struct {
	// Replay repeats so many of the items that a delta token has already seen, as
	// they were, ahead of what is new.
	Replay int
	// Early gives numbers in the order of the commit log, seen or not: as where a
	// number is drawn when the write begins.
	Early bool
	// Epoch adds meta.epoch, which is another after each Restore.
	Epoch bool
	// Blind takes delta tokens from before a Restore as if nothing had happened.
	Blind bool
}

// head is the number up to which everything can be seen.
func (o *Owner) head(a *ask) int64 {
	o.history.enumerate(nanos(a.now), o.Sequence.Early)
	head := int64(0)
	for _, e := range o.history.numbered {
		if e.visible <= a.at {
			head = e.number
		}
	}
	return head
}

// delta answers in style Delta.
func (o *Owner) delta(b *body, a *ask, c cursor) {
	c.terminal = false // of the pages' tokens none is
	if c.upto == 0 {
		c.upto = max(o.head(a), c.from)
	}
	items := o.since(a, c)
	p := page{size: o.size(a), cursor: c}
	p.from = min(int(c.skip), len(items))
	p.to = min(p.from+p.size, len(items))
	if p.more = p.to < len(items); p.empty {
		p.to, p.more = p.from, true
		o.hits.add(emptyPage)
	}
	o.hits.when(p.more, pageAfterPage)
	shown := items[p.from:p.to]
	if again := min(o.Paging.Again, p.from); again > 0 && len(shown) > 0 {
		shown = items[p.from-again : p.to]
		o.hits.add(recordAgain)
	}
	b.open()
	if c.number == 1 && c.from > 0 && o.Sequence.Replay > 0 {
		seen := o.seen(a, c.from)
		o.write(b, seen)
		o.hits.when(len(seen) > 0, replayed)
	}
	o.write(b, o.arranged(a, a.told(shown)))
	if p.cursor.skip = int64(p.to); a.fault.half() {
		p.more = false
	}
	o.around(b, nil, a, &p)
	o.epoch(b)
	if !p.more && (o.Paging.Cycle == 0 || c.number == 1) {
		// A walk from the beginning leaves deletions out; one from an empty log has
		// a token, and tells them.
		last := cursor{number: 1, from: cmp.Or(c.upto, -1), terminal: true}.write(&o.history, a.now)
		b.meta("token").quoted(last)
		b.link("delta").quoted(a.with("token", last, "cursor"))
	}
}

// since is the items of a delta: the last change of each record that has changed
// between two numbers.
func (o *Owner) since(a *ask, c cursor) []*entry {
	last := o.upTo(c.upto)
	part, parted := a.q.Get("part"), a.q.Has("part")
	o.hits.when(parted, partition)
	return slices.DeleteFunc(last, func(e *entry) bool {
		forgotten := e.number > c.from && e.Gone && o.forgets(a, e)
		o.hits.when(forgotten, purged)
		return forgotten || o.withholds(e) || e.number <= c.from || parted && e.Part != part || c.from == 0 && e.Gone
	})
}

// upTo is the last change of each record up to a number, by number.
func (o *Owner) upTo(number int64) []*entry {
	h := &o.history
	last := make([]*entry, len(h.gone))
	for _, e := range h.numbered {
		if e.number <= number {
			last[e.slot] = e
		}
	}
	var list []*entry
	for _, e := range h.numbered {
		if last[e.slot] == e {
			list = append(list, e)
		}
	}
	return list
}

// seen is the last items that an asker from a number knows.
func (o *Owner) seen(a *ask, from int64) []*entry {
	part, parted := a.q.Get("part"), a.q.Has("part")
	list := slices.DeleteFunc(o.upTo(from), func(e *entry) bool { return parted && e.Part != part })
	return list[max(0, len(list)-o.Sequence.Replay):]
}

// events answers in style Log.
func (o *Owner) events(b *body, a *ask) {
	head, after := o.head(a), a.number("after")
	size, last, more, gap := o.size(a), after, false, false
	part, parted := a.q.Get("part"), a.q.Has("part")
	o.hits.when(parted, partition)
	b.open()
	listed := []*entry{}
	for _, e := range o.history.numbered {
		switch {
		case e.number <= after || parted && e.Part != part || o.withholds(e):
		case e.visible > a.at:
			gap = gap || e.number < head
		case o.compacts(a, e) || o.trims(a, e):
		case len(listed) == size:
			more = true
		default:
			listed = append(listed, e)
		}
	}
	o.hits.when(gap, gapped)
	listed, more = a.told(listed), more && !a.fault.half()
	for _, e := range listed {
		b.record(e, e.number)
		o.hits.all(e.marks)
		last = e.number
	}
	o.hits.when(more, pageAfterPage)
	o.hits.when(len(listed) == 0, endEmpty)
	o.hits.when(!more, endMore)
	b.meta("last").number(last)
	b.meta("head").number(head)
	b.meta("more").flag(more)
	o.epoch(b)
}

func (o *Owner) epoch(b *body) {
	if o.Sequence.Epoch {
		b.meta("epoch").quoted("h" + strconv.FormatInt(o.history.era, 10))
	}
}

// compacts reports whether a later event replaces one.
func (o *Owner) compacts(a *ask, e *entry) bool {
	if !o.Memory.Compact {
		return false
	}
	for _, later := range o.history.numbered {
		if later.number > e.number && later.slot == e.slot && later.visible <= a.at {
			o.hits.add(compacted)
			return true
		}
	}
	return false
}

// trims reports whether an event is too old to be listed.
func (o *Owner) trims(a *ask, e *entry) bool {
	if o.Memory.Events <= 0 || e.visible == math.MinInt64 || e.visible+int64(o.Memory.Events) > a.at {
		return false
	}
	o.hits.add(trimmed)
	return true
}
