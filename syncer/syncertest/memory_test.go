package syncertest

import "testing"

// The table in memory runs the suite that it is the model of.
func TestMemory(t *testing.T) {
	Conform(t, func(*testing.T) Harness { return MemoryHarness() })
}
