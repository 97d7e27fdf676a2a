package postgres_test

import (
	"strings"
	"testing"

	"github.com/larder-sync/larder/syncer"
)

// Rows, notes, quarantine and position of an Apply move together, whichever of
// its statements the server refuses, the commit among them.
func TestApplyFailsAtEveryStatement(t *testing.T) {
	h, p := killable(t)
	failAll(t, h, p, applies(t, h))
}

// The same for a Settle that sweeps.
func TestSettleFailsAtEveryStatement(t *testing.T) {
	h, p := killable(t)
	failAll(t, h, p, settles(t, h))
	h.want("SELECT id::text FROM people", "1")
}

// failAll has the server refuse the first, second, … statement of what prepare
// returns until it runs to its end, and repeats it.
func failAll(t *testing.T, h *house, p *proxy, prepare prepare) {
	t.Helper()
	var hit []string
	for step := 1; ; step++ {
		mark, do, again := prepare(step)
		before := one[string](t, h.consumer, state)
		p.armRefusal(step)
		err := do()
		at := p.disarm()
		now := one[string](t, h.consumer, state)
		done := strings.Contains(" "+now+" ", " "+mark+" ")
		if (at == "") != (err == nil) || done != (err == nil) || err != nil && now != before {
			t.Fatalf("refused %q: %v, and %s became %s", at, err, before, now)
		}
		if err == nil {
			break
		}
		if hit = append(hit, at); syncer.Classify(err) != syncer.ClassDatabase {
			t.Errorf("refused %q: class %s of %v", at, syncer.Classify(err), err)
		}
		if err := again(); err != nil {
			t.Fatalf("repeated after %q was refused: %v", at, err)
		}
		if now := one[string](t, h.consumer, state); !strings.Contains(" "+now+" ", " "+mark+" ") {
			t.Fatalf("repeated after %q was refused: %s", at, now)
		}
	}
	if last := len(hit) - 1; last < 10 || !strings.Contains(hit[last], "commit") {
		t.Errorf("only these were refused: %q", hit)
	}
	t.Logf("%d statements, of them:\n%s", len(hit), strings.Join(hit, "\n"))
}
