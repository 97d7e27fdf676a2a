package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/larder-sync/larder/sources/sourcetest"
)

// fleet are the owners of a soak and who is told, behind one RoundTripper.
type fleet struct {
	feeds  []*soakFeed
	byName map[string]*soakFeed
	// over carries what the fleet carries; a test's own leak stands there.
	over func()

	mu     sync.Mutex
	random *rand.Rand
	quiet  bool
	down   map[string]time.Time // until when, by host
	polls  int
	faults map[string]int
	told   int
}

// soakFeed is one source with its owner's log.
type soakFeed struct {
	name, host string
	kind       soakKind
	consumers  []string
	owner      *sourcetest.Owner
	log        []sourcetest.Change
}

// soakKind is how a source is asked.
type soakKind struct {
	name   string
	style  sourcetest.Style
	order  sourcetest.Order
	source string
	// silent says that deletions leave the list without a word.
	silent, parts bool
	lag           time.Duration
}

const (
	soakTold    = "records = { at = \"data\", key = \"id\", deleted = \"deleted_at\" }\n"
	soakSilent  = "records = { at = \"data\", key = \"id\" }\n"
	soakStamped = "watermark = { from = \"updated_at\", overlap = \"40s\" }\n"
)

func soakKinds() []soakKind {
	return []soakKind{
		{name: "token", style: sourcetest.Cursor, lag: 10 * time.Second, source: soakTold + soakStamped + `lag = "10s"
request = { path = "/%s", query = { since = "{since}", cursor = "{cursor}" } }
paging = { next = "meta.next_cursor" }`},
		{name: "keyset", style: sourcetest.Keyset, source: soakTold + soakStamped + `
request = { path = "/%s", query = { since = "{since}", after_stamp = "{last.updated_at}", after_id = "{last.id}" } }
paging = { by = "keyset" }`},
		{name: "snapshot", style: sourcetest.Cursor, silent: true, source: soakSilent + `mode = "snapshot"
request = { path = "/%s", query = { cursor = "{cursor}" } }
paging = { next = "meta.next_cursor" }`},
		{name: "numbered", style: sourcetest.Page, order: sourcetest.ByID, source: soakTold + soakStamped + `
request = { path = "/%s", query = { since = "{since}", page = "{page}" } }
paging = { by = "page" }`},
		{name: "whole", style: sourcetest.Whole, source: soakTold + soakStamped + `
request = { path = "/%s", query = { since = "{since}" } }`},
		{name: "partitions", style: sourcetest.Cursor, parts: true, source: soakTold + soakStamped + `
each = { values = [ { name = "a" }, { name = "b" } ] }
request = { path = "/%s", query = { part = "{each.name}", since = "{since}", cursor = "{cursor}" } }
paging = { next = "meta.next_cursor" }`},
		{name: "audited", style: sourcetest.Cursor, silent: true, source: soakSilent + soakStamped + `audit = { schedule = "@every 5m", repair = true }
request = { path = "/%s", query = { since = "{since}", cursor = "{cursor}" } }
paging = { next = "meta.next_cursor" }`},
	}
}

// newFleet makes owners with all that they will commit until the soak ends, so
// that their memory does not grow.
func newFleet(sources, owners int, lasts time.Duration, seed uint64) *fleet {
	f := &fleet{byName: make(map[string]*soakFeed), random: rand.New(rand.NewPCG(seed, 1)),
		down: make(map[string]time.Time), faults: make(map[string]int)}
	kinds := soakKinds()
	for i := range sources {
		feed := &soakFeed{name: fmt.Sprintf("s%03d", i), host: fmt.Sprintf("owner%02d.example", i%owners), kind: kinds[i%len(kinds)]}
		feed.owner = &sourcetest.Owner{Style: feed.kind.style, Order: feed.kind.order, PageSize: 10, Tombstones: !feed.kind.silent,
			Fault: func(int, *http.Request) *sourcetest.Fault { return f.fault() }}
		feed.owner.Cache.ETags = feed.kind.name == "whole"
		feed.commit(f.random, lasts)
		f.feeds, f.byName[feed.name] = append(f.feeds, feed), feed
	}
	return f
}

// commit writes the log: 25 records, then a change about every 40 s. A change is
// stamped before it is committed, and may be shown after that where there is a
// lag.
func (s *soakFeed) commit(r *rand.Rand, lasts time.Duration) {
	start := time.Now()
	last := make(map[int64]time.Time)
	draw := func(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
	add := func(id int64, commit time.Time, gone bool) {
		c := sourcetest.Change{ID: id, Name: fmt.Sprintf("version %d", len(s.log)), Commit: commit, Visible: commit, Gone: gone}
		c.Stamp = commit.Add(-draw(20 * time.Second)).Truncate(time.Microsecond)
		if s.kind.lag > 0 {
			c.Visible = commit.Add(draw(s.kind.lag - time.Second))
		}
		if s.kind.parts {
			c.Part = string("ab"[id%2])
		}
		if !c.Stamp.After(last[id]) { // a record's stamps only go on
			c.Stamp = last[id].Add(time.Millisecond)
		}
		last[id] = c.Stamp
		s.log = append(s.log, c)
	}
	for id := range int64(25) {
		add(id+1, start.Add(-time.Hour), false)
	}
	for at := start.Add(draw(40 * time.Second)); at.Before(start.Add(lasts)); at = at.Add(10*time.Second + draw(time.Minute)) {
		switch id := r.Int64N(int64(len(last))) + 1; r.IntN(8) {
		case 0:
			add(int64(len(last))+1, at, false)
		case 1:
			add(id, at, true)
		default:
			add(id, at, false)
		}
	}
	s.owner.Commit(s.log...)
}

// RoundTrip implements http.RoundTripper.
func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.polls++
	down := !f.quiet && time.Now().Before(f.down[r.URL.Hostname()])
	over := f.over
	f.mu.Unlock()
	if over != nil {
		over()
	}
	if down {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return &http.Response{Status: "503 down", StatusCode: http.StatusServiceUnavailable, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	feed := f.byName[strings.TrimPrefix(r.URL.Path, "/")]
	if feed == nil || feed.host != r.URL.Hostname() {
		return sourcetest.Transport(http.HandlerFunc(f.receive)).RoundTrip(r)
	}
	return feed.owner.Transport().RoundTrip(r)
}

// receive takes messages and heartbeats, but for some.
func (f *fleet) receive(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.quiet && f.random.IntN(5) == 0 {
		f.faults["receiver refuses"]++
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	f.told++
	w.WriteHeader(http.StatusNoContent)
}

// fault draws what becomes of a request; most are answered. No fault says that
// all is well: a feed that does is another owner's.
func (f *fleet) fault() *sourcetest.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.quiet || f.random.IntN(100) >= 12 {
		return nil
	}
	faults := []func() *sourcetest.Fault{
		func() *sourcetest.Fault { return sourcetest.Status(500) },
		func() *sourcetest.Fault { return sourcetest.Status(404) },
		func() *sourcetest.Fault { return sourcetest.RetryAfter(429, "7") },
		func() *sourcetest.Fault { return sourcetest.RetryAfter(503, "150") },
		func() *sourcetest.Fault { return sourcetest.CutAt(f.random.IntN(200)) },
		sourcetest.Drop,
		func() *sourcetest.Fault { return sourcetest.Stall(time.Duration(1+f.random.IntN(50)) * time.Second) },
		func() *sourcetest.Fault {
			return &sourcetest.Fault{Knob: "login page", Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>log in</html>"}
		},
		func() *sourcetest.Fault {
			return &sourcetest.Fault{Knob: "error body", Body: `{"error":{"code":"internal"}}`}
		},
	}
	chosen := faults[f.random.IntN(len(faults))]()
	f.faults[chosen.Knob]++
	return chosen
}

// calm ends all faults, or lets them go on.
func (f *fleet) calm(quiet bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.quiet = quiet
}

// forget drops what the owners remember of their requests.
func (f *fleet) forget() {
	for _, s := range f.feeds {
		s.owner.Forget()
	}
}

// note counts a fault that is none of an owner's.
func (f *fleet) note(fault string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults[fault]++
}

// draw is a number below n.
func (f *fleet) draw(n int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.random.IntN(n)
}
