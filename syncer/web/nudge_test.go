package web_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/web"
)

func hexMAC(secret, text string) string {
	m := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(m, text)
	return hex.EncodeToString(m.Sum(nil))
}

// nudged is a handler with one nudge, "x", and its target.
func nudged(t *testing.T, kind web.Kind, secrets ...string) (http.Handler, *target) {
	t.Helper()
	n := &target{}
	return server(t, web.Options{Nudges: []web.Nudge{{Name: "x", Kind: kind, Secrets: secrets, Target: n}}}).Handler(), n
}

// holds posts and checks that exactly what is genuine makes a poll.
func holds(t *testing.T, h http.Handler, n *target, name, body string, want int, headers ...string) {
	t.Helper()
	before := n.asked()
	got := ask(h, "POST", "/nudge/x", body, headers...)
	polls := 0
	if want == 202 {
		polls = 1
	}
	if got.status != want || n.asked()-before != polls {
		t.Errorf("%s: %d %s and %d polls, want %d", name, got.status, got.text, n.asked()-before, want)
	}
	if want != 202 && got.field(t, "next") == "" {
		t.Errorf("%s: refusal says not what to do: %s", name, got.text)
	}
}

// The vector is that of GitHub's page on validating webhook deliveries.
func TestGitHubSignature(t *testing.T) {
	const secret, body = "It's a Secret to Everybody", "Hello, World!"
	const sum = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	h, n := nudged(t, web.GitHub, "old one", secret)
	holds(t, h, n, "GitHub's own vector", body, 202, "X-Hub-Signature-256", "sha256="+sum)
	holds(t, h, n, "the older secret", body, 202, "X-Hub-Signature-256", "sha256="+hexMAC("old one", body))
	holds(t, h, n, "another body", body+" ", 401, "X-Hub-Signature-256", "sha256="+sum)
	holds(t, h, n, "another secret", body, 401, "X-Hub-Signature-256", "sha256="+hexMAC("guess", body))
	holds(t, h, n, "no header", body, 401)
	holds(t, h, n, "no prefix", body, 401, "X-Hub-Signature-256", sum)
	holds(t, h, n, "SHA-1", body, 401, "X-Hub-Signature", "sha1="+sum[:40])
	holds(t, h, n, "half of it", body, 401, "X-Hub-Signature-256", "sha256="+sum[:32])
	holds(t, h, n, "no hex", body, 401, "X-Hub-Signature-256", "sha256="+strings.Repeat("zz", 32))
	holds(t, h, n, "nothing", body, 401, "X-Hub-Signature-256", "sha256=")
}

// The vector is that of the reference library's own tests.
func TestStandardWebhooksVector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", `{"test": 2432232314}`
		const id, at, sum = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
		time.Sleep(time.Until(time.Unix(1614265330, 0)) + 5*time.Minute)
		h, n := nudged(t, web.Standard, secret)
		genuine := []string{"webhook-id", id, "webhook-timestamp", at, "webhook-signature", sum}
		holds(t, h, n, "the vector, 5 minutes later", body, 202, genuine...)
		time.Sleep(time.Second)
		holds(t, h, n, "a second too late", body, 401, genuine...)
	})
}

func TestStandardWebhooks(t *testing.T) {
	const old, young, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", `{"type":"user.updated"}`
	sign := func(secret, id string, at time.Time) string {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		text, err := w.Sign(id, at, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	h, n := nudged(t, web.Standard, old, young)
	now := time.Now()
	try := func(name string, want int, id string, at time.Time, signature string) {
		t.Helper()
		holds(t, h, n, name, body, want, "webhook-id", id, "webhook-timestamp", fmt.Sprint(at.Unix()), "webhook-signature", signature)
	}
	right := sign(old, "msg_1", now)
	try("the library's signature", 202, "msg_1", now, right)
	try("by the other secret", 202, "msg_1", now, sign(young, "msg_1", now))
	try("by two secrets, one of which we know", 202, "msg_1", now, sign("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "msg_1", now)+" v1a,Zm9v "+right)
	try("by a secret that is not ours", 401, "msg_1", now, sign("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "msg_1", now))
	try("of another id", 401, "msg_2", now, right)
	try("of another time", 401, "msg_1", now.Add(time.Second), right)
	try("too old", 401, "msg_1", now.Add(-6*time.Minute), sign(old, "msg_1", now.Add(-6*time.Minute)))
	try("from the future", 401, "msg_1", now.Add(6*time.Minute), sign(old, "msg_1", now.Add(6*time.Minute)))
	try("of another version", 401, "msg_1", now, "v2"+strings.TrimPrefix(right, "v1"))
	try("none", 401, "msg_1", now, "")
	try("no id", 401, "", now, sign(old, "", now))
	try("an id that could be part of the time", 401, "msg.1", now, sign(old, "msg.1", now))
	holds(t, h, n, "another body", body+" ", 401, "webhook-id", "msg_1", "webhook-timestamp", fmt.Sprint(now.Unix()), "webhook-signature", right)
	holds(t, h, n, "a time that is none", body, 401, "webhook-id", "msg_1", "webhook-timestamp", "now", "webhook-signature", right)
}

// The vector was computed by openssl: printf '1492774577.{"id":"evt_1"}' |
// openssl dgst -sha256 -hmac whsec_test_secret.
func TestStripeSignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const secret, body, at = "whsec_test_secret", `{"id":"evt_1"}`, "1492774577"
		const sum = "799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f"
		time.Sleep(time.Until(time.Unix(1492774577, 0)))
		h, n := nudged(t, web.Stripe, "whsec_other", secret)
		try := func(name string, want int, header string) {
			t.Helper()
			holds(t, h, n, name, body, want, "Stripe-Signature", header)
		}
		try("genuine", 202, "t="+at+",v1="+sum)
		try("spaces, and the test mode's v0", 202, "t="+at+", v0=6ffbb59b, v1="+sum)
		try("several, as while a secret is rolled", 202, "t="+at+",v1="+strings.Repeat("0", 64)+",v1="+sum)
		try("under v0 only", 401, "t="+at+",v0="+sum)
		try("another time", 401, "t=1492774578,v1="+sum)
		try("no time", 401, "v1="+sum)
		try("no signature", 401, "t="+at)
		try("nothing", 401, "")
		try("no hex", 401, "t="+at+",v1=zz")
		holds(t, h, n, "another body", body+" ", 401, "Stripe-Signature", "t="+at+",v1="+sum)
		time.Sleep(5 * time.Minute)
		try("5 minutes later", 202, "t="+at+",v1="+sum)
		time.Sleep(time.Second)
		try("a second too late", 401, "t="+at+",v1="+sum)
	})
}

func TestBearerNudge(t *testing.T) {
	h, n := nudged(t, web.Bearer, "first", "second")
	holds(t, h, n, "first", "", 202, "Authorization", "Bearer first")
	holds(t, h, n, "second", "{}", 202, "Authorization", "Bearer second")
	holds(t, h, n, "wrong", "{}", 401, "Authorization", "Bearer third")
	holds(t, h, n, "none", "{}", 401)
	if got := ask(h, "POST", "/nudge/x", "", "Host", "hooks.example.com", "Authorization", "Bearer first"); got.status != 202 {
		t.Errorf("through a proxy that keeps its own name: %d", got.status)
	}
}

func TestNudgeOptionsAreChecked(t *testing.T) {
	for name, n := range map[string]web.Nudge{
		"kind":         {Kind: "gitlab", Secrets: []string{"hush-hush"}, Target: &target{}},
		"no secret":    {Kind: web.GitHub, Target: &target{}},
		"empty secret": {Kind: web.GitHub, Secrets: []string{"hush-hush", ""}, Target: &target{}},
		"no base64":    {Kind: web.Standard, Secrets: []string{"whsec_hush-hush"}, Target: &target{}},
		"no bytes":     {Kind: web.Standard, Secrets: []string{"whsec_"}, Target: &target{}},
		"no target":    {Kind: web.Bearer, Secrets: []string{"hush-hush"}},
	} {
		_, err := web.New(web.Options{Listen: "127.0.0.1:0", Nudges: []web.Nudge{n}})
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNudgeBodyIsBounded(t *testing.T) {
	const secret = "s"
	n := &target{}
	base := running(t, web.Options{Nudges: []web.Nudge{{Name: "x", Kind: web.GitHub, Secrets: []string{secret}, Target: n}}})
	post := func(body string, announced bool) int {
		t.Helper()
		var from io.Reader = strings.NewReader(body)
		if !announced {
			from = io.MultiReader(from)
		}
		r, err := http.NewRequestWithContext(t.Context(), "POST", base+"/nudge/x", from)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Hub-Signature-256", "sha256="+hexMAC(secret, body))
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	full := strings.Repeat("x", 1<<20)
	for _, announced := range []bool{true, false} {
		if got := post(full, announced); got != 202 {
			t.Errorf("1 MiB, announced %t: %d", announced, got)
		}
		if got := post(full+"x", announced); got != 413 {
			t.Errorf("a byte more, announced %t: %d", announced, got)
		}
	}
	if n.asked() != 2 {
		t.Errorf("%d polls, want 2", n.asked())
	}
}

func TestNudgeOfAStandby(t *testing.T) {
	h, n := nudged(t, web.Bearer, "s")
	for want, err := range map[string]error{
		"another daemon holds the lease": fmt.Errorf("%w: %w", syncer.ErrNotPolled, syncer.ErrFenced),
		"databases are down":             syncer.ErrNotPolled,
	} {
		n.fail(err)
		got := ask(h, "POST", "/nudge/x", "", "Authorization", "Bearer s")
		if got.status != 503 || !strings.Contains(got.field(t, "error"), want) {
			t.Errorf("while %s: %d %s", want, got.status, got.text)
		}
	}
	n.fail(nil)
	if got := ask(h, "POST", "/nudge/x", "", "Authorization", "Bearer s"); got.status != 202 {
		t.Errorf("afterwards: %d %s", got.status, got.text)
	}
}

// TestDebounce: the first polls at once, those within the debounce are one poll
// at its end.
func TestDebounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &target{}
		quiet := newQuiet()
		s := server(t, web.Options{Listener: quiet, Nudges: []web.Nudge{{Name: "x", Kind: web.Bearer, Secrets: []string{"s"}, Debounce: time.Second, Target: n}}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		h := s.Handler()
		post := func(want string) {
			t.Helper()
			if got := ask(h, "POST", "/nudge/x", "", "Authorization", "Bearer s"); got.status != 202 || got.field(t, "poll") != want {
				t.Errorf("%d %s, want %q", got.status, got.text, want)
			}
		}
		polls := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if got := n.asked(); got != want {
				t.Errorf("%s: %d polls, want %d", when, got, want)
			}
		}
		post("now")
		polls("the first", 1)
		for range 100 {
			post("after 1s")
		}
		polls("within the debounce", 1)
		time.Sleep(time.Second)
		polls("at its end", 2)
		post("after 1s")
		polls("right behind that", 2)
		time.Sleep(5 * time.Second)
		polls("at the end of that", 3)
		post("now")
		polls("after a rest", 4)
		post("after 1s")
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		polls("after the end", 4)
	})
}

// TestFlood posts 10,000 nudges at once, over real connections: wrong ones ask
// for no poll, right ones within a debounce for one.
func TestFlood(t *testing.T) {
	const posts = 10_000
	n := &target{}
	base := running(t, web.Options{Nudges: []web.Nudge{{Name: "x", Kind: web.GitHub, Secrets: []string{"s"}, Debounce: time.Hour, Target: n}}})
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 400, MaxIdleConnsPerHost: 400}}
	defer client.CloseIdleConnections()
	post := func(secret string) int {
		r, err := http.NewRequestWithContext(t.Context(), "POST", base+"/nudge/x", strings.NewReader("{}"))
		if err != nil {
			return 0
		}
		r.Header.Set("X-Hub-Signature-256", "sha256="+hexMAC(secret, "{}"))
		resp, err := client.Do(r)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	flood := func(secret string, want int) {
		t.Helper()
		var others atomic.Int64
		var all sync.WaitGroup
		for range posts {
			all.Go(func() {
				if got := post(secret); got != want {
					others.Store(int64(got))
				}
			})
		}
		all.Wait()
		if got := others.Load(); got != 0 {
			t.Errorf("some answers are %d, want %d", got, want)
		}
	}
	flood("wrong", 401)
	if n.asked() != 0 {
		t.Errorf("%d polls by wrong signatures", n.asked())
	}
	flood("s", 202)
	if n.asked() != 1 {
		t.Errorf("%d polls within one debounce, want 1", n.asked())
	}
}

// quiet is a listener that nobody calls, for time that is not real.
type quiet struct {
	once   sync.Once
	closed chan struct{}
}

func newQuiet() *quiet { return &quiet{closed: make(chan struct{})} }

func (q *quiet) Accept() (net.Conn, error) {
	<-q.closed
	return nil, net.ErrClosed
}

func (q *quiet) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

func (q *quiet) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8420} }

func TestEachNudgeIsCountedByWhatBecameOfIt(t *testing.T) {
	n := &target{}
	counted := map[web.Outcome]int{}
	h := server(t, web.Options{Nudges: []web.Nudge{{Name: "x", Kind: web.Bearer, Secrets: []string{"s"}, Target: n}},
		Nudged: func(name string, what web.Outcome, at time.Time) {
			if name != "x" || time.Since(at) > time.Minute {
				t.Errorf("nudge %q at %v", name, at)
			}
			counted[what]++
		}}).Handler()
	ask(h, "POST", "/nudge/x", "", "Authorization", "Bearer s")
	ask(h, "POST", "/nudge/x", "", "Authorization", "Bearer guess")
	ask(h, "POST", "/nudge/x", "")
	ask(h, "POST", "/nudge/y", "", "Authorization", "Bearer s")
	n.fail(syncer.ErrFenced)
	ask(h, "POST", "/nudge/x", "", "Authorization", "Bearer s")
	n.fail(syncer.ErrNotPolled)
	ask(h, "POST", "/nudge/x", "", "Authorization", "Bearer s")
	want := map[web.Outcome]int{web.Accepted: 1, web.Refused: 2, web.Standby: 1, web.Unavailable: 1}
	if diff := cmp.Diff(want, counted); diff != "" {
		t.Errorf("nudges (-want +got):\n%s", diff)
	}
}
