package syncertest

import (
	"context"
	"fmt"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// MemoryTable is a syncer.Table and syncer.Keeper in memory: the shortest form
// of the rules that the databases implement in SQL.
type MemoryTable struct {
	d    *Daemon
	spec row.Spec
	// heard are the fields that are known as they are.
	heard *row.Heard
	// begun are the walks under way.
	begun *row.Begun
}

// Obey implements syncer.Keeper.
func (t *MemoryTable) Obey(_ context.Context, o syncer.Order) (string, error) {
	t = t.current()
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
	for name, p := range t.parts {
		t.moved(name, p)
		n += len(t.confirmed(p))
	}
	if n > limit {
		return "", fmt.Errorf("%d rows are held, more than the %d accepted", n, limit)
	}
	for _, p := range t.parts {
		for _, key := range t.confirmed(p) {
			t.drop(key)
			delete(p.missing, key)
			delete(p.suspects, key)
			p.left = max(0, p.left-1)
		}
		t.proveDeletes(p, p.listAsOf, true)
	}
	return fmt.Sprintf("%d rows deleted", n), t.retireAll()
}

// moved forgets what is missing of a partition and belongs to another one by now.
func (t *memTable) moved(name string, p *memPart) {
	columns, values, err := t.spec.PartitionValues(syncer.ParsePartition(name))
	for key := range p.missing {
		if r, there := t.rows[key]; !there || err != nil || !within(r, columns, values) {
			delete(p.missing, key)
		}
	}
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
