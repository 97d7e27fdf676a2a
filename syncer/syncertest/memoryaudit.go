package syncertest

import (
	"errors"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// The kinds of suspects.
const (
	missing   = "missing"
	extra     = "extra"
	different = "different"
)

// memSuspect is a difference that an audit has found.
type memSuspect struct {
	kind string
	// theirs and ours are digests of the two rows, "" of one that is not there.
	theirs, ours string
	// since is when the walk was sent that first found it so; present is when
	// an extra row was last known to be the owner's, zero: nobody knows.
	since, present time.Time
	// counted is the last walk in which it counted, "": none.
	counted string
}

// memTally is what an audit under way has done.
type memTally struct {
	compared                 int
	addedBack, putRight, cut int
}

// audit compares what a batch holds with the rows.
func (t *memTable) audit(p *memPart, w syncer.Walk, f row.Folded, a *syncer.Applied) {
	for _, r := range f.Upserts {
		t.compare(p, w, r, a)
	}
	for _, r := range f.Deletes {
		if !p.touched(w, r.Key) {
			delete(p.seen, r.Key)
		}
	}
}

func (t *memTable) compare(p *memPart, w syncer.Walk, r row.Row, a *syncer.Applied) {
	if p.touched(w, r.Key) {
		return
	}
	p.seen[r.Key] = memNote{version: t.version(r)}
	if !sampled(w, r.Key) {
		return
	}
	p.tally.compared++
	s := memSuspect{kind: different, theirs: t.spec.Digest(r), since: w.Sent}
	old, there := t.rows[r.Key]
	switch {
	case !there:
		s.kind = missing
	case w.Audit.Compare == syncer.CompareKeys || sameValues(old, r):
		delete(p.suspects, r.Key)
		return
	default:
		s.ours = t.spec.Digest(old)
	}
	if !p.lasts(w, r.Key, s) || !w.Audit.Repair {
		return
	}
	t.put(r)
	delete(t.gone, r.Key)
	delete(t.quarantine, w.Partition.Name+r.Key)
	delete(p.missing, r.Key)
	delete(p.suspects, r.Key)
	if there {
		a.Updated++
		p.tally.putRight++
	} else {
		a.Inserted++
		p.tally.addedBack++
	}
}

// lasts notes a difference and reports whether it counts: a walk before this
// one found the same, long enough ago.
func (p *memPart) lasts(w syncer.Walk, key string, s memSuspect) bool {
	before, known := p.suspects[key]
	if before.kind == extra && s.kind == extra {
		s.present = before.present // no list has had it since
	}
	if !known || before.kind != s.kind || before.theirs != s.theirs || before.ours != s.ours || before.since.After(time.Now()) { // the clock was set back
		p.suspects[key] = s
		return false
	}
	if !before.since.Before(w.Sent) || before.since.After(w.Sent.Add(-w.Audit.Persist)) {
		return false
	}
	before.counted = w.ID
	p.suspects[key] = before
	return true
}

// sampled reports whether an audit compares a key.
func sampled(w syncer.Walk, key string) bool {
	return w.Audit.Compare != syncer.CompareSample || row.InSample(key, w.Audit.Sample, w.Audit.Samples)
}

// settleAudit ends an audit: what the copy has and the list has not is extra.
// Of the standing it moves what audits prove, and nothing else.
func (t *memTable) settleAudit(p *memPart, w syncer.Walk, s syncer.Settlement, out *syncer.Settled) error {
	if !s.End.Listed {
		return errors.New("owner cannot list everything")
	}
	p.open(w)
	var found syncer.Audited
	if err := t.extras(p, w, &found); err != nil {
		return err
	}
	found.Compared, found.Repaired = p.tally.compared, p.tally.addedBack+p.tally.putRight+p.tally.cut
	found.Missing, found.Different, found.Extra = p.tally.addedBack, p.tally.putRight, p.tally.cut
	p.count(w, &found)
	for _, q := range t.quarantine {
		if q.Partition == w.Partition.Name {
			found.Quarantined++
		}
	}
	asOf := asOf(w, s)
	if w.Audit.Compare != syncer.CompareSample {
		p.listAsOf = asOf
		if len(p.suspects) == 0 && len(p.missing) == 0 {
			found.Proven = asOf
			p.ProvenAsOf = later(p.ProvenAsOf, asOf)
		}
		if !t.spec.Keep {
			p.moveDeletes(asOf, true)
		}
	}
	p.Audited, p.found, p.left, p.auditError = w.Sent, found.Found(), found.Left(), ""
	p.Listing = nil
	p.close()
	out.AsOf, out.DeletesAsOf, out.Audit = p.AsOf, p.DeletesAsOf, &found
	return nil
}

// extras finds the rows that the list has not, and deletes under the guard
// those that count.
func (t *memTable) extras(p *memPart, w syncer.Walk, found *syncer.Audited) error {
	columns, values, err := t.spec.PartitionValues(w.Partition)
	if err != nil {
		return err
	}
	p.dismiss(t, w)
	total := 0
	var count []string
	for key, r := range t.rows {
		if !within(r, columns, values) || !t.inList(p, r) {
			continue
		}
		total++
		if _, seen := p.seen[key]; seen || t.spec.Keep || !sampled(w, key) {
			continue
		}
		if p.lasts(w, key, memSuspect{kind: extra, ours: t.spec.Digest(r), since: w.Sent, present: p.listAsOf}) {
			count = append(count, key)
		}
	}
	if !w.Audit.Repair {
		return nil
	}
	if t.spec.Guard.Holds(len(count), total) {
		found.Held = len(count)
		for _, key := range count {
			m, known := p.missing[key]
			if !known {
				m.present = p.suspects[key].present
			}
			m.walks = t.spec.Confirm
			p.missing[key] = m
		}
		return nil
	}
	for _, key := range count {
		t.drop(key)
		delete(p.missing, key)
		delete(p.suspects, key)
		p.tally.cut++
	}
	return nil
}

// dismiss forgets the suspects that the whole list does not bear out, and rows
// that are missing no more.
func (p *memPart) dismiss(t *memTable, w syncer.Walk) {
	for key := range p.missing {
		_, seen := p.seen[key]
		if r, there := t.rows[key]; seen || there && !t.inList(p, r) {
			delete(p.missing, key)
		}
	}
	for key, s := range p.suspects {
		_, seen := p.seen[key]
		if s.kind != extra && !seen || s.kind == extra && (seen || t.spec.Keep || !t.listed(p, w.Partition, key)) {
			delete(p.suspects, key)
		}
	}
}

// count adds the suspects that stay. One whose key changes touched meanwhile was
// not looked at, and does not count, whatever it did before.
func (p *memPart) count(w syncer.Walk, found *syncer.Audited) {
	for key, s := range p.suspects {
		switch {
		case !sampled(w, key):
		case s.counted != w.ID:
			found.Suspects++
		case s.kind == missing:
			found.Missing++
		case s.kind == extra:
			found.Extra++
		default:
			found.Different++
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) && !a.After(time.Now()) { // else the clock was set back since
		return a
	}
	return b
}
