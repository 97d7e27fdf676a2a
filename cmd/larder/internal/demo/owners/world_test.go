package owners

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDecimal(t *testing.T) {
	for _, tt := range []struct {
		n               int64
		places          int
		exact, shortest string
	}{
		{1990, 2, "19.90", "19.9"}, {5, 2, "0.05", "0.05"}, {0, 2, "0.00", "0"}, {-25, 2, "-0.25", "-0.25"},
		{-500, 2, "-5.00", "-5"}, {10, 1, "1.0", "1"}, {1000, 1, "100.0", "100"},
	} {
		if got := decimal(tt.n, tt.places); got != tt.exact {
			t.Errorf("decimal(%d, %d) = %s, want %s", tt.n, tt.places, got, tt.exact)
		}
		if got := shortest(tt.n, tt.places); got != tt.shortest {
			t.Errorf("shortest(%d, %d) = %s, want %s", tt.n, tt.places, got, tt.shortest)
		}
	}
}

// numbers is a table of the plainest record: how often it was altered.
func numbers(size int, seed uint64) *table[int] {
	return newTable(kind[int]{
		tick:  time.Millisecond,
		size:  size,
		make:  func(*rand.Rand, int64) int { return 0 },
		alter: func(_ *rand.Rand, _ int64, n int) int { return n + 1 },
		columns: func(r row[int]) Row {
			return Row{"id": integer(r.id), "n": integer(int64(r.record)), "at": instant(r.stamp)}
		},
	}, rand.New(rand.NewPCG(seed, 0)))
}

// Whatever happens to a table: stamps rise strictly, tombstones stay as they
// are, the size keeps its bounds, and every way of paging shows the same.
func TestTableKeepsItsContract(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 12).Draw(t, "size")
		table := numbers(size, rapid.Uint64().Draw(t, "seed"))
		dead := map[int64]row[int]{}
		for range rapid.IntRange(0, 30).Draw(t, "rounds") {
			table.change(rapid.IntRange(0, 6).Draw(t, "changes"))
			all, more := table.oldest(mark{}, 1_000_000)
			if more {
				t.Fatal("more follow a page that holds all")
			}
			seen, live := map[int64]row[int]{}, 0
			for i, r := range all {
				if i > 0 && !r.stamp.After(all[i-1].stamp) {
					t.Fatalf("stamp %s does not rise above %s", r.stamp, all[i-1].stamp)
				}
				seen[r.id] = r
				if r.gone {
					continue
				}
				live++
			}
			if len(seen) != len(all) {
				t.Fatalf("%d rows have %d ids", len(all), len(seen))
			}
			for id, was := range dead {
				if seen[id] != was {
					t.Fatalf("tombstone %v became %v", was, seen[id])
				}
			}
			for id, r := range seen {
				if r.gone {
					dead[id] = r
				}
			}
			if live != len(table.truth()) || live < max(1, size/2) || live > 2*size {
				t.Fatalf("%d live rows of %d first ones, truth has %d", live, size, len(table.truth()))
			}
		}
		comparePaging(t, table, rapid.IntRange(1, 9).Draw(t, "limit"))
	})
}

func comparePaging(t *rapid.T, table *table[int], limit int) {
	all, _ := table.oldest(mark{}, 1_000_000)
	from := all[rapid.IntRange(0, len(all)-1).Draw(t, "from")]
	var want, up, down []int64
	for _, r := range all {
		if !r.stamp.Before(from.stamp) {
			want = append(want, r.id)
		}
	}
	for at, more := (mark{stamp: from.stamp}), true; more; {
		var page []row[int]
		page, more = table.oldest(at, limit)
		for _, r := range page {
			up = append(up, r.id)
		}
		if back, ok := parseMark(behind(page).token()); !ok || back != behind(page) {
			t.Fatalf("the cursor of %v reads as %v", behind(page), back)
		}
		at = behind(page)
	}
	for total := 1; len(down) < total; {
		var page []row[int]
		page, total = table.newest(from.stamp, len(down), limit)
		for _, r := range page {
			down = append(down, r.id)
		}
		if len(page) == 0 {
			t.Fatalf("an empty page after %d of %d", len(down), total)
		}
	}
	slices.Reverse(down)
	if diff := cmp.Diff(want, up); diff != "" {
		t.Fatalf("oldest first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, down); diff != "" {
		t.Fatalf("newest first, reversed (-want +got):\n%s", diff)
	}
}

// Commits within one instant get stamps of their own, and the clock takes
// the lead again once it is past them.
func TestStampsInOneInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := numbers(3, 1)
		now := time.Now().UTC()
		table.change(5)
		if want := now.Add(4 * time.Millisecond); !table.last.Equal(want) {
			t.Errorf("the fifth commit has stamp %s, want %s", table.last, want)
		}
		time.Sleep(time.Hour)
		table.change(1)
		if want := now.Add(time.Hour); !table.last.Equal(want) {
			t.Errorf("an hour later a commit has stamp %s, want %s", table.last, want)
		}
	})
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, err := Options{}.filled()
		if err != nil {
			t.Fatal(err)
		}
		s := newProducts(o)
		products := s.data.(*table[product])
		start := time.Now()
		changed := func() int {
			rows, _ := products.oldest(mark{stamp: start}, 1_000_000)
			return len(rows)
		}
		go s.pace(t.Context())
		time.Sleep(2*time.Second + time.Millisecond)
		if got := changed(); got < 9 || got > 10 { // a row may change twice
			t.Errorf("%d rows changed in 2 s, want 10", got)
		}
		products.freeze()
		before := products.truth()
		time.Sleep(time.Minute)
		if diff := cmp.Diff(before, products.truth()); diff != "" {
			t.Errorf("frozen products changed:\n%s", diff)
		}
		products.change(1)
		if cmp.Equal(before, products.truth()) {
			t.Error("Change does nothing to frozen products")
		}
	})
}

// Hours that have passed leave a forecast when it is revised, and only then.
// The hours that remain keep their wind, but for the one that is drawn anew.
func TestForecastMovesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSkies(rand.New(rand.NewPCG(1, 1)))
		for _, wait := range []int{3, 22, 1000} {
			s.change(100) // enough to bring every city to the current hour
			before := s.truth()
			time.Sleep(time.Duration(wait)*time.Hour + time.Minute)
			if diff := cmp.Diff(before, s.truth()); diff != "" {
				t.Fatalf("a forecast changed by itself:\n%s", diff)
			}
			s.change(1)
			first, revised := time.Now().UTC().Truncate(time.Hour), 0
			for city := range slices.Chunk(s.truth(), ahead) {
				if city[0]["time"] != instant(first) {
					continue
				}
				revised++
				for i, row := range city {
					if want := instant(first.Add(time.Duration(i) * time.Hour)); row["time"] != want {
						t.Fatalf("hour %d is that of %s, want %s", i, row["time"], want)
					}
				}
				if kept := sameWind(before, city); kept < ahead-wait-1 {
					t.Errorf("after %d hours %d winds were kept", wait, kept)
				}
			}
			if revised != 1 {
				t.Errorf("%d cities are revised, want 1", revised)
			}
		}
	})
}

// sameWind counts the hours of a city that have the wind they had before.
func sameWind(before, city []Row) (n int) {
	for _, is := range city {
		n += len(slices.DeleteFunc(slices.Clone(before), func(was Row) bool {
			return was["city"] != is["city"] || was["time"] != is["time"] || was["wind"] != is["wind"]
		}))
	}
	return n
}

// No query makes a service fail: the answer is a page or a reason.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "limit=3", "updated_since=2026-11-23T04:00:00Z&cursor=MS4x", "page=2&per_page=7", "offset=5&changed_after=-1",
		"modified_since=0001-01-01T00:00:00Z", "after=OTk5OTk5OTk5OTk5OTk5OTk5OS4x", "latitude=52.52&longitude=13.41", "a=%zz", "limit=1;limit=2",
	} {
		f.Add(seed)
	}
	o, err := Options{Users: 5, Drivers: 5, Passengers: 5, Products: 5}.filled()
	if err != nil {
		f.Fatal(err)
	}
	services := map[string]*Service{
		"/v1/users": newUsers(o), "/drivers": newDrivers(o), "/api/passengers": newPassengers(o),
		catalogPath: newProducts(o), "/v1/forecast": newWeather(o),
	}
	f.Fuzz(func(t *testing.T, query string) {
		for path, s := range services {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.URL.RawQuery = query
			s.credentials.Authorize(r)
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			switch w.Code {
			case http.StatusOK, http.StatusBadRequest, http.StatusNotFound:
			default:
				t.Errorf("%s?%s: %d: %s", path, query, w.Code, w.Body)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("%s?%s: Content-Type %q", path, query, got)
			}
		}
	})
}
