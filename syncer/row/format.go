package row

import (
	"fmt"
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
	if near := nearest(name, formatNames()); near != "" || !strings.Contains(name, "06") {
		advice := "; known: " + strings.Join(formatNames(), ", ") + ", or a Go layout such as \"2006-01-02 15:04:05\""
		if near != "" {
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
	f.offset = at("AAA", 3600) != at("AAA", 7200)
	f.abbreviation = !f.offset && at("AAA", 3600) != at("BBB", 3600)
	if !f.offset && !f.abbreviation && f.zone == nil {
		return fmt.Errorf("carries no offset: give zone")
	}
	zone := f.location()
	if f.offset {
		zone = time.FixedZone("", 5*3600)
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

// Twice reports whether s lies in a stretch that clocks of the format's zone show
// twice, where the format writes no offset: from is its first instant, and it
// takes length twice. Any text of it may stand for either of two instants. length
// is 0 where none does.
func (f *Format) Twice(s Stamp) (from Stamp, length time.Duration) {
	t, isInstant := s.Time()
	if !isInstant || f.style != styleLayout || f.offset || f.abbreviation {
		return Stamp{}, 0
	}
	start, end := t.In(f.location()).ZoneBounds()
	for _, turn := range []time.Time{start, end} {
		if turn.IsZero() {
			continue
		}
		_, before := turn.Add(-1).Zone()
		_, after := turn.Zone()
		length := time.Duration(before-after) * time.Second
		if !t.Before(turn.Add(-length)) && t.Before(turn.Add(length)) {
			return StampAt(turn.Add(-length)), length
		}
	}
	return Stamp{}, 0
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
	raw = trim(raw)
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
	return Stamp{kind: counter, count: n.text(s)}, nil
}

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
		y, m, d, ok := splitDate(s)
		if !ok {
			return in, unfit("is not a date", s)
		}
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

// Counted reports whether the format reads a number that stands without quotes.
// That of no format does not.
func (f *Format) Counted() bool {
	return f != nil && f.style != styleRFC3339 && f.style != styleDate
}
