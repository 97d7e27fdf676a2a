package sources

import (
	"maps"
	"slices"
	"strings"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
)

// claim notes which fields of records are read, by the paths that are known.
func (s *Source) claim(set *pathSet) {
	s.names = s.names[:0]
	for slot := range set.wanted {
		if name, ok := set.field(slot); ok {
			s.names = append(s.names, name)
		}
	}
	for _, slot := range set.own {
		if name, ok := set.field(slot); ok {
			s.claimed[name] = true
		}
	}
	if set.as != AsOne || len(set.inner) > 0 {
		return
	}
	for _, path := range set.body { // may lead into the only record
		if n := len(set.at); len(path) > n && slices.Equal(path[:n], set.at) {
			s.claimed[path[n]] = true
		}
	}
}

// field is the field of the record that a slot's path begins with; false where
// it begins with none: a value of the partition is not in the record, and the
// empty path is a record without fields.
func (p *pathSet) field(slot int) (string, bool) {
	w := p.wanted[slot]
	if _, constant := p.each[slot]; constant || w.event || len(w.path) == 0 {
		return "", false
	}
	return w.path[0], true
}

// unnamed asks for what nobody named of the object at a place inside a record;
// nil where the source is not to tell it.
func (s *Source) unnamed(in decode.Path) *decode.Unnamed {
	if !s.spec.Unnamed {
		return nil
	}
	open := func(name string) bool { return slices.Contains(s.spec.Open, name) && !s.claimed[name] }
	return &decode.Unnamed{In: in, Named: slices.DeleteFunc(s.Names(), open)}
}

// Names are the fields of records that the source reads, for itself or for its
// tables: those that are not unnamed.
func (s *Source) Names() []string {
	return slices.AppendSeq(slices.Clone(s.names), maps.Keys(s.claimed))
}

// Reads reports whether the source reads a field for itself, and not only for
// its tables.
func (s *Source) Reads(field string) bool { return s.claimed[field] }

// FieldOf is the field of records that a path of Spec.Paths begins with; false
// where it begins with none.
func FieldOf(path string) (string, bool) {
	if strings.HasPrefix(path, "each.") || strings.HasPrefix(path, "event:") {
		return "", false
	}
	p, err := decode.ParsePath(path)
	if err != nil || len(p) == 0 {
		return "", false
	}
	return p[0], true
}

// record is a record of the owner, as its decoder read it: so many slots, and
// what nobody named.
func (s *Source) record(read [][]byte, width int) syncer.Record {
	slots, members, more := decode.Split(read, width)
	r := syncer.Record{Slots: slots, Untold: more}
	for _, m := range members {
		if !s.claimed[m.Name] { // by another request than the one that was sent
			r.Unnamed = append(r.Unnamed, syncer.Field{Name: m.Name, Raw: m.Raw})
		}
	}
	return r
}
