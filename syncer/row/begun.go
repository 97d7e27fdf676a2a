package row

import (
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Begun knows since when a table has each column that was added, and so under
// which shape a walk began. A walk that began before a column was there does not
// fill it: the owner may have got the field in between, and what the walk read
// before lacks it. One extra resync is the price where the owner had it all
// along; a walk that adds nothing needs no other. It is safe for concurrent use,
// and its zero value takes all columns to be older than any walk.
type Begun struct {
	mu    sync.Mutex
	since map[string]time.Time
}

// Grow is called before the table is used with the columns of after in place of
// those of before.
func (b *Begun) Grow(before, after *Spec) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.since == nil {
		b.since = make(map[string]time.Time)
	}
	now := time.Now()
	for i, c := range after.Columns {
		if held := before.column(c.Name); c.Added && (held < 0 || before.Columns[held].Type != after.Columns[i].Type) {
			b.since[c.Name] = now
		}
	}
}

// Shape is the shape under which a copy is complete when a walk has ended:
// s is configured with the columns that were added so far.
func (b *Begun) Shape(w syncer.Walk, configured, s *Spec) string {
	if s.Drift != DriftAdd {
		return s.Shape
	}
	return b.spec(w, configured, s).Shape
}

// WalkShape is the shape that a place in the walk is stored under.
func (b *Begun) WalkShape(w syncer.Walk, configured, s *Spec) string {
	if s.Drift != DriftAdd {
		return s.Shape
	}
	return b.spec(w, configured, s).WalkShape()
}

// spec is configured with the columns that were there when the walk began.
func (b *Begun) spec(w syncer.Walk, configured, s *Spec) *Spec {
	b.mu.Lock()
	defer b.mu.Unlock()
	var there []Added
	for _, c := range s.Columns {
		if c.Added && !b.since[c.Name].After(w.Sent) {
			there = append(there, Added{c.Name, c.Type})
		}
	}
	began := configured.With(there)
	return &began
}
