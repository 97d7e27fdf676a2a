package syncertest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

func stringsReader(s string) io.Reader { return strings.NewReader(s) }

// MemoryTable is a syncer.Table and syncer.Keeper in memory: the shortest form
// of the rules that the databases implement in SQL.
type MemoryTable struct {
	d    *Daemon
	spec row.Spec
}

// Prepare implements syncer.Keeper.
func (t *MemoryTable) Prepare(context.Context) error {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	if t.d.tables == nil {
		t.d.tables = make(map[string]*memTable)
	}
	tab := t.d.tables[t.spec.Target]
	if tab == nil || tab.forgotten {
		rows := make(map[string]row.Row)
		if tab != nil {
			rows = tab.rows
		}
		tab = &memTable{rows: rows, parts: make(map[string]*memPart),
			gone: make(map[string]memGone), quarantine: make(map[string]syncer.Quarantined)}
		t.d.tables[t.spec.Target] = tab
	}
	tab.spec = t.spec
	for _, p := range t.spec.Partitions {
		tab.part(p.Name)
	}
	return tab.retireAll()
}

func (t *memTable) retireAll() error {
	for name := range t.parts {
		if !slices.ContainsFunc(t.spec.Partitions, func(p syncer.Partition) bool { return p.Name == name }) {
			if err := t.retire(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// retire sweeps a partition that is configured no more: the guard looks at the
// whole table, and what it holds waits to be accepted.
func (t *memTable) retire(name string) error {
	p := t.parts[name]
	columns, values, err := t.spec.PartitionValues(syncer.ParsePartition(name))
	if err != nil {
		return err
	}
	covered := t.spec.Covers(syncer.ParsePartition(name))
	for key, r := range t.rows {
		if within(r, columns, values) && !covered {
			p.missing[key] = memMissing{walks: t.spec.Confirm, present: p.missing[key].present}
		}
	}
	if t.spec.Guard.Holds(len(p.missing), len(t.rows)) {
		return nil
	}
	for key := range p.missing {
		delete(t.rows, key)
	}
	delete(t.parts, name)
	return nil
}

// Standing implements syncer.Table.
func (t *MemoryTable) Standing(_ context.Context, p syncer.Partition) (syncer.Standing, error) {
	t.d.mu.Lock()
	defer t.d.mu.Unlock()
	tab := t.d.tables[t.spec.Target]
	if tab == nil || tab.forgotten {
		return syncer.Standing{}, fmt.Errorf("table %q is not prepared", t.spec.Target)
	}
	part := tab.part(p.Name)
	st := part.Standing
	if r := st.Position.Resume; r != nil {
		c := *r
		st.Position.Resume = &c
	}
	if st.Position.Shape != "" && !syncer.ShapeCovers(st.Position.Shape, t.spec.Shape) {
		st.Position, st.Resync = syncer.Position{}, true
	}
	return st, nil
}

// Apply implements syncer.Table.
func (t *MemoryTable) Apply(_ context.Context, w syncer.Walk, batches []*syncer.Batch) (syncer.Applied, error) {
	folded := t.spec.Fold(batches, w.Kind.Listing())
	if t.spec.MisfitFails && len(folded.Misfits) > 0 {
		m := folded.Misfits[0]
		return syncer.Applied{}, &syncer.MisfitError{Quarantined: len(folded.Misfits), Records: folded.Records, First: m.Why()}
	}
	applied := syncer.Applied{Quarantined: len(folded.Misfits)}
	err := t.d.write(t.spec.Target, func(tab *memTable) error {
		p := tab.part(w.Partition.Name)
		if w.Kind.Listing() && p.seenWalk != w.ID {
			p.seenWalk, p.seen, p.lost = w.ID, make(map[string]any), false
		}
		for _, r := range folded.Upserts {
			tab.upsert(p, w, r, &applied)
		}
		for _, r := range folded.Deletes {
			tab.remove(p, w, r, &applied)
		}
		for _, m := range folded.Misfits {
			tab.setAside(p, w, m)
		}
		if r := batches[len(batches)-1].Resume; r != nil {
			c := *r
			p.Position.Resume = &c
		} else {
			p.Position.Resume = nil
		}
		return nil
	})
	if err != nil {
		return syncer.Applied{}, err
	}
	return applied, nil
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
	delete(p.missing, r.Key)
	delete(t.quarantine, w.Partition.Name+r.Key)
	guarded := p.guarded(w, r.Key)
	v := t.version(r)
	if w.Kind.Listing() {
		p.seen[r.Key] = v
	}
	if g, ok := t.gone[r.Key]; ok && time.Now().Before(g.until) && w.Kind != syncer.Resync && t.spec.Version >= 0 && t.spec.Compare(v, g.version) < 0 {
		return
	}
	old, exists := t.rows[r.Key]
	switch {
	case !exists:
		a.Inserted++
	case guarded && t.spec.Version >= 0 && t.spec.Compare(v, t.version(old)) < 0:
		a.Unchanged++
		return
	case sameValues(old, r):
		a.Unchanged++
		return
	default:
		a.Updated++
	}
	a.Late = max(a.Late, r.Late)
	delete(t.gone, r.Key)
	t.rows[r.Key] = r
}

func (t *memTable) remove(p *memPart, w syncer.Walk, r row.Row, a *syncer.Applied) {
	old, exists := t.rows[r.Key]
	v := t.version(r)
	if exists && v != nil && p.guarded(w, r.Key) && t.spec.Compare(v, t.version(old)) < 0 {
		return
	}
	delete(p.seen, r.Key)
	delete(p.missing, r.Key)
	delete(t.quarantine, w.Partition.Name+r.Key)
	if g, known := t.gone[r.Key]; t.spec.Remember > 0 && v != nil && (!known || t.spec.Compare(v, g.version) > 0) {
		t.gone[r.Key] = memGone{version: v, until: time.Now().Add(t.spec.Remember)}
	}
	if exists {
		delete(t.rows, r.Key)
		a.Deleted++
		a.Late = max(a.Late, r.Late)
	}
}

func (t *memTable) setAside(p *memPart, w syncer.Walk, m row.Misfit) {
	if m.Readable && w.Kind.Listing() {
		p.seen[m.Key] = nil
	}
	if m.Readable {
		delete(p.missing, m.Key)
	}
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

// Obey implements syncer.Keeper.
func (t *MemoryTable) Obey(_ context.Context, o syncer.Order) (string, error) {
	line := ""
	err := t.d.write(t.spec.Target, func(tab *memTable) (err error) {
		tab.spec = t.spec
		line, err = tab.obey(o)
		return err
	})
	return line, err
}

func (t *memTable) obey(o syncer.Order) (string, error) {
	switch o.Kind {
	case syncer.OrderResync, syncer.OrderPause, syncer.OrderResume:
		for _, p := range t.parts {
			switch o.Kind {
			case syncer.OrderResync:
				p.Resync, p.Position.Resume, p.Position.Validator = true, nil, ""
			default:
				p.Paused = o.Kind == syncer.OrderPause
			}
		}
		return string(o.Kind), nil
	case syncer.OrderAccept:
		return t.accept(o.Deletes)
	case syncer.OrderQuarantineDrop, syncer.OrderQuarantineRetry:
		return t.release(o)
	}
	return "", fmt.Errorf("order %q is not known", o.Kind)
}

func (t *memTable) accept(limit int) (string, error) {
	n := 0
	for _, p := range t.parts {
		n += len(t.confirmed(p))
	}
	if n > limit {
		return "", fmt.Errorf("%d rows are held, more than the %d accepted", n, limit)
	}
	for _, p := range t.parts {
		for _, key := range t.confirmed(p) {
			delete(t.rows, key)
			delete(p.missing, key)
		}
		p.moveDeletes()
	}
	return fmt.Sprintf("%d rows deleted", n), t.retireAll()
}

func (t *memTable) release(o syncer.Order) (string, error) {
	n := 0
	for id, q := range t.quarantine {
		if o.Key != "" && q.Key != o.Key {
			continue
		}
		if o.Kind == syncer.OrderQuarantineRetry {
			r, misfit, err := t.spec.Retry(q.Record)
			if err != nil || misfit != nil {
				continue
			}
			var a syncer.Applied
			t.upsert(t.part(q.Partition), syncer.Walk{Kind: syncer.Changes, Partition: syncer.Partition{Name: q.Partition}}, r, &a)
		}
		delete(t.quarantine, id)
		n++
	}
	return fmt.Sprintf("%d records", n), nil
}

// Repartition implements syncer.Keeper.
func (t *MemoryTable) Repartition(ctx context.Context, _ []syncer.Partition) error {
	return t.Prepare(ctx)
}
