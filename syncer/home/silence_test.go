package home_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
)

// silence adds one of an hour.
func silence(t *testing.T, h *home.Home, tables ...string) string {
	t.Helper()
	id, err := h.AddSilence(t.Context(), alert.Silence{Tables: tables, From: time.Now(), Until: time.Now().Add(time.Hour), Reason: "migration", Author: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func silenced(t *testing.T, h *home.Home, want ...string) {
	t.Helper()
	all, err := h.Silences(t.Context())
	var got []string
	for _, s := range all {
		got = append(got, s.ID)
	}
	if err != nil || strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("silences %v, %v; want %v", got, err, want)
	}
}

// TestSilencesOfAnotherProcess are seen by a home that is open.
func TestSilencesOfAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	daemon, command := open(t, path, time.Hour), open(t, path, time.Hour)
	silenced(t, daemon)
	first := silence(t, command, "shop.*", "other.users")
	silenced(t, daemon, first)
	second := silence(t, daemon, "shop.users")
	silenced(t, daemon, first, second)
	silenced(t, command, first, second)
	all, _ := daemon.Silences(t.Context())
	all[0].Tables = nil // what is handed out is the caller's
	all[1] = alert.Silence{}
	silenced(t, daemon, first, second)
	if err := command.ExpireSilence(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	silenced(t, daemon, second)
	for _, id := range []string{first, "nobody"} {
		if err := command.ExpireSilence(t.Context(), id); !errors.Is(err, home.ErrNoSilence) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := daemon.ExpireSilence(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	silenced(t, daemon)
	silenced(t, command)
}

func TestSilencesComeBackAsTheyWereAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, filepath.Join(t.TempDir(), "larder.db"), time.Hour)
		want := alert.Silence{Tables: []string{"a.*", "b.['x]"}, From: time.Now().Add(time.Hour).UTC(), Until: time.Now().Add(2 * time.Hour).UTC(), Reason: "wörk", Author: "ada"}
		id, err := h.AddSilence(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		want.ID = id
		got, err := h.Silences(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, "silences", []alert.Silence{want}, got)
		time.Sleep(2*time.Hour - time.Second)
		silenced(t, h, id)
		time.Sleep(time.Second)
		silenced(t, h)
	})
}

func TestUnsoundSilencesAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, time.Hour)
	now := time.Now()
	for want, change := range map[string]func(*alert.Silence){
		"0 tables":        func(s *alert.Silence) { s.Tables = nil },
		"101 tables":      func(s *alert.Silence) { s.Tables = make([]string, 101) },
		"no reason":       func(s *alert.Silence) { s.Reason = "" },
		"longer than 1":   func(s *alert.Silence) { s.Reason = strings.Repeat("x", 1001) },
		"no UTF-8":        func(s *alert.Silence) { s.Author = "\xff" },
		"control":         func(s *alert.Silence) { s.Reason = "a\nb" },
		"before it":       func(s *alert.Silence) { s.Until = now.Add(-time.Second) },
		"longer than a y": func(s *alert.Silence) { s.Until = now.Add(400 * 24 * time.Hour) },
	} {
		s := alert.Silence{Tables: []string{"*"}, From: now, Until: now.Add(time.Hour), Reason: "work", Author: "ada"}
		change(&s)
		if _, err := h.AddSilence(t.Context(), s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	silenced(t, h)
	execute(t, path, `WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 1000)
		INSERT INTO silence SELECT v, '[]', 0, 9000000000000000, 'r', 'a' FROM n`)
	if _, err := h.AddSilence(t.Context(), alert.Silence{Tables: []string{"*"}, From: now, Until: now.Add(time.Hour), Reason: "work"}); err == nil {
		t.Error("silences may be without number")
	}
}

func TestReadChangesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "larder.db")
	if _, err := home.Read(t.Context(), path, time.Now(), 5); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no file it says %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	h := open(t, path, 0)
	now := time.Now()
	save(t, h, alert.Change{
		Episodes: []alert.Episode{{ID: "open"}, {ID: "old", Closed: now.Add(-time.Hour)}, {ID: "ended", Closed: now}, {ID: "later", Closed: now}},
		Told:     []alert.Told{{Episode: "open", Notifier: "a"}, {Episode: "old", Notifier: "a"}},
	})
	id := silence(t, h, "*")
	read := func() {
		t.Helper()
		a, err := home.Read(t.Context(), path, now.Add(-time.Minute), 2)
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(a.Memory); got != "open, later, told open" || len(a.Silences) != 1 || a.Silences[0].ID != id {
			t.Errorf("it says %s, %v", got, a.Silences)
		}
	}
	read()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	read() // no daemon has the file open
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 400)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := home.Read(t.Context(), path, now, 5); err == nil || !strings.Contains(err.Error(), "not a database") {
		t.Errorf("of no database it says %v", err)
	}
}

func TestBacklog(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 30, 0, 0, time.UTC)
	about := func(tables ...string) (all []alert.Alert) {
		for _, name := range tables {
			all = append(all, alert.Alert{Table: name})
		}
		return all
	}
	a := home.Alerts{Memory: alert.Memory{Messages: []alert.Message{
		{Notifier: "oncall", Due: now.Add(-9 * time.Minute), Tried: now.Add(-time.Minute), Failed: "answered 503", Alerts: about("b", "a")},
		{Notifier: "oncall", Due: now.Add(-18 * time.Minute), Tried: now.Add(-2 * time.Minute), Failed: "timeout", Alerts: about("b", "c")},
		{Notifier: "oncall", Due: now.Add(-time.Second)},
		{Notifier: "chat", Due: now.Add(-time.Minute)},
		{Notifier: "calm", Due: now.Add(-59 * time.Second)},
		{Notifier: "calm", Due: now.Add(time.Minute)},
		{Notifier: "mail", Begun: now.Add(-59 * time.Minute), Due: now.Add(time.Minute)}, // groups for an hour
	}}}
	same(t, "backlog", []home.Backlog{
		{Notifier: "chat", Messages: 1, Since: now.Add(-time.Minute)},
		{Notifier: "oncall", Messages: 2, Since: now.Add(-18 * time.Minute), Failed: "answered 503", Tables: []string{"a", "b", "c"}},
	}, a.Backlog(now))
}

// lock takes the write lock as another process would.
func lock(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		if err := errors.Join(err, conn.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
