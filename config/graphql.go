package config

import (
	"cmp"
	"slices"
)

// graphql reads a document and its variables. GraphQL over HTTP sends both as one JSON object, which becomes the
// body.
func (s section) graphql(q *Request) {
	r, document := s.r, s.child("graphql")
	if document == nil {
		for _, key := range []string{"variables", "connection"} {
			if n := s.child(key); n != nil {
				r.wrong(n, "belongs to a GraphQL document, and there is none; write graphql = '''query …''', or leave it out")
			}
		}
		return
	}
	q.graphql = document
	s.checkGraphQL(q)
	text, ok := r.text(document)
	if ok && text == "" {
		r.wrong(document, "is empty; write the document, such as 'query { … }'")
	}
	// A document in a file of its own is no secret, and shapes the answer: it stands for itself.
	body := &Value{Kind: Object, Members: []Member{{"query", Value{Kind: Text, Text: literalTemplate(text, text)}}}}
	switch variables := s.child("variables"); {
	case variables == nil:
	case variables.kind != kindTable:
		r.wrong(variables, "is %s; write { NAME = value }", variables.what())
	default:
		if v, ok := r.value(variables); ok {
			body.Members = append(body.Members, Member{"variables", v})
		}
	}
	q.Body = body
	s.path("connection", &q.connection)
}

// checkGraphQL refuses what a document leaves no room for.
func (s section) checkGraphQL(q *Request) {
	for _, key := range []string{"body", "content_type"} {
		if n := s.child(key); n != nil {
			s.r.wrong(n, "has no use with graphql, which is sent as a body of JSON; leave it out")
		}
	}
	if q.Method == "GET" {
		s.r.wrong(s.child("method"), `GET sends no body, and graphql is one; write "POST", or leave out the method`)
	}
	if body := s.child("later").child("body"); body != nil {
		s.r.wrong(body, "has no use with graphql: a variable that is a placeholder alone is left out while it has no value; leave it out")
	}
}

// connect sets where a GraphQL answer has its pages, its records and its errors, as far as nothing else is said. A
// record that is unwrapped from "node" stands in an edge.
func (q *Request) connect(p *Paging, records *Records) {
	if q.graphql == nil {
		return
	}
	if records.Error.IsZero() {
		records.Error = Place{Body: pathOf("errors")}
	}
	if q.connection.IsZero() {
		return
	}
	if records.At.IsZero() {
		name := "nodes"
		if unwrap := records.Unwrap.Segments; len(unwrap) > 0 && unwrap[0].Name == "node" {
			name = "edges"
		}
		records.At = q.connection.below(name)
	}
	if p.By = cmp.Or(p.By, PagingCursor); p.By != PagingCursor {
		return
	}
	if p.Next.IsZero() {
		p.Next = Place{Body: q.connection.below("pageInfo", "endCursor")}
	}
	if p.More.IsZero() {
		p.More = Test{At: Place{Body: q.connection.below("pageInfo", "hasNextPage")}}
	}
}

// connect is Request.connect for a resync: what is not said in s gives way to the connection of its own request.
func (y *Resync) connect(s section, part *Source) {
	q := y.Request
	if q == nil || q.graphql == nil {
		return
	}
	paging, records := &part.Paging, &part.Records
	if !s.has("records") {
		y.Records = records
		records.Error, records.Deleted.List, records.Deleted.Ask = Place{}, nil, nil
	}
	if !q.connection.IsZero() {
		y.Paging = paging
		if !s.has("paging") {
			paging.By, paging.Next, paging.More = "", Place{}, Test{}
		}
		if !s.has("records") {
			records.At = Path{}
		}
	}
	q.connect(paging, records)
}

// checkConnection checks that the pages of a connection are followed.
func (r *reader) checkConnection(s section, q *Request, p Paging) {
	n := s.child("request").child("connection")
	if n != nil && !q.connection.IsZero() && p.By != PagingCursor {
		r.wrong(n, `pages by "cursor", and this paging is by %q; leave by out, or say records.at and paging without connection`, p.By)
	}
}

// below is the path of what stands below p.
func (p Path) below(names ...string) Path {
	out := Path{Text: p.Text, Segments: slices.Clone(p.Segments)}
	for _, name := range names {
		out.Text += "." + name
		out.Segments = append(out.Segments, Segment{Name: name, Index: -1})
	}
	return out
}

func pathOf(name string) Path { return Path{Text: name, Segments: []Segment{{Name: name, Index: -1}}} }
