package simulation_test

import (
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/simulation"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
)

// beside lets changes be walked beside a list at every poll, and the owner write
// for as long.
func beside(h *simulation.History) bool {
	if h.Mode != sources.Incremental {
		return false
	}
	h.Order, h.Page, h.Gather = sourcetest.ByID, 1, 1
	h.Takes, h.Slow = 200*time.Millisecond, 503*time.Millisecond
	for i := range h.Log {
		c, later := &h.Log[i], time.Duration(i)*time.Second
		c.Stamp, c.Commit, c.Visible = c.Stamp+later, c.Commit+later, c.Visible+later
	}
	for i := range h.Polls {
		h.Polls[i] = simulation.Poll{Wait: 17 * time.Millisecond, Before: simulation.Resynced, Beside: 2, Fault: simulation.Fault{Kind: simulation.None}}
	}
	return true
}
