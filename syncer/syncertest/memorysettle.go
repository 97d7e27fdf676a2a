package syncertest

import (
	"context"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Settle implements syncer.Table.
func (t *MemoryTable) Settle(_ context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	var out syncer.Settled
	lost := false
	err := t.d.write(t.spec.Target, func(tab *memTable) error {
		p := tab.part(w.Partition.Name)
		p.LastPoll, p.next = time.Now(), s.Next
		if s.Failure != nil {
			if p.failure == nil {
				p.failingSince = time.Now()
				if !s.Began.IsZero() {
					p.failingSince = s.Began
				}
			}
			p.failure = s.Failure
			if s.Failure.Class == syncer.ClassMisfit {
				p.Position.Resume = nil
			}
			return nil
		}
		if w.Kind.Listing() && s.End.Listed && !s.End.Unchanged {
			if p.lost && p.seenWalk == w.ID {
				p.Position.Resume, lost = nil, true
				p.seen, p.seenWalk, p.lost = make(map[string]any), "", false
				return nil
			}
			if err := tab.sweep(p, w, &out); err != nil {
				return err
			}
		}
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

// sweep finds what a complete walk has not seen.
func (t *memTable) sweep(p *memPart, w syncer.Walk, out *syncer.Settled) error {
	if p.seenWalk != w.ID {
		p.seen = make(map[string]any)
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
		delete(t.rows, key)
		delete(p.missing, key)
		out.Swept++
	}
	out.Waiting = len(p.missing)
	return nil
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

// settle moves the position and the as-of.
func (t *memTable) settle(p *memPart, w syncer.Walk, s syncer.Settlement, out *syncer.Settled) {
	if s.End.Watermark != "" || w.Kind == syncer.Resync {
		p.Position.Watermark = s.End.Watermark
	}
	p.Position.Validator = s.End.Validator
	if len(p.missing) > 0 {
		p.Position.Validator = ""
	}
	p.Position.Shape, p.Position.Resume = t.spec.Shape, nil
	now := time.Now()
	if asOf := now.Add(-(syncer.Age(w.Sent, now) + s.Lag + s.End.Age)); asOf.After(p.AsOf) {
		p.AsOf = asOf
	}
	p.moveDeletes()
	p.failure, p.failingSince = nil, time.Time{}
	p.late = max(p.late, s.Late)
	if w.Kind == syncer.Resync {
		p.Resync = out.Waiting > 0 // only another resync confirms what this one missed
	}
	p.seen, p.seenWalk, p.lost = make(map[string]any), "", false
	out.AsOf, out.DeletesAsOf = p.AsOf, p.DeletesAsOf
}

// moveDeletes brings the delete as-of to the least of as-of and of when the
// missing rows were last known to be there; an unknown one holds it.
func (p *memPart) moveDeletes() {
	least := p.AsOf
	for _, m := range p.missing {
		if m.present.IsZero() {
			return
		}
		if m.present.Before(least) {
			least = m.present
		}
	}
	p.DeletesAsOf = least
}
