package web_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer/web"
)

const readToken, writeToken = "r-4f1c", "w-9b2e"

func numbers() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "numbers") })
}

func TestOtherThanLoopbackNeedsAToken(t *testing.T) {
	for listen, refused := range map[string]bool{
		"127.0.0.1:8420": false, "localhost:8420": false, "[::1]:8420": false, "127.8.9.1:1": false,
		":8420": true, "0.0.0.0:8420": true, "[::]:8420": true, "10.0.0.7:8420": true, "larder.internal:8420": true, "8420": true,
	} {
		if _, err := web.New(web.Options{Listen: listen}); (err != nil) != refused {
			t.Errorf("listen on %q without a token: %v", listen, err)
		}
		_, err := web.New(web.Options{Listen: listen, Tokens: web.Tokens{Read: readToken}})
		if (err != nil) != (listen == "8420") {
			t.Errorf("listen on %q with a token: %v", listen, err)
		}
		if err != nil && strings.Contains(err.Error(), readToken) {
			t.Errorf("error shows the token: %v", err)
		}
	}
	if _, err := web.New(web.Options{Listen: "0.0.0.0:1", Tokens: web.Tokens{Write: writeToken}}); err == nil {
		t.Error("a token for writing alone lets others than loopback read without one")
	}
}

func TestHostHasToBeOurs(t *testing.T) {
	h := server(t, web.Options{Metrics: numbers()}).Handler()
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8420": 200, "LOCALHOST.:80": 200, "127.0.0.1:8420": 200, "[::1]:8420": 200, "[::1]": 200,
		"":             200,
		"evil.example": 403, "evil.example:8420": 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403,
		"10.0.0.7:8420": 403, "0.0.0.0:8420": 403, "[::]:8420": 403,
	} {
		for _, path := range []string{"/ping", "/ready", "/metrics"} {
			if got := ask(h, "GET", path, "", "Host", host); got.status != want {
				t.Errorf("%s for Host %q: %d, want %d", path, host, got.status, want)
			}
		}
	}
	open := server(t, web.Options{Listen: "0.0.0.0:8420", Tokens: web.Tokens{Read: readToken}}).Handler()
	if got := ask(open, "GET", "/ping", "", "Host", "10.0.0.7:8420"); got.status != 200 {
		t.Errorf("listener that is not loopback, called by its address: %d", got.status)
	}
	closed := server(t, web.Options{Metrics: numbers(), Tokens: web.Tokens{Read: readToken}}).Handler()
	for authorization, want := range map[string]int{"Bearer " + readToken: 200, "Bearer guess": 403, "": 403} {
		if got := ask(closed, "GET", "/metrics", "", "Host", "larder.internal", "Authorization", authorization); got.status != want {
			t.Errorf("through a proxy, with Authorization %q: %d, want %d", authorization, got.status, want)
		}
	}
}

func TestTokens(t *testing.T) {
	h := server(t, web.Options{Metrics: numbers(), Tokens: web.Tokens{Read: readToken, Write: writeToken}}).Handler()
	for shown, want := range map[string]int{
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer r-4f1": 401, "Bearer r-4f1cc": 401, "Basic " + readToken: 401, readToken: 401,
		"Bearer " + readToken: 200, "bearer " + readToken: 200, "Bearer " + writeToken: 200,
	} {
		got := ask(h, "GET", "/metrics", "", "Authorization", shown)
		if got.status != want {
			t.Errorf("Authorization %q: %d, want %d", shown, got.status, want)
		}
		if want == 401 && (got.header.Get("WWW-Authenticate") == "" || got.field(t, "next") == "") {
			t.Errorf("refusal says not what to do: %v %s", got.header, got.text)
		}
		if strings.Contains(got.text, readToken) {
			t.Errorf("answer shows the token: %s", got.text)
		}
	}
	if got := ask(h, "GET", "/ping", ""); got.status != 200 {
		t.Errorf("/ping without a token: %d", got.status)
	}
}

func TestStrangersOfBrowsersAreRefused(t *testing.T) {
	n := &target{}
	h := server(t, web.Options{Nudges: []web.Nudge{{Name: "users", Kind: web.Bearer, Secrets: []string{"s"}, Target: n}}}).Handler()
	got := ask(h, "POST", "/nudge/users", "", "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer s")
	if got.status != 403 || n.asked() != 0 || got.field(t, "error") == "" {
		t.Errorf("post from another origin: %d %s, %d polls", got.status, got.text, n.asked())
	}
}

func TestAnswersAreJSONAndSayWhatNext(t *testing.T) {
	h := server(t, web.Options{Metrics: numbers()}).Handler()
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 404}, {"GET", "/debug/pprof/", 404}, {"POST", "/nudge/", 404}, {"POST", "/nudge/a/b", 404}, {"POST", "/nudge/nobody", 404},
		{"POST", "/ping", 405}, {"DELETE", "/metrics", 405}, {"GET", "/nudge/nobody", 405},
	} {
		got := ask(h, test.method, test.path, "")
		if got.status != test.want || got.field(t, "error") == "" || got.field(t, "next") == "" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %s %s, want %d", test.method, test.path, got.status, got.header.Get("Content-Type"), got.text, test.want)
		}
		if got.status == 405 && got.header.Get("Allow") == "" {
			t.Errorf("%s %s: 405 without Allow", test.method, test.path)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s %s: headers %v", test.method, test.path, got.header)
		}
	}
	if got := ask(server(t, web.Options{}).Handler(), "GET", "/metrics", ""); got.status != 404 {
		t.Errorf("metrics where there are none: %d", got.status)
	}
}

func TestPingFollowsTheJudging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t, web.Options{})
		h := s.Handler()
		expect := func(when string, want int) said {
			t.Helper()
			got := ask(h, "GET", "/ping", "")
			if got.status != want {
				t.Errorf("%s: %d, want %d: %s", when, got.status, want, got.text)
			}
			return got
		}
		expect("at the start", 200)
		time.Sleep(10 * time.Second)
		expect("10 s after it", 200)
		since := time.Now().Add(-10 * time.Second).UTC().Format(time.RFC3339)
		time.Sleep(time.Millisecond)
		if got := expect("later, without a judgement", 503); !strings.Contains(got.field(t, "error"), since) {
			t.Errorf("it does not say since when, %s: %s", since, got.text)
		}
		s.Judged(time.Now(), nil)
		expect("after one", 200)
		time.Sleep(11 * time.Second)
		expect("11 s after it", 503)
	})
}

func TestReadyTellsTheReasonToReadersOnly(t *testing.T) {
	why := errors.New(`consumer "shop": lease of the database is not taken yet`)
	ready := func() error { return why }
	h := server(t, web.Options{Ready: func() error { return ready() }, Tokens: web.Tokens{Read: readToken}}).Handler()
	if got := ask(h, "GET", "/ready", "", "Authorization", "Bearer "+readToken); got.status != 503 || !strings.Contains(got.field(t, "error"), "shop") {
		t.Errorf("with a token: %d %s", got.status, got.text)
	}
	if got := ask(h, "GET", "/ready", ""); got.status != 503 || strings.Contains(got.text, "shop") {
		t.Errorf("without a token: %d %s", got.status, got.text)
	}
	ready = func() error { return nil }
	if got := ask(h, "GET", "/ready", ""); got.status != 200 {
		t.Errorf("once it is: %d %s", got.status, got.text)
	}
}

// TestPingAnswersBesideIdleConnections has somebody without a token keep as many
// connections as there may be, each after one request.
func TestPingAnswersBesideIdleConnections(t *testing.T) {
	base := running(t, web.Options{})
	one := make([]byte, 1)
	for range 1024 {
		c, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(c, "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(one); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(base + "/ping")
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("ping is answered by %d", resp.StatusCode)
	}
}
