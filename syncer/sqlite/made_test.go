package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/sqlite"
)

// wider is people with one column more, of a name that has to be quoted.
func wider(notNull bool) row.Spec {
	spec := people()
	spec.Columns = append(spec.Columns, row.Column{Name: `e"mail; --`, Type: row.Type{Kind: row.Text}, NotNull: notNull, Slots: []int{3}})
	spec.Shape = syncer.Shape("source", []string{"id", "name", "updated_at", "email"})
	return spec
}

func intend(t *testing.T, table *sqlite.Table) syncer.Intent {
	t.Helper()
	intent, err := table.Intend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return intent
}

func TestColumnIsAddedToATableOfOurOwn(t *testing.T) {
	_, own, db, table := prepared(t)
	apply(t, table, changes("w1"), person(1, "Ada", "00:01"))
	settle(t, table, changes("w1"), syncer.End{Watermark: "W"})
	if got := intend(t, table); len(got.DDL) != 0 || got.Unfit != "" {
		t.Errorf("of a table that is ready it is intended: %+v", got)
	}
	table = db.Table(wider(false))
	intent := intend(t, table)
	want := []string{`ALTER TABLE main."people" ADD COLUMN "e""mail; --" TEXT`}
	if diff := cmp.Diff(want, intent.DDL); diff != "" || intent.Unfit != "" {
		t.Errorf("intended %q (-want +got):\n%s", intent.Unfit, diff)
	}
	if p := intent.Partitions[0]; !p.Kept || p.Void != "" || !p.Standing.Resync || p.Standing.Position.Watermark != "W" || p.Rows != 1 {
		t.Errorf("intended for the partition: %+v", p)
	}
	if n := one(t, own, `SELECT count(*) FROM pragma_table_info('people')`); n != "3" {
		t.Fatalf("to say what is intended gives the table %s columns", n)
	}
	for range 2 {
		if err := table.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r := person(2, "Bo", "00:01")
	r.Slots = append(r.Slots, []byte(`"bo@example.com"`))
	apply(t, table, changes("w2"), r)
	if got := one(t, own, `SELECT group_concat(coalesce("e""mail; --", 'null'), ',') FROM people`); got != "null,bo@example.com" {
		t.Errorf("the column holds %q", got)
	}
}

func TestColumnIsNotAdded(t *testing.T) {
	refused := func(t *testing.T, table *sqlite.Table, want string) {
		t.Helper()
		err := table.Prepare(t.Context())
		var unfit *sqlite.UnfitError
		if !errors.As(err, &unfit) || !strings.Contains(err.Error(), want) {
			t.Errorf("prepare: %v, want an UnfitError that says %q", err, want)
		}
		if got := intend(t, table); got.Unfit == "" || got.Unfit != unfit.Error() || len(got.DDL) != 0 {
			t.Errorf("intended: %+v", got)
		}
	}
	t.Run("to an adopted table", func(t *testing.T) {
		own, db := consumer(t, `CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, updated_at TEXT)`)
		if err := db.Table(people()).Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		refused(t, db.Table(wider(false)), `ALTER TABLE "people" ADD COLUMN "e""mail; --" TEXT`)
		if n := one(t, own, `SELECT count(*) FROM pragma_table_info('people')`); n != "3" {
			t.Errorf("the table has %s columns", n)
		}
	})
	t.Run("if it may not be null", func(t *testing.T) {
		_, _, db, _ := prepared(t)
		refused(t, db.Table(wider(true)), `ALTER TABLE "people" ADD COLUMN "e""mail; --" TEXT NOT NULL DEFAULT`)
	})
	t.Run("to one that its consumer dropped and made anew", func(t *testing.T) {
		_, own, db, _ := prepared(t)
		exec(t, own, `DROP TABLE people; CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, updated_at TEXT, mine TEXT)`)
		refused(t, db.Table(wider(false)), `ALTER TABLE "people" ADD COLUMN`)
	})
	t.Run("to a table that was forgotten", func(t *testing.T) {
		_, _, db, _ := prepared(t)
		if _, err := db.Forget(t.Context(), "people"); err != nil {
			t.Fatal(err)
		}
		refused(t, db.Table(wider(false)), `ADD COLUMN`)
	})
}

func TestIntendWritesNothing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "consumer.db")
	db := open(t, file, "command")
	table := db.Table(people())
	check := func(when string) {
		t.Helper()
		got := intend(t, table)
		if len(got.DDL) != 1 || !strings.Contains(got.DDL[0], `CREATE TABLE main."people"`) || got.Unfit != "" {
			t.Errorf("%s: it is intended: %+v", when, got)
		}
		if len(got.Partitions) != 1 || got.Partitions[0].Kept || got.Partitions[0].Rows != 0 {
			t.Errorf("%s: partitions: %+v", when, got.Partitions)
		}
	}
	check("no file")
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Fatalf("it has created %v", left)
	}
	own := plain(t, file)
	exec(t, own, `CREATE TABLE mine (x)`)
	check("a file of the consumer's")
	if got := names(t, own, `SELECT name FROM sqlite_schema`); len(got) != 1 {
		t.Errorf("the file holds %q", got)
	}
	exec(t, own, `DROP TABLE mine; CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, updated_at TEXT); INSERT INTO people (id) VALUES (1), (2)`)
	if got := intend(t, table); got.Unfit != "" || len(got.DDL) != 0 || got.Partitions[0].Rows != 2 {
		t.Errorf("of a table to adopt it is intended: %+v", got)
	}
	exec(t, own, `ALTER TABLE people DROP COLUMN name`)
	if got := intend(t, table); !strings.Contains(got.Unfit, `column "name" is missing`) || len(got.DDL) != 0 {
		t.Errorf("of a table that does not fit it is intended: %+v", got)
	}
}

func TestIntendTellsWhatGoes(t *testing.T) {
	_, own, db, _ := prepared(t)
	spec := people()
	spec.Target, spec.Guard = "regional", syncer.Guard{Share: 0.5}
	spec.Columns = append(spec.Columns, row.Column{Name: "region", Slots: []int{3}, Each: "region"})
	spec.Partitions = []syncer.Partition{region("north"), region("south"), region("west")}
	if err := db.Table(spec).Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, own, `INSERT INTO regional (id, region) VALUES (1, 'north'), (2, 'south'), (3, 'south'), (4, 'south'), (5, 'east')`)
	for gone, want := range map[string]string{"north": "1 false", "south": "3 true", "west": "0 false"} {
		left := spec
		left.Partitions = nil
		for _, p := range spec.Partitions {
			if p.Name != region(gone).Name {
				left.Partitions = append(left.Partitions, p)
			}
		}
		got := intend(t, db.Table(left)).Partitions
		if len(got) != 3 || got[0].Retired || got[1].Retired || !got[2].Retired || got[2].Partition.Name != region(gone).Name {
			t.Fatalf("without %s: %+v", gone, got)
		}
		if line := cmpLine(got[2].Rows, got[2].Held); line != want {
			t.Errorf("without %s: %s, want %s", gone, line, want)
		}
	}
	spec.Shape = syncer.Shape("another source", []string{"id"})
	exec(t, own, `UPDATE larder_watermark SET shape = 'source/id' WHERE table_name = 'regional'`)
	if got := intend(t, db.Table(spec)).Partitions[0]; got.Void == "" || !got.Standing.Resync {
		t.Errorf("of another source: %+v", got)
	}
}
