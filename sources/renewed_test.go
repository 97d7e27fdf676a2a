package sources_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// housed is an owner of two pages with a login of its own, where session-N is
// handed out by login N.
type housed struct {
	mu sync.Mutex
	// takes says whether the owner takes request n, from 1, with what is in Authorization.
	takes func(n int, authorization string) bool
	// denies, if set, is the status of logins, rests what they say of Retry-After.
	denies       int
	rests        string
	logins, told int
	heard        []string
}

func (h *housed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/v1/login" {
		body, _ := io.ReadAll(r.Body)
		h.logins++
		h.heard = append(h.heard, "login "+r.Header.Get("User-Agent")+" "+string(body))
		if h.denies != 0 {
			if h.rests != "" {
				w.Header().Set("Retry-After", h.rests)
			}
			w.WriteHeader(h.denies)
		}
		fmt.Fprintf(w, `{"token":"session-canary-%d","expires":864000}`, h.logins)
		return
	}
	h.told++
	h.heard = append(h.heard, r.URL.Query().Get("cursor")+" "+r.Header.Get("Authorization"))
	switch {
	case !h.takes(h.told, r.Header.Get("Authorization")):
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Query().Get("cursor") == "":
		fmt.Fprint(w, `{"data":[{"id":1}],"next":"c1"}`)
	default:
		fmt.Fprint(w, `{"data":[{"id":2}]}`)
	}
}

// owner is an owner's settings without a network, with a login.
func (h *housed) owner() sources.Owner {
	return sources.Owner{
		Name: "shop", URL: "https://owner.example/v1", Transport: sourcetest.Transport(h), Log: zerolog.Nop(), Concurrency: 20,
		Headers: map[string]string{"User-Agent": "larder/1"}, Retry: sources.Retry{Attempts: 3, Min: time.Second, Max: time.Second},
		Auth: auth.Login(auth.LoginOptions{
			URL: "https://owner.example/v1/login", ContentType: "application/json", Header: "Authorization", Scheme: "Bearer",
			Body:  []auth.Chunk{{Literal: `{"password":`}, {Secret: auth.Literal("password-canary")}, {Literal: "}"}},
			Token: auth.Place{Steps: []auth.Step{{Name: "token", Index: -1}}}, Expires: auth.Place{Steps: []auth.Step{{Name: "expires", Index: -1}}},
		}),
	}
}

func paged() sources.Spec {
	return list(sources.Paging{By: sources.Cursor, Next: "next"}, param("cursor", "{cursor}"))
}

// A session that the owner ends between two pages is begun again, and the page
// is asked for once more.
func TestSessionEndsBetweenPages(t *testing.T) {
	h := &housed{takes: func(n int, who string) bool { return n == 1 || who == "Bearer session-canary-2" }}
	batches, _ := complete(t, source(t, h.owner(), paged()), snapshot())
	want := []string{
		`login larder/1 {"password":"password-canary"}`, " Bearer session-canary-1", "c1 Bearer session-canary-1",
		`login larder/1 {"password":"password-canary"}`, "c1 Bearer session-canary-2",
	}
	if diff := cmp.Diff(want, h.heard); diff != "" || strings.Join(ids(batches), " ") != "1 2" {
		t.Errorf("records %v, requests (-want +got):\n%s", ids(batches), diff)
	}
}

// Twenty walks at one time log in once, and once more when all are refused.
func TestOneLoginForAllWalks(t *testing.T) {
	h := &housed{takes: func(_ int, who string) bool { return who != "Bearer session-canary-1" }}
	s := source(t, h.owner(), paged())
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { complete(t, s, snapshot()) })
	}
	group.Wait()
	if h.logins != 2 {
		t.Errorf("%d logins", h.logins)
	}
}

// A login that is refused is a matter of credentials, and is not tried again
// before the next poll; neither is a session that the owner never takes.
func TestRefusedLoginIsNoStorm(t *testing.T) {
	for name, test := range map[string]struct {
		denies, logins, told int
		class                syncer.Class
	}{
		"wrong password":  {http.StatusUnauthorized, 1, 0, syncer.ClassAuth},
		"no such account": {http.StatusUnprocessableEntity, 1, 0, syncer.ClassAuth},
		"down":            {http.StatusServiceUnavailable, 3, 0, syncer.ClassHTTP5xx},
		"never taken":     {0, 2, 2, syncer.ClassAuth},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &housed{denies: test.denies, takes: func(int, string) bool { return false }}
				var logged bytes.Buffer
				owner := h.owner()
				owner.Log = zerolog.New(&logged)
				err := fails(t, source(t, owner, paged()), snapshot(), test.class)
				if h.logins != test.logins || h.told != test.told {
					t.Errorf("%v after %d logins and %d requests", err, h.logins, h.told)
				}
				if text := fmt.Sprintf("%v %+v %s", err, err, &logged); strings.Contains(text, "canary") {
					t.Error(text)
				}
			})
		})
	}
}

// A login that is to be left alone for a while is, and the poll is planned for then.
func TestLoginThatWantsToRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &housed{denies: http.StatusTooManyRequests, rests: "600"}
		err := fails(t, source(t, h.owner(), paged()), snapshot(), syncer.ClassRateLimited)
		if at := syncer.RetryAt(err); h.logins != 1 || time.Until(at) != 10*time.Minute {
			t.Errorf("%d logins, the next one at %v", h.logins, at)
		}
	})
}

// A login takes its share of the owner's rate, and its wait is not the
// attempt's: an hour between requests is more than an attempt may take.
func TestLoginKeepsToTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &housed{takes: func(n int, _ string) bool { return n != 1 }}
		owner := h.owner()
		owner.Rate, owner.Timeout = 1.0/3600, 30*time.Second
		start := time.Now()
		complete(t, source(t, owner, paged()), snapshot())
		// A request's turn and its login, a login and a request anew, a page.
		if took := time.Since(start).Round(time.Minute); h.logins != 2 || h.told != 3 || took != 4*time.Hour {
			t.Errorf("%d logins and %d requests in %v", h.logins, h.told, took)
		}
	})
}

// replaced is a secret in a file that somebody replaces.
type replaced struct {
	mu    sync.Mutex
	text  string
	reads int
}

func (f *replaced) secret() auth.Secret {
	return auth.Secret{Value: f.text, Again: func() (string, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.reads++
		return f.text, nil
	}}
}

// A secret that is replaced between two pages is read again when the owner
// refuses the old one, once for all walks, and neither is shown.
func TestSecretReplacedInMidWalk(t *testing.T) {
	f := &replaced{text: "canary-1"}
	h := &housed{takes: func(n int, who string) bool {
		if n <= 5 {
			return who == "Bearer canary-1"
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.text = "canary-2"
		return who == "Bearer canary-2"
	}}
	var logged bytes.Buffer
	owner := h.owner()
	owner.Auth, owner.Log = auth.Bearer("Bearer", f.secret()), zerolog.New(zerolog.SyncWriter(&logged))
	s := source(t, owner, paged())
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() { complete(t, s, snapshot()) })
	}
	group.Wait()
	if f.reads == 0 || f.reads > 2 {
		t.Errorf("read %d times", f.reads)
	}
	h.takes = func(int, string) bool { return false }
	err := fails(t, s, snapshot(), syncer.ClassAuth)
	if strings.Contains(fmt.Sprintf("%v %s", err, &logged), "canary") {
		t.Errorf("%v\n%s", err, &logged)
	}
}

// An owner that puts a secret into its links finds neither the old nor the new
// one in a log or an error.
func TestReplacedSecretIsHiddenAtOnce(t *testing.T) {
	f := &replaced{text: "canary-1"}
	var logged bytes.Buffer
	owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		who := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch n {
		case 1:
			fmt.Fprintf(w, `{"data":[{"id":1}],"next":"/v1/%s"}`, who)
		case 2:
			f.text = "canary-2"
			w.WriteHeader(http.StatusUnauthorized)
		case 3:
			fmt.Fprintf(w, `{"data":[{"id":2}],"next":"/v1/%s/canary-1"}`, who)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	owner.Auth, owner.Log = auth.Bearer("Bearer", f.secret()), zerolog.New(&logged)
	err := fails(t, source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"})), snapshot(), syncer.ClassHTTP4xx)
	if strings.Contains(logged.String()+err.Error(), "canary") || !strings.Contains(logged.String(), "/v1/[secret]/[secret]") {
		t.Errorf("%v\n%s", err, &logged)
	}
}

// A token that ends while a request waits for its next attempt is another one
// when it is sent again.
func TestTokenEndsBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &guarded{issue: func(n int, w http.ResponseWriter) {
			fmt.Fprintf(w, `{"access_token":"canary-%d","expires_in":100}`, n)
		}}
		var told []string
		owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
			told = append(told, r.Header.Get("Authorization"))
			if n == 1 {
				w.Header().Set("Retry-After", "200")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			fmt.Fprint(w, `{"data":[{"id":1}]}`)
		})
		owner.Retry = sources.Retry{Attempts: 3, Min: time.Second, Max: time.Hour}
		owner.Auth = auth.OAuth2(auth.OAuth2Options{TokenURL: "https://issuer.example", ClientID: auth.Literal("c"), ClientSecret: auth.Literal("secret"),
			Client: &http.Client{Transport: sourcetest.Transport(http.HandlerFunc(g.token))}})
		complete(t, source(t, owner, list(sources.Paging{})), snapshot())
		if diff := cmp.Diff([]string{"Bearer canary-1", "Bearer canary-2"}, told); diff != "" {
			t.Errorf("tokens (-want +got):\n%s", diff)
		}
	})
}

// Each attempt and each page is signed anew, the attempts of one request too.
func TestEveryAttemptIsSignedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nonces, times := map[string]bool{}, map[string]bool{}
		owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
			nonces[r.Header.Get("X-Nonce")], times[r.Header.Get("X-Time")] = true, true
			switch {
			case n%2 == 1:
				w.WriteHeader(http.StatusServiceUnavailable)
			case r.URL.Query().Get("cursor") == "":
				fmt.Fprint(w, `{"data":[{"id":1}],"next":"c1"}`)
			default:
				fmt.Fprint(w, `{"data":[{"id":2}]}`)
			}
		})
		owner.Retry = sources.Retry{Attempts: 3, Min: time.Minute, Max: time.Minute}
		owner.Auth = auth.HMAC(auth.HMACOptions{Secret: auth.Literal("canary"), Algorithm: "sha256", Sign: auth.Text{{Name: "nonce"}, {Name: "timestamp"}},
			Headers: []auth.Field{{Name: "X-Nonce", Value: auth.Text{{Name: "nonce"}}}, {Name: "X-Time", Value: auth.Text{{Name: "timestamp"}}}}})
		complete(t, source(t, owner, paged()), snapshot())
		if len(nonces) != 4 || len(times) != 3 { // the second page is asked for at once
			t.Errorf("%d nonces and %d times of 4 requests", len(nonces), len(times))
		}
	})
}
