package home_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

func TestStoreConforms(t *testing.T) {
	alerttest.ConformStore(t, func(t *testing.T) *alerttest.Subject {
		path := filepath.Join(t.TempDir(), "larder.db")
		h := open(t, path, time.Hour)
		return &alerttest.Subject{
			Store: h,
			Reopen: func(t *testing.T) alert.Store {
				if err := h.Close(); err != nil {
					t.Fatal(err)
				}
				h = open(t, path, time.Hour)
				return h
			},
			Silence: func(_ context.Context, s alert.Silence) error {
				tables, err := json.Marshal(s.Tables)
				execute(t, path, fmt.Sprintf(`INSERT INTO silence VALUES ('%s', '%s', %d, %d, '%s', '%s')`,
					s.ID, tables, s.From.UnixMicro(), s.Until.UnixMicro(), s.Reason, s.Author))
				return err
			},
			Wipe: func(t *testing.T) { remove(t, path, "", "-wal", "-shm") },
		}
	})
}
