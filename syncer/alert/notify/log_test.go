package notify_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/notify"
)

// TestLogIsLoudByLevel has one line an alert, with what owners say in fields.
func TestLogIsLoudByLevel(t *testing.T) {
	warning := stale("shop.orders")
	warning.Level, warning.Failure = syncer.Warn, &syncer.Failure{Class: syncer.ClassAnswer, Text: hostile}
	var out bytes.Buffer
	l := must[*notify.Log](t)(notify.NewLog(notify.LogOptions{Log: zerolog.New(&out)}))
	for _, m := range []alert.Message{
		message(alert.Firing, stale("shop.users"), warning), message(alert.Resolved, stale("shop.users")),
		{ID: "m2", Event: alert.Undelivered, Via: "pager", Text: "pager cannot be reached"}, alert.Trial("eu", "log", began()),
	} {
		if _, err := l.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	var got [][3]string
	for line := range bytes.Lines(out.Bytes()) {
		var is struct{ Level, Event, Table, Message string }
		if err := json.Unmarshal(line, &is); err != nil || is.Message != "alert" {
			t.Fatalf("line %s: %v", line, err)
		}
		got = append(got, [3]string{is.Level, is.Event, is.Table})
	}
	want := [][3]string{{"error", "firing", "shop.users"}, {"warn", "firing", "shop.orders"}, {"info", "resolved", "shop.users"}, {"warn", "undelivered", ""}, {"warn", "test", ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
