package syncer

import (
	"cmp"
	"errors"
	"time"
)

// plainBudget remembers a budget in plain ages, because a schedule is asked too
// dear to be asked each second.
type plainBudget struct {
	from time.Time
	ages Budget
	set  bool
}

func (p *plainBudget) of(b Budget, from time.Time) Budget {
	if !p.set || !p.from.Equal(from) {
		p.from, p.ages, p.set = from, b.At(from), true
	}
	return p.ages
}

// Freshness judges the copy by what was last read of it or written to it: the
// worst over its partitions. It asks no database, so that a database that
// hangs cannot silence it.
func (c *Copy) Freshness(now time.Time) Freshness {
	c.mu.Lock()
	defer c.mu.Unlock()
	worst, _ := c.worst(now)
	worst.Table = c.Name
	return worst.Freshness
}

// judge fills in how the copy stands. woken is when the process began, or went
// on after it had stood still.
func (c *Copy) judge(now, woken time.Time, j *Judged) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j.Watched = woken
	if c.watched.After(woken) {
		j.Watched = c.watched
	}
	j.Standby = errors.Is(c.ready, ErrFenced)
	if !j.Standby {
		c.judgePolls(j)
	}
	f, loudest := c.worst(now)
	switch {
	case j.Standby:
		loudest = judged{limit: c.unknown.of(c.Budget, j.Watched).Critical}
	case c.doubtful(now, woken):
		f = judged{Freshness: Freshness{Level: Unknown, Reason: "daemon stood still: it is not known yet who holds the lease"}}
		fallthrough
	case f.Level == Unknown:
		loudest = f.louder(c.unknown.of(c.Budget, j.Watched), j.Watched, now)
	}
	f.Table = c.Name
	j.Freshness, j.Since, j.Limit = f.Freshness, loudest.since, loudest.limit
	j.Alarm = cmp.Or(loudest.alarm, Fresh)
}

// judgePolls fills in what became of the polls of a copy that is ours.
func (c *Copy) judgePolls(j *Judged) {
	for _, k := range c.parts {
		j.Paused = j.Paused || k.standing.Paused
		j.LastRows += k.rows
		j.Quarantined += k.quarantined
		if n := k.standing.Newest; !n.IsZero() && (j.Newest.IsZero() || n.Before(j.Newest)) {
			j.Newest = n
		}
		if j.Watermark = k.standing.Position.Watermark; len(c.parts) > 1 {
			j.Watermark = ""
		}
	}
	j.NextPoll = c.next
	if !c.polled.Before(j.Watched) {
		j.Polled = c.polled
	}
	c.judgeFailure(j)
}

// doubtful reports whether the lease may have run out while the process stood
// still, and nothing was heard of it since. A database that does not answer for
// as long as a lease lasts leaves no doubt that can be waited for.
func (c *Copy) doubtful(now, woken time.Time) bool {
	return c.ready == nil && !c.held.IsZero() && c.held.Before(woken) && Age(woken, now) <= LeaseTime
}

// judgeFailure fills in what fails. What keeps the table from being polled at
// all comes last, because the polls that fail of it say it better.
func (c *Copy) judgeFailure(j *Judged) {
	named := ""
	for name, k := range c.parts {
		f := k.failure()
		if f == nil {
			continue
		}
		if j.Failure == nil || name < named {
			j.Failure, named = f, name
		}
		if !k.failingSince.IsZero() && (j.FailingSince.IsZero() || k.failingSince.Before(j.FailingSince)) {
			j.FailingSince = k.failingSince
		}
	}
	if j.Failure == nil && c.ready != nil && !errors.Is(c.ready, errNotTaken) {
		j.Failure, j.FailingSince = failureOf(c.ready), c.unready
	}
}

// worst is the worst judgement over the partitions, and the loudest, which is
// another one where a partition is new; both Unknown if nothing is known of any.
func (c *Copy) worst(now time.Time) (worst, loudest judged) {
	worst = judged{Freshness: Freshness{Level: Unknown, Reason: "nothing is known of the copy"}}
	first, named, why := true, "", ""
	for name, k := range c.parts {
		if k.read {
			from := c.Budget.countsFrom(k.standing)
			ages := k.budget.of(c.Budget, from)
			f := judge(k.standing, ages, now)
			if first || f.Level.Worse(worst.Level) || f.Level == worst.Level && f.Staleness > worst.Staleness {
				worst = f
			}
			f = f.louder(ages, from, now)
			if first || f.alarm.Worse(loudest.alarm) || f.alarm == loudest.alarm && f.since.Before(loudest.since) {
				loudest = f
			}
			first = false
		}
		// Of several that fail the one is told that comes first by its name.
		if s := k.failing(); s != "" && (why == "" || name < named) {
			named, why = name, s
		}
	}
	if why != "" && (worst.Level != Fresh || worst.Reason == "") {
		worst.Reason = why
	}
	if c.ready != nil && (first || why == "" && worst.Level != Fresh) {
		worst.Reason = oneLine(c.ready.Error())
	}
	return worst, loudest
}

// failure is why a partition is not polled. That its resync fails comes first:
// polls for changes that succeed do not make good for it.
func (k *known) failure() *Failure { return cmp.Or(k.unread, k.unlisted, k.failed) }

// failing words it.
func (k *known) failing() string {
	f := k.failure()
	switch {
	case f == nil:
		return ""
	case f == k.unlisted:
		return "last resync: " + string(f.Class) + ": " + f.Text
	}
	return "last poll: " + string(f.Class) + ": " + f.Text
}
