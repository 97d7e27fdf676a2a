package where

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of one field's value, so that no owner can make judging slow.
const (
	maxValue    = 64 << 10 // bytes of an object or array
	maxElements = 1000     // values inside it, at whatever depth
	maxString   = 1 << 20
	maxDepth    = 64
)

var errNotJSON = errors.New("is not JSON")

// decode is the value of JSON text: nil, bool, int, float64, string, []any or
// map[string]any. No text at all is nil.
func decode(raw []byte) (any, error) {
	raw = bytes.Trim(raw, " \t\r\n")
	if len(raw) == 0 {
		return nil, nil
	}
	switch c := raw[0]; {
	case c == '{' || c == '[':
		return decodeNested(raw)
	case c == '"':
		return decodeString(raw)
	case c == '-' || c >= '0' && c <= '9':
		return number(string(raw))
	}
	switch string(raw) {
	case "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return nil, errNotJSON
}

func decodeString(raw []byte) (any, error) {
	if len(raw) > maxString {
		return nil, fmt.Errorf("is longer than %d bytes", maxString)
	}
	// What is no valid text inside is replaced: it can be equal to nothing that
	// an expression writes.
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && len(raw) > 1 && raw[len(raw)-1] == '"' {
		return strings.ToValidUTF8(string(b), "\uFFFD"), nil
	}
	if err != nil {
		return nil, errNotJSON
	}
	return string(b), nil
}

// number is an int where the value is a whole one of 64 bits, else the nearest
// float64.
func number(text string) (any, error) {
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return int(v), nil
	}
	if strings.ContainsAny(text, "xXpP_iInN") {
		return nil, errNotJSON
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		if errors.Is(err, strconv.ErrRange) {
			return nil, errors.New("is a number out of range")
		}
		return nil, errNotJSON
	}
	// Below this bound a double that is whole is the number itself.
	if v == math.Trunc(v) && math.Abs(v) <= 1<<53 {
		return int(v), nil
	}
	return v, nil
}

func decodeNested(raw []byte) (any, error) {
	if len(raw) > maxValue {
		return nil, fmt.Errorf("is longer than %d bytes", maxValue)
	}
	d := nested{Decoder: jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, errNotJSON
	}
	return v, nil
}

// nested reads an object or array.
type nested struct {
	*jsontext.Decoder
	elements int
}

func (d *nested) value() (any, error) {
	if d.elements++; d.elements > maxElements {
		return nil, fmt.Errorf("holds more than %d values", maxElements)
	}
	if d.StackDepth() > maxDepth {
		return nil, errors.New("is nested too deep")
	}
	t, err := d.ReadToken()
	if err != nil {
		return nil, errNotJSON
	}
	switch t.Kind() {
	case '{':
		return d.object()
	case '[':
		return d.array()
	case '"':
		return t.String(), nil
	case '0':
		return number(t.String())
	case 't', 'f':
		return t.Bool(), nil
	}
	return nil, nil
}

func (d *nested) object() (any, error) {
	out := map[string]any{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, errNotJSON
		}
		key := name.String()
		if out[key], err = d.value(); err != nil {
			return nil, err
		}
	}
	return out, d.end()
}

func (d *nested) array() (any, error) {
	out := []any{}
	for d.PeekKind() != ']' {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, d.end()
}

func (d *nested) end() error {
	if _, err := d.ReadToken(); err != nil {
		return errNotJSON
	}
	return nil
}

// kindOf names what a value is.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case int, float64:
		return "a number"
	case string:
		return "a text"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
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
	case int, float64:
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
