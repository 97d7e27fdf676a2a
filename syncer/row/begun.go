package row

import (
	"sync"

	"github.com/larder-sync/larder/syncer"
)

// Begun knows under which shape each unfinished walk began. A walk that adds a
// column behind its first records has not asked for it from the beginning: the
// owner may have got the field in between, and what came before lacks it. It is
// safe for concurrent use, and its zero value knows of none.
type Begun struct {
	mu    sync.Mutex
	walks map[begunKey]begunWalk
}

type begunKey struct {
	partition string
	listing   bool
}

type begunWalk struct {
	id    string
	shape string
	fixed bool // records were applied
}

// Apply is called before batches of a walk are applied, with the spec as it was
// before columns were added for them, and as it is then. It returns the shape
// that a place in the walk is stored under.
func (b *Begun) Apply(w syncer.Walk, batches []*syncer.Batch, before, after *Spec) string {
	if after.Drift != DriftAdd {
		return after.Shape
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := begunKey{w.Partition.Name, w.Kind.Listing()}
	walk := b.walks[key]
	if walk.id != w.ID {
		// One that goes on was begun under all that was known when it went on.
		walk = begunWalk{id: w.ID, shape: before.Shape, fixed: w.From.Resume != nil}
	}
	if !walk.fixed {
		walk.shape = after.Shape
	}
	for _, batch := range batches {
		walk.fixed = walk.fixed || len(batch.Records) > 0
	}
	if b.walks == nil {
		b.walks = make(map[begunKey]begunWalk)
	}
	b.walks[key] = walk
	begun := Spec{Shape: walk.shape, Drift: after.Drift}
	return begun.WalkShape()
}

// Shape is the shape under which a copy is complete when a walk has ended.
func (b *Begun) Shape(w syncer.Walk, s *Spec) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if walk, ok := b.walks[begunKey{w.Partition.Name, w.Kind.Listing()}]; ok && walk.id == w.ID && s.Drift == DriftAdd {
		return walk.shape
	}
	return s.Shape
}
