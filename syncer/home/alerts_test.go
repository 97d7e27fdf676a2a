package home_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
)

// filled is a value with every field set to something of its own, so that a
// field that is not kept is seen.
func filled[T any](random *rand.Rand) T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), random)
	return v
}

func fill(v reflect.Value, random *rand.Rand) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.UnixMicro(random.Int64N(1 << 52)).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), random)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), random)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range 3 {
			fill(v.Index(i), random)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("ä\x00'\"%d", random.Int64()))
	case reflect.Int, reflect.Int64:
		v.SetInt(random.Int64N(1 << 40))
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic("a test must learn to fill " + v.Type().String())
	}
}

func save(t *testing.T, h *home.Home, c alert.Change) {
	t.Helper()
	if err := h.Save(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, h *home.Home) alert.Memory {
	t.Helper()
	m, err := h.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	sorted := cmpopts.SortSlices(func(a, b alert.Told) int {
		return cmp.Or(cmp.Compare(a.Episode, b.Episode), cmp.Compare(a.Notifier, b.Notifier))
	})
	if diff := gocmp.Diff(want, got, sorted, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

func ids(m alert.Memory) string {
	var all []string
	for _, e := range m.Episodes {
		all = append(all, e.ID)
	}
	for _, one := range m.Told {
		all = append(all, "told "+one.Episode)
	}
	for _, one := range m.Messages {
		all = append(all, "message "+one.ID)
	}
	return strings.Join(all, ", ")
}

func TestAlertsComeBackAsTheyWere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, time.Hour)
	random := rand.New(rand.NewPCG(5, 6))
	var c alert.Change
	for range 20 {
		e, m := filled[alert.Episode](random), filled[alert.Message](random)
		e.Closed = time.Time{}
		m.Alerts[0].Facts.Level = "another level than the alert's own"
		told := filled[alert.Told](random)
		told.Episode = e.ID
		c.Episodes, c.Told, c.Messages = append(c.Episodes, e), append(c.Told, told), append(c.Messages, m)
	}
	c.Episodes = append(c.Episodes, alert.Episode{ID: "bare", Opened: time.UnixMicro(0).UTC()})
	c.Told = append(c.Told, alert.Told{Episode: "bare", Notifier: "bare"})
	c.Messages = append(c.Messages, alert.Message{ID: "bare"})
	save(t, h, c)
	want := alert.Memory{Episodes: c.Episodes, Told: c.Told, Messages: c.Messages, New: true}
	same(t, "memory", want, load(t, h))

	// What is saved again takes the place of what was there; order stays.
	for i := range 20 {
		e, m, told := filled[alert.Episode](random), filled[alert.Message](random), filled[alert.Told](random)
		e.ID, e.Closed, m.ID = c.Episodes[i].ID, time.Time{}, c.Messages[i].ID
		told.Episode, told.Notifier = c.Told[i].Episode, c.Told[i].Notifier
		want.Episodes[i], want.Told[i], want.Messages[i] = e, told, m
	}
	backwards := alert.Change{Episodes: slices.Clone(want.Episodes), Told: want.Told, Messages: slices.Clone(want.Messages)}
	slices.Reverse(backwards.Episodes)
	slices.Reverse(backwards.Messages)
	save(t, h, backwards)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = open(t, path, time.Hour)
	want.New = false // another process
	same(t, "memory", want, load(t, h))

	save(t, h, alert.Change{Done: []string{"bare", "unheard of", want.Messages[0].ID}})
	want.Messages = want.Messages[1:20]
	same(t, "memory", want, load(t, h))
}

func TestLoadedAreEpisodesThatMatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, filepath.Join(t.TempDir(), "larder.db"), time.Hour)
		now := time.Now()
		episode := func(id string, ended time.Duration) alert.Episode {
			return alert.Episode{ID: id, Opened: now.Add(-100 * 24 * time.Hour), Closed: now.Add(-ended), Ending: alert.Recovered}
		}
		goesOn := episode("open", 0)
		goesOn.Closed = time.Time{}
		save(t, h, alert.Change{
			Episodes: []alert.Episode{goesOn, episode("ended just now", 59*time.Minute), episode("told", 61*time.Minute),
				episode("not told", 61*time.Minute), episode("nobody was told", 61*time.Minute)},
			Told: []alert.Told{{Episode: "told", Notifier: "a", Resolved: true}, {Episode: "not told", Notifier: "a", Resolved: true},
				{Episode: "not told", Notifier: "b"}, {Episode: "open", Notifier: "a"}},
			Messages: []alert.Message{{ID: "m"}},
		})
		if got, want := ids(load(t, h)), "open, ended just now, not told, told not told, told not told, told open, message m"; got != want {
			t.Errorf("loaded are %s; want %s", got, want)
		}
	})
}

func TestEpisodesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "larder.db")
		h := open(t, path, 30*24*time.Hour)
		left := func() string {
			a, err := home.Read(t.Context(), path, time.Time{}, 100)
			if err != nil {
				t.Fatal(err)
			}
			return ids(a.Memory)
		}
		save(t, h, alert.Change{
			Episodes: []alert.Episode{{ID: "ended", Closed: time.Now()}, {ID: "open"}},
			Told:     []alert.Told{{Episode: "ended", Notifier: "a", Resolved: true}, {Episode: "open", Notifier: "a"}},
		})
		time.Sleep(30*24*time.Hour - time.Minute)
		save(t, h, alert.Change{Messages: []alert.Message{{ID: "m"}}})
		if got, want := left(), "ended, open, told ended, told open, message m"; got != want {
			t.Errorf("before its time: %s, want %s", got, want)
		}
		time.Sleep(2 * time.Hour)
		save(t, h, alert.Change{Messages: []alert.Message{{ID: "m"}}})
		if got, want := left(), "open, told open, message m"; got != want {
			t.Errorf("after its time: %s, want %s", got, want)
		}
	})
}

// TestWhatIsNotToldIsNotForgotten however long a silence lasts, or another daemon
// holds the lease, and however short a history somebody wants.
func TestWhatIsNotToldIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, filepath.Join(t.TempDir(), "larder.db"), time.Minute)
		save(t, h, alert.Change{
			Episodes: []alert.Episode{{ID: "ended", Closed: time.Now(), Ending: alert.Recovered}, {ID: "left", Closed: time.Now(), Ending: alert.Left},
				{ID: "told", Closed: time.Now(), Ending: alert.Recovered}},
			Told: []alert.Told{{Episode: "ended", Notifier: "a"}, {Episode: "ended", Notifier: "b", Resolved: true}, {Episode: "left", Notifier: "a"},
				{Episode: "told", Notifier: "a", Resolved: true}}})
		time.Sleep(60 * 24 * time.Hour)
		save(t, h, alert.Change{Messages: []alert.Message{{ID: "m"}}})
		if got, want := ids(load(t, h)), "ended, left, told ended, told ended, told left, message m"; got != want {
			t.Errorf("loaded are %s; want %s", got, want)
		}
	})
}

func TestEpisodesCannotFillTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, 0)
	execute(t, path, `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 60000)
		INSERT INTO episode SELECT value, 'e' || value, '', '', '', '', '', '', 0, NULL, NULL, NULL, iif(value = 1, NULL, 0), '', 0, '{}' FROM n`)
	save(t, h, alert.Change{Episodes: []alert.Episode{{ID: "open"}}})
	if got, want := ask(t, path, `SELECT count(*) || ' ' || min(id) || ' ' || min(number) FROM episode WHERE id <> 'e1'`), "50001 e10001 10001"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
	if got := ask(t, path, `SELECT count(*) FROM episode WHERE closed IS NULL`); got != "2" {
		t.Errorf("%s episodes are open, want 2", got)
	}
}

func TestSaveIsAllOrNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, 0)
	execute(t, path, `CREATE TRIGGER refuse BEFORE INSERT ON message WHEN new.id = 'bad' BEGIN SELECT raise(ABORT, 'refused'); END`)
	err := h.Save(t.Context(), alert.Change{Episodes: []alert.Episode{{ID: "e"}}, Told: []alert.Told{{Episode: "e", Notifier: "a"}},
		Messages: []alert.Message{{ID: "good"}, {ID: "bad"}}})
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Fatalf("got %v", err)
	}
	if got := ids(load(t, h)); got != "" {
		t.Errorf("half of it was saved: %s", got)
	}
	save(t, h, alert.Change{Messages: []alert.Message{{ID: "good"}}})
}

// TestOneBrokenMessageHidesNoOther: somebody's hand was in the file.
func TestOneBrokenMessageHidesNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "larder.db")
	h := open(t, path, 0)
	save(t, h, alert.Change{Episodes: []alert.Episode{{ID: "e", Table: "users"}}, Told: []alert.Told{{Episode: "e", Notifier: "a"}},
		Messages: []alert.Message{{ID: "broken", Notifier: "a"}, {ID: "m"}}})
	execute(t, path, `UPDATE message SET alerts = '{' WHERE id = 'broken'; UPDATE episode SET last = '['`)
	m := load(t, h)
	if got := ids(m); got != "e, told e, message m" || m.Episodes[0].Table != "users" {
		t.Errorf("loaded are %s", got)
	}
	if u := m.Unreadable; len(u) != 1 || u[0].Message != "broken" || u[0].Notifier != "a" || !strings.Contains(u[0].Reason, "unexpected end") {
		t.Errorf("unreadable are %+v", u)
	}
	if a, err := home.Read(t.Context(), path, time.Time{}, 5); err != nil || ids(a.Memory) != "e, told e, message m" {
		t.Errorf("read are %s, %v", ids(a.Memory), err)
	}
}

func TestSaveEndsWithItsContext(t *testing.T) {
	h := open(t, filepath.Join(t.TempDir(), "larder.db"), 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Save(ctx, alert.Change{Episodes: []alert.Episode{{ID: "e"}}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := ids(load(t, h)); got != "" {
		t.Errorf("saved are %s", got)
	}
}

// TestDiskThatHangs keeps nobody who tells: they hear of it and go on.
func TestDiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := home.Open(t.Context(), home.Options{File: filepath.Join(t.TempDir(), "larder.db")})
		if err != nil {
			t.Fatal(err)
		}
		release := h.Hang(context.Background())
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := h.Save(ctx, alert.Change{Episodes: []alert.Episode{{ID: "e"}}}); err == nil {
			t.Error("saved to a disk that hangs")
		}
		if _, err := h.Silences(ctx); err == nil {
			t.Error("read from a disk that hangs")
		}
		if err := h.Close(); err == nil {
			t.Error("closed on a disk that hangs")
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("that took %s", took)
		}
		release()
		save(t, h, alert.Change{Episodes: []alert.Episode{{ID: "e"}}})
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
}

// execute and ask use the file as another process does.
func execute(t *testing.T, path, statements string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.Exec(statements)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, path, query string) (answer string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err == nil {
		err = db.QueryRow(query).Scan(&answer)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return answer
}
