package decode

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Path leads to one place inside a JSON value: member names from the outside
// in. A name that is a whole number without leading zeros also indexes an
// array. The empty path is the value itself.
type Path []string

// ParsePath reads a path as the config writes it: segments between dots, as
// in meta.next_cursor. A segment that holds a dot, a bracket or a quote, or
// that is empty or begins or ends with a space, is quoted as a key is in TOML,
// "@odata.nextLink" or '@odata.nextLink'.
func ParsePath(s string) (Path, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("read path %q: not UTF-8", s)
	}
	var path Path
	for rest := s; ; {
		segment, n, err := readSegment(rest)
		if err != nil {
			return nil, fmt.Errorf("read segment %d of path %q: %w", len(path)+1, s, err)
		}
		path = append(path, segment)
		if rest = rest[n:]; rest == "" {
			return path, nil
		}
		if rest[0] != '.' {
			return nil, fmt.Errorf("read path %q: want a dot after segment %d", s, len(path))
		}
		rest = rest[1:]
	}
}

// String writes the path so that ParsePath gives it back. The empty path,
// which the config cannot write, is "".
func (p Path) String() string {
	var b strings.Builder
	for i, segment := range p {
		if i > 0 {
			b.WriteByte('.')
		}
		if bare(segment) == nil {
			b.WriteString(segment)
		} else {
			b.WriteString(quote(segment))
		}
	}
	return b.String()
}

// readSegment returns the segment that s begins with, and its length in s.
func readSegment(s string) (string, int, error) {
	switch {
	case strings.HasPrefix(s, `"`):
		return readQuoted(s)
	case strings.HasPrefix(s, `'`):
		end := strings.IndexByte(s[1:], '\'')
		if end < 0 {
			return "", 0, errOpenQuote
		}
		if strings.ContainsFunc(s[1:end+1], unicode.IsControl) {
			return "", 0, errControl
		}
		return s[1 : end+1], end + 2, nil
	}
	end := strings.IndexByte(s, '.')
	if end < 0 {
		end = len(s)
	}
	return s[:end], end, bare(s[:end])
}

var (
	errEmpty     = errors.New("is empty")
	errOpenQuote = errors.New("its quote is not closed")
	errControl   = errors.New("a control character must be written as an escape")
	errEscape    = errors.New("not an escape of TOML")
	errQuoteIt   = errors.New("a dot, bracket, quote, backslash or outer space must stand in quotes")
)

// bare says why a segment cannot stand without quotes.
func bare(segment string) error {
	switch {
	case segment == "":
		return errEmpty
	case strings.ContainsAny(segment, `.[]"'\`), strings.TrimSpace(segment) != segment:
		return errQuoteIt
	case strings.ContainsFunc(segment, unicode.IsControl), !utf8.ValidString(segment):
		return errControl
	}
	return nil
}

// readQuoted reads a basic string of TOML.
func readQuoted(s string) (string, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); {
		switch c := s[i]; {
		case c == '"':
			return b.String(), i + 1, nil
		case c == '\\':
			r, n := readEscape(s[i+1:])
			if n == 0 {
				return "", 0, errEscape
			}
			b.WriteRune(r)
			i += 1 + n
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if unicode.IsControl(r) {
				return "", 0, errControl
			}
			b.WriteString(s[i : i+n])
			i += n
		}
	}
	return "", 0, errOpenQuote
}

// readEscape reads what follows a backslash, and returns its length, or 0.
func readEscape(s string) (rune, int) {
	const letters, meaning = `btnfre"\`, "\b\t\n\f\r\x1b\"\\"
	if s == "" {
		return 0, 0
	}
	if i := strings.IndexByte(letters, s[0]); i >= 0 {
		return rune(meaning[i]), 1
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	if digits == 0 || len(s) <= digits {
		return 0, 0
	}
	v, err := strconv.ParseUint(s[1:1+digits], 16, 32)
	if err != nil || v > unicode.MaxRune || !utf8.ValidRune(rune(v)) {
		return 0, 0
	}
	return rune(v), 1 + digits
}

// quote writes a segment as a basic string of TOML.
func quote(segment string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range segment {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
