package schedule_test

import (
	"fmt"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer/schedule"
)

// local is the form in which the tests write instants: with the offset, so that the two halves
// of a repeated hour differ.
const local = "2006-01-02 15:04 -0700"

func TestClockChanges(t *testing.T) {
	for _, test := range []struct {
		name, zone, spec, after string
		want                    []string
	}{
		{
			name: "spring: a fixed time in the gap runs right after it", zone: "Europe/Berlin",
			spec: "30 2 * * *", after: "2026-03-28 12:00 +0100",
			want: []string{"2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"},
		}, {
			name: "spring: several in the gap run once", zone: "Europe/Berlin",
			spec: "*/20 2,3 * * *", after: "2026-03-29 00:00 +0100",
			want: []string{"2026-03-29 03:00 +0200", "2026-03-29 03:20 +0200", "2026-03-29 03:40 +0200", "2026-03-30 02:00 +0200"},
		}, {
			name: "spring: real time goes on", zone: "Europe/Berlin",
			spec: "*/30 * * * *", after: "2026-03-29 01:00 +0100",
			want: []string{"2026-03-29 01:30 +0100", "2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200"},
		}, {
			name: "autumn: a fixed time in the repeated hour runs once", zone: "Europe/Berlin",
			spec: "30 2 * * *", after: "2026-10-24 12:00 +0200",
			want: []string{"2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"},
		}, {
			name: "autumn: from inside the repeated hour it does not run again", zone: "Europe/Berlin",
			spec: "45 2 * * *", after: "2026-10-25 02:10 +0100",
			want: []string{"2026-10-26 02:45 +0100"},
		}, {
			name: "autumn: real time goes on", zone: "Europe/Berlin",
			spec: "0 * * * *", after: "2026-10-25 01:00 +0200",
			want: []string{"2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100"},
		}, {
			name: "every hour in another spelling goes by real time too", zone: "Europe/Berlin",
			spec: "0 0-23 * * *", after: "2026-10-25 01:00 +0200",
			want: []string{"2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100"},
		}, {
			name: "a midnight that does not exist", zone: "America/Santiago",
			spec: "@daily", after: "2026-09-05 12:00 -0400",
			want: []string{"2026-09-06 01:00 -0300", "2026-09-07 00:00 -0300"},
		}, {
			name: "a Sunday without a midnight, once a week", zone: "America/Santiago",
			spec: "@weekly", after: "2026-09-01 12:00 -0400",
			want: []string{"2026-09-06 01:00 -0300", "2026-09-13 00:00 -0300"},
		}, {
			name: "a Sunday without a midnight, every hour", zone: "America/Santiago",
			spec: "0 * * * 0", after: "2026-09-05 23:30 -0400",
			want: []string{"2026-09-06 01:00 -0300", "2026-09-06 02:00 -0300"},
		}, {
			name: "a midnight that comes twice", zone: "America/Santiago",
			spec: "30 23 * * *", after: "2026-04-04 12:00 -0300",
			want: []string{"2026-04-04 23:30 -0300", "2026-04-05 23:30 -0400"},
		}, {
			name: "half an hour forward", zone: "Australia/Lord_Howe",
			spec: "15 2 * * *", after: "2026-10-03 12:00 +1030",
			want: []string{"2026-10-04 02:30 +1100", "2026-10-05 02:15 +1100"},
		}, {
			name: "half an hour back", zone: "Australia/Lord_Howe",
			spec: "45 1 * * *", after: "2026-04-04 12:00 +1100",
			want: []string{"2026-04-05 01:45 +1100", "2026-04-06 01:45 +1030"},
		}, {
			name: "a whole day left out", zone: "Pacific/Apia",
			spec: "0 6 * * *", after: "2011-12-29 12:00 -1000",
			want: []string{"2011-12-31 00:00 +1400", "2011-12-31 06:00 +1400"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			zone := load(t, test.zone)
			s := parse(t, test.spec, zone)
			at, err := time.ParseInLocation(local, test.after, zone)
			if err != nil {
				t.Fatal(err)
			}
			at = at.In(zone)
			var got []string
			for range test.want {
				at = s.Next(at)
				got = append(got, at.Format(local))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("ticks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNextKeepsTheZoneOfItsArgument(t *testing.T) {
	s := parse(t, "CRON_TZ=Europe/Berlin 0 6 * * *", nil)
	got := s.Next(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC))
	if want := time.Date(2026, 7, 1, 4, 0, 0, 0, time.UTC); got != want {
		t.Errorf("next %v, want %v", got, want)
	}
}

// TestNextAgainstMinuteByMinute compares with the rules themselves, applied to every minute of
// the days around changes of the clock.
func TestNextAgainstMinuteByMinute(t *testing.T) {
	changes := map[string]time.Time{
		"Europe/Berlin":       time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC),
		"Europe/Paris":        time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC),
		"America/Santiago":    time.Date(2026, 9, 6, 4, 0, 0, 0, time.UTC),
		"Africa/Cairo":        time.Date(2026, 4, 23, 22, 0, 0, 0, time.UTC),
		"America/Nuuk":        time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC),
		"Australia/Lord_Howe": time.Date(2026, 4, 4, 15, 0, 0, 0, time.UTC),
		"Antarctica/Troll":    time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC),
		"Pacific/Apia":        time.Date(2011, 12, 30, 10, 0, 0, 0, time.UTC),
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{
			"Europe/Berlin", "Europe/Paris", "America/Santiago", "Africa/Cairo", "America/Nuuk",
			"Australia/Lord_Howe", "Antarctica/Troll", "Pacific/Apia",
		}).Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		spec := specs().Draw(t, "spec")
		s, err := schedule.Parse(spec, zone)
		if err != nil {
			t.Skip(err)
		}
		from := changes[name].Add(-30 * time.Hour).In(zone)
		to := changes[name].Add(30 * time.Hour).In(zone)
		var got []string
		for at := s.Next(from); !at.IsZero() && !at.After(to); at = s.Next(at) {
			got = append(got, at.Format(local))
		}
		if diff := cmp.Diff(minuteByMinute(t, spec, from, to), got); diff != "" {
			t.Errorf("%s in %s (-want +got):\n%s", spec, name, diff)
		}
	})
}

// minuteByMinute is the rule of the package comment: with every hour a tick is each minute whose
// local time matches; otherwise each local time counts at its first minute, and one that the
// clock jumped over counts at the first minute after the jump.
func minuteByMinute(t *rapid.T, spec string, from, to time.Time) []string {
	parsed, err := cron.ParseStandard("CRON_TZ=UTC " + spec)
	if err != nil {
		t.Fatal(err)
	}
	matches := func(wall time.Time) bool { return parsed.Next(wall.Add(-time.Second)).Equal(wall) }
	hour := parsed.(*cron.SpecSchedule).Hour
	everyHour := hour&(1<<24-1) == 1<<24-1

	var ticks []string
	seen := map[time.Time]bool{}
	before := wall(from.Add(-26 * time.Hour))
	for at := from.Add(-26 * time.Hour); !at.After(to); at = at.Add(time.Minute) {
		now := wall(at)
		due := matches(now) && (everyHour || !seen[now])
		for jumped := before.Add(time.Minute); !everyHour && jumped.Before(now); jumped = jumped.Add(time.Minute) {
			due = due || matches(jumped)
		}
		seen[now], before = true, now
		if due && at.After(from) {
			ticks = append(ticks, at.Format(local))
		}
	}
	return ticks
}

func wall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}

func TestNextIsRobfigsWhereTheClockDoesNotChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"UTC", "Asia/Kolkata", "Asia/Tokyo", "America/Phoenix"}).Draw(t, "zone")
		spec := rapid.OneOf(specs(),
			rapid.SampledFrom([]string{"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"}),
		).Draw(t, "spec")
		s, err := schedule.Parse("CRON_TZ="+zone+" "+spec, nil)
		if err != nil {
			t.Skip(err)
		}
		theirs, err := cron.ParseStandard("CRON_TZ=" + zone + " " + spec)
		if err != nil {
			t.Fatalf("robfig refuses %q: %v", spec, err)
		}
		at := instants().Draw(t, "at")
		for range 5 {
			got, want := s.Next(at), theirs.Next(at)
			if !got.Equal(want) {
				t.Fatalf("%s after %v: %v, robfig says %v", spec, at, got, want)
			}
			if !got.After(at) {
				t.Fatalf("%s after %v: %v is not after it", spec, at, got)
			}
			at = got
		}
	})
}

func TestNextIsStrictlyAfter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{
			"Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca", "UTC",
		}).Draw(t, "zone")
		spec := specs().Draw(t, "spec")
		s, err := schedule.Parse("TZ="+zone+" "+spec, nil)
		if err != nil {
			t.Skip(err)
		}
		at := instants().Draw(t, "at")
		next := s.Next(at)
		if !next.After(at) {
			t.Fatalf("%s in %s after %v: %v", spec, zone, at, next)
		}
		// There is no tick between: from anywhere in between, the next is the same.
		between := at.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(at))-1).Draw(t, "later")))
		if again := s.Next(between); !again.Equal(next) {
			t.Fatalf("%s in %s: %v after %v, but %v after %v", spec, zone, next, at, again, between)
		}
	})
}

func TestJitter(t *testing.T) {
	const limit = 30 * time.Second
	slots := make([]int, 10)
	for i := range 10_000 {
		name := fmt.Sprintf("source%d", i)
		got := schedule.Jitter(name, limit)
		if got < 0 || got >= limit || got != schedule.Jitter(name, limit) {
			t.Fatalf("jitter of %q: %v", name, got)
		}
		slots[got/(limit/10)]++
	}
	for i, n := range slots {
		if n < 850 || n > 1150 {
			t.Errorf("%d of 10,000 names in tenth %d of the limit, want about 1,000", n, i)
		}
	}
	for _, limit := range []time.Duration{0, -time.Second, 1} {
		if got := schedule.Jitter("users", limit); got != 0 {
			t.Errorf("jitter up to %v: %v, want 0", limit, got)
		}
	}
}

// specs are cron specs of all kinds, some of which never fire.
func specs() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		member := func(name string, low, high int) string {
			return rapid.OneOf(
				rapid.Just("*"),
				rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.IntRange(low, high).Draw(t, "value")) }),
				rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("*/%d", rapid.IntRange(1, high/2).Draw(t, "step")) }),
				rapid.Custom(func(t *rapid.T) string {
					a := rapid.IntRange(low, high-1).Draw(t, "a")
					return fmt.Sprintf("%d-%d", a, rapid.IntRange(a, high).Draw(t, "b"))
				}),
				rapid.Custom(func(t *rapid.T) string {
					return fmt.Sprintf("%d,%d", rapid.IntRange(low, high).Draw(t, "a"), rapid.IntRange(low, high).Draw(t, "b"))
				}),
			).Draw(t, name)
		}
		return fmt.Sprintf("%s %s %s %s %s", member("minute", 0, 59), member("hour", 0, 23),
			rapid.OneOf(rapid.Just("*"), rapid.Just(member("dom", 1, 31))).Draw(t, "days"),
			rapid.OneOf(rapid.Just("*"), rapid.Just(member("month", 1, 12))).Draw(t, "months"),
			rapid.OneOf(rapid.Just("*"), rapid.Just(member("dow", 0, 6))).Draw(t, "weekdays"))
	})
}

// instants lie in years whose next 29 February is within robfig's five years.
func instants() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(1735689600, 2051222400).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")).UTC()
	})
}

func parse(t *testing.T, spec string, zone *time.Location) schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(spec, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
