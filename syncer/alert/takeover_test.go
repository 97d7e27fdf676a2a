package alert_test

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// pair are two daemons that stand by for each other, each with a home of its own,
// and tell one receiver. The first one has the lease.
type pair struct {
	first, second *world
	copies        []*table // as the second one sees them
}

func openPair(t *testing.T, r *alert.Receiver, tables ...*table) *pair {
	p := &pair{}
	for _, c := range tables {
		other := *c
		other.standby = true
		p.copies = append(p.copies, &other)
	}
	p.first = open(t, graced(r), tables...)
	p.second = open(t, graced(r), p.copies...)
	p.second.tick()
	p.second.restart() // its home is not new
	return p
}

func (p *pair) run(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		time.Sleep(time.Second)
		p.first.tick()
		p.second.tick()
	}
}

// die ends the first one without a word; the second one has the lease.
func (p *pair) die() {
	p.first.stop()
	p.first.stop = func() {}
	for _, c := range p.copies {
		c.standby, c.polled, c.watched = false, time.Time{}, time.Now()
	}
}

// TestATakeoverTellsTheEnd: the one that led told that it fires, and died; the
// first poll of the other one brings the copy home before that one told anything.
func TestATakeoverTellsTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		stale, well := newTable("shop.stale", 0, 5*time.Minute), newTable("shop.well", 0, 5*time.Hour)
		p := openPair(t, oncall(r), stale, well)
		p.run(12 * time.Minute)
		p.die()
		p.second.run(5 * time.Second)
		p.second.polling(3 * time.Hour)
		p.first.want(r, `
			10m30s firing shop.stale:critical
			12m36s resolved shop.stale:critical:recovered`)
		if t.Failed() {
			return
		}
		was, is := r.Taken()[0], r.Taken()[1]
		if was.Alerts[0].Key != is.Alerts[0].Key {
			t.Errorf("keys %s and %s: the receiver does not know what ended", was.Alerts[0].Key, is.Alerts[0].Key)
		}
		if got, want := is.Title(), "OK shop.stale is fresh again, was stale 00:05:00–00:12:06 UTC (7m6s)"; got != want {
			t.Errorf("title %q, want %q", got, want)
		}
	})
}

// TestATakeoverGoesOnTelling what is not brought home.
func TestATakeoverGoesOnTelling(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		p := openPair(t, oncall(r), newTable("shop.stale", 0, 5*time.Minute))
		p.run(12 * time.Minute)
		p.die()
		p.second.run(20 * time.Minute)
		p.second.polling(time.Hour)
		// The second firing has the first one's key.
		p.first.want(r, `
			10m30s firing shop.stale:critical
			22m30s firing shop.stale:critical
			32m31s resolved shop.stale:critical:recovered`)
	})
}

// TestAnInheritedEndOutlivesARestartAndASilence: it is owed from the first round
// on, and nothing takes it back.
func TestAnInheritedEndOutlivesARestartAndASilence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		p := openPair(t, oncall(r), newTable("shop.stale", 0, 5*time.Minute))
		p.run(12 * time.Minute)
		p.die()
		w := p.second
		w.run(5 * time.Second)
		w.every = 5 * time.Second
		now := time.Now()
		if err := w.store.Silence(t.Context(), alert.Silence{ID: "s", Tables: []string{"*"}, From: now, Until: now.Add(10 * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		w.restart()
		w.polling(5 * time.Hour)
		w.restart()
		w.polling(6 * time.Hour)
		p.first.want(r, `
			10m30s firing shop.stale:critical
			10h12m35s resolved shop.stale:critical:recovered`)
	})
}

// TestWhatIsWellAtATakeoverIsNotNews, nor what an ordinary restart finds stale.
func TestWhatIsWellAtATakeoverIsNotNews(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		p := openPair(t, oncall(r), newTable("shop.a", 0, 5*time.Minute))
		p.run(3 * time.Minute)
		p.die()
		w := p.second
		w.run(3 * time.Minute) // it passes its budget after the takeover
		w.polling(30 * time.Minute)
		p.first.want(r, "")
		w.stop()
		time.Sleep(time.Hour) // the machine is off
		w.tables[0].polled = time.Time{}
		w.start()
		w.run(5 * time.Second)
		w.polling(time.Hour)
		p.first.want(r, "")
	})
}

// TestAHomeThatIsNewKnowsOfNoEnd: a daemon that is moved to another machine
// without its home finds a copy stale, of which its receiver may know.
func TestAHomeThatIsNewKnowsOfNoEnd(t *testing.T) {
	for name, busy := range map[string]bool{"at once": false, "that is busy for long": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r, quiet, other, m := &alerttest.Recorder{}, &alerttest.Recorder{}, &alerttest.Recorder{}, &alerttest.Mirror{}
				noEnds, elsewhere := named("quiet", quiet), named("other", other)
				noEnds.Resolved, elsewhere.Tables = false, []string{"blog.*"}
				w := open(t, func() *alert.Desk {
					d := deskOf(oncall(r), noEnds, elsewhere, mirrored(m))()
					d.StartupGrace = 10 * time.Minute
					return d
				}, newTable("shop.a", 0, 5*time.Minute))
				w.stop()
				w.store = &alerttest.Store{}
				if busy {
					w.store.Fail(errBusy)
				}
				time.Sleep(20 * time.Minute)
				w.tables[0].polled = time.Time{}
				w.start()
				w.run(30 * time.Second)
				w.store.Fail(nil)
				w.run(5 * time.Second)
				w.polling(2 * time.Hour)
				w.want(r, `21m6s resolved shop.a:critical:recovered`)
				w.want(quiet, "")
				w.want(other, "")
				w.same(w.pictures(m.Saw()), `20m36s x15 shop.a:over`)
			})
		})
	}
}
