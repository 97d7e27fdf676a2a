package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// TestAlertListSaysWhoWasTold: what was taken back before it was sent was told
// nobody, and an end that nobody was told is none.
func TestAlertListSaysWhoWasTold(t *testing.T) {
	now := time.Now()
	told := func(notifier string, sequence int, resolved, ended bool) alert.Told {
		return alert.Told{Episode: "e", Notifier: notifier, Level: syncer.Warn, At: now, Sequence: sequence, Resolved: resolved, Ended: ended}
	}
	line := episodeLines(alert.Memory{
		Episodes: []alert.Episode{{ID: "e", Table: "shop.a", Level: syncer.Warn, Opened: now}},
		Told: []alert.Told{told("silenced", 0, true, false), told("owed", 0, false, false), told("told", 1, false, false),
			told("wants no ends", 1, true, false), told("ended", 2, true, true)},
	}, now)[0]
	if got, want := line.told(), "told warn; wants no ends warn; ended warn, resolved"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	var ends []bool
	for _, one := range line.Told {
		ends = append(ends, one.Resolved)
	}
	if diff := cmp.Diff([]bool{false, false, true}, ends); diff != "" {
		t.Errorf("resolved in JSON (-want +got):\n%s", diff)
	}
}
