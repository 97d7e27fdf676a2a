package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	zombiezen "zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/sqlite"
)

// What was noted may be gone before any batch. A list that went on would take
// its rows for newer than what a walk for changes has written beside it.
func TestLossOfTheSideFileInMidWalk(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, side string) error{
		"deleted": func(_ *testing.T, side string) error { return os.Remove(side) },
		"damaged": func(_ *testing.T, side string) error {
			return os.WriteFile(side, []byte(strings.Repeat("no database ", 400)), 0o600)
		},
		"emptied": func(_ *testing.T, side string) error { return os.Truncate(side, 0) },
		"without notes": func(t *testing.T, side string) error {
			_, err := plain(t, side).Exec(`DELETE FROM larder_seen_people`)
			return err
		},
		"of an earlier batch": func(t *testing.T, side string) error {
			_, err := plain(t, side).Exec(`DELETE FROM larder_seen_people WHERE k0 = 9; UPDATE larder_list_people SET notes = notes - 2`)
			return err
		},
	} {
		for _, beside := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, changes before the list is %v", name, beside), func(t *testing.T) {
				file, own, db, table := prepared(t)
				list := syncer.Walk{ID: "w1", Kind: syncer.Resync, Sent: time.Now()}
				apply(t, table, list, person(1, "Ada", "00:01"), person(2, "Bo", "00:01"))
				stand(t, table, list)
				apply(t, table, changes("c1"), person(9, "new", "00:05"))
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if err := harm(t, file+"-larder-seen"); err != nil {
					t.Fatal(err)
				}
				if beside {
					apply(t, table, changes("c2"), person(8, "newer", "00:06"))
				}
				old := []*syncer.Batch{{Records: []syncer.Record{person(9, "old", "00:01")}}}
				if _, err := table.Apply(t.Context(), list, old); !errors.Is(err, syncer.ErrListLost) {
					t.Fatalf("apply: %v, want ErrListLost", err)
				}
				if n := one(t, own, `SELECT name FROM people WHERE id = 9`); n != "new" {
					t.Errorf("the list has made the row %q", n)
				}
				if st, err := table.Standing(t.Context(), syncer.Partition{}); err != nil || st.Listing != nil {
					t.Errorf("the list goes on from %+v, %v", st.Listing, err)
				}
				list.ID = "w2"
				apply(t, table, list, person(1, "Ada", "00:01"), person(8, "newer", "00:06"), person(9, "new", "00:05"))
				if s := settle(t, table, list, syncer.End{Listed: true}); s.Swept != 1 {
					t.Errorf("the walk that started again settled %+v", s)
				}
			})
		}
	}
}

// The notes of each partition are judged alone: a change in one touches the list
// of another, which goes on, but makes no lost list look whole.
func TestLossOfTheNotesOfAnotherPartition(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("lost is %v", lost), func(t *testing.T) {
			file, own, db, _ := prepared(t)
			spec := regional()
			spec.Target, spec.Changing, spec.Partitions = "regional", false, []syncer.Partition{region("north"), region("south")}
			table := db.Table(spec)
			if err := table.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			of := func(w syncer.Walk, p string) syncer.Walk { w.Partition = region(p); return w }
			north := of(syncer.Walk{ID: "n", Kind: syncer.Resync, Sent: time.Now()}, "north")
			at := func(id int, p, name, version string) syncer.Record {
				r := person(id, name, version)
				return syncer.Record{Slots: append(r.Slots, fmt.Appendf(nil, "%q", p))}
			}
			apply(t, table, north, at(1, "north", "Ada", "00:01"))
			if lost {
				if _, err := plain(t, file+"-larder-seen").Exec(`DELETE FROM larder_seen_regional`); err != nil {
					t.Fatal(err)
				}
			}
			apply(t, table, of(changes("c"), "south"), at(9, "south", "moved", "00:05"))
			_, err := table.Apply(t.Context(), north, []*syncer.Batch{{Records: []syncer.Record{at(9, "north", "old", "00:01")}}})
			if errors.Is(err, syncer.ErrListLost) != lost || err != nil && !lost {
				t.Errorf("the list goes on: %v", err)
			}
			if n := one(t, own, `SELECT name || region FROM regional WHERE id = 9`); n != "movedsouth" {
				t.Errorf("the list has made the row %q", n)
			}
			if !lost {
				settle(t, table, north, syncer.End{Listed: true})
			}
		})
	}
}

// stand lets a walk be resumed.
func stand(t *testing.T, table *sqlite.Table, w syncer.Walk) {
	t.Helper()
	r := &syncer.Resume{Walk: w.ID, Kind: w.Kind, Sent: w.Sent, Cursor: "c"}
	if _, err := table.Apply(t.Context(), w, []*syncer.Batch{{Resume: r}}); err != nil {
		t.Fatal(err)
	}
}

// The notes may also be lost behind the last batch.
func TestLossOfTheSideFileBeforeTheEnd(t *testing.T) {
	file, own, _, table := prepared(t)
	apply(t, table, snapshot("w1"), person(1, "Ada", "00:01"))
	apply(t, table, snapshot("w1"), person(2, "Bo", "00:01"))
	if _, err := plain(t, file+"-larder-seen").Exec(`DELETE FROM larder_seen_people WHERE k0 = 1`); err != nil {
		t.Fatal(err)
	}
	_, err := table.Settle(t.Context(), snapshot("w1"), syncer.Settlement{End: &syncer.End{Listed: true}})
	if !errors.Is(err, syncer.ErrListLost) {
		t.Fatalf("settle: %v, want ErrListLost", err)
	}
	if n := one(t, own, `SELECT count(*) FROM people`); n != "2" {
		t.Fatalf("%s rows are left", n)
	}
}

func TestWalkWithHalfItsNotesBeginsAgainAtTheStart(t *testing.T) {
	file, _, _, table := prepared(t)
	r := &syncer.Resume{Walk: "w1", Kind: syncer.Snapshot, Sent: time.Now(), Cursor: "c"}
	if _, err := table.Apply(t.Context(), snapshot("w1"), []*syncer.Batch{{Records: []syncer.Record{person(1, "Ada", "00:01")}, Resume: r}}); err != nil {
		t.Fatal(err)
	}
	resumed := func() bool {
		if err := table.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		st, err := table.Standing(t.Context(), syncer.Partition{})
		if err != nil {
			t.Fatal(err)
		}
		return st.Listing != nil
	}
	if !resumed() {
		t.Error("a walk with all its notes does not go on")
	}
	loseNotes(t, file)
	if resumed() {
		t.Error("a walk without its notes goes on")
	}
}

func TestStoppedWriterIsNamed(t *testing.T) {
	file, own, _, _ := prepared(t)
	conn, err := own.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "UPDATE larder_lease SET expires_at = 0; BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	second := open(t, file, "second")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err = second.Acquire(ctx)
	var busy *sqlite.BusyError
	if !errors.As(err, &busy) || busy.Holder != "first" || syncer.Classify(err) != syncer.ClassDatabase {
		t.Fatalf("acquire: %v, want a BusyError that names the holder", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := second.Acquire(t.Context()); err != nil {
		t.Errorf("acquire after the lock was given back: %v", err)
	}
}

func TestStandbyOnlyReads(t *testing.T) {
	file, own, _, _ := prepared(t)
	conn, err := own.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	var held *syncer.HeldError
	if err := open(t, file, "second").Acquire(t.Context()); !errors.As(err, &held) || held.Holder != "first" {
		t.Errorf("acquire while the lease is held: %v", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
}

func TestEndedContextWritesNothing(t *testing.T) {
	_, own, _, table := prepared(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := table.Apply(ctx, changes("w1"), []*syncer.Batch{{Records: []syncer.Record{person(1, "Ada", "00:01")}}})
	if syncer.Classify(err) != syncer.ClassStopped {
		t.Errorf("apply: %v", err)
	}
	if n := one(t, own, `SELECT count(*) FROM people`); n != "0" {
		t.Errorf("%s rows are there", n)
	}
	apply(t, table, changes("w1"), person(1, "Ada", "00:01"))
}

func TestFailedStatementLeavesNothingBehind(t *testing.T) {
	_, own, _, table := prepared(t)
	exec(t, own, `CREATE UNIQUE INDEX one_of_a_name ON people (name)`)
	r := &syncer.Resume{Walk: "w1", Kind: syncer.Resync, Sent: time.Now(), Cursor: "c"}
	batch := &syncer.Batch{Records: []syncer.Record{person(1, "Ada", "00:01"), person(2, "Ada", "00:01")}, Resume: r}
	_, err := table.Apply(t.Context(), changes("w1"), []*syncer.Batch{batch})
	var fault *sqlite.Fault
	if !errors.As(err, &fault) || !strings.Contains(err.Error(), "people.name") || syncer.Classify(err) != syncer.ClassDatabase {
		t.Errorf("apply: %v, want a Fault that names the constraint", err)
	}
	if n := one(t, own, `SELECT count(*) || coalesce(max(resume), '') FROM people, larder_watermark`); n != "0" {
		t.Errorf("rows or position are there: %q", n)
	}
}

func TestRoomIsMadeBeforeItIsTaken(t *testing.T) {
	_, own, _, table := prepared(t)
	exec(t, own, `CREATE UNIQUE INDEX one_of_a_name ON people (name)`)
	apply(t, table, changes("w1"), person(2, "Ada", "00:01"))
	gone := person(2, "", "00:02")
	gone.Gone = true
	apply(t, table, changes("w2"), person(1, "Ada", "00:02"), gone)
	if got := one(t, own, `SELECT id FROM people`); got != "1" {
		t.Errorf("the name is with %s", got)
	}
}

// Two rows swap a value that an index of the consumer's allows once: SQLite looks
// at it at once, so that the page fails, names the index and leaves nothing
// behind, until the index goes.
func TestRowsThatSwapAUniqueValue(t *testing.T) {
	_, own, _, table := prepared(t)
	exec(t, own, `CREATE UNIQUE INDEX one_of_a_name ON people (name)`)
	apply(t, table, changes("w1"), person(7, "Ada", "00:01"), person(70, "Bo", "00:01"))
	swap := []syncer.Record{person(7, "Bo", "00:02"), person(70, "Ada", "00:02")}
	_, err := table.Apply(t.Context(), changes("w2"), []*syncer.Batch{{Records: swap}})
	var fault *sqlite.Fault
	if !errors.As(err, &fault) || !strings.Contains(err.Error(), "people.name") {
		t.Errorf("apply: %v, want a Fault that names the constraint", err)
	}
	const names = `SELECT group_concat(id || ' ' || name, ', ') FROM (SELECT * FROM people ORDER BY id)`
	if got := one(t, own, names); got != "7 Ada, 70 Bo" {
		t.Errorf("rows %s", got)
	}
	exec(t, own, `DROP INDEX one_of_a_name`)
	apply(t, table, changes("w3"), swap...)
	if got := one(t, own, names); got != "7 Bo, 70 Ada" {
		t.Errorf("rows %s", got)
	}
}

func TestReplacedFileIsOpenedAgain(t *testing.T) {
	file, _, db, table := prepared(t)
	if _, err := db.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file, file+".old"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Status(t.Context()); !errors.Is(err, sqlite.ErrNoBookkeeping) {
		t.Errorf("status of a file that went away: %v", err)
	}
	_, err := table.Apply(t.Context(), changes("w1"), []*syncer.Batch{{Records: []syncer.Record{person(1, "Ada", "00:01")}}})
	if !errors.Is(err, syncer.ErrFenced) {
		t.Errorf("apply to a new file: %v, want ErrFenced", err)
	}
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply(t, table, changes("w1"), person(1, "Ada", "00:01"))
	if n := one(t, plain(t, file), `SELECT count(*) FROM people`); n != "1" {
		t.Errorf("the new file has %s rows", n)
	}
}

func TestCommandsWithoutBookkeeping(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "consumer.db")
	db := open(t, file, "command")
	check := func(when string) {
		t.Helper()
		_, err := db.Status(t.Context())
		if !errors.Is(err, sqlite.ErrNoBookkeeping) {
			t.Errorf("%s: status: %v", when, err)
		}
		if _, err := db.Send(t.Context(), syncer.Order{Kind: syncer.OrderPause, Table: "people"}); !errors.Is(err, sqlite.ErrNoBookkeeping) {
			t.Errorf("%s: send: %v", when, err)
		}
	}
	check("no file")
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("reading has created %v", left)
	}
	exec(t, plain(t, file), `CREATE TABLE mine (x)`)
	check("a file of the consumer's")
}

func TestFaultsAreNamed(t *testing.T) {
	c, err := zombiezen.OpenConn(filepath.Join(t.TempDir(), "x.db"), zombiezen.OpenReadWrite|zombiezen.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	try := func(statement string) error {
		s, _, err := c.PrepareTransient(statement)
		if err != nil {
			return err
		}
		defer s.Finalize()
		_, err = s.Step()
		return err
	}
	for _, statement := range []string{"CREATE TABLE t (x)", "PRAGMA max_page_count = 2"} {
		if err := try(statement); err != nil {
			t.Fatal(err)
		}
	}
	full := try("INSERT INTO t VALUES (zeroblob(100000))")
	if err := try("PRAGMA query_only = ON"); err != nil {
		t.Fatal(err)
	}
	for want, err := range map[string]error{"disk is full": full, "database is read-only": try("INSERT INTO t VALUES (1)")} {
		if f := (&sqlite.Fault{File: "x.db", Err: err}); !strings.Contains(f.Error(), want) {
			t.Errorf("%v: %q does not say %q", err, f, want)
		}
	}
}

func TestInstantsAreTextOfFixedWidth(t *testing.T) {
	_, own, _, table := prepared(t)
	apply(t, table, changes("w1"), person(1, "Ada", "00:01"))
	if got := one(t, own, `SELECT updated_at FROM people`); got != "2026-11-23T00:01:00.000000Z" {
		t.Errorf("updated_at is %q", got)
	}
	if got := one(t, own, `SELECT length(updated_at) || typeof(id) || typeof(name) FROM people`); got != "27integertext" {
		t.Errorf("kept as %q", got)
	}
}
