package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/schedule"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// observer writes down what it is told, from the start on.
type observer struct {
	mu    sync.Mutex
	start time.Time
	lines []string
	under int
	// unrecorded reports are not in history.
	unrecorded int
}

func (o *observer) note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, time.Since(o.start).String()+" "+fmt.Sprintf(format, args...))
}

func (o *observer) Begins(string) { o.count(1) }
func (o *observer) Ends(string)   { o.count(-1) }
func (o *observer) count(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.under += n
}
func (o *observer) Late(_ string, by time.Duration) { o.note("late by %s", by) }
func (o *observer) Skipped(_ string, why syncer.Skip, polls int) {
	o.note("%d skipped: %s", polls, why)
}
func (o *observer) Reported(syncer.Report) {}
func (o *observer) Unrecorded(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unrecorded += n
}
func (o *observer) want(t *testing.T, what string, lines ...string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if diff := cmp.Diff(lines, o.lines); diff != "" {
		t.Errorf("%s, the observer was told otherwise (-want +got):\n%s", what, diff)
	}
	o.lines = nil
}

func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minutely, err := schedule.Parse("* * * * *", time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		m, takes := &syncertest.Memory{}, make(chan time.Duration, 10)
		owner := numbered(1, func(context.Context, int) error {
			select {
			case d := <-takes:
				time.Sleep(d)
			default:
			}
			return nil
		})
		run := func() (*kitchen, *observer) {
			k, o := newKitchen("us", m, owner, minutely), &observer{start: time.Now()}
			k.Observer = o
			k.start(t)
			return k, o
		}
		k, o := run()
		time.Sleep(90 * time.Second)
		o.want(t, "at first", "0s late by 0s", "1m0s late by 0s")
		takes <- 3 * time.Minute // from 2:00 to 5:00, over two ticks, and served at the third
		time.Sleep(2 * time.Minute)
		if o.mu.Lock(); o.under != 1 {
			t.Errorf("%d polls are under way, want 1", o.under)
		}
		o.mu.Unlock()
		time.Sleep(2 * time.Minute) // 5:30
		o.want(t, "with a poll that takes long", "5m0s late by 0s", "5m0s 2 skipped: overlap", "5m0s late by 2m0s")
		if _, err := k.daemon.Send(t.Context(), syncer.Order{Kind: syncer.OrderPause, Table: "a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		o.want(t, "paused", "6m0s 1 skipped: paused")
		if _, err := k.daemon.Send(t.Context(), syncer.Order{Kind: syncer.OrderResume, Table: "a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		o.want(t, "resumed") // somebody asked for that poll
		k.close()
		if o.under != 0 {
			t.Errorf("%d polls are under way after the end", o.under)
		}
		time.Sleep(10 * time.Minute)
		k, o = run() // 16:45
		defer k.close()
		time.Sleep(time.Second)
		o.want(t, "after a stop", "0s 9 skipped: missed", "0s late by 9m45s")
	})
}

// TestMissedPollsAreCountedWhenTheDatabaseIsBack: while it is away, from the start
// or later, nobody knows of a schedule what was polled last.
func TestMissedPollsAreCountedWhenTheDatabaseIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minutely, err := schedule.Parse("* * * * *", time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		m, down := &syncertest.Memory{}, errors.New("connect: refused")
		run := func(before error) (*kitchen, *breakable, *observer) {
			k, o := newKitchen("us", m, numbered(1, func(context.Context, int) error { return nil }), minutely), &observer{start: time.Now()}
			k.Observer = o
			lease := k.breakable()
			lease.fail(before)
			k.start(t)
			return k, lease, o
		}
		k, lease, o := run(nil)
		time.Sleep(90 * time.Second)
		o.want(t, "at first", "0s late by 0s", "1m0s late by 0s")
		lease.fail(down)
		time.Sleep(10*time.Minute + 2*time.Second) // 11:32, over the ticks from 2:00 to 11:00
		o.want(t, "while it is away")
		lease.fail(nil)
		time.Sleep(10 * time.Second)
		o.want(t, "when it is back", "11m35s 9 skipped: missed", "11m35s late by 9m35s")
		k.close()
		k, lease, o = run(down)
		time.Sleep(10*time.Minute + 2*time.Second)
		o.want(t, "while it is away from the start")
		lease.fail(nil)
		time.Sleep(10 * time.Second)
		o.want(t, "when it is back", "10m5s 9 skipped: missed", "10m5s late by 9m47s")
		k.close()
	})
}
