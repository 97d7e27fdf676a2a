package alert

import (
	"time"

	"github.com/larder-sync/larder/syncer"
)

// active says whether a window is open: a tick of its schedule came no longer
// ago than Duration.
func (m *Maintenance) active(now time.Time) bool {
	tick := m.Schedule.Next(now.Add(-m.Duration))
	return !tick.IsZero() && !tick.After(now)
}

// mostTicks bounds how many ticks of a window are looked at.
const mostTicks = 10_000

// Until says when a window that is open at a moment closes; false: it is not open.
func (m *Maintenance) Until(now time.Time) (time.Time, bool) {
	if !m.active(now) {
		return time.Time{}, false
	}
	tick := m.Schedule.Next(now.Add(-m.Duration))
	for range mostTicks {
		next := m.Schedule.Next(tick)
		if next.IsZero() || next.After(now) {
			break
		}
		tick = next
	}
	return tick.Add(m.Duration), true
}

func (s *Silence) active(now time.Time) bool {
	return !now.Before(s.From) && now.Before(s.Until)
}

// mutes are those of one moment: lists of globs over tables of which nothing is
// told.
type mutes [][]string

// mutesAt collects what is active.
func mutesAt(silences []Silence, windows []Maintenance, now time.Time) (m mutes) {
	for i := range silences {
		if silences[i].active(now) {
			m = append(m, silences[i].Tables)
		}
	}
	for i := range windows {
		if windows[i].active(now) {
			m = append(m, windows[i].Tables)
		}
	}
	return m
}

func (m mutes) cover(table string) bool {
	for _, globs := range m {
		if Matches(globs, table) {
			return true
		}
	}
	return false
}

// waking is since when this process can be trusted to know what it says: its
// start, or the end of a gap in which it did not run.
type waking struct {
	at time.Time
	// gap says that it was not the start: another daemon may have taken over
	// meanwhile, and for as long as a lease lasts this one may not know yet.
	gap bool
}

// mutes says whether nothing at all may be told of a copy because this process
// has just woken.
func (w waking) mutes(j *syncer.Judged, now time.Time) bool {
	return w.gap && !j.Polled.After(w.at) && now.Sub(w.at) < syncer.LeaseTime
}

// doubts says whether it is not known yet who tells of a copy: this process has
// just woken, or begun and not heard of the lease.
func (w waking) doubts(j *syncer.Judged, now time.Time) bool {
	return w.mutes(j, now) || j.Level == syncer.Unknown && now.Sub(w.at) < syncer.LeaseTime
}

// holds says whether nothing new may be told of a copy yet: no poll of it has
// ended since this process judges it, and the grace is not over.
func (w waking) holds(j *syncer.Judged, grace time.Duration, now time.Time) bool {
	since := j.Watched
	if since.Before(w.at) && w.gap || since.IsZero() {
		since = w.at
	}
	return !j.Polled.After(since) && now.Sub(since) < grace
}

// gapBetween is how much time went by between two moments by whichever clock
// saw more: the monotonic one stands still while a machine is suspended, and
// the other one may be set back.
func gapBetween(before, after time.Time) time.Duration {
	return max(after.Sub(before), after.Round(0).Sub(before.Round(0)))
}
