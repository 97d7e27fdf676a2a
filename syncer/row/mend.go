package row

import (
	"bytes"
	"cmp"
	"unicode/utf8"
)

// mend is JSON text without what is no text, in its strings and in the names of
// its members: U+0000, half surrogate pairs and bytes that are no UTF-8 are left
// out, or U+FFFD takes the place of each. What is whole stays as it is, byte for
// byte. All is judged as the owner sent it: what closes up behind a gap makes no
// pair and no character.
func (b Broken) mend(raw []byte) []byte {
	if b == BrokenReject {
		return raw
	}
	at := 0
	for at < len(raw) {
		n, broken := piece(raw[at:])
		if broken {
			break
		}
		at += n
	}
	if at == len(raw) {
		return raw
	}
	out := append(make([]byte, 0, len(raw)), raw[:at]...)
	for at < len(raw) {
		n, broken := piece(raw[at:])
		switch {
		case !broken:
			out = append(out, raw[at:at+n]...)
		case b == BrokenReplace:
			out = utf8.AppendRune(out, utf8.RuneError)
		}
		at += n
	}
	return out
}

// piece is the length of the first character of JSON text, or of its escape, and
// whether it is broken.
func piece(b []byte) (n int, broken bool) {
	switch {
	case b[0] >= utf8.RuneSelf:
		r, n := utf8.DecodeRune(b)
		return n, r == utf8.RuneError && n == 1
	case b[0] != '\\' || len(b) < 2 || b[1] >= utf8.RuneSelf:
		return 1, false
	case bytes.HasPrefix(b, []byte(`\u0000`)):
		return 6, true
	}
	switch surrogate(b) {
	case highHalf:
		if len(b) > 6 && b[6] == '\\' && surrogate(b[6:]) == lowHalf {
			return 12, false
		}
		return 6, true
	case lowHalf:
		return 6, true
	}
	return 2, false
}

// prepare is the JSON text of column i as it is converted: with its broken text
// mended, taken out of the text that it stands in, and null where an empty text
// is none. Keys and versions are not mended: two would become one, or another
// instant.
func (r *reading) prepare(i int, raw []byte) ([]byte, error) {
	c := &r.spec.Columns[i]
	if c.Blank && c.Type.Kind != Text && string(raw) == `""` {
		return []byte("null"), nil
	}
	broken := r.spec.Broken
	if r.isKey[i] || i == r.spec.Version || c.Type.Kind != Text && c.Type.Kind != JSON {
		broken = BrokenReject
	}
	raw = broken.mend(raw)
	if !c.Inner || kindOf(raw) != aString {
		return raw, nil
	}
	text, err := unquote(raw)
	if err != nil || text == "" {
		return nil, cmp.Or(err, error(whyJSON))
	}
	return broken.mend([]byte(text)), nil
}
