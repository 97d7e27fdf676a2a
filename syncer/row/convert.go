package row

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
)

// shape is what a JSON value is, told by its first byte.
type shape uint8

const (
	nothing shape = iota
	aNull
	aBoolean
	aNumber
	aString
	anObject
	anArray
)

func kindOf(raw []byte) shape {
	if len(raw) == 0 {
		return nothing
	}
	switch c := raw[0]; {
	case c == '"':
		return aString
	case c == '-' || c >= '0' && c <= '9':
		return aNumber
	case c == '{':
		return anObject
	case c == '[':
		return anArray
	}
	switch string(raw) {
	case "null":
		return aNull
	case "true", "false":
		return aBoolean
	}
	return nothing
}

// trim takes JSON's white space off both ends of a JSON text.
func trim(raw []byte) []byte {
	if len(raw) > 0 && (raw[0] <= ' ' || raw[len(raw)-1] <= ' ') {
		if inner := bytes.Trim(raw, " \t\r\n"); len(inner) > 0 {
			return inner
		}
	}
	return raw
}

// pick returns the JSON text that column i is read from, nil where none of its
// slots is there.
func (s *Spec) pick(i int, slots [][]byte) []byte {
	var found []byte
	for _, slot := range s.Columns[i].Slots {
		if slot < 0 || slot >= len(slots) || len(slots[slot]) == 0 {
			continue
		}
		found = trim(slots[slot])
		if i != s.Version || kindOf(found) != aNull {
			break
		}
	}
	return found
}

// value converts the JSON text of a column; raw nil means that it is not
// there. The error is a reason.
func (c *Column) value(raw []byte, key bool) (any, error) {
	raw = trim(raw)
	absent := len(raw) == 0
	null := !absent && kindOf(raw) == aNull
	if c.Default != nil && (absent || null && c.NotNull && !key) {
		raw, absent = trim(c.Default), false
		null = kindOf(raw) == aNull
	}
	switch {
	case !absent && !null:
		return c.convert(raw, key)
	case !key && !c.NotNull:
		return nil, nil
	case absent:
		return nil, reason("is missing")
	}
	return nil, reason("is null")
}

// convert turns JSON text other than null into the value of the column's type,
// without loss but for instants finer than a microsecond, which are floored.
// With key, equal values come out as the same value.
func (c *Column) convert(raw []byte, key bool) (any, error) {
	if c.Type.Kind == JSON {
		return compact(raw)
	}
	kind := kindOf(raw)
	switch kind {
	case anObject:
		return nil, reason("is an object where " + c.Type.String() + " is wanted")
	case anArray:
		return nil, reason("is an array where " + c.Type.String() + " is wanted")
	case nothing:
		return nil, reason("is not JSON")
	}
	if c.Type.Kind == Bigint && kind == aNumber {
		if v, ok := smallInteger(raw); ok {
			return v, nil
		}
	}
	text, err := scalar(raw, kind)
	if err != nil {
		return nil, err
	}
	switch c.Type.Kind {
	case Text:
		return text, nil
	case Boolean:
		return toBoolean(text)
	case Timestamptz:
		return c.toTime(text, kind)
	case Date:
		return c.toDay(text, kind)
	}
	if kind == aBoolean {
		return nil, unfit("is a boolean where "+c.Type.String()+" is wanted", text)
	}
	return c.Type.fromText(text, kind, key)
}

// scalar is the text of a string, number or boolean, checked.
func scalar(raw []byte, kind shape) (string, error) {
	if kind == aString {
		return unquote(raw)
	}
	text := string(raw)
	if kind == aNumber && !validNumber(text) {
		return "", reason("is not JSON")
	}
	return text, nil
}

// validNumber holds a number to JSON's grammar, which people's is wider than.
func validNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	whole := leadingDigits(s)
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	if rest, ok := strings.CutPrefix(s[len(whole):], "."); ok && leadingDigits(rest) == "" {
		return false
	}
	_, ok := parseNumber(s)
	return ok
}

func (t Type) fromText(text string, kind shape, key bool) (any, error) {
	switch t.Kind {
	case Integer:
		return boxed(parseInteger(text, 32))
	case Bigint:
		return boxed(parseInteger(text, 64))
	case Double:
		return boxed(toDouble(text))
	case Numeric:
		return boxed(parseDecimal(text, t, key))
	}
	if kind == aNumber {
		return nil, unfit("is a number where "+t.String()+" is wanted", text)
	}
	switch t.Kind {
	case UUID:
		return boxed(toUUID(text))
	case Bytes:
		b, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil {
			return nil, unfit("is not base64", text)
		}
		return b, nil
	}
	return nil, reason("has a type that larder does not know")
}

// boxed keeps a value out of an answer that is an error.
func boxed[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// toBoolean also takes 0 and 1, as owners on SQLite or MySQL send them.
func toBoolean(text string) (any, error) {
	switch text {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return nil, unfit("is not a boolean", text)
}

// toDouble rounds to the nearest double, which is what the type means; it does
// not take a number that only infinity or zero is near to.
func toDouble(text string) (float64, error) {
	n, ok := parseNumber(text)
	if !ok {
		return 0, unfit("is not a number", text)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) || v == 0 && !n.zero() {
		return 0, unfit("is out of range", text)
	}
	return v + 0, nil // −0 becomes 0, which databases take for equal
}

// toUUID reads 32 hexadecimal digits, with the usual dashes or none.
func toUUID(text string) (string, error) {
	digits := text
	if len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' {
		digits = text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	}
	var b [16]byte
	if len(digits) != 32 {
		return "", unfit("is not a uuid", text)
	}
	if _, err := hex.Decode(b[:], []byte(digits)); err != nil {
		return "", unfit("is not a uuid", text)
	}
	out := make([]byte, 0, 36)
	for i, part := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			out = append(out, '-')
		}
		out = hex.AppendEncode(out, []byte{part})
	}
	if string(out) == text {
		return text, nil
	}
	return string(out), nil
}

// toTime reads an instant, floored to the microsecond that databases hold.
func (c *Column) toTime(text string, kind shape) (any, error) {
	in, err := c.instant(text, kind)
	if err != nil {
		return nil, err
	}
	return time.Unix(in.sec, int64(in.nsec)/1000*1000).UTC(), nil
}

// toDay reads a plain date; with As the day of an instant, in the zone of As,
// else in the one that it was written with.
func (c *Column) toDay(text string, kind shape) (any, error) {
	if c.As == nil || c.As.style == styleDate {
		if kind != aString {
			return nil, unfit(`is not a date; say how it is written, such as = "unix"`, text)
		}
		return boxed(parseDay(text))
	}
	in, err := c.instant(text, kind)
	if err != nil {
		return nil, err
	}
	t := in.time()
	if c.As.zone != nil {
		t = t.In(c.As.zone)
	} else {
		t = t.Add(time.Duration(in.offset) * time.Second)
	}
	if year := t.Year(); year < 1 || year > 9999 {
		return nil, unfit("is out of range", text)
	}
	return Day(t.Format(time.DateOnly)), nil
}

func (c *Column) instant(text string, kind shape) (instant, error) {
	as := c.As
	if as == nil {
		as = &Format{}
	}
	switch {
	case kind == aBoolean:
		return instant{}, unfit("is not a time", text)
	case kind == aNumber && (as.style == styleRFC3339 || as.style == styleDate):
		return instant{}, unfit(`is a bare number; say how it is written: as = "unix" or "unix_ms"`, text)
	}
	return as.instant(text)
}
