package row

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Day is the value of a date column, YYYY-MM-DD.
type Day string

// Document is the value of a json column (JSON names its Kind): compact, member names unique, its
// numbers as the owner wrote them, without U+0000 anywhere.
type Document string

// reason is why a value does not fit: what follows the column's name in a
// sentence.
type reason string

func (r reason) Error() string { return string(r) }

// unfit is a reason that shows the value, cut short.
func unfit(why, text string) reason {
	return reason(why + ": " + strconv.Quote(excerpt(text)))
}

// excerpt bounds a piece of an owner's text and leaves only what can be shown.
func excerpt(s string) string {
	const limit = 40
	out := make([]byte, 0, limit+4)
	for count := 0; s != ""; count++ {
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		if count == limit {
			return string(out) + "…"
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}
