package alert

import (
	"context"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// SetJitter replaces what waits are drawn by, so that a test knows them.
func (d *Desk) SetJitter(jitter func(time.Duration) time.Duration) { d.jitter = jitter }

// Round does what Run does with one snapshot.
func (d *Desk) Round(ctx context.Context, now time.Time, all []syncer.Judged) {
	d.once.Do(d.begin)
	d.round(ctx, now, all)
}

// Ask is one call of the Store.
func (d *Desk) Ask(ctx context.Context, do func(context.Context) error) error {
	d.once.Do(d.begin)
	return d.ask(ctx, do)
}

// SetClock replaces what the desk knows the time by.
func (d *Desk) SetClock(clock func() time.Time) { d.clock = clock }

// SetRoom bounds what waits for each receiver.
func (d *Desk) SetRoom(n int) {
	d.once.Do(d.begin)
	for _, b := range d.boxes {
		b.room = n
	}
}

// Attempt marks every nth message as attempted.
func (d *Desk) Attempt(n int) {
	for _, b := range d.boxes {
		for i, l := range b.queue {
			l.Unsure = i%n == 0
		}
	}
}

// Fail makes all receivers but the first look as if they had been failing since
// then.
func (d *Desk) Fail(since time.Time) {
	for _, b := range d.boxes[1:] {
		b.failures, b.failingSince, b.relieved = 1, since, true
	}
}

// WakeAll has all senders look, as overdue timers do when a process that was
// stopped goes on.
func (d *Desk) WakeAll() {
	for _, b := range d.boxes {
		signal(b.wake)
	}
}
