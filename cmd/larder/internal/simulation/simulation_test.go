package simulation

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// TestSimulation lives the histories of seeds 0, 1, 2 ... in every place. The
// variable LARDER_HISTORIES says how many: "all", or "PLACE:SEED" for a single
// one with its trace; a share otherwise.
func TestSimulation(t *testing.T) {
	before := debug.SetGCPercent(400) // a life makes much, and leaves little
	t.Cleanup(func() { debug.SetGCPercent(before) })
	asked := os.Getenv("LARDER_HISTORIES")
	// All stages and workers go on at one time, whatever -parallel says: databases
	// are waited for.
	var stages sync.WaitGroup
	defer stages.Wait()
	for _, stage := range Stages() {
		name, seed, one := strings.Cut(asked, ":")
		if one && name != stage.Name {
			continue
		}
		run := func(t *testing.T) {
			n := stage.Share
			switch {
			case one:
				replay(t, stage, seed)
				return
			case asked == "all":
				n = stage.All
			case asked != "":
				t.Fatalf("LARDER_HISTORIES=%q is neither all nor PLACE:SEED", asked)
			}
			liveAll(t, stage, n)
		}
		stages.Go(func() { t.Run(stage.Name, run) })
	}
}

// liveAll lives histories on all cores, and shows the first that fails.
func liveAll(t *testing.T, stage Stage, histories int) {
	workers := runtime.GOMAXPROCS(0)
	place, own := stage.Open(t, workers)
	var all tally
	var working sync.WaitGroup
	for w := range workers {
		live := func(t *testing.T) {
			for seed := w; seed < histories && !t.Failed() && !all.failed(); seed += workers {
				h := Draw(seed)
				hits, err := lived(t, h, place)
				if all.add(h, hits, err); err != nil {
					show(t, stage.Name, place, seed)
				}
			}
		}
		working.Go(func() { t.Run(strconv.Itoa(w), live) })
	}
	working.Wait()
	if own != nil {
		all.own = own()
	}
	t.Logf("%d histories in %s\n%s", all.histories, stage.Name, &all)
	all.check(t)
}

// lived is a life in a bubble of its own, and what was hit.
func lived(t *testing.T, h History, place Place) (hits map[string]int, err error) {
	synctest.Test(t, func(t *testing.T) {
		l := h.born(t, place, Seams{})
		err = l.live(t.Context())
		hits = l.counts()
	})
	return hits, err
}

// traced is a life with its trace.
func traced(t *testing.T, h History, place Place, seams Seams) (trace string, err error) {
	synctest.Test(t, func(t *testing.T) {
		l := h.born(t, place, seams)
		l.trace = &strings.Builder{}
		err = l.live(t.Context())
		trace = l.trace.String()
	})
	return trace, err
}

// show shrinks a history that fails, and lives it again with its trace.
func show(t *testing.T, name string, place Place, seed int) {
	t.Helper()
	_, err := traced(t, Shrink(t, Draw(seed), place, Seams{}), place, Seams{})
	t.Errorf("history %d in %s, shortened:\n%v\nto see all of it: LARDER_HISTORIES=%s:%d go test ./cmd/larder/internal/simulation -run TestSimulation -v",
		seed, name, err, name, seed)
}

// replay lives one history, whole, and tells all of it.
func replay(t *testing.T, stage Stage, text string) {
	seed, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("seed %q is no number", text)
	}
	place, _ := stage.Open(t, 1)
	h := Draw(seed)
	trace, err := traced(t, h, place, Seams{})
	if err != nil {
		t.Errorf("history %d in %s: %v", seed, stage.Name, err)
		show(t, stage.Name, place, seed)
		return
	}
	t.Logf("history %d in %s: no violation\n%s%s", seed, stage.Name, h, trace)
}

// tally sums up lives. It is safe for concurrent use.
type tally struct {
	mu                  sync.Mutex
	hits                map[string]int
	histories, failures int
	dull                int
	// own are the hits of the place's own knobs.
	own map[string]int
}

func (a *tally) add(h History, hits map[string]int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hits == nil {
		a.hits = map[string]int{}
	}
	for knob, n := range hits {
		a.hits[knob] += n
	}
	a.histories++
	if err != nil {
		a.failures++
	}
	if err == nil && (len(h.Polls) < 3 || len(h.Log) < 20 || hits[anyFault] == 0) {
		a.dull++
	}
}

func (a *tally) failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failures > 0
}

// String is the table of knobs.
func (a *tally) String() string {
	var b strings.Builder
	for _, k := range knobs() {
		fmt.Fprintf(&b, "%10d  %s\n", a.hits[k], k)
	}
	for _, k := range slices.Sorted(maps.Keys(a.own)) {
		fmt.Fprintf(&b, "%10d  place: %s\n", a.own[k], k)
	}
	return b.String()
}

// enough is how many histories hit every knob.
const enough = 1000

// check holds the histories to what they are to be: polls, changes and a fault
// in each, and no knob without effect.
func (a *tally) check(t *testing.T) {
	if a.dull > 0 {
		t.Errorf("%d of %d histories have less than 3 polls, 20 changes and one fault that took effect", a.dull, a.histories)
	}
	for _, k := range knobs() {
		if a.hits[k] == 0 && a.histories >= enough {
			t.Errorf("knob %q never took effect", k)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		Draw(i % 100)
	}
}
