package config

// Drift is what becomes of fields that the owner sends and nobody named.
type Drift string

// The ways to follow an owner that adds fields.
const (
	DriftIgnore Drift = "ignore"
	DriftNote   Drift = "note"
	DriftAdd    Drift = "add"
	DriftFail   Drift = "fail"
)

// drift reads drift, which only records with fields can have.
func (r *reader) drift(s section, t *Table) {
	choose(s, "drift", &t.Drift)
	if n := s.child("drift"); n != nil && t.Drift != DriftIgnore && t.Source.Records.As == AsValue && t.Source.Records.Hydrate == nil {
		r.wrong(n, "the records of source %q are single values and have no fields; leave it out", t.Source.Name)
	}
}
