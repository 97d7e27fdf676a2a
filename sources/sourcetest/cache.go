package sourcetest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Cache is what stands between the owner and those who ask, and helps it to say
// that nothing has changed.
type Cache struct {
	ETags bool
	// Shared is a cache that others have filled: the n-th request is answered as
	// the owner would have Shared[(n-1)%len] ago, with Date of then and that Age;
	// 0: by the owner itself.
	Shared []time.Duration
	// Obeys passes requests on that say no-cache.
	Obeys bool
}

// kept is how old the answer to a request is.
func (o *Owner) kept(n int, h http.Header) time.Duration {
	if len(o.Cache.Shared) == 0 {
		return 0
	}
	age := o.Cache.Shared[max(n-1, 0)%len(o.Cache.Shared)]
	if age > 0 && o.Cache.Obeys && strings.Contains(strings.ToLower(h.Get("Cache-Control")), "no-cache") {
		o.hits.add(asksFresh)
		return 0
	}
	return max(age, 0)
}

// tag is the validator of a body.
func tag(body []byte) string {
	const offset, prime = 14695981039346656037, 1099511628211
	sum := uint64(offset)
	for _, c := range body {
		sum = (sum ^ uint64(c)) * prime
	}
	return `"` + strconv.FormatUint(sum, 16) + `"`
}

// seconds is an age in whole seconds, never less than it is.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
