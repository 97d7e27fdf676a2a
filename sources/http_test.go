package sources_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// faulty is an owner of ten rows whose requests fail as f says, with the
// default retries.
func faulty(f func(n int, r *http.Request) *sourcetest.Fault) (*sourcetest.Owner, sources.Owner) {
	o := &sourcetest.Owner{Style: sourcetest.Whole, Fault: f}
	o.Put("row", sequence(1, 10)...)
	owner := quick(o)
	owner.Retry = sources.Retry{}
	return o, owner
}

func always(f *sourcetest.Fault) func(int, *http.Request) *sourcetest.Fault {
	return func(int, *http.Request) *sourcetest.Fault { return f }
}

// TestRetriedStatuses: also 408 and 425, which the library does not retry, and
// neither 501 nor any other 4xx.
func TestRetriedStatuses(t *testing.T) {
	for status, want := range map[int]struct {
		attempts int
		class    syncer.Class
	}{
		408: {5, syncer.ClassHTTP4xx}, 425: {5, syncer.ClassHTTP4xx}, 429: {5, syncer.ClassRateLimited},
		500: {5, syncer.ClassHTTP5xx}, 502: {5, syncer.ClassHTTP5xx}, 503: {5, syncer.ClassHTTP5xx}, 504: {5, syncer.ClassHTTP5xx},
		501: {1, syncer.ClassHTTP5xx}, 400: {1, syncer.ClassHTTP4xx}, 401: {1, syncer.ClassAuth}, 403: {1, syncer.ClassAuth}, 404: {1, syncer.ClassHTTP4xx},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, owner := faulty(always(sourcetest.Status(status)))
				err := fails(t, source(t, owner, users(t, sources.None)), resync(), want.class)
				var got *sources.StatusError
				if !errors.As(err, &got) || got.Status != status || got.Attempts != want.attempts || len(o.Requests()) != want.attempts {
					t.Errorf("%d requests: %v", len(o.Requests()), err)
				}
			})
		})
	}
}

// TestWaitsBetweenAttempts grow, have jitter, and stay within their bounds.
func TestWaitsBetweenAttempts(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			var at []time.Time
			_, owner := faulty(func(int, *http.Request) *sourcetest.Fault {
				at = append(at, time.Now())
				return sourcetest.Status(503)
			})
			owner.Retry = sources.Retry{Attempts: 8, Min: time.Second, Max: 10 * time.Second}
			fails(t, source(t, owner, users(t, sources.None)), resync(), syncer.ClassHTTP5xx)
			bound := 2 * time.Second
			for i := range len(at) - 1 {
				wait := at[i+1].Sub(at[i])
				if wait < time.Second || wait > min(bound, 10*time.Second) {
					t.Errorf("wait %d of %v is not within %v", i, wait, bound)
				}
				seen[wait] = true
				bound *= 2
			}
		})
	}
	if len(seen) < 100 {
		t.Errorf("only %d different waits of 140: no jitter", len(seen))
	}
}

// TestRetryAfterIsClamped: a day is not slept, and neither is nothing.
func TestRetryAfterIsClamped(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for name, c := range map[string]struct {
		header   func() string
		attempts int
		least    time.Duration // waited in all
		most     time.Duration
		retryAt  time.Duration // ahead; 0: none
	}{
		"seconds":        {func() string { return "7" }, 2, 7 * time.Second, 8 * time.Second, 7 * time.Second},
		"a fraction":     {func() string { return "7.5" }, 2, 7500 * time.Millisecond, 8 * time.Second, 7500 * time.Millisecond},
		"a date":         {func() string { return date(20 * time.Second) }, 2, 19 * time.Second, 21 * time.Second, 20 * time.Second},
		"nothing":        {func() string { return "0" }, 2, time.Second, 2 * time.Second, 0},
		"a past date":    {func() string { return date(-time.Hour) }, 2, time.Second, 2 * time.Second, 0},
		"a day":          {func() string { return "86400" }, 1, 0, 0, time.Hour},
		"ten minutes":    {func() string { return "600" }, 1, 0, 0, 10 * time.Minute},
		"a far date":     {func() string { return date(100 * 24 * time.Hour) }, 1, 0, 0, time.Hour},
		"more than fits": {func() string { return strings.Repeat("9", 400) }, 1, 0, 0, time.Hour},
		"overflow":       {func() string { return "9223372036854775807" }, 1, 0, 0, time.Hour},
		"what it is not": {func() string { return "NaN" }, 2, time.Second, 2 * time.Second, 0},
		"negative":       {func() string { return "-5" }, 2, time.Second, 2 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, owner := faulty(func(int, *http.Request) *sourcetest.Fault { return sourcetest.RetryAfter(429, c.header()) })
				owner.Retry = sources.Retry{Attempts: 2}
				start := time.Now()
				err := fails(t, source(t, owner, users(t, sources.None)), resync(), syncer.ClassRateLimited)
				waited := time.Since(start)
				if len(o.Requests()) != c.attempts || waited < c.least || waited > c.most {
					t.Errorf("%d attempts, waited %v", len(o.Requests()), waited)
				}
				if got := max(time.Until(syncer.RetryAt(err)).Round(time.Second/2), 0); got != c.retryAt {
					t.Errorf("asks again in %v, want %v", got, c.retryAt)
				}
			})
		})
	}
}

// TestRetryAfterDateByTheOwnersClock: its clock is an hour ahead of ours.
func TestRetryAfterDateByTheOwnersClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: sourcetest.Whole, Clock: sourcetest.Clock{Skew: time.Hour}}
		o.Fault = func(n int, _ *http.Request) *sourcetest.Fault {
			if n == 1 {
				return sourcetest.RetryAfter(503, o.Now().Add(5*time.Second).UTC().Format(http.TimeFormat))
			}
			return nil
		}
		owner := quick(o)
		owner.Retry = sources.Retry{}
		start := time.Now()
		complete(t, source(t, owner, users(t, sources.None)), resync())
		if waited := time.Since(start); waited < 4*time.Second || waited > 6*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// TestStalledOwner: an attempt is bounded with its body, and tried again.
func TestStalledOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, owner := faulty(always(&sourcetest.Fault{Stall: time.Hour}))
		owner.Retry = sources.Retry{Attempts: 3, Min: time.Second, Max: time.Second}
		start := time.Now()
		fails(t, source(t, owner, users(t, sources.None)), resync(), syncer.ClassTimeout)
		if waited := time.Since(start); len(o.Requests()) != 3 || waited != 92*time.Second {
			t.Errorf("%d attempts in %v", len(o.Requests()), waited)
		}
	})
}

// TestStalledBody: headers come, the body does not.
func TestStalledBody(t *testing.T) {
	for name, spec := range map[string]sources.Spec{"page": list(sources.Paging{}), "stream": lines(t)} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			gone := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				w.Header().Set("Content-Length", "1000")
				_, _ = io.WriteString(w, "{")
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
				case <-gone:
				}
			}))
			defer server.Close()
			defer close(gone)
			owner := at(server.URL)
			owner.Timeout = 50 * time.Millisecond
			fails(t, source(t, owner, spec), snapshot(), syncer.ClassTimeout)
			if want := int32(2); asked.Load() != want {
				t.Errorf("%d attempts, want %d", asked.Load(), want)
			}
		})
	}
}

// TestSlowReaderOfAStream: the timeout bounds the owner, not the one who
// applies what it sends.
func TestSlowReaderOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &sourcetest.Owner{Style: sourcetest.Lines}
		o.Put("row", sequence(1, 20_000)...)
		owner := quick(o)
		owner.Timeout = time.Second
		n := 0
		for b, err := range source(t, owner, lines(t)).Walk(t.Context(), resync()) {
			if err != nil {
				t.Fatal(err)
			}
			n += len(b.Records)
			time.Sleep(time.Minute)
		}
		if n != 20_000 {
			t.Errorf("%d records", n)
		}
	})
}

// TestStopDuringBackoff: the end of the context ends the wait.
func TestStopDuringBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, owner := faulty(always(sourcetest.RetryAfter(503, "50")))
		s := source(t, owner, users(t, sources.None))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		for _, err := range s.Walk(ctx, resync()) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		if waited := time.Since(start); waited != 10*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

// at is an owner at a real address.
func at(url string) sources.Owner {
	owner := quick(&sourcetest.Owner{})
	owner.URL, owner.Transport = url, nil
	return owner
}

// TestDroppedConnections are tried again.
func TestDroppedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, owner := faulty(always(&sourcetest.Fault{Drop: true}))
		fails(t, source(t, owner, users(t, sources.None)), resync(), syncer.ClassConnect)
		if len(o.Requests()) != 5 {
			t.Errorf("%d attempts", len(o.Requests()))
		}
	})
}

// TestRefusedConnections have a class of their own.
func TestRefusedConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	fails(t, source(t, at("http://"+listener.Addr().String()), list(sources.Paging{})), snapshot(), syncer.ClassConnect)
}

// TestBadCertificates are not tried again: they do not mend by themselves.
func TestBadCertificates(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			asked.Add(1)
		}
	}
	server.StartTLS()
	defer server.Close()
	fails(t, source(t, at(server.URL), list(sources.Paging{})), snapshot(), syncer.ClassTLS)
	if asked.Load() != 1 {
		t.Errorf("%d connections", asked.Load())
	}
}

// TestWhatIsNotHTTP is not quoted.
func TestWhatIsNotHTTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "canary-body\r\n\r\n")
			_ = conn.Close()
		}
	}()
	err = fails(t, source(t, at("http://"+listener.Addr().String()), list(sources.Paging{})), snapshot(), syncer.ClassConnect)
	if strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}

// TestPostIsSentWholeAgain after a failed attempt.
func TestPostIsSentWholeAgain(t *testing.T) {
	o, owner := faulty(func(n int, _ *http.Request) *sourcetest.Fault {
		if n == 1 {
			return sourcetest.Status(503)
		}
		return nil
	})
	owner.Retry = sources.Retry{Attempts: 2, Min: time.Microsecond, Max: time.Microsecond}
	spec := users(t, sources.None)
	spec.Request.Method = http.MethodPost
	spec.Request.Body = &sources.Value{Kind: sources.Object, Members: []sources.Member{{Name: "q", Value: sources.TextValue(text("all"))}}}
	complete(t, source(t, owner, spec), resync())
	for i, r := range o.Requests() {
		if string(r.Body) != `{"q":"all"}` || r.Method != http.MethodPost {
			t.Errorf("request %d: %s %s", i, r.Method, r.Body)
		}
	}
}

// TestSecretsShowNowhere: canary credentials in every form of auth, and owners
// that fail in every way, leave no trace in errors and logs.
func TestSecretsShowNowhere(t *testing.T) {
	const canary = "canary +/=%secret"
	faults := map[string]*sourcetest.Fault{
		"500": sourcetest.Status(500), "drop": {Drop: true}, "html": sourcetest.HTML("text/html"), "body": sourcetest.ErrorBody(),
		"redirect": sourcetest.Redirect(302, "https://elsewhere.example/?key=canary"), "cut": sourcetest.CutAt(3),
		"stall": {Stall: time.Minute}, "echo": {Body: `{"data":[{"id":1,"updated_at":"` + canary + `"}]}`},
	}
	auths := map[string]auth.Authenticator{
		"bearer": auth.Bearer("Bearer", auth.Literal(canary)), "basic": auth.Basic(auth.Literal("user"), auth.Literal(canary)),
		"header": auth.Header(auth.Pair{Name: "X-Api-Key", Value: auth.Literal(canary)}), "query": auth.Query(auth.Pair{Name: "key", Value: auth.Literal(canary)}),
		"login": auth.Login(auth.LoginOptions{URL: "https://owner.example/v1/login", ContentType: "application/json", Header: "Authorization",
			Body: []auth.Chunk{{Secret: auth.Literal(canary)}}, Token: auth.Place{Steps: []auth.Step{{Name: "token", Index: -1}}}}),
		"hmac": auth.HMAC(auth.HMACOptions{Secret: auth.Literal(canary), Algorithm: "sha256", Sign: auth.Text{{Name: "target"}},
			Query: []auth.Field{{Name: "signed", Value: auth.Text{{Name: "signature"}}}}}),
		"sigv4": auth.SigV4(auth.SigV4Options{Region: "r", Service: "s", AccessKey: auth.Literal("canary-id"), SecretKey: auth.Literal(canary), SessionToken: auth.Literal("canary-session")}),
	}
	for kind, who := range auths {
		for name, fault := range faults {
			t.Run(kind+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var logged bytes.Buffer
					o, owner := faulty(always(fault))
					owner.Auth, owner.Log = who, zerolog.New(&logged)
					owner.Headers = map[string]string{"X-Second-Token": canary + "2"}
					spec := users(t, sources.None)
					spec.Request.Query = append(spec.Request.Query, param("visible", "canary in a query"))
					_, err := walk(t, source(t, owner, spec), resync())
					if err == nil {
						t.Fatal("the owner's fault is not noticed")
					}
					for _, text := range []string{err.Error(), logged.String(), fmt.Sprintf("%+v", err)} {
						if strings.Contains(text, "canary") || strings.Contains(text, "Y2FuYXJ5") {
							t.Error(text)
						}
					}
					if logged.Len() == 0 || !carries(o.Requests()[0], canary) {
						t.Error("nothing was logged or nothing was sent")
					}
				})
			})
		}
	}
}

func carries(r sourcetest.Request, secret string) bool {
	_, password, _ := (&http.Request{Header: r.Header}).BasicAuth()
	if string(r.Body) == strconv.Quote(secret) || r.URL.Query().Has("signed") || strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256") {
		return true
	}
	return r.Header.Get("Authorization") == "Bearer "+secret || password == secret ||
		r.Header.Get("X-Api-Key") == secret || r.URL.Query().Get("key") == secret
}
