package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/schedule"
)

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ name, spec, want string }{
		{"nothing", "", "want five fields"},
		{"a zone alone", "CRON_TZ=Europe/Berlin", `nothing follows the time zone "Europe/Berlin"`},
		{"a short zone alone", "TZ=UTC", `nothing follows the time zone "UTC"`},
		{"a zone and a space", "CRON_TZ=UTC ", `nothing follows the time zone "UTC"`},
		{"an empty zone", "CRON_TZ= 0 6 * * *", "CRON_TZ= names no time zone"},
		{"only the prefix", "TZ=", "TZ= names no time zone"},
		{"an unknown zone", "TZ=Europe/Atlantis 0 6 * * *", `unknown time zone "Europe/Atlantis"`},
		{"a zone that is a file", "TZ=../../etc/passwd 0 6 * * *", "unknown time zone"},
		{"the machine's zone", "TZ=Local 0 6 * * *", "depends on the machine"},
		{"a zone for an interval", "TZ=UTC @every 5m", "an interval has no time zone"},
		{"30 February", "0 0 30 2 *", "never fires"},
		{"31 in short months", "0 0 31 4,6,9,11 *", "never fires"},
		{"a lone comma", "0 , * * *", `hour ",": an empty place in the list`},
		{"a trailing comma", "0,30, * * * *", `minute "0,30,": an empty place in the list`},
		{"hourly in disguise", "*/90 * * * *", `minute "*/90": a step of 90 goes past the end`},
		{"hourly, just", "*/60 * * * *", "a step of 60 goes past the end"},
		{"a step past its range", "0 8-10/3 * * *", "a step of 3 goes past the end"},
		{"a Sunday of 7", "0 0 * * 7", `day of week "7": there is no day 7, Sunday is 0`},
		{"a range to 7", "0 0 * * 1-7", "there is no day 7"},
		{"minute 60", "60 * * * *", `minute "60": want 0-59`},
		{"hour 24", "0 24 * * *", `hour "24": want 0-23`},
		{"day 0", "0 0 0 * *", `day of month "0": want 1-31`},
		{"an unknown month", "0 0 1 juin *", `month "juin": want 1-12 or jan-dec`},
		{"a negative", "-5 * * * *", "want 0-59"},
		{"a range backwards", "50-10 * * * *", "want 0-59"},
		{"no step", "*/0 * * * *", "want 0-59"},
		{"the last day", "0 0 L * *", "want 1-31"},
		{"the second Friday", "0 0 * * 5#2", "want 0-6"},
		{"seconds", "0 0 6 * * *", "want five fields (minute, hour, day of month, month, day of week), got 6"},
		{"four fields", "0 6 * *", "got 4"},
		{"a reboot", "@reboot", `unknown name "@reboot"`},
		{"nothing every", "@every", `unknown interval ""`},
		{"zero", "@every 0s", "less than a second"},
		{"negative interval", "@every -5m", "less than a second"},
		{"half a second", "@every 500ms", "less than a second"},
		{"a second and a half", "@every 1500ms", "not in whole seconds"},
		{"no unit", "@every 30", `unknown interval "30"`},
		{"days in the middle", "@every 2h1d", `unknown interval "2h1d"`},
		{"minus and days", "@every -1d", `unknown interval "-1d"`},
		{"more than a year", "@every 400d", "more than a year"},
		{"very long", strings.Repeat("0,", 2000) + "0 * * * *", "more than 1024"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := schedule.Parse(test.spec, nil)
			if err == nil {
				t.Fatalf("%q parsed as %v", test.spec, s)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "parse ") {
				t.Errorf("error %q, want it to say %q", err, test.want)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	at := time.Date(2026, 5, 4, 10, 20, 30, 0, time.UTC) // a Monday
	for spec, want := range map[string]time.Time{
		"*/15 * * * *":                   at.Truncate(time.Hour).Add(30 * time.Minute),
		" 0 6 * * * ":                    time.Date(2026, 5, 5, 6, 0, 0, 0, time.UTC),
		"0 6 * * mon-fri":                time.Date(2026, 5, 5, 6, 0, 0, 0, time.UTC),
		"0 6 1 JAN ?":                    time.Date(2027, 1, 1, 6, 0, 0, 0, time.UTC),
		"0 0 29 2 *":                     time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC),
		"0 0 13 * 5":                     time.Date(2026, 5, 8, 0, 0, 0, 0, time.UTC), // either of both days
		"7/1 * * * *":                    at.Truncate(time.Minute).Add(time.Minute),
		"CRON_TZ=Asia/Kolkata 0 6 * * *": time.Date(2026, 5, 5, 0, 30, 0, 0, time.UTC),
		"TZ=Asia/Tokyo @daily":           time.Date(2026, 5, 4, 15, 0, 0, 0, time.UTC),
		"@hourly":                        time.Date(2026, 5, 4, 11, 0, 0, 0, time.UTC),
		"@every 30s":                     at.Add(30 * time.Second),
		"@every 1d":                      at.Add(24 * time.Hour),
		"@every 1d12h":                   at.Add(36 * time.Hour),
	} {
		s := parse(t, spec, nil)
		if got := s.Next(at); got != want {
			t.Errorf("%q: next %v, want %v", spec, got, want)
		}
		if s.String() != spec {
			t.Errorf("%q is shown as %q", spec, s)
		}
	}
}

func TestZeroScheduleNeverFires(t *testing.T) {
	var s schedule.Schedule
	now := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	if got := s.Next(now); !got.IsZero() {
		t.Errorf("next %v", got)
	}
	if got := schedule.LargestGap(s, now); got != 0 {
		t.Errorf("largest gap %v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, spec := range []string{"*/5 * * * *", "TZ=", "CRON_TZ=UTC 0 0 29 2 *", "@every 1d", "0 0 , * 7", "TZ=Local @x"} {
		f.Add(spec)
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := schedule.Parse(spec, nil)
		if err != nil {
			return
		}
		next := s.Next(from)
		if !next.After(from) || !s.Next(next).After(next) {
			t.Errorf("%q fires at %v after %v", spec, next, from)
		}
		if gap := schedule.LargestGap(s, from); gap < s.Next(next).Sub(next) {
			t.Errorf("%q: largest gap %v, but there is one of %v", spec, gap, s.Next(next).Sub(next))
		}
	})
}
