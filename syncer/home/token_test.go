package home_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/home"
)

func token(t *testing.T, h *home.Home, name, want string) {
	t.Helper()
	if got, err := h.Token(t.Context(), name); got != want || err != nil {
		t.Errorf("token %q: %q, %v, want %q", name, got, err, want)
	}
}

func TestTokensAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, time.Hour)
	token(t, h, "a", "")
	for _, kept := range [][2]string{{"a", "first"}, {"b", "other"}, {"a", "second"}} {
		if err := h.KeepToken(t.Context(), kept[0], kept[1]); err != nil {
			t.Fatal(err)
		}
	}
	// Another process has the file open still.
	again := open(t, path, time.Hour)
	token(t, again, "a", "second")
	token(t, again, "b", "other")
	token(t, again, "c", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.KeepToken(ctx, "a", "canary"); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
	token(t, again, "a", "second")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.KeepToken(t.Context(), "a", "canary"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("closed: %v", err)
	}
}

func TestTokensAreReadByNobodyElse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, time.Hour)
	files := []string{path, path + "-wal", path + "-shm"}
	for _, file := range files {
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.KeepToken(t.Context(), "a", "first"); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
}

// TestHomeOfTheFirstVersion is one that knows no tokens.
func TestHomeOfTheFirstVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, time.Hour)
	record(t, h, report("users"))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`DROP TABLE token; PRAGMA user_version = 1`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	h = open(t, path, time.Hour)
	if err := h.KeepToken(t.Context(), "a", "first"); err != nil {
		t.Fatal(err)
	}
	token(t, h, "a", "first")
	if got := recent(t, h, "users", 5); len(got) != 1 {
		t.Errorf("%d polls are left", len(got))
	}
}
