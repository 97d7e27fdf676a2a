package alert_test

import (
	"context"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

func TestWhatHasCertainlyNotArrivedIsToldAsItIsOrNotAtAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{Answer: between(0, 30*time.Minute, errRefused)}
		short, long, goes := newTable("shop.short", 0, 20*time.Minute), newTable("shop.long", 0, 5*time.Minute), newTable("shop.goes", 5*time.Minute, 15*time.Minute)
		w := open(t, deskOf(oncall(r)), short, long, goes)
		w.run(25 * time.Minute)
		short.poll()
		long.poll()
		for range 60 {
			short.poll()
			long.poll()
			w.run(time.Minute)
		}
		// That shop.short fires failed at 20m31s, after which all wait for an hour.
		w.want(r, `
			1h20m31s resolved shop.long:critical:recovered
			1h20m31s firing shop.goes:critical`)
		for _, h := range r.Taken() {
			if a := h.Alerts[0]; h.Event == alert.Firing && (a.Staleness < time.Hour || a.Facts.Level != syncer.Critical) {
				t.Errorf("told as %v stale, %s", a.Staleness, a.Facts.Level)
			}
		}
	})
}

func TestWhatWaitsIsNotToldInASilence(t *testing.T) {
	for name, down := range map[string]error{"unsure": errDown, "refused": errRefused} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := &alerttest.Recorder{Answer: between(0, 16*time.Minute, down)}
				loud, quiet := newTable("blog.loud", 0, 5*time.Minute), newTable("shop.quiet", 0, 5*time.Minute)
				w := open(t, deskOf(oncall(r)), loud, quiet)
				w.run(7 * time.Minute)
				quiet.poll()
				if err := w.store.Silence(t.Context(), alert.Silence{ID: "1", Tables: []string{"shop.*"}, From: time.Now(), Until: time.Now().Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
				for range 75 {
					quiet.poll()
					w.run(time.Minute)
				}
				want := `18m6s firing blog.loud:critical
					1h7m0s firing shop.quiet:critical
					1h7m30s resolved shop.quiet:critical:recovered
					1h18m36s reminder blog.loud:critical`
				if name == "refused" {
					want = `18m6s firing blog.loud:critical
						1h18m36s reminder blog.loud:critical`
				}
				w.want(r, want)
			})
		})
	}
}

func TestWhatWaitsIsNotToldInTheHoursOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := &alerttest.Recorder{Answer: between(0, 10*time.Minute, errDown)}
		rec := oncall(r)
		began := time.Now()
		rec.Off = func(now time.Time) bool { at := now.Sub(began); return at > 6*time.Minute && at < 8*time.Hour }
		rec.Repeat = nil
		w := open(t, deskOf(rec), newTable("shop.a", 0, 5*time.Minute))
		w.run(9 * time.Hour)
		w.want(r, `8h0m0s firing shop.a:critical`)
	})
}

// Who never heard that a table is stale does not hear that nobody could be told
// that it is fresh again.
func TestAnEndThatIsRefusedIsSaidToThoseWhoHeardOfTheEpisode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, heard, stranger := &alerttest.Recorder{}, &alerttest.Recorder{}, &alerttest.Recorder{}
		r.Answer = func(_ context.Context, m alert.Message) error {
			if m.Event == alert.Resolved {
				return &alerttest.Refusal{Text: "HTTP 400", IsPermanent: true}
			}
			return nil
		}
		other, third := named("other", heard), named("third", stranger)
		other.Resolved, third.Tables = false, []string{"none"}
		w := open(t, deskOf(oncall(r), other, third), newTable("shop.a", 0, 5*time.Minute))
		w.run(10 * time.Minute)
		w.polling(10 * time.Minute)
		w.want(heard, `
			5m31s firing shop.a:critical
			10m31s undelivered via oncall`)
		w.want(stranger, "")
	})
}
