package sourcetest

import (
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
)

// Paging is how pages follow each other and how the last one is told.
type Paging struct {
	End End
	// Totals adds meta.total, meta.pages and meta.more to the pages of lists.
	Totals bool
	// Drift adds as much to the totals of each page as it lies behind the first.
	Drift int
	// EmptyEvery puts an empty page behind so many of them, where tokens lead on.
	EmptyEvery int
	// Again repeats so many records of a page ahead of the next one's. Offsets,
	// which count what came, know no such page.
	Again int
	// Cycle leads in a circle of one or two pages, from the second page on.
	Cycle int
	// Ignore names parameters that have no effect.
	Ignore []string
}

// End is how the last page is told from others.
type End string

// The ends. They are of tokens and links, but for EndMore, which all styles
// have. Numbered pages, keysets and Since end with an empty or a short page, or
// by the totals.
const (
	EndNull    End = ""           // the next token is null; a link is missing
	EndMissing End = "missing"    // there is none
	EndText    End = "empty text" // it is ""
	EndMore    End = "more"       // meta.more is false; there is always a token
	EndEmpty   End = "empty page" // a full page always leads on, to an empty one if need be
	EndShort   End = "short page" // there is always a token, even on a short page
)

// page is what one answer lists.
type page struct {
	list []*entry // all that the request selects; nil: it is the page itself
	from int
	to   int
	size int
	more bool
	// total is what the totals tell: a page that is cut short tells the true ones.
	total int
	cursor
}

// turn finds the page that a request asks for.
func (o *Owner) turn(a *ask, list []*entry, c cursor) page {
	p := page{list: list, size: o.size(a), total: len(list), cursor: c}
	if a.style == Whole {
		p.size = len(list)
	}
	p.from = min(o.start(a, &p), len(list))
	p.to = min(p.from+p.size, len(list))
	if p.more = p.to < len(list); p.more {
		o.hits.add(pageAfterPage)
		o.hits.when(list[p.from].shown == list[p.to-1].shown && list[p.to].shown == list[p.from].shown, fullTie)
	}
	if p.empty {
		p.to, p.more = p.from, true
		o.hits.add(emptyPage)
	} else if again := min(o.Paging.Again, p.from); again > 0 && p.to > p.from && a.style != Offset {
		p.from -= again
		o.hits.add(recordAgain)
	}
	return p
}

// start is the index of a page's first record.
func (o *Owner) start(a *ask, p *page) int {
	switch a.style {
	case Page, Link:
		p.number = max(a.number("page"), 1)
		if p.number > int64(len(p.list)) {
			return len(p.list)
		}
		return int(p.number-1) * p.size
	case Offset:
		at := min(a.number("offset"), int64(len(p.list)))
		p.number = at/int64(max(p.size, 1)) + 1
		return int(at)
	case Keyset:
		if a.q.Has("after_id") {
			at, _ := a.moment(o.Wire, "after_stamp")
			id, _ := strconv.ParseInt(a.q.Get("after_id"), 10, 64)
			place := &entry{Change: Change{ID: id}, shown: at}
			if o.Order != ByStampDesc {
				place.Part = "\xff" // behind the record in all partitions
			}
			return o.behind(p.list, place)
		}
	case Cursor, NextURL:
		if p.number > 1 {
			return o.behind(p.list, &entry{Change: Change{ID: p.id, Part: p.part}, shown: p.shown})
		}
	}
	return 0
}

// behind is the index of the first record after a place in the order.
func (o *Owner) behind(list []*entry, place *entry) int {
	return sort.Search(len(list), func(i int) bool { return o.Order.compare(list[i], place) > 0 })
}

// next is the token that leads on from a page; leads reports whether there is
// one.
func (o *Owner) next(a *ask, p *page) (token string, leads bool) {
	c := p.cursor
	n, cycle := c.number, int64(o.Paging.Cycle)
	if cycle > 0 && n > cycle {
		o.hits.add([]knob{cycleOne, cycleTwo}[min(cycle, 2)-1])
		if cycle == 1 {
			return a.q.Get("cursor"), true
		}
		return c.before, true
	}
	switch leads = p.more; o.Paging.End {
	case EndMore, EndShort:
		leads = true
	case EndEmpty:
		leads = leads || p.to-p.from >= p.size
	}
	if !leads {
		return "", false
	}
	if p.to > p.from && p.list != nil {
		last := p.list[p.to-1]
		c.shown, c.id, c.part = last.shown, last.ID, last.Part
	}
	if c.empty {
		c.empty = false
	} else {
		c.number = n + 1
		c.empty = p.more && o.Paging.EmptyEvery > 0 && n%int64(o.Paging.EmptyEvery) == 0
	}
	if c.before, c.terminal = "", false; cycle > 1 {
		c.before = a.q.Get("cursor")
	}
	return c.write(&o.history, a.now), true
}

// around adds what leads to the next page.
func (o *Owner) around(b *body, h http.Header, a *ask, p *page) {
	if o.Paging.Totals && a.style != Delta {
		o.tellTotals(b, p)
	} else if o.Paging.End == EndMore {
		b.meta("more").flag(p.more)
	}
	o.hits.when(!p.more && o.Paging.End == EndMore, endMore)
	switch a.style {
	case Cursor, NextURL, Delta:
		token, leads := o.next(a, p)
		o.tellNext(b, a, token, leads)
		o.endOfTokens(p, leads)
	case Link:
		h.Set("Link", o.links(a, p))
		o.endOfTokens(p, p.more)
	case Page, Offset, Keyset, Since:
		o.hits.when(!p.more && p.to-p.from < p.size, endShort)
		o.hits.when(p.to == p.from, endEmpty)
	}
}

// endOfTokens counts how the last page was told.
func (o *Owner) endOfTokens(p *page, leads bool) {
	kinds := map[End]knob{EndNull: endNull, EndMissing: endMissing, EndText: endText, EndShort: endShort}
	switch end := o.Paging.End; {
	case p.more || o.Paging.Cycle > 0 && p.number > 1:
	case end == EndEmpty:
		o.hits.when(!leads && p.to == p.from, endEmpty)
	default:
		if k, ok := kinds[end]; ok {
			o.hits.add(k)
		}
	}
}

func (o *Owner) tellTotals(b *body, p *page) {
	total := p.total
	if behind := max(p.number, 1) - 1; behind > 0 && o.Paging.Drift != 0 {
		total = max(0, total+int(behind)*o.Paging.Drift)
		o.hits.add(drift)
	}
	o.hits.add(totals)
	b.meta("total").number(int64(total))
	b.meta("pages").number(int64((total + p.size - 1) / max(p.size, 1)))
	b.meta("more").flag(p.more)
}

// tellNext writes the token, in each form that the style has.
func (o *Owner) tellNext(b *body, a *ask, token string, leads bool) {
	none := "null"
	switch {
	case leads:
	case o.Paging.End == EndMissing:
		return
	case o.Paging.End == EndText:
		none = `""`
	}
	if a.style != NextURL {
		if b.meta("next_cursor"); leads {
			b.quoted(token)
		} else {
			b.raw(none)
		}
	}
	if a.style != Cursor {
		if b.link("next"); leads {
			b.quoted(a.with("cursor", token, "token"))
		} else {
			b.raw(none)
		}
	}
}

// links is a Link header.
func (o *Owner) links(a *ask, p *page) string {
	text := `<` + a.with("page", "1") + `>; rel="first"`
	to, leads := p.number+1, p.more
	switch n := int64(o.Paging.Cycle); {
	case n > 0 && p.number > n:
		to, leads = p.number+1-n, true
		o.hits.add([]knob{cycleOne, cycleTwo}[min(n, 2)-1])
	case o.Paging.End == EndMore || o.Paging.End == EndShort:
		leads = true
	case o.Paging.End == EndEmpty:
		leads = p.more || p.to-p.from >= p.size
	}
	if leads {
		text += `, <` + a.with("page", strconv.FormatInt(to, 10)) + `>; title="a, b; c"; rel="next last"`
	}
	return text
}

// with is the request's own query with one parameter changed, as a link.
func (a *ask) with(name, value string, without ...string) string {
	q := a.url.Query()
	for _, gone := range without {
		q.Del(gone)
	}
	q.Set(name, value)
	return "?" + q.Encode()
}

// ignore drops the parameters that have no effect.
func (o *Owner) ignore(q url.Values) {
	for name := range q {
		if slices.Contains(o.Paging.Ignore, name) {
			q.Del(name)
			o.hits.add(ignored)
		}
	}
}
