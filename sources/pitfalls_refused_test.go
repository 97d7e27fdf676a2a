package sources_test

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// inquiry is one way that a source is asked.
type inquiry struct {
	style sourcetest.Style
	spec  sources.Spec
	kind  syncer.WalkKind // of the walk that fails
}

// everyWay is every style and mode, each kind of walk, and rows in lines.
func everyWay(t *testing.T) map[string]inquiry {
	all := map[string]inquiry{}
	for by, served := range styles {
		all[string(by)+" incremental"] = inquiry{served, usersBy(t, by, sources.Incremental), syncer.Changes}
		all[string(by)+" snapshot"] = inquiry{served, usersBy(t, by, sources.SnapshotAll), syncer.Snapshot}
	}
	all["since incremental"] = inquiry{sourcetest.Since, users(t, sources.Since), syncer.Changes}
	token, url, events := users(t, sources.Cursor), users(t, sources.NextURL), users(t, sources.Since)
	token.Mode, url.Mode, events.Mode = sources.Delta, sources.Delta, sources.Log
	token.Request.Query[0], url.Request.Query = param("token", "{since}"), []sources.Param{param("size", "{size}")}
	token.Watermark = sources.Watermark{Place: "body:meta.token", Opaque: sources.Token}
	url.Watermark = sources.Watermark{Place: "body:links.delta", Opaque: sources.URL}
	token.Resync.Known, url.Resync.Known = true, true
	events.Request.Query[0] = param("after", "{since}")
	events.Watermark = sources.Watermark{From: []string{"seq"}, Format: format(t, "integer")}
	all["token"], all["url"] = inquiry{sourcetest.Delta, token, syncer.Changes}, inquiry{sourcetest.Delta, url, syncer.Changes}
	all["log"] = inquiry{sourcetest.Log, events, syncer.Changes}
	lined, listed := lines(t), lines(t)
	listed.Mode, listed.Watermark, listed.Records.Deleted, listed.Request.Query = sources.SnapshotAll, sources.Watermark{}, "", nil
	all["lines incremental"] = inquiry{sourcetest.Lines, lined, syncer.Changes}
	all["lines snapshot"] = inquiry{sourcetest.Lines, listed, syncer.Snapshot}
	for _, by := range []sources.Style{sources.None, sources.Cursor, sources.Page} {
		for _, kind := range []syncer.WalkKind{syncer.Resync, syncer.Audit} {
			all[fmt.Sprintf("%s %s", by, kind)] = inquiry{styles[by], usersBy(t, by, sources.Incremental), kind}
		}
	}
	return all
}

// tries walks once as the way's kind and says how that failed.
func (y inquiry) tries(s *shelf) *syncer.Failure {
	s.t.Helper()
	var reports []syncer.Report
	switch y.kind {
	case syncer.Audit:
		all, err := s.AuditNow(s.t.Context(), s.Copies[0], true)
		if err != nil {
			s.t.Error(err)
		}
		reports = all
	case syncer.Resync:
		if err := order(s.t, s); err != nil {
			s.t.Fatal(err)
		}
		fallthrough
	default:
		reports = s.Poll(s.t.Context(), time.Time{})
	}
	for _, r := range reports {
		if r.Failure != nil {
			return r.Failure
		}
	}
	return nil
}

type noAnswer struct {
	media, body string
	class       syncer.Class
}

// noAnswers are what an owner says with 200 that is no list, and what kind of
// failure each is.
var noAnswers = map[string]noAnswer{
	"an error":               {"", sourcetest.ErrorBody().Body, syncer.ClassAnswer},
	"errors of GraphQL":      {"", sourcetest.GraphQLErrors().Body, syncer.ClassAnswer},
	"not ok, an empty list":  {"", sourcetest.NotOK().Body, syncer.ClassRateLimited},
	"null for a list":        {"", sourcetest.NullList().Body, syncer.ClassAnswer},
	"no list":                {"", sourcetest.NoList().Body, syncer.ClassAnswer},
	"an empty object":        {"", `{}`, syncer.ClassAnswer},
	"an object for a list":   {"", `{"data":{},"meta":{"next_cursor":null}}`, syncer.ClassAnswer},
	"a text for a list":      {"", `{"data":"","meta":{"next_cursor":null}}`, syncer.ClassAnswer},
	"false for a list":       {"", `{"data":false}`, syncer.ClassAnswer},
	"the list elsewhere":     {"", `{"data":{"data":[]}}`, syncer.ClassAnswer},
	"a list at the top":      {"", `[]`, syncer.ClassAnswer},
	"null":                   {"", `null`, syncer.ClassAnswer},
	"a number":               {"", `200`, syncer.ClassAnswer},
	"a list of numbers":      {"", `{"data":[1,2]}`, syncer.ClassDecode},
	"a list with null in it": {"", `{"data":[null],"meta":{"next_cursor":null}}`, syncer.ClassDecode},
	"nothing":                {"", ``, syncer.ClassDecode},
	"half an object":         {"", `{"data":[]`, syncer.ClassDecode},
	"two objects":            {"", `{"data":[]}{"data":[]}`, syncer.ClassDecode},
	"a login page":           {"text/html; charset=utf-8", sourcetest.HTML("").Body, syncer.ClassAnswer},
	"one called JSON":        {"application/json", sourcetest.HTML("").Body, syncer.ClassAnswer},
	"one called nothing":     {"application/octet-stream", "\ufeff<html>", syncer.ClassAnswer},
	"a list called HTML":     {"text/html", `{"data":[],"meta":{"next_cursor":null}}`, syncer.ClassAnswer},
	"two marks and a list":   {"", "\ufeff\ufeff{\"data\":[],\"meta\":{\"next_cursor\":null}}", syncer.ClassDecode},
	"a list in UTF-16":       {"", "\xff\xfe{\x00}\x00", syncer.ClassDecode},
	"XML":                    {"application/xml", `<?xml version="1.0"?><error/>`, syncer.ClassAnswer},
}

// linesToo are those of them that are no list of lines either.
var linesToo = []string{"a login page", "one called JSON", "one called nothing", "a list called HTML", "XML", "half an object", "a number", "null"}

// someOf are some of them.
func someOf(names []string) map[string]noAnswer {
	some := map[string]noAnswer{}
	for _, name := range names {
		some[name] = noAnswers[name]
	}
	return some
}

// pages reports whether a way has a second page.
func (y inquiry) pages() bool { return y.style != sourcetest.Whole && y.style != sourcetest.Lines }

// Whatever an owner says with 200 in place of a page, on the first one or a
// later one, in every style and mode and each kind of walk: the walk fails, its
// watermark, as-of and rows stay, and the next one brings all that there is.
func TestWhatIsNoAnswerLeavesAllAsItIs(t *testing.T) {
	for name, y := range everyWay(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shapes := noAnswers
				if y.spec.Records.Format != "" {
					shapes = someOf(linesToo)
					for _, name := range []string{"a number", "null"} {
						shapes[name] = noAnswer{body: shapes[name].body, class: syncer.ClassDecode} // each line is a record
					}
				} else {
					y.spec.Records.Error = "error"
				}
				o := &sourcetest.Owner{Style: y.style, PageSize: 3, Tombstones: y.spec.Mode != sources.SnapshotAll}
				b := &bent{owner: o}
				s := newShelf(t, b, y.spec)
				spread(o, "new", 1, 7)
				s.heals("first poll", o)
				for what, shape := range shapes {
					for page := 1; page <= 2 && (page == 1 || y.pages()); page++ {
						time.Sleep(time.Hour)
						spread(o, what, 1, 7)
						b.by(func(n int, w http.ResponseWriter, _ *http.Request) bool {
							if n < page {
								return false
							}
							w.Header().Set("Content-Type", cmp.Or(shape.media, "application/json"))
							w.Header().Set("Content-Length", strconv.Itoa(len(shape.body)))
							_, _ = io.WriteString(w, shape.body)
							return true
						})
						s.leaves(fmt.Sprintf("%s on page %d", what, page), func() *syncer.Failure { return y.tries(s) }, shape.class)
						b.by(nil)
						time.Sleep(time.Hour)
						s.heals(fmt.Sprintf("%s on page %d, and well again", what, page), o)
					}
				}
			})
		})
	}
}

// A login page is no reason to ask again within the poll, whatever it is called.
func TestLoginPagesAreNoStorm(t *testing.T) {
	for what, shape := range someOf([]string{"a login page", "one called JSON", "one called nothing"}) {
		o := &sourcetest.Owner{Style: sourcetest.Whole, Fault: func(int, *http.Request) *sourcetest.Fault {
			return &sourcetest.Fault{Header: http.Header{"Content-Type": {shape.media}}, Body: shape.body}
		}}
		owner := quick(o)
		owner.Retry.Attempts = 5
		for _, spec := range []sources.Spec{users(t, sources.None), lines(t)} {
			before := len(o.Requests())
			fails(t, source(t, owner, spec), changes("2026-01-01T00:00:00Z"), syncer.ClassAnswer)
			if n := len(o.Requests()) - before; n != 1 {
				t.Errorf("%s: %d requests", what, n)
			}
		}
	}
}

// An answer that lists too little, nothing, or half, or only what a narrowed
// permission shows, deletes nothing beyond the guard, though it is a list; when
// it is whole again, nothing is left of it.
func TestShortListsDeleteNothing(t *testing.T) {
	for name, y := range everyWay(t) {
		if y.kind == syncer.Changes {
			continue
		}
		for what, short := range map[string]func(n int) *sourcetest.Fault{
			"nothing":         func(int) *sourcetest.Fault { return sourcetest.EmptyList() },
			"nothing of few":  func(int) *sourcetest.Fault { return sourcetest.EmptyList() },
			"half":            func(int) *sourcetest.Fault { return sourcetest.HalfList() },
			"behind one page": func(n int) *sourcetest.Fault { return map[bool]*sourcetest.Fault{true: sourcetest.Status(500)}[n == 2] },
			"one page of all": func(n int) *sourcetest.Fault { return map[bool]*sourcetest.Fault{true: sourcetest.EmptyList()}[n == 2] },
		} {
			if what == "half" && (y.style == sourcetest.Keyset || y.style == sourcetest.Offset) {
				continue // what leads on is not the owner's
			}
			if what == "one page of all" && !y.pages() {
				continue
			}
			all := map[bool]int64{false: 40, true: 5}[what == "nothing of few"] // fewer than the guard's floor
			// An audit asks for changes first, and what a failed walk has seen the next one builds on.
			proves := y.kind != syncer.Audit && what != "behind one page"
			t.Run(name+" "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o := &sourcetest.Owner{Style: y.style, PageSize: 20, Tombstones: y.spec.Mode != sources.SnapshotAll}
					y.spec.Paging.Size = 0
					s := newShelfOf(t, o, y.spec, func(l *row.Spec) { l.Guard = syncer.Guard{Share: 0.2, Floor: 10} })
					spread(o, "new", 1, all)
					s.heals("first poll", o)
					for range 3 {
						time.Sleep(time.Hour)
						asked := len(o.Requests())
						o.Fault = func(n int, _ *http.Request) *sourcetest.Fault {
							if y.spec.Records.Format != "" && what != "behind one page" {
								return &sourcetest.Fault{Header: http.Header{"Content-Type": {"application/x-ndjson"}}}
							}
							return short(n - asked)
						}
						held := s.kept().DeletesAsOf
						y.tries(s)
						if n := len(s.rows()); n != int(all) {
							t.Fatalf("%d rows are left", n)
						}
						if now := s.kept().DeletesAsOf; proves && !now.Equal(held) {
							t.Errorf("deletions are as of %s, and were of %s", now, held)
						}
					}
					o.Fault = nil
					time.Sleep(time.Hour)
					o.Put("changed", 1, 2)
					s.heals("whole again", o)
				})
			})
		}
	}
}
