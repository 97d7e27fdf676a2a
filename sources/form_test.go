package sources_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// shown writes the records of batches down: "-" stands before what is gone and
// "?" before what is lacking.
func shown(batches []*syncer.Batch) []string {
	var all []string
	for _, b := range batches {
		for _, r := range b.Records {
			var texts []string
			for _, slot := range r.Slots[:2] {
				texts = append(texts, string(slot))
			}
			text := strings.Join(texts, " ")
			switch {
			case r.Gone:
				text = "-" + text
			case r.Lacking != "":
				text = "?" + text
			}
			all = append(all, text)
		}
	}
	return all
}

// formed is a snapshot of records that stand as r says; slots 0 and 1 are paths.
func formed(r sources.Records, paths ...string) sources.Spec {
	return sources.Spec{Name: "list", Mode: sources.SnapshotAll, Request: sources.Request{Path: text("/list")},
		Records: r, Paths: paths}
}

// served is an owner behind a socket that answers with body.
func served(t *testing.T, body string) sources.Owner {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return sources.Owner{Name: "shop", URL: server.URL, Log: zerolog.Nop(), Retry: sources.Retry{Attempts: 1}}
}

func TestForms(t *testing.T) {
	for _, c := range []struct {
		name string
		spec sources.Spec
		body string
		want []string
	}{
		{"map", formed(sources.Records{At: "users", As: sources.AsMap, Key: []string{"event:key"}}, "event:key", "name"),
			`{"users":{"u1":{"name":"Ann"},"u2":{"name":null}}}`, []string{`"u1" "Ann"`, `"u2" null`}},
		{"map of scalars", formed(sources.Records{At: "rates", As: sources.AsMap, Key: []string{"event:key"}}, "event:key", ""),
			`{"rates":{"EUR":1.10,"GBP":0.9}}`, []string{`"EUR" 1.10`, `"GBP" 0.9`}},
		{"one", formed(sources.Records{At: "current", As: sources.AsOne, Key: []string{"id"}}, "id", "wind"),
			`{"current":{"id":1,"wind":3}}`, []string{"1 3"}},
		{"the body is one", formed(sources.Records{As: sources.AsOne, Key: []string{"id"}}, "id", "wind.speed"),
			`{"id":1,"wind":{"speed":3}}`, []string{"1 3"}},
		{"columns", formed(sources.Records{At: "hourly", As: sources.AsColumns, Key: []string{"each.city", "time"}}, "time", "each.city"),
			`{"hourly":{"interval":900,"time":[1,2],"unused":[1]}}`, []string{`1 "Oslo"`, `2 "Oslo"`}},
		{"value by its key", formed(sources.Records{At: "ids", As: sources.AsValue, Key: []string{"id"}}, "id", ""),
			`{"ids":[7,"b"]}`, []string{"7 7", `"b" "b"`}},
		{"envelope", formed(sources.Records{Unwrap: "after", Key: []string{"id"}, Version: []string{"ts"}, Deleted: "op",
			DeletedEquals: []string{`"d"`}}, "id", "ts"),
			`[{"op":"c","id":1,"after":{"id":9,"ts":5}},{"op":"u","ts":6,"after":{"id":2,"ts":4}},{"op":"d","id":3,"after":null}]`,
			[]string{"1 5", "2 6", "-3 "}},
		{"field of the envelope", formed(sources.Records{Unwrap: "after", Key: []string{"event:key.id"}}, "event:key.id", "name"),
			`[{"key":{"id":1},"name":"out","after":{"name":"in"}}]`, []string{`1 "in"`}},
		{"envelopes in a map", formed(sources.Records{As: sources.AsMap, Unwrap: "doc", Key: []string{"event:key"}}, "event:key", "name"),
			`{"a":{"doc":{"name":"x"}}}`, []string{`"a" "x"`}},
		{"absent is empty", formed(sources.Records{At: "list", AbsentEmpty: true, Key: []string{"id"},
			Require: sources.Test{At: "ok", Equals: []string{"true"}}}, "id", "x"), `{"ok":true}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := snapshot()
			w.Partition = syncer.Partition{Name: "oslo", Values: []syncer.PartitionValue{{Name: "city", JSON: []byte(`"Oslo"`)}}}
			batches, _ := complete(t, source(t, served(t, c.body), c.spec), w)
			if diff := cmp.Diff(c.want, shown(batches)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFormsThatFail(t *testing.T) {
	columns := formed(sources.Records{At: "hourly", As: sources.AsColumns, Key: []string{"time"}}, "time", "temp")
	wrapped := formed(sources.Records{Unwrap: "after", Key: []string{"id"}}, "id", "name")
	required := formed(sources.Records{At: "list", AbsentEmpty: true, Key: []string{"id"}, Require: sources.Test{At: "ok"}}, "id")
	for _, c := range []struct {
		spec  sources.Spec
		body  string
		class syncer.Class
		says  string
	}{
		{columns, `{"hourly":{"time":[1,2,3],"temp":[1,2]}}`, syncer.ClassAnswer, `"time" has 3, "temp" has 2`},
		{columns, `{"hourly":{"time":[1],"temp":4}}`, syncer.ClassAnswer, `"temp" is no array`},
		{formed(sources.Records{As: sources.AsMap, Key: []string{"event:key"}}, "event:key"), `[]`, syncer.ClassAnswer, "no object"},
		{formed(sources.Records{As: sources.AsValue, Key: []string{"id"}}, "id"), `[{}]`, syncer.ClassDecode, "record 0"},
		{wrapped, `[{"id":1,"after":null}]`, syncer.ClassDecode, `nothing at "after"`},
		{wrapped, `[{"id":1,"after":"x"}]`, syncer.ClassDecode, `nothing at "after"`},
		{required, `{}`, syncer.ClassAnswer, `"ok"`},
		{required, `{"ok":true,"list":null}`, syncer.ClassAnswer, "no array"},
	} {
		if err := fails(t, source(t, served(t, c.body), c.spec), snapshot(), c.class); !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s", c.body, err, c.says)
		}
	}
}

func TestFormsRefused(t *testing.T) {
	key := []string{"id"}
	request := sources.Request{Path: text("/ids"), Query: []sources.Param{param("ids", "{keys}")}}
	hydrated := func(r sources.Request) sources.Spec {
		return formed(sources.Records{Key: key, Hydrate: &sources.Hydrate{Request: r}}, "id")
	}
	conditional := hydrated(request) // which would say nothing of the records
	conditional.Request.Conditional = true
	for name, spec := range map[string]sources.Spec{
		"an unknown form":       formed(sources.Records{As: "heap", Key: key}, "id"),
		"an event without one":  formed(sources.Records{Key: key}, "id", "event:op"),
		"a second field":        formed(sources.Records{As: sources.AsValue, Key: key}, "id", "name"),
		"two keys of one value": formed(sources.Records{As: sources.AsValue, Key: []string{"id", "name"}}, "id"),
		"a value unwrapped":     formed(sources.Records{As: sources.AsValue, Unwrap: "x", Key: key}, "id"),
		"lines of maps":         formed(sources.Records{Format: sources.NDJSON, As: sources.AsMap, Key: key}, "id"),
		"a list beside lines":   formed(sources.Records{Format: sources.NDJSON, Key: key, DeletedList: sources.DeletedList{At: "gone"}}, "id"),
		"absent without proof":  formed(sources.Records{At: "list", AbsentEmpty: true, Key: key}, "id"),
		"a list of two fields":  formed(sources.Records{Key: []string{"id", "x"}, DeletedList: sources.DeletedList{At: "gone"}}, "id"),
		"a snapshot that asks":  formed(sources.Records{Key: key, DeletedAsk: &sources.DeletedAsk{Request: request}}, "id"),
		"no record named":       hydrated(sources.Request{Path: text("/all")}),
		"one and several":       hydrated(sources.Request{Path: text("/{record.id}"), Query: request.Query}),
		"another placeholder":   hydrated(sources.Request{Path: text("/{record.id}"), Query: []sources.Param{param("c", "{cursor}")}}),
		"not modified":          conditional,
		"keys of two fields": formed(sources.Records{Key: []string{"id", "x"},
			Hydrate: &sources.Hydrate{Request: request}}, "id", "x"),
	} {
		client, err := sources.NewClient(pages("[]"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sources.New(client, spec); err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
}

// TestDeletedList: a list of what is gone stands beside the changes, as objects
// or as bare ids, and may be absent or null where nothing is.
func TestDeletedList(t *testing.T) {
	spec := users(t, sources.None)
	spec.Records.Deleted, spec.Records.DeletedList = "", sources.DeletedList{At: "meta.removed", Key: "id"}
	walked := func(body string) []string {
		batches, _ := complete(t, source(t, served(t, body), spec), changes(""))
		return shown(batches)
	}
	record := `{"id":1,"name":"a","updated_at":"2026-01-01T00:00:00Z"}`
	body := func(meta string) string { return `{"data":[` + record + `]` + meta + `}` }
	for meta, want := range map[string][]string{
		`,"meta":{"removed":[{"id":2},{"id":1}]}`: {"-2 ", "-1 ", `1 "a"`}, // a record that is here is here
		`,"meta":{"removed":null}`:                {`1 "a"`},
		`,"meta":{}`:                              {`1 "a"`},
		``:                                        {`1 "a"`},
	} {
		if diff := cmp.Diff(want, walked(body(meta))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", meta, diff)
		}
	}
	for meta, class := range map[string]syncer.Class{
		`,"meta":{"removed":{}}`:                 syncer.ClassAnswer,
		`,"meta":{"removed":[{"id":null}]}`:      syncer.ClassDecode,
		`,"meta":{"removed":[{"key":1}]}`:        syncer.ClassDecode,
		`,"meta":{"removed":[1]}`:                syncer.ClassDecode,
		`,"meta":{"removed":[{"id":{"x":"y"}}]}`: syncer.ClassDecode,
	} {
		fails(t, source(t, served(t, body(meta)), spec), changes(""), class)
	}
	spec.Records.DeletedList.Key = ""
	if diff := cmp.Diff([]string{"-7 ", `-"b" `, `1 "a"`}, walked(body(`,"meta":{"removed":[7,"b"]}`))); diff != "" {
		t.Errorf("bare ids (-want +got):\n%s", diff)
	}
}

// deletedAsk is a feed whose deletions stand at an endpoint of their own.
func deletedAsk(t *testing.T) sources.Spec {
	spec := users(t, sources.None)
	spec.Records.Deleted = ""
	spec.Records.DeletedAsk = &sources.DeletedAsk{At: "gone", Key: "id", From: "covered", Earliest: "earliest",
		Request: sources.Request{Path: text("/users/deleted"), Query: []sources.Param{param("since", "{since}")}}}
	spec.Expired = sources.Expired{Status: []int{410}}
	return spec
}

// TestDeletedAsk: it is asked first, with the same since; the lesser of both
// times is the watermark; a resync does not ask it.
func TestDeletedAsk(t *testing.T) {
	covered := "2026-01-01T11:00:00Z"
	var asked []string
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.URL.Query().Get("since"))
		if strings.HasSuffix(r.URL.Path, "/deleted") {
			fmt.Fprintf(w, `{"gone":[{"id":2}],"covered":%q,"earliest":"2025-01-01T00:00:00Z"}`, covered)
			return
		}
		fmt.Fprint(w, `{"data":[{"id":1,"name":"a","updated_at":"2026-01-01T12:00:00Z"}]}`)
	})
	s := source(t, owner, deletedAsk(t))
	from := changes("2026-01-01T10:00:00Z")
	batches, end := complete(t, s, from)
	if diff := cmp.Diff([]string{"-2 ", `1 "a"`}, shown(batches)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := []string{"/v1/users/deleted 2026-01-01T09:58:00Z", "/v1/users 2026-01-01T09:58:00Z"}
	if diff := cmp.Diff(want, asked); diff != "" || end.Watermark != covered {
		t.Errorf("watermark %q, want %q; asked (-want +got):\n%s", end.Watermark, covered, diff)
	}
	for reached, want := range map[string]string{"2026-01-01T13:00:00Z": "2026-01-01T12:00:00Z", "2026-01-01T09:00:00Z": "2026-01-01T10:00:00Z"} {
		covered = reached
		if _, end := complete(t, s, from); end.Watermark != want {
			t.Errorf("covered up to %s: watermark %q, want %q", reached, end.Watermark, want)
		}
	}
	asked = nil
	if complete(t, s, resync()); len(asked) != 1 {
		t.Errorf("a resync asks %q", asked)
	}
}

func TestDeletedAskFails(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   syncer.Class
	}{
		"no list":      {200, `{"covered":"2026-01-01T11:00:00Z","earliest":"2025-01-01T00:00:00Z"}`, syncer.ClassAnswer},
		"no coverage":  {200, `{"gone":[],"earliest":"2025-01-01T00:00:00Z"}`, syncer.ClassAnswer},
		"a login page": {200, `<html>`, syncer.ClassAnswer},
		"an error":     {403, `{}`, syncer.ClassAuth},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
				if n > 1 {
					t.Error("changes are asked for")
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			}), deletedAsk(t))
			fails(t, s, changes("2026-01-01T10:00:00Z"), c.want)
		})
	}
}

// TestDeletedAskExpires: an owner that says no more what was deleted since, by
// a status or by how far back it reaches, needs a resync.
func TestDeletedAskExpires(t *testing.T) {
	for _, status := range []int{200, 410} {
		s := source(t, scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			fmt.Fprint(w, `{"gone":[],"covered":"2026-01-01T11:00:00Z","earliest":"2026-01-01T10:30:00Z"}`)
		}), deletedAsk(t))
		if _, err := walk(t, s, changes("2026-01-01T10:00:00Z")); !errors.Is(err, syncer.ErrExpired) {
			t.Errorf("with status %d: %v, want an expired watermark", status, err)
		}
	}
}

// TestEnvelopesInLines: each line is an event; what it holds is fetched by id
// where it only names it.
func TestEnvelopesInLines(t *testing.T) {
	spec := formed(sources.Records{Format: sources.NDJSON, Unwrap: "after", Key: []string{"event:key"}, Deleted: "op",
		DeletedEquals: []string{`"d"`}}, "event:key", "name")
	lines := `{"key":1,"op":"c","after":{"name":"a"}}` + "\n" + `{"key":2,"op":"d"}` + "\n"
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/list") {
			w.Header().Set("Content-Length", fmt.Sprint(len(lines)))
			fmt.Fprint(w, lines)
			return
		}
		fmt.Fprint(w, `{"key":"1","name":"fetched"}`)
	})
	batches, _ := complete(t, source(t, owner, spec), snapshot())
	if diff := cmp.Diff([]string{`1 "a"`, "-2 "}, shown(batches)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	whole := lines
	lines = `{"key":1,"op":"c"}` + "\n"
	fails(t, source(t, owner, spec), snapshot(), syncer.ClassDecode)
	lines = whole

	spec.Records.Unwrap, spec.Records.Key, spec.Paths = "", []string{"key"}, []string{"key", "name"}
	spec.Records.Hydrate = &sources.Hydrate{Request: sources.Request{Path: text("/items/{record.key}")}}
	owner.Concurrency = 1
	batches, end := complete(t, source(t, owner, spec), snapshot())
	if diff := cmp.Diff([]string{`"1" "fetched"`, "-2 "}, shown(batches)); diff != "" || !end.Listed {
		t.Errorf("end %+v (-want +got):\n%s", end, diff)
	}
}

// TestLinesCutUnseen: lines that are read at once, too, need a length, or a cut
// between two of them would pass for the whole list.
func TestLinesCutUnseen(t *testing.T) {
	spec := formed(sources.Records{Format: sources.NDJSON, Key: []string{"id"}}, "id", "name")
	spec.Records.Hydrate = &sources.Hydrate{Request: sources.Request{Path: text("/items/{record.id}")}}
	fails(t, source(t, pages(`{"id":1}`+"\n"), spec), snapshot(), syncer.ClassAnswer)
}

// TestDeletedAskOverWindows: what is gone is asked for once, over all that the
// windows cover, and such a walk cannot be resumed.
func TestDeletedAskOverWindows(t *testing.T) {
	var turn sync.Mutex
	var asked []string
	now := time.Now().UTC().Truncate(time.Second)
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		turn.Lock()
		defer turn.Unlock()
		w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
		asked = append(asked, r.URL.Path+" "+r.URL.Query().Get("since"))
		if strings.HasSuffix(r.URL.Path, "/deleted") {
			fmt.Fprintf(w, `{"gone":[{"id":2}],"covered":%q,"earliest":"2001-01-01T00:00:00Z"}`, now.Add(-time.Hour).Format(time.RFC3339))
			return
		}
		fmt.Fprintf(w, `{"data":[{"id":1,"name":"a","updated_at":%q}]}`, now.Add(-time.Minute).Format(time.RFC3339))
	})
	spec := deletedAsk(t)
	until := param("until", "{until}")
	spec.Request.Query = append(spec.Request.Query, until)
	spec.Records.DeletedAsk.Request.Query = append(spec.Records.DeletedAsk.Request.Query, until)
	spec.Watermark.Initial, spec.Watermark.Window = "2001-01-01T00:00:00Z", 4*time.Hour
	from := now.Add(-10 * time.Hour).Format(time.RFC3339)
	batches, end := complete(t, source(t, owner, spec), changes(from))
	gone := 0
	for _, b := range batches {
		if b.Resume != nil {
			t.Errorf("can be resumed at %s", b.Resume.Cursor)
		}
		for _, r := range b.Records {
			if r.Gone {
				gone++
			}
		}
	}
	first := "/v1/users/deleted " + now.Add(-10*time.Hour-2*time.Minute).Format(time.RFC3339)
	if len(asked) != 1+3 || asked[0] != first || gone != 1 || end.Watermark != now.Add(-time.Hour).Format(time.RFC3339) {
		t.Errorf("asks %q, %d gone, watermark %s", asked, gone, end.Watermark)
	}
}
