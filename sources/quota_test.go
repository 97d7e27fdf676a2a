package sources_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// telling is an owner that answers every request, with what tell adds to it, and
// notes when it was asked.
func telling(tell func(n int, h http.Header) string) (sources.Owner, *[]time.Time) {
	var mu sync.Mutex
	var asked []time.Time
	owner := scripted(func(_ int, w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, time.Now())
		more := tell(len(asked), w.Header())
		fmt.Fprintf(w, `{"data":[{"id":%d}]%s}`, len(asked), more)
	})
	owner.Retry = sources.Retry{}
	return owner, &asked
}

// TestUsualQuotas: who was told that nothing remains waits for as long as it was
// told, and who was told that something does waits for nothing.
func TestUsualQuotas(t *testing.T) {
	stamp := func(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }
	for name, c := range map[string]struct {
		headers func() map[string]string
		want    time.Duration
	}{
		"X-RateLimit, stamp": {func() map[string]string {
			return map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": stamp(40 * time.Second)}
		}, 40 * time.Second},
		"X-RateLimit, ms": {func() map[string]string {
			return map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": stamp(40*time.Second) + "500"}
		}, 40500 * time.Millisecond},
		"X-RateLimit, seconds":     {says("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "40"), 40 * time.Second},
		"X-RateLimit, decimals":    {says("X-RateLimit-Remaining", "0", "X-RateLimit-Reset-After", "1.5"), 1500 * time.Millisecond},
		"X-RateLimit, a span":      {says("X-RateLimit-Remaining-Requests", "0", "X-RateLimit-Reset-Requests", "1m0s"), time.Minute},
		"X-RateLimit, several":     {says("X-RateLimit-Remaining", "5, 0", "X-RateLimit-Reset", "40"), 40 * time.Second},
		"X-RateLimit, below zero":  {says("X-RateLimit-Remaining", "-3", "X-RateLimit-Reset", "40"), 40 * time.Second},
		"X-Rate-Limit":             {says("X-Rate-Limit-Remaining", "0", "X-Rate-Limit-Reset", "40"), 40 * time.Second},
		"x-ratelimit":              {says("x-ratelimit-remaining", "0", "x-ratelimit-reset", "40"), 40 * time.Second},
		"RateLimit-Remaining":      {says("RateLimit-Remaining", "0", "RateLimit-Reset", "40"), 40 * time.Second},
		"the draft":                {says("RateLimit", `"default";r=0;t=40`), 40 * time.Second},
		"the draft with a key":     {says("RateLimit", `"a;r=9,b";pk=:QQ==:;r=0;t=40`), 40 * time.Second},
		"the draft, two policies":  {says("RateLimit", `"burst";r=0;t=2, "hourly";r=0;t=40, "daily";r=7;t=50`), 40 * time.Second},
		"the draft, one used up":   {says("RateLimit", `"daily";r=7;t=50,"burst";r=0;t=2`), 2 * time.Second},
		"the older draft":          {says("RateLimit", `limit=10, remaining=0, reset=40`), 40 * time.Second},
		"the draft, some left":     {says("RateLimit", `"default";r=50;t=30`), 0},
		"the older, some left":     {says("RateLimit", `limit=100, remaining=50, reset=30`), 0},
		"X-RateLimit, some left":   {says("X-RateLimit-Remaining", "1", "X-RateLimit-Reset", "40"), 0},
		"Shopify's bucket is full": {says("X-Shopify-Shop-Api-Call-Limit", "40/40"), 500 * time.Millisecond},
		"and is not":               {says("X-Shopify-Shop-Api-Call-Limit", "32/40"), 0},
		"past": {func() map[string]string {
			return map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": stamp(-time.Hour)}
		}, 0},
		"zero":               {says("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "0"), 0},
		"negative":           {says("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "-40"), 0},
		"NaN":                {says("X-RateLimit-Remaining", "NaN", "X-RateLimit-Reset", "40"), 0},
		"a reset of no time": {says("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "soon"), 0},
		"infinity":           {says("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "Inf"), 0},
		"no reset":           {says("X-RateLimit-Remaining", "0"), 0},
		"from a cache":       {says("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "40", "Age", "7"), 0},
		"a broken bucket":    {says("X-Shopify-Shop-Api-Call-Limit", "40/0"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				owner, asked := telling(func(n int, h http.Header) string {
					for name, value := range c.headers() {
						h.Set(name, value)
					}
					return ""
				})
				s := source(t, owner, list(sources.Paging{}))
				complete(t, s, snapshot())
				complete(t, s, snapshot())
				if got := (*asked)[1].Sub((*asked)[0]); got != c.want {
					t.Errorf("waits %v, want %v", got, c.want)
				}
				owner.Quota.Off = true
				s = source(t, owner, list(sources.Paging{}))
				complete(t, s, snapshot())
				start := time.Now()
				complete(t, s, snapshot())
				if time.Since(start) != 0 {
					t.Errorf("waits %v where nothing is to be read", time.Since(start))
				}
			})
		})
	}
}

func says(pairs ...string) func() map[string]string {
	return func() map[string]string {
		all := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i]] = pairs[i+1]
		}
		return all
	}
}

// TestQuotaByTheOwnersClock, which is an hour ahead.
func TestQuotaByTheOwnersClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner, asked := telling(func(_ int, h http.Header) string {
			now := time.Now().Add(time.Hour)
			h.Set("Date", now.UTC().Format(http.TimeFormat))
			h.Set("X-RateLimit-Remaining", "0")
			h.Set("X-RateLimit-Reset", fmt.Sprint(now.Add(20*time.Second).Unix()))
			return ""
		})
		s := source(t, owner, list(sources.Paging{}))
		complete(t, s, snapshot())
		complete(t, s, snapshot())
		if got := (*asked)[1].Sub((*asked)[0]); got != 20*time.Second {
			t.Errorf("waits %v", got)
		}
	})
}

// TestLongQuotaEndsThePoll, as a long Retry-After does: as rate limited, and
// planned again for then, or for an hour ahead where that is longer. Nobody is
// asked meanwhile, by no source and no partition.
func TestLongQuotaEndsThePoll(t *testing.T) {
	for reset, want := range map[string]time.Duration{"61": 61 * time.Second, "1800": 30 * time.Minute, "86400": time.Hour, "315360000": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			owner, asked := telling(func(n int, h http.Header) string {
				if n == 1 {
					h.Set("RateLimit-Remaining", "0")
					h.Set("RateLimit-Reset", reset)
					return `,"next":"?page=2"`
				}
				return ""
			})
			owner.Quota.Format = sources.ResetSeconds
			owner.Quota.Remaining, owner.Quota.Reset = "header:RateLimit-Remaining", "header:RateLimit-Reset"
			client, err := sources.NewClient(owner)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			spec := list(sources.Paging{By: sources.NextURL, Next: "next"})
			for range 3 {
				s, err := sources.New(client, spec)
				if err != nil {
					t.Fatal(err)
				}
				err = fails(t, s, snapshot(), syncer.ClassRateLimited)
				if len(*asked) != 1 || time.Since(start) != 0 || syncer.RetryAt(err).Sub(start) != want || !strings.Contains(err.Error(), "owner's quota is used up until 20") {
					t.Errorf("reset in %s: %d requests in %v, again in %v: %v", reset, len(*asked), time.Since(start), syncer.RetryAt(err).Sub(start), err)
				}
			}
			time.Sleep(want)
			s, err := sources.New(client, spec)
			if err != nil {
				t.Fatal(err)
			}
			complete(t, s, snapshot())
		})
	}
}

// TestQuotaSmallerThanAWalk: a walk that was ended by the quota goes on where it
// stood, and comes to its end (feeds.md has it as the poll that never does).
func TestQuotaSmallerThanAWalk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, pages = 4, 10
		start, used := time.Now(), 0
		window := time.Duration(0)
		owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
			if at := time.Since(start) / (10 * time.Minute); at != window {
				window, used = at, 0
			}
			if used++; used > each {
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			w.Header().Set("X-RateLimit-Remaining", fmt.Sprint(each-used))
			w.Header().Set("X-RateLimit-Reset", fmt.Sprint(int((start.Add((window + 1) * 10 * time.Minute)).Unix())))
			page := 1
			_, _ = fmt.Sscan(r.URL.Query().Get("cursor"), &page)
			next := "null"
			if page < pages {
				next = fmt.Sprint(page + 1)
			}
			fmt.Fprintf(w, `{"data":[{"id":%d}],"next":%s}`, page, next)
		})
		s := source(t, owner, list(sources.Paging{By: sources.Cursor, Next: "next"}, param("cursor", "{cursor}")))
		w, seen := snapshot(), []string{}
		for polls := 1; ; polls++ {
			batches, err := walk(t, s, w)
			seen = append(seen, ids(batches)...)
			if err == nil {
				if polls != 3 || len(seen) != pages {
					t.Errorf("%d polls, %q", polls, seen)
				}
				return
			}
			if syncer.Classify(err) != syncer.ClassRateLimited || strings.Contains(err.Error(), "429") || polls > 5 {
				t.Fatal(err)
			}
			w.From.Resume = batches[len(batches)-1].Resume
			time.Sleep(time.Until(syncer.RetryAt(err)))
		}
	})
}

// TestCostInTheBody: GitHub tells what a query costs and what remains, and a
// query waits unless that much does.
func TestCostInTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := 100.0
		owner, asked := telling(func(n int, h http.Header) string {
			left -= 40
			if n == 3 {
				left = 60
			}
			return fmt.Sprintf(`,"rateLimit":{"cost":40,"remaining":%v,"resetAt":%q}`, left, time.Now().Add(25*time.Second).UTC().Format(time.RFC3339))
		})
		owner.Quota = sources.Quota{Remaining: "body:rateLimit.remaining", Reset: "body:rateLimit.resetAt", Cost: "body:rateLimit.cost"}
		s := source(t, owner, list(sources.Paging{}))
		start := time.Now()
		for range 4 {
			complete(t, s, snapshot())
		}
		want := []time.Duration{0, 0, 25 * time.Second, 25 * time.Second} // left: 60, 20, 60, 20
		for i, at := range *asked {
			if at.Sub(start) != want[i] {
				t.Errorf("request %d after %v, want %v", i+1, at.Sub(start), want[i])
			}
		}
	})
}

// TestRestoringBucket: Shopify's comes back bit by bit, tells what a query costs,
// and says in a 200 that it was asked too often.
func TestRestoringBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		owner, asked := telling(func(n int, h http.Header) string {
			status := `"cost":{"requestedQueryCost":100,"throttleStatus":{"currentlyAvailable":%d,"restoreRate":50.0}}`
			switch n {
			case 1: // somebody else uses the bucket, too
				return fmt.Sprintf(`,"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED"}}],`+status, 25)
			default:
				return fmt.Sprintf(`,`+status, 0)
			}
		})
		owner.Quota = sources.Quota{Remaining: "body:cost.throttleStatus.currentlyAvailable", Restore: "body:cost.throttleStatus.restoreRate",
			Cost: "body:cost.requestedQueryCost", Refused: sources.Test{At: "errors.0.extensions.code", Equals: []string{`"THROTTLED"`}}}
		s := source(t, owner, list(sources.Paging{}))
		complete(t, s, snapshot())
		complete(t, s, snapshot())
		if len(*asked) != 3 {
			t.Fatalf("%d requests", len(*asked))
		}
		again, next := (*asked)[1].Sub(start), (*asked)[2].Sub((*asked)[1])
		if again < 1500*time.Millisecond || again > 1750*time.Millisecond || next != 2*time.Second {
			t.Errorf("asks again after %v, and for the next %v later", again, next)
		}
	})
}

// TestRefusedInA200 is rate limited like a 429, and no page.
func TestRefusedInA200(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner, asked := telling(func(int, http.Header) string { return `,"error":"busy","wait":1800` })
		owner.Quota = sources.Quota{Refused: sources.Test{At: "error", Equals: []string{`"busy"`, `"slow"`}}}
		owner.Retry = sources.Retry{Attempts: 3}
		err := fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassRateLimited)
		if len(*asked) != 3 || !syncer.RetryAt(err).IsZero() || !strings.Contains(err.Error(), "asked too often") {
			t.Errorf("%d requests: %v", len(*asked), err)
		}
		owner.Quota.Remaining, owner.Quota.Reset = "body:left", "body:wait"
		owner, start := owner, time.Now()
		err = fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassRateLimited)
		if len(*asked) != 4 || syncer.RetryAt(err).Sub(start) != 30*time.Minute {
			t.Errorf("%d requests, again in %v", len(*asked), syncer.RetryAt(err).Sub(start))
		}
	})
}

// TestTheLastOfAQuotaIsAskedForOnce, however many requests are under way.
func TestTheLastOfAQuotaIsAskedForOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit, concurrency := rapid.IntRange(1, 7).Draw(rt, "limit"), rapid.IntRange(1, 5).Draw(rt, "concurrency")
		delays := rapid.SliceOfN(rapid.IntRange(0, 900), 30, 30).Draw(rt, "delays")
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			start, window, used, asked, broken := time.Now(), time.Duration(0), 0, 0, 0
			owner := scripted(nil)
			owner.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				if at := time.Since(start) / (20 * time.Second); at != window {
					window, used = at, 0
				}
				if used++; used > limit {
					broken++
				}
				left, reset := max(limit-used, 0), start.Add((window+1)*20*time.Second)
				delay := time.Duration(delays[asked%len(delays)]) * time.Millisecond
				asked++
				mu.Unlock()
				time.Sleep(delay) // answers overtake each other
				return answer(`{"data":[]}`, "X-RateLimit-Remaining", fmt.Sprint(left), "X-RateLimit-Reset", fmt.Sprint(reset.Unix())), nil
			})
			owner.Concurrency = concurrency
			client, err := sources.NewClient(owner)
			if err != nil {
				t.Fatal(err)
			}
			s, err := sources.New(client, list(sources.Paging{}))
			if err != nil {
				t.Fatal(err)
			}
			complete(t, s, snapshot()) // before the first answer nothing is known
			var polls sync.WaitGroup
			for range 20 {
				polls.Go(func() {
					for _, err := range s.Walk(t.Context(), snapshot()) {
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			polls.Wait()
			// The first requests of each window know nothing of it yet.
			if allowed := max(concurrency-limit, 0) * (int(time.Since(start)/(20*time.Second)) + 1); broken > allowed || asked != 21 {
				t.Errorf("%d of %d requests beyond the quota, of %d in 20s, %d at one time", broken, asked, limit, concurrency)
			}
		})
	})
}

// TestAWaitForTheOwnerIsToldOnce, however many wait for it, and whether its
// quota or Retry-After says so; one of a moment is not.
func TestAWaitForTheOwnerIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header [2]string
		reset  string
		told   int
	}{
		"quota":       {200, [2]string{"RateLimit-Remaining", "0"}, "20", 1},
		"a moment":    {200, [2]string{"RateLimit-Remaining", "0"}, "1", 0},
		"retry after": {429, [2]string{"Retry-After", "20"}, "20", 1},
		"none":        {200, [2]string{"RateLimit-Remaining", "9"}, "20", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				owner := scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
					if n == 1 {
						w.Header().Set(c.header[0], c.header[1])
						w.Header().Set("RateLimit-Reset", c.reset)
						w.WriteHeader(c.status)
					}
					fmt.Fprint(w, `{"data":[]}`)
				})
				owner.Retry, owner.Concurrency = sources.Retry{}, 3
				owner.Log = zerolog.New(zerolog.SyncWriter(&log)).Level(zerolog.InfoLevel)
				s := source(t, owner, list(sources.Paging{}))
				complete(t, s, snapshot())
				var walks sync.WaitGroup
				for range 3 {
					walks.Go(func() {
						for _, err := range s.Walk(t.Context(), snapshot()) {
							if err != nil {
								t.Error(err)
							}
						}
					})
				}
				walks.Wait()
				if told := strings.Count(log.String(), "waits until the owner takes requests again"); told != c.told {
					t.Errorf("told %d times, want %d: %s", told, c.told, &log)
				}
			})
		})
	}
}
