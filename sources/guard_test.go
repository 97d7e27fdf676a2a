package sources

import (
	"fmt"
	"testing"
)

// TestCountedKeysAreBounded: a walk with a total forgets keys, and counts them on.
func TestCountedKeysAreBounded(t *testing.T) {
	g := newGuard([]int{0}, true, false)
	g.most = 100
	window := func(from, to int) {
		var records [][][]byte
		for i := from; i < to; i++ {
			records = append(records, [][]byte{fmt.Append(nil, i)})
		}
		g.fresh(records)
	}
	for i := range 50 {
		window(20*i, 20*i+20)
		window(20*i, 20*i+5) // again
	}
	if len(g.keys) > 120 {
		t.Errorf("%d keys are remembered", len(g.keys))
	}
	if g.count(1000); g.unfinished(false) != "" {
		t.Error(g.unfinished(false))
	}
	if g.count(1100); g.unfinished(false) == "" {
		t.Error("1100 keys are taken for seen")
	}
	if g.restart(); g.seen() != 0 {
		t.Errorf("%d keys in a pass that begins", g.seen())
	}
}
