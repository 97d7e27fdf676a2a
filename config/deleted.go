package config

// Deleted is how the owner tells that a record is gone: at most one of Never, Field, List and Ask. Zero: it does not
// tell, and what is absent from a list of everything is gone.
type Deleted struct {
	Never  bool     // the owner never deletes
	Field  Path     // of the records
	Equals []Scalar // any of them; none: Field is present, not null and not false
	List   *DeletedList
	Ask    *DeletedAsk
}

// DeletedList is a list of what is gone in the same answer.
type DeletedList struct {
	At  Path // of the array
	Key Path // of the key in its elements; zero: they are keys
}

// DeletedAsk is a request that tells what is gone. It is asked before the records.
type DeletedAsk struct {
	Request Request
	At      Path // of the array; zero: the body is the array
	Key     Path // of the key in its elements; zero: they are keys
	// From is how far the answer reaches, and Earliest how far back the owner can tell, both as the watermark is
	// written; zero: not told.
	From, Earliest Place
}

// IsZero reports whether nothing was said about deletes.
func (d Deleted) IsZero() bool {
	return !d.Never && d.Field.IsZero() && d.List == nil && d.Ask == nil
}

// deleted reads "field", "never", { field, equals }, { at, key } or { request, at, key, from, earliest }.
func (r *reader) deleted(n *node) Deleted {
	var d Deleted
	if _, isFile := fileOf(n); n.kind != kindTable || isFile {
		if n.kind == kindBoolean {
			r.wrong(n, `is a boolean; write the field that tells it, such as "deleted_at", or "never" if the owner never deletes`)
			return d
		}
		text, ok := r.text(n)
		if ok && text == "never" {
			return Deleted{Never: true}
		}
		if ok {
			d.Field, _ = r.field(n)
		}
		return d
	}
	s, ok := r.section(n)
	if !ok {
		return d
	}
	switch {
	case s.has("request"):
		d.Ask = r.deletedAsk(s)
	case s.has("at") || s.has("key"):
		d.List = r.deletedList(s)
	default:
		r.deletedField(s, &d)
	}
	return d
}

func (r *reader) deletedField(s section, d *Deleted) {
	if s.need("field", `field = "PATH"`) != nil {
		s.field("field", &d.Field)
	}
	if equals := s.child("equals"); equals != nil {
		d.Equals = r.scalars(equals)
	}
	s.apart("the answer to a request of its own: write request = { path = \"/…\" } too", "from", "earliest")
}

func (r *reader) deletedList(s section) *DeletedList {
	l := new(DeletedList)
	if s.need("at", `at = "PATH", where the list of what is gone is`) != nil {
		s.path("at", &l.At)
	}
	s.path("key", &l.Key)
	s.apart("a mark in the records, and at names a list; leave one out", "field", "equals")
	s.apart("the answer to a request of its own: write request = { path = \"/…\" } too", "from", "earliest")
	return l
}

func (r *reader) deletedAsk(s section) *DeletedAsk {
	a := new(DeletedAsk)
	r.request(s.child("request"), &a.Request)
	a.Request.fill(PagingNone)
	s.path("at", &a.At)
	s.path("key", &a.Key)
	s.place("from", &a.From)
	s.place("earliest", &a.Earliest)
	s.apart("a mark in the records, and request asks for a list; leave one out", "field", "equals")
	return a
}

// apart refuses keys that belong to another form of a value.
func (s section) apart(belongs string, keys ...string) {
	for _, key := range keys {
		if n := s.child(key); n != nil {
			s.r.wrong(n, "belongs to %s", belongs)
		}
	}
}
