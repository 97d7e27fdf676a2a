package sources_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// counted is the users paged by position, with a total.
func counted(t testing.TB, by sources.Style) sources.Spec {
	spec := users(t, by)
	spec.Paging.Total = "meta.total"
	return spec
}

// crowd counts how many requests an owner has in hand at one time. Each takes
// a second of the bubble, those in slow longer.
type crowd struct {
	mu          sync.Mutex
	asked, most int
	slow        map[string]time.Duration // by query
}

func (c *crowd) fault(_ int, r *http.Request) *sourcetest.Fault {
	c.mu.Lock()
	c.asked++
	c.most = max(c.most, c.asked)
	c.mu.Unlock()
	q := r.URL.Query()
	time.Sleep(time.Second + c.slow[q.Get("page")+q.Get("offset")])
	c.mu.Lock()
	c.asked--
	c.mu.Unlock()
	return nil
}

// TestPagesAhead: pages that a total announces are fetched several at a time,
// within the owner's bound, and handed on in order.
func TestPagesAhead(t *testing.T) {
	for _, by := range []sources.Style{sources.Page, sources.Offset} {
		synctest.Test(t, func(t *testing.T) {
			o := &sourcetest.Owner{Style: styles[by], PageSize: 3, Paging: sourcetest.Paging{Totals: true}, Order: sourcetest.ByID}
			o.Put("row", sequence(1, 30)...)
			c := &crowd{slow: map[string]time.Duration{"2": 5 * time.Second, "3": 5 * time.Second}}
			o.Fault = c.fault
			started := time.Now()
			batches, end := complete(t, source(t, wide(o), counted(t, by)), resync())
			if diff := cmp.Diff(truth(o), copied(t, batches, nil)); diff != "" || !end.Listed {
				t.Errorf("copy differs (-want +got):\n%s", diff)
			}
			if got := ids(batches); !slices.IsSortedFunc(got, byNumber) {
				t.Errorf("out of order: %v", got)
			}
			if c.most != 4 || len(o.Requests()) != 10 || time.Since(started) > 9*time.Second {
				t.Errorf("by %s: %d at one time, %d requests in %v", by, c.most, len(o.Requests()), time.Since(started))
			}
		})
	}
}

func byNumber(a, b string) int {
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return x - y
}

// Where the guards of a walk could be deceived by pages that come from another
// sequence of instants, or nothing tells how many there are, pages are fetched
// one after the other.
func TestPagesThatAreNotFetchedAhead(t *testing.T) {
	for name, change := range map[string]func(*sources.Spec, *sources.Owner){
		"pages alone":     func(s *sources.Spec, _ *sources.Owner) { s.Paging.Total, s.Paging.Pages = "", "meta.pages" },
		"no total":        func(s *sources.Spec, _ *sources.Owner) { s.Paging.Total = "" },
		"newest first":    func(s *sources.Spec, _ *sources.Owner) { s.Watermark.Order = sources.Descending },
		"ascending":       func(s *sources.Spec, _ *sources.Owner) { s.Watermark.Order = sources.Ascending },
		"one at one time": func(_ *sources.Spec, o *sources.Owner) { o.Concurrency = 1 },
	} {
		synctest.Test(t, func(t *testing.T) {
			o := &sourcetest.Owner{Style: sourcetest.Page, PageSize: 3, Paging: sourcetest.Paging{Totals: true}}
			o.Put("row", sequence(1, 9)...)
			c := &crowd{}
			o.Fault = c.fault
			spec, owner := counted(t, sources.Page), wide(o)
			change(&spec, &owner)
			if name == "newest first" {
				o.Order = sourcetest.ByStampDesc
			}
			if complete(t, source(t, owner, spec), resync()); c.most != 1 {
				t.Errorf("%s: %d at one time", name, c.most)
			}
		})
	}
}

// Whatever is inserted, changed and deleted while pages are fetched ahead, what
// is there all the while is seen, and the copy is right one quiet walk later.
func TestWritesWhilePagesAreAhead(t *testing.T) {
	for _, order := range []sourcetest.Order{sourcetest.ByStamp, sourcetest.ByStampDesc, sourcetest.ByID} {
		for page := 1; page <= 8; page++ {
			for name, write := range map[string]func(o *sourcetest.Owner){
				"insert": func(o *sourcetest.Owner) { o.Put("new", 0, 99) },
				"change": func(o *sourcetest.Owner) { o.Put("changed", int64(page), 20) },
				"delete": func(o *sourcetest.Owner) { o.Delete(int64(page), 20) },
			} {
				synctest.Test(t, func(t *testing.T) {
					o := &sourcetest.Owner{Style: sourcetest.Page, PageSize: 3, Paging: sourcetest.Paging{Totals: true}, Order: order, Tombstones: false}
					for _, id := range sequence(1, 24) {
						o.Put("row", id)
						time.Sleep(time.Second)
					}
					time.Sleep(time.Hour)
					before := truth(o)
					written := false
					var mu sync.Mutex
					// Later pages answer first, so that pages are of the opposite
					// order in time.
					o.Fault = func(_ int, r *http.Request) *sourcetest.Fault {
						n, _ := strconv.Atoi(r.URL.Query().Get("page"))
						time.Sleep(time.Duration(10-n) * time.Second)
						mu.Lock()
						defer mu.Unlock()
						if n == page && !written && n > 1 {
							written = true
							write(o)
							time.Sleep(time.Nanosecond)
						}
						return nil
					}
					spec := counted(t, sources.Page)
					owner := quick(o)
					owner.Concurrency = 8
					batches, end := complete(t, source(t, owner, spec), resync())
					held := copied(t, batches, nil)
					for id, row := range truth(o) {
						if before[id] == row && held[id] != row {
							t.Errorf("%s, %s before page %d: %s is missed", order, name, page, id)
						}
					}
					o.Fault = nil
					time.Sleep(time.Hour)
					batches, _ = complete(t, source(t, owner, spec), changes(end.Watermark))
					held = copied(t, batches, held)
					for id, row := range truth(o) {
						if held[id] != row {
							t.Errorf("%s, %s before page %d: %s is %q, want %q", order, name, page, id, held[id], row)
						}
					}
				})
			}
		}
	}
}

// A page that is shorter than the first one moves what follows it: what was
// fetched for another place is thrown away.
func TestShortPagesAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []string
		handler := func(_ int, w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			q := r.URL.Query()
			asked = append(asked, q.Get("offset"))
			from, _ := strconv.Atoi(q.Get("offset"))
			to := min(from+3, 11)
			if from == 3 {
				to = 5 // a hidden cap
			}
			fmt.Fprint(w, `{"meta":{"total":11},"data":[`)
			for id := from; id < to; id++ {
				if id > from {
					fmt.Fprint(w, ",")
				}
				fmt.Fprintf(w, `{"id":%d,"name":"n","updated_at":"2026-01-01T00:00:00Z"}`, id)
			}
			fmt.Fprint(w, `]}`)
		}
		owner := sources.Owner{Name: "shop", URL: "https://owner.example/v1", Concurrency: 3,
			Transport: sourcetest.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				handler(0, w, r)
			}))}
		batches, _ := complete(t, source(t, owner, counted(t, sources.Offset)), resync())
		if diff := cmp.Diff([]string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}, ids(batches)); diff != "" {
			t.Error(diff)
		}
		if !slices.Contains(asked, "5") || !slices.Contains(asked, "8") {
			t.Errorf("asked for %v", asked)
		}
	})
}

// The failure of a page that is fetched ahead is told when its turn comes, and
// nothing is left running.
func TestPageAheadThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: sourcetest.Page, PageSize: 3, Paging: sourcetest.Paging{Totals: true}, Order: sourcetest.ByID}
		o.Put("row", sequence(1, 30)...)
		o.Fault = func(_ int, r *http.Request) *sourcetest.Fault {
			switch r.URL.Query().Get("page") {
			case "3":
				return &sourcetest.Fault{Status: 400, Body: "{}"}
			case "2", "4", "5":
				return &sourcetest.Fault{Keep: true, Stall: 20 * time.Second}
			}
			return nil
		}
		carrier, inHand := o.Transport(), atomic.Int32{}
		owner := wide(o)
		owner.Transport = carry(func(r *http.Request) (*http.Response, error) {
			inHand.Add(1)
			defer inHand.Add(-1)
			return carrier.RoundTrip(r)
		})
		batches, err := walk(t, source(t, owner, counted(t, sources.Page)), resync())
		if syncer.Classify(err) != syncer.ClassHTTP4xx || len(ids(batches)) != 6 {
			t.Errorf("%d records, %v", len(ids(batches)), err)
		}
		if n := inHand.Load(); n != 0 {
			t.Errorf("%d requests are left running", n)
		}
	})
}

// What is no answer is none on a page that is fetched ahead, either: the walk
// fails there, and is not taken for one that was "not modified".
func TestPageAheadThatIsNoAnswer(t *testing.T) {
	for name, fault := range map[string]*sourcetest.Fault{
		"HTML":                     sourcetest.HTML("text/html"),
		"HTML that is called JSON": sourcetest.HTML("application/json"),
		"a 304 nobody asked for":   sourcetest.Status(http.StatusNotModified),
	} {
		for _, w := range []syncer.Walk{snapshot(), resync(), changes("2020-01-01T00:00:00Z")} {
			o := &sourcetest.Owner{Style: sourcetest.Page, PageSize: 3, Paging: sourcetest.Paging{Totals: true}, Order: sourcetest.ByID}
			o.Put("row", sequence(1, 30)...)
			o.Fault = func(_ int, r *http.Request) *sourcetest.Fault {
				if r.URL.Query().Get("page") == "3" {
					return fault
				}
				return nil
			}
			spec := counted(t, sources.Page)
			if w.Kind == syncer.Snapshot {
				spec.Mode = sources.SnapshotAll
			}
			batches, err := walk(t, source(t, wide(o), spec), w)
			if syncer.Classify(err) != syncer.ClassAnswer || len(ids(batches)) != 6 {
				t.Errorf("%s in a %s: %d records, %v", name, w.Kind, len(ids(batches)), err)
			}
		}
	}
}

// Pages ahead share the room of one body: as many are fetched at one time as
// fit, and those that turn out larger than their share are asked for alone.
func TestPagesAheadShareTheRoomOfOneBody(t *testing.T) {
	const room = 64 << 10
	for name, c := range map[string]struct {
		first, later int // bytes of a page, about
		most, asked  int
		field        string
	}{
		"small pages":           {first: 100, later: 100, most: 4, asked: 10, field: "name"},
		"a quarter of the room": {first: room / 5, later: room / 5, most: 2, asked: 10, field: "name"},
		"most of the room":      {first: room * 3 / 4, later: room * 3 / 4, most: 1, asked: 10, field: "name"},
		"larger than the first": {first: 100, later: room * 3 / 4, most: 4, asked: 14, field: "name"},
		"of what is not kept":   {first: 100, later: room * 3 / 4, most: 4, asked: 14, field: "bio"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			asked, inHand, most, alone := 0, 0, 0, 0
			owner := sources.Owner{Name: "shop", URL: "https://owner.example/v1", Concurrency: 4, MaxBody: room}
			owner.Transport = sourcetest.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				asked++
				inHand++
				most = max(most, inHand)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				defer mu.Unlock()
				if inHand == 1 {
					alone++
				}
				inHand--
				size := c.later
				page := r.URL.Query().Get("page")
				if page == "1" {
					size = c.first
				}
				w.Header().Set("Content-Type", "application/json")
				fmt.Fprintf(w, `{"data":[{"id":%s,%q:%q,"updated_at":"2026-01-01T00:00:00Z"}],"meta":{"total":10}}`, page, c.field, strings.Repeat("n", size))
			}))
			batches, _ := complete(t, source(t, owner, counted(t, sources.Page)), resync())
			if got := ids(batches); len(got) != 10 || !slices.IsSortedFunc(got, byNumber) {
				t.Errorf("%s: records %v", name, got)
			}
			if most != c.most || asked > c.asked {
				t.Errorf("%s: %d at one time, want %d; %d requests, at most %d", name, most, c.most, asked, c.asked)
			}
			if c.later > c.first && alone < 10-1 {
				t.Errorf("%s: %d were asked for alone", name, alone)
			}
		})
	}
}

type carry func(*http.Request) (*http.Response, error)

func (c carry) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// A pass that has to be walked again is walked page by page, so that a feed
// that grows while it is read comes to an end.
func TestWalkingAgainFetchesNothingAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: sourcetest.Page, PageSize: 3, Paging: sourcetest.Paging{Totals: true}, Order: sourcetest.ByID}
		o.Put("row", sequence(1, 30)...)
		c := &crowd{}
		o.Fault = c.fault
		o.Between = func(n int) {
			if n == 4 {
				o.Delete(1)
			}
			if n == 12 { // of the second pass
				c.mu.Lock()
				c.most = 0
				c.mu.Unlock()
			}
		}
		complete(t, source(t, wide(o), counted(t, sources.Page)), resync())
		if n := len(o.Requests()); n < 20 || c.most != 1 {
			t.Errorf("%d requests, %d at one time in the second pass", n, c.most)
		}
	})
}
