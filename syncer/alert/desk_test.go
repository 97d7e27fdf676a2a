package alert_test

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

func TestAnOutageIsToldOnceEscalatesRemindsAndResolves(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, deskOf(oncall(r)), newTable("shop.users", 5*time.Minute, 15*time.Minute))
		w.run(2*time.Hour + 30*time.Minute)
		w.polling(time.Hour)
		w.want(r, `
			5m31s firing shop.users:warn
			15m1s escalated shop.users:critical
			1h15m31s reminder shop.users:critical
			2h16m1s reminder shop.users:critical
			2h30m31s resolved shop.users:critical:recovered`)
		last := r.Taken()[4].Alerts[0]
		if want := w.began.Add(5 * time.Minute); !last.StaleSince.Equal(want) || last.Sequence != 5 {
			t.Errorf("resolved says stale since %v, sequence %d, want %v, 5", last.StaleSince, last.Sequence, want)
		}
	})
}

func TestWhatIsShorterThanTheGroupsWaitIsNotTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, deskOf(oncall(r)), newTable("shop.users", 5*time.Minute, 15*time.Minute))
		w.run(5*time.Minute + 10*time.Second)
		w.tables[0].poll()
		w.run(4 * time.Minute)
		w.want(r, "")
		if b := w.desk.Backlog()[0]; b.Pending != 0 {
			t.Errorf("%d messages wait", b.Pending)
		}
	})
}

func TestOneMessageTellsOfAllThatCrossTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		a, b, c := newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 5*time.Minute+10*time.Second), newTable("shop.c", 0, 6*time.Minute)
		w := open(t, deskOf(oncall(r)), a, b, c)
		for _, x := range w.tables {
			x.fail(syncer.ClassConnect, "connect to users: refused")
		}
		w.run(10 * time.Minute)
		w.want(r, `
			5m31s firing shop.a:critical shop.b:critical
			6m31s firing shop.c:critical`)
		if got, want := r.Taken()[0].Cause, "connect, consumer shop: connect to users: refused"; got != want {
			t.Errorf("cause %q, want %q", got, want)
		}
		if got := r.Taken()[1].Cause; got != "" {
			t.Errorf("cause of a single alert: %q", got)
		}
	})
}

func TestFlapsInsideTheHoldAreOneEpisode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, func() *alert.Desk {
			d := deskOf(oncall(r))()
			d.Hold = func(string) time.Duration { return 10 * time.Minute }
			return d
		}, newTable("shop.users", 0, 5*time.Minute))
		for range 3 {
			w.run(7 * time.Minute)
			w.tables[0].poll()
		}
		w.polling(30 * time.Minute)
		// The last poll of the flaps is at 21m; the hold is over at 31m.
		w.want(r, `
			5m31s firing shop.users:critical
			31m31s resolved shop.users:critical:recovered`)
		if got, want := r.Taken()[1].Alerts[0].Closed.Sub(w.began).Round(time.Second), 21*time.Minute+time.Second; got != want {
			t.Errorf("closed at %v, want %v: when it was fresh again", got, want)
		}
	})
}

func TestARestartGoesOnWithTheEpisode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, func() *alert.Desk {
			d := deskOf(oncall(r))()
			d.StartupGrace = 10 * time.Minute
			return d
		}, newTable("shop.users", 0, 5*time.Minute), newTable("shop.drivers", 0, 20*time.Minute))
		w.run(time.Minute)
		w.tables[0].fail(syncer.ClassConnect, "refused")
		w.run(7 * time.Minute)
		w.restart()
		// shop.drivers passes its budget at 20m; the grace ended at 18m.
		w.run(17 * time.Minute)
		w.tables[0].poll()
		w.tables[1].poll()
		w.run(time.Minute)
		w.want(r, `
			5m31s firing shop.users:critical
			20m31s firing shop.drivers:critical
			25m31s resolved shop.users:critical:recovered shop.drivers:critical:recovered`)
	})
}
