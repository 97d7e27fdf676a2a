package config

// Records is where a source's records are in a response, and what they say of themselves.
type Records struct {
	At Path // of what holds the records; zero: the body
	As As
	// AbsentEmpty takes an answer without At for one without records. Require tells such an answer from an error.
	AbsentEmpty bool
	Format      RecordFormat
	Separator   string // between the fields of CSV; "": a comma
	Unwrap      Path   // of the record in its envelope; zero: there is none
	Key         []Path // may name each.NAME
	Version     []Path // the first that is not null; the watermark's fields unless said
	Deleted     Deleted
	Hydrate     *Hydrate // nil: the feed has whole records
	Partial     bool     // a record may carry only what changed
	Error       Place    // which, when there and not empty, makes a 200 a failure
	Require     Test     // that must hold
}

// RecordFormat is how a body holds records.
type RecordFormat string

// The formats of bodies.
const (
	JSON   RecordFormat = "json"
	NDJSON RecordFormat = "ndjson" // one record a line
	CSV    RecordFormat = "csv"    // a header that names the fields, and one record a line
)

// bare says that a body holds records and nothing beside: that of every format but JSON.
func (f RecordFormat) bare() bool { return f != JSON }

// As is what stands where the records are.
type As string

// What holds records: an array of them, an object whose values they are, a single one, an object of parallel arrays,
// or an array of bare values, each of which is a key.
const (
	AsArray   As = ""
	AsMap     As = "map"
	AsOne     As = "one"
	AsColumns As = "columns"
	AsValue   As = "value"
)

// What an answer without the records' place is.
const (
	absentFail  = "fail"
	absentEmpty = "empty"
)

func (r *reader) records(n *node, into *Records) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	r.recordsPlaces(s, into)
	if s.need("key", `key = "id", or a list of fields`) != nil {
		s.fields("key", &into.Key)
	}
	s.fields("version", &into.Version)
	s.flag("partial", &into.Partial)
	if hydrate := s.child("hydrate"); hydrate != nil {
		into.Hydrate = r.hydrate(hydrate)
	}
}

// recordsPlaces reads where records are and what a whole answer must hold.
func (r *reader) recordsPlaces(s section, into *Records) {
	if at := s.child("at"); at != nil {
		r.recordsAt(at, into)
	}
	absent := absentFail
	choose(s, "absent", &absent)
	into.AbsentEmpty = absent == absentEmpty
	s.path("unwrap", &into.Unwrap)
	choose(s, "format", &into.Format)
	if s.text("separator", &into.Separator); into.Separator == "," {
		into.Separator = ""
	}
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

// recordsAt reads a path, or { at, as }.
func (r *reader) recordsAt(n *node, into *Records) {
	if _, isFile := fileOf(n); n.kind != kindTable || isFile {
		into.At, _ = r.path(n)
		return
	}
	s, ok := r.section(n)
	if !ok {
		return
	}
	s.path("at", &into.At)
	if s.need("as", `as = "map", or another of one, columns, value`) == nil {
		return
	}
	choose(s, "as", &into.As)
}

// keyFields are the fields of the key that a record has itself: constants of the partition are none.
func (r *Records) keyFields() (fields []Path) {
	for _, p := range r.Key {
		if _, constant := p.Each(); !constant {
			fields = append(fields, p)
		}
	}
	return fields
}
