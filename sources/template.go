package sources

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/larder-sync/larder/sources/decode"
)

// Template is a text with placeholders.
type Template []Part

// Part is a literal, or a placeholder: exactly one of both is set.
type Part struct {
	Literal     string
	Placeholder string // "since", "until", "now", "cursor", "page", "offset", "size", "last", "first", "each"; in a hydrate "keys", "record"
	Field       string // of {last.FIELD}, {first.FIELD} and {record.FIELD}: a path in the record; of {each.NAME}: the name
	Secret      bool   `json:"-"` // of a literal: it is shown nowhere, and sent to nobody but the owner
}

func (p Part) String() string {
	switch {
	case p.Placeholder == "":
		return p.Literal
	case p.Field == "":
		return "{" + p.Placeholder + "}"
	}
	return "{" + p.Placeholder + "." + p.Field + "}"
}

// Kind is the JSON type of a value.
type Kind string

// The kinds of values.
const (
	Text   Kind = "text"
	Scalar Kind = "scalar"
	List   Kind = "list"
	Object Kind = "object"
)

// Value is a JSON-like tree with templates in its texts: a body, or what a
// query parameter is made of.
type Value struct {
	Kind    Kind
	Text    Template // of a text
	Scalar  string   // a number or boolean, as JSON writes it
	Items   []Value  // of a list
	Members []Member // of an object, in the order in which they are written
}

// Member is a named value of an object.
type Member struct {
	Name  string
	Value Value
}

// TextValue is a value that is a text.
func TextValue(t Template) Value { return Value{Kind: Text, Text: t} }

// wholeList as the field of {keys} asks for a list in place of a text.
const wholeList = "*"

// values looks up what a placeholder stands for: JSON text, nil for no value.
type values func(Part) []byte

// expand fills in the placeholders. encode is applied to each value, not to
// literals. A template that is exactly one placeholder without a value reports
// false; a placeholder without one inside a longer text is an error.
func (t Template) expand(look values, encode func(string) (string, error)) (string, bool, error) {
	var b strings.Builder
	for _, p := range t {
		if p.Placeholder == "" {
			b.WriteString(p.Literal)
			continue
		}
		text, ok, err := textOf(look(p))
		switch {
		case err != nil:
			return "", false, fmt.Errorf("fill in %s: %w", p, err)
		case !ok && len(t) == 1:
			return "", false, nil
		case !ok:
			return "", false, fmt.Errorf("fill in %s: it has no value here", p)
		}
		if text, err = encode(text); err != nil {
			return "", false, fmt.Errorf("fill in %s: %w", p, err)
		}
		b.WriteString(text)
	}
	return b.String(), true, nil
}

// textOf is the text of a JSON value as a URL or a header holds it: of a list
// or an object its JSON.
func textOf(raw []byte) (string, bool, error) {
	if len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') {
		return string(raw), true, nil
	}
	return decode.Text(raw)
}

func asIs(s string) (string, error) { return s, nil }

// scalar renders a value of a query parameter or of a text body.
func (v Value) scalar(look values) (string, bool, error) {
	switch v.Kind {
	case Text:
		return v.Text.expand(look, asIs)
	case Scalar:
		return v.Scalar, true, nil
	}
	raw, err := v.json(look)
	return string(raw), err == nil, err
}

// json renders a value as JSON. A member or item that is exactly one
// placeholder without a value is left out; with one it keeps its own type.
func (v Value) json(look values) ([]byte, error) {
	var b bytes.Buffer
	ok, err := v.append(&b, look)
	if err == nil && !ok {
		return []byte("null"), nil
	}
	return b.Bytes(), err
}

func (v Value) append(b *bytes.Buffer, look values) (bool, error) {
	switch v.Kind {
	case Scalar:
		b.WriteString(v.Scalar)
	case List:
		return true, v.appendItems(b, look)
	case Object:
		return true, v.appendMembers(b, look)
	default:
		return v.appendText(b, look)
	}
	return true, nil
}

func (v Value) appendText(b *bytes.Buffer, look values) (bool, error) {
	if len(v.Text) == 1 && v.Text[0].Placeholder != "" {
		p := v.Text[0]
		if p.Placeholder == "keys" {
			p.Field = wholeList
		}
		raw := look(p)
		b.Write(raw)
		return raw != nil, nil
	}
	text, _, err := v.Text.expand(look, asIs)
	if err == nil {
		b.Write(quote(text))
	}
	return true, err
}

func (v Value) appendItems(b *bytes.Buffer, look values) error {
	b.WriteByte('[')
	for start, i := b.Len(), 0; i < len(v.Items); i++ {
		at := b.Len()
		if at > start {
			b.WriteByte(',')
		}
		if ok, err := v.Items[i].append(b, look); err != nil {
			return err
		} else if !ok {
			b.Truncate(at)
		}
	}
	b.WriteByte(']')
	return nil
}

func (v Value) appendMembers(b *bytes.Buffer, look values) error {
	b.WriteByte('{')
	start := b.Len()
	for _, m := range v.Members {
		at := b.Len()
		if at > start {
			b.WriteByte(',')
		}
		b.Write(quote(m.Name))
		b.WriteByte(':')
		if ok, err := m.Value.append(b, look); err != nil {
			return err
		} else if !ok {
			b.Truncate(at)
		}
	}
	b.WriteByte('}')
	return nil
}

// quote writes s as a JSON string, without the escapes of HTML.
func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return []byte(`""`) // no string fails to encode
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
