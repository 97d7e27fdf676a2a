package sourcetest

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// entry is a change in the log, with what reads of it need at hand. Times are
// nanoseconds since 1970; what a record is written as is kept for the wire's
// settings of when it was written.
type entry struct {
	Change
	slot                   int // of its record
	stamp, commit, visible int64
	born                   bool // the record was deleted before
	number                 int64
	shown                  int64 // the stamp as far as the wire tells it
	text                   []byte
	marks                  []knob
}

type recordName struct {
	part string
	id   int64
}

// history is the commit log, indexed.
type history struct {
	log     []*entry
	slots   map[recordName]int // each record's place in gone
	gone    []bool             // whether its last change deleted it
	wire    Wire               // in which the entries are written
	written int                // so many are
	view    view
	// numbered are the entries that have a number, by it; the others wait.
	numbered []*entry
	waiting  []*entry
	// issue changes when tokens of before are refused, era when a backup is
	// restored.
	issue, era int64
}

func nanos(t time.Time) int64 {
	switch {
	case t.IsZero() || t.Year() < 1700:
		return math.MinInt64
	case t.Year() > 2250:
		return math.MaxInt64
	}
	return t.UnixNano()
}

func (h *history) add(c Change) {
	if h.slots == nil {
		h.slots = map[recordName]int{}
	}
	name := recordName{c.Part, c.ID}
	slot, known := h.slots[name]
	if !known {
		slot = len(h.gone)
		h.slots[name] = slot
		h.gone = append(h.gone, false)
	}
	e := &entry{Change: c, slot: slot, stamp: nanos(c.Stamp), commit: nanos(c.Commit), visible: nanos(c.Visible)}
	e.born = known && h.gone[slot] && !c.Gone
	h.gone[slot] = c.Gone
	h.log = append(h.log, e)
	h.waiting = append(h.waiting, e)
}

// restore forgets what was committed after an instant. Numbers are given on
// from the last that is left.
func (h *history) restore(at time.Time) {
	kept := h.log
	*h = history{issue: h.issue, era: h.era + 1}
	for _, old := range kept {
		if old.Commit.After(at) {
			continue
		}
		h.add(old.Change)
		if old.number > 0 {
			h.log[len(h.log)-1].number = old.number
		}
	}
	h.waiting = h.waiting[:0]
	for _, e := range h.log {
		if e.number > 0 {
			h.numbered = append(h.numbered, e)
		} else {
			h.waiting = append(h.waiting, e)
		}
	}
	slices.SortFunc(h.numbered, func(a, b *entry) int { return cmp.Compare(a.number, b.number) })
}

// newest is the last change of each record among those that count.
func (h *history) newest(counts func(*entry) bool) []*entry {
	last := make([]*entry, len(h.gone))
	for _, e := range h.log {
		if counts(e) {
			last[e.slot] = e
		}
	}
	return slices.DeleteFunc(last, func(e *entry) bool { return e == nil })
}

// view is what reads see in [from, to): the last change of each record, sorted.
type view struct {
	list     []*entry
	from, to int64
	length   int // of the log when it was made; 0: there is no view
	order    Order
	hidden   bool // something is stamped and not shown yet
}

// at returns the view of an instant. Between two changes it stays the same.
func (h *history) at(now int64, order Order) *view {
	v := &h.view
	if v.length == len(h.log) && v.length > 0 && v.order == order && v.from <= now && now < v.to {
		return v
	}
	*v = view{from: math.MinInt64, to: math.MaxInt64, length: len(h.log), order: order}
	v.list = h.newest(func(e *entry) bool {
		if e.visible <= now {
			v.from = max(v.from, e.visible)
			return true
		}
		v.to, v.hidden = min(v.to, e.visible), v.hidden || e.stamp <= now
		return false
	})
	slices.SortFunc(v.list, order.compare)
	return v
}

// compare is the order of two records.
func (order Order) compare(a, b *entry) int {
	switch order {
	case ByID, Shuffled, Unsorted:
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Part, b.Part))
	case ByStampDesc:
		return -ByStamp.compare(a, b)
	}
	return cmp.Or(cmp.Compare(a.shown, b.shown), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Part, b.Part))
}

// differs reports whether reads at two instants see different logs.
func (h *history) differs(from, to int64) bool {
	return slices.ContainsFunc(h.log, func(e *entry) bool { return from < e.visible && e.visible <= to })
}

// write writes down the entries that are not, or not with these settings.
func (h *history) write(w Wire) {
	if w != h.wire {
		h.wire, h.written, h.view.length = w, 0, 0
	}
	for _, e := range h.log[h.written:] {
		w.write(e)
	}
	h.written = len(h.log)
}

// enumerate gives numbers to the changes that can be seen, in the order in which
// they came to be seen; early gives them to all, in the order of the log.
func (h *history) enumerate(now int64, early bool) {
	if len(h.waiting) == 0 {
		return
	}
	var due, rest []*entry
	for _, e := range h.waiting {
		if early || e.visible <= now {
			due = append(due, e)
		} else {
			rest = append(rest, e)
		}
	}
	if !early {
		slices.SortStableFunc(due, func(a, b *entry) int { return cmp.Compare(a.visible, b.visible) })
	}
	for _, e := range due {
		e.number = 1
		if n := len(h.numbered); n > 0 {
			e.number = h.numbered[n-1].number + 1
		}
		h.numbered = append(h.numbered, e)
	}
	h.waiting = rest
}
