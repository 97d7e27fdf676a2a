package syncer

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// lookAgain bounds one sleep: timers stand still while a machine is
	// suspended, so the wall clock is read again at least this often.
	lookAgain = 30 * time.Second
	// A failed poll is tried again after retryFirst, doubled each time up to
	// retryMost, unless the schedule is due sooner.
	retryFirst = 30 * time.Second
	retryMost  = time.Hour
)

// loop polls one feed for changes whenever it is due. One feed never overlaps
// itself, because its loop does nothing else; lists are walked beside it.
func (r *Runner) loop(ctx context.Context, s *Scheduled) {
	p := &pace{schedule: s.Schedule, jitter: s.Jitter}
	r.awaitLeases(ctx)
	var answers sync.WaitGroup
	defer answers.Wait()
	for {
		kicked := r.await(ctx, s, p)
		if ctx.Err() != nil {
			break
		}
		now := time.Now()
		r.tellSkipped(s, p, now)
		if !kicked && !s.anyReady() {
			p.forgetNudges()
			p.tick(now)
			continue
		}
		due, known := p.due(now)
		s.takeNudge(p, now)
		p.begin(now)
		waiting, lists := s.takeWaiting(), &lists{}
		reports := r.poll(ctx, s, p, lists, len(waiting) > 0)
		if known && !kicked {
			r.tellPolled(s, reports, due, now)
		}
		r.record(reports)
		answers.Go(func() {
			lists.walks.Wait()
			for _, w := range waiting {
				w <- slices.Concat(reports, lists.reports)
			}
		})
	}
	for _, w := range s.takeWaiting() {
		close(w)
	}
}

// poll polls a feed and sets its pace by how that ended.
func (r *Runner) poll(ctx context.Context, s *Scheduled, p *pace, lists *lists, waited bool) []Report {
	s.setNext(p.tick(time.Now()))
	r.observer().Begins(s.Name)
	reports := r.pollChanges(ctx, s, lists, waited)
	r.observer().Ends(s.Name)
	now := time.Now()
	s.ended(reports, now)
	p.done(reports, now)
	if due, known := p.due(now); known {
		s.setNext(due)
	}
	return reports
}

// lists are walks for everything that somebody waits for.
type lists struct {
	walks   sync.WaitGroup
	mu      sync.Mutex
	reports []Report
}

// pollChanges walks the changes lane of every partition. Tables that need
// everything are left to the listing lane: at once, and for the lists, if
// somebody waits.
func (r *Runner) pollChanges(ctx context.Context, s *Scheduled, lists *lists, waited bool) []Report {
	parts, reports := s.partitions(ctx)
	changed := make([][]Report, len(parts))
	atOnce(ctx, len(parts), s.Feed.Concurrency, func(i int) {
		left := false
		walked := s.Feed.pollChanges(ctx, parts[i], func() {
			left = true
			if waited {
				lists.walks.Go(func() { lists.add(r.list(ctx, s, parts[i], true)) })
			}
			signal(s.listed)
		})
		for _, c := range walked {
			if c.Expired {
				r.Log.Info().Str("source", c.Source).Str("partition", c.Partition).Msg("watermark has expired: everything is asked for")
			}
			if !c.OK() || !left || c.told() { // else the listing lane tells of it
				changed[i] = append(changed[i], c)
			}
		}
	})
	reports = append(reports, slices.Concat(changed...)...)
	signal(s.listed) // it may be time for an audit of what was read
	return reports
}

// add keeps the reports of a list.
func (l *lists) add(reports []Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports = onlyOnce(append(l.reports, reports...))
}

// onlyOnce leaves out reports of a walk that another one tells of already. A walk
// that failed and was gone on with has two to tell.
func onlyOnce(reports []Report) []Report {
	var out []Report
	for _, r := range reports {
		if r.Walk == "" || !slices.ContainsFunc(out, func(o Report) bool { return o.Walk == r.Walk && o.Started.Equal(r.Started) }) {
			out = append(out, r)
		}
	}
	return out
}

// awaitLeases returns when every lease was tried for, or after triedMost.
func (r *Runner) awaitLeases(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, triedMost)
	defer cancel()
	select {
	case <-r.tried:
	case <-ctx.Done():
	}
}

// await sleeps until the feed is due, or somebody asks for a poll. A table
// that becomes ready brings the pace to what its last poll says.
func (r *Runner) await(ctx context.Context, s *Scheduled, p *pace) (kicked bool) {
	for {
		wait := lookAgain
		if due, known := p.due(time.Now()); known {
			s.comes(due)
			wait = min(wait, time.Until(due.Round(0)))
		}
		if wait <= 0 {
			return false
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-s.kicked:
			timer.Stop()
			return true
		case <-s.nudged:
			p.nudge(time.Now(), s.Lag)
		case <-s.joined:
			p.join(s.lastComplete(ctx), time.Now())
			if due, _ := p.due(time.Now()); due.After(time.Now()) {
				signal(s.listed) // else the poll does, so that no list runs ahead of it
			}
		case <-timer.C:
		}
		timer.Stop()
	}
}

// takeNudge takes up a hint that came while the loop woke up for something else.
func (s *Scheduled) takeNudge(p *pace, now time.Time) {
	select {
	case <-s.nudged:
		p.nudge(now, s.Lag)
	default:
	}
}

// tellSkipped tells the Observer of polls that did not take place.
func (r *Runner) tellSkipped(s *Scheduled, p *pace, now time.Time) {
	overlapped, missed := p.skipped(now)
	if overlapped > 0 {
		r.observer().Skipped(s.Name, SkipOverlap, overlapped)
	}
	if missed > 0 {
		r.observer().Skipped(s.Name, SkipMissed, missed)
	}
}

// tellPolled tells it how late a poll was that was due, or that all tables are
// paused. One that left everything to the listing lane began when that did.
func (r *Runner) tellPolled(s *Scheduled, reports []Report, due, began time.Time) {
	if len(reports) > 0 {
		began = reports[0].Started
	}
	switch {
	case slices.ContainsFunc(reports, Report.stopped):
	case s.allPaused():
		r.observer().Skipped(s.Name, SkipPaused, 1)
	default:
		r.observer().Late(s.Name, max(began.Round(0).Sub(due), 0))
	}
}

func (s *Scheduled) anyReady() bool {
	for _, c := range s.Copies {
		if c.Ready() == nil {
			return true
		}
	}
	return false
}

// lastComplete is when the last complete poll of the ready table that waits
// longest began; zero if there never was one. A failed poll does not count: it
// is tried again after a restart, too.
func (s *Scheduled) lastComplete(ctx context.Context) time.Time {
	var oldest time.Time
	first := true
	parts := s.lastPartitions()
	if len(parts) == 0 && s.Ask != nil {
		parts, _ = s.ask(ctx) // without them there was no complete poll
	}
	for _, p := range parts {
		for _, m := range s.muster(ctx, p).members {
			last := m.standing.AsOf
			if !last.IsZero() {
				last = last.Add(s.Lag)
			}
			if first || last.Before(oldest) {
				oldest, first = last, false
			}
		}
	}
	return oldest
}

// ended notes that a poll of all copies has ended, unless it was stopped.
func (f *Feed) ended(reports []Report, now time.Time) {
	if slices.ContainsFunc(reports, Report.stopped) {
		return
	}
	for _, c := range f.Copies {
		c.ends(now)
	}
}

// comes tells all copies when they are polled next.
func (f *Feed) comes(next time.Time) {
	for _, c := range f.Copies {
		c.comes(next)
	}
}

// allPaused reports whether somebody paused every copy.
func (f *Feed) allPaused() bool {
	return !slices.ContainsFunc(f.Copies, func(c *Copy) bool { return !c.isPaused() })
}
