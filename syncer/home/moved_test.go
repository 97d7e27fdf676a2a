package home_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
)

// anew demands that the next save, and none after it, says that nothing is left.
func anew(t *testing.T, h *home.Home, c alert.Change) {
	t.Helper()
	err := h.Save(t.Context(), c)
	var says interface{ Anew() bool }
	if !errors.As(err, &says) || !says.Anew() {
		t.Fatalf("the first save says %v, not that nothing is left", err)
	}
	save(t, h, c)
}

func episodes(all ...string) alert.Change {
	var c alert.Change
	for _, id := range all {
		c.Episodes = append(c.Episodes, alert.Episode{ID: id})
	}
	return c
}

func remove(t *testing.T, path string, suffixes ...string) {
	t.Helper()
	for _, suffix := range suffixes {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

func TestHomeThatIsDeletedIsMadeAnew(t *testing.T) {
	for name, gone := range map[string][]string{"the file alone": {""}, "all files": {"", "-wal", "-shm"}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "larder.db")
			h := open(t, path, time.Hour)
			load(t, h)
			save(t, h, episodes("before"))
			record(t, h, report("users"))
			silence(t, h, "shop.*")
			if err := h.KeepToken(t.Context(), "users", "renewed"); err != nil {
				t.Fatal(err)
			}
			remove(t, path, gone...)
			record(t, h, report("drivers")) // what is no alert goes on at once
			anew(t, h, episodes("all"))
			token(t, h, "users", "renewed")
			if got := ids(load(t, h)); got != "all" {
				t.Errorf("left are %s", got)
			}
			if all, err := h.Silences(t.Context()); err != nil || len(all) != 0 {
				t.Errorf("silences %v, %v; want none", all, err)
			}
			if got := recent(t, h, "", 5); len(got) != 1 || got[0].Source != "drivers" {
				t.Errorf("polls %v", got)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			h = open(t, path, time.Hour)
			token(t, h, "users", "renewed")
			if got := ids(load(t, h)); got != "all" {
				t.Errorf("left on the disk are %s", got)
			}
		})
	}
}

// TestHomeThatIsReplaced is one that another process made, or that came out of
// a backup: its alerts are of another past, its silences are meant.
func TestHomeThatIsReplaced(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "larder.db"), filepath.Join(dir, "other.db")
	o := open(t, other, time.Hour)
	save(t, o, alert.Change{Episodes: []alert.Episode{{ID: "old"}}, Told: []alert.Told{{Episode: "old", Notifier: "a"}},
		Messages: []alert.Message{{ID: "old"}}})
	id := silence(t, o, "shop.*")
	for _, name := range []string{"older", "later"} {
		if err := o.KeepToken(t.Context(), name, "from the backup"); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	h := open(t, path, time.Hour)
	load(t, h)
	save(t, h, episodes("before"))
	for _, name := range []string{"older", "later"} {
		if err := h.KeepToken(t.Context(), name, "ours"); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, other, `UPDATE token SET kept = kept + 3600000000 WHERE name = 'later'`)
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	var says interface{ Anew() bool }
	if _, err := h.Silences(t.Context()); !errors.As(err, &says) {
		t.Errorf("silences say %v, not that nothing is left", err)
	}
	anew(t, h, episodes("all"))
	silenced(t, h, id)
	if got := ids(load(t, h)); got != "old, all, told old" {
		t.Errorf("left are %s", got)
	}
	if got := ask(t, path, `SELECT group_concat(id) FROM episode WHERE closed IS NULL`); got != "all" {
		t.Errorf("open is %s", got)
	}
	token(t, h, "older", "ours")
	token(t, h, "later", "from the backup")
}

// TestHomeThatCannotBeMadeAnew fails, and goes on when it can.
func TestHomeThatCannotBeMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "larder.db")
	h := open(t, path, time.Hour)
	save(t, h, episodes("before"))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	var says interface{ Anew() bool }
	for range 2 {
		if err := h.Save(t.Context(), episodes("e")); err == nil || errors.As(err, &says) {
			t.Fatalf("saved without a folder: %v", err)
		}
		if err := h.Record(t.Context(), report("users")); err == nil {
			t.Fatal("recorded without a folder")
		}
	}
	if err := os.MkdirAll(path, 0o700); err != nil { // a folder stands in the way
		t.Fatal(err)
	}
	if err := h.Save(t.Context(), episodes("e")); err == nil || errors.As(err, &says) {
		t.Fatalf("saved into a folder: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	anew(t, h, episodes("all"))
	record(t, h, report("users"))
}

func TestHomeOnAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, time.Hour)
	save(t, h, episodes("before"))
	if err := h.Fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	big := alert.Change{Episodes: []alert.Episode{{ID: "e"}}, Messages: []alert.Message{{ID: "m", Text: strings.Repeat("x", 1<<20)}}}
	if err := h.Save(t.Context(), big); err == nil || !strings.Contains(err.Error(), "full") {
		t.Fatalf("saved to a full disk: %v", err)
	}
	if got := ids(load(t, h)); got != "before" {
		t.Errorf("left are %s", got)
	}
	if err := h.Enlarge(t.Context()); err != nil {
		t.Fatal(err)
	}
	save(t, h, big)
	if got := ids(load(t, h)); got != "before, e, message m" {
		t.Errorf("left are %s", got)
	}
}

// TestHomeThatSomebodyHolds fails within the time that an alert can wait.
func TestHomeThatSomebodyHolds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, time.Hour)
	release := lock(t, path)
	began := time.Now()
	if err := h.Save(t.Context(), episodes("e")); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("saved to a locked file: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("that took %s", took)
	}
	if _, err := h.Silences(t.Context()); err != nil {
		t.Errorf("silences cannot be read meanwhile: %v", err)
	}
	if _, err := home.Read(t.Context(), path, time.Now(), 5); err != nil {
		t.Errorf("alerts cannot be read meanwhile: %v", err)
	}
	release()
	save(t, h, episodes("e"))
}

// TestHomesOfOldVersions were written by the versions that their names tell.
func TestHomesOfOldVersions(t *testing.T) {
	for _, name := range []string{"version1.db", "version2.db"} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			if a, err := home.Read(t.Context(), path, time.Time{}, 5); err != nil || len(a.Episodes)+len(a.Silences) > 0 {
				t.Errorf("before it is migrated it says %v, %v", a, err)
			}
			h := open(t, path, 0)
			if got := recent(t, h, "", 5); len(got) != 2 || got[0].Source != "drivers" || got[1].Tables[0].Table != "shop.users" {
				t.Errorf("polls %+v", got)
			}
			want := map[string]string{"version2.db": "kept-by-the-second"}[name]
			token(t, h, "users", want)
			if got := ids(load(t, h)); got != "" {
				t.Errorf("it knows alerts: %s", got)
			}
			save(t, h, episodes("e"))
			silence(t, h, "shop.*")
			if got := ask(t, path, "PRAGMA user_version"); got != "3" {
				t.Errorf("it is of version %s", got)
			}
		})
	}
}
