package row

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// Compare orders two values of the version column. Nil is the oldest, and so
// is text that the version's format can not read; without a version column all
// are equal.
func (s *Spec) Compare(a, b any) int {
	if s.Version < 0 {
		return 0
	}
	kind := s.Columns[s.Version].Type.Kind
	a, b = s.comparable(a, kind), s.comparable(b, kind)
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		return cmp.Compare(a, b.(float64))
	case time.Time:
		return a.Compare(b.(time.Time))
	case Day:
		return cmp.Compare(a, b.(Day))
	case Stamp:
		return Compare(a, b.(Stamp))
	case number:
		return a.compare(b.(number))
	}
	return 0
}

// comparable turns a value of the version column into what orders it; nil
// where it is of another type than the column, or can not be read.
func (s *Spec) comparable(v any, kind Kind) any {
	ok := false
	switch kind {
	case Integer, Bigint:
		_, ok = v.(int64)
	case Double:
		_, ok = v.(float64)
	case Timestamptz:
		_, ok = v.(time.Time)
	case Date:
		_, ok = v.(Day)
	case Numeric:
		if d, is := v.(Decimal); is {
			n, read := parseNumber(string(d))
			if read {
				if n, _, read = n.expand(maxBefore, maxAfter); read {
					return n
				}
			}
		}
	case Text:
		text, is := v.(string)
		if !is || s.VersionFormat == nil {
			return nil
		}
		if stamp, err := s.VersionFormat.ParseText(text); err == nil {
			return stamp
		}
	}
	if !ok {
		return nil
	}
	return v
}

// EncodeVersion writes a value of a version column as text for bookkeeping;
// "" is nil.
func EncodeVersion(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case Day:
		return string(v)
	case Decimal:
		return string(v)
	case string:
		return "=" + v // tells the empty text from nil
	}
	return ""
}

// DecodeVersion reads what EncodeVersion wrote for a version of the column's
// type. Text of another type, as after a change of the column, is nil.
func (s *Spec) DecodeVersion(text string) any {
	if s.Version < 0 || text == "" {
		return nil
	}
	var v any
	var err error
	switch t := s.Columns[s.Version].Type; t.Kind {
	case Integer, Bigint:
		v, err = boxed(strconv.ParseInt(text, 10, 64))
	case Double:
		v, err = boxed(strconv.ParseFloat(text, 64))
	case Timestamptz:
		var in instant
		in, err = parseRFC3339(text)
		v = in.time()
	case Date:
		v, err = boxed(parseDay(text))
	case Numeric:
		if _, ok := parseNumber(text); ok {
			v = Decimal(text)
		}
	case Text:
		if inner, ok := strings.CutPrefix(text, "="); ok {
			v = inner
		}
	}
	if err != nil {
		return nil
	}
	return v
}
