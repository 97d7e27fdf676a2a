package row

import "github.com/larder-sync/larder/syncer"

// Floor reads where a list begins as a version of the table: see syncer.End.
// Not ok where the table cannot tell its rows that lie before: it has no
// version, one whose values have no order of their own, or one that cannot hold
// this value.
func (s *Spec) Floor(raw []byte) (version any, ok bool) {
	if s.Version < 0 || !s.Columns[s.Version].Type.Ordered() {
		return nil, false
	}
	raw = trim(raw)
	if k := kindOf(raw); k == nothing || k == aNull {
		return nil, false
	}
	v, err := s.Columns[s.Version].convert(raw, false)
	return v, err == nil && v != nil
}

// Reaches reports whether a version is not older than a floor. One that is null
// is older than any.
func (s *Spec) Reaches(version, floor any) bool {
	return version != nil && s.Compare(version, floor) >= 0
}

// Listed is what a walk proves to the table: a list whose floor the table cannot
// read is none. floor is nil where the list has everything.
func (s *Spec) Listed(end *syncer.End) (proven *syncer.End, floor any) {
	if end == nil || !end.Listed || end.Floor == nil {
		return end, nil
	}
	if version, ok := s.Floor(end.Floor); ok {
		return end, version
	}
	unlisted := *end
	unlisted.Listed = false
	return &unlisted, nil
}
