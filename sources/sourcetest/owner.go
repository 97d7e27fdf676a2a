// Package sourcetest is a hostile owning service for tests: it has a commit
// log in which a change's stamp, commit and visibility are three instants, it
// pages in every style, and it misbehaves on demand. It touches memory only.
package sourcetest

import (
	"cmp"
	"compress/gzip"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Owner is the service. The zero value lists records of no log ten a page. Its
// fields are knobs, grouped by theme; set them before it serves, or in Between.
// Its methods are safe for concurrent use.
type Owner struct {
	Style    Style
	Order    Order
	PageSize int // the most records of a page, whatever is asked; 0: 10
	// Tombstones keeps deleted records in the list, with deleted_at set.
	Tombstones bool
	// Withhold are ids that the asker may not see: their records are in no list.
	Withhold []int64

	Wire     Wire
	Paging   Paging
	Sequence Sequence
	Clock    Clock
	Cache    Cache
	Quota    Quota
	Memory   Memory

	// Between is called before the n-th request, from 1, is answered.
	Between func(n int)
	// Fault makes the n-th request fail; nil: it does not.
	Fault func(n int, r *http.Request) *Fault

	mu       sync.Mutex
	requests []Request
	history  history
	quota    spent
	hits     counts
	packer   *gzip.Writer
}

// Change is one entry of the commit log. A record is what Part and ID name.
type Change struct {
	ID int64
	// Part is the partition, which ?part= asks for; "": the record is of none.
	Part string
	// Name goes out as it is, but for what JSON must escape: invalid UTF-8 stays
	// invalid.
	Name string
	// Stamp is what updated_at says, Commit when the change was made, Visible
	// when reads show it.
	Stamp, Commit, Visible time.Time
	Gone                   bool
	// NoStamp writes null for the stamp. No ?since= ever asks for such a record.
	NoStamp bool
	// Misfit is JSON text that stands where the name should; "": the name does.
	Misfit string
	// Extra is further members of the record as JSON text: "age":1e400.
	Extra string
}

// Row is a record as the owner writes it.
type Row struct {
	ID        int64   `json:"id"`
	Part      string  `json:"part,omitempty"`
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

// Now is the owner's clock.
func (o *Owner) Now() time.Time { return time.Now().Add(o.Clock.Skew) }

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
// counts, whatever its stamp. Its times may lie ahead.
func (o *Owner) Commit(changes ...Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range changes {
		o.history.add(c)
	}
}

// Restore brings back the backup of an instant: what was committed later is
// gone, and its numbers are given out again.
func (o *Owner) Restore(at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.history.restore(at)
	o.hits.add(restored)
}

// Expire makes the owner refuse every token and cursor that it has handed out.
func (o *Owner) Expire() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.history.issue++
}

// Truth is the live rows, by id: every change counts that is committed,
// whether reads show it or not.
func (o *Owner) Truth() []Row {
	now := o.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	var rows []Row
	for _, c := range o.history.newest(func(e *entry) bool { return !e.Commit.After(now) }) {
		if !c.Gone {
			rows = append(rows, o.row(c.Change))
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Part, b.Part)) })
	return rows
}

func (o *Owner) row(c Change) Row {
	r := Row{ID: c.ID, Part: c.Part, Name: c.Name}
	if !c.NoStamp {
		r.UpdatedAt = o.Wire.text(c.Stamp)
	}
	if c.Gone {
		at := o.Wire.text(c.Stamp)
		r.DeletedAt = &at
	}
	return r
}

// Forget drops what Requests tells, for an owner that serves for long: the next
// request is the first one.
func (o *Owner) Forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = nil
}

// Requests is what the owner was asked so far.
func (o *Owner) Requests() []Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.requests)
}
