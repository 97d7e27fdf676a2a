package sources_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

// delta is a list with a token in its body, paged by cursor.
func delta(query ...sources.Param) sources.Spec {
	return sources.Spec{
		Name: "delta", Mode: sources.Delta,
		Request:   sources.Request{Path: text("/delta"), Query: append(query, param("since", "{since}"), param("cursor", "{cursor}"))},
		Paging:    sources.Paging{By: sources.Cursor, Next: "next"},
		Records:   sources.Records{At: "data", Key: []string{"id"}},
		Watermark: sources.Watermark{Place: "body:token", Opaque: sources.Token},
		Expired:   sources.Expired{Status: []int{410}},
		Resync:    sources.Resync{Known: true},
		Paths:     []string{"id"},
	}
}

func deltaURL() sources.Spec {
	spec := delta()
	spec.Paging = sources.Paging{By: sources.NextURL, Next: "next"}
	spec.Watermark.Opaque = sources.URL
	return spec
}

// answers is pages that also keeps what was asked.
func answers(asked *[]string, bodies ...string) sources.Owner {
	return scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.URL.RequestURI())
		fmt.Fprint(w, bodies[min(n, len(bodies))-1])
	})
}

// TestTokenOfTheLastPage: of all pages the last that has a token counts, and a
// walk on which none stood is a failure that moves nothing.
func TestTokenOfTheLastPage(t *testing.T) {
	for name, c := range map[string]struct {
		bodies []string
		want   string
		class  syncer.Class
	}{
		"on the last page only": {[]string{`{"data":[],"next":"a"}`, `{"data":[{"id":1}],"token":"t"}`}, "t", ""},
		"on every page":         {[]string{`{"data":[{"id":1}],"next":"a","token":"t1"}`, `{"data":[],"token":"t2"}`}, "t2", ""},
		"not on the last page":  {[]string{`{"data":[{"id":1}],"next":"a","token":"t1"}`, `{"data":[]}`}, "t1", ""},
		"a number":              {[]string{`{"data":[],"token":12345678901234567890}`}, "12345678901234567890", ""},
		"zero":                  {[]string{`{"data":[],"token":0}`}, "0", ""},
		"a list":                {[]string{`{"data":[],"token":[7,"g1"]}`}, `[7,"g1"]`, ""},
		"nowhere":               {[]string{`{"data":[{"id":1}],"next":"a"}`, `{"data":[]}`}, "", syncer.ClassAnswer},
		"null":                  {[]string{`{"data":[],"token":null}`}, "", syncer.ClassAnswer},
		"empty":                 {[]string{`{"data":[],"token":""}`}, "", syncer.ClassAnswer},
		"too long":              {[]string{`{"data":[],"token":"` + strings.Repeat("x", 17<<10) + `"}`}, "", syncer.ClassAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			s := source(t, pages(c.bodies...), delta())
			if c.class != "" {
				fails(t, s, changes("t0"), c.class)
				return
			}
			if _, end := complete(t, s, changes("t0")); end.Watermark != c.want || end.Listed {
				t.Errorf("end %+v, want watermark %q", end, c.want)
			}
		})
	}
}

// TestTokenGoesBackAsItCame, whatever is in it, with every page that names it.
func TestTokenGoesBackAsItCame(t *testing.T) {
	const token = `a+b/c=%2B&"ü {since}`
	var asked []string
	s := source(t, answers(&asked, `{"data":[],"next":"n 1"}`, `{"data":[],"token":"t"}`), delta())
	complete(t, s, changes(token))
	for i, want := range []url.Values{{"since": {token}}, {"since": {token}, "cursor": {"n 1"}}} {
		u, err := url.Parse(asked[i])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, u.Query()); diff != "" {
			t.Errorf("request %d: %s", i+1, diff)
		}
	}
}

// TestURLIsTheNextRequest: resolved against the page it came from, without the
// credentials that the owner echoes, asked instead of the request; the link to
// the next page is never taken for it.
func TestURLIsTheNextRequest(t *testing.T) {
	var asked []string
	owner := answers(&asked,
		`{"data":[],"next":"/v1/delta?skip=1"}`,
		`{"data":[{"id":1}],"token":"?delta=2&api_key=sesame"}`,
		`{"data":[],"next":"/v1/delta?skip=3"}`,
		`{"data":[{"id":1}],"token":"/v1/delta?delta=4"}`)
	owner.Auth = auth.Query(auth.Pair{Name: "api_key", Value: auth.Literal("sesame")})
	s := source(t, owner, deltaURL())
	_, end := complete(t, s, resync())
	if !end.Listed || end.Watermark != "https://owner.example/v1/delta?delta=2" {
		t.Fatalf("end %+v", end)
	}
	_, end = complete(t, s, changes(end.Watermark))
	if end.Listed || end.Watermark != "https://owner.example/v1/delta?delta=4" {
		t.Errorf("end %+v", end)
	}
	want := []string{"/v1/delta?api_key=sesame", "/v1/delta?skip=1&api_key=sesame", "/v1/delta?delta=2&api_key=sesame", "/v1/delta?skip=3&api_key=sesame"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

// TestURLStaysWithTheOwner: a watermark that leads elsewhere is refused while
// it is read, and asks for everything where the owner has moved since.
func TestURLStaysWithTheOwner(t *testing.T) {
	for _, link := range []string{"https://elsewhere.example/delta", "//169.254.169.254/", "http://owner.example/v1", "https://u:p@owner.example/v1"} {
		var asked []string
		s := source(t, answers(&asked, fmt.Sprintf(`{"data":[],"token":%q}`, link)), deltaURL())
		fails(t, s, resync(), syncer.ClassBlockedURL)
		asked = nil
		if _, err := walk(t, s, changes(link)); !errors.Is(err, syncer.ErrExpired) || len(asked) > 0 {
			t.Errorf("%s: %v after asking %q", link, err, asked)
		}
	}
}

// TestOpaqueWalksResume: killed after any page, a walk goes on with its pages,
// and ends at the watermark that the whole one would have.
func TestOpaqueWalksResume(t *testing.T) {
	bodies := []string{`{"data":[{"id":1}],"next":"a","token":"t1"}`, `{"data":[{"id":2}],"next":"b"}`, `{"data":[{"id":3}],"next":"c"}`, `{"data":[]}`}
	owner := func() sources.Owner {
		return scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, bodies[strings.Index("abc", r.URL.Query().Get("cursor"))+map[bool]int{true: 1}[r.URL.Query().Has("cursor")]])
		})
	}
	for n := 1; n < len(bodies); n++ {
		first := upTo(t, source(t, owner(), delta()), changes("t0"), n)
		rest, end := complete(t, source(t, owner(), delta()), goOn(stored(t, first[n-1].Resume)))
		if got := ids(append(first, rest...)); !slices.Equal(got, []string{"1", "2", "3"}) || end.Watermark != "t1" {
			t.Errorf("after page %d: %v, end %+v", n, got, end)
		}
	}
}

// TestLastAndFirst: the id of the last record that came, or of the first page's
// first; a log that brings nothing stays where it is.
func TestLastAndFirst(t *testing.T) {
	integer := format(t, "integer")
	last := sources.Watermark{Last: "id", Opaque: sources.Token}
	first := sources.Watermark{First: "id", Opaque: sources.Token}
	const two, one, none = `{"data":[{"id":"c"},{"id":"b"}],"next":"n"}`, `{"data":[{"id":"a"}]}`, `{"data":[]}`
	for name, c := range map[string]struct {
		mark   sources.Watermark
		bodies []string
		want   string
		class  syncer.Class
	}{
		"last":                       {last, []string{two, one}, "a", ""},
		"last of the last with some": {last, []string{two, none}, "b", ""},
		"first":                      {first, []string{two, one}, "c", ""},
		"nothing":                    {last, []string{none}, "41", ""},
		"nothing at first":           {first, []string{none}, "41", ""},
		"no id":                      {last, []string{`{"data":[{"id":"a"},{"x":1}]}`}, "", syncer.ClassDecode},
		"a null id":                  {first, []string{`{"data":[{"id":null}]}`}, "", syncer.ClassDecode},
		"an object":                  {last, []string{`{"data":[{"id":{}}]}`}, "", syncer.ClassDecode},
		"an integer":                 {sources.Watermark{Last: "id", Format: integer}, []string{`{"data":[{"id":9007199254740993}]}`}, "9007199254740993", ""},
		"no integer":                 {sources.Watermark{Last: "id", Format: integer}, []string{`{"data":[{"id":"x"}]}`}, "", syncer.ClassDecode},
	} {
		t.Run(name, func(t *testing.T) {
			spec := delta()
			spec.Mode, spec.Watermark = sources.Log, c.mark
			s := source(t, pages(c.bodies...), spec)
			if c.class != "" {
				fails(t, s, changes("41"), c.class)
				return
			}
			if _, end := complete(t, s, changes("41")); end.Watermark != c.want {
				t.Errorf("watermark %q, want %q", end.Watermark, c.want)
			}
		})
	}
}

// TestNewestFirstIsTurnedRound, page by page, so that the newest record of a
// key is applied last.
func TestNewestFirstIsTurnedRound(t *testing.T) {
	spec := delta()
	spec.Mode, spec.Watermark = sources.Log, sources.Watermark{First: "id", Opaque: sources.Token}
	batches, _ := complete(t, source(t, pages(`{"data":[{"id":3},{"id":2},{"id":1}]}`), spec), changes("0"))
	if got := ids(batches); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("records in the order %v", got)
	}
}

// TestFirstPlaceholder: every page after the first can name the first page's
// first record, so that what is added meanwhile does not move the pages. Such a
// walk starts again.
func TestFirstPlaceholder(t *testing.T) {
	var asked []string
	spec := delta(param("max_id", "{first.id}"))
	owner := answers(&asked, `{"data":[{"id":9},{"id":8}],"next":"a"}`, `{"data":[{"id":7}],"next":"b"}`, `{"data":[],"token":"t"}`)
	batches, _ := complete(t, source(t, owner, spec), changes("t0"))
	want := []string{"/v1/delta?since=t0", "/v1/delta?max_id=9&since=t0&cursor=a", "/v1/delta?max_id=9&since=t0&cursor=b"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
	if batches[0].Resume != nil {
		t.Errorf("can be resumed at %+v, without the first record", batches[0].Resume)
	}
}

// TestWatermarksThatContradictThemselves are refused before anything is asked.
func TestWatermarksThatContradictThemselves(t *testing.T) {
	stamp := rfc3339(t)
	for name, w := range map[string]sources.Watermark{
		"nothing":                {Opaque: sources.Token},
		"two":                    {Place: "token", Last: "id", Opaque: sources.Token},
		"first and last":         {First: "id", Last: "id", Opaque: sources.Token},
		"neither token nor time": {Place: "token"},
		"token and time":         {Place: "token", Opaque: sources.Token, Format: stamp},
		"the greatest token":     {From: []string{"id"}, Opaque: sources.Token},
		"a token from start":     {Start: true, Opaque: sources.Token},
		"a record's link":        {Last: "id", Opaque: sources.URL},
		"a last time":            {Last: "id", Format: stamp},
		"unknown":                {Place: "token", Opaque: "cookie"},
	} {
		spec := delta()
		spec.Watermark = w
		refused(t, name, spec)
	}
}

// refused checks that a spec does not compile.
func refused(t *testing.T, name string, spec sources.Spec) {
	t.Helper()
	client, err := sources.NewClient(pages(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sources.New(client, spec); err == nil {
		t.Errorf("%s: compiles", name)
	}
}
