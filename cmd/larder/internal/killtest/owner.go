// Package killtest kills larder at a chosen instruction and judges what is left: it has an owner that remembers every commit, a proxy and a tracer that count, and a judge.
// It is for tests. It listens on loopback, starts the programs it is given and
// reads consumers' databases by the plain drivers.
package killtest

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Overlap is how late a commit of the Owner may become visible, and what a
// source over it has to ask again.
const Overlap = 30 * time.Second

// Row is a record as its owner holds it and as a consumer's table should.
type Row struct {
	ID     int64
	Name   string
	Amount string
	// Stamp is the owner's updated_at.
	Stamp time.Time
}

// version is one state of a record.
type version struct {
	Row
	gone bool
	// silent says that no list tells that it is gone.
	silent bool
	// committed is when it became visible, on this machine's clock.
	committed time.Time
}

// Owner is a service with a changed-since feed of users over HTTP: ordered by
// (updated_at, id), with opaque tokens and tombstones. It remembers every
// version of every record and every page it served. It is safe for concurrent
// use.
//
// Its own clock has nothing to do with this machine's: it moves by commits
// alone, so that the overlap of a poll covers late commits and no more.
type Owner struct {
	server *httptest.Server
	shape  Shape

	mu       sync.Mutex
	random   *rand.Rand
	clock    time.Time
	versions map[int64][]version // oldest first
	pages    map[string][]page   // by the place behind it: a token, or a keyset
	walks    int
	requests int
	pageSize int
	delay    time.Duration
	onPage   func(page int)
	down     bool
}

// NewOwner starts an owner of so many records, with a feed of Tokens. The test
// stops it.
func NewOwner(tb testing.TB, records int) *Owner { return NewShapedOwner(tb, Tokens(), records) }

// NewShapedOwner is NewOwner with another feed.
func NewShapedOwner(tb testing.TB, shape Shape, records int) *Owner {
	o := &Owner{
		shape: shape, random: rand.New(rand.NewPCG(1, 2)), clock: time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC),
		versions: make(map[int64][]version), pages: make(map[string][]page), pageSize: 25,
	}
	for range records {
		o.commit(o.next(), false, false)
	}
	o.server = httptest.NewServer(o)
	tb.Cleanup(func() { o.server.CloseClientConnections(); o.server.Close() })
	return o
}

// URL is where the owner listens.
func (o *Owner) URL() string { return o.server.URL }

// Pages sets how many records a page has and how long the owner takes for one.
func (o *Owner) Pages(size int, delay time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pageSize, o.delay = size, delay
}

// Down makes the owner answer with 503, or as ever again.
func (o *Owner) Down(down bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = down
}

// OnPage has do called after each page is read, which 1 is the first of its
// walk. The answer waits for do, and is old news by then. Nil stops that.
func (o *Owner) OnPage(do func(page int)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.onPage = do
}

// Requests is how many pages were asked for so far.
func (o *Owner) Requests() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.requests
}

// Mutate commits n changes after a minute in which nothing happened: updates,
// inserts and deletes, every fourth of them late by most of the Overlap.
func (o *Owner) Mutate(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clock = o.clock.Add(time.Minute)
	for i := range n {
		late := i%4 == 3
		switch {
		case i%6 == 3:
			o.commit(o.next(), late, false)
		case i%6 == 5:
			o.commit(o.old(), false, true)
		default:
			o.commit(o.old(), late, false)
		}
	}
}

// Touch commits n updates: what happens to a feed while it is walked.
func (o *Owner) Touch(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for range n {
		o.commit(o.old(), false, false)
	}
}

// Vanish takes n records away without a word, which no feed of changes may do:
// only a list of everything tells.
func (o *Owner) Vanish(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for range n {
		id := o.old()
		o.commit(id, false, true)
		past := o.versions[id]
		past[len(past)-1].silent = true
	}
}

// commit makes a version of a record visible. A late one bears a stamp from
// before the latest commits, though never one from before its record's last.
func (o *Owner) commit(id int64, late, gone bool) {
	o.clock = o.clock.Add(time.Second)
	stamp := o.clock
	if late {
		stamp = stamp.Add(-o.shape.Overlap * 3 / 4)
		if past := o.versions[id]; len(past) > 0 && !past[len(past)-1].Stamp.Before(stamp) {
			stamp = o.clock
		}
	}
	n := o.random.IntN(1_000_000)
	row := Row{ID: id, Name: fmt.Sprintf("user %d the %dth", id, n), Amount: fmt.Sprintf("%d.%d", n, 1+n%9), Stamp: stamp}
	o.versions[id] = append(o.versions[id], version{Row: row, gone: gone, silent: gone && o.shape.Silent, committed: time.Now()})
}

// next is an id that was never used.
func (o *Owner) next() int64 { return int64(len(o.versions)) + 1 }

// old is the id of a record that was used; it may be deleted, and then comes
// back by the next commit.
func (o *Owner) old() int64 { return o.random.Int64N(int64(len(o.versions))) + 1 }

// Truth is what the owner holds, by id.
func (o *Owner) Truth() []Row {
	o.mu.Lock()
	defer o.mu.Unlock()
	var rows []Row
	for _, past := range o.versions {
		if last := past[len(past)-1]; !last.gone {
			rows = append(rows, last.Row)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return int(a.ID - b.ID) })
	return rows
}
