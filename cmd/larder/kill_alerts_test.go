//go:build unix

package main_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// A daemon that has to tell of a stale copy, and then of its recovery, is killed
// before the writes, syncs, truncations and removals of home, every one of them
// over many runs: between every two steps of open, enqueue, deliver and mark.
// The receiver has the firing and the resolve, and what it has twice bears the
// same ID.
func TestKilledAtEveryWriteToHome(t *testing.T) {
	t.Parallel()
	r := newAlertRig(t, killtest.Build(t))
	hits := make(killtest.Tally)
	writes, again := 0, 0
	for n := range killtest.Points(t, 2*share()) {
		trace := &killtest.Trace{Files: r.home, At: n}
		s := r.begin(fmt.Sprintf("killed at write %d", n))
		r.startTraced(trace)
		s.tell()
		label, count := trace.Hit()
		again += s.count("firing") + s.count("resolved") - 2
		if label == "" {
			if s.kills > 0 {
				t.Fatalf("daemon ended by itself after %d writes", count)
			}
			writes = count
			break
		}
		hits.Add(label)
	}
	if writes < 20 {
		t.Errorf("an episode of only %d writes", writes)
	}
	t.Logf("killed at %d of %d writes; %d messages came twice:\n%s", hits.Total(), writes, again, hits)
}

// The daemon is killed by its receiver: before it answers, and after it has
// answered, be the mark made or not.
func TestKilledAroundADelivery(t *testing.T) {
	t.Parallel()
	r := newAlertRig(t, killtest.Build(t))
	for _, event := range []string{"firing", "resolved"} {
		for _, moment := range []killtest.Moment{killtest.Asked, killtest.Answered} {
			label := fmt.Sprintf("killed when %s was %s", event, moment)
			s := r.begin(label)
			const kills = 2
			var struck atomic.Int32
			r.receiver.On(func(at killtest.Moment, d killtest.Delivery) {
				if at == moment && d.Event == event && struck.Add(1) <= kills {
					r.now.Load().Kill()
				}
			})
			r.start()
			s.tell()
			r.receiver.On(nil)
			if n := s.count(event); moment == killtest.Asked && n != kills+1 {
				t.Errorf("%s: told %d times, want %d: nothing was answered to the others", label, n, kills+1)
			}
			if s.kills == 0 {
				t.Errorf("%s: it was not", label)
			}
			t.Logf("%s: %d kills, told %d times", label, s.kills, s.count(event))
		}
	}
}

// Home is deleted while the daemon runs, before the copy is stale and while it
// is; then the daemon is killed. Both are told all the same.
func TestHomeDeletedUnderADaemon(t *testing.T) {
	t.Parallel()
	r := newAlertRig(t, killtest.Build(t))
	s := r.begin("home deleted")
	r.down.Store(false)
	r.start()
	s.until("that it is fresh", r.settled)
	r.deleteHome()
	r.down.Store(true)
	s.until("firing", func() bool { return s.count("firing") == 1 })
	s.until("that it is noted", func() bool { return !r.settled() })
	r.deleteHome()
	s.until("that it is noted anew", func() bool { return r.asked("SELECT count(*) FROM episode WHERE closed IS NULL") == 1 })
	r.now.Load().Kill()
	r.down.Store(false)
	s.until("resolved", func() bool { return s.count("resolved") == 1 })
	s.until("that all is told", r.settled)
	s.stop()
	s.judge()
}

func (r *alertRig) deleteHome() {
	r.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(r.home + suffix); err != nil {
			r.Fatal(err)
		}
	}
}
