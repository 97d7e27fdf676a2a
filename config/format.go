package config

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// The named formats of a time or position. A format of any other name is a Go layout.
const (
	FormatRFC3339 = "rfc3339"
	FormatUnix    = "unix"
	FormatUnixMS  = "unix_ms"
	FormatDate    = "date"
	FormatInteger = "integer"
	FormatLayout  = "layout"
)

func formatNames() []string {
	return []string{FormatRFC3339, FormatUnix, FormatUnixMS, FormatDate, FormatInteger}
}

// watermarkFormats are those of times and positions, and of the owner's own words.
func watermarkFormats() []string { return append(formatNames(), string(Token), string(URL)) }

// Format is how an owner writes a time or a position. The zero value is none.
type Format struct {
	Name   string // one of the constants above
	Layout string // of FormatLayout: a layout of the time package
	Zone   string // where the layout has none: a name that time.LoadLocation takes
}

// IsZero reports whether no format was given.
func (f Format) IsZero() bool { return f.Name == "" }

// IsTime reports whether the format writes times, not positions in a sequence.
func (f Format) IsTime() bool { return f.Name != FormatInteger }

func (f Format) String() string {
	if f.Name == FormatLayout {
		return f.Layout
	}
	return f.Name
}

// Unit is the smallest step of time the format can tell; below a millisecond it is not told apart.
func (f Format) Unit() time.Duration {
	switch f.Name {
	case FormatDate:
		return 24 * time.Hour
	case FormatUnix:
		return time.Second
	case FormatLayout:
		return layoutUnit(f.Layout)
	}
	return time.Millisecond
}

// probe is a time that differs from the layouts' reference time in every part that a layout can show.
func probe(offset time.Duration) time.Time {
	return time.Date(2019, time.November, 23, 17, 48, 59, 987_654_321, time.FixedZone("XST", int(offset.Seconds())))
}

func layoutUnit(layout string) time.Duration {
	t := probe(0)
	for _, step := range []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour} {
		if t.Format(layout) != t.Add(-step).Format(layout) {
			return step
		}
	}
	return 24 * time.Hour
}

// layoutHasZone reports whether the layout writes an offset from UTC. The abbreviation of a zone is none: it
// means another offset in another country.
func layoutHasZone(layout string) bool {
	return probe(3*time.Hour).Format(layout) != probe(5*time.Hour).Format(layout)
}

// isLayout reports whether a time written by the layout can be read back to the day.
func isLayout(layout string) bool {
	t, err := time.Parse(layout, probe(3*time.Hour).Format(layout))
	if err != nil {
		return false
	}
	y, m, d := t.Date()
	return y == 2019 && m == time.November && d == 23
}

// holds reports whether text is written in the format, without rounding.
func (f Format) holds(text string) bool {
	var err error
	switch f.Name {
	case FormatUnix, FormatUnixMS, FormatInteger:
		_, err = strconv.ParseInt(text, 10, 64)
	case FormatDate:
		_, err = time.Parse(time.DateOnly, text)
	case FormatLayout:
		_, err = time.Parse(f.Layout, text)
	default:
		if len(text) > 10 && text[10] == ' ' {
			text = text[:10] + "T" + text[11:]
		}
		_, err = time.Parse(time.RFC3339Nano, text)
	}
	return err == nil
}

// format reads a format and its zone. The zone belongs to a layout that has none, and only there.
func (s section) format(key, zoneKey string, f *Format) {
	n, zone := s.child(key), s.child(zoneKey)
	if n != nil && !s.r.formatName(n, f) {
		return
	}
	if zone != nil {
		f.Zone, _ = s.r.zone(zone)
	}
	needs := f.needsZone()
	switch {
	case needs && zone == nil:
		s.r.wrong(n, "the layout has no zone; say which one its times are in, such as %s = \"UTC\"", zoneKey)
	case !needs && zone != nil:
		s.r.wrong(zone, "has no use: %s", whyNoZone(*f))
	}
}

// formatName reads a format without its zone.
func (r *reader) formatName(n *node, f *Format) bool {
	text, ok := r.text(n)
	if !ok {
		return false
	}
	*f = Format{Name: text}
	words := r.form(n).words()
	if slices.Contains(words, text) {
		return true
	}
	if !isLayout(text) {
		r.wrong(n, "unknown format %s, and no Go layout such as \"2006-01-02 15:04:05\"%s", r.shown(n), hint(text, words))
		return false
	}
	*f = Format{Name: FormatLayout, Layout: text}
	return true
}

// needsZone reports whether times in the format mean nothing without a zone.
func (f Format) needsZone() bool { return f.Name == FormatLayout && !layoutHasZone(f.Layout) }

func whyNoZone(f Format) string {
	if f.Name == FormatLayout {
		return "the layout writes the zone itself"
	}
	if f.IsZero() {
		return "it belongs to a Go layout, and there is none"
	}
	return fmt.Sprintf("it belongs to a Go layout, and the format is %q", f.Name)
}

// zone reads the name of a time zone.
func (r *reader) zone(n *node) (string, bool) {
	name, ok := r.text(n)
	if !ok {
		return "", false
	}
	if _, err := time.LoadLocation(name); err != nil || name == "" || name == "Local" {
		r.wrong(n, "unknown time zone %s; write a name such as \"UTC\" or \"Europe/Berlin\"", r.shown(n))
		return "", false
	}
	return name, true
}
