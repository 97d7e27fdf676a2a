package sourcetest

import (
	"net/http"
	"strconv"
	"time"
)

// Quota is how many requests the owner takes. What is refused counts, too.
type Quota struct {
	// Requests is how many are taken in each Every, from the first request on; 0:
	// any number.
	Requests int
	Every    time.Duration
	// Tell is how a refusal, which has status 429, says how long to stay away.
	Tell Tell
	// Counts adds X-RateLimit-Remaining and -Reset, in seconds, to each answer.
	Counts bool
}

// Tell is a form of Retry-After.
type Tell string

// The forms.
const (
	TellSeconds Tell = ""
	TellDate    Tell = "date"
	TellAbsurd  Tell = "absurd" // ten years
	TellNothing Tell = "nothing"
)

// spent is the use of a quota.
type spent struct {
	since    time.Time // the beginning of its window
	requests int
}

// spend counts a request, and answers it if it is one too many.
func (o *Owner) spend(now time.Time, h http.Header) *Fault {
	q := &o.Quota
	if q.Requests <= 0 {
		return nil
	}
	if o.quota.since.IsZero() || now.Sub(o.quota.since) >= q.Every || now.Before(o.quota.since) {
		o.quota = spent{since: now}
	}
	o.quota.requests++
	back := o.quota.since.Add(q.Every)
	if q.Counts {
		h.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, q.Requests-o.quota.requests)))
		h.Set("X-RateLimit-Reset", seconds(back.Sub(now)))
		o.hits.add(quotaTold)
	}
	if o.quota.requests <= q.Requests {
		return nil
	}
	o.hits.add(quotaSpent)
	f := Status(http.StatusTooManyRequests)
	f.Header = http.Header{}
	switch q.Tell {
	case TellSeconds:
		f.Header.Set("Retry-After", seconds(back.Sub(now)))
	case TellDate:
		f.Header.Set("Retry-After", back.Add(time.Second-1).UTC().Format(http.TimeFormat))
	case TellAbsurd:
		f.Header.Set("Retry-After", "315360000")
	}
	return f
}
