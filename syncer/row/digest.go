package row

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Digest is a short name of a row's values, in the order of the columns: 22
// letters, the same in every process. Rows of one Spec have one digest if their
// values are equal as a database compares them: numerics by value, documents by
// value whatever the order of their members. Null, the empty text and values of
// different kinds are different. Values that a database reads back have to be
// of the types that Row.Values names.
func (s *Spec) Digest(r Row) string {
	b := make([]byte, 0, 512)
	for i := range s.Columns {
		var v any
		if i < len(r.Values) {
			v = r.Values[i]
		}
		b = appendValue(b, v)
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// appendValue appends a value so that no other value or row of values makes
// the same bytes: a letter for its kind, and the length of what has one.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, 'T')
		}
		return append(b, 'F')
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(v+0)) // −0 is 0
	case time.Time:
		b = binary.BigEndian.AppendUint64(append(b, 't'), uint64(v.Unix()))
		return binary.BigEndian.AppendUint32(b, uint32(v.Nanosecond()/1000))
	case Decimal:
		return appendSized(b, 'n', plainNumber(string(v)))
	case Document:
		return appendSized(b, 'j', string(sorted([]byte(v))))
	case Day:
		return appendSized(b, 'd', string(v))
	case string:
		return appendSized(b, 's', v)
	case []byte:
		return appendSized(b, 'b', string(v))
	}
	return append(b, '0')
}

func appendSized(b []byte, kind byte, text string) []byte {
	b = binary.AppendUvarint(append(b, kind), uint64(len(text)))
	return append(b, text...)
}

// plainNumber writes equal numbers alike; what is no number, or beyond what a
// numeric holds, stands for itself.
func plainNumber(text string) string {
	n, ok := parseNumber(text)
	if !ok {
		return text
	}
	n, _, ok = n.expand(maxBefore, maxAfter)
	if !ok {
		return text
	}
	n.frac = strings.TrimRight(n.frac, "0")
	return n.text(text)
}

// sorted writes equal JSON texts alike: members by name, numbers by value. What
// is not JSON stands for itself.
func sorted(raw []byte) []byte {
	d := jsontext.NewDecoder(strings.NewReader(string(raw)))
	out, ok := appendSorted(make([]byte, 0, len(raw)), d)
	if !ok {
		return raw
	}
	return out
}

// appendSorted reads one value of d. The decoder bounds how deep values nest.
func appendSorted(b []byte, d *jsontext.Decoder) ([]byte, bool) {
	switch d.PeekKind() {
	case '{':
		return appendObject(b, d)
	case '[':
		if _, err := d.ReadToken(); err != nil {
			return b, false
		}
		b = append(b, '[')
		for ok := true; d.PeekKind() != ']'; {
			if b, ok = appendSorted(b, d); !ok {
				return b, false
			}
			b = append(b, ',')
		}
		_, err := d.ReadToken()
		return append(b, ']'), err == nil
	}
	t, err := d.ReadToken()
	if err != nil {
		return b, false
	}
	switch t.Kind() {
	case '"':
		b, err = jsontext.AppendQuote(b, t.String())
		return b, err == nil
	case '0':
		return append(b, plainNumber(t.String())...), true
	}
	return append(b, t.String()...), true
}

func appendObject(b []byte, d *jsontext.Decoder) ([]byte, bool) {
	if _, err := d.ReadToken(); err != nil {
		return b, false
	}
	type member struct{ name, value string }
	var members []member
	for d.PeekKind() != '}' {
		name, ok := appendSorted(nil, d)
		if !ok {
			return b, false
		}
		value, ok := appendSorted(nil, d)
		if !ok {
			return b, false
		}
		members = append(members, member{string(name), string(value)})
	}
	if _, err := d.ReadToken(); err != nil {
		return b, false
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	b = append(b, '{')
	for _, m := range members {
		b = append(append(append(b, m.name...), ':'), m.value...)
		b = append(b, ',')
	}
	return append(b, '}'), true
}

// InSample reports whether the nth of so many samples of the keys holds a key,
// which is a Row.Key: every key is in exactly one of them, the same in every
// process, and samples are about equally large. With of at most 1 there is one
// sample, of all keys; nth is taken modulo of.
func InSample(key string, nth, of int) bool {
	if of <= 1 {
		return true
	}
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * prime
	}
	// Keys that differ in their last digits alone have to spread, too.
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	n := uint64(of)
	return h%n == uint64((nth%of+of)%of)
}
