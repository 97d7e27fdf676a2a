package syncertest

import (
	"context"
	"fmt"
	"slices"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

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
				p.Resync, p.Listing, p.Position.Validator = true, nil, ""
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
			delete(p.suspects, key)
		}
		if t.spec.Budget.Deletes > 0 {
			p.moveDeletes(p.listAsOf, true)
		} else {
			p.moveDeletes(p.AsOf, false)
		}
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
