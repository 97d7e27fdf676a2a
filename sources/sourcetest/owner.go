// Package sourcetest is a hostile owning service for tests: it has a commit
// log in which a change's stamp, commit and visibility are three instants, it
// pages in every style, and it misbehaves on demand. It touches memory only.
package sourcetest

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Style is how the owner pages.
type Style string

// The styles. Every one filters by ?since= (inclusive) and ?until= (exclusive)
// and takes ?size=.
const (
	Whole   Style = "whole"  // one array, no paging
	Cursor  Style = "cursor" // meta.next_cursor, sent back as ?cursor=
	NextURL Style = "next"   // links.next, a relative URL
	Link    Style = "link"   // Link header with page numbers
	Page    Style = "page"   // ?page= from 1
	Offset  Style = "offset" // ?offset=
	Keyset  Style = "keyset" // ?after_stamp= and ?after_id=, or ?after_id= alone
	Lines   Style = "ndjson" // one record a line
)

// Order is the order of the records.
type Order string

// The orders. ByStamp is the default; ties go by id.
const (
	ByStamp     Order = "stamp"
	ByStampDesc Order = "stamp desc"
	ByID        Order = "id"
)

// Change is one entry of the commit log.
type Change struct {
	ID   int64
	Name string
	// Stamp is what updated_at says, Commit when the change was made, Visible
	// when reads show it.
	Stamp, Commit, Visible time.Time
	Gone                   bool
}

// Row is a record as the owner writes it.
type Row struct {
	ID        int64   `json:"id"`
	Name      string  `json:"name"`
	UpdatedAt string  `json:"updated_at"`
	DeletedAt *string `json:"deleted_at"`
}

// Request is what the owner was asked.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte
}

// Owner is the service. Its fields are knobs; set them before it serves, or in
// Between. Its methods are safe for concurrent use.
type Owner struct {
	Style    Style
	Order    Order
	PageSize int // the most records of a page; 0: 10
	// Tombstones keeps deleted records in the list, with deleted_at set.
	Tombstones bool
	// Totals adds meta.total and meta.pages, and meta.more to pages.
	Totals bool
	ETags  bool
	// Skew is how far the owner's clock is ahead.
	Skew   time.Duration
	NoDate bool
	// Layout is how stamps are written; "": RFC 3339 with microseconds.
	Layout string
	// Between is called before the n-th request, from 1, is answered.
	Between func(n int)
	// Fault makes the n-th request fail; nil: it does not.
	Fault func(n int, r *http.Request) *Fault

	mu       sync.Mutex
	log      []Change
	requests []Request
}

// Now is the owner's clock.
func (o *Owner) Now() time.Time { return time.Now().Add(o.Skew) }

// Put writes records, stamped, committed and visible at once.
func (o *Owner) Put(name string, ids ...int64) {
	now := o.Now()
	for _, id := range ids {
		o.Commit(Change{ID: id, Name: name, Stamp: now, Commit: now, Visible: now})
	}
}

// Delete deletes records the same way.
func (o *Owner) Delete(ids ...int64) {
	now := o.Now()
	for _, id := range ids {
		o.Commit(Change{ID: id, Stamp: now, Commit: now, Visible: now, Gone: true})
	}
}

// Commit appends to the log. The last change of a record is the one that
// counts, whatever its stamp.
func (o *Owner) Commit(c Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.log = append(o.log, c)
}

// Truth is the live rows, by id: every change counts that is committed,
// whether reads show it or not.
func (o *Owner) Truth() []Row {
	now := o.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	var rows []Row
	for _, c := range o.newest(func(c Change) bool { return !c.Commit.After(now) }) {
		if !c.Gone {
			rows = append(rows, o.row(c))
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	return rows
}

// Requests is what the owner was asked so far.
func (o *Owner) Requests() []Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.requests)
}

// newest is the last change of each record among those that count.
func (o *Owner) newest(counts func(Change) bool) map[int64]Change {
	last := map[int64]Change{}
	for _, c := range o.log {
		if counts(c) {
			last[c.ID] = c
		}
	}
	return last
}

// visible is what a read sees at this moment, in the owner's order.
func (o *Owner) visible(since time.Time) []Change {
	now := o.Now()
	var list []Change
	for _, c := range o.newest(func(c Change) bool { return !c.Visible.After(now) }) {
		if (!c.Gone || o.Tombstones) && !o.shown(c.Stamp).Before(since) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, o.compare)
	return list
}

func (o *Owner) compare(a, b Change) int {
	byStamp := cmp.Or(o.shown(a.Stamp).Compare(o.shown(b.Stamp)), cmp.Compare(a.ID, b.ID))
	switch o.Order {
	case ByID:
		return cmp.Compare(a.ID, b.ID)
	case ByStampDesc:
		return -byStamp
	}
	return byStamp
}

// layout is how stamps are written.
func (o *Owner) layout() string { return cmp.Or(o.Layout, "2006-01-02T15:04:05.000000Z07:00") }

// shown is a stamp cut down to what the owner writes of it.
func (o *Owner) shown(t time.Time) time.Time {
	cut, err := time.Parse(o.layout(), t.UTC().Format(o.layout()))
	if err != nil {
		return t
	}
	return cut
}

func (o *Owner) row(c Change) Row {
	stamp := c.Stamp.UTC().Format(o.layout())
	r := Row{ID: c.ID, Name: c.Name, UpdatedAt: stamp}
	if c.Gone {
		r.DeletedAt = &stamp
	}
	return r
}
