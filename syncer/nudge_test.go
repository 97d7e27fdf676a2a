package syncer_test

import (
	"context"
	"errors"

	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// later is an owner's wish to be asked again not before a moment.
type later struct{ at time.Time }

func (e *later) Error() string      { return "owner is busy" }
func (e *later) RetryAt() time.Time { return e.at }

// nudged is a kitchen whose polls note when they begin, from the start on.
type nudged struct {
	*kitchen
	from  time.Time
	mu    sync.Mutex
	begun []string
	// poll is what becomes of each; nil: it takes no time.
	poll func(context.Context) error
}

func newNudged(t *testing.T, schedule syncer.Schedule) *nudged {
	t.Helper()
	n := &nudged{from: time.Now()}
	n.kitchen = newKitchen("us", &syncertest.Memory{}, numbered(1, func(ctx context.Context, _ int) error {
		n.mu.Lock()
		n.begun = append(n.begun, time.Since(n.from).String())
		poll := n.poll
		n.mu.Unlock()
		if poll != nil {
			return poll(ctx)
		}
		return nil
	}), schedule)
	return n
}

func (n *nudged) polls(poll func(context.Context) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.poll = poll
}

// nudge nudges so often.
func (n *nudged) nudge(t *testing.T, times int) {
	t.Helper()
	for range times {
		if err := n.feed.Nudge(); err != nil {
			t.Fatal(err)
		}
	}
}

// want fails unless polls began at just these times since the last call.
func (n *nudged) want(t *testing.T, at ...string) {
	t.Helper()
	if diff := cmp.Diff(at, n.take()); diff != "" {
		t.Errorf("polls began at other times (-want +got):\n%s", diff)
	}
}

// take returns when polls began since the last call.
func (n *nudged) take() []string {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	begun := n.begun
	n.begun = nil
	return begun
}

// hours is a schedule that the nudges of a test do not meet.
const hours = every(10 * time.Hour)

// A flood of nudges costs one poll, and one more behind it if the flood goes on
// while it runs.
func TestNudgeFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNudged(t, hours)
		n.start(t)
		defer n.close()
		time.Sleep(time.Minute)
		n.want(t, "0s")
		n.nudge(t, 1000)
		time.Sleep(500 * time.Millisecond)
		n.want(t, "1m0s")
		time.Sleep(59*time.Second + 500*time.Millisecond)
		if more := n.take(); len(more) > 1 { // the last of them may have come while the poll ran
			t.Errorf("more polls at %v", more)
		}
		n.polls(func(context.Context) error { time.Sleep(10 * time.Second); return nil })
		n.nudge(t, 1)
		time.Sleep(5 * time.Second)
		n.nudge(t, 1000)
		time.Sleep(time.Minute)
		n.want(t, "2m0s", "2m10s")
		n.polls(nil)
		for range 100 { // ten a second, for ten seconds
			n.nudge(t, 1)
			time.Sleep(100 * time.Millisecond)
		}
		if got := len(n.take()); got < 9 || got > 11 {
			t.Errorf("%d polls in ten seconds of nudges, want one a second", got)
		}
	})
}

// What the owner shows late is asked for once more when it is shown.
func TestNudgeWithLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNudged(t, hours)
		n.feed.Lag = 10 * time.Second
		n.start(t)
		defer n.close()
		time.Sleep(time.Minute)
		n.nudge(t, 1)
		time.Sleep(4 * time.Second)
		n.nudge(t, 3)
		time.Sleep(time.Minute)
		n.want(t, "0s", "1m0s", "1m4s", "1m14s")
	})
}

// A nudge polls no sooner than the owner asked for, and leaves the schedule as
// it was.
func TestNudgeObeysTheOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNudged(t, every(20*time.Minute))
		n.start(t)
		defer n.close()
		time.Sleep(time.Minute)
		n.polls(func(context.Context) error { return &later{n.from.Add(15 * time.Minute)} })
		n.nudge(t, 1)
		time.Sleep(time.Minute)
		n.polls(nil)
		for range 10 {
			n.nudge(t, 1)
			time.Sleep(time.Second)
		}
		time.Sleep(40 * time.Minute)
		n.want(t, "0s", "1m0s", "15m0s", "20m0s", "40m0s")
	})
}

// While polls fail, nudges are tried as a first failure is, and the waits that
// the failures made grow on.
func TestNudgeWhilePollsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNudged(t, hours)
		n.start(t)
		defer n.close()
		time.Sleep(time.Minute)
		n.polls(func(context.Context) error { return errOwner })
		n.nudge(t, 1)
		time.Sleep(5 * time.Minute)
		n.want(t, "0s", "1m0s", "1m30s", "2m30s", "4m30s") // the next one is due at 8m30s
		n.nudge(t, 100)
		time.Sleep(time.Second)
		n.nudge(t, 100)
		time.Sleep(time.Second)
		n.want(t, "6m0s") // 30 seconds are over since 4m30s
		time.Sleep(time.Minute)
		n.want(t, "6m30s") // the hundred that came since
		time.Sleep(20 * time.Minute)
		n.want(t, "22m30s") // sixteen minutes after the sixth failure
	})
}

// Where nobody polls, a nudge is refused.
func TestNudgeOfAStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNudged(t, hours)
		lease := n.breakable()
		if err := n.feed.Nudge(); !errors.Is(err, syncer.ErrNotPolled) {
			t.Errorf("nudge before the start: %v", err)
		}
		n.start(t)
		time.Sleep(time.Minute)
		n.nudge(t, 1)
		lease.fail(errors.New("database is down"))
		time.Sleep(time.Minute)
		if err := n.feed.Nudge(); !errors.Is(err, syncer.ErrNotPolled) || errors.Is(err, syncer.ErrFenced) {
			t.Errorf("nudge while the database is down: %v", err)
		}
		lease.fail(&syncer.HeldError{Holder: "them"})
		time.Sleep(time.Minute)
		if err := n.feed.Nudge(); !errors.Is(err, syncer.ErrNotPolled) || !errors.Is(err, syncer.ErrFenced) {
			t.Errorf("nudge of a standby: %v", err)
		}
		lease.fail(nil)
		time.Sleep(time.Minute)
		n.want(t, "0s", "1m0s")
		n.nudge(t, 1)
		synctest.Wait()
		n.want(t, "4m0s")
		n.close()
		if err := n.feed.Nudge(); !errors.Is(err, syncer.ErrNotPolled) {
			t.Errorf("nudge after the end: %v", err)
		}
	})
}
