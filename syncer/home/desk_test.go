package home_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
)

// TestDeletedHomeGetsWhatIsOpen though nothing changes any more: whoever comes
// after this process has to tell the end.
func TestDeletedHomeGetsWhatIsOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	desk := &alert.Desk{Instance: "larder", Store: open(t, path, time.Hour)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- desk.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	opened := func() bool {
		now := time.Now()
		desk.Judged(now, []syncer.Judged{{Freshness: syncer.Freshness{Table: "shop.users", Level: syncer.Critical},
			Alarm: syncer.Critical, Since: now.Add(-time.Minute), Watched: now.Add(-time.Hour), Polled: now}})
		a, err := home.Read(t.Context(), path, now, 5)
		return err == nil && len(a.Episodes) == 1
	}
	await := func(what string) {
		t.Helper()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.After(20 * time.Second); !opened(); {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("no episode %s", what)
			}
		}
	}
	await("is opened")
	before := ask(t, path, "SELECT id FROM episode")
	remove(t, path, "", "-wal", "-shm")
	await("is in the new home")
	if after := ask(t, path, "SELECT group_concat(id) FROM episode"); after != before {
		t.Errorf("episodes %s, want %s", after, before)
	}
}
