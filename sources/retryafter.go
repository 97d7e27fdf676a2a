package sources

import (
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// longestRetryAfter bounds how long an owner can make us stay away.
const longestRetryAfter = time.Hour

// retryAfter reads how long the owner wants to be left alone: seconds, or a
// date, which is measured by the owner's own clock where it tells it. Of several
// the longest counts; what is neither, or negative, says nothing.
func retryAfter(h http.Header) (time.Duration, bool) {
	longest, found := time.Duration(0), false
	for _, field := range h.Values("Retry-After") {
		texts := []string{field}
		if strings.Trim(field, "0123456789., \t") == "" {
			texts = strings.Split(field, ",")
		}
		for _, text := range texts {
			if wait, ok := oneRetryAfter(strings.TrimSpace(text), h); ok {
				longest, found = max(longest, wait), true
			}
		}
	}
	return longest, found
}

func oneRetryAfter(text string, h http.Header) (time.Duration, bool) {
	if text != "" && strings.Trim(text, "0123456789.") == "" {
		n, ok := amount(text)
		if !ok && len(text) < 300 {
			return 0, false
		}
		if !ok {
			return inSeconds(math.Inf(1)), true // more digits than any number has
		}
		if guessReset(n) == ResetUnix {
			const year = 366 * 24 * 3600
			// An instant that lies years back is none, but an absurd number of seconds.
			if until := n - float64(ownerTime(h).UnixMilli())/1e3; until > -year {
				n = until
			}
		}
		return inSeconds(n), true
	}
	at, err := http.ParseTime(text)
	if err != nil {
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			return 0, false
		}
	}
	return inSeconds(at.Sub(ownerTime(h)).Seconds()), true
}

// inSeconds is a number of seconds, none of them negative, within a year.
func inSeconds(n float64) time.Duration {
	const year = 366 * 24 * 3600
	return time.Duration(math.Ceil(min(max(n, 0), year)*1e3)) * time.Millisecond
}

// rest is what a response of failure says of asking again.
type rest struct {
	// throttles says that the owner was asked too often.
	throttles bool
	// wait is how long it wants to be left alone, if told.
	wait time.Duration
	told bool
}

// rests reads what a response of failure says of asking again: Retry-After, or,
// where the owner was asked too often, when its quota is back. GitHub says so
// with 403.
func (q *quota) rests(status int, h http.Header) rest {
	var r rest
	r.wait, r.told = retryAfter(h)
	t := q.read(h, nil)
	used := t.counts && t.left <= 0
	switch status {
	case http.StatusTooManyRequests:
		r.throttles = true
	case http.StatusForbidden:
		r.throttles = r.told || used
	case http.StatusServiceUnavailable:
	default:
		return r
	}
	if !r.told && (used || !t.counts) && t.wait > 0 {
		r.wait, r.told = t.wait, true
	}
	return r
}

// backoff waits as long as the owner asks for, within the bounds, or else a
// random time whose bound doubles with every attempt. attempt counts from 0.
func backoff(least, most time.Duration, attempt int, r rest) time.Duration {
	if r.told {
		return min(max(r.wait, least)+rand.N(least/4+1), most)
	}
	bound := most
	if attempt < 30 && least < most>>(attempt+1) {
		bound = least << (attempt + 1)
	}
	return least + rand.N(bound-least+1)
}
