package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/schedule"
	"github.com/larder-sync/larder/syncer/syncertest"
)

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

// Whatever an owner answers every minute for an hour, the copy is told to be as
// old as its last complete answer is, and alarms when that is past the budget.
func TestWatchOfWhatOwnersAnswer(t *testing.T) {
	for _, test := range []struct {
		name        string
		answer      func(w syncer.Walk) ([]*syncer.Batch, error)
		complete    bool
		class       syncer.Class
		rows        int64
		quarantined int64
	}{
		{"no rows", whole(0), true, "", 0, 0},
		{"not modified", func(w syncer.Walk) ([]*syncer.Batch, error) {
			return []*syncer.Batch{{End: &syncer.End{Watermark: w.From.Watermark, Validator: "V", Unchanged: true}}}, nil
		}, true, "", 0, 0},
		{"the same rows", whole(3), true, "", 0, 0},
		{"new rows", whole(5), true, "", 0, 0}, // written by the first of sixty polls
		{"half of it", func(syncer.Walk) ([]*syncer.Batch, error) {
			return []*syncer.Batch{{Records: []syncer.Record{item(9, 9)}}}, errOwner
		}, false, syncer.ClassInternal, 3, 0},
		{"an error", fails(errOwner), false, syncer.ClassInternal, 3, 0},
		{"records that do not fit", func(w syncer.Walk) ([]*syncer.Batch, error) {
			b := &syncer.Batch{End: &syncer.End{Watermark: "X"}}
			for i := range 20 {
				b.Records = append(b.Records, syncer.Record{Slots: [][]byte{fmt.Appendf(nil, "%q", fmt.Sprint("no number ", i)), []byte("1")}})
			}
			return []*syncer.Batch{b}, nil
		}, false, syncer.ClassMisfit, 3, 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, owner := time.Now(), newAnswers(whole(3))
				k, w := watched(t, owner, every(time.Minute))
				defer k.close()
				time.Sleep(30 * time.Second)
				if j := w.last(); j.Level != syncer.Fresh || !j.AsOf.Equal(start) || j.LastRows != 3 {
					t.Fatalf("after the first poll: %+v", j)
				}
				owner.now(test.answer)
				time.Sleep(time.Hour)
				j := w.last()
				if j.LastRows != test.rows || j.LastQuarantined != test.quarantined {
					t.Errorf("%d rows, %d quarantined; want %d, %d", j.LastRows, j.LastQuarantined, test.rows, test.quarantined)
				}
				if test.complete {
					if j.Level != syncer.Fresh || j.Alarm != syncer.Fresh || j.Staleness > time.Minute || j.Failure != nil || !j.FailingSince.IsZero() || !j.Since.IsZero() {
						t.Errorf("judged %+v, want fresh", j)
					}
					return
				}
				wantClass(t, "poll", j.Failure, test.class)
				if j.Level != syncer.Critical || j.Alarm != syncer.Critical || !j.AsOf.Equal(start) || !j.Since.Equal(start.Add(15*time.Minute)) ||
					!j.FailingSince.Equal(start.Add(time.Minute)) {
					t.Errorf("judged %+v, want critical as of the first poll", j)
				}
				owner.now(whole(0))
				time.Sleep(time.Minute)
				if j := w.last(); j.Alarm != syncer.Fresh || j.Failure != nil || !j.FailingSince.IsZero() || j.LastQuarantined != 0 {
					t.Errorf("after it is well again: %+v", j)
				}
			})
		})
	}
}

// A first poll that fails has ended, too; until then nothing is told of one.
func TestWatchOfAFirstPollThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		k, w := watched(t, newAnswers(func(syncer.Walk) ([]*syncer.Batch, error) { time.Sleep(10 * time.Second); return nil, errOwner }), every(time.Hour))
		defer k.close()
		time.Sleep(9 * time.Second)
		if j := w.last(); j.Level != syncer.Never || !j.Polled.IsZero() || j.Failure != nil {
			t.Errorf("while it runs: %+v", j)
		}
		time.Sleep(3 * time.Second)
		j := w.last()
		wantClass(t, "resync", j.Failure, syncer.ClassInternal)
		if j.Level != syncer.Never || j.Alarm != syncer.Fresh || !j.Polled.Equal(start.Add(10*time.Second)) {
			t.Errorf("after it: %+v", j)
		}
		time.Sleep(5 * time.Minute)
		if j := w.last(); j.Level != syncer.Never || j.Alarm != syncer.Warn || !j.Since.Equal(start.Add(5*time.Minute)) {
			t.Errorf("past warn: %+v", j)
		}
	})
}

// While the database is down, what is known of the copy grows old in memory.
func TestWatchWhileTheDatabaseIsDown(t *testing.T) {
	down := errors.New("connect: connection refused")
	for name, breaks := range map[string]func(*kitchen, *breakable, *atomic.Bool){
		"all of it":    func(_ *kitchen, l *breakable, _ *atomic.Bool) { l.fail(down) },
		"its readings": func(_ *kitchen, _ *breakable, unread *atomic.Bool) { unread.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, w := newKitchen("us", &syncertest.Memory{}, newAnswers(whole(3)), every(time.Minute)), &watch{}
				var unread atomic.Bool
				k.table.standing = func(context.Context) error {
					if unread.Load() {
						return down
					}
					return nil
				}
				lease := k.breakable()
				k.Watch = w
				k.start(t)
				defer k.close()
				time.Sleep(90 * time.Second)
				asOf := w.last().AsOf
				breaks(k, lease, &unread)
				time.Sleep(5 * time.Minute)
				j := w.last()
				if j.Level != syncer.Warn || j.Alarm != syncer.Warn || !j.AsOf.Equal(asOf) || !j.Since.Equal(asOf.Add(5*time.Minute)) || j.Standby {
					t.Errorf("past warn: %+v", j)
				}
				if j.Failure == nil || !strings.Contains(j.Failure.Text, "connection refused") || !strings.Contains(j.Reason, "connection refused") ||
					time.Since(j.FailingSince) < 4*time.Minute || time.Since(j.FailingSince) > 5*time.Minute {
					t.Errorf("fails by %v since %s, %q", j.Failure, j.FailingSince, j.Reason)
				}
				lease.fail(nil)
				unread.Store(false)
				time.Sleep(2 * time.Minute)
				if j := w.last(); j.Alarm != syncer.Fresh || j.Failure != nil || !j.FailingSince.IsZero() {
					t.Errorf("after it is up again: %+v", j)
				}
			})
		})
	}
}

// A database that was never read leaves the copy unknown, which is no alarm
// until it has been so for as long as the copy may be stale.
func TestWatchOfADatabaseThatIsNeverRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		k, w := newKitchen("us", &syncertest.Memory{}, newAnswers(whole(3)), every(time.Minute)), &watch{}
		lease := k.breakable()
		lease.fail(errors.New("connect: connection refused"))
		k.Watch = w
		k.start(t)
		defer k.close()
		for _, step := range []struct {
			wait  time.Duration
			alarm syncer.Level
			since time.Time
		}{{4 * time.Minute, syncer.Fresh, time.Time{}}, {2 * time.Minute, syncer.Warn, start.Add(5 * time.Minute)}, {10 * time.Minute, syncer.Critical, start.Add(15 * time.Minute)}} {
			time.Sleep(step.wait)
			j := w.last()
			if j.Level != syncer.Unknown || j.Alarm != step.alarm || !j.Since.Equal(step.since) || j.Standby || !j.Polled.IsZero() {
				t.Errorf("after %s: %+v, want %s", time.Since(start), j, step.alarm)
			}
			if j.Failure == nil || !strings.Contains(j.Failure.Text, "connection refused") {
				t.Errorf("fails by %v", j.Failure)
			}
		}
		lease.fail(nil)
		time.Sleep(10 * time.Second)
		if j := w.last(); j.Level != syncer.Fresh || j.Alarm != syncer.Fresh || j.Polled.IsZero() || j.Failure != nil {
			t.Errorf("after it is up: %+v", j)
		}
	})
}

// A standby is told to be one, however long, and counts anew from when it takes
// over.
func TestWatchOfAStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		k, w := newKitchen("us", &syncertest.Memory{}, newAnswers(whole(3)), every(time.Minute)), &watch{}
		lease := k.breakable()
		lease.fail(&syncer.HeldError{Holder: "them"})
		k.Watch = w
		k.start(t)
		defer k.close()
		time.Sleep(24 * time.Hour)
		if j := w.last(); !j.Standby || j.Alarm != syncer.Fresh || j.Limit != 15*time.Minute || !j.Polled.IsZero() || !j.NextPoll.IsZero() || j.Failure != nil {
			t.Errorf("standing by: %+v", j)
		}
		hung := func(syncer.Walk) ([]*syncer.Batch, error) { time.Sleep(time.Minute); return whole(3)(syncer.Walk{}) }
		k.feed.Source.(*answers).now(hung)
		lease.fail(nil)
		time.Sleep(10 * time.Second)
		j := w.last()
		if took := j.Watched.Sub(start.Add(24 * time.Hour)); j.Standby || j.Alarm != syncer.Fresh || !j.Polled.IsZero() || took < 0 || took > 2*time.Second {
			t.Errorf("just after the takeover: %+v", j)
		}
		time.Sleep(time.Minute)
		if j := w.last(); j.Level != syncer.Fresh || j.Polled.IsZero() {
			t.Errorf("after its first poll: %+v", j)
		}
		lease.fail(syncer.ErrFenced)
		time.Sleep(10 * time.Second)
		if j := w.last(); !j.Standby || j.Level != syncer.Unknown || !j.Polled.IsZero() {
			t.Errorf("after the lease is lost: %+v", j)
		}
	})
}

// In the gap of a schedule nothing is told; at its end the missed tick is, when
// grace is over.
func TestWatchOverAQuietGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec, err := schedule.Parse("0 8-18 * * mon-fri", time.UTC) // the bubble begins on a Saturday
		if err != nil {
			t.Fatal(err)
		}
		start, owner := time.Now().UTC(), newAnswers(whole(3))
		k, w := newKitchen("us", &syncertest.Memory{}, owner, spec), &watch{}
		k.feed.Copies[0].Budget = syncer.Budget{Grace: syncer.Grace{Warn: 5 * time.Minute, Critical: 15 * time.Minute, Due: spec}}
		k.feed.Jitter = 30 * time.Second
		k.Watch = w
		k.start(t)
		defer k.close()
		monday := time.Date(2000, 1, 3, 8, 0, 0, 0, time.UTC)
		time.Sleep(time.Until(monday.Add(-time.Second)))
		if j := w.last(); j.Alarm != syncer.Fresh || !j.AsOf.Equal(start) || !j.WarnAt.Equal(monday.Add(5*time.Minute)) || !j.NextPoll.Equal(monday.Add(30*time.Second)) {
			t.Errorf("before the first tick: %+v", j)
		}
		time.Sleep(time.Hour)
		if j := w.last(); j.Alarm != syncer.Fresh || !j.AsOf.Equal(monday.Add(30*time.Second)) {
			t.Errorf("after the first poll: %+v", j)
		}
		owner.now(fails(errOwner))
		time.Sleep(5 * time.Minute)
		if j := w.last(); j.Alarm != syncer.Fresh || !j.Due.IsZero() {
			t.Errorf("before grace is over: %+v", j)
		}
		time.Sleep(2 * time.Second)
		if j := w.last(); j.Alarm != syncer.Warn || !j.Since.Equal(monday.Add(time.Hour+5*time.Minute)) || j.Limit != time.Hour+5*time.Minute-30*time.Second {
			t.Errorf("after grace is over: %+v", j)
		}
		if j := w.last(); !j.Due.Equal(monday.Add(time.Hour)) || j.Grace != 5*time.Minute {
			t.Errorf("the poll due %v is late by more than %v", j.Due, j.Grace)
		}
		time.Sleep(10 * time.Minute)
		if j := w.last(); j.Alarm != syncer.Critical || !j.Due.Equal(monday.Add(time.Hour)) || j.Grace != 15*time.Minute {
			t.Errorf("at critical, the poll due %v is late by more than %v: %+v", j.Due, j.Grace, j)
		}
	})
}

// holding is a table whose guard holds so many deletions of each list.
type holding struct {
	syncer.Table
	held int
}

func (h holding) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	out, err := h.Table.Settle(ctx, w, s)
	if w.Kind.Listing() {
		out.Held = h.held
	}
	return out, err
}

// answered is what an owner answers by a status.
type answered int

func (answered) Error() string     { return "owner refuses" }
func (a answered) HTTPStatus() int { return int(a) }

// What the guard holds is told from the list on until it is accepted, and a
// failure with the status that the owner answered by.
func TestWatchOfWhatIsHeldAndRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := newAnswers(whole(3))
		k, w := newKitchen("us", &syncertest.Memory{}, owner, every(time.Minute)), &watch{}
		k.table.Table, k.Watch = holding{k.table.Table, 7}, w
		k.start(t)
		defer k.close()
		time.Sleep(90 * time.Second) // a list, and a poll for changes
		if j := w.last(); j.Held != 7 || j.Failure != nil {
			t.Errorf("after a list: %+v", j)
		}
		owner.now(fails(fmt.Errorf("fetch page 1: %w", answered(503))))
		time.Sleep(time.Minute)
		if j := w.last(); j.Held != 7 || j.Failure == nil || j.Failure.Status != 503 {
			t.Errorf("after a refusal: %+v, fails by %+v", j, j.Failure)
		}
		if _, err := k.daemon.Send(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Table: "a", Deletes: 7}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if j := w.last(); j.Held != 0 {
			t.Errorf("after it is accepted: %+v", j)
		}
	})
}

// A copy that is paused is told to be so at once.
func TestWatchOfAPausedCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, w := watched(t, newAnswers(whole(3)), every(time.Hour))
		defer k.close()
		for _, kind := range []syncer.OrderKind{syncer.OrderPause, syncer.OrderResume} {
			time.Sleep(time.Minute)
			if _, err := k.daemon.Send(t.Context(), syncer.Order{Kind: kind, Table: "a"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
			if j := w.last(); j.Paused != (kind == syncer.OrderPause) {
				t.Errorf("after %s: %+v", kind, j)
			}
		}
	})
}

// A row of failures goes on over a restart: since when, the database knows.
func TestWatchKnowsSinceWhenItFailsAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, owner, db := time.Now(), newAnswers(whole(3)), &syncertest.Memory{}
		run := func(name string, lasts time.Duration) syncer.Judged {
			k, w := newKitchen(name, db, owner, every(time.Minute)), &watch{}
			k.Watch = w
			k.start(t)
			defer k.close()
			time.Sleep(lasts)
			return w.last()
		}
		run("first", 30*time.Second)
		owner.now(fails(errOwner))
		run("second", 10*time.Minute)
		j := run("third", 5*time.Minute)
		if since := j.FailingSince.Sub(start); j.Failure == nil || since < 30*time.Second || since > 2*time.Minute {
			t.Errorf("fails by %v since %v after the start, want since the second daemon", j.Failure, since)
		}
		owner.now(whole(3))
		if j := run("fourth", 5*time.Minute); j.Failure != nil || !j.FailingSince.IsZero() {
			t.Errorf("well again, it fails by %v since %v", j.Failure, j.FailingSince)
		}
		before := time.Now()
		owner.now(fails(errOwner))
		if j := run("fifth", 5*time.Minute); j.Failure == nil || j.FailingSince.Before(before) {
			t.Errorf("a new row of failures, by %v, is since %v, before it began at %v", j.Failure, j.FailingSince, before)
		}
	})
}
