package row

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Why text is not taken. Databases refuse all three, some of them only when it
// is read, so one of them would block a whole batch.
const (
	whyNUL       = reason("text has U+0000")
	whyUTF8      = reason("text is not valid UTF-8")
	whySurrogate = reason("text has a lone surrogate")
	whyJSON      = reason("is not JSON")
)

// unquote is the text of a JSON string. It replaces nothing: what is no valid
// text is an error.
func unquote(raw []byte) (string, error) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", whyJSON
	}
	inner := raw[1 : len(raw)-1]
	if !utf8.Valid(inner) {
		return "", whyUTF8
	}
	if plain(inner) {
		return string(inner), nil
	}
	b, err := jsontext.AppendUnquote(make([]byte, 0, len(inner)), raw)
	switch {
	case err != nil && lonely(raw):
		return "", whySurrogate
	case err != nil:
		return "", whyJSON
	case bytes.IndexByte(b, 0) >= 0:
		return "", whyNUL
	}
	return string(b), nil
}

// plain reports whether the inside of a JSON string stands for itself.
func plain(inner []byte) bool {
	for _, c := range inner {
		if c < ' ' || c == '\\' || c == '"' {
			return false
		}
	}
	return true
}

// lonely reports whether JSON text escapes half of a surrogate pair.
func lonely(raw []byte) bool {
	high := -1 // where the low half has to stand
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' || i+1 >= len(raw) {
			continue
		}
		half := surrogate(raw[i:])
		switch {
		case half == lowHalf && high == i:
			high = -1
		case half == lowHalf, high >= 0:
			return true
		case half == highHalf:
			high = i + 6
		}
		i++
	}
	return high >= 0
}

type halfPair uint8

const (
	noHalf halfPair = iota
	highHalf
	lowHalf
)

// surrogate says which half of a pair the escape at the start of b writes.
func surrogate(b []byte) halfPair {
	if len(b) < 6 || b[1] != 'u' || (b[2] != 'd' && b[2] != 'D') {
		return noHalf
	}
	switch b[3] {
	case '8', '9', 'a', 'b', 'A', 'B':
		return highHalf
	case 'c', 'd', 'e', 'f', 'C', 'D', 'E', 'F':
		return lowHalf
	}
	return noHalf
}

// Bounds of a json value, below those at which Postgres gives up.
const maxDepth = 1000

// compact is the value of a json column. jsontext refuses what is not valid
// UTF-8 and a member name that stands twice, of which every database would
// keep another one.
func compact(raw []byte) (any, error) {
	if !utf8.Valid(raw) {
		return nil, whyUTF8
	}
	b, err := jsontext.AppendFormat(make([]byte, 0, len(raw)), raw)
	switch {
	case err == nil:
	case lonely(raw):
		return nil, whySurrogate
	case errors.Is(err, jsontext.ErrDuplicateName):
		return nil, reason("has a member name twice")
	default:
		return nil, whyJSON
	}
	if err := inspect(b); err != nil {
		return nil, err
	}
	return Document(b), nil
}

// inspect looks through compact valid JSON for what Postgres can not hold.
func inspect(b []byte) error {
	depth := 0
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			end, err := skipString(b, i)
			if err != nil {
				return err
			}
			i = end
			continue
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return reason("is nested too deep")
			}
		case c == '}' || c == ']':
			depth--
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(b) && strings.IndexByte("0123456789.eE+-", b[end]) >= 0 {
				end++
			}
			if err := storable(b[i:end]); err != nil {
				return err
			}
			i = end
			continue
		}
		i++
	}
	return nil
}

// storable reports whether a numeric holds the number without its exponent.
func storable(number []byte) error {
	if len(number) <= maxAfter && !bytes.ContainsAny(number, "eE") {
		return nil
	}
	text := string(number)
	n, ok := parseNumber(text)
	if ok {
		_, _, ok = n.expand(maxBefore, maxAfter)
	}
	if !ok {
		return unfit("holds a number out of range", text)
	}
	return nil
}

// skipString returns the index after the string that starts at i.
func skipString(b []byte, i int) (int, error) {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			if bytes.HasPrefix(b[i:], []byte(`\u0000`)) {
				return i, whyNUL
			}
			i++
		}
	}
	return i, nil
}
