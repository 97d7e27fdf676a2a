package row

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Format is how an owner writes an instant or a counter. It is safe for
// concurrent use.
type Format struct {
	style  style
	layout string
	// zone is where text without an offset was written; nil: none was given.
	zone *time.Location
	// offset and abbreviation say what of a zone the layout itself writes.
	offset, abbreviation bool
	unit                 time.Duration
}

type style uint8

const (
	styleRFC3339 style = iota
	styleUnix
	styleUnixMilli
	styleDate
	styleInteger
	styleLayout
)

func formatNames() []string {
	return []string{"rfc3339", "unix", "unix_ms", "date", "integer"}
}

// ParseFormat reads a format as a configuration writes it: one of rfc3339,
// unix, unix_ms, date and integer, or a Go layout. The zone is where text
// without an offset was written; it is needed for a layout that writes none.
// A layout must tell the day and whatever it tells of the time of day from the
// hour downwards.
func ParseFormat(name string, zone *time.Location) (*Format, error) {
	for i, known := range formatNames() {
		if name == known {
			f := &Format{style: style(i), zone: zone}
			f.unit = map[style]time.Duration{
				styleRFC3339: time.Nanosecond, styleUnix: time.Second, styleUnixMilli: time.Millisecond, styleDate: 24 * time.Hour,
			}[f.style]
			return f, nil
		}
	}
	if !strings.ContainsAny(name, "0123456789") || nearest(name, formatNames()) != "" {
		advice := "; known: " + strings.Join(formatNames(), ", ") + ", or a Go layout such as \"2006-01-02 15:04:05\""
		if near := nearest(name, formatNames()); near != "" {
			advice = fmt.Sprintf("; did you mean %q?", near)
		}
		return nil, fmt.Errorf("unknown format %q%s", excerpt(name), advice)
	}
	f := &Format{style: styleLayout, layout: name, zone: zone}
	if err := f.examine(); err != nil {
		return nil, fmt.Errorf("layout %q %w", excerpt(name), err)
	}
	return f, nil
}

// examine finds out what the layout tells, by writing known instants in it.
func (f *Format) examine() error {
	at := func(name string, offset int) string {
		return time.Date(2031, 11, 23, 17, 48, 59, 123_456_789, time.FixedZone(name, offset)).Format(f.layout)
	}
	f.offset = at("AAA", 3600) != at("AAA", 5400)
	f.abbreviation = !f.offset && at("AAA", 3600) != at("BBB", 3600)
	if !f.offset && !f.abbreviation && f.zone == nil {
		return fmt.Errorf("carries no offset: give zone")
	}
	zone := f.location()
	if f.offset {
		zone = time.FixedZone("", 5*3600+1800)
	}
	samples := []time.Time{
		time.Date(2031, 11, 23, 17, 48, 59, 123_456_789, zone),
		time.Date(2032, 2, 29, 23, 5, 6, 987_654_321, zone),
		time.Date(2033, 7, 5, 9, 30, 45, 555_555_555, zone),
	}
	for _, unit := range units() {
		if f.keeps(samples, unit) {
			f.unit = unit
			return nil
		}
	}
	return fmt.Errorf("does not tell one instant from another: it needs year, month and day, and 15 rather than 03 for the hour")
}

// units are what a layout may cut an instant down to, coarsest first.
func units() []time.Duration {
	list := []time.Duration{24 * time.Hour, time.Hour, time.Minute}
	for unit := time.Second; unit > 0; unit /= 10 {
		list = append(list, unit)
	}
	return list
}

// keeps reports whether every sample, written and read again, comes back as
// the start of the unit that it lies in.
func (f *Format) keeps(samples []time.Time, unit time.Duration) bool {
	for _, t := range samples {
		y, m, d := t.Date()
		sinceMidnight := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute +
			time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
		start := time.Date(y, m, d, 0, 0, 0, 0, t.Location()).Add(sinceMidnight.Truncate(unit))
		got, err := f.parseLayout(t.Format(f.layout))
		if err != nil || !got.time().Equal(start) {
			return false
		}
	}
	return true
}

// Unit is the smallest step that the format tells apart: a day for date, a
// minute for a layout of minutes; 0 for integer.
func (f *Format) Unit() time.Duration { return f.unit }

// Counts reports whether the format reads counters rather than instants.
func (f *Format) Counts() bool { return f.style == styleInteger }

// location is where text without an offset is read.
func (f *Format) location() *time.Location {
	if f.zone == nil {
		return time.UTC
	}
	return f.zone
}

// Parse reads the JSON text of a string or a number. Finer than nanoseconds is
// floored. The error shows at most a short excerpt of raw.
func (f *Format) Parse(raw []byte) (Stamp, error) {
	text, err := f.plain(raw)
	if err != nil {
		return Stamp{}, err
	}
	return f.ParseText(text)
}

// plain takes the text out of a JSON string or number.
func (f *Format) plain(raw []byte) (string, error) {
	switch kindOf(raw) {
	case aString:
		return unquote(raw)
	case aNumber:
		if f.style == styleRFC3339 || f.style == styleDate {
			return "", unfit(`is a bare number; say how it is written, such as "unix" or "unix_ms"`, string(raw))
		}
		return string(raw), nil
	case aNull:
		return "", reason("is null")
	}
	return "", unfit("is not a time", string(raw))
}

// ParseText reads a value that stands outside of JSON, as in a header.
func (f *Format) ParseText(s string) (Stamp, error) {
	if f.style == styleInteger {
		return parseCounter(s)
	}
	in, err := f.instant(s)
	if err != nil {
		return Stamp{}, err
	}
	return in.stamp(), nil
}

func parseCounter(s string) (Stamp, error) {
	n, ok := parseNumber(s)
	if !ok {
		return Stamp{}, unfit("is not an integer", s)
	}
	n, tooLarge, ok := n.expand(max(maxBefore, len(s)), len(s))
	switch {
	case tooLarge:
		return Stamp{}, unfit("is out of range", s)
	case !ok || strings.Trim(n.frac, "0") != "":
		return Stamp{}, unfit("is not an integer: it has a fraction", s)
	}
	n.frac = ""
	return Stamp{kind: counter, count: n.text()}, nil
}

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

// instant reads everything but counters.
func (f *Format) instant(s string) (in instant, err error) {
	switch f.style {
	case styleRFC3339:
		in, err = parseRFC3339(s)
	case styleUnix:
		in, err = parseUnix(s, 0)
	case styleUnixMilli:
		in, err = parseUnix(s, -3)
	case styleDate:
		day, dayErr := parseDay(s)
		if dayErr != nil {
			return in, dayErr
		}
		y, m, d := day.date()
		in = instantOf(wallTime(time.Date(y, m, d, 0, 0, 0, 0, time.UTC), f.location()))
	case styleLayout:
		in, err = f.parseLayout(s)
	default:
		return in, unfit("is not a time", s)
	}
	if err == nil && (in.sec < firstSecond || in.sec > lastSecond) {
		err = unfit("is out of range", s)
	}
	return in, err
}

func (f *Format) parseLayout(s string) (instant, error) {
	if len(s) > 256 {
		return instant{}, unfit("is not a time", s)
	}
	if f.offset || f.abbreviation {
		t, err := time.ParseInLocation(f.layout, s, f.location())
		if err != nil {
			return instant{}, unfit("is not a time as its layout says", s)
		}
		// time.Parse takes an abbreviation that it does not know for UTC.
		if name, _ := t.Zone(); f.abbreviation && t.Location() != f.location() && name != "UTC" && name != "GMT" {
			return instant{}, unfit("has an abbreviated zone that tells no offset", s)
		}
		return instantOf(t), nil
	}
	wall, err := time.Parse(f.layout, s)
	if err != nil {
		return instant{}, unfit("is not a time as its layout says", s)
	}
	return instantOf(wallTime(wall, f.location())), nil
}

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
		return math.MaxInt32, false
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

func (d Day) date() (int, time.Month, int) {
	y, m, day, _ := splitDate(string(d))
	return y, m, day
}
