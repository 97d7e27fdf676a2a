package sources_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// library is an owner whose feed at /ids names what changed, and which hands
// records out by id.
type library struct {
	mu     sync.Mutex
	feed   string
	names  map[string]string
	asked  []string // in order of the ids
	most   int      // requests at one time
	inside int
	answer func(ids []string) string // nil: all that there are
	wait   func()
}

func (l *library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/ids") {
		fmt.Fprint(w, l.feed)
		return
	}
	l.mu.Lock()
	l.inside++
	l.most = max(l.most, l.inside)
	l.mu.Unlock()
	if l.wait != nil {
		l.wait()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inside--
	if id, one := strings.CutPrefix(r.URL.Path, "/v1/books/"); one {
		l.asked = append(l.asked, id)
		name, ok := l.names[id]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, `{"book":{"id":%q,"name":%q}}`, id, name)
		return
	}
	ids := strings.Split(r.URL.Query().Get("ids"), ",")
	if r.Method == http.MethodPost {
		var body struct{ IDs []string }
		text, _ := io.ReadAll(r.Body)
		if json.Unmarshal(text, &body) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		ids = body.IDs
	}
	l.asked = append(l.asked, strings.Join(ids, "+"))
	if l.answer != nil {
		fmt.Fprint(w, l.answer(ids))
		return
	}
	var all []string
	for _, id := range ids {
		if name, ok := l.names[id]; ok {
			all = append(all, fmt.Sprintf(`{"id":%q,"name":%q}`, id, name))
		} else {
			all = append(all, "null")
		}
	}
	slices.Reverse(all) // an answer need not be in the order asked
	fmt.Fprintf(w, `{"books":[%s]}`, strings.Join(all, ","))
}

// owner is the library behind a socket.
func (l *library) owner(t *testing.T) sources.Owner {
	t.Helper()
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	return sources.Owner{Name: "library", URL: server.URL + "/v1", Log: zerolog.Nop(), Retry: sources.Retry{Attempts: 1}}
}

// batched is a feed of ids whose records are fetched three at a time.
func batched() sources.Spec {
	return sources.Spec{Name: "books", Mode: sources.SnapshotAll, Request: sources.Request{Path: text("/ids")},
		Records: sources.Records{At: "ids", As: sources.AsValue, Key: []string{"id"}, Hydrate: &sources.Hydrate{
			Request: sources.Request{Path: text("/books"), Query: []sources.Param{param("ids", "{keys}")}}, Batch: 3, At: "books"}},
		Paths: []string{"id", "name"}}
}

// single fetches one by one.
func single() sources.Spec {
	spec := batched()
	spec.Records.Hydrate = &sources.Hydrate{Request: sources.Request{Path: text("/books/{record.id}")}, At: "book"}
	return spec
}

func hydrated(t *testing.T, l *library, spec sources.Spec) []string {
	t.Helper()
	batches, _ := complete(t, source(t, l.owner(t), spec), snapshot())
	return shown(batches)
}

func shelfOf(ids ...string) *library {
	l := &library{names: map[string]string{}}
	for _, id := range ids {
		l.names[id] = "n" + id
	}
	return l
}

func TestHydrateBatches(t *testing.T) {
	l := shelfOf("a", "b", "c", "d", "e f")
	l.feed = `{"ids":["a","b","a","c","d","gone","e f"]}`
	want := []string{`"b" "nb"`, `"a" "na"`, `"c" "nc"`, `"d" "nd"`, `?"gone" `, `"e f" "ne f"`}
	if diff := cmp.Diff(want, hydrated(t, l, batched())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	slices.Sort(l.asked)
	if diff := cmp.Diff([]string{"b+a+c", "d+gone+e f"}, l.asked); diff != "" {
		t.Errorf("asks (-want +got):\n%s", diff)
	}
	spec := batched()
	spec.Records.Hydrate.MissingDeleted = true
	if got := hydrated(t, l, spec); !slices.Contains(got, `-"gone" `) {
		t.Errorf("missing is deleted: %q", got)
	}
	spec.Records.Hydrate.Request = sources.Request{Method: "POST", Path: text("/books"), Body: &sources.Value{Kind: sources.Object,
		Members: []sources.Member{{Name: "IDs", Value: sources.TextValue(text("{keys}"))}}}}
	l.asked, l.feed = nil, `{"ids":["a","x,y"]}`
	l.names["x,y"] = "comma"
	if got := hydrated(t, l, spec); !slices.Equal(got, []string{`"a" "na"`, `"x,y" "comma"`}) {
		t.Errorf("a list in a body: %q", got)
	}
}

func TestHydrateOneByOne(t *testing.T) {
	l := shelfOf("a", "b c", "d")
	l.feed = `{"ids":["a","gone","b c","d","a"]}`
	want := []string{`-"gone" `, `"b c" "nb c"`, `"d" "nd"`, `"a" "na"`}
	if diff := cmp.Diff(want, hydrated(t, l, single())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(l.asked) != 4 {
		t.Errorf("asks %q, want each once", l.asked)
	}
}

// TestHydrateByTwoFields: one by one, a key may have several.
func TestHydrateByTwoFields(t *testing.T) {
	l := shelfOf("a")
	l.feed = `{"ids":[{"shelf":1,"id":"a"},{"shelf":2,"id":"a"},{"shelf":2,"id":"gone"},{"id":"a"}]}`
	spec := single()
	spec.Records.As, spec.Records.Key, spec.Paths = sources.AsArray, []string{"id", "shelf"}, []string{"id", "shelf", "name"}
	want := []string{`"a" 1`, `"a" 2`, `-"gone" 2`, `?"a" `}
	if diff := cmp.Diff(want, hydrated(t, l, spec)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHydrateTrustsNothing: keys that cannot be asked for, and answers with
// what was not asked for, stop nothing and change nothing.
func TestHydrateTrustsNothing(t *testing.T) {
	l := shelfOf("a", "b")
	l.feed = `{"ids":["a","x,y","` + strings.Repeat("k", 3000) + `","","b"]}`
	got := hydrated(t, l, batched())
	if len(got) != 5 || got[0] != `"a" "na"` || got[1] != `?"x,y" ` || got[3] != `?"" ` || got[4] != `"b" "nb"` {
		t.Errorf("odd keys of a batch: %.200q", got)
	}
	l.feed = `{"ids":["..","a",""]}`
	if got := hydrated(t, l, single()); !slices.Equal(got, []string{`?".." `, `"a" "na"`, `?"" `}) {
		t.Errorf("odd keys one by one: %q", got)
	}
	// A record for another one: the other is dropped, and what it stands for is
	// not taken for deleted.
	l.feed = `{"ids":["a","b"]}`
	l.answer = func([]string) string { return `{"books":[{"id":"A","name":"x"},{"id":"b","name":"nb"},{"name":"y"}]}` }
	spec := batched()
	spec.Records.Hydrate.MissingDeleted = true
	if got := hydrated(t, l, spec); !slices.Equal(got, []string{`?"a" `, `"b" "nb"`}) {
		t.Errorf("an answer of something else: %q", got)
	}
}

func TestHydrateFails(t *testing.T) {
	for body, class := range map[string]syncer.Class{
		`{"books":null}`:              syncer.ClassAnswer,
		`{"error":"no","books":[]}`:   syncer.ClassAnswer,
		`{"books":["x"]}`:             syncer.ClassDecode,
		`{"books":[`:                  syncer.ClassDecode,
		`<html>`:                      syncer.ClassAnswer,
		strings.Repeat(" ", 65<<20+1): syncer.ClassTooLarge,
	} {
		l := shelfOf("a")
		l.feed = `{"ids":["a"]}`
		l.answer = func([]string) string { return body }
		spec := batched()
		spec.Records.Error = "error"
		if err := fails(t, source(t, l.owner(t), spec), snapshot(), class); !strings.Contains(err.Error(), "fetch the records of page 1") {
			t.Errorf("%.20q: %v", body, err)
		}
	}
}

// TestHydrateKeepsToItsBounds: many ids come in several batches, of which the
// last alone ends the walk, and no more requests go out at one time than the
// owner takes.
func TestHydrateKeepsToItsBounds(t *testing.T) {
	var all, ids []string
	for i := range 50 {
		ids = append(ids, fmt.Sprint("k", i))
		all = append(all, fmt.Sprintf("%q", ids[i]))
	}
	l := shelfOf(ids...)
	l.feed = `{"ids":[` + strings.Join(all, ",") + `]}`
	owner := sources.Owner{Name: "library", URL: "https://library.example/v1", Log: zerolog.Nop(), Transport: sourcetest.Transport(l), Concurrency: 4}
	l.wait = func() { time.Sleep(time.Second) }
	var batches []*syncer.Batch
	synctest.Test(t, func(t *testing.T) { batches, _ = complete(t, source(t, owner, batched()), snapshot()) })
	for i, b := range batches {
		if len(b.Records) > 12 || (b.End != nil) != (i == len(batches)-1) || b.Size == 0 {
			t.Errorf("batch %d of %d: %d records, %d bytes, end %v", i, len(batches), len(b.Records), b.Size, b.End)
		}
	}
	if l.most != 4 || len(batches) != 5 {
		t.Errorf("%d requests at one time, %d batches", l.most, len(batches))
	}
	for i, text := range shown(batches) {
		if !strings.HasPrefix(text, all[i]) {
			t.Fatalf("record %d is %s, want %s", i, text, all[i])
		}
	}
}

// TestHydrateResumes: the parts of a page before its last repeat where the page
// began.
func TestHydrateResumes(t *testing.T) {
	spec := batched()
	spec.Records.As, spec.Records.Hydrate.Batch = sources.AsArray, 1
	spec.Paging = sources.Paging{By: sources.Cursor, Next: "next"}
	spec.Request.Query = []sources.Param{param("cursor", "{cursor}")}
	l := shelfOf("a", "b", "c", "d")
	l.feed = `{"ids":[{"id":"a"},{"id":"b"},{"id":"c"},{"id":"d"}],"next":"n2"}`
	s := source(t, l.owner(t), spec)
	var cursors []string
	for b, err := range s.Walk(t.Context(), snapshot()) {
		if err != nil {
			t.Fatal(err)
		}
		cursor := ""
		if b.Resume != nil {
			cursor = b.Resume.Cursor
		}
		if cursors = append(cursors, cursor); cursor != "" {
			break
		}
	}
	if len(cursors) != 2 || cursors[0] != "" || cursors[1] == "" {
		t.Errorf("cursors %q, want none behind the first part of the page", cursors)
	}
}

// TestHydrateBelievesTheOwner: where a page says of one key that it changed and
// that it is gone, in whatever order, the owner is asked.
func TestHydrateBelievesTheOwner(t *testing.T) {
	l := shelfOf("a", "b", "x,y")
	l.feed = `{"ids":[{"id":"a"},{"id":"a","gone":1},{"id":"b","gone":1},{"id":"b"},
		{"id":"c"},{"id":"c","gone":1},{"id":"d","gone":1},{"id":"d"},{"id":"e","gone":1},{"id":"f"},
		{"id":"x,y"},{"id":"x,y","gone":1}]}`
	for name, spec := range map[string]sources.Spec{"batched": batched(), "single": single()} {
		spec.Records.As, spec.Records.Deleted = sources.AsArray, "gone"
		want := []string{`"a" "na"`, `"b" "nb"`, `-"c" `, `-"d" `, `-"e" `, `?"f" `, `-"x,y" `}
		if name == "single" {
			want[5], want[6] = `-"f" `, `"x,y" "nx,y"`
		}
		if diff := cmp.Diff(want, hydrated(t, l, spec)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
