package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

// redirected is an owner that redirects /v1/list to another host, which answers
// as there says, and answers everything else itself.
func redirected(there http.HandlerFunc) sources.Owner {
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Host != "owner.example":
			there(w, r)
		case r.URL.Path == "/v1/list":
			w.Header().Set("Location", "https://files.example/1")
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			fmt.Fprint(w, `{"data":[{"id":1}]}`)
		}
	})
	owner.Hosts = []sources.Host{{Host: "files.example"}}
	return owner
}

// TestDateOfAStranger: a host to which the owner leads has a clock of its own,
// which moves no watermark. The owner's is the one of its redirect.
func TestDateOfAStranger(t *testing.T) {
	now := time.Now().UTC()
	for name, c := range map[string]struct {
		redirect string // the redirect's Date
		trusts   bool
	}{
		"the redirect has a date": {now.Add(-time.Minute).Format(http.TimeFormat), false},
		"the redirect has none":   {"", false},
		"a host that is trusted":  {now.Add(-time.Minute).Format(http.TimeFormat), true},
	} {
		t.Run(name, func(t *testing.T) {
			owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
				if r.URL.Host == "owner.example" {
					if w.Header()["Date"] = nil; c.redirect != "" {
						w.Header().Set("Date", c.redirect)
					}
					w.Header().Set("Location", "https://files.example/1")
					w.WriteHeader(http.StatusTemporaryRedirect)
					return
				}
				w.Header().Set("Date", now.Add(6*time.Hour).Format(http.TimeFormat))
				fmt.Fprint(w, `{"data":[{"id":1}]}`)
			})
			owner.Hosts = []sources.Host{{Host: "files.example", Credentials: c.trusts}}
			spec := list(sources.Paging{}, param("since", "{since}"))
			spec.Mode = sources.Incremental
			spec.Watermark = sources.Watermark{Start: true, Format: rfc3339(t)}
			if c.redirect == "" { // else it would be taken for the moment of the walk
				fails(t, source(t, owner, spec), changes(now.Format(time.RFC3339)), syncer.ClassAnswer)
				return
			}
			_, end := complete(t, source(t, owner, spec), changes(now.Add(-2*time.Hour).Format(time.RFC3339)))
			at, err := time.Parse(time.RFC3339, end.Watermark)
			if err != nil || at.After(now) || at.Before(now.Add(-5*time.Minute)) {
				t.Errorf("watermark %q, %v from now: %v", end.Watermark, at.Sub(now), err)
			}
		})
	}
}

// TestWishesOfAStranger: that a host to which the owner leads wants to be left
// alone, or that its quota is used up, is no wish of the owner.
func TestWishesOfAStranger(t *testing.T) {
	for name, headers := range map[string][]string{
		"Retry-After": {"Retry-After", "3000"},
		"a quota":     {"RateLimit-Remaining", "0", "RateLimit-Reset", "3000"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, err := sources.NewClient(redirected(func(w http.ResponseWriter, _ *http.Request) {
					for i := 0; i < len(headers); i += 2 {
						w.Header().Set(headers[i], headers[i+1])
					}
					w.WriteHeader(http.StatusTooManyRequests)
				}))
				if err != nil {
					t.Fatal(err)
				}
				other := list(sources.Paging{})
				other.Request.Path = text("/other")
				away, _ := sources.New(client, list(sources.Paging{}))
				here, err := sources.New(client, other)
				if err != nil {
					t.Fatal(err)
				}
				failed := fails(t, away, snapshot(), syncer.ClassRateLimited)
				if in := time.Until(syncer.RetryAt(failed)); in < 49*time.Minute {
					t.Errorf("the host is asked again in %v", in)
				}
				start := time.Now()
				complete(t, here, snapshot())
				if took := time.Since(start); took > time.Second {
					t.Errorf("another source waits %v", took)
				}
			})
		})
	}
}

// TestRequestsToAStrangerTakeNoQuota: what is asked of another host is not taken
// from the owner's quota.
func TestRequestsToAStrangerTakeNoQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
			if r.URL.Host == "owner.example" {
				w.Header().Set("RateLimit-Remaining", "1")
				w.Header().Set("RateLimit-Reset", "3000")
			}
			next := ""
			if n < 5 {
				next = fmt.Sprintf("https://files.example/%d", n)
			}
			fmt.Fprintf(w, `{"data":[{"id":%d}],"next":%q}`, n, next)
		})
		owner.Hosts = []sources.Host{{Host: "files.example"}}
		s := source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"}))
		complete(t, s, snapshot())
		start := time.Now()
		complete(t, s, snapshot())
		if took := time.Since(start); took > time.Second {
			t.Errorf("waits %v, and one request remained", took)
		}
	})
}

// TestLinksOfAStrangerAreKept: what a stranger's page leads to is asked without
// credentials after a restart, too.
func TestLinksOfAStrangerAreKept(t *testing.T) {
	var carried []string
	stops := true
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		carried = append(carried, r.URL.Host+r.URL.Path+" "+r.Header.Get("Authorization"))
		switch {
		case r.URL.Host == "files.example":
			fmt.Fprint(w, `{"data":[{"id":2}],"next":"https://owner.example/3","since":"https://owner.example/4"}`)
		case r.URL.Path == "/v1/list":
			fmt.Fprint(w, `{"data":[{"id":1}],"next":"https://files.example/2"}`)
		case stops:
			w.WriteHeader(http.StatusInternalServerError)
		default:
			fmt.Fprint(w, `{"data":[{"id":3}]}`)
		}
	})
	owner.Hosts = []sources.Host{{Host: "files.example"}}
	owner.Auth = auth.Bearer("Bearer", auth.Literal("secret"))
	s := source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"}))
	batches, err := walk(t, s, snapshot())
	if err == nil || len(batches) != 2 {
		t.Fatalf("%d batches, %v", len(batches), err)
	}
	stops = false
	w := snapshot()
	w.From.Resume = batches[1].Resume
	complete(t, s, w)
	want := "owner.example/v1/list Bearer secret|files.example/2 |owner.example/3 |owner.example/3 "
	if got := strings.Join(carried, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestWatermarkLinkOfAStranger: nor does a delta link of its carry any.
func TestWatermarkLinkOfAStranger(t *testing.T) {
	var carried []string
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		carried = append(carried, r.URL.Host+r.URL.Path+" "+r.Header.Get("Authorization"))
		if r.URL.Path == "/v1/list" {
			w.Header().Set("Location", "https://files.example/1")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprint(w, `{"data":[{"id":2}],"delta":"https://owner.example/delta"}`)
	})
	owner.Hosts = []sources.Host{{Host: "files.example"}}
	owner.Auth = auth.Bearer("Bearer", auth.Literal("secret"))
	spec := list(sources.Paging{})
	spec.Mode, spec.Resync.Known = sources.Delta, true
	spec.Watermark = sources.Watermark{Place: "delta", Opaque: sources.URL}
	s := source(t, owner, spec)
	_, end := complete(t, s, resync())
	complete(t, s, changes(end.Watermark))
	want := "owner.example/v1/list Bearer secret|files.example/1 |owner.example/delta "
	if got := strings.Join(carried, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestValidatorsStayHome: what the owner gave to know an answer by goes to the
// owner alone, and what another host gave is not kept.
func TestValidatorsStayHome(t *testing.T) {
	moves, seen := false, ""
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Host == "owner.example" && moves {
			w.Header().Set("Location", "https://files.example/1")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		seen = r.Header.Get("If-None-Match") + r.Header.Get("If-Modified-Since")
		w.Header().Set("ETag", `"of `+r.URL.Host+`"`)
		fmt.Fprint(w, `{"data":[{"id":1}]}`)
	})
	owner.Hosts = []sources.Host{{Host: "files.example"}}
	spec := list(sources.Paging{})
	spec.Request.Conditional = true
	s := source(t, owner, spec)
	_, end := complete(t, s, snapshot())
	if !strings.Contains(end.Validator, "owner.example") {
		t.Fatalf("validator %q", end.Validator)
	}
	moves = true
	w := snapshot()
	w.From.Validator = end.Validator
	if _, end = complete(t, s, w); seen != "" || end.Validator != "" {
		t.Errorf("the host sees %q, and what is kept is %q", seen, end.Validator)
	}
}
