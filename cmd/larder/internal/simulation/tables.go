package simulation

import (
	"context"
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// table counts writes, and lets both tables take turns, so that a history
// always runs the same way.
type table struct {
	syncertest.Table
	*life
	index, writes int
	// steps says that the place itself asks for strikes.
	steps bool
}

// Standing, Apply and Settle take turns: in a bubble a moment later is after
// everything that the other table does now.
func (t *table) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	time.Sleep(t.moment(p, false))
	return t.Table.Standing(ctx, p)
}

// Apply implements syncer.Table.
func (t *table) Apply(ctx context.Context, w syncer.Walk, b []*syncer.Batch) (out syncer.Applied, err error) {
	time.Sleep(t.Slow + t.moment(w.Partition, w.Kind.Listing()))
	err = t.write(func() error {
		out, err = t.Table.Apply(ctx, w, b)
		return err
	})
	return out, err
}

// Settle implements syncer.Table.
func (t *table) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (out syncer.Settled, err error) {
	time.Sleep(t.Slow + t.moment(w.Partition, w.Kind.Listing()))
	err = t.write(func() error {
		out, err = t.Table.Settle(ctx, w, s)
		return err
	})
	return out, err
}

// moment is the table's own, and that of a lane of a partition.
func (t *table) moment(p syncer.Partition, listing bool) time.Duration {
	d := time.Duration(t.index+1) * time.Millisecond
	d += time.Duration(slices.IndexFunc(t.parts, func(o syncer.Partition) bool { return o.Name == p.Name })) * 70 * time.Microsecond
	if listing {
		d += 270 * time.Microsecond
	}
	return d
}

// write is one write, in the table's turn. None may be committed once another
// daemon has the lease.
func (t *table) write(do func() error) error {
	t.turn <- struct{}{}
	defer func() { <-t.turn }()
	t.inHand = t.index
	t.writes++
	t.usurp()
	err := t.commit(do)
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.databases)
	if f := t.fault; err == nil && f.Kind == LeaseLost && t.struck && f.Table%n == t.index%n {
		t.unfenced = t.violates(t.index, -1, "writes without the lease")
	}
	return err
}

// commit strikes a place that cannot be struck inside a write before or behind it.
func (t *table) commit(do func() error) error {
	if t.steps {
		return do()
	}
	if err := t.strike("begin"); err != nil {
		return err
	}
	if err := t.strike("commit"); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return t.strike("committed")
}
