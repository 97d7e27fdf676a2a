package sourcetest_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

func query(text ...string) (all []sources.Param) {
	for i := 0; i < len(text); i += 2 {
		field, value, _ := strings.Cut(text[i+1], ".")
		part := sources.Part{Placeholder: field, Field: value}
		all = append(all, sources.Param{Name: text[i], Values: []sources.Value{sources.TextValue(sources.Template{part})}})
	}
	return all
}

// specs are how larder asks an owner in its styles.
func specs(t *testing.T) map[string]struct {
	style sourcetest.Style
	ends  []sourcetest.End
	spec  sources.Spec
} {
	stamps, err := row.ParseFormat("rfc3339", nil)
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := row.ParseFormat("integer", nil)
	if err != nil {
		t.Fatal(err)
	}
	spec := func(mode sources.Mode, by sources.Paging, mark sources.Watermark, asks ...string) sources.Spec {
		return sources.Spec{
			Name: "users", Mode: mode, Paging: by, Watermark: mark,
			Request: sources.Request{Path: sources.Template{{Literal: "/users"}}, Query: query(asks...)},
			Records: sources.Records{At: "data", Key: []string{"id"}, Deleted: "deleted_at"},
			Expired: sources.Expired{Status: []int{http.StatusGone}}, Resync: sources.Resync{Known: mode != sources.Incremental},
			Paths: []string{"id", "name"},
		}
	}
	since := sources.Watermark{From: []string{"updated_at"}, Format: stamps, Overlap: time.Minute}
	paged := func(by sources.Style, next string, asks ...string) sources.Spec {
		return spec(sources.Incremental, sources.Paging{By: by, Next: next, Size: 4, First: 1}, since, append(asks, "since", "since", "size", "size")...)
	}
	type one = struct {
		style sourcetest.Style
		ends  []sourcetest.End
		spec  sources.Spec
	}
	told := []sourcetest.End{sourcetest.EndNull, sourcetest.EndMissing, sourcetest.EndText, sourcetest.EndEmpty, sourcetest.EndMore, sourcetest.EndShort}
	counted := []sourcetest.End{sourcetest.EndNull, sourcetest.EndMore, sourcetest.EndShort}
	return map[string]one{
		"whole":    {sourcetest.Whole, told[:1], paged(sources.None, "")},
		"cursor":   {sourcetest.Cursor, told, paged(sources.Cursor, "meta.next_cursor", "cursor", "cursor")},
		"next url": {sourcetest.NextURL, told, paged(sources.NextURL, "links.next")},
		"link":     {sourcetest.Link, []sourcetest.End{sourcetest.EndMissing, sourcetest.EndEmpty, sourcetest.EndShort, sourcetest.EndMore}, paged(sources.Link, "")},
		"page":     {sourcetest.Page, counted, paged(sources.Page, "", "page", "page")},
		"offset":   {sourcetest.Offset, counted, paged(sources.Offset, "", "offset", "offset")},
		"keyset":   {sourcetest.Keyset, counted, paged(sources.Keyset, "", "after_stamp", "last.updated_at", "after_id", "last.id")},
		"since":    {sourcetest.Since, told[:1], paged(sources.Since, "")},
		"delta": {sourcetest.Delta, told[:4], spec(sources.Delta, sources.Paging{By: sources.Cursor, Next: "meta.next_cursor"},
			sources.Watermark{Place: "meta.token", Opaque: sources.Token}, "token", "since", "cursor", "cursor")},
		"delta by links": {sourcetest.Delta, told[:4], spec(sources.Delta, sources.Paging{By: sources.NextURL, Next: "links.next"},
			sources.Watermark{Place: "links.delta", Opaque: sources.URL})},
		"log": {sourcetest.Log, []sourcetest.End{sourcetest.EndMore}, spec(sources.Log, sources.Paging{By: sources.Since},
			sources.Watermark{Last: "seq", Format: numbers}, "after", "since")},
	}
}

// TestLarderCopiesEachStyle: an owner that keeps its contract is copied, in each
// style and however the last page is told, with empty pages in between and
// records that come again, over writes between the polls.
func TestLarderCopiesEachStyle(t *testing.T) {
	for name, c := range specs(t) {
		for _, end := range c.ends {
			for _, again := range []int{0, 1} {
				t.Run(fmt.Sprintf("%s, %s, %d again", name, cmp.Or(end, "null"), again), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						o := &owner{Style: c.style, PageSize: 4, Tombstones: true, Paging: paging{End: end, Again: again}}
						if again > 0 && end != sourcetest.EndShort {
							o.Paging.EmptyEvery = 2
						}
						spec := c.spec
						switch {
						case end == sourcetest.EndMore:
							spec.Paging.More.At = "meta.more"
							if c.style == sourcetest.Link {
								return // its header says it
							}
						case end == sourcetest.EndShort:
							spec.Paging.ShortPage = true
						}
						copies(t, o, spec)
					})
				})
			}
		}
	}
}

// sourceOf is larder's end of a feed.
func sourceOf(t interface{ Fatal(...any) }, o *owner, spec sources.Spec) *sources.Source {
	client, err := sources.NewClient(sources.Owner{Name: "shop", URL: "https://owner.example", Transport: o.Transport(), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	source, err := sources.New(client, spec)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// truth is what a copy should be.
func truth(o *owner) map[string]string {
	want := map[string]string{}
	for _, r := range o.Truth() {
		want[fmt.Sprint(r.ID)] = `"` + r.Name + `"`
	}
	return want
}

// copies polls three times, with writes in between, and compares.
func copies(t *testing.T, o *owner, spec sources.Spec) {
	source := sourceOf(t, o, spec)
	held, at := map[string]string{}, syncer.Position{}
	for poll := range 3 {
		time.Sleep(time.Second)
		o.Put(fmt.Sprintf("poll %d", poll), 1, int64(2+poll), int64(10+poll))
		for id := range int64(7) {
			time.Sleep(time.Second)
			o.Put(fmt.Sprintf("poll %d", poll), 20+id)
		}
		if poll > 0 {
			o.Delete(int64(1 + poll))
		}
		time.Sleep(time.Minute)
		walk := syncer.Walk{ID: "w", Kind: syncer.Changes, Sent: time.Now(), From: at}
		if poll == 0 {
			walk.Kind = syncer.Resync
		}
		for b, err := range source.Walk(t.Context(), walk) {
			if err != nil {
				t.Fatalf("poll %d: %v", poll, err)
			}
			for _, r := range b.Records {
				if delete(held, string(r.Slots[0])); !r.Gone {
					held[string(r.Slots[0])] = string(r.Slots[1])
				}
			}
			if b.End != nil {
				at.Watermark = b.End.Watermark
			}
		}
		if diff := gocmp.Diff(truth(o), held); diff != "" {
			t.Errorf("poll %d: %s", poll, diff)
		}
	}
}

// TestListShowsWhatTheLogSays: whatever the log, the lag and the order of
// requests, the list is the last visible change of each record.
func TestListShowsWhatTheLogSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Now().Add(-time.Hour).Truncate(time.Second)
		instant := rapid.Custom(func(t *rapid.T) time.Time {
			return start.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "at")) * time.Minute)
		})
		o := &owner{Tombstones: rapid.Bool().Draw(t, "tombstones"), Order: sourcetest.ByID}
		var log []change
		write := func(t *rapid.T) {
			c := change{ID: rapid.Int64Range(1, 4).Draw(t, "id"), Name: fmt.Sprint(len(log)), Gone: rapid.Bool().Draw(t, "gone"), Visible: instant.Draw(t, "visible")}
			c.Stamp, c.Commit = c.Visible.Add(-time.Minute), c.Visible
			log = append(log, c)
			o.Commit(c)
		}
		t.Repeat(map[string]func(*rapid.T){
			"write": write,
			"restore": func(t *rapid.T) {
				at := instant.Draw(t, "at")
				o.Restore(at)
				log = slices.DeleteFunc(log, func(c change) bool { return c.Commit.After(at) })
			},
			"read": func(t *rapid.T) {
				at := instant.Draw(t, "at").Add(time.Second)
				o.Clock.Nodes = []sourcetest.Node{{Lag: time.Since(at)}}
				last := map[int64]change{}
				for _, c := range log {
					if !c.Visible.After(at) {
						last[c.ID] = c
					}
				}
				want := []string{}
				for id := range int64(5) {
					if c, ok := last[id]; ok && (!c.Gone || o.Tombstones) {
						want = append(want, c.Name)
					}
				}
				var page struct{ Data []sourcetest.Row }
				r := carry(o.Transport(), "https://owner.example", "", nil)
				if err := json.Unmarshal([]byte(r.Body), &page); err != nil {
					t.Fatal(err)
				}
				got := []string{}
				for _, r := range page.Data {
					got = append(got, r.Name)
				}
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Fatal(diff)
				}
			},
		})
	})
}
