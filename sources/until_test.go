package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// until is the users by cursor up to {until}.
func until(t testing.TB, settle time.Duration) sources.Spec {
	spec := users(t, sources.Cursor)
	spec.Request.Query = append(spec.Request.Query, param("until", "{until}"))
	spec.Watermark.Settle = settle
	return spec
}

func asked(o *sourcetest.Owner, name string) []string {
	var all []string
	for _, r := range o.Requests() {
		all = append(all, r.URL.Query().Get(name))
	}
	return all
}

// What is younger than the settle time is not asked for, the watermark stays
// behind it, and as-of with it: whatever the clocks, what the walk claims to be
// complete up to is complete.
func TestSettleStaysBehindTheNewest(t *testing.T) {
	const settle = 5 * time.Minute
	for _, skew := range []time.Duration{0, time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 2, Tombstones: true, Clock: sourcetest.Clock{Skew: skew}}
			o.Put("old", 1, 2, 3)
			time.Sleep(10 * time.Minute)
			o.Put("too young", 4)
			time.Sleep(time.Minute)
			s := source(t, quick(o), until(t, settle))
			var end *syncer.End
			var batches []*syncer.Batch
			for poll := range 2 { // the second knows the owner's clock
				started := o.Now()
				batches, end = complete(t, s, resync())
				covered := started.Add(-end.Age)
				for _, r := range o.Truth() {
					at, err := time.Parse(time.RFC3339Nano, r.UpdatedAt)
					_, there := copied(t, batches, nil)[fmt.Sprint(r.ID)]
					if err != nil || !there && !at.After(covered) {
						t.Errorf("skew %v: as of %v the copy lacks %+v", skew, covered, r)
					}
				}
				if at, err := time.Parse(time.RFC3339Nano, end.Watermark); end.Watermark != "" && (err != nil || at.After(started.Add(-settle))) {
					t.Errorf("skew %v: watermark %s is younger than the settle time", skew, end.Watermark)
				}
				if end.Age < settle {
					t.Errorf("skew %v: poll %d is complete up to %v ago", skew, poll, end.Age)
				}
				if poll == 1 && (end.Age > settle+2*time.Second || len(ids(batches)) != 3) {
					t.Errorf("skew %v: %v back, records %v", skew, end.Age, ids(batches))
				}
			}
		})
	}
}

// Every page of a walk, and of a walk that goes on, is asked up to the same
// moment.
func TestUntilIsOneOfAWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(12)
		o.Between = func(int) { time.Sleep(10 * time.Second) }
		s := source(t, quick(o), until(t, 0))
		first := upTo(t, s, resync(), 2)
		time.Sleep(time.Hour)
		_, end := complete(t, s, goOn(stored(t, first[1].Resume)))
		all := asked(o, "until")
		for _, u := range all {
			if u != all[0] || u == "" {
				t.Errorf("asked until %v", all)
			}
		}
		if end.Age > 10*time.Second+2*time.Second {
			t.Errorf("%v back: as-of counts from the first start", end.Age)
		}
	})
}

// A record of behind the bound, from an owner that does not keep to it, does
// not carry the watermark over others that were left out.
func TestUntilBoundsTheWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := time.Now().Add(time.Hour).UTC()
		owner := scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", ahead.Format(http.TimeFormat))
			fmt.Fprintf(w, `{"data":[{"id":1,"updated_at":%q}]}`, ahead.Add(-time.Minute).Format(time.RFC3339))
		})
		now := time.Now()
		spec := until(t, 0)
		_, end := complete(t, source(t, owner, spec), resync())
		if at, err := time.Parse(time.RFC3339, end.Watermark); err != nil || at.After(now) || end.Age < time.Hour {
			t.Errorf("end %+v, asked until %s (%v)", end, now, err)
		}
	})
}

// An owner that tells no date cannot tell how far a bounded walk came.
func TestUntilNeedsADate(t *testing.T) {
	o := ages(3)
	o.Clock.NoDate = true
	if err := fails(t, source(t, quick(o), until(t, 0)), resync(), syncer.ClassAnswer); !strings.Contains(err.Error(), "Date") {
		t.Error(err)
	}
}

// A walk that begins where it is to stop asks nevertheless, somewhat further:
// to ask nothing would prove nothing. What it gets from within the settle time
// it does not count on.
func TestWalkThatBeginsAtItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(3)
		spec := until(t, time.Hour)
		spec.Watermark.Overlap = 0
		s := source(t, quick(o), spec)
		from := o.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
		for poll := range 2 { // the second knows the owner's clock
			_, end := complete(t, s, changes(from))
			if n := len(o.Requests()); n != poll+1 || end.Watermark != from || end.Listed {
				t.Fatalf("poll %d: %d requests, end %+v", poll, n, end)
			}
			if u := asked(o, "until")[poll]; u <= asked(o, "since")[poll] {
				t.Errorf("asked since %s until %s, which nobody can answer", asked(o, "since")[poll], u)
			}
			if end.Age < time.Hour || end.Age > time.Hour+2*time.Second {
				t.Errorf("poll %d: %v back, want an hour", poll, end.Age)
			}
		}
	})
}

// dated is an owner of one record that answers each request with a date that
// is off by what is given, then with the right one; a refusal where status says
// so. It counts what it is asked.
func dated(t *testing.T, off *time.Duration, status *int, n *int) sources.Owner {
	changed := time.Now().UTC()
	return scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		*n++
		w.Header().Set("Date", time.Now().Add(*off).UTC().Format(http.TimeFormat))
		if *status != 0 {
			w.WriteHeader(*status)
			return
		}
		since, err := time.Parse(time.RFC3339Nano, r.URL.Query().Get("since"))
		until, err2 := time.Parse(time.RFC3339Nano, r.URL.Query().Get("until"))
		if err != nil || err2 != nil {
			t.Errorf("asked %s", r.URL.RawQuery)
		}
		if changed.Before(since) || !changed.Before(until) {
			fmt.Fprint(w, `{"data":[]}`)
			return
		}
		fmt.Fprintf(w, `{"data":[{"id":1,"name":"a","updated_at":%q}]}`, changed.Format(time.RFC3339))
	})
}

// One wrong date does not silence a feed, whoever sends it: the owner is asked
// at each poll, and as-of is never younger than what was asked for.
func TestOneWrongDate(t *testing.T) {
	for _, off := range []time.Duration{-8 * time.Hour, -30 * 365 * 24 * time.Hour, 8 * time.Hour, 99 * 365 * 24 * time.Hour} {
		for _, refusal := range []int{0, http.StatusServiceUnavailable} {
			synctest.Test(t, func(t *testing.T) {
				var wrong time.Duration
				var status, n int
				spec := users(t, sources.None)
				spec.Request.Query = append(spec.Request.Query, param("until", "{until}"))
				spec.Watermark.Initial = "1999-01-01T00:00:00Z"
				s := source(t, dated(t, &wrong, &status, &n), spec)
				time.Sleep(time.Minute)
				wrong, status = off, refusal
				_, err := walk(t, s, resync())
				if (err == nil) != (refusal == 0) {
					t.Fatal(err)
				}
				wrong, status = 0, 0
				time.Sleep(time.Minute)
				for poll := range 2 {
					before := n
					batches, end := complete(t, s, resync())
					if n == before {
						t.Fatalf("off by %v, %d, poll %d: nothing is asked, and as-of is %v back", off, refusal, poll, end.Age)
					}
					if missing := len(ids(batches)) == 0; missing && end.Age < time.Minute || missing && (poll == 1 || refusal != 0) {
						t.Errorf("off by %v, %d, poll %d: the record is missing, and as-of is %v back", off, refusal, poll, end.Age)
					}
					time.Sleep(time.Minute)
				}
			})
		}
	}
}

// "Not modified" is complete as far as the answer was that is still good: up to
// the bound.
func TestNotModifiedUpToABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
			w.Header().Set("ETag", `"`+r.URL.RawQuery+`"`)
			if r.Header.Get("If-None-Match") == w.Header().Get("ETag") {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			fmt.Fprint(w, `{"data":[]}`)
		})
		spec := users(t, sources.None)
		spec.Request.Conditional = true
		spec.Request.Query = append(spec.Request.Query, param("until", "{until}"))
		spec.Watermark.Format, spec.Watermark.Overlap = format(t, "date"), 24*time.Hour
		s := source(t, owner, spec)
		time.Sleep(18 * time.Hour) // of the day that is not asked for
		_, end := complete(t, s, changes("1999-12-30"))
		w := changes("1999-12-30")
		w.From.Validator = end.Validator
		_, again := complete(t, s, w)
		if !again.Unchanged || again.Age != end.Age || end.Age < 18*time.Hour {
			t.Errorf("the answer is complete up to %v ago, and not modified up to %v ago", end.Age, again.Age)
		}
	})
}

// {until} and {now} without settle are the owner's time, once it was heard.
func TestNowIsTheOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := ages(3)
		o.Clock.Skew = 42 * time.Hour
		spec := until(t, 0)
		spec.Request.Query = append(spec.Request.Query, param("now", "{now}"))
		s := source(t, quick(o), spec)
		complete(t, s, resync())
		time.Sleep(10 * time.Minute)
		before := len(o.Requests())
		complete(t, s, resync())
		for _, name := range []string{"until", "now"} {
			got, err := time.Parse(time.RFC3339Nano, asked(o, name)[before])
			if d := o.Now().Sub(got); err != nil || d < 0 || d > 2*time.Second {
				t.Errorf("{%s} is %v behind the owner's clock (%v)", name, d, err)
			}
		}
	})
}

// TestAsk: what is asked may be written in another format than what comes, and
// never of a later instant.
func TestAsk(t *testing.T) {
	for _, c := range []struct{ format, ask, from, initial, want string }{
		{"rfc3339", "unix", "2026-01-02T03:04:05.999Z", "", "1767322925"},
		{"rfc3339", "date", "2026-01-02T03:04:05Z", "", "2026-01-02"},
		{"unix_ms", "rfc3339", "1767323045999", "", "2026-01-02T03:02:05.999Z"},
		{"unix", "unix_ms", "", "1767323045", "1767323045000"},
		{"rfc3339", "unix", "", "", ""},
	} {
		var got []string
		owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
			got = r.URL.Query()["since"]
			w.Header().Set("Date", "Mon, 23 Nov 2026 12:00:00 GMT")
			fmt.Fprint(w, `{"data":[]}`)
		})
		spec := users(t, sources.None)
		spec.Watermark.Format, spec.Watermark.Ask, spec.Watermark.Initial = format(t, c.format), format(t, c.ask), c.initial
		_, end := complete(t, source(t, owner, spec), changes(c.from))
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" || end.Watermark != c.from {
			t.Errorf("%+v: watermark %q, %s", c, end.Watermark, diff)
		}
	}
}

// Paged by since, each page is asked in that format, too; as a number where it
// is one.
func TestAskPageByPage(t *testing.T) {
	var got []string
	owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		got = append(got, r.URL.Query().Get("since"))
		fmt.Fprintf(w, `{"data":[{"id":%d,"updated_at":"2026-01-02T03:04:0%dZ"},{"id":%d,"updated_at":"2026-01-02T03:04:0%dZ"}]}`,
			min(n, 3), min(n, 3), min(n, 3)+1, min(n, 3)+1)
	})
	spec := users(t, sources.Since)
	spec.Watermark.Ask = format(t, "unix")
	complete(t, source(t, owner, spec), resync())
	if diff := cmp.Diff([]string{"", "1767323042", "1767323043", "1767323044"}, got); diff != "" {
		t.Error(diff)
	}
}

// Bounded and counted by position, a record that changes leaves the pages and
// pulls an unread one over a border that was passed. It does not come again, so
// that only another pass, or a total, tells.
func TestRecordsThatLeaveTheBound(t *testing.T) {
	for _, by := range []sources.Style{sources.Page, sources.Offset} {
		for _, total := range []string{"", "meta.total"} {
			synctest.Test(t, func(t *testing.T) {
				o := ages(12)
				o.Style, o.Paging.Totals = styles[by], true
				o.Between = func(n int) {
					if time.Sleep(10 * time.Second); n == 2 {
						o.Put("leaves", 1)
					}
				}
				spec := users(t, by)
				spec.Request.Query = append(spec.Request.Query, param("until", "{until}"))
				spec.Paging.Total = total
				batches, end := complete(t, source(t, quick(o), spec), resync())
				held := copied(t, batches, nil)
				for _, id := range sequence(2, 12) {
					if held[fmt.Sprint(id)] == "" {
						t.Errorf("by %s with total %q: %d is missed", by, total, id)
					}
				}
				o.Between = nil
				time.Sleep(time.Hour)
				batches, _ = complete(t, source(t, quick(o), spec), changes(end.Watermark))
				if diff := cmp.Diff(truth(o), copied(t, batches, held)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestBoundsThatCannotBe(t *testing.T) {
	for want, change := range map[string]func(*sources.Spec){
		"is a time": func(s *sources.Spec) {
			s.Watermark = sources.Watermark{Place: "token", Opaque: sources.Token}
		},
		"settle needs {until}": func(s *sources.Spec) {
			s.Watermark.Settle, s.Request.Query = time.Minute, s.Request.Query[:1]
		},
		"cannot be negative": func(s *sources.Spec) { s.Watermark.Window = -1 },
		"settle needs a watermark that is a time": func(s *sources.Spec) {
			s.Watermark = sources.Watermark{Place: "token", Opaque: sources.Token, Ask: rfc3339(t), Settle: 1}
		},
		"initial":           func(s *sources.Spec) { s.Watermark.Window = time.Hour },
		"of one request":    func(s *sources.Spec) { s.Watermark = windowOver(t, sources.Watermark{Place: "at"}) },
		"be conditional":    func(s *sources.Spec) { s.Watermark = windowOver(t, sources.Watermark{Start: true}); conditionally(s) },
		"in another format": func(s *sources.Spec) { s.Watermark.Ask = format(t, "integer") },
	} {
		spec := until(t, 0)
		change(&spec)
		client, err := sources.NewClient(sources.Owner{URL: "https://owner.example"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sources.New(client, spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func windowOver(t *testing.T, w sources.Watermark) sources.Watermark {
	w.Format, w.Window, w.Initial = rfc3339(t), time.Hour, "2020-01-01T00:00:00Z"
	return w
}

func conditionally(s *sources.Spec) {
	s.Request.Conditional, s.Paging = true, sources.Paging{}
}

// Where only what is gone is asked up to {until}, what the walk proves is
// bounded by that.
func TestBoundOfWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var until string
		owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
			if r.URL.Path == "/v1/gone" {
				until = r.URL.Query().Get("until")
				fmt.Fprint(w, `{"gone":[]}`)
				return
			}
			fmt.Fprintf(w, `{"data":[{"id":1,"updated_at":%q}]}`, time.Now().UTC().Format(time.RFC3339))
		})
		spec := users(t, sources.None)
		spec.Records.DeletedAsk = &sources.DeletedAsk{At: "gone", Key: "id",
			Request: sources.Request{Path: text("/gone"), Query: []sources.Param{param("until", "{until}")}}}
		time.Sleep(500 * time.Millisecond)
		s := source(t, owner, spec)
		_, end := complete(t, s, changes("1999-12-31T00:00:00Z"))
		if until == "" || end.Watermark > until {
			t.Errorf("what is gone was asked until %q, end %+v", until, end)
		}
		if _, end := complete(t, s, resync()); !end.Listed {
			t.Error("a resync asks for everything")
		}
	})
}
