package row

import (
	"cmp"
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Row is a record as its table holds it.
type Row struct {
	// Values holds one value a column: nil or, by the column's kind, string
	// (Text, and UUID in lower case with dashes), bool, int64 (Integer within
	// 32 bits, and Bigint), float64, Decimal, time.Time in UTC without
	// anything finer than microseconds, Day, Document (JSON), or []byte. Rows
	// may share values: they are not to be written to.
	Values []any
	// Key is the canonical JSON array of the key's values.
	Key string
	// Late is the record's. See syncer.Record.
	Late time.Duration
}

// Folded is what the records of several batches come to.
type Folded struct {
	// Upserts and Deletes hold at most one change for each key over both,
	// sorted by Key, so that all writers lock rows in one order. Of a deleted
	// row only key and version are set.
	Upserts, Deletes []Row
	// Misfits do not fit the table, at most one for each key, sorted by Key.
	// Where the key also has a change, the misfit is the newer of the two.
	Misfits []Misfit
	// Records is how many records were folded.
	Records int
}

// Fold converts the records of all batches, in order, and leaves for each key
// what the last word on it is. A record replaces an earlier one of its key
// unless its version is older; nil is the oldest version. A tombstone without
// version replaces everything before it, and everything after replaces it. A
// record that does not fit replaces nothing. It is reported unless a change of
// its key that is as new or newer makes it void.
func (s *Spec) Fold(batches []*syncer.Batch) Folded {
	f := newFold(s, batches)
	for _, b := range batches {
		for i := range b.Records {
			f.record(&b.Records[i])
		}
	}
	return f.result()
}

// fold is a Fold under way.
type fold struct {
	*reading
	changes []change
	byKey   map[string]int
	misfits []pending
	badKey  map[string]int
	records int
	// slab is where rows get their Values from, a few hundred at a time; left
	// is how many may still come.
	slab []any
	left int
}

type change struct {
	row  Row
	gone bool
}

type pending struct {
	misfit  Misfit
	version any
}

func newFold(s *Spec, batches []*syncer.Batch) *fold {
	f := &fold{reading: newReading(s), badKey: map[string]int{}}
	for _, b := range batches {
		f.left += len(b.Records)
	}
	f.changes = make([]change, 0, f.left)
	f.byKey = make(map[string]int, f.left)
	return f
}

// take takes the space for one row out of the slab.
func (f *fold) take() []any {
	const rows = 256
	width := len(f.spec.Columns)
	if len(f.slab) < width {
		f.slab = make([]any, width*max(1, min(rows, f.left)))
	}
	f.left--
	v := f.slab[:width:width]
	f.slab = f.slab[width:]
	return v
}

func (f *fold) record(r *syncer.Record) {
	f.records++
	for i := range f.raws {
		f.raws[i] = f.spec.pick(i, r.Slots)
	}
	f.values = f.take()
	if misfit := f.read(r.Gone); misfit != nil {
		misfit.Record = f.spec.encodeRecord(f.raws, r.Gone)
		f.setAside(*misfit, f.spec.versionOf(f.values))
		return
	}
	f.apply(change{row: Row{Values: f.values, Late: r.Late}, gone: r.Gone})
}

// apply lets a change replace what its key, in f.key, had before.
func (f *fold) apply(c change) {
	i, known := f.byKey[string(f.key)]
	if !known {
		c.row.Key = string(f.key)
		f.byKey[c.row.Key] = len(f.changes)
		f.changes = append(f.changes, c)
	} else {
		before := &f.changes[i]
		if !f.spec.replaces(c, *before) {
			return
		}
		c.row.Key = before.row.Key
		*before = c
	}
	if at, bad := f.badKey[c.row.Key]; bad {
		if f.spec.wipes(c) || f.spec.Compare(f.spec.versionOf(c.row.Values), f.misfits[at].version) >= 0 {
			f.misfits[at].misfit.Key = ""
			delete(f.badKey, c.row.Key)
		}
	}
}

// replaces reports whether a change takes the place of an earlier one. Nothing
// is older than a tombstone without version.
func (s *Spec) replaces(c, before change) bool {
	return s.wipes(c) || s.Compare(s.versionOf(c.row.Values), s.versionOf(before.row.Values)) >= 0
}

// wipes reports whether c is a tombstone without version.
func (s *Spec) wipes(c change) bool { return c.gone && s.versionOf(c.row.Values) == nil }

func (s *Spec) versionOf(values []any) any {
	if s.Version < 0 {
		return nil
	}
	return values[s.Version]
}

// setAside notes a misfit, unless something newer of its key is known.
func (f *fold) setAside(m Misfit, version any) {
	if i, ok := f.byKey[m.Key]; ok && version != nil {
		if held := f.spec.versionOf(f.changes[i].row.Values); held != nil && f.spec.Compare(version, held) < 0 {
			return
		}
	}
	if i, ok := f.badKey[m.Key]; !ok {
		f.badKey[m.Key] = len(f.misfits)
		f.misfits = append(f.misfits, pending{m, version})
	} else if f.spec.Compare(version, f.misfits[i].version) >= 0 {
		f.misfits[i] = pending{m, version}
	}
}

func (f *fold) result() Folded {
	out := Folded{Records: f.records}
	gone := 0
	for i := range f.changes {
		if f.changes[i].gone {
			gone++
		}
	}
	out.Upserts = make([]Row, 0, len(f.changes)-gone)
	out.Deletes = make([]Row, 0, gone)
	for _, c := range f.changes {
		if c.gone {
			out.Deletes = append(out.Deletes, c.row)
		} else {
			out.Upserts = append(out.Upserts, c.row)
		}
	}
	for _, p := range f.misfits {
		if p.misfit.Key != "" {
			out.Misfits = append(out.Misfits, p.misfit)
		}
	}
	byKey := func(a, b Row) int { return cmp.Compare(a.Key, b.Key) }
	slices.SortFunc(out.Upserts, byKey)
	slices.SortFunc(out.Deletes, byKey)
	slices.SortFunc(out.Misfits, func(a, b Misfit) int { return cmp.Compare(a.Key, b.Key) })
	return out
}
