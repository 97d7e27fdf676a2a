package expression

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// kindOf names what a value is.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return isBool.String()
	case int, decimal:
		return isNumber.String()
	case string:
		return isText.String()
	case []any:
		return isArray.String()
	case map[string]any:
		return isObject.String()
	}
	return "something else"
}

// truth is a value where a condition is wanted.
func truth(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case nil:
		return false, nil
	}
	return false, fmt.Errorf("is %s, not a condition", kindOf(v))
}

// order compares two values by an operator: <, <=, > or >=.
func order(op string, a, b any) (bool, error) {
	if a == nil || b == nil {
		return false, nil
	}
	var c int
	var ok bool
	switch a := a.(type) {
	case string:
		var text string
		if text, ok = b.(string); ok {
			c = strings.Compare(a, text)
		}
	case int, decimal:
		c, ok = compareNumbers(a, b)
	}
	if !ok {
		return false, fmt.Errorf("compares %s with %s", kindOf(a), kindOf(b))
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

// encode writes a value as JSON, members by name. Where rounds, a number
// without end becomes the nearest double.
func encode(v any, rounds bool) ([]byte, error) { return appendJSON(nil, v, rounds, 0) }

func appendJSON(b []byte, v any, rounds bool, depth int) (_ []byte, err error) {
	if depth > maxDepth {
		return b, errors.New("is nested too deep")
	}
	switch v := v.(type) {
	case nil:
		b = append(b, "null"...)
	case bool:
		b = strconv.AppendBool(b, v)
	case int:
		b = strconv.AppendInt(b, int64(v), 10)
	case decimal:
		b, err = appendNumber(b, v.Rat, rounds)
	case string:
		if b, err = jsontext.AppendQuote(b, v); err != nil {
			err = errBroken // as a slice may cut it
		}
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendJSON(b, item, rounds, depth+1); err != nil {
				return b, err
			}
		}
		b = append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = jsontext.AppendQuote(b, name); err != nil {
				return b, errBroken
			}
			if b, err = appendJSON(append(b, ':'), v[name], rounds, depth+1); err != nil {
				return b, err
			}
		}
		b = append(b, '}')
	default:
		return b, errors.New("is something that no column holds")
	}
	if err == nil && len(b) > maxString {
		err = fmt.Errorf("is longer than %d bytes", maxString)
	}
	return b, err
}
