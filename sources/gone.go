package sources

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/larder-sync/larder/sources/decode"
)

// saysGone reports whether what stands in the field of deletions says so. JSON
// tells a value from none. Where values are texts, every owner has a word of its
// own for "not deleted", and to take one that is unknown for a deletion would
// delete the copy: what is neither a yes, a no nor a time is an error.
func (s *Source) saysGone(raw []byte) (bool, error) {
	if !s.format.Texts || len(s.goneIf) > 0 {
		return holds(raw, s.goneIf), nil
	}
	text, _, err := decode.Text(raw)
	text = strings.TrimSpace(text)
	if err == nil {
		switch strings.ToLower(text) {
		case "", "false", "f", "no", "n", "0", "null", `\n`:
			return false, nil
		case "true", "t", "yes", "y", "1":
			return true, nil
		}
		if s.isTime(text) {
			return true, nil
		}
	}
	shown := []rune(strings.ToValidUTF8(text, "?"))
	return false, decodeError("%q of a record is %q, which is neither yes, no nor a time: say with deleted.equals which values mean gone",
		s.spec.Records.Deleted, string(shown[:min(len(shown), 40)]))
}

// isTime reports whether a text reads as a time at which something may have
// been deleted, in the watermark's format or in a usual one. The years that
// stand for no time at all, 1, 1970 and 9999, are none.
func (s *Source) isTime(text string) bool {
	const first, last = 1971, 8999
	if f := s.spec.Watermark.Format; f != nil && !f.Counts() {
		stamp, err := f.ParseText(text)
		if at, ok := stamp.Time(); ok && err == nil {
			return at.Year() >= first && at.Year() <= last
		}
	}
	for _, layout := range []string{time.RFC1123, time.RFC1123Z} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.Year() >= first && at.Year() <= last
		}
	}
	if unixTime.MatchString(text) {
		return true
	}
	parts := writtenTime.FindStringSubmatch(text)
	if parts == nil {
		return false
	}
	year, months := parts[1], parts[2:4]
	if year == "" {
		year, months = parts[6], parts[4:6]
	}
	at, _ := strconv.Atoi(year)
	return at >= first && at <= last && strings.Trim(months[0], "0") != "" && strings.Trim(months[1], "0") != ""
}

var (
	// writtenTime is a date, year first or last, perhaps with a time of day and
	// its zone.
	writtenTime = regexp.MustCompile(`^(?:(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})|(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}))` +
		`(?:(?:[Tt]|,? )\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?[AaPp][Mm])?(?: ?(?:[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?)?$`)
	// unixTime is seconds, milli-, micro- or nanoseconds since 1970, from 2001 on.
	unixTime = regexp.MustCompile(`^[1-9](?:\d{9}|\d{12}|\d{15}|\d{18})$`)
)
