package sources_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// drive is a delta whose list and first token are requests of their own, as of
// Google Drive: records of other members, in the same slots.
func drive() sources.Spec {
	token := sources.Watermark{Place: "newStartPageToken", Opaque: sources.Token}
	return sources.Spec{
		Name: "files", Mode: sources.Delta,
		Request:   sources.Request{Path: text("/changes"), Query: []sources.Param{param("pageToken", "{since}")}},
		Paging:    sources.Paging{By: sources.None},
		Records:   sources.Records{At: "changes", Key: []string{"id"}, Deleted: "removed"},
		Watermark: token,
		Expired:   sources.Expired{Status: []int{410}},
		Resync: sources.Resync{
			Request: &sources.Request{Path: text("/files"), Query: []sources.Param{param("page", "{cursor}")}},
			Paging:  &sources.Paging{By: sources.Cursor, Next: "nextPageToken"},
			Records: &sources.Records{At: "files", Key: []string{"id"}},
			Watermark: &sources.Watermark{
				Place: "startPageToken", Opaque: sources.Token,
			},
			Before: &sources.Request{Path: text("/changes/startPageToken")},
		},
		Paths: []string{"id", "name"},
	}
}

// driveOwner writes down what it is asked, and answers a list of two pages.
func driveOwner(asked *[]string) sources.Owner {
	return scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.RequestURI())
		switch r.URL.Path + "?" + r.URL.RawQuery {
		case "/v1/changes/startPageToken?":
			fmt.Fprint(w, `{"startPageToken":"s1"}`)
		case "/v1/files?":
			fmt.Fprint(w, `{"files":[{"id":1,"name":"a"}],"nextPageToken":"p2","startPageToken":"wrong"}`)
		case "/v1/files?page=p2":
			fmt.Fprint(w, `{"files":[{"id":2,"name":"b"}]}`)
		case "/v1/changes?pageToken=s1":
			fmt.Fprint(w, `{"changes":[{"id":1,"removed":true}],"newStartPageToken":"s2"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
}

// TestResyncTakesTheWatermarkBeforeTheList, so that what changes while the list
// is read comes with the next changes; those are asked as ever.
func TestResyncTakesTheWatermarkBeforeTheList(t *testing.T) {
	var asked []string
	s := source(t, driveOwner(&asked), drive())
	batches, end := complete(t, s, resync())
	if end.Watermark != "s1" || !end.Listed || !slices.Equal(ids(batches), []string{"1", "2"}) {
		t.Errorf("records %v, end %+v", ids(batches), end)
	}
	if got := string(batches[1].Records[0].Slots[1]); got != `"b"` {
		t.Errorf("slot 1 holds %s", got)
	}
	batches, end = complete(t, s, changes(end.Watermark))
	if end.Watermark != "s2" || end.Listed || !batches[0].Records[0].Gone {
		t.Errorf("changes end with %+v", end)
	}
	want := []string{"/v1/changes/startPageToken", "/v1/files", "/v1/files?page=p2", "/v1/changes?pageToken=s1"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

// TestResyncResumesWithItsWatermark: what was asked ahead of the list is not
// asked again, because it would be too young.
func TestResyncResumesWithItsWatermark(t *testing.T) {
	var asked []string
	first := upTo(t, source(t, driveOwner(&asked), drive()), resync(), 1)
	asked = nil
	_, end := complete(t, source(t, driveOwner(&asked), drive()), goOn(stored(t, first[0].Resume)))
	if diff := cmp.Diff([]string{"/v1/files?page=p2"}, asked); diff != "" || end.Watermark != "s1" || !end.Listed {
		t.Errorf("end %+v, asked %s", end, diff)
	}
}

// TestResyncWithoutAnswerBeforeTheList fails before the list is asked for.
func TestResyncWithoutAnswerBeforeTheList(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		class syncer.Class
	}{
		"no token":  {`{"other":1}`, syncer.ClassAnswer},
		"a list":    {`[]`, syncer.ClassAnswer},
		"a login":   {`<html>`, syncer.ClassAnswer},
		"cut off":   {`{"startPageToken":"s`, syncer.ClassDecode},
		"no answer": {"", syncer.ClassHTTP5xx},
	} {
		n := 0
		owner := scripted(func(i int, w http.ResponseWriter, _ *http.Request) {
			if n = i; c.body == "" {
				w.WriteHeader(http.StatusInternalServerError)
			}
			fmt.Fprint(w, c.body)
		})
		if err := fails(t, source(t, owner, drive()), resync(), c.class); !strings.Contains(err.Error(), "ahead of the list") || n != 1 {
			t.Errorf("%s: %v after %d requests", name, err, n)
		}
	}
}

// TestResyncWithoutBefore: of a list of its own the first page's token counts,
// of the feed itself the last page's.
func TestResyncWithoutBefore(t *testing.T) {
	bodies := []string{`{"data":[{"id":1}],"next":"a","token":"first"}`, `{"data":[{"id":2}],"token":"last"}`}
	for name, c := range map[string]struct {
		resync sources.Resync
		want   string
	}{
		"its own list":    {sources.Resync{Request: &sources.Request{Path: text("/list"), Query: []sources.Param{param("cursor", "{cursor}")}}}, "first"},
		"the feed itself": {sources.Resync{Known: true}, "last"},
		"other records":   {sources.Resync{Records: &sources.Records{At: "data", Key: []string{"id"}}}, "last"},
	} {
		spec := delta()
		spec.Resync = c.resync
		if _, end := complete(t, source(t, pages(bodies...), spec), resync()); end.Watermark != c.want {
			t.Errorf("%s: %q, want %q", name, end.Watermark, c.want)
		}
	}
}

// TestResyncOfAnIncrementalFeed: its watermark is still the greatest of the
// records, and what it asks is the request of the resync.
func TestResyncOfAnIncrementalFeed(t *testing.T) {
	spec := users(t, sources.None)
	spec.Watermark.Initial = "2020-01-01T00:00:00Z"
	spec.Resync.Request = &sources.Request{Path: text("/export")}
	var asked []string
	owner := answers(&asked, `{"data":[{"id":1,"updated_at":"2024-01-01T00:00:00Z"}]}`)
	_, end := complete(t, source(t, owner, spec), resync())
	if end.Watermark != "2024-01-01T00:00:00Z" || !end.Listed || asked[0] != "/v1/export" {
		t.Errorf("asked %q, end %+v", asked, end)
	}
}

// TestResyncListed: a resync sweeps what it has not seen only if it has seen all.
func TestResyncListed(t *testing.T) {
	own := &sources.Request{Path: text("/list")}
	last := sources.Watermark{Last: "id", Opaque: sources.Token}
	for name, c := range map[string]struct {
		change func(*sources.Spec)
		want   bool
	}{
		"delta":                                {func(*sources.Spec) {}, true},
		"delta of which nothing is known":      {func(s *sources.Spec) { s.Resync.Known = false }, false},
		"delta from an initial token":          {func(s *sources.Spec) { s.Watermark.Initial = "x" }, false},
		"delta by a list of its own":           {func(s *sources.Spec) { s.Resync.Request, s.Watermark.Initial = own, "x" }, true},
		"log from its beginning":               {func(s *sources.Spec) { s.Mode, s.Watermark = sources.Log, last }, false},
		"log by other paging":                  {func(s *sources.Spec) { s.Mode, s.Watermark, s.Resync.Paging = sources.Log, last, &sources.Paging{} }, false},
		"log by a log of its own":              {func(s *sources.Spec) { s.Mode, s.Watermark, s.Resync.Request = sources.Log, last, own }, false},
		"log by a list of state":               {func(s *sources.Spec) { s.Mode, s.Resync.Request = sources.Log, own }, true},
		"log from its beginning, with a place": {func(s *sources.Spec) { s.Mode = sources.Log }, false},
	} {
		spec := delta()
		spec.Paging = sources.Paging{By: sources.None}
		c.change(&spec)
		if _, end := complete(t, source(t, pages(`{"data":[{"id":1}],"token":"t"}`), spec), resync()); end.Listed != c.want {
			t.Errorf("%s: listed %t", name, end.Listed)
		}
	}
}

// TestResyncsThatContradictThemselves are refused before anything is asked.
func TestResyncsThatContradictThemselves(t *testing.T) {
	for name, change := range map[string]func(*sources.Spec){
		"of a snapshot":           func(s *sources.Spec) { s.Mode = sources.SnapshotAll },
		"another kind of token":   func(s *sources.Spec) { s.Resync.Watermark.Opaque = sources.URL },
		"before without a place":  func(s *sources.Spec) { s.Resync.Watermark = &sources.Watermark{Last: "id", Opaque: sources.Token} },
		"a path that is none":     func(s *sources.Spec) { s.Resync.Records.At = "a..b" },
		"a request that is none":  func(s *sources.Spec) { s.Resync.Request.Path = text("/a?b") },
		"before that is none":     func(s *sources.Spec) { s.Resync.Before.Path = text("/a#b") },
		"paging without its next": func(s *sources.Spec) { s.Resync.Paging.Next = "" },
	} {
		spec := drive()
		change(&spec)
		refused(t, name, spec)
	}
	source(t, pages(`{}`), drive())
}

// TestResyncBeforeTheFeedItself: what the pages hold where the answer ahead of
// them has the watermark is not taken for one, in bodies or in headers.
func TestResyncBeforeTheFeedItself(t *testing.T) {
	before := &sources.Request{Path: text("/start")}
	paged := delta()
	paged.Resync = sources.Resync{Before: before}
	lined := delta()
	lined.Request.Query, lined.Paging = nil, sources.Paging{}
	lined.Records.At, lined.Records.Format = "", sources.NDJSON
	lined.Watermark.Place = "header:X-Token"
	lined.Resync = sources.Resync{Before: before}
	headed := lined
	headed.Records.At, headed.Records.Format = "data", sources.JSON
	for name, spec := range map[string]sources.Spec{"a page": paged, "lines": lined, "a page's header": headed} {
		owner := scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Token", []string{"s1", "wrong", "wrong"}[n-1])
			body := []string{`{"token":"s1"}`, `{"data":[{"id":1}],"next":"wrong"}`, `{"data":[]}`}[n-1]
			if spec.Records.Format == sources.NDJSON && n > 1 {
				body = `{"id":1}`
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			fmt.Fprint(w, body)
		})
		if _, end := complete(t, source(t, owner, spec), resync()); end.Watermark != "s1" {
			t.Errorf("%s: watermark %q, want the one ahead of the list", name, end.Watermark)
		}
	}
}

// TestResyncBeforeTheFirstEvent: the position of a log without events is 0,
// where it is counted, and changes go on from there.
func TestResyncBeforeTheFirstEvent(t *testing.T) {
	integer, err := row.ParseFormat("integer", nil)
	if err != nil {
		t.Fatal(err)
	}
	spec := drive()
	spec.Mode, spec.Watermark = sources.Log, sources.Watermark{Last: "seq", Format: integer}
	spec.Resync.Watermark = &sources.Watermark{Place: "last_seq", Format: integer}
	for body, want := range map[string]string{`{"last_seq":0}`: "0", `{"last_seq":7}`: "7"} {
		s := source(t, pages(body, `{"files":[]}`), spec)
		if _, end := complete(t, s, resync()); end.Watermark != want {
			t.Errorf("%s: watermark %q, want %q", body, end.Watermark, want)
		}
	}
	for _, body := range []string{`{}`, `{"last_seq":null}`, `{"last_seq":""}`, `{"last_seq":false}`} {
		fails(t, source(t, pages(body, `{"files":[]}`), spec), resync(), syncer.ClassAnswer)
	}
}
