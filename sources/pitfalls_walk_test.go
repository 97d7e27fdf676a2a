package sources_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// All records share one stamp, on pages of every size from one to more than
// there are: they are all copied, or, where the stamp is all that a page has to
// go on from and they do not fit on it, the walk fails.
func TestPitfallTies(t *testing.T) {
	const records = 7
	all := map[sources.Style]sourcetest.Style{sources.Since: sourcetest.Since}
	for by, served := range styles {
		all[by] = served
	}
	for by, served := range all {
		for size := 1; size <= records+1; size++ {
			t.Run(fmt.Sprint(by, " ", size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := &sourcetest.Owner{Style: served, PageSize: size}
					o.Put("tie", sequence(1, records)...)
					spec := users(t, by)
					spec.Paging.Size = size
					s := shelve(t, o, spec)
					time.Sleep(time.Minute)
					reports := s.Poll(t.Context(), time.Time{})
					if n := len(o.Requests()); n > 4*(records+1) {
						t.Errorf("%d requests", n)
					}
					if fits := by != sources.Since || size > records; reports[0].OK() != fits {
						t.Fatalf("walk ends well: %v, %+v", reports[0].OK(), reports[0].Failure)
					} else if fits {
						s.has("ties", o)
					}
				})
			})
		}
	}
}

// A writer that changes twice as many records as are read meanwhile: with a bound
// the walk ends, and so does the next one, which goes on from there; without one
// it ends by its pages or its time, fails, and leaves the watermark.
func TestPitfallHotFeed(t *testing.T) {
	for name, c := range map[string]struct {
		spec func(*sources.Spec)
		ends bool
	}{
		"until": {func(s *sources.Spec) { s.Request.Query = append(s.Request.Query, param("until", "{until}")) }, true},
		"pages": {func(s *sources.Spec) { s.Paging.MaxPages = 40 }, false},
		"time":  {func(s *sources.Spec) { s.Paging.MaxTime = time.Minute }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &sourcetest.Owner{Style: sourcetest.Keyset, PageSize: 3, Clock: sourcetest.Clock{Takes: time.Second}}
				o.Put("first", sequence(1, 20)...)
				time.Sleep(time.Minute)
				spec := users(t, sources.Keyset)
				c.spec(&spec)
				s := shelve(t, o, spec)
				next, hot := int64(0), true
				o.Between = func(n int) {
					if !hot {
						return
					}
					for range 6 {
						o.Put(fmt.Sprint("before ", n), next%20+1, 100+next)
						next++
					}
				}
				first := s.Poll(t.Context(), time.Time{})[0]
				if first.OK() != c.ends || s.asked > 75 {
					t.Fatalf("walk ends well: %v after %d requests, %+v", first.OK(), s.asked, first.Failure)
				}
				if c.ends {
					held := len(s.memory.Rows("copy", []string{"id"}))
					s.poll(syncer.Changes)
					if more := len(s.memory.Rows("copy", []string{"id"})); more <= held {
						t.Errorf("the next walk brings %d rows to %d", more, held)
					}
				} else if w := s.standing().Position.Watermark; w != "" {
					t.Errorf("watermark %q of a walk that did not end", w)
				}
				hot = false
				time.Sleep(time.Minute)
				for range 8 { // each goes on where the one before stopped
					s.Poll(t.Context(), time.Time{})
				}
				s.has("at rest", o)
			})
		})
	}
}

var errKilled = errors.New("killed")

// A daemon that is killed at every page and every write of a walk, of pages in
// order and shuffled: no watermark moves before the walk has ended, and the next
// daemon loses nothing.
func TestPitfallKilledAtEveryPage(t *testing.T) {
	for _, order := range []sourcetest.Order{sourcetest.ByStamp, sourcetest.Shuffled, sourcetest.ByID} {
		for _, by := range []sources.Style{sources.Cursor, sources.Keyset, sources.Page, sources.NextURL} {
			if by == sources.Keyset && order != sourcetest.ByStamp {
				continue // its last record tells no place then
			}
			for _, step := range []string{"begin", "commit", "committed"} {
				for at := 1; ; at++ {
					if !killedAt(t, order, by, step, at) {
						if at < 4 {
							t.Errorf("%s, by %s: %d writes", order, by, at-1)
						}
						break
					}
				}
			}
		}
	}
}

// killedAt kills a daemon in its at-th write of a walk for changes, and reports
// whether there was one.
func killedAt(t *testing.T, order sourcetest.Order, by sources.Style, step string, at int) (killed bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: styles[by], PageSize: 3, Order: order}
		o.Put("first", sequence(1, 8)...)
		time.Sleep(time.Minute)
		s := shelve(t, o, users(t, by))
		s.poll(syncer.Resync)
		before := s.standing()
		for _, id := range []int64{5, 2, 8, 1, 7, 3, 6, 4, 9} {
			o.Put("changed", id)
			time.Sleep(5 * time.Minute) // more than the overlap
		}
		writes := 0
		s.memory.Fault = func(now string) error {
			if now == "begin" {
				writes++
			}
			if killed = killed || now == step && writes == at; killed {
				return errKilled
			}
			return nil
		}
		r := s.Poll(t.Context(), time.Time{})[0]
		s.memory.Fault = nil
		after := s.standing()
		if w := after.Position.Watermark; !after.AsOf.After(before.AsOf) && w != before.Position.Watermark {
			t.Errorf("%s, by %s, write %d: watermark %q of a walk that did not end", order, by, at, w)
		}
		if killed && r.OK() {
			t.Errorf("%s, by %s: a poll that is killed in %s of write %d ends well", order, by, step, at)
		}
		s.restart()
		o.Put("in between", 2, 10)
		time.Sleep(time.Minute)
		s.poll(syncer.Changes)
		s.poll(syncer.Changes) // the one before may have gone on with the walk of before
		s.has(fmt.Sprintf("%s, by %s, killed in %s of write %d", order, by, step, at), o)
	})
	return killed
}

// restart is a daemon that starts anew: it knows what is stored, and no more.
func (s *shelf) restart() {
	s.t.Helper()
	c := s.Copies[0]
	s.Feed = &syncer.Feed{Name: s.Name, Source: s.Source, Snapshot: s.Snapshot, Partitions: s.Partitions, Gather: s.Gather,
		Retention: s.Retention, Persist: s.Persist, Copies: []*syncer.Copy{{Name: c.Name, Table: s.table, Keeper: s.table}}}
}

// A record without a stamp as the first, one in the middle and the last: of a
// page, of the feed and of its end. The policy says what becomes of it, and in no
// case does it move the watermark.
func TestPitfallNullStamps(t *testing.T) {
	for _, by := range []sources.Style{sources.Cursor, sources.Page, sources.None} {
		for null := range int64(7) {
			for policy, there := range map[sources.Null]bool{sources.NullInclude: true, sources.NullSkip: false, sources.NullFail: false} {
				t.Run(fmt.Sprintf("%s, record %d, %s", by, null, policy), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := &sourcetest.Owner{Style: styles[by], PageSize: 3, Order: sourcetest.ByID}
						for id := range int64(7) {
							o.Commit(sourcetest.Change{ID: id, Name: "row", Stamp: o.Now(), Commit: o.Now(), Visible: o.Now(), NoStamp: id == null})
							time.Sleep(time.Second)
						}
						spec := users(t, by)
						spec.Watermark.Null = policy
						s := shelve(t, o, spec)
						newest := ""
						for _, r := range o.Truth() {
							newest = max(newest, r.UpdatedAt)
						}
						if r := s.Poll(t.Context(), time.Time{})[0]; r.OK() == (policy == sources.NullFail) {
							t.Fatalf("poll ends well: %v, %+v", r.OK(), r.Failure)
						}
						want := newest
						if policy == sources.NullFail {
							want = ""
						}
						if got := s.standing().Position.Watermark; got != want {
							t.Errorf("watermark %q, want %q", got, want)
						}
						if policy == sources.NullFail {
							return
						}
						held := slices.ContainsFunc(s.memory.Rows("copy", []string{"id"}), func(r []string) bool { return r[0] == fmt.Sprint(null) })
						if held != there || len(s.memory.Rows("copy", []string{"id"})) < 6 {
							t.Errorf("the record is held: %v", held)
						}
					})
				})
			}
		}
	}
}

// Pages that are full, empty and full again, wherever the empty one comes: the
// end is what is configured as one. Empty ones without end fail.
func TestPitfallEmptyPages(t *testing.T) {
	for _, by := range []sources.Style{sources.Cursor, sources.NextURL, sources.Link, sources.Page} {
		for empty := range 4 {
			t.Run(fmt.Sprintf("%s, page %d", by, empty+1), func(t *testing.T) {
				owner := scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
					record := fmt.Sprintf(`{"id":%d}`, n)
					if n == empty+1 {
						record = ""
					}
					more := n < 4
					next := "null"
					if more {
						w.Header().Set("Link", fmt.Sprintf(`<https://owner.example/v1/list?n=%d>; rel="next"`, n))
						next = fmt.Sprintf(`"https://owner.example/v1/list?n=%d"`, n)
					}
					fmt.Fprintf(w, `{"data":[%s],"next":%s,"more":%v}`, record, next, more)
				})
				p := sources.Paging{By: by, First: 1}
				switch by {
				case sources.Cursor, sources.NextURL:
					p.Next = "next"
				case sources.Page:
					p.More.At = "more"
				}
				batches, end := complete(t, source(t, owner, list(p, param("cursor", "{cursor}"), param("page", "{page}"))), snapshot())
				want := slices.Delete([]string{"1", "2", "3", "4"}, empty, empty+1)
				if diff := cmp.Diff(want, ids(batches)); diff != "" || !end.Listed {
					t.Errorf("%+v: %s", end, diff)
				}
			})
		}
	}
	endless := scripted(func(n int, w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"data":[],"next":"t%d"}`, n) })
	err := fails(t, source(t, endless, list(byCursor, param("cursor", "{cursor}"))), snapshot(), syncer.ClassPaging)
	if !strings.Contains(err.Error(), "1000 successive pages") {
		t.Error(err)
	}
}
