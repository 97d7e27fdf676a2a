package syncer

import (
	"strconv"
	"strings"
	"time"
)

// units are what durations are written in, the greatest first.
var units = [...]struct {
	length time.Duration
	name   string
}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}}

// Span writes how long something takes for people, in its two greatest units and
// never more than it is: "300ms", "54s", "2m58s", "28h30m", "3d4h". Days begin
// at two of them, milliseconds end at a second. What is negative is nothing.
func Span(d time.Duration) string { return spanIn(d, 2) }

// FullSpan is Span in all its units, for what must not lose any: "3d1s".
func FullSpan(d time.Duration) string { return spanIn(d, len(units)) }

// SpanOver writes how long something takes that takes longer than it may: never
// so that it reads as that limit.
func SpanOver(d, limit time.Duration) string {
	said := Span(d)
	if d <= limit || said != Span(limit) {
		return said
	}
	if whole := d.Truncate(time.Second); d > whole {
		d = whole + time.Second
	}
	return FullSpan(d)
}

// spanIn writes at most so many units that follow one another, and leaves out
// those that are zero.
func spanIn(d time.Duration, most int) string {
	var b strings.Builder
	left := 0
	for _, u := range units {
		n := d / u.length
		switch {
		case left > 0:
			left--
		case n <= 0, u.length == 24*time.Hour && n < 2:
			continue
		default:
			left = most - 1
			if u.length == time.Millisecond {
				left = 0
			}
		}
		if n > 0 && (u.length >= time.Second || b.Len() == 0 || most > 2) {
			b.WriteString(strconv.FormatInt(int64(n), 10) + u.name)
		}
		if d -= n * u.length; left == 0 {
			break
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
