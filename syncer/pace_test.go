package syncer

import (
	"strings"
	"testing"
	"time"
	"unsafe"
)

// every is an @every schedule, daily one that fires at an hour of the day.
type every time.Duration

func (e every) Next(t time.Time) time.Time { return t.Add(time.Duration(e)) }

type daily int

func (d daily) Next(t time.Time) time.Time {
	at := time.Date(t.Year(), t.Month(), t.Day(), int(d), 0, 0, 0, t.Location())
	if !at.After(t) {
		at = at.AddDate(0, 0, 1)
	}
	return at
}

func clock(hour, minute, second int) time.Time {
	return time.Date(2026, 11, 23, hour, minute, second, 0, time.UTC)
}

func wantDue(t *testing.T, p *pace, now, want time.Time) {
	t.Helper()
	if got, known := p.due(now); !known || !got.Equal(want) {
		t.Errorf("at %s due %s (known %t), want %s", now, got, known, want)
	}
}

func TestPaceJoin(t *testing.T) {
	now := clock(12, 0, 0)
	for _, test := range []struct {
		name string
		pace pace
		last time.Time
		want time.Time
	}{
		{"never polled: at once, whatever the jitter", pace{schedule: daily(6), jitter: time.Minute}, time.Time{}, now},
		{"polled a moment ago", pace{schedule: every(time.Minute)}, clock(11, 59, 30), clock(12, 0, 30)},
		{"ticks were missed: at once", pace{schedule: every(time.Minute)}, clock(9, 0, 0), clock(9, 1, 0)},
		{"the day's tick was missed", pace{schedule: daily(6), jitter: time.Second}, clock(6, 0, 0).AddDate(0, 0, -1), clock(6, 0, 1)},
		{"the day's tick was not missed", pace{schedule: daily(6), jitter: time.Second}, clock(6, 0, 5), clock(6, 0, 1).AddDate(0, 0, 1)},
		{"a table that joins later waits for the common tick", pace{schedule: every(time.Hour), at: clock(12, 10, 0)}, clock(11, 50, 0), clock(12, 10, 0)},
		{"one that waits longer brings it forward", pace{schedule: every(time.Hour), at: clock(12, 10, 0)}, clock(11, 5, 0), clock(12, 5, 0)},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := test.pace
			p.join(test.last, now)
			wantDue(t, &p, now, test.want)
		})
	}
	if _, known := (&pace{schedule: every(time.Hour)}).due(now); known {
		t.Error("due before any table has joined")
	}
}

// However many ticks were missed, one poll makes up for them.
func TestPaceMissedTicks(t *testing.T) {
	p := &pace{schedule: every(time.Minute), jitter: 10 * time.Second}
	p.join(clock(9, 0, 0), clock(12, 0, 30))
	next := p.tick(clock(12, 0, 30))
	if want := clock(12, 1, 40); !next.Equal(want) {
		t.Errorf("next poll %s, want %s", next, want)
	}
	wantDue(t, p, clock(12, 0, 31), next)
}

func TestPaceKeepsItsIntervalUnderJitter(t *testing.T) {
	for name, s := range map[string]Schedule{"@every": every(time.Minute), "like cron": minutely{}} {
		p := &pace{schedule: s, jitter: 7 * time.Second}
		p.join(clock(11, 59, 30), clock(11, 59, 31))
		first, _ := p.due(clock(11, 59, 31))
		now := first
		for range 20 {
			p.tick(now.Add(300 * time.Millisecond)) // the loop wakes up a little late
			p.done(nil, now.Add(3*time.Second))
			now, _ = p.due(now.Add(3 * time.Second))
		}
		if want := first.Add(20 * time.Minute); !now.Equal(want) {
			t.Errorf("%s: poll 20 at %s, want %s", name, now, want)
		}
	}
}

type minutely struct{}

func (minutely) Next(t time.Time) time.Time { return t.Truncate(time.Minute).Add(time.Minute) }

func TestPaceClockSetBack(t *testing.T) {
	for name, s := range map[string]Schedule{"@every": every(time.Minute), "like cron": minutely{}} {
		p := &pace{schedule: s}
		p.join(clock(11, 59, 0), clock(12, 0, 0))
		p.tick(clock(12, 0, 0))
		now := clock(9, 0, 0)
		if due, _ := p.due(now); due.After(now.Add(time.Minute)) {
			t.Errorf("%s: due %s, more than an interval from %s", name, due, now)
		}
	}
}

// Moments of this process have a monotonic reading too, by which two of them are
// compared, whatever the wall clock says.
func TestPaceClockSetBackUnderAProcess(t *testing.T) {
	p := &pace{schedule: every(time.Minute)}
	noon := clock(12, 0, 0)
	p.join(time.Time{}, readings(noon, noon))
	p.tick(readings(noon, noon))
	p.due(readings(noon.Add(-time.Second), noon.Add(time.Second)))
	for passed := range 5 * time.Minute / time.Second {
		now := readings(clock(9, 0, 0).Add(passed*time.Second), noon.Add((passed+2)*time.Second))
		due, _ := p.due(now)
		if wait := due.Sub(now.Round(0)); wait > time.Minute {
			t.Fatalf("%s after the clock was set back the feed waits for %s", passed*time.Second, wait)
		} else if wait <= 0 {
			p.tick(now)
		}
	}
}

// readings is a moment with two readings that differ, as package time keeps them
// after the wall clock was set.
func readings(wall, monotonic time.Time) (t time.Time) {
	type kept struct {
		wall uint64 // a mark, seconds since 1885, nanoseconds
		ext  int64  // nanoseconds since anything
		loc  *time.Location
	}
	since := time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	*(*kept)(unsafe.Pointer(&t)) = kept{wall: 1<<63 | uint64(wall.Unix()-since)<<30 | uint64(wall.Nanosecond()), ext: monotonic.UnixNano(), loc: time.UTC}
	if !t.Round(0).Equal(wall) || !strings.Contains(t.String(), " m=") {
		panic("package time keeps its readings in another way than this test knows")
	}
	return t
}

func TestPaceFailures(t *testing.T) {
	failed := []Report{{Failure: &Failure{Class: ClassTimeout}}}
	asked := func(at time.Time) []Report { return []Report{{}, {RetryAt: at, Failure: failed[0].Failure}} }
	start := func(s Schedule) *pace {
		p := &pace{schedule: s}
		p.join(clock(11, 0, 0).AddDate(0, 0, -1), clock(12, 0, 0))
		p.tick(clock(12, 0, 0))
		return p
	}
	t.Run("each wait is double the last, up to an hour", func(t *testing.T) {
		p, now := start(daily(11)), clock(12, 0, 0)
		for _, want := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute,
			16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
			p.done(failed, now)
			wantDue(t, p, now, now.Add(want))
			now = now.Add(want)
			p.tick(now)
		}
	})
	t.Run("never later than the next tick", func(t *testing.T) {
		p := start(every(10 * time.Second))
		p.done(failed, clock(12, 0, 1))
		due, _ := p.due(clock(12, 0, 1))
		if next := p.at; !due.Equal(next) || due.After(clock(12, 0, 11)) {
			t.Errorf("due %s, want the tick at %s", due, next)
		}
	})
	t.Run("a success ends it", func(t *testing.T) {
		p := start(daily(11))
		p.done(failed, clock(12, 0, 0))
		p.done([]Report{{}}, clock(12, 0, 30))
		wantDue(t, p, clock(12, 0, 30), clock(11, 0, 0).AddDate(0, 0, 1))
		p.done(failed, clock(13, 0, 0))
		wantDue(t, p, clock(13, 0, 0), clock(13, 0, 30))
	})
	t.Run("the owner's wish comes before retry and tick", func(t *testing.T) {
		p := start(every(time.Minute))
		p.done(asked(clock(12, 20, 0)), clock(12, 0, 0))
		wantDue(t, p, clock(12, 0, 0), clock(12, 20, 0))
	})
	t.Run("nor is it waited for longer than the owner says", func(t *testing.T) {
		p := start(daily(11))
		p.done(asked(clock(12, 0, 16)), clock(12, 0, 0))
		wantDue(t, p, clock(12, 0, 0), clock(12, 0, 16))
	})
	t.Run("one who does not keep to what it said is asked more and more seldom", func(t *testing.T) {
		p := start(daily(11))
		now := clock(12, 0, 0)
		for _, want := range []time.Duration{time.Second, 30 * time.Second, time.Minute, 2 * time.Minute} {
			p.done(asked(now.Add(time.Second)), now)
			wantDue(t, p, now, now.Add(want))
			now = now.Add(want)
			p.tick(now)
		}
		brought := asked(now.Add(time.Second))
		brought[1].Batches = 1
		p.done(brought, now)
		wantDue(t, p, now, now.Add(time.Second))
	})
	t.Run("what failed for another reason waits, too", func(t *testing.T) {
		p := start(daily(11))
		p.done(append(asked(clock(12, 0, 1)), failed...), clock(12, 0, 0))
		wantDue(t, p, clock(12, 0, 0), clock(12, 0, 30))
	})
	t.Run("a table that fails alone is tried again", func(t *testing.T) {
		p := start(daily(11))
		p.done([]Report{{Tables: []TableReport{{}, {Failure: &Failure{Class: ClassDatabase}}}}}, clock(12, 0, 0))
		wantDue(t, p, clock(12, 0, 0), clock(12, 0, 30))
	})
	t.Run("a retry that nobody was ready for is not due for ever", func(t *testing.T) {
		p := start(daily(11))
		p.done(failed, clock(12, 0, 0))
		p.tick(clock(12, 0, 30))
		wantDue(t, p, clock(12, 0, 30), clock(11, 0, 0).AddDate(0, 0, 1))
	})
}
