package alert_test

import (
	"context"
	"testing"

	"github.com/larder-sync/larder/syncer/alert"
)

// TestQuickStoreIsNotTakenForStuck: a call that has come back is over, however
// soon the next one follows. One that was taken for stuck would have messages go
// out before they are saved.
func TestQuickStoreIsNotTakenForStuck(t *testing.T) {
	d := &alert.Desk{}
	for i := range 100_000 {
		if err := d.Ask(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
	}
}
