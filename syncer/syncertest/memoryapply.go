package syncertest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Standing implements syncer.Table.
func (t *MemoryTable) Standing(_ context.Context, p syncer.Partition) (syncer.Standing, error) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	tab := t.d.tables[t.spec.Target]
	if tab == nil || tab.forgotten {
		return syncer.Standing{}, fmt.Errorf("table %q is not prepared", t.spec.Target)
	}
	return tab.part(p.Name).standing(t.grown(tab).spec), nil
}

// standing is where the partition stands under a shape: another source voids
// the position, a column that was added does not.
func (p *memPart) standing(spec row.Spec) syncer.Standing {
	st, shape, begun := p.Standing, spec.Shape, spec.WalkShape()
	st.FailingSince = p.failingSince
	st.Position.Resume, st.Listing = copied(st.Position.Resume), copied(st.Listing)
	if !syncer.ShapeCovers(p.listShape, begun) {
		st.Listing = nil
	}
	if !syncer.SameSource(p.resumeShape, shape) || st.Position.Shape == "" && !syncer.ShapeCovers(p.resumeShape, begun) {
		st.Position.Resume = nil
	}
	if held := st.Position.Shape; held != "" && !syncer.ShapeCovers(held, shape) {
		st.Resync = true
		if !syncer.SameSource(held, shape) {
			st.Position = syncer.Position{}
		}
	}
	return st
}

func copied(r *syncer.Resume) *syncer.Resume {
	if r == nil {
		return nil
	}
	c := *r
	return &c
}

// Apply implements syncer.Table.
func (t *MemoryTable) Apply(_ context.Context, w syncer.Walk, batches []*syncer.Batch) (syncer.Applied, error) {
	configured := t
	t, folded, err := t.follow(w, batches)
	if err != nil {
		return syncer.Applied{}, err
	}
	if t.spec.MisfitFails && len(folded.Misfits) > 0 {
		m := folded.Misfits[0]
		return syncer.Applied{}, &syncer.MisfitError{Quarantined: len(folded.Misfits), Records: folded.Records, First: m.Why()}
	}
	var applied syncer.Applied
	lost := false
	err = t.d.write(t.spec.Target, func(tab *memTable) error {
		if now := configured.grown(tab); len(now.spec.Columns) != len(t.spec.Columns) { // another walk added a column since
			t, folded = now, now.spec.Fold(batches, w.Kind.Listing())
		}
		shape := t.begun.WalkShape(w, &configured.spec, &t.spec)
		if err := tab.altered(t.spec); err != nil {
			return err
		}
		p := tab.part(w.Partition.Name)
		p.open(w)
		if lost = p.lost && w.Kind.Listing(); lost {
			p.Listing = nil
			p.close()
			return nil
		}
		if w.Kind == syncer.Audit {
			tab.audit(p, w, folded, &applied)
		} else {
			tab.write(p, w, folded, &applied)
		}
		for _, m := range folded.Misfits {
			tab.setAside(p, w, m, &applied)
		}
		if len(batches) > 0 {
			p.goOn(w, batches[len(batches)-1].Resume, shape)
			if w.Kind != syncer.Audit {
				p.Position.Validator = "" // the copy is not what it names any more
			}
		}
		return nil
	})
	if err == nil && lost {
		err = syncer.ErrListLost
	}
	if err != nil {
		return syncer.Applied{}, err
	}
	return applied, nil
}

func (t *memTable) write(p *memPart, w syncer.Walk, f row.Folded, a *syncer.Applied) {
	for _, r := range f.Upserts {
		t.upsert(p, w, r, a)
	}
	for _, r := range f.Deletes {
		if !t.leaves(p, w, r) {
			t.remove(p, w, r, a)
		}
	}
}

// leaves reports whether a record that is turned down is left to a list and its
// guard: where a resync is due because the table takes other records than its
// rows were taken by, and where a sweep has its row already.
func (t *memTable) leaves(p *memPart, w syncer.Walk, r row.Row) bool {
	if !r.Turned || w.Kind != syncer.Changes {
		return false
	}
	_, missing := p.missing[r.Key]
	return missing || p.Position.Shape != "" && !syncer.ShapeCovers(p.Position.Shape, t.spec.Shape)
}

// open starts the notes of a listing walk that has none.
func (p *memPart) open(w syncer.Walk) {
	if w.Kind.Listing() && p.seenWalk != w.ID {
		p.close()
		p.seenWalk = w.ID
	}
}

// close throws the notes away.
func (p *memPart) close() {
	p.seenWalk, p.seen, p.lost, p.tally = "", make(map[string]memNote), false, memTally{}
}

// goOn keeps where the walk can go on, in the slot of its kind.
func (p *memPart) goOn(w syncer.Walk, r *syncer.Resume, shape string) {
	if w.Kind.Listing() {
		p.Listing, p.listShape = copied(r), shape
	} else {
		p.Position.Resume, p.resumeShape = copied(r), shape
	}
}

// decide says that a walk has the last word on a key: it is a suspect no more,
// and if the walk is one for changes, the key is touched.
func (t *memTable) decide(p *memPart, w syncer.Walk, key string, tells bool) {
	delete(p.suspects, key)
	t.touch(p, w, key, tells)
}

// touch says that changes took a key while a listing walk is under way. A row
// may have come from another partition, whose list knows it still; that a key
// is gone tells the others nothing, unless a version says since when.
func (t *memTable) touch(p *memPart, w syncer.Walk, key string, tells bool) {
	if w.Kind != syncer.Changes {
		return
	}
	for _, q := range t.parts {
		if q.seenWalk == "" || q != p && !tells {
			continue
		}
		n := q.seen[key]
		n.touched = true
		q.seen[key] = n
	}
}

// touched reports whether a key belongs to the changes that go on beside a
// listing walk.
func (p *memPart) touched(w syncer.Walk, key string) bool {
	return w.Kind.Listing() && p.seen[key].touched
}

// belongs reports whether a record of a list is not to be written, because
// changes have touched its key: unless its version says that it is newer than
// what they left.
func (t *memTable) belongs(p *memPart, w syncer.Walk, r row.Row, gone bool) bool {
	if !p.touched(w, r.Key) {
		return false
	}
	left, known := any(nil), false
	if old, there := t.rows[r.Key]; there {
		left, known = t.version(old), true
	} else if g, deleted := t.deleted(r.Key); deleted && !gone {
		left, known = g.version, true
	}
	return t.spec.Version < 0 || !known || t.spec.Compare(t.version(r), left) <= 0
}

// guarded reports whether an existing row's version is compared with.
func (p *memPart) guarded(w syncer.Walk, key string) bool {
	if w.Kind != syncer.Resync {
		return true
	}
	_, seen := p.seen[key]
	return seen
}

func (t *memTable) version(r row.Row) any {
	if t.spec.Version < 0 {
		return nil
	}
	return r.Values[t.spec.Version]
}

func (t *memTable) upsert(p *memPart, w syncer.Walk, r row.Row, a *syncer.Applied) {
	if t.belongs(p, w, r, false) {
		a.Unchanged++
		return
	}
	touched := p.touched(w, r.Key)
	delete(p.missing, r.Key)
	if !touched { // else a change may be set aside that is newer still
		delete(t.quarantine, w.Partition.Name+r.Key)
	}
	guarded := p.guarded(w, r.Key)
	if w.Kind.Listing() {
		p.seen[r.Key] = memNote{version: t.version(r), touched: touched}
	}
	old, exists := t.rows[r.Key]
	older := func(than any) bool { return t.older(r, than) }
	if g, ok := t.deleted(r.Key); ok && w.Kind != syncer.Resync && older(g.version) {
		return
	}
	if exists && guarded && older(t.version(old)) {
		a.Unchanged++
		return
	}
	r = filled(r, old)
	t.decide(p, w, r.Key, true)
	switch {
	case !exists:
		a.Inserted++
	case sameValues(old, r):
		a.Unchanged++
		return
	default:
		a.Updated++
	}
	a.Late = max(a.Late, r.Late)
	delete(t.gone, r.Key)
	t.put(r)
}

// deleted is what is remembered of the deletion of a key, until its time is over.
func (t *memTable) deleted(key string) (g memGone, remembered bool) {
	g, remembered = t.gone[key]
	return g, remembered && time.Now().Before(g.until)
}

// older reports whether a row is older than a version. A partial record that
// does not tell its version is not.
func (t *memTable) older(r row.Row, than any) bool {
	if t.spec.Version < 0 || r.Absent != nil && r.Absent[t.spec.Version] {
		return false
	}
	return t.spec.Compare(t.version(r), than) < 0
}

// filled is a row whose absent columns are as in the one that is there.
func filled(r, old row.Row) row.Row {
	if r.Absent == nil {
		return r
	}
	r.Values = slices.Clone(r.Values)
	for i, absent := range r.Absent {
		if absent && old.Values != nil {
			r.Values[i] = old.Values[i]
		}
	}
	r.Absent = nil
	return r
}

// remove applies a tombstone. One of a key that has no row is noted, too: what
// the list says of it is older.
func (t *memTable) remove(p *memPart, w syncer.Walk, r row.Row, a *syncer.Applied) {
	if t.belongs(p, w, r, true) {
		return
	}
	touched := p.touched(w, r.Key)
	old, exists := t.rows[r.Key]
	v := t.version(r)
	if exists && (v != nil || r.Turned) && p.guarded(w, r.Key) && t.older(r, t.version(old)) {
		return
	}
	if w.Kind.Listing() && !touched {
		delete(p.seen, r.Key)
	}
	t.decide(p, w, r.Key, v != nil)
	delete(p.missing, r.Key)
	if !touched {
		delete(t.quarantine, w.Partition.Name+r.Key)
	}
	if g, known := t.deleted(r.Key); (exists || !r.Turned) && t.spec.Remember > 0 && v != nil && (!known || t.spec.Compare(v, g.version) > 0) {
		t.gone[r.Key] = memGone{version: v, until: time.Now().Add(t.spec.Remember)}
	}
	if exists {
		t.drop(r.Key)
		a.Deleted++
		a.Late = max(a.Late, r.Late)
	}
}

// setAside keeps a misfit. That of a change touches its key: what the list has
// of it is older. That of a list says nothing of a key that changes touched.
func (t *memTable) setAside(p *memPart, w syncer.Walk, m row.Misfit, a *syncer.Applied) {
	if m.Readable {
		if p.touched(w, m.Key) {
			return
		}
		if w.Kind.Listing() {
			p.seen[m.Key] = memNote{}
		}
		t.touch(p, w, m.Key, false)
		delete(p.missing, m.Key)
	}
	a.Quarantined++
	t.quarantine[w.Partition.Name+m.Key] = syncer.Quarantined{Table: t.spec.Target, Partition: w.Partition.Name, Key: m.Key,
		Column: m.Column, Reason: m.Reason, Record: m.Record, Since: time.Now()}
}

func sameValues(a, b row.Row) bool {
	for i := range a.Values {
		if text(a.Values[i]) != text(b.Values[i]) || (a.Values[i] == nil) != (b.Values[i] == nil) {
			return false
		}
	}
	return true
}
