package sources_test

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// A model of paging: five records, pages of one or two, and up to two writes
// between the pages of a walk, which a quiet walk follows.

// way is how a feed is paged, and in which order.
type way struct {
	name  string
	order string // "stamp", "stamp desc" or "id"
	by    string // "position", "keyset", "since", "snapshot"
	// exclusive feeds leave out the moment that they are asked since.
	exclusive bool
}

// write is what happens before the at-th request of a walk.
type write struct {
	at   int
	kind byte // 'u'pdate, 'i'nsert or 'd'elete
	id   int
}

// tale is one history.
type tale struct {
	tied   bool
	size   int
	writes []write
}

// kinds is which writes a tale has, each once.
func (h tale) kinds() string {
	var kinds []byte
	for _, w := range h.writes {
		kinds = append(kinds, w.kind)
	}
	slices.Sort(kinds)
	return string(slices.Compact(kinds))
}

// stamps of the five records, by id from 1: those of the order by id have
// nothing to do with it.
func (h tale) stamps() []int {
	if h.tied {
		return []int{1, 1, 1, 2, 2}
	}
	return []int{3, 1, 5, 2, 4}
}

// tales calls f with every history, of which there are five thousand.
func tales(f func(h tale)) {
	for _, tied := range []bool{false, true} {
		for size := 1; size <= 2; size++ {
			gaps := 7 - 2*size // between the pages of five records, and before the one that is empty
			var all []write
			for at := 2; at < 2+gaps; at++ {
				for id := 1; id <= 5; id++ {
					all = append(all, write{at, 'u', id}, write{at, 'd', id})
				}
				all = append(all, write{at, 'i', 6}, write{at, 'i', 0})
			}
			tell := func(writes ...write) { f(tale{tied, size, writes}) }
			tell()
			for i, first := range all {
				tell(first)
				for _, second := range all[i+1:] {
					tell(first, second)
				}
			}
		}
	}
}

// fate is what became of a history.
type fate int

const (
	right fate = iota
	// lost: a live record stays wrong, and nothing tells.
	lost
	// stuck: the walk has no end, or fails.
	stuck
)

// listed is a record of the model.
type listed struct{ id, stamp int }

// naive is a client that takes pages as they come and moves its watermark to
// the greatest stamp that it saw, or to the walk's start if that is less.
type naive struct {
	way
	tale
	capped bool
	clock  int
	rows   []listed
	copied map[int]int
	since  int
}

// live runs a history.
func (c naive) live() fate {
	c.clock, c.since, c.copied = 5, math.MinInt, map[int]int{}
	for i, stamp := range c.stamps() {
		c.rows = append(c.rows, listed{i + 1, stamp})
	}
	if !c.walk() {
		return stuck
	}
	c.writes, c.clock = nil, c.clock+1
	if !c.walk() {
		return stuck
	}
	for _, r := range c.rows {
		if stamp, ok := c.copied[r.id]; !ok || stamp != r.stamp {
			return lost
		}
	}
	return right
}

// list is what a walk is answered from, in the owner's order.
func (c *naive) list(since int) []listed {
	rows := slices.DeleteFunc(slices.Clone(c.rows), func(r listed) bool { return r.stamp < since || c.exclusive && r.stamp == since })
	slices.SortFunc(rows, c.compare)
	return rows
}

func (c *naive) compare(a, b listed) int {
	byStamp := cmp.Or(cmp.Compare(a.stamp, b.stamp), cmp.Compare(a.id, b.id))
	switch c.order {
	case "id":
		return cmp.Compare(a.id, b.id)
	case "stamp desc":
		return -byStamp
	}
	return byStamp
}

// walk reports whether it came to an end.
func (c *naive) walk() bool {
	start, high := c.clock, c.since
	frozen, since, at := c.list(c.since), c.since, 0
	var last *listed
	for request := 1; request < 20; request++ {
		c.happens(request)
		list := c.list(since)
		switch {
		case c.by == "snapshot":
			list = frozen[at:]
		case c.by == "position":
			list = list[min(at, len(list)):]
		case c.by == "keyset" && last != nil:
			list = slices.DeleteFunc(list, func(r listed) bool { return c.compare(r, *last) <= 0 })
		}
		page, news := list[:min(c.size, len(list))], false
		for _, r := range page {
			old, known := c.copied[r.id]
			news = news || !known || old != r.stamp
			c.copied[r.id], high = r.stamp, max(high, r.stamp)
		}
		at += len(page)
		if len(page) > 0 {
			last = &page[len(page)-1]
		}
		if len(page) == 0 || c.by == "since" && !news && len(page) < c.size {
			c.since = high
			if c.capped {
				c.since = min(high, start)
			}
			return true
		}
		if c.by == "since" {
			since = last.stamp
		}
	}
	return false
}

// happens is what the owner writes before a request.
func (c *naive) happens(request int) {
	for _, w := range c.writes {
		if w.at != request {
			continue
		}
		c.clock++
		c.rows = slices.DeleteFunc(c.rows, func(r listed) bool { return r.id == w.id })
		if w.kind != 'd' {
			c.rows = append(c.rows, listed{w.id, c.clock})
		}
	}
}

// verdict gathers what became of the histories of a way.
type verdict map[string]bool

func (v verdict) add(h tale, f fate) {
	switch f {
	case stuck:
		v["stuck"] = true
	case lost:
		v["lost "+h.kinds()] = true
	}
}

// pairs are two kinds of writes that lose together what neither loses alone.
var pairs = []struct{ kinds, name string }{{"di", "insert with delete"}, {"du", "update with delete"}, {"iu", "update with insert"}}

// String names the writes that alone lose records, and combinations of them
// only where neither does alone.
func (v verdict) String() string {
	var all []string
	if v["lost "] {
		return "loss without a write"
	}
	for _, kind := range []struct{ sign, name string }{{"u", "update"}, {"i", "insert"}, {"d", "delete"}} {
		if v["lost "+kind.sign] {
			all = append(all, kind.name)
		}
	}
	for _, pair := range pairs {
		if v["lost "+pair.kinds] && !v["lost "+pair.kinds[:1]] && !v["lost "+pair.kinds[1:]] {
			all = append(all, pair.name)
		}
	}
	if len(all) > 0 {
		all = []string{"loss on " + strings.Join(all, ", ")}
	}
	if v["stuck"] {
		all = append(all, "stuck")
	}
	return cmp.Or(strings.Join(all, "; "), "none")
}

// within reports whether nothing is lost but what a verdict's text says.
func (v verdict) within(text string) bool {
	named := strings.Split(strings.TrimPrefix(text, "loss on "), ", ")
	for what := range v {
		kinds, loses := strings.CutPrefix(what, "lost ")
		told := !loses && strings.Contains(text, what) || text == "loss without a write"
		for _, pair := range pairs {
			told = told || pair.kinds == kinds && slices.Contains(named, pair.name)
		}
		for sign, name := range map[string]string{"u": "update", "i": "insert", "d": "delete"} {
			told = told || strings.Contains(kinds, sign) && slices.Contains(named, name)
		}
		if !told {
			return false
		}
	}
	return true
}
