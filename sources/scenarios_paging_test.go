package sources_test

import (
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// recorded is an owner that answers with one body after the other, and notes
// each request as its method, URI and body.
func recorded(asked *[]string, bodies ...string) sources.Owner {
	return scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = append(*asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		fmt.Fprint(w, bodies[min(n, len(bodies))-1])
	})
}

// TestLinkHeaderLeadsOn by rel="next", whatever stands beside it; without one,
// the walk is at its end.
func TestLinkHeaderLeadsOn(t *testing.T) {
	for name, c := range map[string]struct {
		first []string // Link headers of the first page
		pages int
	}{
		"next":                        {[]string{`<?page=2>; rel="next"`}, 2},
		"next among others":           {[]string{`<?page=9>; rel="prev", <?page=2>; rel="next", <?page=7>; rel="last"`}, 2},
		"next in a header of its own": {[]string{`<?page=9>; rel="first"`, `<?page=2>; rel="next"`}, 2},
		"several relations at once":   {[]string{`<?page=9>; rel="back prev", <?page=2>; rel="last next"`}, 2},
		"prev only":                   {[]string{`<?page=9>; rel="prev"`}, 1},
		"back only":                   {[]string{`<?page=9>; rel="back"`}, 1},
		"none":                        {nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.URL.RawQuery)
				w.Header()["Link"] = [][]string{c.first, {`<?page=9>; rel="back"`}}[min(n, 2)-1]
				fmt.Fprintf(w, `{"data":[{"id":%d}]}`, n)
			})
			complete(t, source(t, owner, list(sources.Paging{By: sources.Link}, param("page", "1"))), snapshot())
			if diff := cmp.Diff([]string{"page=1", "page=2"}[:c.pages], asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestFollowingALinkDuplicatesNothing: the owner's URL is asked as it is, with
// the same parameter, another, repeated ones, or none.
func TestFollowingALinkDuplicatesNothing(t *testing.T) {
	for _, query := range []string{"a=1&size=5&page=2", "a=2", "a=1&a=1&a=3", "", "a=1&page=2&page=2"} {
		var asked []string
		owner := recorded(&asked, `{"data":[],"next":"/v1/list?`+query+`"}`, `{"data":[]}`)
		complete(t, source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next", Size: 5}, param("a", "1"), param("size", "{size}"))), snapshot())
		want := []string{"GET /v1/list?a=1&size=5", "GET /v1/list?" + query}
		if query == "" {
			want[1] = "GET /v1/list?"
		}
		if diff := cmp.Diff(want, asked); diff != "" {
			t.Error(diff)
		}
	}
}

// TestTokenGoesAnywhere: into a query, a header, a form, a body of JSON, a place
// deep in it, or the path; what stands there stays, and the first request has
// none.
func TestTokenGoesAnywhere(t *testing.T) {
	object := func(members ...sources.Member) *sources.Value {
		return &sources.Value{Kind: sources.Object, Members: members}
	}
	deep := *object(member("kept", "yes"), sources.Member{Name: "page", Value: *object(member("token", "{cursor}"), member("size", "{size}"))})
	for name, c := range map[string]struct {
		change func(*sources.Request)
		want   []string
	}{
		"query": {func(r *sources.Request) { r.Query = []sources.Param{param("a", "1"), param("t", "{cursor}")} },
			[]string{"GET /v1/list?a=1", "GET /v1/list?a=1&t=x%2By"}},
		"form": {func(r *sources.Request) {
			r.Method, r.ContentType = http.MethodPost, "application/x-www-form-urlencoded"
			r.Body = object(member("a", "1"), member("t", "{cursor}"))
		}, []string{"POST /v1/list a=1", "POST /v1/list a=1&t=x%2By"}},
		"JSON without a query": {func(r *sources.Request) {
			r.Method, r.Body = http.MethodPost, object(member("a", "1"), member("t", "{cursor}"))
		}, []string{`POST /v1/list {"a":"1"}`, `POST /v1/list {"a":"1","t":"x+y"}`}},
		"deep in JSON": {func(r *sources.Request) { r.Method, r.Body = http.MethodPost, &deep },
			[]string{`POST /v1/list {"kept":"yes","page":{"size":5}}`, `POST /v1/list {"kept":"yes","page":{"token":"x+y","size":5}}`}},
		"a whole body on later pages": {func(r *sources.Request) {
			r.Method, r.Body = http.MethodPost, object(member("filter", "all"), member("kept", "yes"))
			r.Later = sources.Later{Body: []sources.Member{member("t", "{cursor}")}, Without: []string{"filter"}}
		}, []string{`POST /v1/list {"filter":"all","kept":"yes"}`, `POST /v1/list {"kept":"yes","t":"x+y"}`}},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			spec := list(sources.Paging{By: sources.Cursor, Next: "next", Size: 5})
			c.change(&spec.Request)
			complete(t, source(t, recorded(&asked, `{"data":[{"id":1}],"next":"x+y"}`, `{"data":[{"id":2}]}`), spec), snapshot())
			if diff := cmp.Diff(c.want, asked); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("header", func(t *testing.T) {
		var tokens [][]string
		owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
			tokens = append(tokens, r.Header.Values("X-Token"))
			fmt.Fprint(w, []string{`{"data":[],"next":"x+y"}`, `{"data":[]}`}[n-1])
		})
		spec := list(byCursor)
		spec.Request.Headers = []sources.Header{{Name: "X-Token", Value: text("{cursor}")}}
		complete(t, source(t, owner, spec), snapshot())
		if diff := cmp.Diff([][]string{nil, {"x+y"}}, tokens); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the path", func(t *testing.T) {
		var asked []string
		owner := recorded(&asked, `{"data":[],"next":"list/x%2By"}`, `{"data":[]}`)
		complete(t, source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"})), snapshot())
		if diff := cmp.Diff([]string{"GET /v1/list", "GET /v1/list/x%2By"}, asked); diff != "" {
			t.Error(diff)
		}
	})
}

// TestPageNumbers count from any number on, and may be left out of the first
// request; an offset begins with 0, which is said.
func TestPageNumbers(t *testing.T) {
	for first, want := range map[int][]string{
		0: {"n=0", "n=1", "n=2"}, 1: {"n=1", "n=2", "n=3"}, 10: {"n=10", "n=11", "n=12"},
	} {
		for _, omitted := range []bool{false, true} {
			var asked []string
			spec := list(sources.Paging{By: sources.Page, First: first}, param("n", "{page}"))
			want := slices.Clone(want)
			if omitted {
				spec.Request.Query = nil
				spec.Request.Later.Query = []sources.Param{param("n", "{page}")}
				want[0] = ""
			}
			complete(t, source(t, recorded(&asked, `{"data":[{"id":1}]}`, `{"data":[{"id":2}]}`, `{"data":[]}`), spec), snapshot())
			for i, query := range want {
				if got := strings.TrimPrefix(strings.TrimPrefix(asked[i], "GET /v1/list"), "?"); got != query {
					t.Errorf("from %d, omitted %v: request %d asks %q, want %q", first, omitted, i+1, got, query)
				}
			}
		}
	}
	var asked []string
	complete(t, source(t, recorded(&asked, `{"data":[{"id":1},{"id":2}]}`, `{"data":[]}`), list(sources.Paging{By: sources.Offset}, param("o", "{offset}"))), snapshot())
	if diff := cmp.Diff([]string{"GET /v1/list?o=0", "GET /v1/list?o=2"}, asked); diff != "" {
		t.Error(diff)
	}
}

// TestFilteredPagesGoOn: that a table turns records of a page down makes the
// page no shorter, and none of them the end.
func TestFilteredPagesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bodies := []string{
			`{"data":[{"id":"1","v":"a","pull":1},{"id":"2","v":"a","pull":1}],"next":"a"}`,
			`{"data":[{"id":"3","v":"a"},{"id":"4","v":"a","pull":1}],"next":"b"}`,
			`{"data":[{"id":"5","v":"a"}]}`,
		}
		n := 0
		owner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, bodies[n])
			n++
		})
		spec := list(sources.Paging{By: sources.Cursor, Next: "next", Size: 2, ShortPage: true}, param("t", "{cursor}"))
		spec.Paths = []string{"id", "v", "pull"}
		s := newShelfOf(t, owner, spec, func(l *row.Spec) { l.Where = noPulls{} })
		s.poll(syncer.Snapshot)
		s.holds("polled", map[string]string{"3": "a", "5": "a"})
		if n != len(bodies) {
			t.Errorf("asks %d pages of %d", n, len(bodies))
		}
	})
}

// TestMissingRecordsEndNothing: a page without the list, or with null for it, is
// no empty page: neither the end of the walk nor one to go on from.
func TestMissingRecordsEndNothing(t *testing.T) {
	for _, body := range []string{`{"next":"b"}`, `{}`, `{"data":null}`, `{"data":null,"next":"b"}`, `{"data":{},"next":"b"}`} {
		var asked []string
		s := source(t, recorded(&asked, `{"data":[{"id":1}],"next":"a"}`, body), list(byCursor, param("t", "{cursor}")))
		fails(t, s, snapshot(), syncer.ClassAnswer)
		if len(asked) != 2 {
			t.Errorf("%s: asks %d times", body, len(asked))
		}
	}
}

// TestOneSourceServesManyWalks: two walks through one source, page by page in
// turn, are each what they are alone: a style keeps nothing between calls.
func TestOneSourceServesManyWalks(t *testing.T) {
	everyStyle(t, func(t *testing.T, by sources.Style, o *sourcetest.Owner) {
		o.Put("row", sequence(1, 10)...)
		s := source(t, quick(o), users(t, by))
		alone, _ := complete(t, s, resync())
		type walking struct {
			next func() (*syncer.Batch, error, bool)
			got  []*syncer.Batch
		}
		var both [2]walking
		for i := range both {
			next, stop := iter.Pull2(s.Walk(t.Context(), resync()))
			defer stop()
			both[i].next = next
		}
		for more := true; more; {
			more = false
			for i := range both {
				b, err, ok := both[i].next()
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					both[i].got, more = append(both[i].got, b), true
				}
			}
		}
		for i := range both {
			if diff := cmp.Diff(ids(alone), ids(both[i].got)); diff != "" {
				t.Errorf("walk %d: %s", i+1, diff)
			}
		}
	})
}
