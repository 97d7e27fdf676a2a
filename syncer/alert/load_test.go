package alert_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

var errBusy = errors.New("database is locked")

// graced is a desk that waits after a start.
func graced(r *alert.Receiver) func() *alert.Desk {
	return func() *alert.Desk {
		d := deskOf(r)()
		d.StartupGrace = 10 * time.Minute
		return d
	}
}

// busyStart restarts the desk while home is busy, for one round.
func (w *world) busyStart() {
	w.stop()
	w.store.Fail(errBusy)
	for _, c := range w.tables {
		c.polled = time.Time{}
	}
	w.start()
	w.tick()
	w.store.Fail(nil)
}

// slowStart restarts the desk while home takes its time for the first call, as on
// a machine that boots.
func (w *world) slowStart(takes time.Duration) {
	w.stop()
	slow := true
	w.store.Before = func(_ context.Context, call string) error {
		if call == "load" && slow {
			slow = false
			time.Sleep(takes)
		}
		return nil
	}
	for _, c := range w.tables {
		c.polled = time.Time{}
	}
	w.start()
}

func TestTheEndIsToldAfterAStartWithAHomeThatIsBusy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, graced(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
		w.run(11 * time.Minute)
		w.busyStart()
		w.run(5 * time.Second)
		w.polling(time.Hour) // the first poll brings it home within the grace
		w.want(r, `
			10m30s firing shop.a:critical
			11m36s resolved shop.a:critical:recovered`)
		if heard := r.Taken(); !t.Failed() && heard[0].Alerts[0].Episode != heard[1].Alerts[0].Episode {
			t.Error("the end is that of another episode")
		}
	})
}

func TestTheEndIsToldAfterAStartWithAHomeThatIsSlow(t *testing.T) {
	for name, takes := range map[string]time.Duration{"longer than a call may take": 7 * time.Second, "longer than anybody waits": 40 * time.Second} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := &alerttest.Recorder{}
				w := open(t, graced(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
				w.run(11 * time.Minute)
				w.slowStart(takes)
				w.run(2 * time.Minute)
				w.polling(2 * time.Hour)
				w.want(r, `
					10m30s firing shop.a:critical
					13m31s resolved shop.a:critical:recovered`)
			})
		})
	}
}

func TestNothingIsToldTwiceAfterAStartWithAHomeThatIsBusy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
		w.run(6 * time.Minute)
		w.busyStart()
		w.run(10 * time.Minute)
		w.want(r, `5m31s firing shop.a:critical`)
	})
}

func TestAMirrorIsNotShownAsOverWhatFiresThroughAStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &alerttest.Mirror{}
		w := open(t, graced(mirrored(m)), newTable("shop.a", 0, 5*time.Minute))
		w.run(10*time.Minute + 30*time.Second)
		w.busyStart()
		w.run(5 * time.Minute)
		w.slowStart(40*time.Second + 500*time.Millisecond)
		w.run(5 * time.Minute)
		for _, p := range m.Saw() {
			if len(p.Resolved) > 0 {
				t.Fatalf("shown as over:\n%s", w.pictures(m.Saw()))
			}
		}
	})
}

// TestWhatWasToldBlindlyEndsWithTheStoredEpisode: the desk went on without home,
// told a second time, and then home came back: there is one episode, of which
// everybody who heard anything hears the end, once.
func TestWhatWasToldBlindlyEndsWithTheStoredEpisode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, late := &alerttest.Recorder{}, &alerttest.Recorder{}
		critical := named("late", late)
		critical.Levels = []syncer.Level{syncer.Critical}
		w := open(t, deskOf(oncall(r), critical), newTable("shop.a", 5*time.Minute, 7*time.Minute))
		w.run(6 * time.Minute)
		w.stop()
		w.store.Fail(errBusy)
		w.start()
		w.run(5 * time.Minute)
		w.store.Fail(nil)
		w.run(2 * time.Minute)
		w.tables[0].poll()
		w.run(time.Minute)
		w.want(r, `
			5m31s firing shop.a:warn
			6m45s firing shop.a:warn
			7m1s escalated shop.a:critical
			13m31s resolved shop.a:critical:recovered`)
		w.want(late, `
			7m31s firing shop.a:critical
			13m31s resolved shop.a:critical:recovered`)
		if heard := r.Taken(); !t.Failed() && heard[0].Alerts[0].Episode != heard[3].Alerts[0].Episode {
			t.Error("the end is not that of the stored episode")
		}
		m, err := w.store.Load(t.Context())
		if err != nil || len(m.Episodes) != 1 || m.Episodes[0].Closed.IsZero() {
			t.Errorf("store has %+v, %v, want the one episode, closed", m.Episodes, err)
		}
	})
}

// TestAnEditBehindABusyHomeEndsTheStoredEpisode: with another budget it is another
// episode; its firing comes after the end of the first one, by which receivers
// close what they know by the key.
func TestAnEditBehindABusyHomeEndsTheStoredEpisode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, m := &alerttest.Recorder{}, &alerttest.Mirror{}
		w := open(t, func() *alert.Desk {
			d := deskOf(oncall(r), mirrored(m))()
			d.StartupGrace = 10 * time.Minute
			return d
		}, newTable("shop.a", 0, 5*time.Minute))
		w.run(10*time.Minute + 30*time.Second)
		w.tables[0].budget.Critical = 6 * time.Minute
		w.slowStart(40*time.Second + 500*time.Millisecond)
		w.run(20 * time.Minute)
		w.want(r, `
			10m30s firing shop.a:critical
			11m41s resolved shop.a:critical:config
			21m0s firing shop.a:critical`)
		if last := m.Saw()[len(m.Saw())-1]; len(last.Firing) != 1 || len(last.Resolved) != 0 {
			t.Errorf("shown at last:\n%s", w.pictures(m.Saw()))
		}
	})
}

// TestAReceiverOfAnotherKindStartsAnew: under the name of one that was told there
// is another one after a restart, which knows nothing.
func TestAReceiverOfAnotherKindStartsAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		was, is, m := &alerttest.Recorder{}, &alerttest.Recorder{}, &alerttest.Mirror{}
		was.Answer = between(6*time.Minute+10*time.Second, time.Hour, errDown)
		a, b, c := newTable("shop.told", 0, 5*time.Minute), newTable("shop.waits", 0, 8*time.Minute), newTable("shop.over", 0, 5*time.Minute)
		w := open(t, deskOf(oncall(was)), a, b, c)
		w.run(6 * time.Minute)
		for range 4 {
			c.poll()
			w.run(time.Minute)
		}
		w.stop()
		w.make = func() *alert.Desk {
			slack := oncall(is)
			slack.Kind = "slack"
			return deskOf(slack)()
		}
		w.start()
		c.poll()
		w.run(3 * time.Minute)
		w.want(was, `5m31s firing shop.told:critical shop.over:critical`)
		w.want(is, `10m31s firing shop.told:critical shop.waits:critical`)
		w.stop()
		w.make = func() *alert.Desk {
			shown := mirrored(m)
			shown.Name = "oncall"
			return deskOf(shown)()
		}
		c.poll()
		w.start()
		w.run(3 * time.Minute)
		w.same(w.pictures(m.Saw()), `13m1s x3 shop.told:critical shop.waits:critical`)
		w.stop()
		w.make = func() *alert.Desk {
			slack := oncall(is)
			slack.Kind = "slack"
			return deskOf(slack)()
		}
		c.poll()
		w.start()
		w.run(3 * time.Minute)
		if n := len(is.Taken()); n != 2 {
			t.Errorf("after it was a mirror it is told:\n%s", w.lines(is.Taken()))
		}
	})
}

// TestWhatAnAheadClockWroteHoldsNothingUp: the clock was a day ahead and is set
// right while the daemon is restarted.
func TestWhatAnAheadClockWroteHoldsNothingUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, deskOf(oncall(r)), newTable("shop.waits", 0, 5*time.Minute), newTable("shop.told", 0, 4*time.Minute))
		w.run(5*time.Minute + 10*time.Second)
		w.stop()
		m, err := w.store.Load(t.Context())
		if err != nil || len(m.Episodes) != 2 || len(m.Messages) != 1 {
			t.Fatalf("store has %+v, %v", m, err)
		}
		const ahead = 24 * time.Hour
		for i := range m.Episodes {
			e := &m.Episodes[i]
			e.Opened, e.StaleSince, e.Escalated = e.Opened.Add(ahead), e.StaleSince.Add(ahead), e.Escalated.Add(ahead)
		}
		for i := range m.Told {
			m.Told[i].At = m.Told[i].At.Add(ahead)
		}
		for i := range m.Messages {
			m.Messages[i].Begun, m.Messages[i].Due = m.Messages[i].Begun.Add(ahead), m.Messages[i].Due.Add(ahead)
		}
		if err := w.store.Save(t.Context(), alert.Change{Episodes: m.Episodes, Told: m.Told, Messages: m.Messages}); err != nil {
			t.Fatal(err)
		}
		w.start()
		w.run(50 * time.Minute)
		for range 12 {
			w.tables[0].poll()
			w.run(time.Minute)
		}
		w.want(r, `
			4m31s firing shop.told:critical
			5m40s firing shop.waits:critical
			55m41s resolved shop.waits:critical:recovered
			1h5m40s reminder shop.told:critical`)
		for _, h := range r.Taken() {
			for _, a := range h.Alerts {
				if a.StaleSince.After(h.At) || a.Closed.After(h.At) {
					t.Errorf("%s of %s says stale since %v, closed %v, after it was told at %v", h.Event, a.Table, a.StaleSince, a.Closed, h.At)
				}
			}
		}
	})
}

// TestAStartSendsNothingInASilence: a message waited for its group when the daemon
// stopped, two hours ago.
func TestAStartSendsNothingInASilence(t *testing.T) {
	for _, test := range []struct {
		name  string
		polls bool // bring the copy home meanwhile
		busy  bool // home is, as the desk starts
		want  string
	}{
		{name: "that it outlasts", want: `4h5m41s firing shop.a:critical`},
		{name: "which is read late", busy: true, want: `4h5m41s firing shop.a:critical`},
		// Whether the last process told of it cannot be known.
		{name: "that it does not outlast", polls: true, want: `4h5m41s resolved shop.a:critical:recovered`},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := &alerttest.Recorder{}
				w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
				w.run(5*time.Minute + 11*time.Second)
				w.stop()
				now := time.Now()
				if err := w.store.Silence(t.Context(), alert.Silence{ID: "s", Tables: []string{"*"}, From: now, Until: now.Add(4 * time.Hour)}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Hour)
				if test.busy {
					first := true
					w.store.Before = func(_ context.Context, call string) error {
						if first && call == "silences" {
							first = false
							return errBusy
						}
						return nil
					}
				}
				w.start()
				if test.polls {
					w.polling(time.Minute)
				}
				w.run(time.Hour)
				w.want(r, "")
				if test.polls {
					w.polling(2 * time.Hour)
				} else {
					w.run(time.Hour + 5*time.Minute)
				}
				w.want(r, test.want)
			})
		})
	}
}

// TestAStartSendsWhatIsKnownThen: of a message that was never attempted.
func TestAStartSendsWhatIsKnownThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		stale, well := newTable("shop.stale", 0, 5*time.Minute), newTable("shop.well", 0, 5*time.Minute)
		w := open(t, deskOf(oncall(r)), stale, well)
		w.run(5*time.Minute + 11*time.Second)
		w.stop()
		time.Sleep(10 * time.Second)
		well.poll()
		stale.fail(syncer.ClassConnect, "refused")
		w.start()
		w.run(time.Minute)
		w.want(r, `5m31s firing shop.stale:critical`)
		if t.Failed() {
			return
		}
		if a := r.Taken()[0].Alerts[0]; a.Staleness < 5*time.Minute+20*time.Second || a.Failure == nil {
			t.Errorf("told as %v stale, failure %v: as the last process saw it", a.Staleness, a.Failure)
		}
	})
}

// TestAnAttemptThatCouldNotBeSavedHasItsEnd: the process that made it died before
// home worked again.
func TestAnAttemptThatCouldNotBeSavedHasItsEnd(t *testing.T) {
	for _, silenced := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			r := &alerttest.Recorder{}
			w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
			w.run(5*time.Minute + 10*time.Second)
			w.store.Fail(errBusy)
			w.run(time.Minute)
			w.stop()
			w.store.Fail(nil)
			want := `
				5m31s firing shop.a:critical
				6m41s resolved shop.a:critical:recovered`
			if silenced {
				now := time.Now()
				if err := w.store.Silence(t.Context(), alert.Silence{ID: "s", Tables: []string{"*"}, From: now, Until: now.Add(time.Minute)}); err != nil {
					t.Fatal(err)
				}
				want = strings.ReplaceAll(want, "6m41s", "7m40s")
			}
			w.tables[0].poll()
			w.start()
			w.polling(3 * time.Minute)
			w.want(r, want)
		})
	}
}
