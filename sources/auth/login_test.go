package auth_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/auth"
)

// door is where an owner takes logins. It is a way to the owner, too.
type door struct {
	mu     sync.Mutex
	answer func(n int, w http.ResponseWriter, r *http.Request) // nil: token-N
	asked  []string                                            // method, URL, headers of interest, body
}

func (d *door) RoundTrip(r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	body, _ := io.ReadAll(r.Body)
	d.asked = append(d.asked, strings.Join([]string{r.Method, r.URL.String(), r.Header.Get("Content-Type"), r.Header.Get("X-App"), string(body)}, " "))
	n, answer := len(d.asked), d.answer
	d.mu.Unlock()
	w := httptest.NewRecorder()
	if answer == nil {
		fmt.Fprintf(w, `{"data":[{"token":"token-%d"}]}`, n)
	} else {
		answer(n, w, r)
	}
	return w.Result(), r.Context().Err()
}

func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

// answers answers each login alike.
func answers(status int, header http.Header, body string) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// inBody is where door puts its token.
func inBody() auth.Place {
	return auth.Place{Steps: []auth.Step{{Name: "data", Index: -1}, {Name: "0", Index: 0}, {Name: "token", Index: -1}}}
}

func member(name string) auth.Place { return auth.Place{Steps: []auth.Step{{Name: name, Index: -1}}} }

// options log in with a password.
func options() auth.LoginOptions {
	return auth.LoginOptions{
		URL: "https://owner.example/v1/login", ContentType: "application/json", Header: "Authorization", Scheme: "Bearer", Token: inBody(),
		Body: []auth.Chunk{{Literal: `{"user":"me","password":`}, {Secret: auth.Literal(secret)}, {Literal: "}"}},
	}
}

// enter asks for a request's credentials.
func enter(ctx context.Context, who auth.Authenticator, via http.RoundTripper) (http.Header, int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://owner.example/v1/users", nil)
	if err != nil {
		return nil, 0, err
	}
	r.Header.Set("Cookie", "theme=dark; sid=old")
	number, err := who.Apply(r, via)
	return r.Header, number, err
}

func entered(t *testing.T, who auth.Authenticator, via http.RoundTripper) (http.Header, int) {
	t.Helper()
	header, number, err := enter(t.Context(), who, via)
	if err != nil {
		t.Fatal(err)
	}
	return header, number
}

func TestLoginTokens(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*auth.LoginOptions)
		answer func(int, http.ResponseWriter, *http.Request)
		header string
		want   string
	}{
		"in the body":       {func(*auth.LoginOptions) {}, nil, "Authorization", "Bearer token-1"},
		"a number":          {func(o *auth.LoginOptions) { o.Token = member("t") }, answers(200, nil, `{"t":12345678901234567890}`), "Authorization", "Bearer 12345678901234567890"},
		"behind a mark":     {func(o *auth.LoginOptions) { o.Token = member("token") }, answers(200, nil, "\ufeff{\"token\":\"abcd\"}"), "Authorization", "Bearer abcd"},
		"in a header":       {func(o *auth.LoginOptions) { o.Token, o.Scheme = auth.Place{Header: "x-token"}, "" }, answers(204, http.Header{"X-Token": {"abcd"}}, ""), "Authorization", "abcd"},
		"in another header": {func(o *auth.LoginOptions) { o.Header, o.Scheme = "X-Session", "" }, nil, "X-Session", "token-1"},
		"a cookie": {func(o *auth.LoginOptions) { o.Token = auth.Place{Cookie: "sid"} }, answers(302, http.Header{"Location": {"/"},
			"Set-Cookie": {"sid=early; Path=/", "other=x", "sid=a=b; HttpOnly"}}, ""), "Cookie", "theme=dark; sid=a=b"},
		"a quoted cookie": {func(o *auth.LoginOptions) { o.Token = auth.Place{Cookie: "sid"} }, answers(200, http.Header{"Set-Cookie": {`sid="a b"`}}, ""), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			test.change(&o)
			d := &door{answer: test.answer}
			who := auth.Login(o)
			header, _, err := enter(t.Context(), who, d)
			if test.header == "" {
				if err == nil {
					t.Errorf("sends %v", header)
				}
				return
			}
			if err != nil || header.Get(test.header) != test.want {
				t.Errorf("%s: %q, want %q; %v", test.header, header.Get(test.header), test.want, err)
			}
			if again, _ := entered(t, who, d); again.Get(test.header) != test.want || d.count() != 1 {
				t.Errorf("again %q after %d logins", again.Get(test.header), d.count())
			}
		})
	}
}

// What is posted is JSON or a form, with the secrets escaped as there.
func TestLoginRequest(t *testing.T) {
	const odd = "a\"b&c=\u2028<é"
	o := options()
	o.Headers = []auth.Pair{{Name: "X-App", Value: auth.Literal("canary-app")}}
	o.Body[1].Secret = auth.Literal(odd)
	d := &door{}
	entered(t, auth.Login(o), d)
	form := o
	form.Form, form.ContentType = true, "application/x-www-form-urlencoded"
	form.Body = []auth.Chunk{{Literal: "user=me&password="}, {Secret: auth.Literal(odd)}}
	entered(t, auth.Login(form), d)
	want := []string{
		"POST https://owner.example/v1/login application/json canary-app {\"user\":\"me\",\"password\":\"a\\\"b&c=\\u2028<é\"}",
		"POST https://owner.example/v1/login application/x-www-form-urlencoded canary-app user=me&password=a%22b%26c%3D%E2%80%A8%3C%C3%A9",
	}
	if diff := gocmp.Diff(want, d.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	who := auth.Login(o)
	entered(t, who, &door{})
	for _, hidden := range []string{odd, "canary-app", "token-1"} {
		if !slices.Contains(who.Secrets(), hidden) {
			t.Errorf("%q is not among the secrets", hidden)
		}
	}
}

// A session ends as its answer says, measured by the clock of who says so, and a
// little before that.
func TestSessionEnds(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ahead := start.Add(48 * time.Hour)
	date := http.Header{"Date": {ahead.Format(http.TimeFormat)}}
	for name, test := range map[string]struct {
		header  http.Header
		expires string // of the body, as JSON
		lasts   time.Duration
		lives   time.Duration // 0: as long as the owner takes it
	}{
		"lifetime":                {nil, `3600`, 0, time.Hour},
		"as a text":               {nil, `"3600"`, 0, time.Hour},
		"short":                   {nil, `40`, 0, 40 * time.Second},
		"Unix":                    {date, fmt.Sprint(ahead.Unix() + 7200), 0, 2 * time.Hour},
		"Unix in milliseconds":    {date, fmt.Sprint(ahead.UnixMilli() + 7200_000), 0, 2 * time.Hour},
		"RFC 3339":                {date, `"2026-01-03T01:00:00+00:00"`, 0, time.Hour},
		"without zone":            {date, `"2026-01-03T01:00:00.000"`, 0, time.Hour},
		"HTTP":                    {date, `"Sat, 03 Jan 2026 01:00:00 GMT"`, 0, time.Hour},
		"no Date":                 {nil, `"2026-01-01T01:00:00Z"`, 0, time.Hour},
		"configured":              {nil, `5`, time.Hour, time.Hour},
		"null":                    {nil, `null`, 0, 0},
		"zero":                    {nil, `0`, 0, 0},
		"beyond what times can":   {nil, `1e300`, 0, 10 * 365 * 24 * time.Hour},
		"a cookie that says when": {http.Header{"Set-Cookie": {"sid=abcd; Max-Age=3600"}}, ``, 0, time.Hour},
		"a cookie with a date":    {http.Header{"Date": date["Date"], "Set-Cookie": {"sid=abcd; Expires=Sat, 03 Jan 2026 01:00:00 GMT"}}, ``, 0, time.Hour},
		"a cookie of a session":   {http.Header{"Set-Cookie": {"sid=abcd"}}, ``, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(start))
				o := options()
				o.Token, o.Expires, o.Lasts = member("token"), member("expires"), test.lasts
				if test.expires == "" {
					o.Token, o.Expires = auth.Place{Cookie: "sid"}, auth.Place{}
				}
				d := &door{answer: answers(200, test.header, fmt.Sprintf(`{"token":"abcd","expires":%s}`, cmp.Or(test.expires, "0")))}
				who := auth.Login(o)
				entered(t, who, d)
				if test.lives == 0 {
					time.Sleep(20 * 365 * 24 * time.Hour)
					if entered(t, who, d); d.count() != 1 {
						t.Errorf("%d logins", d.count())
					}
					return
				}
				skew := min(30*time.Second, test.lives/4)
				time.Sleep(test.lives - skew - 2*time.Second)
				entered(t, who, d)
				before := d.count()
				time.Sleep(4 * time.Second)
				if entered(t, who, d); before != 1 || d.count() != 2 {
					t.Errorf("%d logins before its end, %d after", before, d.count())
				}
			})
		})
	}
}

func TestOneLoginForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := make(chan struct{})
		d := &door{}
		d.answer = func(n int, w http.ResponseWriter, _ *http.Request) {
			<-wait
			fmt.Fprintf(w, `{"data":[{"token":"token-%d"}]}`, n)
		}
		who := auth.Login(options())
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if header, _, err := enter(t.Context(), who, d); header.Get("Authorization") != "Bearer token-1" || err != nil {
					t.Errorf("%q, %v", header.Get("Authorization"), err)
				}
			})
		}
		synctest.Wait()
		close(wait)
		group.Wait()
		for range 20 { // each with the session that the owner has ended
			group.Go(func() {
				if others, err := who.Refused(t.Context(), 1); !others || err != nil {
					t.Errorf("%v, %v", others, err)
				}
				if header, _, err := enter(t.Context(), who, d); header.Get("Authorization") != "Bearer token-2" || err != nil {
					t.Errorf("after a refusal %q, %v", header.Get("Authorization"), err)
				}
			})
		}
		group.Wait()
		if d.count() != 2 {
			t.Errorf("%d logins", d.count())
		}
	})
}

// Who logs in and gives up leaves it to the next one who waits.
func TestWhoGivesUpALoginLeavesItToTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{}
		d.answer = func(n int, w http.ResponseWriter, r *http.Request) {
			if n == 1 {
				<-r.Context().Done()
				return
			}
			answers(200, nil, `{"data":[{"token":"abcd"}]}`)(n, w, r)
		}
		who := auth.Login(options())
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		var group sync.WaitGroup
		group.Go(func() {
			if _, _, err := enter(ctx, who, d); !errors.Is(err, gone) {
				t.Errorf("who gives up: %v", err)
			}
		})
		synctest.Wait()
		group.Go(func() {
			if header, _, err := enter(t.Context(), who, d); header.Get("Authorization") != "Bearer abcd" || err != nil {
				t.Errorf("who waits: %q, %v", header.Get("Authorization"), err)
			}
		})
		synctest.Wait()
		cancel(gone)
		group.Wait()
	})
}

func TestLoginFails(t *testing.T) {
	for name, test := range map[string]struct {
		answer             func(int, http.ResponseWriter, *http.Request)
		want               string
		temporary, refused bool
	}{
		"refused":      {answers(401, nil, "canary"), "endpoint answers 401 Unauthorized", false, true},
		"bad request":  {answers(422, nil, "canary"), "endpoint answers 422 Unprocessable Entity", false, true},
		"down":         {answers(503, nil, "canary"), "endpoint answers 503 Service Unavailable", true, false},
		"throttled":    {answers(429, nil, "canary"), "endpoint answers 429 Too Many Requests", true, false},
		"redirect":     {answers(302, http.Header{"Location": {"https://canary.example/"}}, ""), "endpoint answers 302 Found", false, false},
		"no token":     {answers(200, nil, `{"data":[],"error":"canary"}`), "answer holds no token in its place", false, true},
		"null":         {answers(200, nil, `{"data":[{"token":null}]}`), "answer holds no token in its place", false, true},
		"an object":    {answers(200, nil, `{"data":[{"token":{}}]}`), "answer holds no token in its place", false, true},
		"HTML":         {answers(200, nil, `<html>canary`), "answer holds no token in its place", false, true},
		"odd token":    {answers(200, nil, `{"data":[{"token":"canary\r\nX: y"}]}`), "token holds what no header can", false, true},
		"long token":   {answers(200, nil, `{"data":[{"token":"`+strings.Repeat("x", 17_000)+`"}]}`), "token is too long", false, true},
		"large":        {answers(200, nil, strings.Repeat("canary", 20_000)), "endpoint's answer is larger than 65536 bytes", false, false},
		"deep":         {answers(200, nil, strings.Repeat("[", 60_000)), "answer holds no token in its place", false, true},
		"odd end":      {answers(200, nil, `{"data":[{"token":"abcd"}],"expires":"canary"}`), "what stands in the place of its end is neither a number of seconds nor a time", false, true},
		"ended":        {answers(200, nil, `{"data":[{"token":"abcd"}],"expires":"2001-01-01T00:00:00Z"}`), "session has ended already", false, true},
		"not a number": {answers(200, nil, `{"data":[{"token":"abcd"}],"expires":"NaN"}`), "what stands in the place of its end is neither a number of seconds nor a time", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			o.Expires = member("expires")
			d := &door{answer: test.answer}
			_, _, err := enter(t.Context(), auth.Login(o), d)
			failed, ok := errors.AsType[*auth.TokenError](err)
			if !ok || failed.Temporary() != test.temporary || failed.Refused() != test.refused || err.Error() != "log in: "+test.want {
				t.Errorf("%v, temporary %v, refused %v", err, failed.Temporary(), failed.Refused())
			}
			if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "canary") || strings.Contains(text, secret) {
				t.Error(text)
			}
			if d.count() != 1 {
				t.Errorf("%d logins", d.count())
			}
		})
	}
}

// A password that was replaced is read again when the login is refused.
func TestLoginReadsItsSecretsAgain(t *testing.T) {
	at := &place{texts: []string{"second"}}
	o := options()
	o.Body[1].Secret = at.secret("first")
	d := &door{}
	d.answer = func(n int, w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(d.asked[n-1], `"second"`) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answers(200, nil, `{"data":[{"token":"abcd"}]}`)(n, w, r)
	}
	who := auth.Login(o)
	if header, _ := entered(t, who, d); header.Get("Authorization") != "Bearer abcd" || d.count() != 2 {
		t.Errorf("%q after %d logins", header.Get("Authorization"), d.count())
	}
	at.put("unreadable")
	d.answer = answers(403, nil, "")
	if others, err := who.Refused(t.Context(), 1); !others || err == nil {
		t.Fatal(others, err)
	}
	_, _, err := enter(t.Context(), who, d)
	if want := "log in: endpoint answers 403 Forbidden; read credentials again: permission denied"; err == nil || err.Error() != want || d.count() != 3 {
		t.Errorf("%v after %d logins, want %s", err, d.count(), want)
	}
}
