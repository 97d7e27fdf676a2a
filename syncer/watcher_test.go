package syncer_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// watch keeps what it hears.
type watch struct {
	mu     sync.Mutex
	rounds []round
}

type round struct {
	at  time.Time
	all []syncer.Judged
}

func (w *watch) Judged(now time.Time, all []syncer.Judged) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rounds = append(w.rounds, round{now, all})
}

// last is what was heard last of the only copy.
func (w *watch) last() syncer.Judged {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rounds) == 0 {
		return syncer.Judged{}
	}
	return w.rounds[len(w.rounds)-1].all[0]
}

// breakable is a lease that can be made to fail.
type breakable struct {
	syncer.Lease
	mu  sync.Mutex
	err error
}

func (l *breakable) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *breakable) broken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *breakable) Acquire(ctx context.Context) error {
	if err := l.broken(); err != nil {
		return err
	}
	return l.Lease.Acquire(ctx)
}

func (l *breakable) Renew(ctx context.Context) error {
	if err := l.broken(); err != nil {
		return err
	}
	return l.Lease.Renew(ctx)
}

// breakable makes the kitchen's lease one.
func (k *kitchen) breakable() *breakable {
	l := &breakable{Lease: k.daemon}
	k.Consumers[0].Lease = l
	return l
}

// watched is a kitchen with a watch, which runs.
func watched(t *testing.T, s syncer.Source, schedule syncer.Schedule) (*kitchen, *watch) {
	t.Helper()
	k, w := newKitchen("us", &syncertest.Memory{}, s, schedule), &watch{}
	k.Watch = w
	k.start(t)
	return k, w
}

// A poll that hangs cannot report itself: the watcher tells, in time, of the
// copy as it was before, and of the budget that was passed.
func TestWatchOfAHungPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hang atomic.Bool
		k, w := watched(t, numbered(1, func(ctx context.Context, _ int) error {
			if hang.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}), every(time.Minute))
		defer k.close()
		time.Sleep(2 * time.Second)
		first := w.last()
		if first.Level != syncer.Fresh || first.Alarm != syncer.Fresh || first.Polled.IsZero() || first.LastRows != 1 {
			t.Fatalf("after the first poll: %+v", first)
		}
		if in := time.Until(first.NextPoll); in < 50*time.Second || in > time.Minute {
			t.Errorf("next poll is told to be in %s", in)
		}
		hang.Store(true)
		time.Sleep(5 * time.Minute)
		if j := w.last(); j.Alarm != syncer.Warn || !j.Since.Equal(first.AsOf.Add(5*time.Minute)) || j.Limit != 5*time.Minute {
			t.Errorf("past warn: %+v", j)
		}
		time.Sleep(10 * time.Minute)
		if j := w.last(); j.Alarm != syncer.Critical || !j.Since.Equal(first.AsOf.Add(15*time.Minute)) || j.Limit != 15*time.Minute || !j.AsOf.Equal(first.AsOf) {
			t.Errorf("past critical: %+v", j)
		}
	})
}
