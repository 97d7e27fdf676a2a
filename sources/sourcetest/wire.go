package sourcetest

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Wire is how the owner writes records down and reads bounds.
type Wire struct {
	// Layout is how stamps are written: a layout of package time, Unix or
	// UnixMilli; "": RFC 3339 with microseconds.
	Layout string
	// RoundUp rounds stamps up to what is written of them. Bounds are then held
	// against the stamps that are stored, otherwise against what is written.
	RoundUp bool
	// Zone is where stamps are written; nil: UTC.
	Zone *time.Location
	// Exclusive leaves the records of ?since= itself out, UntilInclusive counts
	// those of ?until= in.
	Exclusive, UntilInclusive bool
	// Gzip packs answers for those who can unpack them.
	Gzip bool
}

// Layouts that are numbers since 1970.
const (
	Unix      = "unix"
	UnixMilli = "unix_ms"
)

func (w Wire) layout() string { return cmp.Or(w.Layout, "2006-01-02T15:04:05.000000Z07:00") }

func (w Wire) zone() *time.Location {
	if w.Zone == nil {
		return time.UTC
	}
	return w.Zone
}

// text is a stamp as it is written, without quotes.
func (w Wire) text(t time.Time) string {
	if !w.RoundUp {
		return w.floor(t)
	}
	down := w.floor(t)
	if at, err := w.parse(down); err != nil || !at.Before(t) {
		return down
	}
	for _, granule := range []time.Duration{time.Microsecond, time.Millisecond, time.Second, time.Minute, time.Hour} {
		if up := w.floor(t.Add(granule)); up != down {
			return up
		}
	}
	return down
}

func (w Wire) floor(t time.Time) string {
	switch w.Layout {
	case Unix:
		return strconv.FormatInt(t.Unix(), 10)
	case UnixMilli:
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return t.In(w.zone()).Format(w.layout())
}

// parse reads a time as the owner writes it, or with other digits.
func (w Wire) parse(text string) (time.Time, error) {
	switch w.Layout {
	case Unix, UnixMilli:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("read time %q: %w", text, err)
		}
		if w.Layout == UnixMilli {
			return time.UnixMilli(n), nil
		}
		return time.Unix(n, 0), nil
	}
	at, err := time.ParseInLocation(w.layout(), text, w.zone())
	if err != nil {
		return time.Parse(time.RFC3339Nano, text)
	}
	return at, nil
}

// write writes an entry's record, and notes what is special about it.
func (w Wire) write(e *entry) {
	stamp := w.text(e.Stamp)
	e.shown, e.marks = e.stamp, e.marks[:0]
	if at, err := w.parse(stamp); err == nil {
		e.shown = nanos(at)
	}
	e.mark(e.shown < e.stamp, stampCut)
	e.mark(e.shown > e.stamp, stampRoundedUp)
	if w.Layout != Unix && w.Layout != UnixMilli {
		stamp = `"` + stamp + `"`
	} else {
		e.mark(true, stampEpoch)
	}
	e.mark(w.Zone != nil, stampZoned)
	if e.NoStamp {
		stamp, e.shown, e.marks = "null", math.MinInt64, append(e.marks[:0], nullStamp)
	}
	if e.text == nil {
		e.text = make([]byte, 0, 2*len(stamp)+len(e.Name)+len(e.Misfit)+len(e.Part)+len(e.Extra)+80)
	}
	e.text = append(strconv.AppendInt(append(e.text[:0], `"id":`...), e.ID, 10), `,"name":`...)
	if e.Misfit != "" {
		e.text = append(e.text, e.Misfit...)
	} else {
		e.text = appendText(e.text, e.Name)
	}
	if e.Part != "" {
		e.text = appendText(append(e.text, `,"part":`...), e.Part)
	}
	e.text = append(append(e.text, `,"updated_at":`...), stamp...)
	if e.text = append(e.text, `,"deleted_at":`...); e.Gone && e.NoStamp {
		e.text = append(e.text, "true"...)
	} else if e.Gone {
		e.text = append(e.text, stamp...)
	} else {
		e.text = append(e.text, "null"...)
	}
	if e.Extra != "" {
		e.text = append(append(e.text, ','), e.Extra...)
	}
	e.text = append(e.text, '}')
	e.markContent()
}

func (e *entry) mark(is bool, k knob) {
	if is {
		e.marks = append(e.marks, k)
	}
}

func (e *entry) markContent() {
	const exact = 1 << 53
	e.mark(e.Gone, tombstone)
	e.mark(e.born, reborn)
	e.mark(e.Misfit != "", misfit)
	e.mark(e.Extra != "", extraFields)
	e.mark(e.ID > exact || e.ID < -exact, beyondFloat)
	e.mark(!utf8.ValidString(e.Name), invalidUTF8)
	for i := range len(e.Name) {
		if e.Name[i] == 0 {
			e.mark(true, nulCharacter)
			return
		}
	}
}

// appendText appends a JSON text. Bytes that are no UTF-8 stay as they are.
func appendText(b []byte, text string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
