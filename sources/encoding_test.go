package sources_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// echo is a real server that keeps what it was last asked.
type echo struct {
	path, query, body string
	values            map[string][]string
	header            http.Header
}

func newEcho(t testing.TB) (*echo, sources.Owner) {
	e := &echo{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*e = echo{r.URL.EscapedPath(), r.URL.RawQuery, string(body), r.URL.Query(), r.Header}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"data":[]}`)
	}))
	t.Cleanup(server.Close)
	return e, at(server.URL + "/v1/")
}

func partition(name string, value any) syncer.Partition {
	raw, _ := json.Marshal(value)
	return syncer.Partition{Name: name, Values: []syncer.PartitionValue{{Name: name, JSON: raw}}}
}

// TestValuesArriveAsTheyAre in paths, queries, headers and bodies.
func TestValuesArriveAsTheyAre(t *testing.T) {
	e, owner := newEcho(t)
	for _, value := range []string{
		"plain", "a b", "a+b", "a/b", "a%2Fb", "2024-01-01T00:00:00+02:00", "[x]{y}", "münchen 東京", "t+/=%2B &", "a=b&c=d", "#?;:@", `quote " and \`, "..a",
	} {
		t.Run(value, func(t *testing.T) {
			spec := list(sources.Paging{}, param("each", "{each.v}"), param("in", "x {each.v} y"), param("fixed", "1"))
			spec.Request.Path = text("/list/{each.v}/end")
			spec.Request.Method = http.MethodPost
			spec.Request.Body = &sources.Value{Kind: sources.Object, Members: []sources.Member{{Name: "v", Value: sources.TextValue(text("{each.v}"))}, {Name: "in", Value: sources.TextValue(text("x {each.v}"))}}}
			if isASCII(value) {
				spec.Request.Headers = []sources.Header{{Name: "X-V", Value: text("v={each.v}")}}
			}
			w := snapshot()
			w.Partition = partition("v", value)
			complete(t, source(t, owner, spec), w)

			unescaped, err := url.PathUnescape(strings.TrimSuffix(strings.TrimPrefix(e.path, "/v1/list/"), "/end"))
			if err != nil || unescaped != value || strings.Count(e.path, "/") != 4 {
				t.Errorf("path %q", e.path)
			}
			want := map[string][]string{"each": {value}, "in": {"x " + value + " y"}, "fixed": {"1"}}
			if diff := cmp.Diff(want, e.values); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(e.query, "+") || !strings.HasPrefix(e.query, "each=") || !strings.HasSuffix(e.query, "&fixed=1") {
				t.Errorf("query %q", e.query)
			}
			var body map[string]string
			if err := json.Unmarshal([]byte(e.body), &body); err != nil || body["v"] != value || body["in"] != "x "+value {
				t.Errorf("body %s: %v", e.body, err)
			}
			if isASCII(value) && e.header.Get("X-V") != "v="+value {
				t.Errorf("header %q", e.header.Get("X-V"))
			}
		})
	}
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e })
}

// TestQueryShapes: arrays repeat, tables are JSON text, the order stays, and
// what has no value is left out.
func TestQueryShapes(t *testing.T) {
	e, owner := newEcho(t)
	object := sources.Value{Kind: sources.Object, Members: []sources.Member{
		{Name: "z", Value: sources.TextValue(text("{each.v}"))},
		{Name: "a", Value: sources.Value{Kind: sources.List, Items: []sources.Value{{Kind: sources.Scalar, Scalar: "true"}, sources.TextValue(text("{cursor}")), {Kind: sources.Scalar, Scalar: "1"}}}},
		{Name: "gone", Value: sources.TextValue(text("{cursor}"))},
	}}
	spec := list(sources.Paging{Size: 50},
		param("z", "1"), param("a[]", "x", "{cursor}", "y"), param("since", "{since}"), param("size", "{size}"),
		sources.Param{Name: "where", Values: []sources.Value{object}})
	w := snapshot()
	w.Partition = partition("v", 7)
	complete(t, source(t, owner, spec), w)
	want := "z=1&a%5B%5D=x&a%5B%5D=y&size=50&where=%7B%22z%22%3A7%2C%22a%22%3A%5Btrue%2C1%5D%7D"
	if e.query != want {
		t.Errorf("query\n%s\nwant\n%s", e.query, want)
	}
}

// TestBodiesKeepTypes: a placeholder that is a whole value keeps its own type.
func TestBodiesKeepTypes(t *testing.T) {
	o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 1}
	o.Put("row", 1, 2)
	spec := users(t, sources.Cursor)
	spec.Request.Method = http.MethodPost
	spec.Watermark.Format = format(t, "unix_ms")
	member := func(name, s string) sources.Member {
		return sources.Member{Name: name, Value: sources.TextValue(text(s))}
	}
	spec.Request.Body = &sources.Value{Kind: sources.Object, Members: []sources.Member{
		member("since", "{since}"), member("jql", "updated >= {since}"), member("size", "{size}"), member("token", "{cursor}"), member("html", "<&>"),
	}}
	spec.Watermark.Null = sources.NullInclude
	spec.Watermark.From = []string{"nothing"}
	complete(t, source(t, quick(o), spec), changes("1700000120000"))
	bodies := o.Requests()
	if got, want := string(bodies[0].Body), `{"since":1700000000000,"jql":"updated >= 1700000000000","size":3,"html":"<&>"}`; got != want {
		t.Errorf("first body %s", got)
	}
	if got := string(bodies[1].Body); !strings.Contains(got, `"token":"t+/=%2B &`) {
		t.Errorf("second body %s", got)
	}
}

// TestPlaceholdersWithoutAValue inside a longer text are an error, and so are
// values that would change the path or end a header.
func TestPlaceholdersWithoutAValue(t *testing.T) {
	for name, change := range map[string]func(*sources.Spec){
		"in a query": func(s *sources.Spec) { s.Request.Query = []sources.Param{param("q", "id > {cursor}")} },
		"in a path":  func(s *sources.Spec) { s.Request.Path = text("/list/{cursor}") },
		"in a table": func(s *sources.Spec) {
			s.Request.Body = &sources.Value{Kind: sources.Object, Members: []sources.Member{{Name: "q", Value: sources.TextValue(text("a{cursor}"))}}}
		},
		"dots in a path":     func(s *sources.Spec) { s.Request.Path = text("/list/{each.dots}") },
		"a line in a header": func(s *sources.Spec) { s.Request.Headers = []sources.Header{{Name: "X", Value: text("{each.line}")}} },
	} {
		t.Run(name, func(t *testing.T) {
			spec := list(sources.Paging{})
			change(&spec)
			w := snapshot()
			w.Partition = syncer.Partition{Name: "p", Values: []syncer.PartitionValue{{Name: "dots", JSON: []byte(`".."`)}, {Name: "line", JSON: []byte(`"a\r\nX-Evil: 1"`)}}}
			fails(t, source(t, pages(`{"data":[]}`), spec), w, syncer.ClassInternal)
		})
	}
}

// TestEachFillsSlots: a partition's values stand in their slots of every
// record, whatever the record has there.
func TestEachFillsSlots(t *testing.T) {
	spec := list(sources.Paging{})
	spec.Paths = []string{"each.city", "id", "each.lat"}
	spec.Records.Key = []string{"each.city", "id"}
	w := snapshot()
	w.Partition = syncer.Partition{Name: "Berlin", Values: []syncer.PartitionValue{{Name: "city", JSON: []byte(`"Berlin"`)}, {Name: "lat", JSON: []byte(`52.50`)}}}
	batches, _ := complete(t, source(t, pages(`{"data":[{"id":1,"each":{"city":"Paris"}}]}`), spec), w)
	got := batches[0].Records[0].Slots
	if string(got[0]) != `"Berlin"` || string(got[1]) != "1" || string(got[2]) != "52.50" {
		t.Errorf("slots %q", got)
	}
}

// TestGone: present, not null and not false; or one of the named values.
func TestGone(t *testing.T) {
	body := `{"data":[{"id":1},{"id":2,"gone":null},{"id":3,"gone":false},{"id":4,"gone":"2026-01-01"},{"id":5,"gone":true},{"id":6,"gone":"no"},{"id":7,"gone":0}]}`
	for _, c := range []struct {
		equals []string
		want   string
	}{{nil, "4 5 6 7"}, {[]string{`"no"`, "0"}, "6 7"}} {
		spec := list(sources.Paging{})
		spec.Records.Deleted, spec.Records.DeletedEquals = "gone", c.equals
		batches, _ := complete(t, source(t, pages(body), spec), snapshot())
		var gone []string
		for _, r := range batches[0].Records {
			if r.Gone {
				gone = append(gone, string(r.Slots[0]))
			}
		}
		if got := strings.Join(gone, " "); got != c.want {
			t.Errorf("equals %q: gone %q, want %q", c.equals, got, c.want)
		}
	}
}

// TestQueryRoundTrip: whatever the value, the owner reads back what was meant.
func TestQueryRoundTrip(t *testing.T) {
	var got []string
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		got = r.URL.Query()["v"]
		fmt.Fprint(w, `{"data":[]}`)
	})
	s := source(t, owner, list(sources.Paging{}, param("v", "{each.v}"), param("v", "<{each.v}>")))
	rapid.Check(t, func(rt *rapid.T) {
		value := rapid.String().Draw(rt, "value")
		w := syncer.Walk{Kind: syncer.Snapshot, Sent: time.Now(), Partition: partition("v", value)}
		for _, err := range s.Walk(t.Context(), w) {
			if err != nil {
				rt.Fatal(err)
			}
		}
		if len(got) != 2 || got[0] != value || got[1] != "<"+value+">" {
			rt.Fatalf("%q arrives as %q", value, got)
		}
	})
}
