package syncer

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Runner keeps feeds in step with their owners until its context ends.
type Runner struct {
	Feeds     []*Scheduled
	Consumers []*Consumer
	// Concurrency is how many walks go on at one time, two at least. No more
	// than half of them are lists, which may take hours: changes of other feeds
	// do not wait for them.
	Concurrency int
	// History remembers every poll; nil: nobody does. Polling goes on where it
	// fails or hangs, and does not wait for it: it is told of one poll after the
	// other, in their order, a little later.
	History History
	// Observer is told of polls as they begin and end; nil: nobody is.
	Observer Observer
	// Watch hears how the copies stand; nil: nobody does.
	Watch Watch
	Log   zerolog.Logger

	// tried is closed when every lease has been asked for once.
	tried chan struct{}
	// past writes history.
	past *historian
	// absent has the fields of sources of which it was said that no record has
	// them.
	absent sync.Map
}

// triedMost is how long a feed's first poll waits for that. Without the wait a
// start would walk a feed once for every consumer; with a bound, a database
// that hangs delays the others only a little.
const triedMost = 2 * time.Second

// Schedule says when a feed is due next. The cron specs of robfig/cron are
// Schedules.
type Schedule interface {
	Next(time.Time) time.Time
}

// Scheduled is a feed with its schedule.
type Scheduled struct {
	*Feed
	Schedule Schedule
	// Jitter is how long after each tick the feed is polled; fixed, so that
	// many feeds of one spec are spread and each keeps its interval.
	Jitter time.Duration

	mu      sync.Mutex
	waiting []chan<- []Report
	// kicked, joined and nudged wake the loop: poll now; a table became ready;
	// something may have changed. listed wakes that of the listing lane: a table
	// may need everything.
	kicked, joined, nudged, listed chan struct{}
}

// Consumer is one consumer's database with the tables that live there. Lease,
// Inbox and Forgetter are sides of that database.
type Consumer struct {
	Name      string
	Lease     Lease
	Inbox     Inbox
	Forgetter Forgetter
	Copies    []*Copy
	// Idle are the targets of tables that are configured and not polled,
	// because their source is switched off.
	Idle []string
}

// Run keeps all feeds in step. It returns nil when ctx has ended, the
// transactions in hand have committed, the leases are given back and
// everything it started has ended, but for a call of a History that hangs.
func (r *Runner) Run(ctx context.Context) error {
	r.tried, r.past = make(chan struct{}), newHistorian(r)
	turns := newTurns(r.Concurrency)
	for _, s := range r.Feeds {
		s.turns = turns
		s.mu.Lock()
		s.kicked, s.joined = make(chan struct{}, 1), make(chan struct{}, 1)
		s.nudged, s.listed = make(chan struct{}, 1), make(chan struct{}, 1)
		s.mu.Unlock()
	}
	// Leases are kept until the last poll has ended.
	keeping, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var keepers, loops, trying sync.WaitGroup
	for _, c := range r.Consumers {
		for _, t := range c.Copies {
			t.SetReady(errNotTaken)
		}
		trying.Add(1)
		keepers.Go(func() { (&keeper{Runner: r, Consumer: c, tried: sync.OnceFunc(trying.Done)}).run(ctx, keeping) })
	}
	loops.Go(func() {
		trying.Wait()
		close(r.tried)
	})
	for _, s := range r.Feeds {
		loops.Go(func() { r.loop(ctx, s) })
		loops.Go(func() { r.listLoop(ctx, s) })
	}
	loops.Go(func() { newWatcher(r).Run(ctx) })
	loops.Wait()
	release()
	keepers.Wait()
	r.past.close()
	return nil
}

// PollSoon makes a poll for changes run at once, or right after the one that is
// running, and returns where its reports will come, with those of the lists
// that tables need: a list that is under way is waited for. Calls that wait
// together share one poll. The channel is closed without a report if the Runner
// stops first.
func (s *Scheduled) PollSoon() <-chan []Report {
	done := make(chan []Report, 1)
	s.mu.Lock()
	s.waiting = append(s.waiting, done)
	s.mu.Unlock()
	signal(s.kicked)
	return done
}

// takeWaiting returns those who wait for the poll that starts now.
func (s *Scheduled) takeWaiting() []chan<- []Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.waiting
	s.waiting = nil
	return w
}

// signal leaves a mark in a channel of one place; a second mark changes
// nothing.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
