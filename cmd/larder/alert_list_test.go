package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// TestAlertListSaysWhoWasTold: what was not taken was told nobody, and an end that
// nobody took is none.
func TestAlertListSaysWhoWasTold(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 12, 0, 0, time.UTC)
	told := func(notifier string, h alert.Heard) alert.Told {
		return alert.Told{Episode: "e", Notifier: notifier, Level: syncer.Warn, At: now, Sequence: 2, Resolved: true, Ended: true, Heard: h}
	}
	waits := func(notifier string, due time.Time, failed string) alert.Message {
		return alert.Message{Notifier: notifier, Due: due, Failed: failed, Alerts: []alert.Alert{{Episode: "e"}}}
	}
	line := episodeLines(alert.Memory{
		Episodes: []alert.Episode{{ID: "e", Table: "shop.a", Level: syncer.Warn, Opened: now}},
		Told: []alert.Told{told("untold", alert.Heard{}), told("told", alert.Heard{Level: syncer.Warn}), told("ended", alert.Heard{Level: syncer.Warn, End: true}),
			told("only the end", alert.Heard{End: true}), told("refuses", alert.Heard{Lost: alert.Firing, Reason: alert.ReasonPermanent, Error: "HTTP 400"}),
			told("gone", alert.Heard{Level: syncer.Warn, Lost: alert.Resolved, Reason: alert.ReasonGone, Error: "HTTP 410", To: "told"}),
			told("late", alert.Heard{Lost: alert.Escalated, Reason: alert.ReasonExpired}),
			told("gathers", alert.Heard{}), told("fails", alert.Heard{Level: syncer.Warn}), told("next", alert.Heard{})},
		Messages: []alert.Message{waits("gathers", now.Add(30*time.Second), ""), waits("fails", now, "HTTP 503"), waits("next", now, "")},
	}, now)[0]
	var got []string
	for _, l := range line.Told {
		got = append(got, l.State+" "+l.String())
	}
	if diff := cmp.Diff([]string{"told told warn", "told ended warn, resolved", "told only the end, resolved",
		"given_up refuses not told: refused (HTTP 400)",
		"given_up gone warn, not told of the end: takes nothing any more (HTTP 410), told told instead",
		"given_up late not told of the rise: given up as too old",
		"gathering gathers is told at 2026-11-23 03:12:30Z", "failing fails warn, not told yet: HTTP 503", "waiting next not told yet"}, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
