//go:build unix

package main_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// faulty is a daemon that a fault is made for, while its owner writes all the
// time.
type faulty struct {
	*rig
	daemon interface {
		ID() int
		Running() bool
		Log() string
	}
	// heard is how much of the daemon's log is older than the fault.
	heard int
	// apart says that the commands have another clock than the daemon.
	apart bool
	// rest makes the owner write no more.
	rest func()
}

// faults is how many of all places of a walk a fault comes at: all where all
// kills are asked for, else one, drawn anew each time.
func faults[P any](t *testing.T, all ...P) []P {
	t.Helper()
	if os.Getenv(killtest.Kills) == "all" {
		return all
	}
	n := rand.IntN(len(all))
	t.Logf("place %d of %d", n+1, len(all))
	return all[n : n+1]
}

// run starts a daemon over a copy, and an owner that writes.
func (r *rig) run(l killtest.Larder) *faulty {
	r.Helper()
	f := &faulty{rig: r, daemon: r.writer(l)}
	f.rest = r.busy()
	return f
}

// traced is a daemon under a trace, which may answer in place of the kernel.
type traced struct {
	*killtest.Trace
	output string
}

// Log is what it printed so far.
func (d traced) Log() string {
	text, _ := os.ReadFile(d.output) // as much as there is
	return string(text)
}

// runTraced is run with a daemon whose system calls can be tampered with.
func (r *rig) runTraced(trace *killtest.Trace) (*faulty, *killtest.Trace) {
	r.Helper()
	f := &faulty{rig: r, daemon: traced{trace, r.trace(trace, "run")}}
	r.holds(trace.ID())
	r.follows(patience)
	f.rest = r.busy()
	return f, trace
}

// busy makes the owner write until rest is called.
func (r *rig) busy() (rest func()) {
	ctx, cancel := context.WithCancel(r.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				r.owner.Mutate(6)
			}
		}
	})
	rest = sync.OnceFunc(func() { cancel(); writing.Wait() })
	r.Cleanup(rest)
	return rest
}

// at waits until a page is asked for, does something, and lets its answer go.
func (f *faulty) at(page int, do func()) {
	f.Helper()
	f.listens()
	asked, answer := f.holdPage(page)
	f.await(asked, "page is asked for")
	do()
	close(answer)
}

// listens makes says and endures look at what the daemon says from this moment
// on.
func (f *faulty) listens() { f.heard = len(f.daemon.Log()) }

// heardOf reports whether the daemon has said a line with all of the words.
func (f *faulty) heardOf(words ...string) bool {
	for line := range strings.Lines(f.daemon.Log()[f.heard:]) {
		if holdsAll(line, words) {
			return true
		}
	}
	return false
}

// says waits for a line of the daemon's log.
func (f *faulty) says(words ...string) {
	f.Helper()
	_, err := killtest.Eventually(f.within(patience), 20*time.Millisecond, func() (bool, error) { return f.heardOf(words...), nil })
	if err != nil {
		f.Fatalf("no line with %q: %v\n%s", words, err, f.daemon.Log()[f.heard:])
	}
}

// claims reads what SQL claims, and then the rows: they must bear it out.
func (f *faulty) claims(when string) killtest.Claim {
	f.Helper()
	read := time.Now()
	c, err := f.consumer.Claim(f.Context())
	if err != nil {
		f.Fatalf("%s: read the view: %v", when, err)
	}
	s := f.state(when).Shifted(func(time.Time) time.Time { return c.AsOf(read) })
	if err := f.owner.Position(s); err != nil {
		f.Fatalf("%s: the view claims %+v: %v", when, c, err)
	}
	return c
}

// line is what status prints of the table.
type statusLine struct {
	Level     string  `json:"level"`
	Reason    string  `json:"reason"`
	Staleness float64 `json:"staleness_seconds"`
	Class     string  `json:"error_class"`
	AsOf      *string `json:"as_of"`
}

// status runs the command, whose words the rows must bear out where the
// database answers.
func (f *faulty) status(when string) statusLine {
	f.Helper()
	read := time.Now()
	p := f.larder.Start(f.T, "status", "--json")
	if err := p.Wait(); err != nil {
		f.Fatalf("%s: status: %v", when, err)
	}
	var lines []statusLine
	text := p.Log()
	if err := json.Unmarshal([]byte(text[strings.Index(text, "["):]), &lines); err != nil || len(lines) != 1 {
		f.Fatalf("%s: status prints %v, %s", when, err, text)
	}
	if lines[0].AsOf == nil || lines[0].Level == "unknown" {
		return lines[0]
	}
	asOf := read.Add(-time.Duration(lines[0].Staleness * float64(time.Second)))
	s := f.state(when).Shifted(func(time.Time) time.Time { return asOf })
	if err := f.owner.Position(s); err != nil {
		f.Fatalf("%s: status says %+v: %v", when, lines[0], err)
	}
	return lines[0]
}

// endures looks at the copy again and again while a fault lasts, until the
// daemon has said what is wrong, and a while more.
func (f *faulty) endures(when string, words ...string) {
	f.Helper()
	looks := 0
	_, err := killtest.Eventually(f.within(patience), 50*time.Millisecond, func() (bool, error) {
		f.claims(when)
		if f.heardOf(words...) {
			looks++
		}
		return looks > 10, nil
	})
	if err != nil {
		f.Fatalf("%s: no line with %q: %v\n%s", when, words, err, f.daemon.Log()[f.heard:])
	}
}

func holdsAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}

// recovers waits until the copy follows the writing owner again, then until it
// is what the owner holds: by the daemon itself, without a restart.
func (f *faulty) recovers(when string) {
	f.Helper()
	over := time.Now()
	_, err := killtest.Eventually(f.within(patience), 50*time.Millisecond, func() (bool, error) {
		read := time.Now()
		return f.claims(when).AsOf(read).After(over), nil
	})
	if err != nil {
		f.Fatalf("%s: as-of does not pass its end: %v\n%s", when, err, f.daemon.Log())
	}
	f.rest()
	took := f.follows(patience)
	var last killtest.Claim // a list is tried again by a clock of its own
	_, err = killtest.Eventually(f.within(patience), 100*time.Millisecond, func() (bool, error) {
		last = f.claims(when)
		return last.Level == "fresh" && last.Class == "" && last.Reason == "", nil
	})
	if err != nil {
		f.Errorf("%s: the view says %+v", when, last)
	}
	if f.apart {
		// status would judge by its own clock
	} else if l := f.status(when); l.Level != "fresh" || l.Class != "" {
		f.Errorf("%s: status says %+v", when, l)
	}
	if !f.daemon.Running() {
		f.Errorf("%s: the daemon has ended:\n%s", when, f.daemon.Log())
	}
	f.Logf("%s: equal %s after the owner rests", when, took)
	f.rest = f.busy()
}
