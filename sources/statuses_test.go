package sources_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// TestStatusesOfARecord: a single record that is not found, or gone, is a
// deletion; whatever else the owner answers is a failure of the poll and deletes
// nothing.
func TestStatusesOfARecord(t *testing.T) {
	for status, want := range map[int]syncer.Class{
		404: "", 410: "",
		204: syncer.ClassDecode, 301: syncer.ClassAnswer, 400: syncer.ClassHTTP4xx, 401: syncer.ClassAuth, 403: syncer.ClassAuth,
		409: syncer.ClassHTTP4xx, 422: syncer.ClassHTTP4xx, 429: syncer.ClassRateLimited, 500: syncer.ClassHTTP5xx, 503: syncer.ClassHTTP5xx,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			l := shelfOf("a", "b")
			l.feed = `{"ids":["a","b"]}`
			owner := l.owner(t)
			owner.Retry = sources.Retry{Attempts: 1}
			owner.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if !strings.HasSuffix(r.URL.Path, "/b") {
					return http.DefaultTransport.RoundTrip(r)
				}
				resp := answer("")
				resp.StatusCode, resp.Body = status, io.NopCloser(strings.NewReader(""))
				return resp, nil
			})
			batches, err := walk(t, source(t, owner, single()), snapshot())
			var gone []string
			for _, b := range batches {
				for _, r := range b.Records {
					if r.Gone {
						gone = append(gone, string(r.Slots[0]))
					}
				}
			}
			switch {
			case want == "" && (err != nil || !slices.Equal(gone, []string{`"b"`})):
				t.Errorf("gone %q, %v", gone, err)
			case want != "" && (syncer.Classify(err) != want || len(gone) > 0):
				t.Errorf("gone %q, class %q: %v", gone, syncer.Classify(err), err)
			}
		})
	}
}

// TestRetryStatusIsTheWholeList: what it names is tried again, also what is not
// by default, and what it leaves out is not. An empty list tries nothing again
// but what never came to an answer.
func TestRetryStatusIsTheWholeList(t *testing.T) {
	for name, c := range map[string]struct {
		list  []int
		fault *sourcetest.Fault
		asked int
	}{
		"named besides":           {[]int{409, 503}, sourcetest.Status(409), 3},
		"named":                   {[]int{409, 503}, sourcetest.Status(503), 3},
		"left out":                {[]int{409, 503}, sourcetest.Status(500), 1},
		"429 left out":            {[]int{503}, sourcetest.RetryAfter(429, "1"), 1},
		"and 403 with it":         {[]int{503}, sourcetest.RetryAfter(403, "1"), 1},
		"none":                    {[]int{}, sourcetest.Status(503), 1},
		"none, and no answer":     {[]int{}, &sourcetest.Fault{Drop: true}, 3},
		"other 4xx are not tried": {nil, sourcetest.Status(418), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, owner := faulty(always(c.fault))
				owner.Retry = sources.Retry{Attempts: 3, Status: c.list}
				if _, err := walk(t, source(t, owner, users(t, sources.None)), resync()); err == nil || len(o.Requests()) != c.asked {
					t.Errorf("%d requests, want %d: %v", len(o.Requests()), c.asked, err)
				}
			})
		})
	}
}

// TestLongErrorBodiesAreNotShown: neither what an owner writes into them nor
// what it repeats of ours.
func TestLongErrorBodiesAreNotShown(t *testing.T) {
	const secret = "canary+secret/token"
	body := `{"error":"` + strings.Repeat(secret+" at https://owner.example/v1?key="+secret+" ", 2000) + `"}`
	for _, status := range []int{200, 400, 401, 403, 404, 422, 429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				_, owner := faulty(always(&sourcetest.Fault{Status: status, Body: body,
					Header: http.Header{"X-Echo": {secret}, "WWW-Authenticate": {"Bearer " + secret}}}))
				owner.Log = zerolog.New(&logged)
				owner.Auth = auth.Query(auth.Pair{Name: "key", Value: auth.Secret{Value: secret}})
				spec := users(t, sources.None)
				spec.Records.Error = "error"
				spec.Expired.Status, spec.Expired.At = []int{400}, "error.code"
				_, err := walk(t, source(t, owner, spec), resync())
				if err == nil {
					t.Fatal("a body that says error is an answer")
				}
				for e := err; e != nil; e = errors.Unwrap(e) {
					if status != http.StatusOK && strings.Contains(e.Error(), "owner.example") || len(e.Error()) > 1000 {
						t.Errorf("shows the body: %v", e)
					}
				}
				if strings.Contains(err.Error()+logged.String(), "canary") || len(logged.String()) > 10_000 {
					t.Errorf("%v\n%s", err, logged.String())
				}
			})
		})
	}
}

// TestRateLimitedIsAClassOfItsOwn, however the owner says it, so that nobody
// looks for a mistake of theirs.
func TestRateLimitedIsAClassOfItsOwn(t *testing.T) {
	for name, fault := range map[string]*sourcetest.Fault{
		"429":                         sourcetest.Status(429),
		"403 and nothing remains":     {Status: 403, Body: `{}`, Header: http.Header{"X-Ratelimit-Remaining": {"0"}}},
		"200 that says it":            {Body: `{"error":{"code":"THROTTLED"}}`},
		"nothing remains, for longer": {Status: 503, Body: `{}`, Header: http.Header{"Ratelimit": {`"d";r=0;t=3000`}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, owner := faulty(always(fault))
				owner.Quota.Refused = sources.Test{At: "error.code", Equals: []string{`"THROTTLED"`}}
				s := source(t, owner, users(t, sources.None))
				start := time.Now()
				_, err := walk(t, s, resync())
				if name == "nothing remains, for longer" {
					// The answer is a 503; who asks next is told why not.
					_, err = walk(t, s, resync())
				}
				if syncer.Classify(err) != syncer.ClassRateLimited || time.Since(start) > time.Minute {
					t.Errorf("class %q after %v: %v", syncer.Classify(err), time.Since(start), err)
				}
			})
		})
	}
}
