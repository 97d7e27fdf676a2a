package config

import "mime"

// formType is the media type of a form.
const formType = "application/x-www-form-urlencoded"

// IsForm reports whether the body is sent as a form: its members are parameters, as those of a query are.
func (q *Request) IsForm() bool {
	return q.Body != nil && q.Body.Kind == Object && isForm(q.ContentType)
}

func isForm(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == formType
}

// formOf is the members of a form as parameters: a list repeats one.
func formOf(members []Member) []Param {
	var all []Param
	for _, m := range members {
		p := Param{Name: m.Name, Values: []Value{m.Value}}
		if m.Value.Kind == List {
			p.Values = m.Value.Items
		}
		all = append(all, p)
	}
	return all
}

// checkSpace refuses to say how a space is written where none can be.
func (s section) checkSpace(q *Request) {
	n := s.child("space")
	if n != nil && len(q.Query) == 0 && !s.child("later").has("query") && !q.IsForm() {
		s.r.wrong(n, "is how a space is written in a query or a form, and there is neither; leave it out")
	}
}

// checkForm refuses parameters without a name.
func (s section) checkForm(q *Request) {
	if body := s.child("body"); body != nil && q.IsForm() {
		for _, c := range body.below {
			s.r.checkParameter(c)
		}
	}
}

func (r *reader) checkParameter(n *node) {
	if n.key == "" {
		r.note(n, n.keyAt, "a parameter has a name; write it, or leave the parameter out")
	}
}

func (n *node) has(key string) bool { return n.child(key) != nil }
