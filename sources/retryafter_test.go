package sources_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// TestEveryKindOfRetryAfter: how long each asks for, as the owner is waited for
// in place. Our own back-off is random within the first two seconds.
func TestEveryKindOfRetryAfter(t *testing.T) {
	const own, hour = -1, time.Hour
	gmt := func(at time.Time, layout string) string { return at.UTC().Format(layout) }
	stamp := func(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }
	for name, c := range map[string]struct {
		status int
		header func(now time.Time) http.Header
		want   time.Duration // own: by our own back-off
		ends   bool          // the poll ends, and is planned again for then
	}{
		"seconds":           {429, fixed("Retry-After", "7"), 7 * time.Second, false},
		"seconds in a 503":  {503, fixed("Retry-After", "7"), 7 * time.Second, false},
		"seconds in spaces": {429, fixed("Retry-After", " 7 "), 7 * time.Second, false},
		"decimals":          {429, fixed("Retry-After", "7.25"), 7250 * time.Millisecond, false},
		"a lone point":      {429, fixed("Retry-After", "."), own, false},
		"negative":          {429, fixed("Retry-After", "-7"), own, false},
		"zero":              {429, fixed("Retry-After", "0"), time.Second, false},
		"nothing":           {429, fixed("Retry-After", ""), own, false},
		"NaN":               {429, fixed("Retry-After", "NaN"), own, false},
		"Infinity":          {429, fixed("Retry-After", "Infinity"), own, false},
		"inf":               {503, fixed("Retry-After", "+Inf"), own, false},
		"hexadecimal":       {429, fixed("Retry-After", "0x10"), own, false},
		"an exponent":       {429, fixed("Retry-After", "1e3"), own, false},
		"words":             {429, fixed("Retry-After", "soon"), own, false},
		"IMF date": {429, func(now time.Time) http.Header {
			return one("Retry-After", gmt(now.Add(20*time.Second), http.TimeFormat))
		}, 20 * time.Second, false},
		"RFC 850 date": {429, func(now time.Time) http.Header {
			return one("Retry-After", gmt(now.Add(20*time.Second), "Monday, 02-Jan-06 15:04:05 GMT"))
		}, 20 * time.Second, false},
		"asctime date":               {503, func(now time.Time) http.Header { return one("Retry-After", gmt(now.Add(20*time.Second), time.ANSIC)) }, 20 * time.Second, false},
		"RFC 3339 date":              {429, func(now time.Time) http.Header { return one("Retry-After", gmt(now.Add(20*time.Second), time.RFC3339)) }, 20 * time.Second, false},
		"a stamp":                    {429, func(time.Time) http.Header { return one("Retry-After", stamp(20*time.Second)) }, 20 * time.Second, false},
		"a past date":                {429, func(now time.Time) http.Header { return one("Retry-After", gmt(now.Add(-hour), http.TimeFormat)) }, time.Second, false},
		"a date of no calendar":      {429, fixed("Retry-After", "Mon, 32 Nov 2026 12:00:00 GMT"), own, false},
		"a day ahead":                {429, func(now time.Time) http.Header { return one("Retry-After", gmt(now.Add(24*hour), http.TimeFormat)) }, hour, true},
		"ten minutes":                {503, fixed("Retry-After", "600"), 10 * time.Minute, true},
		"several headers":            {429, func(time.Time) http.Header { return http.Header{"Retry-After": {"3", "9", "soon"}} }, 9 * time.Second, false},
		"several in one":             {429, fixed("Retry-After", "3, 9"), 9 * time.Second, false},
		"X-RateLimit-Reset, stamp":   {429, func(time.Time) http.Header { return one("X-RateLimit-Reset", stamp(30*time.Second)) }, 30 * time.Second, false},
		"X-RateLimit-Reset, seconds": {503, fixed("X-RateLimit-Reset", "30"), 30 * time.Second, false},
		"X-RateLimit-Reset, past":    {429, func(time.Time) http.Header { return one("X-RateLimit-Reset", stamp(-hour)) }, own, false},
		"X-RateLimit-Reset, far":     {429, func(time.Time) http.Header { return one("X-RateLimit-Reset", stamp(100*24*hour)) }, hour, true},
		"something remains": {429, func(time.Time) http.Header {
			return http.Header{"X-Ratelimit-Reset": {"30"}, "X-Ratelimit-Remaining": {"9"}}
		}, own, false},
		"Retry-After beats quotas": {429, func(time.Time) http.Header { return http.Header{"X-Ratelimit-Reset": {"30"}, "Retry-After": {"5"}} }, 5 * time.Second, false},
		"RateLimit of the draft":   {429, fixed("RateLimit", `"default";r=0;t=12`), 12 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, owner := faulty(func(n int, _ *http.Request) *sourcetest.Fault {
					if n > 1 {
						return nil
					}
					return &sourcetest.Fault{Status: c.status, Body: `{}`, Header: c.header(time.Now())}
				})
				start := time.Now()
				_, err := walk(t, source(t, owner, users(t, sources.None)), resync())
				waited := time.Since(start)
				least, most := c.want, max(c.want, time.Second)+250*time.Millisecond
				if c.want == own {
					least, most = time.Second, 2*time.Second
				}
				switch {
				case c.ends:
					if err == nil || waited != 0 || len(o.Requests()) != 1 || time.Until(syncer.RetryAt(err)).Round(time.Second) != c.want {
						t.Errorf("%d requests in %v, again in %v: %v", len(o.Requests()), waited, time.Until(syncer.RetryAt(err)), err)
					}
				case err != nil || len(o.Requests()) != 2 || waited < least || waited > most:
					t.Errorf("%d requests, waited %v, want %v: %v", len(o.Requests()), waited, c.want, err)
				}
			})
		})
	}
}

func one(name, value string) http.Header { return http.Header{http.CanonicalHeaderKey(name): {value}} }

func fixed(name, value string) func(time.Time) http.Header {
	return func(time.Time) http.Header { return one(name, value) }
}

// TestForbiddenByRate: GitHub refuses with 403 who asks too often.
func TestForbiddenByRate(t *testing.T) {
	for name, c := range map[string]struct {
		header   http.Header
		class    syncer.Class
		attempts int
	}{
		"nothing remains":   {http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"30"}}, syncer.ClassRateLimited, 5},
		"for long":          {http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1800"}}, syncer.ClassRateLimited, 1},
		"secondary limit":   {http.Header{"Retry-After": {"30"}}, syncer.ClassRateLimited, 5},
		"something remains": {http.Header{"X-Ratelimit-Remaining": {"12"}, "X-Ratelimit-Reset": {"30"}}, syncer.ClassAuth, 1},
		"no word of it":     {nil, syncer.ClassAuth, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, owner := faulty(always(&sourcetest.Fault{Status: 403, Body: `{}`, Header: c.header}))
				err := fails(t, source(t, owner, users(t, sources.None)), resync(), c.class)
				if len(o.Requests()) != c.attempts || (c.class == syncer.ClassRateLimited) != !syncer.RetryAt(err).IsZero() {
					t.Errorf("%d requests, again at %v: %v", len(o.Requests()), syncer.RetryAt(err), err)
				}
			})
		})
	}
}

// TestOneAttempt means none again, whatever the owner says.
func TestOneAttempt(t *testing.T) {
	for name, fault := range map[string]*sourcetest.Fault{
		"429": sourcetest.RetryAfter(429, "3"), "503": sourcetest.Status(503), "drop": {Drop: true}, "cut": sourcetest.CutAt(5),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, owner := faulty(always(fault))
				owner.Retry = sources.Retry{Attempts: 1}
				start := time.Now()
				_, err := walk(t, source(t, owner, users(t, sources.None)), resync())
				if err == nil || len(o.Requests()) != 1 || time.Since(start) != 0 {
					t.Errorf("%d requests in %v: %v", len(o.Requests()), time.Since(start), err)
				}
			})
		})
	}
}

// TestOneRestForAllSources: who was told to wait is not asked by another source
// meanwhile.
func TestOneRestForAllSources(t *testing.T) {
	for header, wait := range map[string]time.Duration{"20": 20 * time.Second, "600": 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			o, owner := faulty(func(n int, _ *http.Request) *sourcetest.Fault {
				if n == 1 {
					return sourcetest.RetryAfter(429, header)
				}
				return nil
			})
			owner.Retry = sources.Retry{Attempts: 1}
			client, err := sources.NewClient(owner)
			if err != nil {
				t.Fatal(err)
			}
			one, err := sources.New(client, users(t, sources.None))
			if err != nil {
				t.Fatal(err)
			}
			two, err := sources.New(client, users(t, sources.None))
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			fails(t, one, resync(), syncer.ClassRateLimited)
			_, err = walk(t, two, resync())
			switch {
			case wait <= time.Minute && (err != nil || time.Since(start) != wait):
				t.Errorf("the other source was asked after %v: %v", time.Since(start), err)
			case wait > time.Minute && (len(o.Requests()) != 1 || syncer.Classify(err) != syncer.ClassRateLimited || syncer.RetryAt(err).Sub(start) != wait):
				t.Errorf("%d requests, again at %v: %v", len(o.Requests()), syncer.RetryAt(err), err)
			}
		})
	}
}
