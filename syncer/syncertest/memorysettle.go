package syncertest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Settle implements syncer.Table.
func (t *MemoryTable) Settle(_ context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	begun := t.begun.Shape(w, &t.spec, &t.current().spec)
	var out syncer.Settled
	lost := false
	var floor any
	s.End, floor = t.spec.Listed(s.End)
	err := t.d.write(t.spec.Target, func(tab *memTable) error {
		p := tab.part(w.Partition.Name)
		p.floor = floor
		if s.Failure != nil {
			p.fail(w, s)
			return nil
		}
		if w.Kind.Listing() && s.End.Listed && !s.End.Unchanged {
			if lost = p.lost && p.seenWalk == w.ID; lost {
				p.Listing = nil
				p.close()
				return nil
			}
			if w.Kind != syncer.Audit && !t.spec.Keep {
				if err := tab.sweep(p, w, &out); err != nil {
					return err
				}
				tab.acquit(p, w)
			}
		}
		if w.Kind == syncer.Audit {
			return tab.settleAudit(p, w, s, &out)
		}
		p.LastPoll, p.next = time.Now(), s.Next
		p.settlePosition(w, s, begun, tab.spec.Shape)
		tab.settle(p, w, s, &out)
		return nil
	})
	if err == nil && lost {
		err = syncer.ErrListLost
	}
	if err != nil {
		return syncer.Settled{}, err
	}
	return out, nil
}

// fail keeps why a walk did not complete. Behind misfits it does not go on. That
// an audit failed does not make the copy any older, and is told apart.
func (p *memPart) fail(w syncer.Walk, s syncer.Settlement) {
	if s.Failure.Class == syncer.ClassMisfit {
		p.goOn(w, nil, "")
	}
	if w.Kind == syncer.Audit {
		p.auditError = s.Failure.Text
		return
	}
	p.LastPoll, p.next = time.Now(), s.Next
	if p.failure == nil {
		p.failingSince = time.Now()
		if !s.Began.IsZero() {
			p.failingSince = s.Began
		}
	}
	p.failure, p.failed = s.Failure, w.Kind
}

// sweep finds what a complete walk has not seen.
func (t *memTable) sweep(p *memPart, w syncer.Walk, out *syncer.Settled) error {
	if p.seenWalk != w.ID {
		p.seen = make(map[string]memNote)
	}
	columns, values, err := t.spec.PartitionValues(w.Partition)
	if err != nil {
		return err
	}
	total := 0
	for key, r := range t.rows {
		if !within(r, columns, values) {
			continue
		}
		if !t.inList(p, r) {
			delete(p.missing, key)
			continue
		}
		total++
		if _, seen := p.seen[key]; seen {
			delete(p.missing, key)
			continue
		}
		m, known := p.missing[key]
		if !known {
			m.present = p.DeletesAsOf
		}
		m.walks++
		p.missing[key] = m
	}
	confirmed := t.confirmed(p)
	if t.spec.Guard.Holds(len(confirmed), total) {
		out.Held = len(confirmed)
		out.Waiting = len(p.missing) - len(confirmed)
		return nil
	}
	for _, key := range confirmed {
		t.drop(key)
		delete(p.missing, key)
		out.Swept++
	}
	out.Waiting = len(p.missing)
	return nil
}

// acquit forgets that rows are extra which a list, now that it was swept by,
// could not have.
func (t *memTable) acquit(p *memPart, w syncer.Walk) {
	maps.DeleteFunc(p.suspects, func(key string, s memSuspect) bool { return s.kind == extra && !t.listed(p, w.Partition, key) })
}

// listed reports whether a key has a row of the partition that a list would have.
func (t *memTable) listed(p *memPart, of syncer.Partition, key string) bool {
	columns, values, err := t.spec.PartitionValues(of)
	r, there := t.rows[key]
	return there && err == nil && within(r, columns, values) && t.inList(p, r)
}

// inList reports whether a list would have the row if the owner did: it is not
// older than where the list begins.
func (t *memTable) inList(p *memPart, r row.Row) bool {
	return p.floor == nil || t.spec.Reaches(t.version(r), p.floor)
}

func (t *memTable) confirmed(p *memPart) []string {
	var keys []string
	for key, m := range p.missing {
		if m.walks >= t.spec.Confirm {
			keys = append(keys, key)
		}
	}
	return keys
}

func within(r row.Row, columns []int, values []any) bool {
	for i, c := range columns {
		if text(r.Values[c]) != text(values[i]) {
			return false
		}
	}
	return true
}

// settle moves the position and the as-of. A walk for changes leaves what is a
// listing walk's: its notes, where it goes on, and what only it makes good.
func (t *memTable) settle(p *memPart, w syncer.Walk, s syncer.Settlement, out *syncer.Settled) {
	asOf := asOf(w, s)
	p.AsOf = later(p.AsOf, asOf)
	lists := w.Kind.Listing() && (s.End.Listed || s.End.Unchanged)
	if lists {
		p.listAsOf = asOf
		t.proveDeletes(p, asOf, false)
	} else {
		t.proveDeletes(p, time.Time{}, false)
	}
	p.late = max(p.late, s.Late)
	p.Newest = syncer.NewestAfter(p.Newest, w, s.End, time.Now())
	if w.Kind.Listing() || p.failed != syncer.Resync {
		p.failure, p.failed, p.failingSince = nil, "", time.Time{}
	}
	if w.Kind == syncer.Resync {
		p.Resync = out.Waiting > 0 // only another resync confirms what this one missed
	}
	p.Resync = p.Resync || w.Kind.Listing() && !syncer.ShapeCovers(p.Position.Shape, t.spec.Shape)
	if w.Kind.Listing() {
		p.close()
	}
	if lists {
		p.Audited = w.Sent
	}
	out.AsOf, out.DeletesAsOf = p.AsOf, p.DeletesAsOf
}

// settlePosition moves the position of a walk that began under one shape, where
// the table has another by then if columns were added.
func (p *memPart) settlePosition(w syncer.Walk, s syncer.Settlement, begun, shape string) {
	at, end := &p.Position, s.End
	keep := w.Kind == syncer.Resync && s.KeepPosition
	if !keep {
		if end.Watermark != "" || w.Kind == syncer.Resync {
			at.Watermark = end.Watermark
		}
		if end.Epoch != "" || w.Kind.Listing() {
			at.Epoch = end.Epoch
		}
		at.Validator, at.Resume = end.Validator, nil
	}
	if len(p.missing) > 0 {
		at.Validator = ""
	}
	switch {
	case w.Kind.Listing() || at.Shape == "":
		at.Shape = begun
	case syncer.ShapeCovers(at.Shape, shape):
		at.Shape = shape
	}
	if w.Kind.Listing() {
		p.Listing = nil
	}
}

// asOf is the instant up to which a complete walk proves the copy.
func asOf(w syncer.Walk, s syncer.Settlement) time.Time {
	now := time.Now()
	return now.Add(-(syncer.Age(w.Sent, now) + s.Lag + s.End.Age))
}

// proveDeletes moves the delete as-of after a walk or an accept; list is the
// as-of of the last complete list that counts for it, zero: none does. Where
// only lists tell of deletions it is all that does. Elsewhere it is never later
// than what is held allows, even if it was before an audit found that.
func (t *memTable) proveDeletes(p *memPart, list time.Time, suspects bool) {
	switch {
	case t.spec.Keep:
		p.DeletesAsOf = p.AsOf
	case t.spec.Budget.Deletes == 0:
		if upTo, known := p.presentUpTo(p.AsOf, false); known {
			p.DeletesAsOf = upTo
		}
	case !list.IsZero():
		p.moveDeletes(list, suspects)
	}
}

// moveDeletes brings the delete as-of to what a list proves, never back.
func (p *memPart) moveDeletes(upTo time.Time, audited bool) {
	if upTo, known := p.presentUpTo(upTo, audited); known {
		p.DeletesAsOf = later(p.DeletesAsOf, upTo)
	}
}

// presentUpTo is the least of an instant and of when the rows that the owner has
// no more were last known to be there; not known while one of those is not. An
// audit looks at the rows that it suspects, too.
func (p *memPart) presentUpTo(upTo time.Time, audited bool) (_ time.Time, known bool) {
	gone := slices.Collect(maps.Values(p.missing))
	for _, s := range p.suspects {
		if audited && s.kind == extra {
			gone = append(gone, memMissing{present: s.present})
		}
	}
	for _, m := range gone {
		if m.present.IsZero() {
			return time.Time{}, false
		}
		if m.present.Before(upTo) {
			upTo = m.present
		}
	}
	return upTo, true
}
