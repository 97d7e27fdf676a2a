package alert_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

func TestAlertsGoOutWhileHomeIsDownAndAreSavedLater(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 20*time.Minute))
		w.run(time.Minute)
		w.store.Fail(alerttest.ErrFails)
		w.run(9 * time.Minute)
		w.tables[0].poll()
		w.run(13 * time.Minute)
		w.store.Fail(nil)
		w.run(time.Minute)
		w.restart()
		w.run(30 * time.Minute)
		// shop.a is polled once more at 10m and passes again at 15m. After the
		// restart nothing is said a second time.
		w.want(r, `
			5m31s firing shop.a:critical
			10m31s resolved shop.a:critical:recovered
			15m31s firing shop.a:critical
			20m31s firing shop.b:critical`)
	})
}

func TestAHomeThatHangsKeepsNoAlertIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		w := open(t, deskOf(oncall(r)), newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 10*time.Minute))
		w.run(time.Minute)
		free := make(chan struct{})
		w.store.Before = func(context.Context, string) error {
			<-free // as a disk does: no context ends it
			return nil
		}
		w.run(15 * time.Minute)
		heard := r.Taken()
		if len(heard) != 2 || heard[0].At.Sub(w.began) > 5*time.Minute+50*time.Second || heard[1].At.Sub(w.began) > 10*time.Minute+50*time.Second {
			t.Errorf("told: %s", w.lines(heard))
		}
		close(free)
		w.run(2 * time.Minute)
		if m, err := w.store.Load(t.Context()); err != nil || len(m.Episodes) != 2 || len(m.Told) != 2 || len(m.Messages) != 0 {
			t.Errorf("store has %+v, %v", m, err)
		}
	})
}

func TestAHomeThatIsDeletedIsWrittenAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, down := &alerttest.Recorder{}, &alerttest.Recorder{Answer: between(0, 40*time.Minute, errDown)}
		w := open(t, deskOf(oncall(r), named("down", down)), newTable("shop.a", 0, 5*time.Minute), newTable("shop.b", 0, 11*time.Minute))
		w.run(9 * time.Minute)
		w.store.Wipe()
		w.run(3 * time.Minute)
		m, err := w.store.Load(t.Context())
		if err != nil || len(m.Episodes) != 2 || len(m.Told) != 4 || len(m.Messages) != 2 {
			t.Errorf("store has %d episodes, %d told, %d messages, %v, want 2, 4, 2",
				len(m.Episodes), len(m.Told), len(m.Messages), err)
		}
		w.restart()
		w.run(20 * time.Minute)
		for _, c := range w.tables {
			c.poll()
		}
		w.run(4 * time.Minute)
		for range 60 {
			w.polling(time.Minute)
		}
		w.want(r, `
			5m31s firing shop.a:critical
			10m31s undelivered via down
			11m31s firing shop.b:critical
			17m1s undelivered via down
			32m31s resolved shop.a:critical:recovered shop.b:critical:recovered`)
		fired, ended := 0, 0
		for _, h := range down.Taken() {
			for range h.Alerts {
				switch h.Event {
				case alert.Firing:
					fired++
				case alert.Resolved:
					ended++
				}
			}
		}
		if fired != 2 || ended != 2 {
			t.Errorf("the receiver that was down heard:\n%s", w.lines(down.Taken()))
		}
	})
}

// TestAMessageThatCannotBeReadIsSaidToBeLost, once, and holds nothing up.
func TestAMessageThatCannotBeReadIsSaidToBeLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		var log bytes.Buffer
		w := open(t, func() *alert.Desk {
			d := deskOf(oncall(r))()
			d.Log = zerolog.New(zerolog.SyncWriter(&log)) // senders log, too
			return d
		}, newTable("shop.a", 0, 5*time.Minute))
		w.run(6 * time.Minute)
		w.stop()
		d := w.make()
		d.Store = breaking{w.store}
		w.make = func() *alert.Desk { return d }
		log.Reset()
		w.start()
		w.run(time.Minute)
		w.tables[0].poll()
		w.run(time.Minute)
		w.stop()
		w.stop = func() {}
		w.want(r, `
			5m31s firing shop.a:critical
			7m31s resolved shop.a:critical:recovered`)
		if n := strings.Count(log.String(), `"message_id":"broken"`); n != 1 {
			t.Errorf("said %d times to be lost:\n%s", n, &log)
		}
		if m, err := w.store.Load(t.Context()); err != nil || len(m.Messages) != 0 {
			t.Errorf("store still has %+v, %v", m.Messages, err)
		}
	})
}

// breaking is a store that has one message more, which cannot be read.
type breaking struct{ *alerttest.Store }

func (s breaking) Load(ctx context.Context) (alert.Memory, error) {
	err := s.Save(ctx, alert.Change{Messages: []alert.Message{{ID: "broken", Notifier: "oncall"}}})
	m, loadErr := s.Store.Load(ctx)
	m.Messages = nil
	m.Unreadable = []alert.Unreadable{{Message: "broken", Notifier: "oncall", Reason: "unexpected end"}}
	return m, errors.Join(err, loadErr)
}
