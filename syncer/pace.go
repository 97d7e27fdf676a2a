package syncer

import "time"

// nudgeLeast is how long after a poll began a nudge may begin another.
const nudgeLeast = time.Second

// pace decides when a feed is polled next: by its schedule, sooner after a
// failure, later if the owner asks for it. All times are wall clock, because
// schedules are.
type pace struct {
	schedule Schedule
	jitter   time.Duration
	// at is the next tick without jitter; zero: not known, until a table joins.
	at       time.Time
	failures int
	// nudged is when somebody hinted at a change that no poll has begun after,
	// shown by when the owner shows it to a poll, at the latest; zero: nobody did.
	nudged, shown time.Time
	// began and ended are those of the last poll.
	began, ended time.Time
	// retry is when a failed poll is tried again; notBefore what the owner
	// asked for. Zero: nothing.
	retry, notBefore time.Time
}

// due is when to poll next; not known before any table is ready.
func (p *pace) due(now time.Time) (time.Time, bool) {
	if p.at.IsZero() {
		return time.Time{}, false
	}
	// A clock that was set back must not make the feed wait for the old time, as
	// it would where two moments are compared by the monotonic one.
	now = now.Round(0)
	if again := p.schedule.Next(now); again.Before(p.at) {
		p.at = again
	}
	due := p.at.Add(p.jitter)
	if !p.retry.IsZero() && p.retry.Before(due) {
		due = p.retry
	}
	if hinted, ok := p.hinted(); ok && hinted.Before(due) {
		due = hinted
	}
	if p.notBefore.After(due) {
		due = p.notBefore
	}
	return due, true
}

// nudge notes a hint that something changed. The owner may show it only after
// its lag: then a second poll is due.
func (p *pace) nudge(now time.Time, lag time.Duration) {
	now = now.Round(0)
	if p.nudged.IsZero() {
		p.nudged = now
	}
	if lag > 0 {
		p.shown = now.Add(lag)
	}
}

// hinted is when a poll is due because of hints. However many there are, there
// is some time between two polls, and more while polls fail.
func (p *pace) hinted() (time.Time, bool) {
	at := p.nudged
	if at.IsZero() {
		at = p.shown
	}
	if at.IsZero() {
		return at, false
	}
	if least := p.began.Add(nudgeLeast); least.After(at) {
		at = least
	}
	if least := p.ended.Add(retryFirst); p.failures > 0 && least.After(at) {
		at = least
	}
	return at, true
}

// begin notes that a poll begins, which sees all that was hinted at before and
// is shown by then.
func (p *pace) begin(now time.Time) {
	p.began, p.nudged = now.Round(0), time.Time{}
	if !p.shown.After(p.began) {
		p.shown = time.Time{}
	}
}

// join takes up the schedule where the last poll left it: at once if a tick was
// missed, or if there never was a poll.
func (p *pace) join(last, now time.Time) {
	if last.IsZero() {
		p.at = now.Round(0).Add(-p.jitter)
		return
	}
	at := p.schedule.Next(last.Round(0))
	if p.at.IsZero() || at.Before(p.at) {
		p.at = at
	}
}

// tick moves to the tick after the one that is due now, and returns when that
// one will be polled. Ticks that were missed are not made up for one by one,
// and a retry that was due is used up, whether or not there is a poll.
func (p *pace) tick(now time.Time) time.Time {
	now = now.Round(0)
	p.retry = time.Time{}
	next := p.at
	if !next.IsZero() && !next.After(now) {
		next = p.schedule.Next(next)
	}
	if !next.After(now) {
		next = p.schedule.Next(now)
	}
	p.at = next
	return next.Add(p.jitter)
}

// forgetNudges forgets all hints.
func (p *pace) forgetNudges() { p.nudged, p.shown = time.Time{}, time.Time{} }

// mostSkipped bounds how many ticks are counted that were skipped.
const mostSkipped = 10_000

// skipped counts the ticks that a poll at this moment stands for beside its own:
// those at which the poll before it was running, and those that were missed.
func (p *pace) skipped(now time.Time) (overlapped, missed int) {
	if p.at.IsZero() || p.at.After(now) {
		return 0, 0
	}
	for t := p.schedule.Next(p.at); !t.IsZero() && !t.After(now) && overlapped+missed < mostSkipped; t = p.schedule.Next(t) {
		if t.After(p.ended) {
			missed++
		} else {
			overlapped++
		}
	}
	return overlapped, missed
}

// done notes how a poll ended.
func (p *pace) done(reports []Report, now time.Time) {
	failed, told, came := false, true, false
	p.ended = now.Round(0)
	p.retry, p.notBefore = time.Time{}, time.Time{}
	for _, r := range reports {
		if !r.OK() {
			failed, told, came = true, told && !r.RetryAt.IsZero(), came || r.Batches > 0
		}
		if r.RetryAt.After(p.notBefore) {
			p.notBefore = r.RetryAt
		}
	}
	if !failed {
		p.failures = 0
		return
	}
	at := p.notBefore
	if !told {
		at = time.Time{} // one of them failed for another reason
	}
	p.retry, p.failures = again(at, p.failures, came, now)
}

// again is when what failed is tried again, and how many failures it had then.
// When the owner said from when on it answers, it is asked then, which is sooner
// or later than larder would by itself. But if nothing came although it was
// asked when it said, the waits grow as they do else.
func again(told time.Time, failures int, came bool, now time.Time) (time.Time, int) {
	now = now.Round(0)
	if !told.After(now) {
		return now.Add(backoff(failures)), failures + 1
	}
	if came {
		failures = 0
	}
	if failures > 0 {
		if least := now.Add(backoff(failures - 1)); least.After(told) {
			told = least
		}
	}
	return told, failures + 1
}

// backoff is how long to wait after so many failures before this one.
func backoff(failures int) time.Duration {
	return min(retryFirst<<min(failures, 10), retryMost)
}
