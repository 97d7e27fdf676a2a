package syncer_test

import (
	"context"
	"sync"
	"testing"
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

// answers is a source whose walk is chosen anew while it is asked.
type answers struct {
	script
	mu     sync.Mutex
	answer func(w syncer.Walk) ([]*syncer.Batch, error)
}

func newAnswers(answer func(w syncer.Walk) ([]*syncer.Batch, error)) *answers {
	a := &answers{answer: answer}
	a.walk = func(_ context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
		a.mu.Lock()
		answer := a.answer
		a.mu.Unlock()
		batches, err := answer(w)
		for _, b := range batches {
			if !yield(b, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
	return a
}

func (a *answers) now(answer func(w syncer.Walk) ([]*syncer.Batch, error)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// whole answers with n records that fit, complete.
func whole(n int) func(syncer.Walk) ([]*syncer.Batch, error) {
	return func(w syncer.Walk) ([]*syncer.Batch, error) {
		b := &syncer.Batch{End: &syncer.End{Watermark: "W", Validator: "V", Listed: w.Kind.Listing()}}
		for i := range n {
			b.Records = append(b.Records, item(i, i))
		}
		return []*syncer.Batch{b}, nil
	}
}

// fails answers with an error.
func fails(err error) func(syncer.Walk) ([]*syncer.Batch, error) {
	return func(syncer.Walk) ([]*syncer.Batch, error) { return nil, err }
}
