package config

import (
	"strconv"
	"strings"
)

// Kind is the JSON type of a value.
type Kind string

// The kinds of values. TOML has no null; its dates are text.
const (
	Text    Kind = "text"
	Number  Kind = "number"
	Boolean Kind = "boolean"
	List    Kind = "list"
	Object  Kind = "object"
)

// Value is a JSON-like tree with templates in its texts and its members in the order of the file: a body, or a
// query value that is a table.
type Value struct {
	Kind    Kind
	Text    Template // of a text
	Scalar  string   // of a number or boolean, as JSON writes it
	Items   []Value  // of a list
	Members []Member // of an object
}

// Member is a named value of an object.
type Member struct {
	Name  string
	Value Value
}

// Scalar is a single value without placeholders. Text is the same in a URL and in JSON, but for JSON's quotes.
type Scalar struct {
	Kind Kind // Text, Number or Boolean
	Text string
}

// templates calls f with every text of v.
func (v Value) templates(f func(Template)) {
	if v.Kind == Text {
		f(v.Text)
	}
	for _, item := range v.Items {
		item.templates(f)
	}
	for _, m := range v.Members {
		m.Value.templates(f)
	}
}

// value reads a JSON-like tree.
func (r *reader) value(n *node) (Value, bool) {
	if _, isFile := fileOf(n); isFile || n.kind == kindText {
		t, ok := r.template(n)
		return Value{Kind: Text, Text: t}, ok
	}
	v, ok := Value{}, true
	switch n.kind {
	case kindArray:
		v.Kind = List
		for _, c := range n.below {
			item, good := r.value(c)
			ok = ok && good
			v.Items = append(v.Items, item)
		}
	case kindTable:
		v.Kind = Object
		for _, c := range n.below {
			member, good := r.value(c)
			ok = ok && good
			v.Members = append(v.Members, Member{Name: c.key, Value: member})
		}
	case kindTime:
		return Value{Kind: Text, Text: literalTemplate(n.text, n.text)}, true
	default:
		s, good := r.scalar(n)
		return Value{Kind: s.Kind, Scalar: s.Text}, good
	}
	return v, ok
}

// scalar reads a text, number or boolean.
func (r *reader) scalar(n *node) (Scalar, bool) {
	switch n.kind {
	case kindInteger:
		// The decode has refused what does not fit 64 bits.
		i, err := strconv.ParseInt(strings.ReplaceAll(n.text, "_", ""), 0, 64)
		return Scalar{Kind: Number, Text: strconv.FormatInt(i, 10)}, err == nil
	case kindFloat:
		text := strings.TrimPrefix(strings.ReplaceAll(n.text, "_", ""), "+")
		if strings.Trim(text, "-0123456789.eE+") != "" {
			r.wrong(n, "inf and nan are no numbers to an owner; write a finite number")
			return Scalar{}, false
		}
		return Scalar{Kind: Number, Text: text}, true
	case kindBoolean:
		return Scalar{Kind: Boolean, Text: n.text}, true
	case kindTime:
		return Scalar{Kind: Text, Text: n.text}, true
	}
	text, ok := r.text(n)
	return Scalar{Kind: Text, Text: text}, ok
}

// scalars reads one scalar or a list of them.
func (r *reader) scalars(n *node) []Scalar {
	if n.kind == kindArray && len(n.below) == 0 {
		r.wrong(n, "the list is empty; name at least one value")
	}
	var all []Scalar
	for _, c := range eachOf(n) {
		if s, ok := r.scalar(c); ok {
			all = append(all, s)
		}
	}
	return all
}

// eachOf returns the elements of an array, or the value itself.
func eachOf(n *node) []*node {
	if n.kind == kindArray {
		return n.below
	}
	return []*node{n}
}
