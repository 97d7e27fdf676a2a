package row

import (
	"strconv"
	"strings"
)

// Decimal is the value of a numeric column: digits with at most one point
// inside them, a minus before a value below zero, no exponent, no needless
// leading zero. Trailing zeros stand as the owner wrote them; in a bounded
// numeric there are exactly Scale digits after the point.
type Decimal string

// What Postgres holds in an unbounded numeric, before and after the point.
const (
	maxBefore = 131072
	maxAfter  = 16383
)

// number is a decimal number taken apart: whole.frac times ten to the exp.
type number struct {
	neg         bool
	whole, frac string // whole without leading zeros
	exp         int
}

// parseNumber reads a number as JSON or people write it. It does not expand
// the exponent, so its cost is bounded by the text.
func parseNumber(s string) (n number, ok bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		n.neg = s[0] == '-'
		s = s[1:]
	}
	whole := leadingDigits(s)
	s = s[len(whole):]
	n.whole = strings.TrimLeft(whole, "0")
	if s != "" && s[0] == '.' {
		n.frac = leadingDigits(s[1:])
		s = s[1+len(n.frac):]
	}
	if whole == "" && n.frac == "" {
		return n, false
	}
	if s == "" {
		return n, true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return n, false
	}
	n.exp, ok = parseExponent(s[1:])
	return n, ok
}

// parseExponent saturates: beyond a billion every exponent is out of all
// bounds alike.
func parseExponent(s string) (int, bool) {
	sign := 1
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	if s == "" || len(leadingDigits(s)) != len(s) {
		return 0, false
	}
	const limit = 1_000_000_000
	v, err := strconv.Atoi(s)
	if err != nil || v > limit {
		v = limit
	}
	return sign * v, true
}

func leadingDigits(s string) string {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return s[:i]
		}
	}
	return s
}

// zero reports whether the value is 0, whatever the exponent.
func (n number) zero() bool {
	return n.whole == "" && strings.Trim(n.frac, "0") == ""
}

// expand writes the exponent out. It answers with false where that takes more
// than before digits before the point (tooLarge) or after digits after it.
func (n number) expand(before, after int) (m number, tooLarge, ok bool) {
	if n.exp != 0 {
		n, tooLarge, ok = n.shift(before, after)
		if !ok {
			return n, tooLarge, false
		}
	}
	if len(n.frac) > after {
		n.frac = strings.TrimRight(n.frac, "0")
	}
	if n.zero() {
		n.neg = false
	}
	return n, len(n.whole) > before, len(n.whole) <= before && len(n.frac) <= after
}

// shift moves the point by the exponent. The bounds are checked before any
// zero is written.
func (n number) shift(before, after int) (m number, tooLarge, ok bool) {
	exp := n.exp
	n.exp = 0
	switch {
	case n.zero():
		n.frac = ""
	case exp > before+len(n.frac):
		return n, true, false
	case -exp > after+len(n.whole)+len(n.frac):
		return n, false, false
	case exp > 0:
		moved := n.frac[:min(exp, len(n.frac))]
		n.whole = strings.TrimLeft(n.whole+moved+strings.Repeat("0", exp-len(moved)), "0")
		n.frac = n.frac[len(moved):]
	default:
		kept := max(len(n.whole)+exp, 0)
		n.frac = strings.Repeat("0", max(-exp-len(n.whole), 0)) + n.whole[kept:] + n.frac
		n.whole = n.whole[:kept]
	}
	return n, false, true
}

// text writes an expanded number. It was written as s, which is returned where
// it would be written so again.
func (n number) text(s string) string {
	b := make([]byte, 0, 40)
	if n.neg {
		b = append(b, '-')
	}
	if n.whole == "" {
		b = append(b, '0')
	}
	b = append(b, n.whole...)
	if n.frac != "" {
		b = append(append(b, '.'), n.frac...)
	}
	if string(b) == s {
		return s
	}
	return string(b)
}

// compare orders expanded numbers exactly.
func (n number) compare(o number) int {
	switch {
	case n.neg && !o.neg:
		return -1
	case o.neg && !n.neg:
		return 1
	case n.neg:
		n, o = o, n
	}
	if len(n.whole) != len(o.whole) {
		if len(n.whole) < len(o.whole) {
			return -1
		}
		return 1
	}
	if c := strings.Compare(n.whole, o.whole); c != 0 {
		return c
	}
	return strings.Compare(strings.TrimRight(n.frac, "0"), strings.TrimRight(o.frac, "0"))
}

// parseDecimal reads a numeric of type t. With key, equal values come out as
// equal text.
func parseDecimal(s string, t Type, key bool) (Decimal, error) {
	n, ok := parseNumber(s)
	if !ok {
		return "", unfit("is not a number", s)
	}
	n, _, ok = n.expand(maxBefore, maxAfter)
	if !ok {
		return "", unfit("is out of range", s)
	}
	if key {
		n.frac = strings.TrimRight(n.frac, "0")
	}
	if t.Precision > 0 {
		if n.frac = strings.TrimRight(n.frac, "0"); len(n.frac) > t.Scale || len(n.whole) > t.Precision-t.Scale {
			return "", unfit("has more digits than "+t.String()+" holds", s)
		}
		if !key {
			n.frac += strings.Repeat("0", t.Scale-len(n.frac))
		}
	}
	return Decimal(n.text(s)), nil
}

// smallInteger reads the plain digits that most keys are, without making text
// of them.
func smallInteger(raw []byte) (int64, bool) {
	if len(raw) == 0 || len(raw) > 18 || raw[0] == '0' && len(raw) > 1 {
		return 0, false
	}
	var v int64
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	return v, true
}

// parseInteger reads an integer of the given number of bits by its value:
// 1e3 and 1.0 are integers.
func parseInteger(s string, bits int) (int64, error) {
	if v, err := strconv.ParseInt(s, 10, bits); err == nil {
		return v, nil
	}
	n, ok := parseNumber(s)
	if !ok {
		return 0, unfit("is not an integer", s)
	}
	n, tooLarge, ok := n.expand(19, len(s))
	switch {
	case tooLarge:
		return 0, unfit("is out of range", s)
	case !ok || strings.Trim(n.frac, "0") != "":
		return 0, unfit("is not an integer: it has a fraction", s)
	}
	n.frac = ""
	v, err := strconv.ParseInt(n.text(s), 10, bits)
	if err != nil {
		return 0, unfit("is out of range", s)
	}
	return v, nil
}
