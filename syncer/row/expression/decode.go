package expression

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

// errBroken is of text that only a condition may read, which keeps none of it.
var errBroken = errors.New("is not valid text")

// decode is the value of JSON text: nil, bool, int, decimal, string, []any or
// map[string]any. No text at all is nil. In text that is not valid, marks stand
// for what is broken: it can be equal to nothing that an expression writes. Read
// exactly, it is an error, and so is a member name that comes twice.
func decode(raw []byte, exact bool) (any, error) {
	raw = bytes.Trim(raw, " \t\r\n")
	if len(raw) == 0 {
		return nil, nil
	}
	switch c := raw[0]; {
	case c == '{' || c == '[':
		return decodeNested(raw, exact)
	case c == '"':
		return decodeString(raw, exact)
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

func decodeString(raw []byte, exact bool) (any, error) {
	if len(raw) > maxString {
		return nil, fmt.Errorf("is longer than %d bytes", maxString)
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && len(raw) > 1 && raw[len(raw)-1] == '"' {
		if exact {
			return nil, errBroken
		}
		return strings.ToValidUTF8(string(b), "\uFFFD"), nil
	}
	if err != nil {
		return nil, errNotJSON
	}
	return string(b), nil
}

func decodeNested(raw []byte, exact bool) (any, error) {
	if len(raw) > maxValue {
		return nil, fmt.Errorf("is longer than %d bytes", maxValue)
	}
	d := nested{Decoder: jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(!exact), jsontext.AllowInvalidUTF8(!exact))}
	v, err := d.value()
	if errors.Is(err, errNotJSON) && exact && jsontext.Value(raw).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) {
		return nil, errors.New("has a member name twice, or text that is not valid")
	}
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
