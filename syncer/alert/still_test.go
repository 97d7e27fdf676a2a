package alert_test

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// A daemon that is stopped while a message collects alerts, and goes on when
// another one tells of the table, or has told that it is well, keeps silent: at
// once, when a second has passed, and when a message was attempted before.
func TestASleeperTellsNothingOfWhatAnotherDaemonHas(t *testing.T) {
	for name, s := range map[string]struct {
		awake time.Duration // since the table is stale
		// late is how long after the process itself the judging goes on.
		late time.Duration
		// doubt says that the lease is not known to be lost for some rounds.
		doubt bool
		down  bool
	}{
		"in the group's wait":                         {awake: 10 * time.Second},
		"in the group's wait, in doubt for a while":   {awake: 10 * time.Second, doubt: true},
		"in the group's wait, and judges late":        {awake: 10 * time.Second, late: 40 * time.Second},
		"between two attempts":                        {awake: 2 * time.Minute, down: true},
		"between two attempts, in doubt for a while":  {awake: 2 * time.Minute, down: true, doubt: true},
		"between two attempts, and judges much later": {awake: 2 * time.Minute, down: true, late: 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := &alerttest.Recorder{}
				if s.down {
					r.Answer = between(0, 5*time.Minute+s.awake+time.Minute, errDown)
				}
				w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
				w.run(5*time.Minute + s.awake)
				w.sleep(time.Hour)
				time.Sleep(s.late)
				if s.doubt {
					w.tables[0].unknown = true
					w.run(8 * time.Second)
					w.tables[0].unknown = false
				}
				w.tables[0].standby = true
				w.run(3 * time.Hour)
				if heard := r.Taken(); len(heard) > 0 {
					t.Errorf("a sleeper told, and never says that it ended:\n%s", w.lines(heard))
				}
			})
		})
	}
}

// If the lease is still there after the sleep, what is true is told: the firing
// that collected alerts waits again as after a start, and one that was attempted
// goes on.
func TestASleeperThatKeptItsLeaseGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{Answer: between(0, 7*time.Minute, errDown)}
		w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 6*time.Minute+45*time.Second))
		w.run(7 * time.Minute)
		w.sleep(time.Hour)
		w.run(time.Minute)
		w.want(r, `
			7m16s firing shop.a:critical
			7m46s firing shop.b:critical`)
	})
}

// A judging loop that hangs keeps nothing in for longer than a minute.
func TestAJudgingThatHangsKeepsWhatWaitsForAMinute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		rec := oncall(r)
		rec.Group = 5 * time.Minute
		w := open(t, deskOf(rec), newTable("shop.a", 0, 5*time.Minute))
		w.run(5*time.Minute + 10*time.Second) // the message is due at 10m1s
		time.Sleep(20 * time.Minute)
		w.want(r, `11m1s firing shop.a:critical`)
	})
}

// One that sleeps over and over does not add up its sleep to that minute.
func TestASleepIsNotTakenForAHangingJudgement(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute))
		w.run(5*time.Minute + 10*time.Second)
		for range 30 {
			w.sleep(10 * time.Minute)
			time.Sleep(5 * time.Second)
		}
		w.want(r, ``)
	})
}

// A mirror is shown nothing by a sleeper, too.
func TestASleeperShowsAMirrorNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &alerttest.Mirror{}
		w := open(t, deskOf(mirrored(m)), newTable("shop.a", 0, 5*time.Minute))
		w.run(6 * time.Minute)
		w.sleep(time.Hour)
		woke := time.Now()
		time.Sleep(time.Second)
		w.tables[0].standby = true
		w.run(time.Hour)
		for _, p := range m.Saw() {
			if p.At.After(woke) {
				t.Errorf("%v after it woke it shows %d alerts", p.At.Sub(woke), len(p.Firing)+len(p.Resolved))
			}
		}
	})
}

// What was attempted and not taken waits while another daemon has the lease; the
// tables of that message that are still this one's do not wait with it. When
// the lease is back what is true is told.
func TestAStandbyTellsNothingOfWhatItCouldNotDeliver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, backup := &alerttest.Recorder{Answer: between(0, 20*time.Minute, errDown)}, &alerttest.Recorder{}
		main, other := oncall(r), named("backup", backup)
		main.Fallback, other.Tables = "backup", []string{"none"}
		main.Repeat = nil
		a, b := newTable("shop.a", 0, 5*time.Minute), newTable("blog.b", 0, 5*time.Minute)
		w := open(t, deskOf(main, other), a, b)
		w.run(7 * time.Minute)
		a.standby = true // another daemon has it, and it is well there
		w.run(2 * time.Hour)
		if b := w.desk.Backlog()[0]; b.Pending != 1 || !b.Oldest.IsZero() {
			t.Errorf("backlog of a standby: %+v, want one message that is nobody's to wait for", b)
		}
		w.restart()
		w.run(time.Hour)
		a.standby = false
		w.run(time.Hour)
		a.poll()
		w.run(2 * time.Minute)
		w.want(backup, `10m31s firing blog.b:critical via oncall`)
		w.want(r, `
			1h18m6s firing blog.b:critical
			3h7m1s firing shop.a:critical
			4h7m31s resolved shop.a:critical:recovered`)
		if b := w.desk.Backlog()[0]; b.Pending != 0 {
			t.Errorf("backlog: %+v", b)
		}
	})
}

// The lease does not come back: nothing is ever told, not even that a receiver
// that nobody has to be told by cannot be reached.
func TestAStandbyGivesUpQuietly(t *testing.T) {
	if testing.Short() {
		t.Skip("eighty hours of rounds")
	}
	bubble(t, func(t *testing.T) {
		r, other := &alerttest.Recorder{Answer: between(0, 20*time.Minute, errDown)}, &alerttest.Recorder{}
		second := named("other", other)
		second.Tables = []string{"none"}
		w := open(t, deskOf(oncall(r), second), newTable("shop.a", 0, 5*time.Minute))
		w.run(7 * time.Minute)
		w.tables[0].standby = true
		w.every = 10 * time.Second
		w.run(80 * time.Hour)
		w.want(r, ``)
		w.want(other, ``)
		if b := w.desk.Backlog()[0]; b.Pending != 0 {
			t.Errorf("backlog: %+v", b)
		}
	})
}

// Firing and escalation of a table were attempted in messages with others: when
// they get messages of their own they keep their order, over a restart too.
func TestWhatWaitsForTheLeaseKeepsItsOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{Answer: between(0, 2*time.Hour, errDown)}
		rec := oncall(r)
		rec.Repeat = nil
		a, b := newTable("shop.a", 5*time.Minute, 20*time.Minute), newTable("blog.b", 5*time.Minute, 0)
		w := open(t, deskOf(rec), a, b)
		w.run(100 * time.Minute)
		a.standby = true
		w.run(10 * time.Minute)
		w.restart()
		a.standby = false
		w.run(70 * time.Minute)
		var events []alert.Event
		for _, h := range r.Taken() {
			for _, x := range h.Alerts {
				if x.Table == "shop.a" {
					events = append(events, x.Event)
				}
			}
		}
		if len(events) != 2 || events[0] != alert.Firing || events[1] != alert.Escalated {
			t.Errorf("told %v, want firing, escalated:\n%s", events, w.lines(r.Heard()))
		}
	})
}
