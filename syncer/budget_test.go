package syncer_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/schedule"
)

// in reads an instant of Berlin, which has changes of the clock, or one of UTC.
func in(t *testing.T, at string) time.Time {
	t.Helper()
	if utc, err := time.Parse("2006-01-02 15:04:05Z", at); err == nil {
		return utc
	}
	out, err := time.ParseInLocation("2006-01-02 15:04:05", at, zone(t, "Europe/Berlin"))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func graced(t *testing.T, spec string) syncer.Budget {
	t.Helper()
	s, err := schedule.Parse(spec, zone(t, "Europe/Berlin"))
	if err != nil {
		t.Fatal(err)
	}
	return syncer.Budget{Grace: syncer.Grace{Warn: 5 * time.Minute, Critical: 15 * time.Minute, Due: s}}
}

// A budget with grace passes so long after the tick that follows the copy's
// as-of, however far away that is.
func TestGrace(t *testing.T) {
	const office = "0 8-18 * * mon-fri"
	for _, test := range []struct {
		name, schedule, asOf string
		lag, deletes         time.Duration // deletes: how much older they are
		due                  string
	}{
		{"inside a day", office, "2026-11-23 09:00:20", 0, 0, "2026-11-23 10:00:00"},
		{"over a night", office, "2026-11-23 18:00:20", 0, 0, "2026-11-24 08:00:00"},
		{"over a weekend", office, "2026-11-27 18:00:20", 0, 0, "2026-11-30 08:00:00"},
		{"a missed tick", office, "2026-11-27 17:00:20", 0, 0, "2026-11-27 18:00:00"},
		{"with lag", office, "2026-11-27 16:00:20", 2 * time.Hour, 0, "2026-11-30 08:00:00"},
		{"a held sweep", office, "2026-11-30 08:00:20", 0, 63 * time.Hour, "2026-11-27 18:00:00"},
		{"begun a moment before the tick", office, "2026-11-27 17:59:58", 0, 0, "2026-11-30 08:00:00"},
		{"begun just before the tick", office, "2026-11-27 17:59:01", 0, 0, "2026-11-30 08:00:00"},
		{"begun well before the tick", office, "2026-11-27 17:58:59", 0, 0, "2026-11-27 18:00:00"},
		{"each minute, begun in time", "* * * * *", "2026-11-27 17:58:03", 0, 0, "2026-11-27 17:59:00"},
		{"each minute, begun a moment before", "* * * * *", "2026-11-27 17:58:55", 0, 0, "2026-11-27 18:00:00"},
		{"an interval", "@every 90s", "2026-11-27 17:58:30", 0, 0, "2026-11-27 18:00:00"},
		{"the tick that the clock jumps over", "30 2 * * *", "2026-03-28 02:30:05", 0, 0, "2026-03-29 03:00:00"},
		{"the day after", "30 2 * * *", "2026-03-29 03:00:05", 0, 0, "2026-03-30 02:30:00"},
		{"the hour that comes twice", "30 2 * * *", "2026-10-24 02:30:05", 0, 0, "2026-10-25 00:30:00Z"},
		{"its second half", "0 * * * *", "2026-10-25 00:00:05Z", 0, 0, "2026-10-25 01:00:00Z"},
		{"each hour of the night with 25", "0 * * * *", "2026-10-25 01:00:05", 0, 0, "2026-10-25 00:00:00Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b, asOf, due := graced(t, test.schedule), in(t, test.asOf), in(t, test.due)
			b.Grace.Lag = test.lag
			st := syncer.Standing{AsOf: asOf, DeletesAsOf: asOf.Add(-test.deletes)}
			for after, want := range map[time.Duration]syncer.Level{0: syncer.Fresh, 5 * time.Minute: syncer.Fresh,
				5*time.Minute + time.Second: syncer.Warn, 15 * time.Minute: syncer.Warn, 15*time.Minute + time.Second: syncer.Critical} {
				f := syncer.Judge(st, b, due.Add(after))
				if f.Level != want || !f.WarnAt.Equal(due.Add(5*time.Minute)) || !f.CriticalAt.Equal(due.Add(15*time.Minute)) {
					t.Errorf("%s after %s: %s, warn at %s, critical at %s", after, due, f.Level, f.WarnAt, f.CriticalAt)
				}
			}
		})
	}
}

// A copy that never was complete is told of when the first tick since it was
// seen is late; a schedule without a next tick tells too early, not never.
func TestGraceWithoutPolls(t *testing.T) {
	b := graced(t, "0 8-18 * * mon-fri")
	seen := in(t, "2026-11-27 18:30:00")
	if ages := b.Of(syncer.Standing{FirstSeen: seen}); !seen.Add(ages.Critical).Equal(in(t, "2026-11-30 08:15:00")) || ages.Grace != (syncer.Grace{}) {
		t.Errorf("ages are %v", ages)
	}
	b.Grace.Due = schedule.Schedule{}
	if ages := b.At(seen); ages.Warn != 5*time.Minute || ages.Critical != 15*time.Minute {
		t.Errorf("without a tick the ages are %v", ages)
	}
}

// Whatever the schedule, a copy whose every poll begins within its jitter after
// the tick, jitter being shorter than grace, is never told of; and one that
// misses a tick is, grace after it.
func TestGraceHoldsForEverySchedule(t *testing.T) {
	specs := []string{"*/7 * * * *", "0 8-18 * * mon-fri", "30 2 * * *", "0 0 1 * *", "15,45 */5 * * *", "* * * * *", "@every 37s"}
	rapid.Check(t, func(rt *rapid.T) {
		b := graced(t, rapid.SampledFrom(specs).Draw(rt, "schedule"))
		jitter := time.Duration(rapid.IntRange(0, 4*60+59).Draw(rt, "jitter")) * time.Second
		from := in(t, "2026-01-01 00:00:00").Add(time.Duration(rapid.IntRange(0, 366*24*3600).Draw(rt, "from")) * time.Second)
		tick := b.Grace.Due.Next(from)
		next := b.Grace.Due.Next(tick)
		if jitter >= next.Sub(tick)*9/10 {
			rt.Skip("polls would meet the next tick")
		}
		polled := tick.Add(jitter)
		if _, interval := b.Grace.Due.(schedule.Schedule); interval && b.Grace.Due.(schedule.Schedule).String() == "@every 37s" {
			next = b.Grace.Due.Next(polled)
		}
		st := syncer.Standing{AsOf: polled, DeletesAsOf: polled}
		if f := syncer.Judge(st, b, next.Add(jitter)); f.Level != syncer.Fresh {
			rt.Errorf("polled at %s, judged %s when the next poll begins at %s", polled, f.Level, next.Add(jitter))
		}
		if f := syncer.Judge(st, b, next.Add(15*time.Minute+time.Second)); next.Sub(polled) > time.Minute && f.Level != syncer.Critical {
			rt.Errorf("polled at %s, judged %s though the tick %s was missed", polled, f.Level, next)
		}
	})
}

func TestBudgetIsWrittenDown(t *testing.T) {
	b := graced(t, "0 8-18 * * mon-fri")
	b.Critical, b.Grace.Lag = time.Hour, time.Minute
	if want := "critical 1h0m0s, grace warn 5m0s, grace critical 15m0s, lag 1m0s, after 0 8-18 * * mon-fri"; b.String() != want {
		t.Errorf("budget is %q, want %q", b, want)
	}
}
