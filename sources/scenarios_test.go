package sources_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// In whatever order pages and records come, the watermark is their maximum.
func TestWatermarkIsTheMaximumInAnyOrder(t *testing.T) {
	spec := users(t, sources.Cursor)
	spec.Paging.Next = "next"
	for name, days := range map[string][][]int{
		"ascending":  {{1, 2}, {3, 4}, {5}},
		"descending": {{5, 4}, {3, 2}, {1}},
		"shuffled":   {{2, 5}, {1}, {4, 3}},
	} {
		owner := scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", "Mon, 23 Nov 2026 12:00:00 GMT")
			var list []string
			for _, day := range days[n-1] {
				list = append(list, fmt.Sprintf(`{"id":%d,"updated_at":"2026-01-0%dT00:00:00Z"}`, day, day))
			}
			next := ""
			if n < len(days) {
				next = strconv.Itoa(n)
			}
			fmt.Fprintf(w, `{"data":[%s],"next":%q}`, strings.Join(list, ","), next)
		})
		if _, end := complete(t, source(t, owner, spec), resync()); end.Watermark != "2026-01-05T00:00:00Z" {
			t.Errorf("%s: watermark %s", name, end.Watermark)
		}
	}
}

// stampedShelf is a table of a feed of records by their stamps, without a
// version: what comes last counts.
func stampedShelf(t *testing.T, o *sourcetest.Owner) *shelf {
	spec := users(t, sources.Keyset)
	spec.Paths = []string{"id", "name"}
	o.Style = sourcetest.Keyset
	return newShelf(t, o, spec)
}

func namesOf(o *sourcetest.Owner) map[string]string {
	all := map[string]string{}
	for _, r := range o.Truth() {
		all[strconv.FormatInt(r.ID, 10)] = r.Name
	}
	return all
}

// The row at the boundary is read again by the next poll, and held once.
func TestBoundaryRowIsHeldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{PageSize: 2}
		o.Put("a", 1, 2, 3)
		s := stampedShelf(t, o)
		s.poll(syncer.Resync)
		time.Sleep(time.Hour)
		r := s.poll(syncer.Changes)
		if applied := r.Tables[0].Applied; r.Records != 3 || applied.Inserted+applied.Updated+applied.Deleted != 0 {
			t.Errorf("%d records, applied %+v", r.Records, applied)
		}
		s.holds("after the boundary was read again", namesOf(o))
	})
}

// Records that share the stamp of the boundary grow over days: every one is
// read, and none is lost once a newer stamp comes.
func TestTiesAtTheBoundaryGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{PageSize: 2}
		tie := o.Now()
		s := stampedShelf(t, o)
		kind := syncer.Resync
		for day := range int64(5) {
			for id := range int64(50) {
				o.Commit(sourcetest.Change{ID: day*50 + id, Name: "tie", Stamp: tie, Commit: o.Now(), Visible: o.Now()})
			}
			s.poll(kind)
			s.holds(fmt.Sprintf("on day %d", day), namesOf(o))
			kind = syncer.Changes
			time.Sleep(24 * time.Hour)
		}
		o.Put("newer", 1000)
		s.poll(kind)
		s.holds("after a newer one", namesOf(o))
		time.Sleep(time.Hour)
		if r := s.poll(kind); r.Records != 1 {
			t.Errorf("%d records are read again behind the newer one", r.Records)
		}
	})
}

// TestSecondRowOfTheSameSecond: of an owner that writes whole seconds, a row
// that is written in the second in which it was polled is not lost.
func TestSecondRowOfTheSameSecond(t *testing.T) {
	for _, by := range []sources.Style{sources.Cursor, sources.Keyset, sources.Page} {
		synctest.Test(t, func(t *testing.T) {
			o := &sourcetest.Owner{Style: styles[by], Wire: sourcetest.Wire{Layout: time.RFC3339}}
			s := source(t, quick(o), users(t, by))
			o.Put("first", 1)
			time.Sleep(100 * time.Millisecond)
			batches, end := complete(t, s, resync())
			held := copied(t, batches, nil)
			o.Put("second", 2)
			time.Sleep(time.Hour)
			batches, _ = complete(t, s, changes(end.Watermark))
			if diff := cmp.Diff(truth(o), copied(t, batches, held)); diff != "" {
				t.Errorf("by %s: %s", by, diff)
			}
		})
	}
}

// A field that is nested is null where any part of its path is.
func TestNullWatermarksNested(t *testing.T) {
	spec := users(t, sources.None)
	spec.Watermark.From = []string{"meta.updated_at"}
	body := `{"data":[{"id":1,"meta":{"updated_at":"2026-01-01T00:00:00Z"}},{"id":2,"meta":{"updated_at":null}},{"id":3,"meta":null},{"id":4}]}`
	owner := func() sources.Owner {
		return scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", "Mon, 23 Nov 2026 12:00:00 GMT")
			fmt.Fprint(w, body)
		})
	}
	fails(t, source(t, owner(), spec), resync(), syncer.ClassDecode)
	for policy, want := range map[sources.Null]int{sources.NullInclude: 4, sources.NullSkip: 1} {
		spec.Watermark.Null = policy
		batches, end := complete(t, source(t, owner(), spec), resync())
		if len(ids(batches)) != want || end.Watermark != "2026-01-01T00:00:00Z" {
			t.Errorf("%s: records %v, watermark %s", policy, ids(batches), end.Watermark)
		}
	}
}

// Zones may be mixed, and microseconds with seconds: what counts is the
// instant. A time without a zone is refused where none was given.
func TestMixedZonesCompareAsInstants(t *testing.T) {
	spec := users(t, sources.None)
	synctest.Test(t, func(t *testing.T) {
		for want, values := range map[string][]string{
			"2026-01-02T01:00:00-05:00":   {`"2026-01-02T05:59:59Z"`, `"2026-01-02T01:00:00-05:00"`, `"2026-01-02T07:30:00+02:00"`},
			"2026-01-02T06:00:00.000001Z": {`"2026-01-02T06:00:00Z"`, `"2026-01-02T06:00:00.000001Z"`, `"2026-01-02T07:00:00+01:00"`},
		} {
			if _, end := complete(t, source(t, stamped(values...), spec), resync()); end.Watermark != want {
				t.Errorf("watermark %s, want %s", end.Watermark, want)
			}
		}
		fails(t, source(t, stamped(`"2026-01-02T06:00:00"`), spec), resync(), syncer.ClassDecode)
	})
}

// A row of the future is handed on, and does not drag the watermark there: what
// changes next is not lost.
func TestFutureRowDragsNothing(t *testing.T) {
	everyStyle(t, func(t *testing.T, by sources.Style, o *sourcetest.Owner) {
		synctest.Test(t, func(t *testing.T) {
			o.Put("first", 1, 2)
			o.Commit(sourcetest.Change{ID: 3, Name: "future", Stamp: o.Now().AddDate(70, 0, 0), Commit: o.Now(), Visible: o.Now()})
			s := source(t, quick(o), users(t, by))
			batches, end := complete(t, s, resync())
			held := copied(t, batches, nil)
			time.Sleep(time.Hour)
			o.Put("next", 4)
			time.Sleep(time.Hour)
			batches, _ = complete(t, s, changes(end.Watermark))
			if diff := cmp.Diff(truth(o), copied(t, batches, held)); diff != "" {
				t.Error(diff)
			}
		})
	})
}

// Where the last windows hold nothing, the watermark stays with the newest
// record; where none holds anything, with what was held.
func TestEmptyWindowsKeepTheWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(5)
		newest := truthNewest(o)
		time.Sleep(100 * time.Hour)
		s := source(t, wide(o), windowed(t, time.Now().Add(-200*time.Hour), 10*time.Hour))
		if _, end := complete(t, s, resync()); end.Watermark != newest {
			t.Errorf("watermark %s, want %s", end.Watermark, newest)
		}
		from := time.Now().Add(-90 * time.Hour).UTC().Format(time.RFC3339)
		if _, end := complete(t, s, changes(from)); end.Watermark != from {
			t.Errorf("watermark %s, want %s", end.Watermark, from)
		}
	})
}

// A watermark that its format cannot read is of no use: everything is asked
// for.
func TestUnreadableWatermarkIsExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(3)
		for _, w := range []syncer.Walk{changes("yesterday"), goOn(&syncer.Resume{Walk: "w", Kind: syncer.Changes, From: "yesterday", Cursor: `"x"`})} {
			if _, err := walk(t, source(t, quick(o), users(t, sources.Cursor)), w); !errors.Is(err, syncer.ErrExpired) {
				t.Errorf("got %v, want ErrExpired", err)
			}
		}
		if n := len(o.Requests()); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestOwnerRestoredFromBackup: the owner goes back, and hands out anew the
// numbers that were read before. Its epoch tells, and the copy comes to what it
// has now; without an epoch nothing would.
func TestOwnerRestoredFromBackup(t *testing.T) {
	for _, told := range []bool{true, false} {
		records := map[int]string{}
		for n := 1; n <= 9; n++ {
			records[n] = "of before"
		}
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Index", strconv.Itoa(len(records)))
			since, _ := strconv.Atoi(r.URL.Query().Get("since"))
			var list []string
			for n := 1; n <= len(records); n++ {
				if n >= since {
					list = append(list, fmt.Sprintf(`{"id":%d,"name":%q}`, n, records[n]))
				}
			}
			fmt.Fprintf(w, `{"data":[%s]}`, strings.Join(list, ","))
		})
		spec := sources.Spec{
			Name: "restored", Mode: sources.Incremental,
			Request:   sources.Request{Query: []sources.Param{param("since", "{since}")}},
			Records:   sources.Records{At: "data", Key: []string{"id"}},
			Watermark: sources.Watermark{From: []string{"id"}, Format: format(t, "integer")},
			Paths:     []string{"id", "name"},
		}
		if told {
			spec.Epoch = sources.Epoch{At: "header:X-Index", Falling: true}
		}
		s := newShelf(t, handler, spec)
		s.poll(syncer.Resync)
		s.poll(syncer.Changes)
		delete(records, 9)
		delete(records, 8)
		records[7] = "of after"
		kind := syncer.Changes
		if told {
			kind = syncer.Resync
		}
		s.poll(kind)
		if got := len(s.memory.Rows("copy", []string{"id"})); told && got != 7 || !told && got != 9 {
			t.Errorf("told %v: %d rows are held", told, got)
		}
		if told {
			want := map[string]string{}
			for n, name := range records {
				want[strconv.Itoa(n)] = name
			}
			s.holds("after the restore", want)
		}
	}
}

// TestLastPageComesAgain: an owner that answers its last page for numbers
// behind it cannot end a walk by an empty page: the walk fails, or ends by a
// total, and never takes it for new records.
func TestLastPageComesAgain(t *testing.T) {
	for _, total := range []string{"", "total"} {
		owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.Query().Get("page"))
			fmt.Fprintf(w, `{"data":[{"id":%d}],"total":3}`, min(n, 3))
		})
		s := source(t, owner, list(sources.Paging{By: sources.Page, First: 1, Total: total}, param("page", "{page}")))
		if total == "" {
			if err := fails(t, s, snapshot(), syncer.ClassPaging); !strings.Contains(err.Error(), "no new key") {
				t.Error(err)
			}
			continue
		}
		if batches, _ := complete(t, s, snapshot()); strings.Join(ids(batches), " ") != "1 2 3" {
			t.Errorf("records %v", ids(batches))
		}
	}
}
