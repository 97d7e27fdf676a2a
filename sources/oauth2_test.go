package sources_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
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

// guarded is an owner of two pages behind an issuer of tokens, both real
// servers or behind one transport.
type guarded struct {
	mu sync.Mutex
	// issue answers token request n, from 1; nil: with token canary-N.
	issue func(n int, w http.ResponseWriter)
	// takes says which token the owner takes for request n, from 1.
	takes func(n int) string
	// issued and told note the requests of each.
	issued int
	told   []string
}

func (g *guarded) token(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.issued++
	w.Header().Set("Content-Type", "application/json")
	if g.issue != nil {
		g.issue(g.issued, w)
		return
	}
	fmt.Fprintf(w, `{"access_token":"canary-%d","expires_in":3600}`, g.issued)
}

func (g *guarded) list(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	g.told = append(g.told, r.Header.Get("Authorization")+" "+string(body))
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer "+g.takes(len(g.told)) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.URL.Query().Get("cursor") == "" {
		fmt.Fprint(w, `{"data":[{"id":1}],"next":"c1"}`)
		return
	}
	fmt.Fprint(w, `{"data":[{"id":2}]}`)
}

// count is how many requests there were for tokens, and of the owner.
func (g *guarded) count() (issued, told int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.issued, len(g.told)
}

// only takes one token.
func only(token string) func(int) string { return func(int) string { return token } }

// servers are the owner's settings for two real servers.
func (g *guarded) servers(t *testing.T) sources.Owner {
	t.Helper()
	issuer := httptest.NewServer(http.HandlerFunc(g.token))
	t.Cleanup(issuer.Close)
	owner := httptest.NewServer(http.HandlerFunc(g.list))
	t.Cleanup(owner.Close)
	o := at(owner.URL)
	o.Auth = auth.OAuth2(auth.OAuth2Options{TokenURL: issuer.URL + "/token?key=canary", ClientID: auth.Literal("larder"), ClientSecret: auth.Literal("canary")})
	return o
}

// posted is a list that is asked for with a body.
func posted() sources.Spec {
	spec := list(sources.Paging{By: sources.Cursor, Next: "next"}, param("cursor", "{cursor}"))
	body := sources.TextValue(text("everything"))
	spec.Request.Method, spec.Request.Body, spec.Request.ContentType = http.MethodPost, &body, "text/plain"
	return spec
}

func TestTokenIsRenewedInMidWalk(t *testing.T) {
	g := &guarded{takes: func(n int) string { return []string{"canary-1", "canary-2", "canary-2"}[n-1] }}
	batches, _ := complete(t, source(t, g.servers(t), posted()), snapshot())
	issued, _ := g.count()
	if got := strings.Join(ids(batches), " "); got != "1 2" || issued != 2 {
		t.Errorf("records %s with %d tokens", got, issued)
	}
	want := []string{"Bearer canary-1 everything", "Bearer canary-1 everything", "Bearer canary-2 everything"}
	if diff := cmp.Diff(want, g.told); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestTokenThatIsNeverTaken(t *testing.T) {
	g := &guarded{takes: only("another")}
	err := fails(t, source(t, g.servers(t), posted()), snapshot(), syncer.ClassAuth)
	if issued, told := g.count(); told != 2 || issued != 2 {
		t.Errorf("%v after %d requests with %d tokens", err, told, issued)
	}
}

func TestRefusalWithoutOAuth2IsNotRepeated(t *testing.T) {
	g := &guarded{takes: only("another")}
	owner := g.servers(t)
	owner.Auth = auth.Bearer("Bearer", auth.Literal("canary"))
	fails(t, source(t, owner, posted()), snapshot(), syncer.ClassAuth)
	if _, told := g.count(); told != 1 {
		t.Errorf("%d requests", told)
	}
}

func TestTokenEndpointInTrouble(t *testing.T) {
	status := func(status int, body string) func(int, http.ResponseWriter) {
		return func(_ int, w http.ResponseWriter) { w.WriteHeader(status); fmt.Fprint(w, body) }
	}
	for name, test := range map[string]struct {
		issue  func(int, http.ResponseWriter)
		class  syncer.Class
		issued int
	}{
		"client":    {status(401, `{"error":"invalid_client"}`), syncer.ClassAuth, 2}, // in the header, in the form
		"grant":     {status(400, `{"error":"invalid_grant"}`), syncer.ClassAuth, 1},
		"down":      {status(503, `canary`), syncer.ClassHTTP5xx, 2}, // two attempts
		"throttled": {status(429, `canary`), syncer.ClassRateLimited, 2},
		"HTML":      {status(200, `<html>canary`), syncer.ClassAnswer, 1},
		"drops":     {func(int, http.ResponseWriter) { panic(http.ErrAbortHandler) }, syncer.ClassConnect, 2},
	} {
		t.Run(name, func(t *testing.T) {
			g := &guarded{issue: test.issue, takes: only("none")}
			var logged bytes.Buffer
			owner := g.servers(t)
			owner.Log = zerolog.New(&logged)
			err := fails(t, source(t, owner, posted()), snapshot(), test.class)
			if issued, told := g.count(); told != 0 || issued != test.issued {
				t.Errorf("%v after %d token requests and %d of the owner", err, issued, told)
			}
			if text := fmt.Sprintf("%v %+v %s", err, err, &logged); strings.Contains(text, "canary") || !strings.Contains(text, "fetch token") {
				t.Error(text)
			}
		})
	}
}

func TestTokenEndpointComesBack(t *testing.T) {
	g := &guarded{takes: only("canary"), issue: func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, `{"access_token":"canary"}`)
	}}
	complete(t, source(t, g.servers(t), posted()), snapshot())
	if issued, told := g.count(); issued != 2 || told != 2 {
		t.Errorf("%d token requests, %d of the owner", issued, told)
	}
}

// TestTokenEndpointStalls: the owner's patience with an attempt holds for the
// token, too.
func TestTokenEndpointStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := pages(`{"data":[]}`)
		owner.Timeout = 5 * time.Second
		stalls := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		owner.Auth = auth.OAuth2(auth.OAuth2Options{TokenURL: "https://issuer.example", ClientID: auth.Literal("c"), ClientSecret: auth.Literal("canary"),
			Client: &http.Client{Transport: sourcetest.Transport(stalls)}})
		start := time.Now()
		fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassTimeout)
		if took := time.Since(start); took != owner.Timeout {
			t.Errorf("took %s", took)
		}
	})
}

// TestTokenShowsNowhere: an owner that puts the token into its links finds it
// in no log and no error.
func TestTokenShowsNowhere(t *testing.T) {
	owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 2 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, `{"data":[{"id":1}],"next":"/v1/%s"}`, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	})
	var logged bytes.Buffer
	owner.Log = zerolog.New(&logged)
	owner.Auth = auth.OAuth2(auth.OAuth2Options{TokenURL: "https://issuer.example", ClientID: auth.Literal("c"), ClientSecret: auth.Literal("secret"),
		Client: &http.Client{Transport: sourcetest.Transport(http.HandlerFunc((&guarded{}).token))}})
	err := fails(t, source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"})), snapshot(), syncer.ClassHTTP4xx)
	if strings.Contains(logged.String()+err.Error(), "canary") || !strings.Contains(logged.String(), "/v1/[secret]") {
		t.Errorf("%v\n%s", err, &logged)
	}
}
