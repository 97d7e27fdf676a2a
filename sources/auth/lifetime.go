package auth

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

const (
	// firstInstant is the least number that is a time and no lifetime: as a
	// lifetime in seconds it is 31 years, as a Unix time it is in 2001.
	firstInstant = 1e9
	// firstMilli is the least number that is a time in milliseconds.
	firstMilli = 1e11
	// longestLife bounds what an answer can say.
	longestLife = 10 * 365 * 24 * time.Hour
)

// readLife reads how long a session lasts: a lifetime in seconds, or its end as
// a Unix time in seconds or milliseconds or as RFC 3339 or HTTP has it, seen at
// the owner's time now.
func readLife(text string, now time.Time) (time.Duration, bool) {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		switch {
		case math.IsNaN(n):
			return 0, false
		case n >= firstMilli:
			n = n/1000 - float64(now.UnixMilli())/1000
		case n >= firstInstant:
			n -= float64(now.UnixMilli()) / 1000
		}
		most := longestLife.Seconds()
		return time.Duration(min(max(n, -most), most) * float64(time.Second)), true
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return min(at.Sub(now), longestLife), true
		}
	}
	at, err := http.ParseTime(text)
	return min(at.Sub(now), longestLife), err == nil
}

// dated is the time of an answer by the clock of who sent it, or by ours where
// it does not say.
func dated(h http.Header, now time.Time) time.Time {
	if at, err := http.ParseTime(h.Get("Date")); err == nil {
		return at
	}
	return now
}
