package alert_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// heard is what the store says that receivers took, by their names.
func (w *world) heard() map[string]alert.Heard {
	w.t.Helper()
	m, err := w.store.Load(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]alert.Heard{}
	for _, t := range m.Told {
		all[t.Notifier] = t.Heard
	}
	return all
}

func (w *world) reaches() []alert.Reach {
	w.t.Helper()
	m, err := w.store.Load(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return m.Reaches
}

// TestWhatWasHeardIsKept: what was refused, by whom and why, and who was told in
// its place, is not taken for told.
func TestWhatWasHeardIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		refuse := func(text string, gone bool) *alerttest.Recorder {
			return &alerttest.Recorder{Answer: func(context.Context, alert.Message) error {
				return &alerttest.Refusal{Text: text, IsPermanent: !gone, Out: gone}
			}}
		}
		good := named("good", &alerttest.Recorder{})
		broken, gone := named("broken", refuse("HTTP 400", false)), named("gone", refuse("HTTP 410", true))
		gone.Fallback, good.Levels = "good", []syncer.Level{syncer.Critical}
		a := newTable("shop.a", 0, 5*time.Minute)
		w := open(t, deskOf(good, broken, gone), a)
		w.run(6 * time.Minute)
		a.poll()
		w.run(2 * time.Minute)
		want := map[string]alert.Heard{
			"good":   {Level: syncer.Critical, End: true},
			"broken": {Lost: alert.Resolved, Reason: alert.ReasonPermanent, Error: "HTTP 400"},
			"gone":   {Lost: alert.Resolved, Reason: alert.ReasonGone, Error: "HTTP 410"},
		}
		got := w.heard()
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(alert.Heard{}, "To")); diff != "" {
			t.Errorf("heard (-want +got):\n%s", diff)
		}
	})
}

// TestWhoIsInTroubleIsKept until something is taken; a process that begins asks
// again who was gone.
func TestWhoIsInTroubleIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var answer error
		gone := named("gone", &alerttest.Recorder{Answer: func(context.Context, alert.Message) error { return answer }})
		a := newTable("shop.a", 0, 5*time.Minute)
		w := open(t, deskOf(gone), a)
		answer = &alerttest.Refusal{Text: "HTTP 410", Out: true}
		w.run(6 * time.Minute)
		since := w.began.Add(5*time.Minute + 31*time.Second)
		same := func(step string, want ...alert.Reach) {
			t.Helper()
			near := cmpopts.EquateApproxTime(2 * time.Second)
			if diff := cmp.Diff(want, w.reaches(), near, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s: in trouble (-want +got):\n%s", step, diff)
			}
		}
		same("410", alert.Reach{Receiver: "gone", Trouble: alert.Gone, Since: since, Error: "HTTP 410"})
		w.restart()
		w.run(2 * time.Second)
		same("restarted", alert.Reach{Receiver: "gone", Trouble: alert.Refuses, Since: since, Error: "HTTP 410"})
		answer = nil
		a.poll()
		w.run(3 * time.Minute)
		same("taken again")
	})
}

// TestAMirrorThatCannotBeToldIsInTrouble: nothing waits for it that would show it.
func TestAMirrorThatCannotBeToldIsInTrouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &alerttest.Mirror{Answer: func(context.Context) error { return errDown }}
		r := &alert.Receiver{Name: "am", Kind: "alertmanager", Mirror: m, Resolved: true}
		w := open(t, deskOf(r), newTable("shop.a", 0, 5*time.Minute))
		w.run(6 * time.Minute)
		if got := w.reaches(); len(got) != 1 || got[0].Trouble != alert.Unshown || w.heard()["am"] != (alert.Heard{}) {
			t.Errorf("in trouble: %+v, heard: %+v", got, w.heard())
		}
		m.Answer = nil
		w.run(2 * time.Minute)
		if got := w.reaches(); len(got) != 0 || w.heard()["am"].Level != syncer.Critical {
			t.Errorf("then in trouble: %+v, heard: %+v", got, w.heard())
		}
	})
}
