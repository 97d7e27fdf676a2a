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
	// Absent says of each column, in a table of partial records, whether the
	// record told nothing of it: of a row that is there it stays as it is, and
	// with the version among them the record is as new as the row. The value of
	// such a column is nil, even where the column holds no null. Nil: the row
	// is whole.
	Absent []bool
	// Turned says of a delete that the owner still has the record, which Where
	// turned down: only a row that was there has gone.
	Turned bool
	// Removed says, of a row that Retry answers with, that it is to be deleted.
	Removed bool
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
	// Unnamed are fields of records that become rows which nobody named and no
	// column was added for, as they first came; none under DriftIgnore. Untold
	// says that there are more.
	Unnamed []Unnamed
	Untold  bool
}

// Fold converts the records of all batches, in order, and leaves for each key
// what the last word on it is. A record replaces an earlier one of its key
// unless its version is older; nil is the oldest version. A tombstone without
// version replaces everything before it, and everything after replaces it. A
// record that does not fit replaces nothing. It is reported unless a change of
// its key that is as new or newer makes it void.
//
// A record that Where turns down takes part by its version, as any other, and
// is a delete in the end; in a listing walk it is then left out, as if the
// owner did not have it. With Keep there are no deletes of either kind: those
// records are counted and that is all. Outside listing walks, whose records are
// whole, partial records of one key add up.
func (s *Spec) Fold(batches []*syncer.Batch, listing bool) Folded {
	f := newFold(s, batches)
	f.listing, f.partial = listing, s.Partial && !listing
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
	// listing says that what is turned down is left out; partial, that absent
	// columns are told from null ones.
	listing, partial bool
	// slab is where rows get their Values from, a few hundred at a time; left
	// is how many may still come.
	slab []any
	left int
	// finding looks for what nobody named; nil if it is not asked for.
	finding *finding
}

type change struct {
	row  Row
	gone bool
}

type pending struct {
	misfit  Misfit
	version any
}

// told reports whether the owner itself says that the row is gone.
func (c *change) told() bool { return c.gone && !c.row.Turned }

func newFold(s *Spec, batches []*syncer.Batch) *fold {
	f := &fold{reading: newReading(s), badKey: map[string]int{}, finding: newFinding(s)}
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
	if r.Lacking != "" {
		f.lack(r)
		return
	}
	takes, unjudged := true, error(nil)
	if f.spec.Where != nil && !r.Gone {
		takes, unjudged = f.spec.Where.Holds(r.Slots)
		takes = takes || unjudged != nil
	}
	if takes && r.Untold && !r.Gone && f.spec.Drift == DriftAdd {
		unjudged = cmp.Or(unjudged, error(untold))
	}
	gone := r.Gone || !takes
	if gone && f.spec.Keep {
		return
	}
	f.begin(r.Slots)
	if takes {
		f.finding.look(r, f.raws)
	}
	f.values, f.absent = f.take(), nil
	if f.partial && !gone {
		f.absent = f.spec.absent(f.raws)
	}
	if misfit := f.judge(gone, unjudged); misfit != nil {
		if r.Gone || takes || !f.listing {
			misfit.Record = f.spec.encodeRecord(f.raws, f.mark(gone, unjudged != nil))
			f.setAside(*misfit, f.spec.versionOf(f.values))
		}
		return
	}
	f.apply(change{row: Row{Values: f.values, Late: r.Late, Absent: f.absent, Turned: !takes}, gone: gone})
}

// lack sets aside a record of which the owner gave the key alone.
func (f *fold) lack(r *syncer.Record) {
	f.begin(r.Slots)
	f.values, f.absent = f.take(), nil
	misfit := f.read(true)
	if misfit == nil {
		misfit = &Misfit{Reason: r.Lacking}
		f.identify(misfit, true, false)
	}
	misfit.Record = f.spec.encodeLacking(f.raws)
	f.setAside(*misfit, nil)
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
		if !f.spec.replaces(&c, before) {
			return
		}
		c.row.Key = before.row.Key
		if c.row.Absent != nil {
			c.row.complete(before)
		}
		*before = c
	}
	if at, bad := f.badKey[c.row.Key]; bad {
		if f.spec.wipes(&c) || f.spec.compareVersions(&c.row, f.misfits[at].version) >= 0 {
			f.misfits[at].misfit.Key = ""
			delete(f.badKey, c.row.Key)
		}
	}
}

// replaces reports whether a change takes the place of an earlier one. Nothing
// is older than a tombstone without version.
func (s *Spec) replaces(c, before *change) bool {
	return s.wipes(c) || s.compareVersions(&c.row, s.versionOf(before.row.Values)) >= 0
}

// compareVersions compares a row's version with another one; a partial record
// that does not tell its version is not older than anything before it.
func (s *Spec) compareVersions(r *Row, version any) int {
	if r.Absent != nil && s.Version >= 0 && r.Absent[s.Version] {
		return 0
	}
	return s.Compare(s.versionOf(r.Values), version)
}

// wipes reports whether c is a tombstone without version.
func (s *Spec) wipes(c *change) bool { return c.told() && s.versionOf(c.row.Values) == nil }

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
	if f.finding != nil {
		out.Unnamed, out.Untold = f.finding.found, f.finding.more
	}
	if f.listing && f.spec.Where != nil {
		f.changes = slices.DeleteFunc(f.changes, func(c change) bool { return c.row.Turned })
	}
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
