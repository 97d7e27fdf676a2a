// Package schedule says when a source is due.
//
// It imports the standard library and robfig/cron, of which it uses the parser and the search
// for the next match, and it touches nothing: no clock, no timer, no goroutine. robfig's runner
// skips a fixed time in the spring gap, runs it twice in autumn and forgets what was missed; the
// rules here are our own.
//
// A schedule whose hour field names hours is a list of fixed local times. One that falls into
// the gap when clocks go forward runs when the gap ends; one in the hour that clocks repeat runs
// the first time only. A schedule with every hour in it goes by real time through both.
package schedule

import (
	"hash/fnv"
	"math/bits"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule is a rule that gives instants, its ticks. It is a value without state and safe for
// concurrent use. The zero Schedule never fires; those of Parse and Every always do.
type Schedule struct {
	text  string
	every time.Duration      // whole seconds; 0 where spec decides
	spec  *cron.SpecSchedule // over wall clock times, which are written as if they were UTC
	zone  *time.Location     // of the wall clock
}

// String is the schedule as it was written.
func (s Schedule) String() string { return s.text }

// Next returns the first tick after t, in t's zone. It is zero if there is none within five
// years, which Parse refuses.
//
// An interval counts from t: it has no phase of its own.
func (s Schedule) Next(t time.Time) time.Time {
	if s.every > 0 {
		return cron.ConstantDelaySchedule{Delay: s.every}.Next(t)
	}
	if s.spec == nil {
		return time.Time{}
	}
	search := s.nextFixed
	if s.everyHour() {
		search = s.nextByRealTime
	}
	next := search(t.In(s.zone))
	if next.IsZero() {
		return time.Time{}
	}
	return next.In(t.Location())
}

// everyHour says that the wall clock's hour does not matter, however that was written.
func (s Schedule) everyHour() bool {
	const all = 1<<24 - 1
	return s.spec.Hour&all == all
}

// nextByRealTime searches from one change of the zone's offset to the next, because between
// them wall clock and real time run alike. t is in the zone.
func (s Schedule) nextByRealTime(t time.Time) time.Time {
	for {
		offset := offsetOf(t)
		match := s.spec.Next(wallOf(t))
		if match.IsZero() {
			return match
		}
		tick := match.Add(-offset).In(s.zone)
		_, change := t.ZoneBounds()
		if change.IsZero() || tick.Before(change) {
			return tick
		}
		// The change itself may be a tick by the new wall clock, and Next looks strictly after.
		tick = s.spec.Next(wallOf(change).Add(-time.Nanosecond)).Add(-offsetOf(change)).In(s.zone)
		if tick.Equal(change) {
			return tick
		}
		t = change
	}
}

// nextFixed searches among fixed local times. No match up to t's wall clock lies after t, so the
// search starts there; matches that were due already are those of a repeated hour.
func (s Schedule) nextFixed(t time.Time) time.Time {
	for match := s.spec.Next(wallOf(t)); !match.IsZero(); match = s.spec.Next(match) {
		if tick := instant(match, s.zone); tick.After(t) {
			return tick
		}
	}
	return time.Time{}
}

// wallOf is what a clock on the wall shows at t, written as if it were UTC.
func wallOf(t time.Time) time.Time { return t.Add(offsetOf(t)).UTC() }

func offsetOf(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// instant is when the wall clock of zone shows wall for the first time, or, where it never
// does, when it jumps over it.
func instant(wall time.Time, zone *time.Location) time.Time {
	// No zone is further than 15 hours from UTC, so this lies before the answer.
	t := wall.Add(-30 * time.Hour).In(zone)
	for {
		from, to := t.ZoneBounds()
		tick := wall.Add(-offsetOf(t)).In(zone)
		switch {
		case !from.IsZero() && tick.Before(from):
			return from
		case to.IsZero() || tick.Before(to):
			return tick
		}
		t = to
	}
}

// Jitter is the delay after each tick of the source of that name: from 0 up to, not including,
// limit. It is always the same for one name and spreads many names evenly, so sources with one
// schedule do not start in one instant.
func Jitter(name string, limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	// The high half of the product scales the hash down without favouring small values, once
	// its own high bits depend on all of the name; FNV alone leaves them poor for short names.
	high, _ := bits.Mul64(mix(h.Sum64()), uint64(limit))
	return time.Duration(high)
}

// mix is the finalizer of MurmurHash3.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
