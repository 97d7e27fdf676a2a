package auth_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/auth"
)

// issuer is a token endpoint. It grants at1, at2 and so on.
type issuer struct {
	mu sync.Mutex
	// answer, if set, is used instead of a grant, as long as it is not nil.
	answer func(w http.ResponseWriter, r *http.Request) bool
	// form wants the client's credentials in the form, rotate answers with
	// another refresh token each time, and voids the one before.
	form, rotate bool
	refresh      string
	lives        string // expires_in
	granted      int
	asked        []url.Values
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := r.ParseForm(); err != nil {
		panic(err)
	}
	i.asked = append(i.asked, r.PostForm)
	w.Header().Set("Content-Type", "application/json")
	if i.answer != nil && i.answer(w, r) {
		return
	}
	id, password, basic := r.BasicAuth()
	if i.form {
		id, password, basic = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), !basic
	}
	if !basic || id != "client" || password != secretQueryEscaped(i.form) {
		refuse(w, 401, "invalid_client")
		return
	}
	if i.refresh != "" && r.PostForm.Get("refresh_token") != i.refresh {
		refuse(w, 400, "invalid_grant")
		return
	}
	i.granted++
	answer := fmt.Sprintf(`{"access_token":"at%d","token_type":"bearer"`, i.granted)
	if i.lives != "" {
		answer += `,"expires_in":` + i.lives
	}
	if i.rotate {
		i.refresh = fmt.Sprintf("rt%d", i.granted)
		answer += fmt.Sprintf(`,"refresh_token":%q`, i.refresh)
	}
	fmt.Fprint(w, answer+"}")
}

// secretQueryEscaped is the secret as RFC 6749 puts it into a header.
func secretQueryEscaped(form bool) string {
	if form {
		return secret
	}
	return url.QueryEscape(secret)
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":%q,"error_description":"canary"}`, code)
}

// count is how often a token was granted, and asked for.
func (i *issuer) count() (granted, asked int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.granted, len(i.asked)
}

// signer is an Authenticator that asks the issuer over a real connection,
// where o does not say otherwise.
func signer(t *testing.T, i *issuer, o auth.OAuth2Options) auth.Authenticator {
	t.Helper()
	if o.TokenURL == "" {
		server := httptest.NewServer(i)
		t.Cleanup(server.Close)
		o.TokenURL = server.URL
	}
	o.ClientID, o.ClientSecret = auth.Literal("client"), auth.Literal(secret)
	return auth.OAuth2(o)
}

func sign(ctx context.Context, who auth.Authenticator) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://owner.example/", nil)
	if err != nil {
		return "", err
	}
	_, err = who.Apply(r, nil)
	return r.Header.Get("Authorization"), err
}

func signed(t *testing.T, who auth.Authenticator) string {
	t.Helper()
	header, err := sign(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	return header
}

// store keeps tokens in memory.
type store struct {
	mu     sync.Mutex
	tokens map[string]string
	fails  error
}

func (s *store) Token(_ context.Context, name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[name], s.fails
}

func (s *store) KeepToken(ctx context.Context, name, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails == nil && ctx.Err() == nil {
		s.tokens[name] = token
	}
	return errors.Join(s.fails, ctx.Err())
}

func TestClientCredentials(t *testing.T) {
	for name, form := range map[string]bool{"in the header": false, "in the form": true} {
		i := &issuer{form: form, lives: "3600"}
		who := signer(t, i, auth.OAuth2Options{Scopes: []string{"a", "b"}, Params: []auth.Pair{{Name: "audience", Value: auth.Literal("users")}}})
		if a, b := signed(t, who), signed(t, who); a != "Bearer at1" || b != a {
			t.Errorf("%s: %q, then %q", name, a, b)
		}
		last := i.asked[len(i.asked)-1]
		if last.Get("grant_type") != "client_credentials" || last.Get("scope") != "a b" || last.Get("audience") != "users" {
			t.Errorf("%s: asked with %v", name, last)
		}
		refuses(t, who, 1)
		if got := signed(t, who); got != "Bearer at2" {
			t.Errorf("%s: %q after a refusal", name, got)
		}
		refuses(t, who, 1) // told late: at1 is not in use any more
		if got := signed(t, who); got != "Bearer at2" {
			t.Errorf("%s: %q after a late refusal", name, got)
		}
		if _, asked := i.count(); form && asked != 3 || !form && asked != 2 {
			t.Errorf("%s: asked %d times", name, asked)
		}
		for _, hidden := range []string{secret, "at1", "at2"} {
			if !slices.Contains(who.Secrets(), hidden) {
				t.Errorf("%s: %q is not among the secrets", name, hidden)
			}
		}
	}
}

func TestOneRenewalForAll(t *testing.T) {
	i := &issuer{lives: "3600"}
	inside, wait := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(inside) })
	i.answer = func(http.ResponseWriter, *http.Request) bool { once(); <-wait; return false }
	who := signer(t, i, auth.OAuth2Options{})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if header, err := sign(t.Context(), who); header != "Bearer at1" || err != nil {
				t.Errorf("%q, %v", header, err)
			}
		})
	}
	<-inside
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	cancel(gone)
	if _, err := sign(ctx, who); !errors.Is(err, gone) {
		t.Errorf("one who does not wait: %v", err)
	}
	close(wait)
	group.Wait()
	if _, asked := i.count(); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestWhoWaitsHearsTheFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, wait := 0, make(chan struct{})
		fail := roundTrip(func(*http.Request) (*http.Response, error) {
			asked++
			<-wait
			return nil, errors.New("unplugged")
		})
		who := signer(t, nil, auth.OAuth2Options{TokenURL: "https://issuer.example", Client: &http.Client{Transport: fail}})
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if _, err := sign(t.Context(), who); err == nil {
					t.Error("no error")
				}
			})
		}
		synctest.Wait()
		close(wait)
		group.Wait()
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// handled asks the issuer without a network, whose time is a bubble's.
func handled(i *issuer) *http.Client {
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		i.ServeHTTP(w, r)
		return w.Result(), nil
	})}
}

func TestTokenEndsBeforeItExpires(t *testing.T) {
	for lives, ends := range map[string]time.Duration{"3600": 3570 * time.Second, `"40"`: 30 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{lives: lives}
			who := signer(t, i, auth.OAuth2Options{TokenURL: "https://issuer.example", Client: handled(i)})
			first := signed(t, who)
			time.Sleep(ends - time.Second)
			before := signed(t, who)
			time.Sleep(2 * time.Second)
			if after := signed(t, who); first != "Bearer at1" || before != first || after != "Bearer at2" {
				t.Errorf("lives %s: %q, %q, %q", lives, first, before, after)
			}
		})
	}
}

// refuses says that the owner refused credentials, of which there are others.
func refuses(t *testing.T, who auth.Authenticator, number int) {
	t.Helper()
	if others, err := who.Refused(t.Context(), number); !others || err != nil {
		t.Errorf("others than number %d: %v, %v", number, others, err)
	}
}

// renewed drops the token in use and returns the next one.
func renewed(t *testing.T, who auth.Authenticator) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	number, err := who.Apply(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, who, number)
	return signed(t, who)
}

func TestRefreshTokenRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{rotate: true, refresh: "rt0"}
		kept := &store{tokens: map[string]string{}}
		o := auth.OAuth2Options{TokenURL: "https://issuer.example", Client: handled(i), RefreshToken: auth.Literal("rt0"), Store: kept, Scopes: []string{"a"}}
		who := signer(t, i, o)
		if got := renewed(t, who); got != "Bearer at2" {
			t.Errorf("got %q", got)
		}
		if last := i.asked[1]; last.Get("grant_type") != "refresh_token" || last.Get("refresh_token") != "rt1" || last.Get("scope") != "a" {
			t.Errorf("asked with %v", last)
		}
		if diff := cmp.Diff([]string{"rt2"}, slices.Collect(maps.Values(kept.tokens))); diff != "" {
			t.Errorf("kept (-want +got):\n%s", diff)
		}
		for _, hidden := range []string{"rt0", "rt1", "rt2"} {
			if !slices.Contains(who.Secrets(), hidden) {
				t.Errorf("refresh token %q is not among the secrets", hidden)
			}
		}
		restarted := signer(t, i, o)
		if got := renewed(t, restarted); got != "Bearer at4" {
			t.Errorf("after a restart: %q", got)
		}
		// The other one holds rt2 still, and finds what became of it.
		time.Sleep(time.Minute)
		if got := renewed(t, who); got != "Bearer at5" {
			t.Errorf("beside another process: %q", got)
		}
		// One that the configuration brings anew begins a line of its own.
		i.refresh, o.RefreshToken = "fresh", auth.Literal("fresh")
		if got := signed(t, signer(t, i, o)); got != "Bearer at6" || len(kept.tokens) != 2 {
			t.Errorf("with another refresh token: %q, %d kept", got, len(kept.tokens))
		}
	})
}

func TestRefreshTokenIsKeptLater(t *testing.T) {
	i := &issuer{rotate: true, refresh: "rt0"}
	kept := &store{tokens: map[string]string{}, fails: errors.New("disk is full")}
	var told []error
	who := signer(t, i, auth.OAuth2Options{RefreshToken: auth.Literal("rt0"), Store: kept, Unkept: func(err error) { told = append(told, err) }})
	_, err := sign(t.Context(), who)
	if failed, ok := errors.AsType[*auth.TokenError](err); !ok || !failed.Local() || !failed.Temporary() || err.Error() != "fetch token: read refresh token: disk is full" {
		t.Errorf("store that cannot be read: %v", err)
	}
	kept.fails = nil
	i.answer = func(http.ResponseWriter, *http.Request) bool { kept.fails = errors.New("disk is full"); return false }
	if got := signed(t, who); got != "Bearer at1" || len(told) != 1 || told[0].Error() != "keep refresh token: disk is full" {
		t.Errorf("store that cannot be written: %q, %v", got, told)
	}
	i.answer = func(http.ResponseWriter, *http.Request) bool { kept.fails = nil; return false }
	if got := renewed(t, who); got != "Bearer at2" || len(told) != 1 {
		t.Errorf("store that is back: %q, %v", got, told)
	}
	if diff := cmp.Diff([]string{"rt2"}, slices.Collect(maps.Values(kept.tokens))); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// TestWhoGivesUpKeepsTheRefreshToken: the one before it is void as soon as the
// endpoint has it. An answer that is about to come is waited for, one that takes
// longer comes all the same, and who asks meanwhile gets it.
func TestWhoGivesUpKeepsTheRefreshToken(t *testing.T) {
	for takes, waits := range map[time.Duration]time.Duration{time.Second: time.Second, 20 * time.Second: 20 * time.Second, 28 * time.Second: 25 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			gone := errors.New("gone")
			i := &issuer{rotate: true, refresh: "rt0"}
			answers := handled(i).Transport
			slow := roundTrip(func(r *http.Request) (*http.Response, error) {
				answer, err := answers.RoundTrip(r)
				cancel(gone)
				select { // as a connection does
				case <-time.After(takes):
					return answer, err
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
			})
			kept := &store{tokens: map[string]string{}}
			who := signer(t, i, auth.OAuth2Options{TokenURL: "https://issuer.example", RefreshToken: auth.Literal("rt0"), Store: kept, Client: &http.Client{Transport: slow}})
			start := time.Now()
			if _, err := sign(ctx, who); !errors.Is(err, gone) || time.Since(start) != waits {
				t.Errorf("answer after %v: %v after %v", takes, err, time.Since(start))
			}
			if got := signed(t, who); got != "Bearer at1" || time.Since(start) != takes {
				t.Errorf("answer after %v: the next one has %q after %v", takes, got, time.Since(start))
			}
			if diff := cmp.Diff([]string{"rt1"}, slices.Collect(maps.Values(kept.tokens))); diff != "" {
				t.Errorf("answer after %v: kept (-want +got):\n%s", takes, diff)
			}
			if got := renewed(t, who); got != "Bearer at2" {
				t.Errorf("answer after %v: then %q", takes, got)
			}
		})
	}
}

// Who comes after its context's end asks nobody.
func TestNobodyAsksForWhoHasGivenUp(t *testing.T) {
	i := &issuer{}
	who := signer(t, i, auth.OAuth2Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if _, err := sign(ctx, who); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if _, asked := i.count(); asked != 0 {
		t.Errorf("asked %d times", asked)
	}
}

// Any further parameter may be a credential, but for those that are known to be
// none; what is too short to be one would hide half of every text.
func TestParamsAreSecrets(t *testing.T) {
	who := signer(t, nil, auth.OAuth2Options{TokenURL: "https://issuer.example", Params: []auth.Pair{
		{Name: "assertion", Value: auth.Literal("canary-1")}, {Name: "pin", Value: auth.Literal("canary-2")},
		{Name: "audience", Value: auth.Literal("users")}, {Name: "v", Value: auth.Literal("2")},
	}})
	for text, want := range map[string]bool{"canary-1": true, "canary-2": true, "users": false, "2": false} {
		if got := slices.Contains(who.Secrets(), text); got != want {
			t.Errorf("%q among the secrets: %v", text, got)
		}
	}
}

func TestTokenEndpointFails(t *testing.T) {
	answer := func(status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return true
		}
	}
	for name, test := range map[string]struct {
		answer             func(http.ResponseWriter, *http.Request) bool
		want               string
		temporary, refused bool
		asked              int
	}{
		"client":     {answer(401, `{"error":"invalid_client"}`), "endpoint answers 401: invalid_client", false, true, 2},
		"scope":      {answer(400, `{"error":"invalid_scope","error_description":"canary"}`), "endpoint answers 400: invalid_scope", false, true, 1},
		"with 200":   {answer(200, `{"error":"invalid_scope"}`), "endpoint answers 200: invalid_scope", false, true, 1},
		"made up":    {answer(400, `{"error":"canary <b>"}`), "endpoint answers 400: unknown", false, true, 1},
		"no code":    {answer(403, `canary`), "endpoint answers 403 Forbidden", false, true, 2},
		"down":       {answer(503, `canary`), "endpoint answers 503 Service Unavailable", true, false, 1},
		"throttled":  {answer(429, `{"error":"slow_down"}`), "endpoint answers 429: slow_down", true, false, 1},
		"busy":       {answer(400, `{"error":"temporarily_unavailable"}`), "endpoint answers 400: temporarily_unavailable", true, false, 1},
		"HTML":       {answer(200, `<html>canary`), "endpoint's answer holds no token", false, false, 1},
		"empty":      {answer(200, `{}`), "endpoint's answer holds no token", false, false, 1},
		"odd token":  {answer(200, `{"access_token":"canary\r\nX: y"}`), "token holds what no header can", false, false, 1},
		"long token": {answer(200, `{"access_token":"`+strings.Repeat("x", 17_000)+`"}`), "token is too long", false, false, 1},
		"large":      {answer(200, strings.Repeat("canary", 20_000)), "endpoint's answer is larger than 65536 bytes", false, false, 1},
		"redirect": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "/canary", http.StatusTemporaryRedirect)
			return true
		}, "endpoint answers 307 Temporary Redirect", false, false, 1},
		"breaking up": {func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, "reach endpoint: its answer breaks off or is not HTTP", true, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			i := &issuer{answer: test.answer}
			_, err := sign(t.Context(), signer(t, i, auth.OAuth2Options{}))
			failed, ok := errors.AsType[*auth.TokenError](err)
			if !ok || failed.Temporary() != test.temporary || failed.Refused() != test.refused || err.Error() != "fetch token: "+test.want {
				t.Errorf("%v, temporary %v, refused %v", err, failed.Temporary(), failed.Refused())
			}
			if _, asked := i.count(); asked != test.asked {
				t.Errorf("asked %d times", asked)
			}
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "canary") || strings.Contains(text, secret) {
				t.Error(text)
			}
		})
	}
}

func TestTokenEndpointTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalls := roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		start := time.Now()
		_, err := sign(t.Context(), signer(t, nil, auth.OAuth2Options{TokenURL: "https://issuer.example/?key=canary", Client: &http.Client{Transport: stalls}}))
		failed, ok := errors.AsType[*auth.TokenError](err)
		if !ok || !failed.Temporary() || time.Since(start) != 30*time.Second || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
