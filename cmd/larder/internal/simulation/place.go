package simulation

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// hits counts how often each knob of a place took effect.
type hits struct {
	mu sync.Mutex
	of map[string]int
}

// newHits counts these knobs, none of which was hit so far.
func newHits(knobs ...string) *hits {
	h := &hits{of: make(map[string]int)}
	for _, k := range knobs {
		h.of[k] = 0
	}
	return h
}

func (h *hits) hit(knob string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[knob]++
}

func (h *hits) all() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.of)
}

// grain is what SQLite's clock is cut down to: an instant that is stored by it
// and told as an age differs by as much, and by another bit each time.
const grain = time.Millisecond

// instants are those that a place showed, so that one which did not move is
// shown as it was.
type instants struct {
	mu    sync.Mutex
	shown map[instantOf]time.Time
}

// instantOf names an instant that a partition of a table stands at.
type instantOf struct{ table, partition, which string }

// steady is an instant as it is shown: never later than it is.
func (s *instants) steady(of instantOf, at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == nil {
		s.shown = make(map[instantOf]time.Time)
	}
	at = at.Add(-grain)
	if before, ok := s.shown[of]; ok && at.Sub(before).Abs() <= 2*grain {
		return before
	}
	s.shown[of] = at
	return at
}

// steadyTable is a table whose instants can be compared.
type steadyTable struct {
	syncertest.Table
	name  string
	shown *instants
}

// Standing implements syncer.Table.
func (t *steadyTable) Standing(ctx context.Context, p syncer.Partition) (syncer.Standing, error) {
	st, err := t.Table.Standing(ctx, p)
	st.AsOf = t.shown.steady(instantOf{t.name, p.Name, "as-of"}, st.AsOf)
	st.DeletesAsOf = t.shown.steady(instantOf{t.name, p.Name, "deletes"}, st.DeletesAsOf)
	return st, err
}

// Settle implements syncer.Table.
func (t *steadyTable) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	out, err := t.Table.Settle(ctx, w, s)
	if out.Audit != nil && !out.Audit.Proven.IsZero() {
		out.Audit.Proven = out.Audit.Proven.Add(-grain)
	}
	return out, err
}
