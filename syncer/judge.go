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
	worst, _ := c.weigh(now)
	worst.Table, worst.Reason = c.Name, c.reason(worst)
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
	_, f := c.weigh(now)
	f.Reason = c.reason(f)
	if !j.Standby {
		c.judgePolls(j)
		c.judgeFailure(j, f)
	}
	switch {
	case j.Standby:
		f.alarm, f.since, f.due, f.grace = Fresh, time.Time{}, time.Time{}, 0
		f.limit = c.unknown.of(c.Budget, j.Watched).Critical
	case c.doubtful(now, woken):
		f = judged{Freshness: Freshness{Level: Unknown, Reason: "daemon stood still: it is not known yet who holds the lease"}}
		fallthrough
	case f.Level == Unknown:
		f = f.louder(c.unknown.of(c.Budget, j.Watched), j.Watched, now)
	}
	f.Table = c.Name
	j.Freshness, j.Since, j.Limit, j.Measure, j.Age = f.Freshness, f.since, f.limit, f.measure, f.age
	j.Alarm, j.Due, j.Grace = f.alarm, f.due, f.grace
}

// judgePolls fills in what became of the polls of a copy that is ours.
func (c *Copy) judgePolls(j *Judged) {
	for _, k := range c.parts {
		j.Paused = j.Paused || k.standing.Paused
		j.LastRows += k.rows
		j.LastQuarantined += k.quarantined
		j.Held += k.held
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
}

// doubtful reports whether the lease may have run out while the process stood
// still, and nothing was heard of it since. A database that does not answer for
// as long as a lease lasts leaves no doubt that can be waited for.
func (c *Copy) doubtful(now, woken time.Time) bool {
	return c.ready == nil && !c.held.IsZero() && c.held.Before(woken) && Age(woken, now) <= LeaseTime
}

// judgeFailure fills in what fails of what is told: the partition that alarms, or
// where none does, that one or the first that fails. What keeps the table from
// being polled at all comes last, because the polls that fail of it say it
// better.
func (c *Copy) judgeFailure(j *Judged, f judged) {
	if k := c.failingOf(f); k != nil {
		j.Failure, j.FailingSince = k.failure(), k.failingSince
	} else if c.ready != nil && !errors.Is(c.ready, errNotTaken) {
		j.Failure, j.FailingSince = failureOf(c.ready), c.unready
	}
}

// weigh is the worst judgement over the partitions, and the one that is told:
// the loudest, or where none alarms, the worst. Both are Unknown if nothing is
// known of any.
func (c *Copy) weigh(now time.Time) (worst, told judged) {
	worst = judged{Freshness: Freshness{Level: Unknown, Reason: "nothing is known of the copy"}, measure: MeasureStaleness, alarm: Fresh}
	first := true
	for name, k := range c.parts {
		if !k.read {
			continue
		}
		from := c.Budget.countsFrom(k.standing)
		ages := k.budget.of(c.Budget, from)
		f := judge(k.standing, ages, now).louder(ages, from, now)
		f.part = name
		f.due, f.grace = c.Budget.lateBy(f)
		if first || f.worseThan(worst) {
			worst = f
		}
		if f.alarm != Fresh && (told.alarm == "" || f.louderThan(told)) {
			told = f
		}
		first = false
	}
	if told.alarm == "" {
		told = worst
	}
	return worst, told
}

// failingOf is what fails of a judgement: its partition; or where that neither
// alarms nor fails, the first by its name that does. nil: nothing.
func (c *Copy) failingOf(f judged) *known {
	if k := c.parts[f.part]; k != nil && k.failure() != nil {
		return k
	}
	if f.alarm != Fresh {
		return nil
	}
	var found *known
	named := ""
	for name, k := range c.parts {
		if k.failure() != nil && (found == nil || name < named) {
			found, named = k, name
		}
	}
	return found
}

// reason says why the level of a judgement is not fresh, or what keeps a fresh
// copy from staying so.
func (c *Copy) reason(f judged) string {
	k := c.failingOf(f)
	switch {
	case k != nil && (f.Level != Fresh || f.Reason == ""):
		return k.failing()
	case c.ready != nil && (f.Level == Unknown || k == nil && f.Level != Fresh):
		return oneLine(c.ready.Error())
	}
	return f.Reason
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
