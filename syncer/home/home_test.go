package home_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/home"
)

func open(t *testing.T, path string, keep time.Duration) *home.Home {
	t.Helper()
	h, err := home.Open(t.Context(), home.Options{File: path, Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func record(t *testing.T, h *home.Home, r syncer.Report) {
	t.Helper()
	if err := h.Record(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func recent(t *testing.T, h *home.Home, source string, n int) []syncer.Report {
	t.Helper()
	out, err := h.Recent(t.Context(), source, n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// report is one with every field set.
func report(source string) syncer.Report {
	at := time.Now().Truncate(time.Microsecond)
	failure := &syncer.Failure{Class: syncer.ClassHTTP5xx, Text: `fetch page 3: "503"`}
	return syncer.Report{
		Source: source, Partition: `{"city":"Köln"}`, Walk: "W", Kind: syncer.Resync, Resumed: true,
		Started: at, Took: 1234 * time.Microsecond, Batches: 3, Records: 4, Bytes: 1 << 40, Unchanged: true,
		Failure: failure, RetryAt: at.Add(time.Hour),
		Tables: []syncer.TableReport{{
			Table: "shop.users", Kind: syncer.Changes,
			Applied: syncer.Applied{Inserted: 1, Updated: 2, Deleted: 3, Unchanged: 4, Quarantined: 5, Late: time.Second},
			Settled: syncer.Settled{AsOf: at, DeletesAsOf: at.Add(-time.Hour), Swept: 6, Held: 7, Waiting: 8, Audit: &syncer.Audited{
				Compared: 9, Missing: 10, Extra: 11, Different: 12, Repaired: 13, Held: 14, Suspects: 15, Proven: at.Add(-time.Minute)}}, Failure: failure,
		}},
	}
}

func TestReportsComeBackAsTheyWere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	full, plain := report("users"), syncer.Report{Source: "users", Kind: syncer.Changes, Started: time.Now().Truncate(time.Microsecond)}
	h := open(t, path, time.Hour)
	record(t, h, full)
	record(t, h, report("drivers"))
	record(t, h, plain)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = open(t, path, time.Hour)
	if diff := cmp.Diff([]syncer.Report{plain, full}, recent(t, h, "users", 10)); diff != "" {
		t.Errorf("reports differ (-want +got):\n%s", diff)
	}
	if got := recent(t, h, "", 2); len(got) != 2 || got[1].Source != "drivers" {
		t.Errorf("the last two of all are %+v", got)
	}
	if got := recent(t, h, "nobody", 2); len(got) != 0 {
		t.Errorf("an unknown source has %+v", got)
	}
}

func TestOldPollsAreForgotten(t *testing.T) {
	h := open(t, filepath.Join(t.TempDir(), "larder.db"), time.Hour)
	old := report("users")
	old.Started = time.Now().Add(-2 * time.Hour)
	record(t, h, report("users"))
	record(t, h, old)
	record(t, h, report("drivers"))
	if got := recent(t, h, "", 10); len(got) != 2 {
		t.Errorf("%d polls are kept, want the two of the last hour", len(got))
	}
}

func TestOneSourceCannotFillTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, 0)
	record(t, h, report("seldom"))
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	_, err = db.Exec(`WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 59998)
		INSERT INTO poll SELECT value + 1, 'often', '', '', '', 0, 0, 0, 0, 0, 0, 0, '', '', NULL, '[]' FROM n`)
	if err != nil {
		t.Fatal(err)
	}
	record(t, h, report("often"))
	var often, seldom int
	if err := db.QueryRow(`SELECT sum(source = 'often'), sum(source = 'seldom') FROM poll`).Scan(&often, &seldom); err != nil {
		t.Fatal(err)
	}
	if often != 50_000 || seldom != 1 {
		t.Errorf("%d and %d polls are kept, want 50000 and 1", often, seldom)
	}
}

func TestFileIsTheUsersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h := open(t, path, 0)
	record(t, h, report("users"))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", suffix, info.Mode(), err)
		}
	}
}

func TestWhatCannotBeOpenedIsAnError(t *testing.T) {
	dir := t.TempDir()
	damaged := filepath.Join(dir, "damaged.db")
	if err := os.WriteFile(damaged, []byte(strings.Repeat("no database ", 400)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	db, err := sql.Open("sqlite", newer)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA user_version = 7"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{damaged: "not a database", newer: "newer larder", filepath.Join(dir, "no", "such", "folder"): "no such file"} {
		h, err := home.Open(t.Context(), home.Options{File: path})
		if err == nil {
			_ = h.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open: %v, want an error that says %q", err, want)
		}
	}
}

func TestRecordFailsAndRecovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, 0)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("ALTER TABLE poll RENAME TO elsewhere"); err != nil {
		t.Fatal(err)
	}
	if err := h.Record(t.Context(), report("users")); err == nil {
		t.Error("recording into nowhere succeeds")
	}
	if _, err := db.Exec("ALTER TABLE elsewhere RENAME TO poll"); err != nil {
		t.Fatal(err)
	}
	record(t, h, report("users"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Record(ctx, report("users")); !errors.Is(err, context.Canceled) {
		t.Errorf("recording under an ended context: %v", err)
	}
	record(t, h, report("users"))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Record(t.Context(), report("users")); err == nil {
		t.Error("recording into a closed home succeeds")
	}
}

func TestManyFeedsRecordAtOnce(t *testing.T) {
	h := open(t, filepath.Join(t.TempDir(), "larder.db"), time.Hour)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 10 {
				if err := h.Record(t.Context(), report(fmt.Sprint("source", i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := recent(t, h, "", 100); len(got) != 40 {
		t.Errorf("%d of 40 polls are kept", len(got))
	}
}
