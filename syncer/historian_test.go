package syncer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// hung is a history as home is on a disk that hangs: the call that is in the
// system does not come back before the disk does, whatever its context says.
type hung struct {
	free chan struct{}
	kept remembered
}

func (h *hung) Record(ctx context.Context, r syncer.Report) error {
	<-h.free
	return h.kept.Record(ctx, r)
}

// A disk that hangs keeps nobody from polling. What it missed it gets in order
// when it is back, up to a bound.
func TestPollsDoNotWaitForAHistoryThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, o := &hung{free: make(chan struct{})}, &observer{start: time.Now()}
		s := newAnswers(whole(1))
		k, w := newKitchen("us", &syncertest.Memory{}, s, every(time.Minute)), &watch{}
		k.Watch, k.History, k.Observer = w, h, o
		k.start(t)
		time.Sleep(time.Hour + time.Second)
		polls := len(s.walks())
		if j := w.last(); polls < 60 || j.Level != syncer.Fresh || j.Staleness > time.Minute+time.Second {
			t.Errorf("%d polls in an hour, due each minute; the copy is %s, %s stale", polls, j.Level, j.Staleness)
		}
		close(h.free)
		synctest.Wait()
		if n := len(h.kept.reports); n != polls {
			t.Errorf("%d of %d polls are in history when the disk is back", n, polls)
		}
		for i, r := range h.kept.reports[1:] {
			if !r.Started.After(h.kept.reports[i].Started) {
				t.Errorf("report %d, of %s, comes after one of %s", i+2, r.Started, h.kept.reports[i].Started)
			}
		}
		k.close()
		if o.unrecorded != 0 {
			t.Errorf("%d are said to be lost", o.unrecorded)
		}
	})
}

// More than a thousand reports do not wait, and it is said how many are lost.
func TestHistoryThatHangsForLongLosesTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, o := &hung{free: make(chan struct{})}, &observer{start: time.Now()}
		s := newAnswers(whole(1))
		k := newKitchen("us", &syncertest.Memory{}, s, every(time.Minute))
		k.History, k.Observer = h, o
		k.start(t)
		time.Sleep(20*time.Hour + time.Second)
		polls := len(s.walks())
		close(h.free)
		synctest.Wait()
		k.close()
		if n := len(h.kept.reports); n != 1001 || o.unrecorded != polls-n {
			t.Errorf("%d of %d polls are in history, and %d are said to be lost", n, polls, o.unrecorded)
		}
		if said := k.journal.of("poll history is not written: it does not keep up, or its disk hangs"); len(said) < 100 || len(said) > polls-1001 {
			t.Errorf("it is said %d times", len(said))
		}
	})
}

// At a stop history gets what waits, but the stop does not wait for a disk that
// hangs.
func TestStopWaitsForHistoryAWhile(t *testing.T) {
	for name, back := range map[string]time.Duration{"is back in time": 3 * time.Second, "is not": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, o := &hung{free: make(chan struct{})}, &observer{start: time.Now()}
				s := newAnswers(whole(1))
				k := newKitchen("us", &syncertest.Memory{}, s, every(time.Minute))
				k.History, k.Observer = h, o
				k.start(t)
				time.Sleep(10*time.Minute + time.Second)
				began, polls := time.Now(), len(s.walks())
				time.AfterFunc(back, func() { close(h.free) })
				k.close()
				took, left := time.Since(began), 0
				if back > 5*time.Second {
					left = polls - 1 // one is in hand
				}
				if o.unrecorded != left {
					t.Errorf("%d are said to be lost, want %d", o.unrecorded, left)
				}
				time.Sleep(back)
				synctest.Wait()
				if diff := cmp.Diff([]any{min(back, 5*time.Second), polls - left}, []any{took, len(h.kept.reports)}); diff != "" {
					t.Errorf("time that the stop took, and reports in history (-want +got):\n%s", diff)
				}
			})
		})
	}
}
