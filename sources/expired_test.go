package sources_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// TestExpired: by a status alone, by a status and what stands in the body or a
// header, and, where it is said so, in a success.
func TestExpired(t *testing.T) {
	gone := sources.Expired{Status: []int{410}}
	coded := sources.Expired{Status: []int{400, 410}, At: "error.code", Equals: []string{`"tooOld"`, `"resync"`}}
	header := sources.Expired{Status: []int{400}, At: "header:X-Error", Equals: []string{`"tooOld"`}}
	success := sources.Expired{Status: []int{200, 400}, At: "body:error.code", Equals: []string{`"tooOld"`}}
	there := sources.Expired{Status: []int{422}, At: "reset"}
	const tooOld, other = `{"error":{"code":"tooOld"}}`, `{"error":{"code":"other"}}`
	for name, c := range map[string]struct {
		expired sources.Expired
		status  int
		body    string
		want    bool
	}{
		"410":                      {gone, 410, ``, true},
		"404":                      {gone, 404, ``, false},
		"nothing configured":       {sources.Expired{}, 410, ``, false},
		"code":                     {coded, 400, tooOld, true},
		"code, other status":       {coded, 404, tooOld, false},
		"other code":               {coded, 400, other, false},
		"410 without the code":     {coded, 410, ``, false},
		"a code in a list":         {coded, 400, `[{"error":{"code":"tooOld"}}]`, false},
		"a code in HTML":           {coded, 400, `<p>tooOld</p>`, false},
		"a code that is cut off":   {coded, 400, tooOld[:len(tooOld)-1], false},
		"a code behind 64 KiB":     {coded, 400, `{"x":"` + strings.Repeat("x", 64<<10) + `","error":{"code":"tooOld"}}`, false},
		"header":                   {header, 400, ``, true},
		"200":                      {success, 200, tooOld, true},
		"200, other code":          {success, 200, other, false},
		"200 with a list":          {success, 200, `{"data":[],"token":"t","error":{"code":"tooOld"}}`, true},
		"400 of 200 and 400":       {success, 400, tooOld, true},
		"200 that was not said":    {coded, 200, tooOld, false},
		"something is there":       {there, 422, `{"reset":"yes"}`, true},
		"nothing is there":         {there, 422, `{"reset":false}`, false},
		"a member named twice":     {coded, 400, `{"error":{"code":"tooOld","code":"other"}}`, false},
		"retried, and then to say": {sources.Expired{Status: []int{503}, At: "error.code", Equals: []string{`"tooOld"`}}, 503, tooOld, true},
	} {
		t.Run(name, func(t *testing.T) {
			spec := delta()
			spec.Expired = c.expired
			owner := scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Error", "tooOld")
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			_, err := walk(t, source(t, owner, spec), changes("t0"))
			if got := errors.Is(err, syncer.ErrExpired); got != c.want || err == nil {
				t.Errorf("expired: %t, %v", got, err)
			}
			if c.want && syncer.Classify(err) != syncer.ClassAnswer {
				t.Errorf("class %s", syncer.Classify(err))
			}
			if err != nil && strings.Contains(err.Error(), "tooOld") {
				t.Errorf("error shows a piece of the body: %v", err)
			}
		})
	}
}

// TestExpiredInMidWalk: on a later page as on the first; a place that is gone
// costs the place first; a snapshot's first request is refused, not expired.
func TestExpiredInMidWalk(t *testing.T) {
	goneAt := func(page int) sources.Owner {
		return scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
			if n >= page {
				w.WriteHeader(http.StatusGone)
			}
			fmt.Fprint(w, `{"data":[{"id":1}],"next":"a"}`)
		})
	}
	snap := list(sources.Paging{By: sources.Cursor, Next: "next"}, param("cursor", "{cursor}"))
	snap.Expired = sources.Expired{Status: []int{410}}
	resumed := goOn(&syncer.Resume{Walk: "w1", Kind: syncer.Changes, From: "t0", Cursor: `"a"`})
	for name, c := range map[string]struct {
		spec sources.Spec
		walk syncer.Walk
		page int
		want error
	}{
		"changes, page 1":   {delta(), changes("t0"), 1, syncer.ErrExpired},
		"changes, page 2":   {delta(), changes("t0"), 2, syncer.ErrExpired},
		"resync, page 2":    {delta(), resync(), 2, syncer.ErrExpired},
		"resumed, page 1":   {delta(), resumed, 1, syncer.ErrNotResumable},
		"snapshot, page 1":  {snap, snapshot(), 1, nil},
		"snapshot, page 2":  {snap, snapshot(), 2, syncer.ErrExpired},
		"incremental":       {incremental(t), changes("2024-01-01T00:00:00Z"), 1, syncer.ErrExpired},
		"streamed, page 1":  {streamed(t), changes("2024-01-01T00:00:00Z"), 1, syncer.ErrExpired},
		"resumed as second": {delta(), resumed, 2, syncer.ErrExpired},
	} {
		_, err := walk(t, source(t, goneAt(c.page), c.spec), c.walk)
		for _, sentinel := range []error{syncer.ErrExpired, syncer.ErrNotResumable} {
			if got := errors.Is(err, sentinel); got != (c.want == sentinel) || err == nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A list of lines says so in a header: its body may be sound, and empty.
func TestExpiredLines(t *testing.T) {
	spec := lines(t)
	spec.Expired = sources.Expired{Status: []int{200}, At: "header:X-Reset", Equals: []string{`"true"`}}
	for said, want := range map[string]bool{"true": true, "false": false} {
		owner := scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Reset", said)
			w.Header().Set("Content-Length", "0")
		})
		_, err := walk(t, source(t, owner, spec), changes("2024-01-01T00:00:00Z"))
		if errors.Is(err, syncer.ErrExpired) != want || !want && err != nil {
			t.Errorf("X-Reset is %s: %v", said, err)
		}
	}
}

func incremental(t *testing.T) sources.Spec {
	spec := users(t, sources.Cursor)
	spec.Paging.Next, spec.Expired = "next", sources.Expired{Status: []int{410}}
	return spec
}

func streamed(t *testing.T) sources.Spec {
	spec := lines(t)
	spec.Expired = sources.Expired{Status: []int{410}}
	return spec
}

// endless is a refusal whose body never ends; it counts what is read of it.
type endless struct{ read int }

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: e, Request: r, ContentLength: -1}, nil
}

func (e *endless) Read(p []byte) (int, error) {
	if e.read += len(p); e.read > 16<<20 {
		return 0, io.EOF
	}
	return copy(p, strings.Repeat(" ", len(p))), nil
}

func (e *endless) Close() error { return nil }

// TestExpiredReadsLittle: of a body that says why not, 64 KiB are enough.
func TestExpiredReadsLittle(t *testing.T) {
	e := &endless{}
	spec := delta()
	spec.Expired = sources.Expired{Status: []int{400}, At: "code", Equals: []string{`"tooOld"`}}
	owner := pages("")
	owner.Transport = e
	fails(t, source(t, owner, spec), changes("t0"), syncer.ClassHTTP4xx)
	if e.read > 256<<10 {
		t.Errorf("%d bytes are read of a refusal", e.read)
	}
}
