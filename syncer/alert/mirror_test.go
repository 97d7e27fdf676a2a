package alert_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

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

// TestAPeerOfAMirrorThatIsDownIsNoticed has one of two peers down for ten minutes,
// and then the other one too for three.
func TestAPeerOfAMirrorThatIsDownIsNoticed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		began := time.Now()
		m := &alerttest.Mirror{Answer: func(context.Context) error {
			switch at := time.Since(began); {
			case at < 10*time.Minute, at >= 20*time.Minute:
				return nil
			case at >= 15*time.Minute && at < 18*time.Minute:
				return errDown
			default:
				return &alert.PeersError{Failed: map[string]error{"am-2:9093": fmt.Errorf("dial from port %d: refused", int(at))}}
			}
		}}
		var log strings.Builder
		seen := &counts{}
		w := open(t, func() *alert.Desk {
			return &alert.Desk{Receivers: []*alert.Receiver{mirrored(m)}, Log: zerolog.New(&log), Observer: seen}
		}, newTable("shop.a", 0, 5*time.Minute))
		w.run(14 * time.Minute)
		if b := w.desk.Backlog()[0]; !slices.Equal(b.Untold, []string{"am-2:9093"}) || !b.FailingSince.IsZero() {
			t.Errorf("backlog while one peer is down: %+v", b)
		}
		w.run(10 * time.Minute)
		if b := w.desk.Backlog()[0]; len(b.Untold) > 0 {
			t.Errorf("backlog at the end: %+v", b)
		}
		var said []string
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, `"peer":"am-2:9093"`) {
				said = append(said, line)
			}
		}
		if len(said) != 2 || !strings.Contains(said[0], `"warn"`) || !strings.Contains(said[0], "refused") || !strings.Contains(said[1], "peer can be told again") {
			t.Errorf("log tells of the peer:\n%s", strings.Join(said, ""))
		}
		failed, taken := 0, 0
		for _, p := range m.Saw() {
			if p.Err != nil {
				failed++
			}
			if !errors.Is(p.Err, errDown) {
				taken++
			}
		}
		if failed < 8 || seen.failed[alert.ReasonTemporary] != failed || seen.sent != taken {
			t.Errorf("counted %+v, want %d that failed and %d sent", seen, failed, taken)
		}
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
