package schedule

import (
	"errors"
	"fmt"
	"time"
)

// ErrNoRoom says that a budget is too tight for any schedule.
var ErrNoRoom = errors.New("budget leaves no time for a poll")

// DefaultJitter, given as a jitter, stands for a tenth of the interval and at most 30 seconds.
const DefaultJitter time.Duration = -1

const (
	jitterShare = 10
	maxJitter   = 30 * time.Second
)

// JitterLimit resolves a source's jitter: DefaultJitter is a tenth of the shortest time between
// two ticks of an ordinary day, and at most 30 seconds, so that a poll never starts as late as
// the next tick. Anything else is what it is.
func JitterLimit(s Schedule, jitter time.Duration) time.Duration {
	if jitter >= 0 {
		return jitter
	}
	return min(s.smallestGap()/jitterShare, maxJitter)
}

// smallestGap is the shortest time between two ticks where the clock does not change. Where a
// day fires once it is a whole day.
func (s Schedule) smallestGap() time.Duration {
	if s.spec == nil {
		return s.every
	}
	times := s.timesOfDay()
	smallest := times[0] + 24*time.Hour - times[len(times)-1]
	for i := 1; i < len(times); i++ {
		smallest = min(smallest, times[i]-times[i-1])
	}
	return smallest
}

// Auto is the interval of a source without a schedule: as long as the budget allows while one
// poll may fail, (budget - lag - jitter) / 2, in whole seconds and at least one. budget is the
// tightest warn of the source's tables, or critical where there is no warn.
//
// DefaultJitter makes the interval depend on a jitter that depends on the interval; the result
// is the one interval for which both rules hold.
func Auto(budget, lag, jitter time.Duration) (time.Duration, error) {
	room := budget - lag
	interval := (room - jitter) / 2
	if jitter < 0 {
		// jitter = interval/10, so room = 2 intervals + interval/10; beyond 30s it stays there.
		interval = room / (2*jitterShare + 1) * jitterShare
		if interval/jitterShare > maxJitter {
			interval = (room - maxJitter) / 2
		}
	}
	interval = min(max(interval.Truncate(time.Second), time.Second), maxInterval)
	if jitter < 0 {
		jitter = min(interval/jitterShare, maxJitter)
	}
	if interval+jitter >= room {
		return 0, fmt.Errorf("%w: %v, of which lag takes %v, and a poll each %v with jitter %v does not fit",
			ErrNoRoom, budget, lag, interval, jitter)
	}
	return interval, nil
}
