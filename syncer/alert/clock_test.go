package alert_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// The wall clock is set by a day under a daemon that runs, ahead or back, while a
// message collects alerts, while a receiver waits to be tried again, while a
// reminder is to come, and while a table has to stay well: everything comes when
// it was to come, or some seconds later, and once.
func TestAClockThatIsSetPostponesNothingAndLosesNothing(t *testing.T) {
	for _, by := range []time.Duration{24 * time.Hour, -24 * time.Hour, 20 * time.Second, -20 * time.Second} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprintf("by %v, restarted %v", by, restarted), func(t *testing.T) {
				bubble(t, func(t *testing.T) { setClock(t, by, restarted) })
			})
		}
	}
}

func setClock(t *testing.T, by time.Duration, restarted bool) {
	r := &alerttest.Recorder{Answer: between(0, 7*time.Minute, errDown)}
	w := open(t, func() *alert.Desk {
		d := deskOf(oncall(r))()
		d.Hold = func(string) time.Duration { return 5 * time.Minute }
		return d
	}, newTable("shop.a", 0, 5*time.Minute))
	w.tables[0].poll()
	run := func(d time.Duration) {
		w.run(d)
		if restarted {
			w.stop()
			w.start()
			w.run(2 * time.Second)
		}
		w.set.Add(int64(by / time.Second))
	}
	run(5*time.Minute + 10*time.Second) // in the group's wait
	run(time.Minute)                    // in the wait after a failure
	run(30 * time.Minute)               // before a reminder
	w.run(time.Hour)
	w.tables[0].poll()
	run(30 * time.Second) // in the hold
	for range 15 {
		w.tables[0].poll()
		w.run(time.Minute)
	}
	want := []struct {
		event          alert.Event
		first, longest time.Duration
	}{
		{alert.Firing, 7 * time.Minute, 11 * time.Minute},
		{alert.Reminder, 67 * time.Minute, 75 * time.Minute},
		{alert.Resolved, 101 * time.Minute, 104 * time.Minute},
	}
	heard := r.Taken()
	for i, one := range want {
		if len(heard) != len(want) || heard[i].Event != one.event || heard[i].At.Sub(w.began) < one.first || heard[i].At.Sub(w.began) > one.longest {
			t.Fatalf("want %+v, got:\n%s", want, w.lines(heard))
		}
	}
}

// Nobody is told of tables that are well when the clock is set, however far: one
// that is set ahead makes copies as old as it says until they are polled, and
// that is waited for.
func TestAClockThatIsSetTellsOfNoTableThatIsWell(t *testing.T) {
	for _, by := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		bubble(t, func(t *testing.T) {
			r := &alerttest.Recorder{}
			w := open(t, func() *alert.Desk {
				d := deskOf(oncall(r))()
				d.StartupGrace = 10 * time.Minute
				return d
			})
			for i := range 100 {
				w.tables = append(w.tables, newTable(fmt.Sprintf("shop.t%d", i), 0, 5*time.Minute))
			}
			w.polling(3 * time.Minute)
			w.set.Add(int64(by / time.Second))
			w.run(30 * time.Second)
			w.polling(20 * time.Minute)
			w.want(r, ``)
		})
	}
}
