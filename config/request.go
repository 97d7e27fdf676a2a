package config

import (
	"net/http"
	"strings"
)

// Request is how a source asks, with placeholders where something changes from page to page or poll to poll.
type Request struct {
	Method  string // GET or POST
	Path    Template
	Query   []Param
	Headers []Header
	// Body: a text is sent as it is, everything else as JSON, but for a table whose ContentType is Form; nil: no body.
	Body        *Value
	ContentType string // of the body
	Plus        bool   // in a query and a form a space is written as a plus
	Conditional bool   // ETag and Last-Modified go back to the owner
	Later       Later  // what is asked otherwise for every page after the first

	conditional *node
	graphql     *node // the document that Body was made of
	connection  Path  // of the pages in its answer
}

// IsGraphQL reports whether the body is a GraphQL document with its variables.
func (q *Request) IsGraphQL() bool { return q.graphql != nil }

// Param is a query parameter. Several values repeat it; a list or an object is sent as JSON text.
type Param struct {
	Name   string
	Values []Value
}

// Header is a request header.
type Header struct {
	Name  string
	Value Template
}

// Later replaces first-level keys of a request for every page after the first.
type Later struct {
	Query   []Param  // a parameter without values goes away
	Body    []Member // of a body that is an object
	Without []string // members of the body that go away
}

func (r *reader) request(n *node, q *Request) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	choose(s, "method", &q.Method)
	if path := s.child("path"); path != nil {
		q.Path, _ = r.template(path)
		r.checkRequestPath(path, q.Path)
	}
	if query := s.child("query"); query != nil {
		q.Query = r.query(query)
	}
	if headers := s.child("headers"); headers != nil {
		q.Headers = r.headers(headers)
	}
	if body := s.child("body"); body != nil {
		if v, ok := r.value(body); ok {
			q.Body = &v
		}
	}
	s.text("content_type", &q.ContentType)
	if q.conditional = s.child("conditional"); q.conditional != nil {
		s.flag("conditional", &q.Conditional)
	}
	space := "%20"
	choose(s, "space", &space)
	q.Plus = space == "+"
	s.checkSpace(q)
	s.checkForm(q)
	if s.graphql(q); q.graphql == nil {
		s.checkBody(q)
	}
	if later := s.child("later"); later != nil {
		r.later(later, q)
	}
}

// later reads what changes after the first page. false takes a key away.
func (r *reader) later(n *node, q *Request) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	if query := s.child("query"); query != nil {
		kept, gone := r.split(query)
		q.Later.Query = r.query(kept)
		for _, name := range gone {
			q.Later.Query = append(q.Later.Query, Param{Name: name})
		}
	}
	body := s.child("body")
	switch {
	case body == nil || q.graphql != nil:
	case q.Body == nil || q.Body.Kind != Object:
		r.wrong(body, "replaces members of a body that is a table, and request.body is none")
	default:
		kept, gone := r.split(body)
		if v, ok := r.value(kept); ok {
			q.Later.Body, q.Later.Without = v.Members, gone
		}
	}
}

// split parts the keys of a table that are false from the others.
func (r *reader) split(n *node) (kept *node, gone []string) {
	copied := *n
	copied.below = nil
	for _, c := range n.below {
		if c.kind == kindBoolean && c.text == "false" {
			gone = append(gone, c.key)
		} else {
			copied.below = append(copied.below, c)
		}
	}
	return &copied, gone
}

// checkRequestPath refuses what is not a path below the owner's url.
func (r *reader) checkRequestPath(n *node, path Template) {
	text := path.String()
	switch {
	case path.IsZero() || outside(n):
	case !strings.HasPrefix(text, "/"):
		r.wrong(n, "must begin with /; it is appended to the owner's url")
	case strings.ContainsAny(text, "?#"):
		r.wrong(n, "holds ? or #; write parameters in request.query")
	}
}

func (s section) checkBody(q *Request) {
	body, kind := s.child("body"), s.child("content_type")
	switch {
	case body == nil && kind != nil:
		s.r.wrong(kind, "has no use without a body; leave it out")
	case body == nil || q.Body == nil:
	case q.Body.Kind == List && isForm(q.ContentType):
		s.r.wrong(body, "is %s, and a form has names; write a table", body.what())
	case q.Method == "GET":
		s.r.wrong(s.child("method"), `GET sends no body; write "POST", or leave out the method`)
	case q.Body.Kind == Text && kind == nil:
		s.r.wrong(body, `a text is sent as it is; say what it is with content_type = "…", or write a table for JSON`)
	case q.Body.Kind != Text && q.Body.Kind != Object && q.Body.Kind != List:
		s.r.wrong(body, "is %s; write a table for JSON, or a text with content_type", body.what())
	}
}

func (r *reader) query(n *node) []Param {
	if n.kind != kindTable {
		r.wrong(n, "is %s; write { NAME = value }", n.what())
		return nil
	}
	var all []Param
	for _, c := range n.below {
		r.checkParameter(c)
		p := Param{Name: c.key}
		for _, one := range eachOf(c) {
			if v, ok := r.value(one); ok {
				p.Values = append(p.Values, v)
			}
		}
		all = append(all, p)
	}
	return all
}

func (r *reader) headers(n *node) []Header {
	if n.kind != kindTable {
		r.wrong(n, "is %s; write { NAME = \"value\" }", n.what())
		return nil
	}
	var all []Header
	for _, c := range n.below {
		if !isToken(c.key) {
			r.note(c, c.keyAt, "is no name of a header; use letters, digits and dashes")
			continue
		}
		v, ok := r.template(c)
		for _, p := range v.Parts {
			if strings.ContainsFunc(p.Literal, isControl) {
				r.wrong(c, "holds a line break or another control character, which no header can carry")
				break
			}
		}
		if ok {
			all = append(all, Header{http.CanonicalHeaderKey(c.key), v})
		}
	}
	return all
}

// templates calls f with every template of the request. must tells that a placeholder in it needs a value from
// the first request on: only a value that is a placeholder and nothing else can be left out.
func (q *Request) templates(f func(t Template, must bool)) {
	q.first(f)
	parameters(q.Later.Query, f)
	if q.IsForm() {
		parameters(formOf(q.Later.Body), f)
		return
	}
	for _, m := range q.Later.Body {
		m.Value.templates(func(t Template) { f(t, !t.IsSingle()) })
	}
}

// first calls f with the templates of the first page.
func (q *Request) first(f func(t Template, must bool)) {
	f(q.Path, true)
	parameters(q.Query, f)
	for _, h := range q.Headers {
		f(h.Value, !h.Value.IsSingle())
	}
	switch {
	case q.Body == nil:
	case q.IsForm():
		parameters(formOf(q.Body.Members), f)
	default:
		q.Body.templates(func(t Template) { f(t, !t.IsSingle() || q.Body.Kind == Text) })
	}
}

func parameters(all []Param, f func(t Template, must bool)) {
	for _, p := range all {
		for _, v := range p.Values {
			v.templates(func(t Template) { f(t, !t.IsSingle() || v.Kind != Text) })
		}
	}
}

// Uses reports whether a placeholder of that name ("since", "cursor", "last" …) is anywhere in the request.
func (q *Request) Uses(placeholder string) bool {
	used := false
	q.templates(func(t Template, _ bool) {
		for _, p := range t.Placeholders() {
			used = used || p.Placeholder == placeholder
		}
	})
	return used
}

// Needs reports whether a placeholder of that name stands where it cannot be left out. What an answer gives is
// there from the second page on.
func (q *Request) Needs(placeholder string) bool {
	needed, look := false, q.templates
	if placeholder == "cursor" || placeholder == "last" || placeholder == "first" {
		look = q.first
	}
	look(func(t Template, must bool) {
		for _, p := range t.Placeholders() {
			needed = needed || must && p.Placeholder == placeholder
		}
	})
	return needed
}
