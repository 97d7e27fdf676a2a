package sourcetest

import (
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// ask is one request, and what it is answered by.
type ask struct {
	n     int
	url   *url.URL
	q     url.Values
	now   time.Time // of the owner's clock
	at    int64     // what is read is as of then
	style Style
	fault *Fault
	bent  bool // the fault has changed what is listed
}

// told is the records of a page as the fault leaves them.
func (a *ask) told(list []*entry) []*entry {
	if a.fault == nil || a.fault.list == nil {
		return list
	}
	bent := a.fault.list(list)
	a.bent = len(bent) != len(list)
	return bent
}

func (a *ask) number(name string) int64 {
	n, _ := strconv.ParseInt(a.q.Get(name), 10, 64)
	return max(n, 0)
}

// moment is a parameter that is a time; not ok where it is none.
func (a *ask) moment(w Wire, name string) (at int64, ok bool) {
	text := a.q.Get(name)
	if text == "" {
		return 0, false
	}
	t, err := w.parse(text)
	return nanos(t), err == nil
}

// size is how many records a page has.
func (o *Owner) size(a *ask) int {
	size := o.PageSize
	if size <= 0 {
		size = 10
	}
	if asked := a.number("size"); asked > int64(size) {
		o.hits.add(capped)
	} else if asked > 0 {
		size = int(asked)
	}
	return size
}

// selected is the records that a request asks for, in the owner's order.
func (o *Owner) selected(a *ask) []*entry {
	h := &o.history
	v := h.at(a.at, o.Order)
	o.hits.when(v.hidden, hidden)
	since, lower := a.moment(o.Wire, "since")
	until, upper := a.moment(o.Wire, "until")
	part, parted := a.q.Get("part"), a.q.Has("part")
	o.hits.when(parted, partition)
	list := make([]*entry, 0, len(v.list))
	var onBound, onEnd, forgotten bool
	for _, e := range v.list {
		stamp := e.shown
		if o.Wire.RoundUp && !e.NoStamp {
			stamp = e.stamp
		}
		switch {
		case parted && e.Part != part, e.Gone && !o.Tombstones, lower && (stamp < since || e.NoStamp), o.withholds(e):
		case e.Gone && o.forgets(a, e):
			forgotten = true
		case lower && o.Wire.Exclusive && stamp == since:
			onBound = true
		case upper && (stamp > until || stamp == until && !o.Wire.UntilInclusive):
		default:
			onEnd = onEnd || upper && stamp == until
			list = append(list, e)
		}
	}
	o.hits.when(onBound, exclusive)
	o.hits.when(onEnd, untilInclusive)
	o.hits.when(forgotten, purged)
	if o.Order == Unsorted && !a.style.tokened() {
		o.hits.when(shuffle(list, a.n), unsorted)
	}
	return list
}

// shuffle brings a list into an order that the number of a request gives, and
// reports whether it is another.
func shuffle(list []*entry, n int) (moved bool) {
	before := slices.Clone(list)
	r := rand.New(rand.NewPCG(uint64(n), 9))
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return !slices.Equal(before, list)
}

// withholds reports whether the asker may not see a record.
func (o *Owner) withholds(e *entry) bool {
	if !slices.Contains(o.Withhold, e.ID) {
		return false
	}
	o.hits.add(withheld)
	return true
}

// arranged is the records of a page in the order in which they go out.
func (o *Owner) arranged(a *ask, list []*entry) []*entry {
	if len(list) < 2 {
		return list
	}
	switch o.Order {
	case ByStampDesc:
		o.hits.add(descending)
	case ByID:
		o.hits.add(byID)
	case Shuffled:
		list = slices.Clone(list)
		o.hits.when(shuffle(list, a.n), shuffled)
	}
	return list
}
