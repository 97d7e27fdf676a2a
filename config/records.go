package config

// Records is where a source's records are in a response, and what they say of themselves.
type Records struct {
	At      Path // of the array; zero: the body is the array
	Format  RecordFormat
	Key     []Path // may name each.NAME
	Version []Path // the first that is not null; the watermark's fields unless said
	Deleted Deleted
	Error   Place // which, when there and not empty, makes a 200 a failure
	Require Test  // that must hold
}

// RecordFormat is how a body holds records.
type RecordFormat string

// The formats of bodies.
const (
	JSON   RecordFormat = "json"
	NDJSON RecordFormat = "ndjson" // one record a line, streamed
)

// Deleted is how a record tells that it is gone. In a snapshot it may be zero: what is absent is gone.
type Deleted struct {
	Never  bool     // the owner never deletes
	Field  Path     // zero with Never
	Equals []Scalar // any of them; none: present, not null and not false
}

// IsZero reports whether nothing was said about deletes.
func (d Deleted) IsZero() bool { return !d.Never && d.Field.IsZero() }

func (r *reader) records(n *node, into *Records) {
	s, ok := r.section(n, "at", "format", "key", "version", "deleted", "error", "require")
	if !ok {
		return
	}
	r.recordsPlaces(s, into)
	if s.need("key", `key = "id", or a list of fields`) != nil {
		s.paths("key", &into.Key)
	}
	s.paths("version", &into.Version)
}

// recordsPlaces reads where records are and what a whole answer must hold.
func (r *reader) recordsPlaces(s section, into *Records) {
	s.path("at", &into.At)
	format := string(into.Format)
	s.choice("format", &format, string(JSON), string(NDJSON))
	into.Format = RecordFormat(format)
	if deleted := s.child("deleted"); deleted != nil {
		into.Deleted = r.deleted(deleted)
	}
	s.place("error", &into.Error)
	if require := s.child("require"); require != nil {
		if require.kind != kindTable {
			r.wrong(require, "is %s; write { at = \"PATH\", equals = VALUE }", require.what())
		} else {
			into.Require = r.test(require)
		}
	}
}

// deleted reads "field", "never" or { field, equals }.
func (r *reader) deleted(n *node) Deleted {
	var d Deleted
	if _, isFile := fileOf(n); n.kind != kindTable || isFile {
		text, ok := r.text(n)
		if ok && text == "never" {
			return Deleted{Never: true}
		}
		if ok {
			d.Field, _ = r.path(n)
		}
		return d
	}
	s, ok := r.section(n, "field", "equals")
	if !ok {
		return d
	}
	if s.need("field", `field = "PATH"`) != nil {
		s.path("field", &d.Field)
	}
	if equals := s.child("equals"); equals != nil {
		d.Equals = r.scalars(equals)
	}
	return d
}
