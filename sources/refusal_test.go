package sources_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// asking is an owner's settings without a network, for credentials.
func asking(h http.HandlerFunc, who auth.Authenticator) sources.Owner {
	return sources.Owner{Name: "shop", URL: "https://owner.example/v1", Transport: sourcetest.Transport(h), Log: zerolog.Nop(),
		Retry: sources.Retry{Attempts: 1, Min: time.Second, Max: time.Second}, Auth: who}
}

// Owners that take signatures refuse a key that was replaced with 403, and AWS
// one that has expired with 400. The key is read again then, and the request
// sent once more, with its body. An answer that says "too often", or a status
// that says nothing of the credentials, is left as it is.
func TestReplacedKeysOfSignatures(t *testing.T) {
	sigv4 := func(key auth.Secret) auth.Authenticator {
		return auth.SigV4(auth.SigV4Options{Region: "eu-central-1", Service: "execute-api", AccessKey: key, SecretKey: auth.Literal("secret-canary")})
	}
	hmac := func(key auth.Secret) auth.Authenticator {
		return auth.HMAC(auth.HMACOptions{Secret: auth.Literal("secret-canary"), Key: key, Algorithm: "sha256", Sign: auth.Text{{Name: "path"}},
			Headers: []auth.Field{{Name: "Authorization", Value: auth.Text{{Name: "key"}, {Literal: ":"}, {Name: "signature"}}}}})
	}
	bearer := func(key auth.Secret) auth.Authenticator { return auth.Bearer("Bearer", key) }
	for name, test := range map[string]struct {
		who    func(auth.Secret) auth.Authenticator
		status int
		header http.Header
		class  syncer.Class // "": the new key is used
	}{
		"AWS with 403":              {sigv4, 403, nil, ""},
		"AWS with 400":              {sigv4, 400, nil, ""},
		"AWS with 401":              {sigv4, 401, nil, ""},
		"AWS, asked too often":      {sigv4, 403, http.Header{"Retry-After": {"60"}}, syncer.ClassRateLimited},
		"AWS, not there":            {sigv4, 404, nil, syncer.ClassHTTP4xx},
		"hmac with 403":             {hmac, 403, nil, ""},
		"hmac with 401":             {hmac, 401, nil, ""},
		"hmac, without quota":       {hmac, 403, http.Header{"X-Ratelimit-Remaining": {"0"}}, syncer.ClassRateLimited},
		"hmac with 400":             {hmac, 400, nil, syncer.ClassHTTP4xx},
		"a token that may not read": {bearer, 403, nil, syncer.ClassAuth},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &replaced{text: "key-canary-old"}
				var told []string
				owner := asking(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					body, _ := io.ReadAll(r.Body)
					told = append(told, string(body))
					if strings.Contains(r.Header.Get("Authorization"), "key-canary-new") {
						fmt.Fprint(w, `{"data":[{"id":1}]}`)
						return
					}
					for name, values := range test.header {
						w.Header()[name] = values
					}
					w.WriteHeader(test.status)
				}, test.who(f.secret()))
				s := source(t, owner, posted())
				if test.class == "" { // not replaced yet: the answer stands
					fails(t, s, snapshot(), failureOf(test.status))
				}
				reads, before := f.reads, len(told)
				f.text = "key-canary-new"
				if test.class != "" {
					if fails(t, s, snapshot(), test.class); f.reads != 0 || len(told) != 1 {
						t.Errorf("read %d times for %d requests", f.reads, len(told))
					}
					return
				}
				complete(t, s, snapshot())
				if reads == 0 || before != 1 || strings.Join(told[1:], " ") != "everything everything" {
					t.Errorf("read %d times after %d requests, then sends %q", reads, before, told[1:])
				}
			})
		})
	}
}

// failureOf is the class of a status that says nothing besides.
func failureOf(status int) syncer.Class {
	if status == http.StatusBadRequest {
		return syncer.ClassHTTP4xx
	}
	return syncer.ClassAuth
}

// What is sent once more is signed when its turn has come, not before.
func TestRepetitionIsSignedInItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &replaced{text: "key-canary-old"}
		var late []time.Duration
		owner := asking(func(w http.ResponseWriter, r *http.Request) {
			at, err := http.ParseTime(r.Header.Get("X-Time"))
			if late = append(late, time.Since(at)); err != nil || len(late) == 1 {
				f.text = "key-canary-new"
				w.WriteHeader(http.StatusForbidden)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"data":[{"id":1}]}`)
		}, auth.HMAC(auth.HMACOptions{Secret: f.secret(), Algorithm: "sha256", Sign: auth.Text{{Name: "timestamp"}},
			Headers: []auth.Field{{Name: "X-Time", Value: auth.Text{{Name: "timestamp_http"}}}, {Name: "X-Sig", Value: auth.Text{{Name: "signature"}}}}}))
		owner.Rate = 1.0 / 3600
		if complete(t, source(t, owner, list(sources.Paging{})), snapshot()); len(late) != 2 || max(late[0], late[1]) >= time.Second {
			t.Errorf("signed %v before it was sent", late)
		}
	})
}

// What is signed behind a redirect has the host it goes to.
func TestSignedHostBehindARedirect(t *testing.T) {
	var told []string
	owner := asking(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		told = append(told, r.Header.Get("X-Host")+" "+r.Header.Get("X-Url"))
		if r.URL.Path != "/v1/other" {
			http.Redirect(w, r, "https://owner.example/v1/other?a=b", http.StatusTemporaryRedirect)
			return
		}
		fmt.Fprint(w, `{"data":[{"id":1}]}`)
	}, auth.HMAC(auth.HMACOptions{Secret: auth.Literal("secret-canary"), Algorithm: "sha256", Sign: auth.Text{{Name: "host"}},
		Headers: []auth.Field{{Name: "X-Host", Value: auth.Text{{Name: "host"}}}, {Name: "X-Url", Value: auth.Text{{Name: "url"}}}, {Name: "X-Sig", Value: auth.Text{{Name: "signature"}}}}}))
	complete(t, source(t, owner, list(sources.Paging{})), snapshot())
	if len(told) != 2 || !strings.HasPrefix(told[0], "owner.example https://owner.example/v1/") || told[1] != "owner.example https://owner.example/v1/other?a=b" {
		t.Errorf("signed for %q", told)
	}
}

// lenient hands out sessions and tokens for any secret, and takes those of one.
type lenient struct {
	takes   string
	fetches int
}

func (l *lenient) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/v1/login" {
		l.fetches++
		body, _ := io.ReadAll(r.Body)
		_, password, ok := r.BasicAuth()
		if !ok {
			password = strings.Trim(string(body), `"`)
		}
		fmt.Fprintf(w, `{"access_token":"session-%s"}`, password)
		return
	}
	if r.Header.Get("Authorization") != "Bearer session-"+l.takes {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprint(w, `{"data":[{"id":1}]}`)
}

// A secret that was replaced is read again when the owner refuses what came of
// the old one, though logins and token endpoints take that for a while: even
// where what came of it has only been fetched.
func TestReplacedSecretThatLoginsStillTake(t *testing.T) {
	for name, kind := range map[string]func(*lenient, auth.Secret) auth.Authenticator{
		"login": func(_ *lenient, password auth.Secret) auth.Authenticator {
			return auth.Login(auth.LoginOptions{URL: "https://owner.example/v1/login", ContentType: "application/json", Header: "Authorization", Scheme: "Bearer",
				Body: []auth.Chunk{{Secret: password}}, Token: auth.Place{Steps: []auth.Step{{Name: "access_token", Index: -1}}}})
		},
		"oauth2": func(l *lenient, password auth.Secret) auth.Authenticator {
			return auth.OAuth2(auth.OAuth2Options{TokenURL: "https://owner.example/v1/login", ClientID: auth.Literal("client"), ClientSecret: password,
				Client: &http.Client{Transport: sourcetest.Transport(http.HandlerFunc(l.serve))}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, l := &replaced{text: "canary-1"}, &lenient{takes: "canary-1"}
				s := source(t, asking(l.serve, kind(l, f.secret())), paged())
				complete(t, s, snapshot())
				for n := 2; n <= 4; n++ { // without a minute between
					l.takes = fmt.Sprintf("canary-%d", n)
					f.text = l.takes
					if complete(t, s, snapshot()); l.fetches != n {
						t.Errorf("%d fetches for %d secrets", l.fetches, n)
					}
				}
				l.takes = "another"
				for range 10 { // which is not in the file yet
					fails(t, s, snapshot(), syncer.ClassAuth)
				}
				if f.text = l.takes; l.fetches > 5 {
					t.Errorf("%d fetches for the secret of before", l.fetches)
				}
				complete(t, s, snapshot())
			})
		})
	}
}

// of is one of several sources of an owner.
func of(t *testing.T, client *sources.Client, spec sources.Spec) *sources.Source {
	t.Helper()
	s, err := sources.New(client, spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An endpoint that refuses every session ends the one that all sources share no
// more than once a minute, however many walks it has, and leaves the others at
// work.
func TestOneRefusingEndpointIsNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &housed{takes: func(int, string) bool { return true }}
		owner, fine := h.owner(), http.Handler(h)
		owner.Transport = sourcetest.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("forbidden") {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fine.ServeHTTP(w, r)
		}))
		client, err := sources.NewClient(owner)
		if err != nil {
			t.Fatal(err)
		}
		forbidden, good := of(t, client, list(sources.Paging{}, param("forbidden", "1"))), of(t, client, paged())
		start := time.Now()
		for time.Since(start) < 10*time.Minute {
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() { fails(t, forbidden, snapshot(), syncer.ClassAuth) })
			}
			group.Wait()
			complete(t, good, snapshot())
			time.Sleep(10 * time.Second)
		}
		if h.logins < 2 || h.logins > 12 {
			t.Errorf("%d logins in ten minutes of 600 refused walks", h.logins)
		}
	})
}

// A session that ends soon after the one before it is begun again within a
// minute, and at once where the one before was not refused.
func TestSessionThatEndsYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alive := "Bearer session-canary-1"
		h := &housed{takes: func(_ int, who string) bool { return who == alive }}
		s := source(t, h.owner(), paged())
		complete(t, s, snapshot())
		alive = "Bearer session-canary-2"
		complete(t, s, snapshot())
		alive = "Bearer session-canary-3"
		fails(t, s, snapshot(), syncer.ClassAuth)
		time.Sleep(time.Minute)
		if complete(t, s, snapshot()); h.logins != 3 {
			t.Errorf("%d logins", h.logins)
		}
	})
}
