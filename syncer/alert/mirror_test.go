package alert_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// pictures writes what a mirror was shown, one line for as long as nothing
// changes: when it was shown first, how often, and what.
func (w *world) pictures(saw []alerttest.Mirrored) string {
	var out strings.Builder
	was, times := "", 0
	var first time.Duration
	flush := func() {
		if times > 0 {
			fmt.Fprintf(&out, "%v x%d%s\n", first, times, was)
		}
	}
	for _, m := range saw {
		is := ""
		for _, a := range m.Firing {
			is += fmt.Sprintf(" %s:%s", a.Table, a.Level)
		}
		for _, a := range m.Resolved {
			is += fmt.Sprintf(" %s:over", a.Table)
		}
		if m.Err != nil {
			is += " FAILS"
		}
		if is != was {
			flush()
			was, times, first = is, 0, m.At.Sub(w.began).Round(time.Second)
		}
		times++
		if got := m.Until.Sub(m.At); got != 4*time.Minute {
			w.t.Errorf("a picture holds for %v, want 4m", got)
		}
	}
	flush()
	return out.String()
}

func mirrored(m alert.Mirror) *alert.Receiver {
	return &alert.Receiver{Name: "am", Kind: "alertmanager", Mirror: m, Resolved: true}
}

func TestAMirrorIsShownAllThatFiresAgainAndAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &alerttest.Mirror{}
		a, b := newTable("shop.a", 5*time.Minute, 15*time.Minute+40*time.Second), newTable("shop.b", 0, 10*time.Minute+20*time.Second)
		w := open(t, deskOf(mirrored(m)), a, b)
		w.run(20 * time.Minute)
		a.poll()
		for range 7 {
			a.poll()
			w.run(time.Minute)
		}
		w.restart()
		for range 13 {
			a.poll()
			w.run(time.Minute)
		}
		w.run(30 * time.Second)
		b.poll()
		w.polling(30 * time.Minute)
		w.same(w.pictures(m.Saw()), `
			5m1s x6 shop.a:warn
			10m21s x6 shop.a:warn shop.b:critical
			15m41s x5 shop.a:critical shop.b:critical
			20m1s x15 shop.b:critical shop.a:over
			35m1s x6 shop.b:critical
			40m31s x15 shop.b:over`)
	})
}

func TestAMirrorThatFailsIsShownAgainSoonAndItsFallbackIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{}
		down := true
		m := &alerttest.Mirror{Answer: func(context.Context) error {
			if down {
				return errDown
			}
			return nil
		}}
		am, backup := mirrored(m), named("backup", r)
		am.Fallback, backup.Tables = "backup", []string{"none"}
		a := newTable("shop.a", 0, 5*time.Minute)
		w := open(t, deskOf(am, backup), a)
		w.run(15 * time.Minute)
		if b := w.desk.Backlog()[0]; b.FailingSince.IsZero() || b.Error != "connect: refused" {
			t.Errorf("backlog: %+v", b)
		}
		down = false
		w.run(5 * time.Minute)
		w.polling(5 * time.Minute)
		w.want(r, `
			10m31s firing shop.a:critical via am
			20m31s resolved shop.a:critical:recovered`)
	})
}

func TestAMuteHidesFromAMirror(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &alerttest.Mirror{}
		w := open(t, deskOf(mirrored(m)), newTable("shop.a", 0, 5*time.Minute), newTable("blog.b", 0, 5*time.Minute))
		w.run(10*time.Minute + 30*time.Second)
		if err := w.store.Silence(t.Context(), alert.Silence{ID: "1", Tables: []string{"shop.*"}, From: time.Now(), Until: time.Now().Add(5 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
		w.run(10 * time.Minute)
		w.same(w.pictures(m.Saw()), `
			5m1s x6 shop.a:critical blog.b:critical
			10m31s x5 blog.b:critical
			15m30s x6 shop.a:critical blog.b:critical`)
	})
}
