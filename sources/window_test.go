package sources_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// windowed is the users by cursor from a start on, in windows.
func windowed(t testing.TB, from time.Time, each time.Duration) sources.Spec {
	spec := users(t, sources.Cursor)
	spec.Request.Query = append(spec.Request.Query, param("until", "{until}"))
	spec.Watermark.Initial = from.UTC().Format("2006-01-02T15:04:05.000000Z")
	spec.Watermark.Window, spec.Watermark.Slices, spec.Versioned = each, 4, true
	return spec
}

// ages is an owner whose records were changed one an hour, up to an hour ago.
func ages(hours int) *sourcetest.Owner {
	o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Tombstones: true}
	for i := range hours {
		at := o.Now().Add(-time.Duration(hours-i) * time.Hour)
		o.Commit(sourcetest.Change{ID: int64(i + 1), Name: fmt.Sprint("n", i+1), Stamp: at, Commit: at, Visible: at})
	}
	return o
}

func wide(o *sourcetest.Owner) sources.Owner {
	owner := quick(o)
	owner.Concurrency = 4
	return owner
}

// ranges is the [since, until) of the first pages that were asked for, sorted.
func ranges(o *sourcetest.Owner) [][2]string {
	var all [][2]string
	for _, r := range o.Requests() {
		if q := r.URL.Query(); !q.Has("cursor") {
			all = append(all, [2]string{q.Get("since"), q.Get("until")})
		}
	}
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return all
}

// chained fails unless every range begins with the text that its neighbour ends
// with.
func chained(t testing.TB, all [][2]string) {
	t.Helper()
	for i := 1; i < len(all); i++ {
		if all[i-1][1] != all[i][0] {
			t.Errorf("window %d ends at %s, and the next begins at %s", i, all[i-1][1], all[i][0])
		}
	}
}

func TestWindowsCopyTheOwner(t *testing.T) {
	for _, each := range []time.Duration{7 * time.Hour, time.Hour, 1000 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			o := ages(50)
			s := source(t, wide(o), windowed(t, time.Now().Add(-60*time.Hour), each))
			batches, end := complete(t, s, resync())
			if diff := cmp.Diff(truth(o), copied(t, batches, nil)); diff != "" {
				t.Errorf("copy differs (-want +got):\n%s", diff)
			}
			all := ranges(o)
			chained(t, all)
			want := max(1, int((60*time.Hour+each-1)/each))
			if len(all) != want {
				t.Errorf("windows of %s: %d were asked for, want %d", each, len(all), want)
			}
			if newest := truthNewest(o); end.Watermark != newest || end.Listed {
				t.Errorf("end %+v, want watermark %s, and nothing listed", end, newest)
			}
		})
	}
}

func truthNewest(o *sourcetest.Owner) string {
	newest := ""
	for _, r := range o.Truth() {
		newest = max(newest, r.UpdatedAt)
	}
	return newest
}

// As many windows are walked at one time as are allowed, and never more.
func TestWindowsAtOneTime(t *testing.T) {
	for _, c := range []struct{ slices, owner, want int }{{4, 8, 4}, {0, 3, 3}, {8, 2, 2}, {1, 8, 1}} {
		for _, versioned := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				o := ages(50)
				var mu sync.Mutex
				asked, most := 0, 0
				o.Fault = func(int, *http.Request) *sourcetest.Fault {
					mu.Lock()
					asked++
					most = max(most, asked)
					mu.Unlock()
					time.Sleep(time.Second) // of the bubble
					mu.Lock()
					asked--
					mu.Unlock()
					return nil
				}
				spec := windowed(t, time.Now().Add(-60*time.Hour), 5*time.Hour)
				spec.Watermark.Slices, spec.Versioned = c.slices, versioned
				owner := quick(o)
				owner.Concurrency = c.owner
				complete(t, source(t, owner, spec), resync())
				want := c.want
				if !versioned {
					want = 1
				}
				if most != want {
					t.Errorf("%+v, versioned %v: %d at one time, want %d", c, versioned, most, want)
				}
			})
		}
	}
}

// A backfill that is killed at any batch asks again for the windows that were
// not handed on as a whole, and for no others.
func TestWindowsAreCheckpointed(t *testing.T) {
	for kill := 1; kill < 17; kill++ {
		synctest.Test(t, func(t *testing.T) {
			o := ages(40)
			s := source(t, wide(o), windowed(t, time.Now().Add(-40*time.Hour), 5*time.Hour))
			rows := map[string]string{}
			var last *syncer.Resume
			n := 0
			for b, err := range s.Walk(t.Context(), resync()) {
				if err != nil {
					t.Fatal(err)
				}
				copied(t, []*syncer.Batch{b}, rows)
				if n++; n == kill {
					last = b.Resume
					break
				}
			}
			if last == nil {
				t.Fatalf("batch %d cannot be resumed", kill)
			}
			before := len(o.Requests())
			w := resync()
			w.From.Resume = last
			batches, end := complete(t, s, w)
			if diff := cmp.Diff(truth(o), copied(t, batches, rows)); diff != "" {
				t.Errorf("killed at %d: copy differs (-want +got):\n%s", kill, diff)
			}
			if end.Watermark != truthNewest(o) {
				t.Errorf("killed at %d: watermark %s, want %s", kill, end.Watermark, truthNewest(o))
			}
			// Each of the 8 windows has two pages.
			again := map[string]bool{}
			for _, r := range o.Requests()[before:] {
				again[r.URL.Query().Get("since")] = true
			}
			if done := doneIn(last); len(again) != 8-done {
				t.Errorf("killed at %d with %d windows done: %d are asked for again (%s)", kill, done, len(again), last.Cursor)
			}
			if kill == 16-1 && doneIn(last) < 7 {
				t.Errorf("only %d windows are done", doneIn(last))
			}
		})
	}
}

// doneIn counts the windows that a resume notes as done.
func doneIn(r *syncer.Resume) int {
	_, text, _ := strings.Cut(r.Cursor, `"done":"`)
	text, _, _ = strings.Cut(text, `"`)
	n := 0
	for part := range strings.SplitSeq(text, ",") {
		var from, to int
		switch k, _ := fmt.Sscanf(part, "%d-%d", &from, &to); k {
		case 1:
			n++
		case 2:
			n += to - from + 1
		}
	}
	return n
}

// The error of one window ends the walk; what was done stays done, and the
// watermark where it was.
func TestWindowThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(40)
		broken := true
		var mu sync.Mutex
		at := time.Now().Add(-20 * time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z")
		o.Fault = func(_ int, r *http.Request) *sourcetest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if q := r.URL.Query(); broken && q.Get("since") == at {
				return &sourcetest.Fault{Status: 400, Body: "{}"}
			}
			return nil
		}
		s := source(t, wide(o), windowed(t, time.Now().Add(-40*time.Hour), 5*time.Hour))
		batches, err := walk(t, s, resync())
		if syncer.Classify(err) != syncer.ClassHTTP4xx || !strings.Contains(err.Error(), "window 5") {
			t.Fatalf("got %v, want the refusal of window 5", err)
		}
		rows := copied(t, batches, nil)
		mu.Lock()
		broken = false
		mu.Unlock()
		w := resync()
		for _, b := range batches {
			w.From.Resume = b.Resume
		}
		batches, _ = complete(t, s, w)
		if diff := cmp.Diff(truth(o), copied(t, batches, rows)); diff != "" {
			t.Errorf("copy differs (-want +got):\n%s", diff)
		}
	})
}

// A refused window of a resumed walk is its own failure, not a lost place.
func TestResumedWindowThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(40)
		s := source(t, wide(o), windowed(t, time.Now().Add(-40*time.Hour), 5*time.Hour))
		w := resync()
		for b := range s.Walk(t.Context(), w) {
			w.From.Resume = b.Resume
			break
		}
		o.Fault = func(int, *http.Request) *sourcetest.Fault { return &sourcetest.Fault{Status: 400, Body: "{}"} }
		fails(t, s, w, syncer.ClassHTTP4xx)
	})
}

// Windows that were cut otherwise than they would be now are not gone on with.
func TestWindowsThatWereCutOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(40)
		spec := windowed(t, time.Now().Add(-40*time.Hour), 5*time.Hour)
		w := resync()
		for b := range source(t, wide(o), spec).Walk(t.Context(), w) {
			w.From.Resume = b.Resume
			break
		}
		for name, change := range map[string]func(*sources.Spec){
			"no window": func(s *sources.Spec) { s.Watermark.Window = 0 },
			"ask":       func(s *sources.Spec) { s.Watermark.Ask = format(t, "unix") },
			"layout":    func(s *sources.Spec) { s.Watermark.Ask = format(t, "2006-01-02T15:04:05.000000Z07:00") },
		} {
			other := spec
			change(&other)
			if _, err := walk(t, source(t, wide(o), other), w); !isNotResumable(err) {
				t.Errorf("%s: got %v, want ErrNotResumable", name, err)
			}
		}
		// A window of another length goes on in the old one.
		spec.Watermark.Window = 3 * time.Hour
		_, end := complete(t, source(t, wide(o), spec), w)
		if chained(t, slices.Compact(ranges(o))); end.Watermark != truthNewest(o) {
			t.Errorf("watermark %s", end.Watermark)
		}
		// A note that is none.
		w.From.Resume.Cursor = `~{"windows":{"done":"3-1"}}`
		if _, err := walk(t, source(t, wide(o), spec), w); !isNotResumable(err) {
			t.Errorf("got %v, want ErrNotResumable", err)
		}
	})
}

// Changes from a watermark further back than a window are cut, too, and begin
// with the overlap; those from a near one are not.
func TestWindowsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(40)
		spec := windowed(t, time.Now().Add(-1000*time.Hour), 5*time.Hour)
		s := source(t, wide(o), spec)
		from := time.Now().Add(-12 * time.Hour).UTC()
		_, end := complete(t, s, changes(from.Format(time.RFC3339)))
		all := ranges(o)
		if chained(t, all); len(all) != 3 || all[0][0] != from.Add(-2*time.Minute).Format(time.RFC3339) || end.Watermark != truthNewest(o) {
			t.Errorf("asked %v, watermark %s", all, end.Watermark)
		}
		before := len(ranges(o))
		complete(t, s, changes(end.Watermark))
		if n := len(ranges(o)) - before; n != 1 {
			t.Errorf("%d windows for the last hour", n)
		}
	})
}

// A stopped walk lets go of all its windows.
func TestStoppedWindowsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(40)
		o.Fault = func(n int, _ *http.Request) *sourcetest.Fault {
			if n > 4 {
				return &sourcetest.Fault{Keep: true, Stall: time.Hour}
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := source(t, wide(o), windowed(t, time.Now().Add(-40*time.Hour), 5*time.Hour))
		for _, err := range s.Walk(ctx, resync()) {
			if cancel(); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		started := time.Now()
		synctest.Wait()
		if time.Since(started) > 0 {
			t.Error("the walk waits for its owner")
		}
	})
}

// A backfill that stops when all its windows are done ends without asking, by
// whatever clocks it was bounded; where the end can never be told, it starts
// again.
func TestWindowsThatAreAllDone(t *testing.T) {
	for _, skew := range []time.Duration{-time.Minute, 0, time.Minute} {
		for _, dated := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				o := ages(5)
				o.Clock.Skew, o.Clock.NoDate = skew, !dated
				spec := windowed(t, time.Now().Add(-6*time.Hour), 2*time.Hour)
				batches, err := walk(t, source(t, wide(o), spec), resync())
				if (err == nil) != dated {
					t.Fatal(err)
				}
				var last *syncer.Resume
				var first *syncer.End
				for _, b := range batches {
					if b.Resume != nil {
						last = b.Resume
					}
					first = b.End
				}
				if doneIn(last) < 3 {
					t.Fatalf("cursor %s", last.Cursor)
				}
				asked := len(o.Requests())
				batches, err = walk(t, source(t, wide(o), spec), goOn(stored(t, last)))
				switch {
				case !dated:
					if !isNotResumable(err) {
						t.Errorf("got %v, want ErrNotResumable", err)
					}
				case err != nil || len(o.Requests()) != asked:
					t.Errorf("skew %v: %d requests, %v", skew, len(o.Requests())-asked, err)
				default:
					if diff := cmp.Diff(first, batches[len(batches)-1].End); diff != "" {
						t.Errorf("skew %v: end differs (-want +got):\n%s", skew, diff)
					}
				}
			})
		}
	}
}

// One date of a far future makes no century of windows; an owner whose clock is
// ahead is asked up to its own time.
func TestWindowsOfAFutureDate(t *testing.T) {
	for _, slices := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			o := ages(50)
			spec := windowed(t, time.Now().Add(-50*time.Hour), 24*time.Hour)
			spec.Watermark.Slices = slices
			s := source(t, wide(o), spec)
			o.Clock.Skew = 99 * 365 * 24 * time.Hour
			complete(t, s, resync())
			o.Clock.Skew = 0
			before := len(o.Requests())
			batches, end := complete(t, s, resync())
			if diff := cmp.Diff(truth(o), copied(t, batches, nil)); diff != "" {
				t.Errorf("copy differs (-want +got):\n%s", diff)
			}
			// A day has eight pages, and as many windows begin before a date is
			// heard as are walked at one time.
			if n := len(o.Requests()) - before; n > 30+slices || end.Age > 2*time.Second || end.Watermark != truthNewest(o) {
				t.Errorf("%d requests for two days, end %+v", n, end)
			}
			// Gone on with, too, by a walk that was bounded so.
			o.Clock.Skew = 99 * 365 * 24 * time.Hour
			complete(t, s, resync())
			o.Clock.Skew = 0
			first := upTo(t, s, resync(), 1)
			before = len(o.Requests())
			on, _ := complete(t, source(t, wide(o), spec), goOn(stored(t, first[0].Resume)))
			if diff := cmp.Diff(truth(o), copied(t, append(first, on...), nil)); diff != "" || len(o.Requests())-before > 30+slices {
				t.Errorf("resumed: %d requests for two days, copy differs (-want +got):\n%s", len(o.Requests())-before, diff)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Tombstones: true, Clock: sourcetest.Clock{Skew: 99 * time.Hour}}
			for i := range 50 {
				at := o.Now().Add(-time.Duration(50-i) * time.Hour)
				o.Commit(sourcetest.Change{ID: int64(i + 1), Name: "n", Stamp: at, Commit: at, Visible: at})
			}
			spec := windowed(t, time.Now().Add(40*time.Hour), 5*time.Hour)
			spec.Watermark.Slices = slices
			s := source(t, wide(o), spec)
			complete(t, s, resync())
			batches, end := complete(t, s, resync())
			if diff := cmp.Diff(truth(o), copied(t, batches, nil)); diff != "" || end.Age > 2*time.Second {
				t.Errorf("end %+v, copy differs (-want +got):\n%s", end, diff)
			}
			// So is one that goes on.
			first := upTo(t, s, resync(), 1)
			on, end := complete(t, s, goOn(stored(t, first[0].Resume)))
			if diff := cmp.Diff(truth(o), copied(t, append(first, on...), nil)); diff != "" || end.Age > 2*time.Second {
				t.Errorf("resumed: end %+v, copy differs (-want +got):\n%s", end, diff)
			}
		})
	}
}
