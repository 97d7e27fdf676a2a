package syncer

import (
	"fmt"
	"strings"
	"time"
)

// Budget is the staleness that a table may reach before somebody is told. A
// zero Warn means that there is no warning before Critical. Critical may be zero
// only where Grace has one.
type Budget struct {
	Warn, Critical time.Duration
	// Grace bounds staleness by the schedule, too: what is passed first counts.
	Grace Grace
	// Deletes is how old the delete as-of may be where only audits see
	// deletions; 0: the feed tells of them, and they are judged with the rest.
	Deletes time.Duration
	// Newest is how old the newest record may be before it is said that the
	// owner's own pipeline may be stuck; 0: that is not judged.
	Newest time.Duration
}

// Grace is how late a poll may be, counted from the tick at which it is due: the
// budget for a schedule that has nights and weekends in it. The zero Grace
// bounds nothing.
type Grace struct {
	// Warn and Critical are counted from the tick, jitter not included; 0: none.
	Warn, Critical time.Duration
	// Due has the ticks. It must be safe for concurrent use.
	Due Schedule
	// Lag is by how much as-of lies before the poll's start. See Feed.Lag. That
	// an answer out of a cache is older still is not made good for: a poll that
	// brings what was so before the tick does not serve it.
	Lag time.Duration
}

// A poll that begins shortly before a tick, by hand or by a clock that is a
// little off, has what that tick would bring: it counts as that tick's if it is
// no more than earlyMost, and no more than this share of the time to the tick
// after, too early. Otherwise a millisecond would decide over a night.
const (
	earlyMost  = time.Minute
	earlyShare = 10
)

// At is the budget of a copy that is complete up to asOf as plain ages: the
// older of as-of and delete as-of, or as-of alone where Deletes is set. Its
// Grace is the zero one. Where there is none, it is the budget itself.
func (b Budget) At(asOf time.Time) Budget {
	g := b.Grace
	b.Grace = Grace{}
	if g.IsZero() {
		return b
	}
	due := g.due(asOf.Add(g.Lag)).Sub(asOf)
	b.Warn, b.Critical = earlier(b.Warn, due, g.Warn), earlier(b.Critical, due, g.Critical)
	return b
}

// Of is At for a copy that stands so. One that never was complete counts from
// when it was first seen.
func (b Budget) Of(st Standing) Budget { return b.At(b.countsFrom(st)) }

// lateBy says which poll was due when, and with which grace, where the budget
// that a judgement passed is not a plain age. Zero: it is one. What is not known
// at all is not late.
func (b Budget) lateBy(f judged) (due time.Time, grace time.Duration) {
	plain := b.Critical
	grace = b.Grace.Critical
	if f.alarm == Warn {
		plain, grace = b.Warn, b.Grace.Warn
	}
	if f.since.IsZero() || f.measure != MeasureStaleness || grace <= 0 || f.limit == plain || f.Level == Unknown {
		return time.Time{}, 0
	}
	return f.since.Add(-grace), grace
}

// IsZero reports whether g bounds nothing.
func (g Grace) IsZero() bool { return g.Warn <= 0 && g.Critical <= 0 }

// earlier is the shorter of a plain age and due + grace, either of which may be
// zero, for none.
func earlier(age, due, grace time.Duration) time.Duration {
	switch at := due + grace; {
	case grace <= 0:
		return age
	case age <= 0 || at < age:
		return at
	}
	return age
}

// due is the first tick that a poll begun at that moment does not serve. Where
// no tick follows, the moment itself: rather told too early than never.
func (g Grace) due(begun time.Time) time.Time {
	if g.Due == nil {
		return begun
	}
	begun = begun.Round(0) // schedules are wall clock
	tick := g.Due.Next(begun)
	if tick.IsZero() {
		return begun
	}
	if early := tick.Sub(begun); early < earlyMost {
		if after := g.Due.Next(tick); after.Sub(tick) > early*earlyShare {
			return after
		}
	}
	return tick
}

// String writes the budget down: two that differ are written differently, if
// their schedules are.
func (b Budget) String() string {
	var out []string
	add := func(name string, d time.Duration) {
		if d > 0 {
			out = append(out, name+" "+d.String())
		}
	}
	add("warn", b.Warn)
	add("critical", b.Critical)
	add("deletes", b.Deletes)
	add("newest", b.Newest)
	if g := b.Grace; !g.IsZero() {
		add("grace warn", g.Warn)
		add("grace critical", g.Critical)
		add("lag", g.Lag)
		out = append(out, fmt.Sprintf("after %v", g.Due))
	}
	return strings.Join(out, ", ")
}
