package row

import (
	"strings"
	"time"
)

// instant is a point in time and the offset in seconds that it was written
// with.
type instant struct {
	sec    int64
	nsec   int32
	offset int
}

func instantOf(t time.Time) instant {
	_, offset := t.Zone()
	return instant{t.Unix(), int32(t.Nanosecond()), offset}
}

func (i instant) time() time.Time { return time.Unix(i.sec, int64(i.nsec)).UTC() }
func (i instant) stamp() Stamp    { return Stamp{kind: instantStamp, sec: i.sec, nsec: i.nsec} }

// wallTime is the instant at which clocks in zone show what wall shows in UTC:
// the earlier one where they show it twice, and the moment of the jump where
// they never do.
func wallTime(wall time.Time, zone *time.Location) time.Time {
	y, m, d := wall.Date()
	t := time.Date(y, m, d, wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), zone)
	_, offset := t.Zone()
	start, end := t.ZoneBounds()
	switch shown := time.Duration(t.Unix()+int64(offset)-wall.Unix()) * time.Second; {
	case shown > 0 && !start.IsZero():
		return start
	case shown < 0 && !end.IsZero():
		return end
	case start.IsZero():
		return t
	}
	_, before := start.Add(-1).Zone()
	if earlier := t.Add(time.Duration(offset-before) * time.Second); earlier.Before(start) {
		return earlier
	}
	return t
}

// parseUnix reads seconds since 1970, or with shift −3 milliseconds, floored
// to nanoseconds.
func parseUnix(s string, shift int) (instant, error) {
	n, ok := parseNumber(s)
	if !ok {
		return instant{}, unfit("is not a number", s)
	}
	n.exp += shift
	n, _, ok = n.expand(12, max(maxAfter, len(s)+3))
	if !ok {
		return instant{}, unfit("is out of range", s)
	}
	var sec, nsec int64
	for _, c := range []byte(n.whole) {
		sec = sec*10 + int64(c-'0')
	}
	for i := range 9 {
		nsec *= 10
		if i < len(n.frac) {
			nsec += int64(n.frac[i] - '0')
		}
	}
	if n.neg {
		if len(n.frac) > 9 && strings.Trim(n.frac[9:], "0") != "" {
			nsec++ // the floor of a negative value lies further down
		}
		sec, nsec = -sec, -nsec
		if nsec < 0 {
			sec, nsec = sec-1, nsec+int64(time.Second)
		}
	}
	return instant{sec: sec, nsec: int32(nsec)}, nil
}

// parseRFC3339 also reads a space or a lower-case t between date and time, a
// lower-case z, and offsets written +0200 and +02, as Postgres writes them. A
// leap second counts as the end of the second before it, which keeps order.
func parseRFC3339(s string) (instant, error) {
	if len(s) < len("2006-01-02T15:04:05") || (s[10] != 'T' && s[10] != 't' && s[10] != ' ') || s[13] != ':' || s[16] != ':' {
		if _, err := parseDay(s); err == nil {
			return instant{}, unfit(`is a date without a time; as = "date" reads it`, s)
		}
		return instant{}, unfit("is not an RFC 3339 time", s)
	}
	y, m, d, dateOK := splitDate(s[:10])
	hour, hourOK := twoDigits(s[11:13], 23)
	minute, minuteOK := twoDigits(s[14:16], 59)
	second, secondOK := twoDigits(s[17:19], 60)
	if !dateOK || !hourOK || !minuteOK || !secondOK {
		return instant{}, unfit("is not an RFC 3339 time", s)
	}
	nsec, rest, ok := fraction(s[19:])
	if !ok {
		return instant{}, unfit("is not an RFC 3339 time", s)
	}
	if second == 60 {
		second, nsec = 59, 999_999_999
	}
	offset, ok := parseOffset(rest)
	if rest == "" {
		return instant{}, unfit("has no offset; give a layout and a zone to read it by", s)
	} else if !ok {
		return instant{}, unfit("is not an RFC 3339 time", s)
	}
	at := time.Date(y, m, d, hour, minute, second, 0, time.UTC)
	return instant{at.Unix() - int64(offset), nsec, offset}, nil
}

// fraction reads the digits after a point, floored to nanoseconds; none at all
// are fine without the point.
func fraction(s string) (nsec int32, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	digits := leadingDigits(s[1:])
	for i := range 9 {
		nsec *= 10
		if i < len(digits) {
			nsec += int32(digits[i] - '0')
		}
	}
	return nsec, s[1+len(digits):], digits != ""
}

// parseOffset reads Z, ±hh:mm, ±hhmm and ±hh into seconds.
func parseOffset(s string) (int, bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) < 3 || (s[0] != '+' && s[0] != '-') {
		return 0, false
	}
	hours, ok := twoDigits(s[1:3], 23)
	minutes := 0
	if rest := strings.TrimPrefix(s[3:], ":"); s[3:] != "" {
		minuteOK := false
		minutes, minuteOK = twoDigits(rest, 59)
		ok = ok && minuteOK
	}
	seconds := hours*3600 + minutes*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, ok
}

// twoDigits reads exactly two digits of at most limit.
func twoDigits(s string, limit int) (int, bool) {
	if len(s) != 2 || len(leadingDigits(s)) != 2 {
		return 0, false
	}
	v := int(s[0]-'0')*10 + int(s[1]-'0')
	return v, v <= limit
}

// splitDate reads YYYY-MM-DD of a day that exists.
func splitDate(s string) (year int, month time.Month, day int, ok bool) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' || len(leadingDigits(s[:4])) != 4 {
		return 0, 0, 0, false
	}
	for _, c := range []byte(s[:4]) {
		year = year*10 + int(c-'0')
	}
	m, monthOK := twoDigits(s[5:7], 12)
	d, dayOK := twoDigits(s[8:10], 31)
	if !monthOK || !dayOK || m == 0 || d == 0 {
		return 0, 0, 0, false
	}
	_, _, exists := time.Date(year, time.Month(m), d, 0, 0, 0, 0, time.UTC).Date()
	return year, time.Month(m), d, exists == d
}

// parseDay reads a plain date of the years 1 to 9999.
func parseDay(s string) (Day, error) {
	year, _, _, ok := splitDate(s)
	switch {
	case !ok:
		return "", unfit("is not a date", s)
	case year == 0:
		return "", unfit("is out of range", s)
	}
	return Day(s), nil
}
