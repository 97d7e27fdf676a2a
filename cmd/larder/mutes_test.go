package main

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/schedule"
)

// TestUntilWhenNobodyIsTold: a window ends after its last tick, and hours off at
// the end of the night, or never within a week.
func TestUntilWhenNobodyIsTold(t *testing.T) {
	now := time.Date(2026, 11, 23, 23, 31, 5, 0, time.UTC) // a Monday
	every, err := schedule.Parse("0,20 * * * *", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	q := quiet{now: now, windows: []alert.Maintenance{{Tables: []string{"users"}, Schedule: every, Duration: time.Hour}}}
	if got := q.maintained("shop.users"); got == nil || !got.Equal(time.Date(2026, 11, 24, 0, 20, 0, 0, time.UTC)) {
		t.Errorf("maintenance until %v", got)
	}
	if got := q.maintained("shop.orders"); got != nil {
		t.Errorf("maintenance of another table until %v", got)
	}
	all := []time.Weekday{0, 1, 2, 3, 4, 5, 6}
	for _, test := range []struct {
		from, to time.Duration
		days     []time.Weekday
		want     string
	}{
		{22 * time.Hour, 6 * time.Hour, all, "2026-11-24 06:00"},
		{23 * time.Hour, 23*time.Hour + 32*time.Minute, all, "2026-11-23 23:32"},
		{8 * time.Hour, 9 * time.Hour, all, ""},
		{22 * time.Hour, 6 * time.Hour, []time.Weekday{time.Tuesday}, ""},
	} {
		off, err := hoursOff([]config.HoursOff{{Days: test.days, From: test.from, To: test.to, Timezone: "UTC"}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if until, is := offUntil(off, now); is {
			got = until.Format("2006-01-02 15:04")
		}
		if got != test.want {
			t.Errorf("off from %s to %s: until %q, want %q", test.from, test.to, got, test.want)
		}
	}
}
