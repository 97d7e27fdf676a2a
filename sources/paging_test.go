package sources_test

import (
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

var byCursor = sources.Paging{By: sources.Cursor, Next: "next"}

// TestPagesEnd shows what ends a walk, and what does not.
func TestPagesEnd(t *testing.T) {
	cursor, page, offset := byCursor, sources.Paging{By: sources.Page, First: 1}, sources.Paging{By: sources.Offset}
	with := func(p sources.Paging, f func(*sources.Paging)) sources.Paging {
		f(&p)
		return p
	}
	more := func(p *sources.Paging) { p.More.At = "more" }
	for name, c := range map[string]struct {
		paging sources.Paging
		bodies []string
		want   string // ids
	}{
		"cursor: next absent":                  {cursor, []string{`{"data":[{"id":1}],"next":"a"}`, `{"data":[{"id":2}]}`}, "1 2"},
		"cursor: next null":                    {cursor, []string{`{"data":[{"id":1}],"next":"a"}`, `{"data":[{"id":2}],"next":null}`}, "1 2"},
		"cursor: next empty":                   {cursor, []string{`{"data":[{"id":1}],"next":"a"}`, `{"data":[{"id":2}],"next":""}`}, "1 2"},
		"cursor: a number":                     {cursor, []string{`{"data":[{"id":1}],"next":7}`, `{"data":[{"id":2}]}`}, "1 2"},
		"cursor: an empty page goes on":        {cursor, []string{`{"data":[{"id":1}],"next":"a"}`, `{"data":[],"next":"b"}`, `{"data":[{"id":3}]}`}, "1 3"},
		"cursor: the same token, another page": {cursor, []string{`{"data":[{"id":1}],"next":"a"}`, `{"data":[{"id":2}],"next":"a"}`, `{"data":[{"id":3}]}`}, "1 2 3"},
		"cursor: more false with a token":      {with(cursor, more), []string{`{"data":[{"id":1}],"next":"a","more":true}`, `{"data":[{"id":2}],"next":"b","more":false}`}, "1 2"},
		"cursor: more as text":                 {with(cursor, more), []string{`{"data":[{"id":1}],"next":"a","more":"True"}`, `{"data":[],"next":"b","more":"false"}`}, "1"},
		"cursor: more on an empty page":        {with(cursor, more), []string{`{"data":[],"next":"a","more":true}`, `{"data":[{"id":2}],"more":false}`}, "2"},
		"cursor: more equals": {with(cursor, func(p *sources.Paging) { p.More = sources.Test{At: "state", Equals: []string{`"part"`}} }),
			[]string{`{"data":[{"id":1}],"next":"a","state":"part"}`, `{"data":[{"id":2}],"next":"b","state":"done"}`}, "1 2"},
		"cursor: short page": {with(cursor, func(p *sources.Paging) { p.Size, p.ShortPage = 2, true }),
			[]string{`{"data":[{"id":1},{"id":2}],"next":"a"}`, `{"data":[{"id":3}],"next":"b"}`}, "1 2 3"},
		"page: an empty page":          {page, []string{`{"data":[{"id":1}]}`, `{"data":[{"id":2}]}`, `{"data":[]}`}, "1 2"},
		"page: pages reached":          {with(page, func(p *sources.Paging) { p.Pages = "pages" }), []string{`{"data":[{"id":1}],"pages":2}`, `{"data":[{"id":2}],"pages":"2"}`}, "1 2"},
		"page: pages reached, from 10": {with(page, func(p *sources.Paging) { p.Pages, p.First = "pages", 10 }), []string{`{"data":[{"id":1}],"pages":2}`, `{"data":[{"id":2}],"pages":2}`}, "1 2"},
		"page: an empty page inside":   {with(page, func(p *sources.Paging) { p.Pages = "pages" }), []string{`{"data":[{"id":1}],"pages":3}`, `{"data":[],"pages":3}`, `{"data":[{"id":3}],"pages":3}`}, "1 3"},
		"page: no pages at all":        {with(page, func(p *sources.Paging) { p.Pages = "pages" }), []string{`{"data":[],"pages":0}`}, ""},
		"page: total reached":          {with(page, func(p *sources.Paging) { p.Total = "total" }), []string{`{"data":[{"id":1}],"total":"2"}`, `{"data":[{"id":2}],"total":2}`}, "1 2"},
		"page: more":                   {with(page, more), []string{`{"data":[],"more":true}`, `{"data":[{"id":2}],"more":false}`}, "2"},
		"offset: an empty page":        {offset, []string{`{"data":[{"id":1}]}`, `{"data":[]}`}, "1"},
		"offset: total reached":        {with(offset, func(p *sources.Paging) { p.Total = "total" }), []string{`{"data":[{"id":1},{"id":2}],"total":3}`, `{"data":[{"id":3}],"total":3}`}, "1 2 3"},
		"offset: short page":           {with(offset, func(p *sources.Paging) { p.Size, p.ShortPage = 2, true }), []string{`{"data":[{"id":1}]}`}, "1"},
		"none: one response":           {sources.Paging{}, []string{`{"data":[{"id":1}],"next":"a"}`}, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			owner := scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
				asked = n
				fmt.Fprint(w, c.bodies[min(n, len(c.bodies))-1])
			})
			query := []sources.Param{param("cursor", "{cursor}"), param("page", "{page}"), param("offset", "{offset}")}
			batches, _ := complete(t, source(t, owner, list(c.paging, query...)), snapshot())
			if got := strings.Join(ids(batches), " "); got != c.want || asked != len(c.bodies) {
				t.Errorf("got %q after %d requests, want %q after %d", got, asked, c.want, len(c.bodies))
			}
		})
	}
}

// TestPagesThatCannotEndFail shows every walk that must not count as complete.
func TestPagesThatCannotEndFail(t *testing.T) {
	with := func(p sources.Paging, f func(*sources.Paging)) sources.Paging {
		f(&p)
		return p
	}
	page, offset := sources.Paging{By: sources.Page, First: 1}, sources.Paging{By: sources.Offset}
	for name, c := range map[string]struct {
		paging sources.Paging
		bodies []string
		says   string
	}{
		"the same token and page again": {byCursor, []string{`{"data":[{"id":1}],"next":"a"}`}, "circle"},
		"a circle of two":               {byCursor, []string{`{"data":[{"id":1}],"next":"a"}`, `{"data":[{"id":2}],"next":"b"}`, `{"data":[{"id":3}],"next":"a"}`, `{"data":[{"id":2}],"next":"b"}`, `{"data":[{"id":3}],"next":"a"}`}, "circle"},
		"more without a token":          {with(byCursor, func(p *sources.Paging) { p.More.At = "more" }), []string{`{"data":[{"id":1}],"more":true}`}, `"next" is not there`},
		"more missing":                  {with(byCursor, func(p *sources.Paging) { p.More.At = "more" }), []string{`{"data":[{"id":1}],"next":"a"}`}, "neither true nor false"},
		"more is no flag":               {with(byCursor, func(p *sources.Paging) { p.More.At = "more" }), []string{`{"data":[{"id":1}],"more":"perhaps"}`}, "neither true nor false"},
		"a token that is an object":     {byCursor, []string{`{"data":[{"id":1}],"next":{"a":1}}`}, "no token"},
		"a token beyond bounds":         {byCursor, []string{`{"data":[{"id":1}],"next":"` + strings.Repeat("x", 20<<10) + `"}`}, "longer than"},
		"total missing":                 {with(offset, func(p *sources.Paging) { p.Total = "total" }), []string{`{"data":[{"id":1}]}`}, `"total" is not there`},
		"total is no count":             {with(page, func(p *sources.Paging) { p.Total = "total" }), []string{`{"data":[{"id":1}],"total":-1}`}, "no count"},
		"pages is no count":             {with(page, func(p *sources.Paging) { p.Pages = "pages" }), []string{`{"data":[{"id":1}],"pages":1.5}`}, "no count"},
		"an offset that cannot move":    {with(offset, func(p *sources.Paging) { p.More.At = "more" }), []string{`{"data":[],"more":true}`}, "cannot move"},
		"fewer keys than the total":     {with(byCursor, func(p *sources.Paging) { p.Total = "total" }), []string{`{"data":[{"id":1},{"id":1}],"total":2}`}, "1 keys came of a total of 2"},
		"max_pages":                     {with(page, func(p *sources.Paging) { p.MaxPages = 3 }), []string{`{"data":[{"id":1}]}`}, "max_pages = 3"},
		"pages without a new key":       {page, []string{`{"data":[{"id":1}]}`}, "1000 successive pages"},
		"empty pages that always go on": {with(page, func(p *sources.Paging) { p.More.At = "more" }), []string{`{"data":[],"more":true}`}, "1000 successive pages"},
		"the last record has no keyset": {sources.Paging{By: sources.Keyset}, []string{`{"data":[{"id":1,"at":null}]}`}, `no "at"`},
		"more behind an empty keyset":   {with(sources.Paging{By: sources.Keyset}, func(p *sources.Paging) { p.More.At = "more" }), []string{`{"data":[],"more":true}`}, "no last record"},
	} {
		t.Run(name, func(t *testing.T) {
			query := []sources.Param{param("cursor", "{cursor}"), param("page", "{page}"), param("offset", "{offset}"), param("after", "{last.at}")}
			err := fails(t, source(t, pages(c.bodies...), list(c.paging, query...)), snapshot(), syncer.ClassPaging)
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want it to say %q", err, c.says)
			}
		})
	}
}

// TestEndlessNextLink: every page leads on with a new token and a new key.
func TestEndlessNextLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Minute)
			fmt.Fprintf(w, `{"data":[{"id":%d}],"next":"t%d"}`, n, n)
		})
		owner.Timeout = time.Hour
		p := byCursor
		p.MaxTime = time.Hour
		err := fails(t, source(t, owner, list(p, param("cursor", "{cursor}"))), snapshot(), syncer.ClassPaging)
		if !strings.Contains(err.Error(), "max_time = 1h") {
			t.Error(err)
		}
	})
}

// TestDeletesBetweenPagesWalkAgain: a row that is deleted on a page already
// read pulls an unread one past the border of the next page.
func TestDeletesBetweenPagesWalkAgain(t *testing.T) {
	for _, by := range []sources.Style{sources.Page, sources.Offset} {
		for name, deletions := range map[string]int{"once": 1, "for ever": 100} {
			t.Run(string(by)+" "+name, func(t *testing.T) {
				o := &sourcetest.Owner{Style: styles[by], PageSize: 3, Order: sourcetest.ByID, Paging: sourcetest.Paging{Totals: true}}
				o.Put("row", sequence(1, 100)...)
				next := int64(1)
				o.Between = func(n int) {
					if n%2 == 0 && int(next) <= deletions {
						o.Delete(next)
						next++
					}
				}
				spec := users(t, by)
				spec.Mode, spec.Paging.Total = sources.SnapshotAll, "meta.total"
				s := source(t, quick(o), spec)
				if deletions > 1 {
					fails(t, s, snapshot(), syncer.ClassPaging)
					return
				}
				batches, _ := complete(t, s, snapshot())
				seen := ids(batches)
				for _, r := range o.Truth() {
					if !slices.Contains(seen, fmt.Sprint(r.ID)) {
						t.Errorf("row %d was never seen", r.ID)
					}
				}
			})
		}
	}
}

// TestWalkingAgainStartsTheOrderAgain: the second pass begins with old records.
func TestWalkingAgainStartsTheOrderAgain(t *testing.T) {
	spec := users(t, sources.Page)
	spec.Watermark.Order, spec.Paging.Total = sources.Ascending, "total"
	record := func(day int) string { return fmt.Sprintf(`{"id":%d,"updated_at":"2026-01-%02dT00:00:00Z"}`, day, day) }
	first, short, rest := `{"data":[`+record(1)+`],"total":3}`, `{"data":[`+record(3)+`],"total":2}`, `{"data":[`+record(3)+`],"total":2}`
	batches, _ := complete(t, source(t, pages(first, short, strings.Replace(first, "3}", "2}", 1), rest), spec), resync())
	if got := strings.Join(ids(batches), " "); got != "1 3 1 3" {
		t.Error(got)
	}
}

// TestOffsetMovesByWhatCame: the owner caps its pages without a word.
func TestOffsetMovesByWhatCame(t *testing.T) {
	o := &sourcetest.Owner{Style: sourcetest.Offset, PageSize: 2}
	o.Put("row", sequence(1, 5)...)
	spec := users(t, sources.Offset)
	spec.Paging.Size = 100
	complete(t, source(t, quick(o), spec), resync())
	var got []string
	for _, r := range o.Requests() {
		got = append(got, r.URL.Query().Get("offset"))
	}
	if diff := cmp.Diff([]string{"0", "2", "4", "5"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestTiesAcrossPages: all rows share one stamp, in pages of one to four.
func TestTiesAcrossPages(t *testing.T) {
	everyStyle(t, func(t *testing.T, by sources.Style, o *sourcetest.Owner) {
		at := time.Now().Add(-time.Hour)
		for _, id := range sequence(1, 9) {
			o.Commit(sourcetest.Change{ID: id, Name: "tie", Stamp: at, Commit: at, Visible: at})
		}
		for size := 1; size <= 4; size++ {
			o.PageSize = size
			batches, _ := complete(t, source(t, quick(o), users(t, by)), resync())
			if diff := cmp.Diff(truth(o), copied(t, batches, nil)); diff != "" {
				t.Errorf("pages of %d: %s", size, diff)
			}
		}
	})
}

// TestWritesBetweenPages: updates, inserts and deletes while tokens and keysets
// are paged; one quiet walk later the copy is right.
func TestWritesBetweenPages(t *testing.T) {
	for _, by := range []sources.Style{sources.Cursor, sources.NextURL, sources.Keyset} {
		t.Run(string(by), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &sourcetest.Owner{Style: styles[by], PageSize: 2, Tombstones: true}
				o.Put("first", sequence(1, 9)...)
				time.Sleep(time.Minute)
				o.Between = func(n int) {
					if n <= 3 {
						o.Put("moved", int64(n), int64(20+n))
						o.Delete(int64(10 - n))
						time.Sleep(time.Second)
					}
				}
				s := source(t, quick(o), users(t, by))
				batches, end := complete(t, s, resync())
				held := copied(t, batches, nil)
				time.Sleep(time.Hour)
				batches, _ = complete(t, s, changes(end.Watermark))
				if diff := cmp.Diff(truth(o), copied(t, batches, held)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestNextPlaces: tokens come from the body, from names with dots and signs,
// and from headers; a later request may differ from the first.
func TestNextPlaces(t *testing.T) {
	t.Run("quoted name", func(t *testing.T) {
		p := sources.Paging{By: sources.Cursor, Next: `"@odata.next"`}
		batches, _ := complete(t, source(t, pages(`{"data":[{"id":1}],"@odata.next":"a"}`, `{"data":[{"id":2}]}`), list(p, param("c", "{cursor}"))), snapshot())
		if got := strings.Join(ids(batches), " "); got != "1 2" {
			t.Error(got)
		}
	})
	t.Run("header", func(t *testing.T) {
		empty := false
		answer := func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				w.Header().Set("X-Next", `a"b`)
			} else if got := r.URL.Query().Get("c"); got != `a"b` {
				t.Errorf("token %q", got)
			}
			if n == 2 && empty {
				w.Header().Set("X-Next", "")
			}
			fmt.Fprintf(w, `{"data":[{"id":%d}]}`, n)
		}
		p := sources.Paging{By: sources.Cursor, Next: "header:X-Next"}
		for _, empty = range []bool{false, true} {
			batches, _ := complete(t, source(t, scripted(answer), list(p, param("c", "{cursor}"))), snapshot())
			if len(batches) != 2 {
				t.Errorf("%d pages, the last with an empty header: %v", len(batches), empty)
			}
		}
	})
	t.Run("later", func(t *testing.T) {
		var asked []string
		owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.URL.RawQuery)
			fmt.Fprint(w, []string{`{"data":[{"id":"a"}]}`, `{"data":[]}`}[n-1])
		})
		spec := list(sources.Paging{By: sources.Keyset}, param("sort", "id"), param("first", "1"))
		spec.Request.Later.Query = []sources.Param{param("filter", "id > '{last.id}'"), param("first")}
		complete(t, source(t, owner, spec), snapshot())
		if diff := cmp.Diff([]string{"sort=id&first=1", "sort=id&filter=id%20%3E%20%27a%27"}, asked); diff != "" {
			t.Error(diff)
		}
	})
}
