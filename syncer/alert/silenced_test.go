package alert_test

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
	"github.com/larder-sync/larder/syncer/schedule"
)

// What is silenced shows also while nothing is stale.
func TestSilencedShowsWhileAllIsWell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		at, err := schedule.Parse("@hourly", time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		plain := deskOf(oncall(&alerttest.Recorder{}))
		w := open(t, func() *alert.Desk {
			d := plain()
			d.Maintenance = []alert.Maintenance{{Tables: []string{"games.*"}, Schedule: at, Duration: 10 * time.Minute}}
			return d
		}, newTable("shop.users", time.Hour, 0))
		is := func(table string) bool { return w.desk.Silenced(time.Now())(table) }
		time.Sleep(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour + 5*time.Minute)))
		if !is("games.scores") || is("shop.users") {
			t.Error("a maintenance window does not show as it is")
		}
		if err := w.store.Silence(t.Context(), alert.Silence{ID: "1", Tables: []string{"shop.*"}, From: time.Now(), Until: time.Now().Add(10 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
		w.run(11 * time.Second)
		if !is("shop.users") || is("other.users") {
			t.Error("a silence that was begun is not seen")
		}
		w.run(10 * time.Minute)
		if is("shop.users") || is("games.scores") {
			t.Error("what has ended still shows")
		}
	})
}
