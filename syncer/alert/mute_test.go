package alert_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// daily is a schedule of one tick a day, at an offset from midnight UTC.
type daily time.Duration

func (d daily) Next(t time.Time) time.Time {
	tick := t.UTC().Truncate(24 * time.Hour).Add(time.Duration(d))
	if !tick.After(t) {
		tick = tick.Add(24 * time.Hour)
	}
	return tick
}

func TestAMaintenanceWindowIsOpenFromItsTickOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		a, b, c := newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 5*time.Minute), newTable("blog.a", 0, 5*time.Minute)
		w := open(t, func() *alert.Desk {
			d := deskOf(oncall(r))()
			d.Maintenance = []alert.Maintenance{{Tables: []string{"shop.*"}, Schedule: daily(3 * time.Minute), Duration: 57 * time.Minute}}
			return d
		}, a, b, c)
		w.run(30 * time.Minute)
		a.poll() // opened and closed in the window: never told
		w.run(2 * time.Minute)
		for range 30 {
			a.poll()
			w.run(time.Minute)
		}
		w.want(r, `
			5m31s firing blog.a:critical
			1h0m30s firing shop.b:critical`)
		if got, want := r.Taken()[1].Alerts[0].StaleSince.Sub(w.began), 5*time.Minute; got != want {
			t.Errorf("told as stale since %v, want %v", got, want)
		}
	})
}

func TestASilenceHoldsWhatIsSaidAndItsEndSaysWhatIsTrue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		ended, goes := newTable("shop.ended", 5*time.Minute, 15*time.Minute), newTable("shop.goes", 5*time.Minute, 15*time.Minute)
		w := open(t, deskOf(oncall(r)), ended, goes)
		w.run(10 * time.Minute)
		if err := w.store.Silence(t.Context(), alert.Silence{ID: "1", Tables: []string{"shop.*"}, From: time.Now(), Until: time.Now().Add(2 * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		w.run(10 * time.Minute)
		for range 115 {
			ended.poll()
			w.run(time.Minute)
		}
		// The firing came before the silence; what rose and what ended in it comes
		// after, and no reminder of what is told anyway.
		w.want(r, `
			5m31s firing shop.ended:warn shop.goes:warn
			2h10m0s escalated shop.goes:critical
			2h10m30s resolved shop.ended:critical:recovered`)
	})
}

func TestASilenceTakesBackWhatWaitsForItsGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		a, b := newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 5*time.Minute)
		w := open(t, deskOf(oncall(r)), a, b)
		w.run(5*time.Minute + 10*time.Second)
		if err := w.store.Silence(t.Context(), alert.Silence{ID: "1", Tables: []string{"shop.a"}, From: time.Now(), Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		w.run(20 * time.Minute)
		a.poll()
		for range 60 {
			a.poll()
			w.run(time.Minute)
		}
		w.want(r, `
			5m31s firing shop.b:critical
			1h6m1s reminder shop.b:critical`)
	})
}

func TestNothingIsToldInTheHoursOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, night := &alerttest.Recorder{}, &alerttest.Recorder{}
		day := oncall(r)
		began := time.Now()
		day.Off = func(now time.Time) bool { return now.Sub(began) < 8*time.Hour }
		w := open(t, deskOf(day, named("night", night)), newTable("shop.a", 0, 5*time.Minute))
		w.run(8*time.Hour + 10*time.Minute)
		w.want(r, `8h0m30s firing shop.a:critical`)
		if len(night.Taken()) != 9 {
			t.Errorf("the other receiver was told %d times, want 9", len(night.Taken()))
		}
	})
}

func TestAReceiverIsToldOfItsLevelsTablesAndConsumers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		loud, shop, users := &alerttest.Recorder{}, &alerttest.Recorder{}, &alerttest.Recorder{}
		a, b, c := named("loud", loud), named("shop", shop), named("users", users)
		a.Levels, b.Consumers, c.Tables = []syncer.Level{syncer.Critical}, []string{"shop"}, []string{"user?"}
		w := open(t, deskOf(a, b, c), newTable("shop.users", 5*time.Minute, 15*time.Minute), newTable("blog.posts", 6*time.Minute, 0))
		w.tables[1].budget.Critical = time.Hour
		w.run(20 * time.Minute)
		// For a receiver of critical alone, what becomes critical begins to fire.
		w.want(loud, `15m31s firing shop.users:critical`)
		w.want(shop, `
			5m31s firing shop.users:warn
			15m1s escalated shop.users:critical`)
		w.want(users, `
			5m31s firing shop.users:warn
			15m1s escalated shop.users:critical`)
	})
}

func TestAfterAStandstillNothingIsToldUntilItIsKnownWhoLeads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		rec := oncall(r)
		rec.Group = 0
		mine, theirs := newTable("shop.mine", 0, 10*time.Minute), newTable("blog.theirs", 0, 10*time.Minute)
		w := open(t, deskOf(rec), mine, theirs)
		w.polling(5 * time.Minute)
		time.Sleep(time.Hour) // SIGSTOP: nobody judges
		w.run(8 * time.Second)
		theirs.standby = true // the keeper has noticed
		w.run(time.Minute)
		w.want(r, `1h5m16s firing shop.mine:critical`)
	})
}

func TestAnEpisodeThatIsLeftGoesOnWhenTheLeaseComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		stale, well := newTable("shop.stale", 0, 5*time.Minute), newTable("shop.well", 0, 5*time.Minute)
		w := open(t, deskOf(oncall(r)), stale, well)
		w.run(10 * time.Minute)
		stale.standby, well.standby = true, true
		w.run(10 * time.Minute)
		w.restart()
		w.run(10 * time.Minute)
		stale.standby, well.standby = false, false
		well.poll()
		w.run(4 * time.Minute)
		stale.poll()
		w.run(time.Minute)
		// A standby says nothing; nothing is told twice, and nothing stays open.
		w.want(r, `
			5m31s firing shop.stale:critical shop.well:critical
			30m31s resolved shop.well:critical:recovered
			34m31s resolved shop.stale:critical:recovered`)
	})
}

func TestWhatIsUnknownIsNotWell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
		w.run(10 * time.Minute)
		w.tables[0].unknown = true
		w.run(20 * time.Minute)
		w.want(r, `5m31s firing shop.a:critical`)
		w.tables[0].unknown = false
		w.tables[0].poll()
		w.run(time.Minute)
		w.want(r, `
			5m31s firing shop.a:critical
			30m31s resolved shop.a:critical:recovered`)
	})
}

func TestAnEditOfTheConfigurationEndsEpisodes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		edited, gone, paused, kept := newTable("shop.edited", 0, 5*time.Minute), newTable("shop.gone", 0, 5*time.Minute), newTable("shop.paused", 0, 5*time.Minute), newTable("shop.kept", 0, 5*time.Minute)
		w := open(t, deskOf(oncall(r)), edited, gone, paused, kept)
		w.run(10 * time.Minute)
		w.stop()
		edited.budget.Critical = 6 * time.Minute
		paused.paused = true
		w.tables = []*table{edited, paused, kept}
		w.start()
		w.run(10 * time.Minute)
		// With another budget it is another episode, of the same key.
		w.want(r, `
			5m31s firing shop.edited:critical shop.gone:critical shop.paused:critical shop.kept:critical
			10m31s resolved shop.edited:critical:config shop.gone:critical:config shop.paused:critical:paused
			10m31s firing shop.edited:critical`)
		heard := r.Taken()
		was, is := heard[0].Alerts[0], heard[2].Alerts[0]
		if was.Key != is.Key || was.Episode == is.Episode || was.ID == is.ID {
			t.Errorf("keys %s and %s, episodes %s and %s, alerts %s and %s", was.Key, is.Key, was.Episode, is.Episode, was.ID, is.ID)
		}
	})
}

func TestAStoreThatCannotBeReadHoldsNothingUpForLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
		w.run(6 * time.Minute)
		w.stop()
		w.store.Fail(alerttest.ErrFails)
		w.start()
		w.run(2 * time.Minute)
		w.store.Fail(nil)
		w.run(2 * time.Minute)
		w.tables[0].poll()
		w.run(time.Minute)
		// What was told before the restart was not known at 6m15s; the second
		// episode has the first one's key and takes its place.
		w.want(r, `
			5m31s firing shop.a:critical
			6m45s firing shop.a:critical
			10m31s resolved shop.a:critical:recovered`)
		synctest.Wait()
		m, err := w.store.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range m.Episodes {
			if e.Closed.IsZero() {
				t.Errorf("episode %s is left open", e.ID)
			}
		}
		for _, x := range m.Told {
			if !x.Resolved {
				t.Errorf("of episode %s the end is not written down", x.Episode)
			}
		}
	})
}
