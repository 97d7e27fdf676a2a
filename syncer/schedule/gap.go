package schedule

import (
	"time"
)

// horizon is how far LargestGap looks: past the next 29 February, which is the rarest day.
const horizon = 5 * 366 * 24 * time.Hour

// maxDays bounds the walk over days; horizon holds fewer.
const maxDays = 2000

// LargestGap is the longest time between two ticks after from: over nights, weekends, missing
// days and changes of the clock. It bounds how old a copy gets between polls that all succeed.
// The work is bounded: a few thousand steps, whatever the schedule.
//
// It rests on the days of a schedule being alike: all that fire fire at the same local times.
// So the gaps inside a day are read off one day, those between days are found by walking from
// day to day, and only around changes of the clock every tick is walked.
func LargestGap(s Schedule, from time.Time) time.Duration {
	if s.every > 0 {
		return s.every
	}
	if s.spec == nil {
		return 0
	}
	largest := s.largestBetweenDays(from)
	times := s.timesOfDay()
	for i := 1; i < len(times); i++ {
		largest = max(largest, times[i]-times[i-1])
	}
	return max(largest, s.largestAroundChanges(from))
}

// largestBetweenDays walks from each day's last tick to the next tick.
func (s Schedule) largestBetweenDays(from time.Time) (largest time.Duration) {
	times := s.timesOfDay()
	latest := times[len(times)-1]
	tick := s.Next(from.In(s.zone))
	for range maxDays {
		if tick.IsZero() || tick.Sub(from) > horizon {
			break
		}
		// The day's last local time may lie in a gap of the clock; then the tick after it is as
		// good, and never one before the first of the day.
		y, m, d := tick.Date()
		last := s.Next(instant(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Add(latest), s.zone).Add(-time.Second))
		if last.Before(tick) {
			last = tick
		}
		tick = s.Next(last)
		if !tick.IsZero() {
			largest = max(largest, tick.Sub(last))
		}
	}
	return largest
}

// largestAroundChanges walks every tick of the days around the next changes of the clock. Four
// are two years of the usual kind, and a change affects no tick further off than a day.
func (s Schedule) largestAroundChanges(from time.Time) (largest time.Duration) {
	const day = 24 * time.Hour
	_, change := from.In(s.zone).ZoneBounds()
	for range 4 {
		if change.IsZero() || change.Sub(from) > 2*366*day {
			break
		}
		tick := s.Next(change.Add(-day))
		for !tick.IsZero() && tick.Before(change.Add(day)) {
			next := s.Next(tick)
			if !next.IsZero() {
				largest = max(largest, next.Sub(tick))
			}
			tick = next
		}
		_, change = change.ZoneBounds()
	}
	return largest
}

// timesOfDay are the local times at which a day fires, counted from midnight, ascending.
func (s Schedule) timesOfDay() []time.Duration {
	var times []time.Duration
	for hour := range 24 {
		for minute := range 60 {
			if s.spec.Hour>>hour&1 == 1 && s.spec.Minute>>minute&1 == 1 {
				times = append(times, time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute)
			}
		}
	}
	return times
}

// LeastGrace is the delay after a due tick that comes about even if every poll succeeds at once:
// a poll begins jitter after its tick and, where a deletion counts as proven only after several
// walks in succession, the copy is due for it since the tick after the first of them. A grace that
// is not longer than this tells of copies that nothing is wrong with.
func LeastGrace(s Schedule, jitter time.Duration, walks int, from time.Time) time.Duration {
	return time.Duration(max(walks, 1)-1)*LargestGap(s, from) + jitter
}
