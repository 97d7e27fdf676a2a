package sqlite_test

import (
	"os"
	osexec "os/exec"
	"strings"
	"testing"

	"github.com/larder-sync/larder/syncer"
)

// Consumers read the view with an SQLite of their own, which may be older than
// ours: an expression that it does not know must not make a copy look fresh.
func TestViewIsRightForTheConsumersOwnSQLite(t *testing.T) {
	shell, err := osexec.LookPath("sqlite3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("sqlite3 is not installed: apt-get install sqlite3")
		}
		t.Skip("sqlite3 is not installed: apt-get install sqlite3")
	}
	file, own, _, table := prepared(t)
	if _, err := table.Settle(t.Context(), snapshot("walk"), syncer.Settlement{End: &syncer.End{Listed: true}}); err != nil {
		t.Fatal(err)
	}
	exec(t, own, `UPDATE larder_watermark SET as_of = as_of - 3600, deletes_as_of = deletes_as_of - 3600, warn_at = warn_at - 3600, critical_at = critical_at - 3600`)
	out, err := osexec.Command(shell, file, `SELECT level, round(staleness / 60), reason FROM larder_freshness`).CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || !strings.HasPrefix(got, "critical|60.0|no complete poll since 20") {
		t.Errorf("the consumer's own SQLite reads %q, %v", got, err)
	}
}
