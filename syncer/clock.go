package syncer

import (
	"sync"
	"time"
)

// clockTolerance is how much a database's clock may lag behind this process's
// between two looks before it was set back: clocks are slewed, and a look lasts.
const clockTolerance = time.Second

// Clock notices that a database's clock is set back. What is stored then lies
// too late by as much, and a copy looks younger than it is until it is moved
// back, too. The zero Clock has not looked yet. It is safe for concurrent use.
type Clock struct {
	mu sync.Mutex
	// told is what the clock said at the last look, in time since any moment that
	// stays the same; asked and answered are when that was.
	told            time.Duration
	asked, answered time.Time
}

// Back says by how much at most the clock was set back since the last look that
// was kept; 0: it was not, or nobody knows. keep makes this look the last one,
// once what is stored was moved.
func (c *Clock) Back(told time.Duration, asked, answered time.Time) (by time.Duration, keep func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	keep = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.told, c.asked, c.answered = told, asked, answered
	}
	// Monotonic readings, which nobody sets.
	moved := told - c.told
	if c.asked.IsZero() || moved >= asked.Sub(c.answered)-clockTolerance {
		return 0, keep
	}
	return answered.Sub(c.asked) - moved, keep
}
