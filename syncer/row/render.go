package row

import (
	"strconv"
	"strings"
	"time"
)

// Render writes a stamp in the format, in the format's zone or in UTC. What
// the format can not hold is cut off: the text never stands for a later
// instant than s. It is "" for the zero Stamp, and for a counter where the
// format writes instants or the other way round.
func (f *Format) Render(s Stamp) string { return f.RenderLike(s, "") }

// RenderLike is Render in the shape of sample, a text that the owner itself
// wrote: the separator, the digits of the fraction and the kind of offset are
// the sample's. Without a sample that can be read, RFC 3339 has a T,
// milliseconds and a Z.
func (f *Format) RenderLike(s Stamp, sample string) string {
	t, isInstant := s.Time()
	switch {
	case f.style == styleInteger && s.kind == counter:
		return s.count
	case f.style == styleInteger || !isInstant:
		return ""
	}
	switch f.style {
	case styleUnix:
		return renderUnix(s, sample)
	case styleUnixMilli:
		return strconv.FormatInt(t.UnixMilli(), 10)
	case styleDate:
		return in(t, f.location()).Format(time.DateOnly)
	case styleLayout:
		return f.renderLayout(t, sample)
	}
	return renderRFC3339(t, sample)
}

// renderUnix keeps as many digits after the point as the sample has.
func renderUnix(s Stamp, sample string) string {
	_, after, _ := strings.Cut(sample, ".")
	digits := len(leadingDigits(after))
	if digits != len(after) || digits == 0 {
		return strconv.FormatInt(s.sec, 10)
	}
	sec, nsec, sign := s.sec, int64(s.nsec), ""
	unit := int64(1)
	for range 9 - digits {
		unit *= 10
	}
	nsec -= nsec % unit
	if sec < 0 {
		sign, sec = "-", -sec
		if nsec > 0 {
			sec, nsec = sec-1, int64(time.Second)-nsec
		}
	}
	return sign + strconv.FormatInt(sec, 10) + "." + fractionDigits(nsec, digits)
}

// fractionDigits writes the first digits of a second's fraction, with zeros
// beyond nanoseconds. More than 30 are not asked for by anybody.
func fractionDigits(nsec int64, digits int) string {
	text := strconv.FormatInt(nsec+int64(time.Second), 10)[1:]
	if digits <= 9 {
		return text[:digits]
	}
	return text + strings.Repeat("0", min(digits, 30)-9)
}

// renderLayout keeps the sample's offset where the layout writes one.
func (f *Format) renderLayout(t time.Time, sample string) string {
	zone := f.location()
	if f.offset && sample != "" {
		if like, err := f.parseLayout(sample); err == nil {
			zone = time.FixedZone("", like.offset)
		}
	}
	text := in(t, zone).Format(f.layout)
	if !f.offset {
		return text
	}
	// An offset that the layout cuts short would stand for another instant.
	if back, err := f.parseLayout(text); err != nil || back.time().After(t) {
		return t.Format(f.layout)
	}
	return text
}

// in is t as clocks in zone show it. East of Greenwich the year 9999 ends
// earlier: what lies beyond is drawn back by a day, as no text can hold it.
func in(t time.Time, zone *time.Location) time.Time {
	local := t.In(zone)
	if local.Year() > 9999 {
		return local.AddDate(0, 0, -1)
	}
	return local
}

func renderRFC3339(t time.Time, sample string) string {
	like, err := parseRFC3339(sample)
	if err != nil {
		return t.Format("2006-01-02T15:04:05.000Z")
	}
	rest := sample[19:]
	digits := 0
	if rest[0] == '.' {
		digits = len(leadingDigits(rest[1:]))
		rest = rest[1+digits:]
	}
	local := in(t, time.FixedZone("", like.offset))
	b := local.AppendFormat(make([]byte, 0, 40), time.DateOnly)
	b = append(b, sample[10])
	b = local.AppendFormat(b, time.TimeOnly)
	if digits > 0 {
		b = append(append(b, '.'), fractionDigits(int64(t.Nanosecond()), digits)...)
	}
	return string(append(b, rest...))
}
