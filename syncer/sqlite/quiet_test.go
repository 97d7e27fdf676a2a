package sqlite_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/sqlite"
)

// prepared is a fresh file with the table of people.
func prepared(t *testing.T) (file string, own *sql.DB, db *sqlite.Database, table *sqlite.Table) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "consumer.db")
	db = open(t, file, "first")
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	table = db.Table(people())
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return file, plain(t, file), db, table
}

// watch counts every row written to any table of the file from here on.
func watch(t *testing.T, own *sql.DB) func() []string {
	t.Helper()
	exec(t, own, `CREATE TABLE written (what TEXT)`)
	for _, table := range names(t, own, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'written' AND name NOT LIKE 'sqlite_%'`) {
		for _, event := range []string{"INSERT", "UPDATE", "DELETE"} {
			exec(t, own, fmt.Sprintf(`CREATE TRIGGER "%s %s" AFTER %s ON "%s" BEGIN INSERT INTO written VALUES ('%s %s'); END`,
				event, table, event, table, event, table))
		}
	}
	return func() []string {
		out := names(t, own, `SELECT what FROM written ORDER BY rowid`)
		exec(t, own, `DELETE FROM written`)
		return out
	}
}

func TestUnchangedRowsAreNotRewritten(t *testing.T) {
	_, own, _, table := prepared(t)
	records := []syncer.Record{person(1, "Ada", "00:01"), person(2, "Bo", "00:01")}
	apply(t, table, changes("w1"), records...)
	written := watch(t, own)
	apply(t, table, changes("w2"), append(records, person(3, "Cy", "00:01"))...)
	want := []string{"INSERT people", "UPDATE larder_watermark"} // the row count
	if diff := cmp.Diff(want, written()); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	apply(t, table, changes("w3"), records...)
	if got := written(); len(got) != 0 {
		t.Errorf("a batch that changed nothing wrote %q", got)
	}
}

func TestPollThatChangedNothingIsOneUpdate(t *testing.T) {
	_, own, _, table := prepared(t)
	w := snapshot("w1")
	apply(t, table, w, person(1, "Ada", "00:01"))
	settle(t, table, w, syncer.End{Listed: true, Validator: "V"})
	apply(t, table, changes("tombstone"), syncer.Record{Gone: true, Slots: person(2, "", "00:01").Slots})
	written := watch(t, own)
	for name, poll := range map[string]func(){
		"not modified": func() { settle(t, table, snapshot("w2"), syncer.End{Unchanged: true, Validator: "V"}) },
		"no changes":   func() { settle(t, table, changes("w3"), syncer.End{Watermark: "W"}) },
		"no changes in an empty last batch": func() {
			apply(t, table, changes("w4"))
			settle(t, table, changes("w4"), syncer.End{Watermark: "W"})
		},
		"the same tombstone again": func() {
			apply(t, table, changes("w5"), syncer.Record{Gone: true, Slots: person(2, "", "00:01").Slots})
			settle(t, table, changes("w5"), syncer.End{Watermark: "W"})
		},
	} {
		age(t, own, 10*time.Second)
		written()
		poll()
		if diff := cmp.Diff([]string{"UPDATE larder_watermark"}, written()); diff != "" {
			t.Errorf("%s: written (-want +got):\n%s", name, diff)
		}
		if old := number(t, own, `SELECT unixepoch() - as_of FROM larder_watermark`); old > 5 {
			t.Errorf("%s: as-of stays where it was, %d s ago", name, old)
		}
	}
}

// TestViewJudgesAsTheSyncerDoes compares the view with syncer.Judge for
// standings of every sort, with and without a budget for deletions.
func TestViewJudgesAsTheSyncerDoes(t *testing.T) {
	_, own, db, _ := prepared(t)
	with := people()
	with.Budget.Deletes = 10 * time.Minute
	for _, spec := range []row.Spec{people(), with} {
		t.Run(spec.Budget.Deletes.String(), func(t *testing.T) {
			table := db.Table(spec)
			if err := table.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			settle(t, table, snapshot("w1"), syncer.End{Watermark: "W", Listed: true})
			rapid.Check(t, func(rt *rapid.T) { judge(t, rt, own, db, table, spec) })
		})
	}
}

// judge puts the copy somewhere and compares what is said of it.
func judge(t *testing.T, rt *rapid.T, own *sql.DB, db *sqlite.Database, table *sqlite.Table, spec row.Spec) {
	// Half minutes stay clear of the limits of 5, 10 and 15 minutes.
	age := func(name string) any {
		if n := rapid.IntRange(-1, 20).Draw(rt, name); n >= 0 {
			return float64(n)*60 + 30
		}
		return nil
	}
	asOf, deletes := age("as-of"), age("deletes as-of")
	if asOf == nil {
		deletes = nil
	}
	exec(t, own, `UPDATE larder_watermark SET as_of = unixepoch('subsec') - ?1, deletes_as_of = min(unixepoch('subsec') - ?1, unixepoch('subsec') - ?2), warn = 0`, asOf, deletes)
	// Prepare computes the deadlines of what differs from the configuration.
	if err := table.Prepare(t.Context()); err != nil {
		rt.Fatal(err)
	}
	st, err := table.Standing(t.Context(), syncer.Partition{})
	if err != nil {
		rt.Fatal(err)
	}
	all, err := db.Status(t.Context())
	if err != nil || len(all) != 1 {
		rt.Fatalf("status: %v, %v", all, err)
	}
	got, want := all[0].Freshness, syncer.Judge(st, spec.Budget, time.Now())
	if got.Level != want.Level {
		rt.Errorf("level is %q, want %q", got.Level, want.Level)
	}
	if d := (got.Staleness - want.Staleness).Abs(); d > time.Second {
		rt.Errorf("staleness is %s, want %s", got.Staleness, want.Staleness)
	}
	// The instant in it is rounded on either side.
	phrase := func(reason string) string { before, _, _ := strings.Cut(reason, " since "); return before }
	if phrase(got.Reason) != phrase(want.Reason) {
		rt.Errorf("reason is %q, want %q", got.Reason, want.Reason)
	}
	for _, at := range [][2]time.Time{{got.WarnAt, want.WarnAt}, {got.CriticalAt, want.CriticalAt}} {
		if d := at[0].Sub(at[1]).Abs(); d > time.Second {
			rt.Errorf("deadline is %s, want %s", at[0], at[1])
		}
	}
}

func TestStalenessIsReadBySQLAlone(t *testing.T) {
	_, own, db, table := prepared(t)
	settle(t, table, changes("w1"), syncer.End{Watermark: "W", Age: 10 * time.Minute})
	if err := db.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one(t, own, `SELECT level || ' ' || CAST(staleness / 60 AS INTEGER) FROM larder_freshness WHERE table_name = 'people'`); got != "warn 10" {
		t.Errorf("the view says %q, want a warning at 10 minutes", got)
	}
}
