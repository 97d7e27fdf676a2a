package owners_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// small is a game whose feeds are short enough to be walked often.
func small() owners.Options {
	o := still()
	o.Users, o.Drivers, o.Passengers, o.Products = 23, 11, 31, 17
	return o
}

func TestWalkEqualsTruth(t *testing.T) {
	f := run(t, still())
	f.Change(300)
	for _, feed := range feeds() {
		t.Run(feed.name, func(t *testing.T) {
			s, c := f.Service(feed.name), newCache(feed)
			pages, seen := c.poll(t, s, 100, nothing)
			if diff := cmp.Diff(byKey(t, s.Truth(), feed.key), c.live()); diff != "" {
				t.Errorf("copy differs from truth (-truth +copy):\n%s", diff)
			}
			if seen != len(c.items) {
				t.Errorf("a still feed showed %d items of %d records", seen, len(c.items))
			}
			if seen == len(c.live()) {
				t.Error("no tombstone is in the feed")
			}
			if pages < 2 {
				t.Errorf("the feed fits %d page", pages)
			}
		})
	}
	if diff := cmp.Diff(byKey(t, f.Service(owners.Weather).Truth(), "city", "time"), weather(t, f.Service(owners.Weather))); diff != "" {
		t.Errorf("forecasts differ from truth (-truth +copy):\n%s", diff)
	}
}

func TestEveryLimitGivesTheSame(t *testing.T) {
	f := run(t, small())
	f.Change(20)
	for _, feed := range feeds() {
		t.Run(feed.name, func(t *testing.T) {
			s := f.Service(feed.name)
			truth := byKey(t, s.Truth(), feed.key)
			records := len(truth)
			for limit := 1; limit <= records+1; limit++ {
				c := newCache(feed)
				pages, seen := c.poll(t, s, limit, nothing)
				if diff := cmp.Diff(truth, c.live()); diff != "" {
					t.Fatalf("limit %d: copy differs from truth (-truth +copy):\n%s", limit, diff)
				}
				records = len(c.items)
				if want := (records + limit - 1) / limit; pages != want || seen != records {
					t.Fatalf("limit %d: %d pages with %d items, want %d with %d", limit, pages, seen, want, records)
				}
			}
		})
	}
}

// Changes fall between the pages of every walk. A walk must meet every record
// as it was when the walk began, or newer. Newest first, it may miss those that
// changed meanwhile; but no walk misses anything in the end.
func TestWalksUnderChangeLoseNothing(t *testing.T) {
	f := run(t, small())
	for _, feed := range feeds() {
		t.Run(feed.name, func(t *testing.T) {
			s, c := f.Service(feed.name), newCache(feed)
			for round := range 12 {
				s.Change(round)
				before := byKey(t, s.Truth(), feed.key)
				c.poll(t, s, 5, func() { s.Change(2) })
				after := byKey(t, s.Truth(), feed.key)
				for key, row := range before {
					if copied, ok := c.items[key]; ok && micros(copied.stamp) >= row[stampColumn(feed.name)] {
						continue
					}
					if !newestFirst(feed.name) || cmp.Equal(row, after[key]) {
						t.Fatalf("round %d: the walk missed %v", round, row)
					}
				}
			}
			c.poll(t, s, 5, nothing)
			if diff := cmp.Diff(byKey(t, s.Truth(), feed.key), c.live()); diff != "" {
				t.Errorf("copy differs from truth (-truth +copy):\n%s", diff)
			}
		})
	}
}

func newestFirst(name string) bool { return name == owners.Drivers || name == owners.Passengers }

func stampColumn(name string) string {
	return map[string]string{
		owners.Users: "updated_at", owners.Drivers: "updated_at",
		owners.Passengers: "updated", owners.Products: "modified",
	}[name]
}

// The fleet changes by itself, as fast as it can, until it is frozen.
func TestRunChangesUntilFrozen(t *testing.T) {
	o := small()
	o.Every, o.WeatherEvery = 100*time.Microsecond, 100*time.Microsecond
	f := run(t, o)
	caches := map[string]*cache{}
	for _, feed := range feeds() {
		caches[feed.name] = newCache(feed)
	}
	deadline := time.Now().Add(10 * time.Second)
	for _, s := range f.Services() {
		first := s.Truth()
		for moved := false; !moved; moved = !cmp.Equal(first, s.Truth()) {
			if time.Now().After(deadline) {
				t.Fatalf("%s does not change", s.Name())
			}
			if c := caches[s.Name()]; c != nil {
				c.poll(t, s, 50, nothing)
			} else {
				weather(t, s)
			}
		}
	}
	f.Freeze()
	for _, feed := range feeds() {
		s, c := f.Service(feed.name), caches[feed.name]
		c.poll(t, s, 50, nothing)
		if diff := cmp.Diff(byKey(t, s.Truth(), feed.key), c.live()); diff != "" {
			t.Errorf("%s differs from truth (-truth +copy):\n%s", feed.name, diff)
		}
	}
	s := f.Service(owners.Weather)
	if diff := cmp.Diff(byKey(t, s.Truth(), "city", "time"), weather(t, s)); diff != "" {
		t.Errorf("forecasts differ from truth (-truth +copy):\n%s", diff)
	}
}

func TestSinceIsInclusive(t *testing.T) {
	f := run(t, small())
	f.Change(10)
	for _, feed := range feeds() {
		t.Run(feed.name, func(t *testing.T) {
			s, c := f.Service(feed.name), newCache(feed)
			c.poll(t, s, 100, nothing)
			stamps := slices.SortedFunc(maps.Values(c.items), func(a, b item) int { return a.stamp.Compare(b.stamp) })
			for i, it := range stamps {
				again := newCache(feed)
				again.newest = it.stamp
				if _, seen := again.poll(t, s, 100, nothing); seen != len(stamps)-i {
					t.Fatalf("since the stamp of item %d of %d the feed shows %d", i, len(stamps), seen)
				}
			}
		})
	}
}

func TestOrder(t *testing.T) {
	f := run(t, small())
	f.Change(10)
	for _, feed := range feeds() {
		_, body := get(t, f.Service(feed.name), feed.first(time.Time{}, 100))
		items, _ := feed.page(t, "", &http.Response{}, body)
		if newestFirst(feed.name) {
			slices.Reverse(items)
		}
		for i := 1; i < len(items); i++ {
			if !items[i].stamp.After(items[i-1].stamp) {
				t.Fatalf("%s: stamp %s does not rise above %s", feed.name, items[i].stamp, items[i-1].stamp)
			}
		}
	}
}

func TestForecastIsSentOnce(t *testing.T) {
	f := run(t, still())
	s := f.Service(owners.Weather)
	var tags []string
	for _, city := range owners.Cities() {
		resp, _ := get(t, s, forecastOf(city))
		tags = append(tags, resp.Header.Get("ETag"))
	}
	ask := func() (unchanged int) {
		for i, city := range owners.Cities() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+forecastOf(city), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("If-None-Match", tags[i])
			resp, body := send(t, req)
			switch {
			case resp.StatusCode == http.StatusNotModified && len(body) == 0:
				unchanged++
			case resp.StatusCode != http.StatusOK || resp.Header.Get("ETag") == tags[i]:
				t.Fatalf("%s: %s with ETag %s", city.Name, resp.Status, resp.Header.Get("ETag"))
			}
		}
		return unchanged
	}
	if got := ask(); got != len(tags) {
		t.Errorf("%d of %d unchanged forecasts are answered with 304", got, len(tags))
	}
	s.Change(1)
	if got := ask(); got != len(tags)-1 {
		t.Errorf("after one revision %d of %d forecasts are answered with 304", got, len(tags))
	}
}
