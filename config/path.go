package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// maxSegments bounds the depth of a path; bodies are bounded by max_depth on their own.
const maxSegments = 64

// Path leads to a value inside a body or record: `meta.items.0."odd.name"`.
type Path struct {
	Text     string // as written
	Event    bool   // it starts from the envelope of an unwrapped record: `event:PATH`
	Segments []Segment
}

// Segment is one step of a path. A bare number indexes an array; a name picks a member of an object.
type Segment struct {
	Name  string // the number's digits for an index
	Index int    // -1 for a name
}

// IsZero reports whether there is no path: the body itself is meant.
func (p Path) IsZero() bool { return len(p.Segments) == 0 }

func (p Path) String() string { return p.Text }

// Last is the name of the last segment.
func (p Path) Last() string {
	if p.IsZero() {
		return ""
	}
	return p.Segments[len(p.Segments)-1].Name
}

// Each returns NAME of a path `each.NAME`, which is a constant of the partition and no field of the record.
// A field that is called so is written `"each".NAME`.
func (p Path) Each() (name string, ok bool) {
	if len(p.Segments) == 2 && strings.HasPrefix(p.Text, "each.") {
		return p.Segments[1].Name, true
	}
	return "", false
}

// Equal compares where two paths lead.
func (p Path) Equal(q Path) bool {
	if len(p.Segments) != len(q.Segments) {
		return false
	}
	for i, s := range p.Segments {
		if s != q.Segments[i] {
			return false
		}
	}
	_, a := p.Each()
	_, b := q.Each()
	return a == b && p.Event == q.Event
}

// ParsePath reads a dotted path. A segment with a dot is quoted as in TOML.
func ParsePath(text string) (Path, error) {
	p := Path{Text: text}
	rest := text
	for {
		s, after, err := scanSegment(rest)
		if err != nil {
			return Path{}, err
		}
		p.Segments = append(p.Segments, s)
		if len(p.Segments) > maxSegments {
			return Path{}, fmt.Errorf("a path has at most %d segments", maxSegments)
		}
		if after == "" {
			return p, nil
		}
		if after[0] != '.' {
			return Path{}, errors.New(`after a quoted segment comes a dot or the end`)
		}
		rest = after[1:]
	}
}

// ParseField reads `PATH` or `event:PATH`, a field of a record.
func ParseField(text string) (Path, error) {
	inner, event := strings.CutPrefix(text, "event:")
	p, err := ParsePath(inner)
	if err != nil {
		return Path{}, err
	}
	p.Text, p.Event = text, event
	return p, nil
}

func scanSegment(text string) (s Segment, rest string, err error) {
	if text == "" {
		return s, "", errors.New("a segment is empty; quote a name that holds a dot, as in '\"a.b\"'")
	}
	switch text[0] {
	case '"':
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return s, "", errors.New("a quote does not end")
		}
		name, err := strconv.Unquote(quoted)
		return Segment{Name: name, Index: -1}, text[len(quoted):], err
	case '\'':
		name, rest, ok := strings.Cut(text[1:], "'")
		if !ok {
			return s, "", errors.New("a quote does not end")
		}
		return Segment{Name: name, Index: -1}, rest, nil
	}
	end := strings.IndexByte(text, '.')
	if end < 0 {
		end = len(text)
	}
	s = Segment{Name: text[:end], Index: -1}
	switch {
	case s.Name == "":
		return s, "", errors.New("a segment is empty; quote a name that holds a dot, as in '\"a.b\"'")
	case s.Name == "$" || strings.HasPrefix(s.Name, "$["):
		return s, "", errors.New("a path starts from the body or record, without $; quote a field that is called so")
	case strings.ContainsAny(s.Name, "[]"):
		return s, "", errors.New("an array is indexed as in items.0.id; quote a name that holds a bracket")
	case strings.ContainsFunc(s.Name, unicode.IsControl):
		return s, "", errors.New("a control character stands in it")
	case strings.ContainsAny(s.Name, `"'\\`) || strings.TrimSpace(s.Name) != s.Name:
		return s, "", errors.New("quote a segment that holds a quote or a backslash, or ends in a space")
	case strings.Trim(s.Name, "0123456789") == "":
		if s.Index, err = strconv.Atoi(s.Name); err != nil || s.Index > 1<<30 {
			return s, "", errors.New("an index is too large; quote a name that is a number")
		}
	}
	return s, text[end:], nil
}

// Place is where in a response a value stands: a path in its body, or a header.
type Place struct {
	Header string // its name as written; empty for a path in the body
	Body   Path
}

// IsZero reports whether no place was given.
func (p Place) IsZero() bool { return p.Header == "" && p.Body.IsZero() }

func (p Place) String() string {
	if p.Header != "" {
		return "header:" + p.Header
	}
	return p.Body.Text
}

// ParsePlace reads `PATH`, `body:PATH` or `header:Name`.
func ParsePlace(text string) (Place, error) {
	if name, ok := strings.CutPrefix(text, "header:"); ok {
		if !isToken(name) {
			return Place{}, errors.New("a header's name is letters, digits and dashes")
		}
		return Place{Header: name}, nil
	}
	path, err := ParsePath(strings.TrimPrefix(text, "body:"))
	return Place{Body: path}, err
}

// isToken reports whether name can be the name of an HTTP header (RFC 9110, token).
func isToken(name string) bool {
	for _, c := range name {
		if !isNameChar(c) && !strings.ContainsRune("!#$%&'*+.^`|~", c) {
			return false
		}
	}
	return name != ""
}

// path reads a dotted path.
func (r *reader) path(n *node) (Path, bool) {
	text, ok := r.text(n)
	if !ok {
		return Path{}, false
	}
	p, err := ParsePath(text)
	if err != nil {
		r.wrong(n, "%s is no path: %v", r.shown(n), err)
	}
	return p, err == nil
}

// field reads a path that starts from a record or its envelope.
func (r *reader) field(n *node) (Path, bool) {
	text, ok := r.text(n)
	if !ok {
		return Path{}, false
	}
	p, err := ParseField(text)
	if err != nil {
		r.wrong(n, "%s is no path: %v", r.shown(n), err)
	}
	return p, err == nil
}

// fields reads one field or a list of them.
func (r *reader) fields(n *node) []Path {
	if n.kind == kindArray && len(n.below) == 0 {
		r.wrong(n, "the list is empty; name at least one field")
	}
	var all []Path
	for _, c := range eachOf(n) {
		if p, ok := r.field(c); ok {
			all = append(all, p)
		}
	}
	return all
}

// place reads a path in the body, or header:NAME.
func (r *reader) place(n *node) (Place, bool) {
	text, ok := r.text(n)
	if !ok {
		return Place{}, false
	}
	p, err := ParsePlace(text)
	if err != nil {
		r.wrong(n, "%s is no place: %v", r.shown(n), err)
	}
	return p, err == nil
}

func (s section) path(key string, into *Path) {
	if n := s.child(key); n != nil {
		*into, _ = s.r.path(n)
	}
}

func (s section) field(key string, into *Path) {
	if n := s.child(key); n != nil {
		*into, _ = s.r.field(n)
	}
}

func (s section) fields(key string, into *[]Path) {
	if n := s.child(key); n != nil {
		*into = s.r.fields(n)
	}
}

func (s section) place(key string, into *Place) {
	if n := s.child(key); n != nil {
		*into, _ = s.r.place(n)
	}
}
