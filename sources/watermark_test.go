package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// stamped answers one page with records of these updated_at values, as JSON.
func stamped(values ...string) sources.Owner {
	return scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Mon, 23 Nov 2026 12:00:00 GMT")
		var records []string
		for i, v := range values {
			records = append(records, fmt.Sprintf(`{"id":%d,"updated_at":%s}`, i+1, v))
		}
		fmt.Fprintf(w, `{"data":[%s]}`, strings.Join(records, ","))
	})
}

// TestWatermarkKeepsTheOwnersText: the maximum goes back as the owner wrote it.
func TestWatermarkKeepsTheOwnersText(t *testing.T) {
	for name, c := range map[string]struct {
		format string
		from   string
		values []string
		want   string
	}{
		"microseconds":                {"rfc3339", "", []string{`"2026-01-02T03:04:05.000001Z"`, `"2026-01-02T03:04:05.000002Z"`}, "2026-01-02T03:04:05.000002Z"},
		"a space and an offset":       {"rfc3339", "", []string{`"2026-01-02 03:04:05+02:00"`}, "2026-01-02 03:04:05+02:00"},
		"offsets compare as instants": {"rfc3339", "", []string{`"2026-01-02T03:04:05+02:00"`, `"2026-01-02T02:00:00Z"`}, "2026-01-02T02:00:00Z"},
		"in no order":                 {"rfc3339", "", []string{`"2026-03-01T00:00:00Z"`, `"2026-05-01T00:00:00Z"`, `"2026-04-01T00:00:00Z"`}, "2026-05-01T00:00:00Z"},
		"never back":                  {"rfc3339", "2026-06-01T00:00:00Z", []string{`"2026-05-01T00:00:00Z"`}, "2026-06-01T00:00:00Z"},
		"nothing new":                 {"rfc3339", "2026-06-01T00:00:00Z", nil, "2026-06-01T00:00:00Z"},
		"a poisoned row":              {"rfc3339", "", []string{`"2026-05-01T00:00:00.000Z"`, `"2099-01-01T00:00:00.000Z"`}, "2026-11-23T12:00:00.000Z"},
		"unix":                        {"unix", "", []string{`1767322800`, `"1767322801"`}, "1767322801"},
		"unix, poisoned":              {"unix", "", []string{`4070908800`}, "1795435200"},
		"unix_ms":                     {"unix_ms", "", []string{`1767322800123`}, "1767322800123"},
		"date":                        {"date", "", []string{`"2026-11-22"`, `"2026-11-23"`}, "2026-11-23"},
		"date, poisoned":              {"date", "", []string{`"2027-11-23"`}, "2026-11-23"},
		"integer beyond 2^53":         {"integer", "9007199254740992", []string{`9007199254740993`}, "9007199254740993"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := users(t, sources.None)
			spec.Watermark.Format = format(t, c.format)
			spec.Watermark.OverlapCount = 10
			synctest.Test(t, func(t *testing.T) { // where an answer takes no time
				_, end := complete(t, source(t, stamped(c.values...), spec), changes(c.from))
				if end.Watermark != c.want {
					t.Errorf("watermark %q, want %q", end.Watermark, c.want)
				}
			})
		})
	}
}

// TestSinceIsFlooredAndInShape shows what the owner is asked for.
func TestSinceIsFlooredAndInShape(t *testing.T) {
	for name, c := range map[string]struct {
		format, from, initial string
		want                  string
	}{
		"overlap, in the owner's shape":  {"rfc3339", "2026-01-02 03:04:05.123456+02:00", "", "2026-01-02 03:02:05.123456+02:00"},
		"seconds":                        {"unix", "1767322801", "", "1767322681"},
		"a date moves to the day before": {"date", "2026-01-02", "", "2026-01-01"},
		"integer":                        {"integer", "100", "", "90"},
		"never before initial":           {"rfc3339", "2026-01-02T00:01:00Z", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z"},
		"initial as it is written":       {"rfc3339", "", "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z"},
		"nothing from the beginning":     {"rfc3339", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var asked *http.Request
			owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
				asked = r
				fmt.Fprint(w, `{"data":[]}`)
			})
			spec := users(t, sources.None)
			spec.Watermark.Format, spec.Watermark.Initial, spec.Watermark.OverlapCount = format(t, c.format), c.initial, 10
			complete(t, source(t, owner, spec), changes(c.from))
			if got := asked.URL.Query().Get("since"); got != c.want || asked.URL.Query().Has("since") != (c.want != "") {
				t.Errorf("since %q, want %q", got, c.want)
			}
		})
	}
}

// TestLateCommitIsYieldedInsideTheOverlap: a row becomes visible 90 s after
// its stamp, behind rows that were stamped later.
func TestLateCommitIsYieldedInsideTheOverlap(t *testing.T) {
	everyStyle(t, func(t *testing.T, by sources.Style, o *sourcetest.Owner) {
		synctest.Test(t, func(t *testing.T) {
			o.Put("early", 1)
			stamp := o.Now()
			o.Commit(sourcetest.Change{ID: 2, Name: "late", Stamp: stamp, Commit: stamp.Add(90 * time.Second), Visible: stamp.Add(90 * time.Second)})
			time.Sleep(80 * time.Second)
			o.Put("newer", 3)
			time.Sleep(5 * time.Second)
			s := source(t, quick(o), users(t, by))
			batches, end := complete(t, s, resync())
			held := copied(t, batches, nil)
			if _, there := held["2"]; there {
				t.Fatal("the row is visible too early")
			}
			time.Sleep(30 * time.Second)
			batches, _ = complete(t, s, changes(end.Watermark))
			if _, there := copied(t, batches, held)["2"]; !there {
				t.Fatal("the late row is lost")
			}
			for _, b := range batches {
				for _, r := range b.Records {
					if string(r.Slots[0]) == "2" && r.Late != 80*time.Second {
						t.Errorf("late by %v, want 1m20s", r.Late)
					}
				}
			}
		})
	})
}

// TestWatermarkNeverPassesTheOwnersStart: rows written while the walk runs must
// not carry the watermark over rows that it has not seen, whatever the clocks.
func TestWatermarkNeverPassesTheOwnersStart(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, 0, time.Hour} {
		for _, noDate := range []bool{false, true} {
			t.Run(fmt.Sprintf("skew %v, no date %v", skew, noDate), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Clock: sourcetest.Clock{Skew: skew, NoDate: noDate}}
					o.Put("first", sequence(1, 9)...)
					time.Sleep(time.Minute)
					start := o.Now()
					o.Between = func(n int) {
						time.Sleep(10 * time.Second)
						o.Put("moved", int64(n))
					}
					_, end := complete(t, source(t, quick(o), users(t, sources.Cursor)), resync())
					if noDate && skew > 0 {
						// Every stamp lies in the future of this machine.
						if end.Watermark != "" {
							t.Errorf("watermark %q stems from a stamp that nobody can believe", end.Watermark)
						}
						return
					}
					got, err := time.Parse(time.RFC3339Nano, end.Watermark)
					if err != nil || got.After(start.Add(10*time.Second)) {
						t.Errorf("watermark %q is after the start %v (%v)", end.Watermark, start, err)
					}
					if got.Before(start.Add(-time.Minute)) {
						t.Errorf("watermark %q does not come near the start %v", end.Watermark, start)
					}
				})
			})
		}
	}
}

// TestDateThatComesLate: only the second page tells the owner's clock, long
// after the first was read.
func TestDateThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Clock: sourcetest.Clock{NoDate: true}}
		o.Put("first", sequence(1, 9)...)
		time.Sleep(time.Minute)
		start := o.Now()
		var end *syncer.End
		for b, err := range source(t, quick(o), users(t, sources.Cursor)).Walk(t.Context(), resync()) {
			if err != nil {
				t.Fatal(err)
			}
			end = b.End
			time.Sleep(10 * time.Minute) // applying a batch takes its time
			if o.Clock.NoDate {
				o.Put("moved", 1)
			}
			o.Clock.NoDate = false
		}
		if got, err := time.Parse(time.RFC3339Nano, end.Watermark); err != nil || got.After(start) {
			t.Errorf("watermark %q is after the start %v (%v)", end.Watermark, start, err)
		}
	})
}

// TestPoisonedRowWithoutDate: a stamp in 2099 must not silence the feed.
func TestPoisonedRowWithoutDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: sourcetest.Whole, Clock: sourcetest.Clock{NoDate: true}}
		o.Put("first", 1, 2)
		o.Commit(sourcetest.Change{ID: 3, Name: "poison", Stamp: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), Commit: o.Now(), Visible: o.Now()})
		s := source(t, quick(o), users(t, sources.None))
		time.Sleep(time.Minute)
		_, end := complete(t, s, resync())
		if end.Watermark >= "2000-01-02" {
			t.Fatalf("watermark %q", end.Watermark)
		}
	})
}

// TestAgeOutlivesAResume: what was read of a cache before a walk was cut off is
// no younger because the rest of it was not cached.
func TestAgeOutlivesAResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3}
		o.Put("row", sequence(1, 12)...)
		o.Fault = func(n int, _ *http.Request) *sourcetest.Fault {
			if n > 1 {
				return nil
			}
			return &sourcetest.Fault{Keep: true, Header: http.Header{"Age": {"300"}}}
		}
		s := source(t, quick(o), users(t, sources.Cursor))
		w := resync()
		r := upTo(t, s, w, 2)[1].Resume
		_, end := complete(t, s, goOn(stored(t, r)))
		if r.Sent.Add(-end.Age).After(w.Sent.Add(-5 * time.Minute)) {
			t.Errorf("as-of is %v after the walk began, less 5m", r.Sent.Add(-end.Age).Sub(w.Sent))
		}
	})
}

// TestAgeOfACachedAnswer moves the owner's start back, and is told.
func TestAgeOfACachedAnswer(t *testing.T) {
	owner := scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Mon, 23 Nov 2026 12:00:00 GMT")
		w.Header().Set("Age", "300")
		fmt.Fprint(w, `{"data":[{"id":1,"updated_at":"2026-11-23T11:59:00.000Z"}]}`)
	})
	synctest.Test(t, func(t *testing.T) {
		// The age is cut to seconds: the answer may be almost one older.
		batches, end := complete(t, source(t, owner, users(t, sources.None)), resync())
		if end.Age != 5*time.Minute+time.Second || end.Watermark != "2026-11-23T11:55:00.000Z" {
			t.Errorf("end %+v", end)
		}
		if shows := time.Since(batches[0].Shows); shows != 5*time.Minute {
			t.Errorf("shows what was there %s ago, want 5m at the latest", shows)
		}
	})
}

// TestWatermarkFromStart takes the owner's clock, which therefore must be told.
func TestWatermarkFromStart(t *testing.T) {
	spec := users(t, sources.None)
	spec.Watermark.From, spec.Watermark.Start = nil, true
	synctest.Test(t, func(t *testing.T) {
		_, end := complete(t, source(t, stamped(`"x"`), spec), changes("2026-01-01T00:00:00Z"))
		if end.Watermark != "2026-11-23T12:00:00Z" {
			t.Errorf("watermark %q", end.Watermark)
		}
	})
	err := fails(t, source(t, pages(`{"data":[]}`), spec), resync(), syncer.ClassAnswer)
	if !strings.Contains(err.Error(), "Date") {
		t.Error(err)
	}
}

// TestWatermarkFromAPlace: the first page's coverage time counts.
func TestWatermarkFromAPlace(t *testing.T) {
	spec := users(t, sources.Cursor)
	spec.Paging.Next = "next"
	spec.Watermark.From, spec.Watermark.Place = nil, "body:covered"
	s := source(t, scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Mon, 23 Nov 2026 12:00:00 GMT")
		fmt.Fprint(w, []string{`{"data":[],"covered":"2026-11-23T11:00:00Z","next":"a"}`, `{"data":[{"id":1}],"covered":"2026-11-23T11:30:00Z"}`}[n-1])
	}), spec)
	if _, end := complete(t, s, resync()); end.Watermark != "2026-11-23T11:00:00Z" {
		t.Errorf("watermark %q", end.Watermark)
	}
	fails(t, source(t, pages(`{"data":[]}`), spec), resync(), syncer.ClassAnswer)
}

// TestNullWatermarks: records without the field fail the walk, are kept, or
// are left out; in no case do they move the watermark.
func TestNullWatermarks(t *testing.T) {
	owner := func() sources.Owner { return stamped(`null`, `"2026-01-01T00:00:00Z"`, `null`) }
	spec := users(t, sources.None)
	fails(t, source(t, owner(), spec), resync(), syncer.ClassDecode)
	for policy, want := range map[sources.Null]int{sources.NullInclude: 3, sources.NullSkip: 1} {
		spec.Watermark.Null = policy
		batches, end := complete(t, source(t, owner(), spec), resync())
		if len(ids(batches)) != want || end.Watermark != "2026-01-01T00:00:00Z" || end.Listed != (policy == sources.NullInclude) {
			t.Errorf("%s: %d records, end %+v", policy, len(ids(batches)), end)
		}
	}
	spec.Watermark.Null, spec.Watermark.From = sources.NullFail, []string{"updated_at", "id"}
	spec.Watermark.Format = format(t, "integer")
	if _, end := complete(t, source(t, stamped(`null`, `null`), spec), resync()); end.Watermark != "2" {
		t.Errorf("first that is not null: %q", end.Watermark)
	}
}

// TestOrder: ascending is checked; descending stops behind the page on which
// an old record is met, and reads its first page again.
func TestOrder(t *testing.T) {
	spec := users(t, sources.None)
	spec.Watermark.Order = sources.Ascending
	complete(t, source(t, stamped(`"2026-01-01T00:00:00Z"`, `"2026-01-01T00:00:00Z"`, `"2026-01-02T00:00:00Z"`), spec), resync())
	fails(t, source(t, stamped(`"2026-01-02T00:00:00Z"`, `"2026-01-01T00:00:00Z"`), spec), resync(), syncer.ClassPaging)

	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: sourcetest.Link, PageSize: 3, Order: sourcetest.ByStampDesc}
		for _, id := range sequence(1, 12) {
			o.Put("row", id)
			time.Sleep(time.Hour)
		}
		spec := users(t, sources.Link)
		spec.Watermark.Order = sources.Descending
		spec.Request.Query = nil // an owner that does not filter
		o.Paging.Totals, spec.Paging.Total = true, "meta.total"
		s := source(t, quick(o), spec)
		batches, _ := complete(t, s, changes(o.Truth()[7].UpdatedAt))
		if got := strings.Join(ids(batches), " "); got != "12 11 10 9 8 7 12 11 10" {
			t.Error(got)
		}
		if batches, _ = complete(t, s, resync()); len(ids(batches)) != 12+3 {
			t.Errorf("a resync stops after %v", ids(batches))
		}
	})
}

// TestListed says when what was not seen is missing.
func TestListed(t *testing.T) {
	spec := users(t, sources.None)
	for name, c := range map[string]struct {
		walk    syncer.Walk
		initial string
		want    bool
	}{
		"changes":             {changes(""), "", false},
		"resync":              {resync(), "", true},
		"resync from initial": {resync(), "2020-01-01T00:00:00Z", false},
	} {
		spec.Watermark.Initial = c.initial
		if _, end := complete(t, source(t, stamped(), spec), c.walk); end.Listed != c.want {
			t.Errorf("%s: listed %v", name, end.Listed)
		}
	}
	if _, end := complete(t, source(t, stamped(), list(sources.Paging{})), snapshot()); !end.Listed || end.Watermark != "" {
		t.Errorf("snapshot: %+v", end)
	}
}
