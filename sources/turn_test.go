package sources_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

// slowBody is a body that begins at once and comes to its end at the given time.
type slowBody struct {
	begin, end io.Reader
	wait       time.Duration
	ctx        context.Context
}

func (s *slowBody) Read(p []byte) (int, error) {
	if n, err := s.begin.Read(p); err == nil {
		return n, nil
	}
	if s.wait > 0 {
		select {
		case <-time.After(20 * time.Second):
			s.wait -= 20 * time.Second
			p[0] = ' '
			return 1, nil
		case <-s.ctx.Done():
			return 0, s.ctx.Err()
		}
	}
	return s.end.Read(p)
}

func (*slowBody) Close() error { return nil }

// TestAStreamHoldsNobody: nobody waits for the end of a body that is streamed to
// learn that the quota is used up.
func TestAStreamHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := pages("")
		owner.Quota = sources.Quota{Remaining: "body:quota.left", Reset: "body:quota.reset"}
		owner.Retry.Max = time.Minute
		owner.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, "/long") {
				return answer(`{"data":[{"id":1}],"quota":{"left":0,"reset":3000}}`), nil
			}
			resp := answer("")
			resp.ContentLength, resp.TransferEncoding = -1, []string{"chunked"}
			resp.Body = &slowBody{begin: strings.NewReader(`{"data":[` + wideRecords(1, 1500)), end: strings.NewReader("]}"), wait: 10 * time.Hour, ctx: r.Context()}
			return resp, nil
		})
		client, err := sources.NewClient(owner)
		if err != nil {
			t.Fatal(err)
		}
		long := list(sources.Paging{})
		long.Request.Path = text("/long")
		a, _ := sources.New(client, long)
		b, err := sources.New(client, list(sources.Paging{}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var reading sync.WaitGroup
		reading.Go(func() {
			for range a.Walk(ctx, snapshot()) {
			}
		})
		defer reading.Wait()
		defer cancel()
		time.Sleep(time.Minute)
		complete(t, b, snapshot()) // tells that nothing remains for 50 minutes
		start := time.Now()
		err = fails(t, b, snapshot(), syncer.ClassRateLimited)
		if took := time.Since(start); took > time.Second {
			t.Errorf("waits %v in place, then %v", took, err)
		}
	})
}

// TestRequestsThatAreNotSentTakeNoQuota: who gives up while it waits for the
// rate has asked for nothing.
func TestRequestsThatAreNotSentTakeNoQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner, asked := telling(func(_ int, h http.Header) string {
			h.Set("RateLimit-Remaining", "1")
			h.Set("RateLimit-Reset", "3000")
			return ""
		})
		owner.Rate = 0.1
		s := source(t, owner, list(sources.Paging{}))
		complete(t, s, snapshot())
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			for _, err := range s.Walk(ctx, snapshot()) {
				if err == nil {
					t.Error("a request is sent")
				}
			}
			cancel()
		}
		complete(t, s, snapshot())
		if took := (*asked)[1].Sub((*asked)[0]); took != 10*time.Second {
			t.Errorf("the one request that remained is sent after %v", took)
		}
	})
}

// TestShutWhileOthersWaitForTheRate: who waits for the rate when the owner wants
// to be left alone waits for that, too, and has taken nothing of the quota.
func TestShutWhileOthersWaitForTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []time.Duration
		start := time.Now()
		owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked = append(asked, time.Since(start))
			n := len(asked)
			mu.Unlock()
			if n == 1 {
				time.Sleep(5 * time.Second)
				w.Header().Set("Retry-After", "50")
				w.Header().Set("RateLimit-Remaining", "2")
				w.Header().Set("RateLimit-Reset", "3000")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			fmt.Fprint(w, `{"data":[{"id":1}]}`)
		})
		owner.Rate, owner.Concurrency = 0.1, 3
		owner.Retry = sources.Retry{Attempts: 1}
		s := source(t, owner, list(sources.Paging{}))
		var walks sync.WaitGroup
		for i := range 3 {
			walks.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				if _, err := walk(t, s, snapshot()); (err == nil) != (i > 0) {
					t.Errorf("walk %d: %v", i, err)
				}
			})
		}
		walks.Wait()
		if len(asked) != 3 || asked[1] < 55*time.Second || asked[2] > 2*time.Minute {
			t.Errorf("asked at %v", asked)
		}
	})
}

// TestRetryAfterIsWaitedForOnce: what one attempt was told is not waited for
// after later ones, to which nobody answered.
func TestRetryAfterIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		owner := pages("")
		owner.Retry = sources.Retry{Attempts: 4, Min: time.Second, Max: time.Minute}
		owner.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			switch n++; n {
			case 1:
				resp := answer("", "Retry-After", "50")
				resp.StatusCode = 429
				return resp, nil
			case 2, 3:
				return nil, io.ErrUnexpectedEOF
			}
			return answer(`{"data":[{"id":1}]}`), nil
		})
		start := time.Now()
		complete(t, source(t, owner, list(sources.Paging{})), snapshot())
		if took := time.Since(start); took < 50*time.Second || took > 80*time.Second {
			t.Errorf("takes %v, and was told 50s once", took)
		}
	})
}

// TestLoginsWaitForTheQuota: a login, and a request that is sent once more after
// it, each take of the quota, and wait for it.
func TestLoginsWaitForTheQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		sessions, left := 0, 4
		start := time.Now()
		begun := start
		owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
			if time.Since(begun) >= 40*time.Second {
				begun, left = time.Now(), 4
			}
			left--
			asked = append(asked, fmt.Sprintf("%s %v", r.URL.Path, time.Since(start)))
			if left < 0 {
				t.Error("the quota is overdrawn")
			}
			w.Header().Set("RateLimit-Remaining", fmt.Sprint(left))
			w.Header().Set("RateLimit-Reset", fmt.Sprint((40*time.Second - time.Since(begun)).Seconds()))
			switch {
			case r.URL.Path == "/v1/login":
				sessions++
				fmt.Fprintf(w, `{"token":"session-%d"}`, sessions)
			case sessions < 2:
				w.WriteHeader(http.StatusUnauthorized)
			default:
				fmt.Fprint(w, `{"data":[{"id":1}]}`)
			}
		})
		owner.Auth = auth.Login(auth.LoginOptions{URL: "https://owner.example/v1/login", Header: "X-Session",
			Token: auth.Place{Steps: []auth.Step{{Name: "token", Index: -1}}}})
		s := source(t, owner, list(sources.Paging{}))
		complete(t, s, snapshot()) // login, 401, login, list
		complete(t, s, snapshot())
		want := "/v1/login 0s, /v1/list 0s, /v1/login 0s, /v1/list 0s, /v1/list 40s"
		if got := strings.Join(asked, ", "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// TestALoginThatWouldComeTooSoon: where the owner wants to be left alone for long,
// a session that has ended is not begun again before.
func TestALoginThatWouldComeTooSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
			n++
			if r.URL.Path == "/v1/login" {
				fmt.Fprint(w, `{"token":"session"}`)
				return
			}
			w.Header().Set("RateLimit-Remaining", "0")
			w.Header().Set("RateLimit-Reset", "3000")
			w.WriteHeader(http.StatusUnauthorized)
		})
		owner.Retry = sources.Retry{Attempts: 3, Max: time.Minute}
		owner.Auth = auth.Login(auth.LoginOptions{URL: "https://owner.example/v1/login", Header: "X-Session",
			Token: auth.Place{Steps: []auth.Step{{Name: "token", Index: -1}}}})
		err := fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassRateLimited)
		if in := time.Until(syncer.RetryAt(err)); in < 49*time.Minute || n != 2 {
			t.Errorf("asked %d times, and again in %v: %v", n, in, err)
		}
	})
}
