package schedule_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer/schedule"
)

const day = 24 * time.Hour

func TestLargestGap(t *testing.T) {
	from := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name, spec string
		want       time.Duration
	}{
		{"an interval", "@every 30s", 30 * time.Second},
		{"every minute", "* * * * *", time.Minute},
		{"uneven minutes", "*/40 * * * *", 40 * time.Minute},
		{"hourly", "TZ=Europe/Berlin 0 * * * *", time.Hour},
		{"hourly, where the clock jumps half an hour", "TZ=Australia/Lord_Howe 0 * * * *", 90 * time.Minute},
		{"daily", "0 6 * * *", day},
		{"daily, and the day of autumn has 25 hours", "TZ=Europe/Berlin 0 6 * * *", 25 * time.Hour},
		{"nights", "*/10 8-18 * * *", 13*time.Hour + 10*time.Minute},
		{"weekends", "*/10 8-18 * * 1-5", 2*day + 13*time.Hour + 10*time.Minute},
		{"weekends, with the autumn Sunday", "TZ=Europe/Berlin */10 8-18 * * 1-5", 2*day + 14*time.Hour + 10*time.Minute},
		{"every minute of weekdays", "* * * * 1-5", 2*day + time.Minute},
		{"half the year", "* * * 1-6 *", 184*day + time.Minute},
		{"monthly", "@monthly", 31 * day},
		{"the 31st", "0 0 31 * *", 61 * day},
		{"29 February", "0 0 29 2 *", 1461 * day},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := schedule.LargestGap(parse(t, test.spec, nil), from); got != test.want {
				t.Errorf("largest gap of %q: %v, want %v", test.spec, got, test.want)
			}
		})
	}
}

// TestLargestGapAgainstEveryTick walks a year, tick by tick.
func TestLargestGapAgainstEveryTick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{
			"UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca", "America/Nuuk",
		}).Draw(t, "zone")
		spec := rapid.OneOf(
			specs(),
			rapid.SampledFrom([]string{"17 * * * *", "30 23 * * *", "0 0,1,2,3 * * 0", "59 * * * *", "0 1-4 * * *", "5 */5 * * 6"}),
		).Draw(t, "spec")
		s, err := schedule.Parse("TZ="+zone+" "+spec, nil)
		if err != nil {
			t.Skip(err)
		}
		from := instants().Draw(t, "from")
		var largest time.Duration
		tick := s.Next(from)
		for range 5000 {
			next := s.Next(tick)
			if next.Sub(from) > 366*day {
				break
			}
			largest = max(largest, next.Sub(tick))
			tick = next
		}
		if got := schedule.LargestGap(s, from); got < largest {
			t.Fatalf("largest gap of %q in %s after %v: %v, but there is one of %v", spec, zone, from, got, largest)
		}
	})
}

func TestAuto(t *testing.T) {
	for _, test := range []struct {
		name                string
		budget, lag, jitter time.Duration
		want                time.Duration // 0: no room
	}{
		{"half of the budget", 10 * time.Minute, 0, 0, 5 * time.Minute},
		{"lag and jitter go first", 10 * time.Minute, time.Minute, 20 * time.Second, 4*time.Minute + 20*time.Second},
		{"a tenth for the jitter", 21 * time.Second, 0, schedule.DefaultJitter, 10 * time.Second},
		{"the jitter's limit", 630 * time.Second, 0, schedule.DefaultJitter, 300 * time.Second},
		{"beyond the jitter's limit", time.Hour, 0, schedule.DefaultJitter, 29*time.Minute + 45*time.Second},
		{"whole seconds", 5 * time.Minute, 0, schedule.DefaultJitter, 142 * time.Second},
		{"a second at least", 1500 * time.Millisecond, 0, schedule.DefaultJitter, time.Second},
		{"a year at most", 1000 * day, 0, 0, 366 * day},
		{"budget below a second", time.Second, 0, schedule.DefaultJitter, 0},
		{"all lag", 5 * time.Minute, 5 * time.Minute, schedule.DefaultJitter, 0},
		{"more lag than budget", 5 * time.Minute, time.Hour, 0, 0},
		{"all jitter", time.Minute, 0, time.Minute, 0},
		{"no budget", 0, 0, 0, 0},
	} {
		got, err := schedule.Auto(test.budget, test.lag, test.jitter)
		if got != test.want || (err != nil) != (test.want == 0) || err != nil && !errors.Is(err, schedule.ErrNoRoom) {
			t.Errorf("%s: %v, %v; want %v", test.name, got, err, test.want)
		}
	}
}

// TestAutoLetsOnePollFail holds the interval against what it is for: the poll after a failed
// one comes, with its jitter and lag, before the budget is used up; a longer one would be late.
func TestAutoLetsOnePollFail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budget := time.Duration(rapid.Int64Range(int64(4*time.Second), int64(100*day)).Draw(t, "budget"))
		lag := time.Duration(rapid.Int64Range(0, int64(budget/4)).Draw(t, "lag"))
		jitter := rapid.OneOf(
			rapid.Just(schedule.DefaultJitter),
			rapid.Custom(func(t *rapid.T) time.Duration {
				return time.Duration(rapid.Int64Range(0, int64(budget/4)).Draw(t, "some"))
			}),
		).Draw(t, "jitter")
		interval, err := schedule.Auto(budget, lag, jitter)
		if err != nil {
			t.Fatal(err)
		}
		late := func(interval time.Duration) time.Duration {
			s, err := schedule.Every(interval)
			if err != nil {
				t.Fatal(err)
			}
			return 2*interval + schedule.JitterLimit(s, jitter) + lag
		}
		if interval > time.Second && late(interval) > budget {
			t.Errorf("interval %v: %v after two polls, budget %v", interval, late(interval), budget)
		}
		if late(interval+time.Second) <= budget {
			t.Errorf("interval %v could be longer", interval)
		}
	})
}

func TestJitterLimit(t *testing.T) {
	for spec, want := range map[string]time.Duration{
		"@every 30s":      3 * time.Second,
		"@every 10m":      30 * time.Second,
		"* * * * *":       6 * time.Second,
		"0,2 * * * *":     12 * time.Second,
		"59,0 23,0 * * *": 6 * time.Second, // 23:59 and 00:00
		"@daily":          30 * time.Second,
	} {
		if got := schedule.JitterLimit(parse(t, spec, nil), schedule.DefaultJitter); got != want {
			t.Errorf("default jitter of %q: %v, want %v", spec, got, want)
		}
	}
	if got := schedule.JitterLimit(parse(t, "@daily", nil), time.Hour); got != time.Hour {
		t.Errorf("a stated jitter became %v", got)
	}
	if got := schedule.JitterLimit(parse(t, "@daily", nil), 0); got != 0 {
		t.Errorf("no jitter became %v", got)
	}
}

func BenchmarkLargestGap(b *testing.B) {
	for _, spec := range []string{"* * * * *", "*/10 8-18 * * 1-5", "0 0 29 2 *"} {
		b.Run(spec, func(b *testing.B) {
			s, err := schedule.Parse("TZ=Europe/Berlin "+spec, nil)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				schedule.LargestGap(s, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
			}
		})
	}
}

func TestLeastGrace(t *testing.T) {
	from := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	s := parse(t, "0 8-18 * * 1-5", nil)
	for walks, want := range map[int]time.Duration{0: time.Minute, 1: time.Minute, 3: 2*(2*day+14*time.Hour) + time.Minute} {
		if got := schedule.LeastGrace(s, time.Minute, walks, from); got != want {
			t.Errorf("least grace with %d walks is %v, want %v", walks, got, want)
		}
	}
}
