package sqlite_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/sqlite"
)

// consumer is a file that its owner has set up before larder comes.
func consumer(t *testing.T, ddl string) (*sql.DB, *sqlite.Database) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "consumer.db")
	own := plain(t, file)
	exec(t, own, ddl)
	db := open(t, file, "first")
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	return own, db
}

func TestAdoptSaysEverythingThatDoesNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		ddl  string
		want []string
	}{
		"a column is missing": {
			`CREATE TABLE people (id INTEGER PRIMARY KEY, updated_at TEXT)`,
			[]string{`column "name" is missing`, `ALTER TABLE "people" ADD COLUMN "name" TEXT`},
		},
		"no key": {
			`CREATE TABLE people (id INTEGER, name TEXT, updated_at TEXT)`,
			[]string{`CREATE UNIQUE INDEX "people_key" ON "people" ("id")`},
		},
		"a key of more columns": {
			`CREATE TABLE people (id INTEGER, name TEXT, updated_at TEXT, PRIMARY KEY (id, name))`,
			[]string{`no unique index`},
		},
		"a partial key": {
			`CREATE TABLE people (id INTEGER, name TEXT, updated_at TEXT); CREATE UNIQUE INDEX k ON people (id) WHERE id > 0`,
			[]string{`no unique index`},
		},
		"a key without regard to case": {
			`CREATE TABLE people (id INTEGER, name TEXT, updated_at TEXT); CREATE UNIQUE INDEX k ON people (id COLLATE NOCASE)`,
			[]string{`no unique index`},
		},
		"a column of the consumer's that must be filled": {
			`CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, updated_at TEXT, shoe_size INTEGER NOT NULL)`,
			[]string{`column "shoe_size" is NOT NULL`},
		},
		"a generated column": {
			`CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT AS (upper(id)), updated_at TEXT)`,
			[]string{`column "name" is generated`},
		},
		"types that change what they keep": {
			`CREATE TABLE people (id REAL PRIMARY KEY, name NUMERIC, updated_at TEXT)`,
			[]string{`column "id" is declared "REAL"`, `column "name" is declared "NUMERIC"`},
		},
		"a view": {
			`CREATE VIEW people AS SELECT 1 AS id, 2 AS name, 3 AS updated_at`,
			[]string{`it is a view`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, db := consumer(t, c.ddl)
			err := db.Table(people()).Prepare(t.Context())
			var unfit *sqlite.UnfitError
			if !errors.As(err, &unfit) || syncer.Classify(err) != syncer.ClassDatabase {
				t.Fatalf("prepare: %v, want an UnfitError", err)
			}
			for _, want := range append(c.want, `"people"`) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestAdoptLeavesWhatIsNotMappedAlone(t *testing.T) {
	own, db := consumer(t, `
		CREATE TABLE People (ID INTEGER PRIMARY KEY, name VARCHAR(20), updated_at DATETIME, shoe_size INTEGER NOT NULL DEFAULT 42);
		INSERT INTO People (id, name, updated_at, shoe_size) VALUES (1, 'Ada', '2026-11-23T00:01:00.000000Z', 38)`)
	before := one(t, own, `SELECT sql FROM sqlite_schema WHERE name = 'People'`)
	table := db.Table(people())
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply(t, table, changes("w1"), person(1, "Ada L.", "00:02"), person(2, "Bo", "00:02"))
	got := lines(t, own, `SELECT id || ' ' || name || ' ' || updated_at || ' ' || shoe_size FROM people ORDER BY id`)
	want := []string{"1 Ada L. 2026-11-23T00:02:00.000000Z 38", "2 Bo 2026-11-23T00:02:00.000000Z 42"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
	if after := one(t, own, `SELECT sql FROM sqlite_schema WHERE name = 'People'`); after != before {
		t.Errorf("the consumer's table was altered: %s", after)
	}
}

func TestNullForANotNullColumnGoesToQuarantine(t *testing.T) {
	own, db := consumer(t, `CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, updated_at TEXT)`)
	table := db.Table(people())
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	nameless := person(2, "", "00:02")
	nameless.Slots[1] = []byte("null")
	if a := apply(t, table, changes("w1"), person(1, "Ada", "00:02"), nameless); a.Inserted != 1 || a.Quarantined != 1 {
		t.Errorf("counted %+v", a)
	}
	if n := one(t, own, `SELECT count(*) FROM people`); n != "1" {
		t.Errorf("%s rows", n)
	}
}

func TestCreatedTableIsStrictWithItsKey(t *testing.T) {
	own, db := consumer(t, `CREATE TABLE other (x)`)
	spec := people()
	spec.Columns = append(spec.Columns,
		row.Column{Name: `we"ird.name`, Type: row.Type{Kind: row.Bytes}, Slots: []int{3}},
		row.Column{Name: "partition", Type: row.Type{Kind: row.Double}, NotNull: true, Slots: []int{4}})
	spec.Key = []int{0, 4}
	if err := db.Table(spec).Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "CREATE TABLE \"people\" (\n  \"id\" INTEGER NOT NULL,\n  \"name\" TEXT,\n  \"updated_at\" TEXT,\n" +
		"  \"we\"\"ird.name\" BLOB,\n  \"partition\" REAL NOT NULL,\n  PRIMARY KEY (\"id\", \"partition\")\n) STRICT"
	if got := one(t, own, `SELECT sql FROM sqlite_schema WHERE name = 'people'`); got != want {
		t.Errorf("created\n%s\nwant\n%s", got, want)
	}
	if err := db.Table(spec).Prepare(t.Context()); err != nil {
		t.Errorf("prepare again: %v", err)
	}
}

// TestNamesOfTheConsumer uses every name that larder could trip over, and a
// prefix of the consumer's choice.
func TestNamesOfTheConsumer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "consumer.db")
	db := sqlite.New(sqlite.Options{File: file, Bookkeeping: `our"s`, Holder: "first"})
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"a.b", "a_b", "larder_watermark", `q"uote`, strings.Repeat("long", 15) + "1", strings.Repeat("long", 15) + "2", "select"} {
		spec := people()
		spec.Target = target
		spec.Columns[0].Name, spec.Columns[1].Name, spec.Columns[2].Name = "partition", "walks", "version"
		table := db.Table(spec)
		if err := table.Prepare(t.Context()); err != nil {
			t.Fatalf("prepare %q: %v", target, err)
		}
		for _, id := range []string{"w1", "w2"} {
			w := syncer.Walk{ID: id, Kind: syncer.Snapshot, Sent: time.Now()}
			apply(t, table, w, person(1, "Ada", "00:01"))
			if id == "w1" {
				apply(t, table, w, person(2, "Bo", "00:01"))
			}
			settle(t, table, w, syncer.End{Listed: true})
		}
		own := plain(t, file)
		if n := one(t, own, `SELECT count(*) FROM "`+strings.ReplaceAll(target, `"`, `""`)+`"`); n != "1" {
			t.Errorf("table %q has %s rows, want the one that the second walk saw", target, n)
		}
	}
	own := plain(t, file)
	if n := one(t, own, `SELECT count(*) FROM "our""s_freshness" WHERE level = 'fresh' AND "rows" = 1`); n != "7" {
		t.Errorf("%s of 7 tables are fresh", n)
	}
	if n := one(t, own, `SELECT count(*) FROM sqlite_schema WHERE name LIKE 'larder%' AND name <> 'larder_watermark' AND type = 'table'`); n != "0" {
		t.Errorf("%s tables have the usual prefix", n)
	}
}

func lines(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	return names(t, db, query)
}

func changes(id string) syncer.Walk {
	return syncer.Walk{ID: id, Kind: syncer.Changes, Sent: time.Now()}
}

func snapshot(id string) syncer.Walk {
	return syncer.Walk{ID: id, Kind: syncer.Snapshot, Sent: time.Now()}
}

func apply(t *testing.T, table *sqlite.Table, w syncer.Walk, records ...syncer.Record) syncer.Applied {
	t.Helper()
	a, err := table.Apply(t.Context(), w, []*syncer.Batch{{Records: records}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func settle(t *testing.T, table *sqlite.Table, w syncer.Walk, end syncer.End) syncer.Settled {
	t.Helper()
	s, err := table.Settle(t.Context(), w, syncer.Settlement{End: &end})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
