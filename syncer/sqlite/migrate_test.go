package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/sqlite"
)

// older writes what the first larder left behind when it was stopped in the
// middle of a walk: of people who are listed, and of events that changed.
const older = `
CREATE TABLE people (id INTEGER NOT NULL, name TEXT, updated_at TEXT, PRIMARY KEY (id)) STRICT;
CREATE TABLE events (id INTEGER NOT NULL PRIMARY KEY, name TEXT, updated_at TEXT) STRICT;
INSERT INTO people VALUES (1, 'Ada', '2026-11-23T00:01:00.000000Z'), (2, 'Bo', '2026-11-23T00:01:00.000000Z');
CREATE TABLE "larder_missing_people" (partition TEXT NOT NULL, walks INTEGER NOT NULL, present_at REAL, k0 INTEGER NOT NULL, PRIMARY KEY (partition, k0)) STRICT, WITHOUT ROWID;
INSERT INTO larder_lease VALUES ('larder', 7, 'old', 0);
INSERT INTO larder_watermark (table_name, partition, source, shape, watermark, resume, walk_sent, seen_walk, seen_count,
  as_of, deletes_as_of, first_seen, warn, critical, warn_at, critical_at, last_poll, "rows", paused)
SELECT 'people', '', 'people', 'source/id,name,updated_at', 'W7',
  '{"shape":"source/id,name,updated_at","walk":"w7","kind":"snapshot","from":"","owner_start":"","cursor":"half","high":""}', now - 10, 'w7', 1,
  now - 60, now - 60, now - 900, 300, 900, now + 240, now + 840, now - 60, 2, 0 FROM (SELECT unixepoch('subsec') AS now)
UNION ALL
SELECT 'events', '', 'events', 'source/id,name,updated_at', 'E7',
  '{"shape":"source/id,name,updated_at","walk":"e7","kind":"changes","from":"E7","owner_start":"","cursor":"third","high":"E8"}', now - 10, '', 0,
  now - 60, now - 60, now - 900, 300, 900, now + 240, now + 840, now - 60, 0, 1 FROM (SELECT unixepoch('subsec') AS now);
INSERT INTO larder_quarantine VALUES ('people', '', '[3]', 'name', 'is an object', '{}', 1, 1, 1);
INSERT INTO larder_gone VALUES ('people', '[4]', '2026-11-23T00:05:00Z', unixepoch() + 60);
`

// firstLarder is a file as the first larder left it.
func firstLarder(t *testing.T) (own *sql.DB, file, ddl string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "consumer.db")
	text, err := os.ReadFile("testdata/bookkeeping-1.sql")
	if err != nil {
		t.Fatal(err)
	}
	own = plain(t, file)
	exec(t, own, string(text)+older)
	exec(t, plain(t, file+"-larder-seen"), `CREATE TABLE "larder_seen_people" (partition TEXT NOT NULL, version TEXT NOT NULL, k0 INTEGER NOT NULL, PRIMARY KEY (partition, k0)) STRICT, WITHOUT ROWID;
		INSERT INTO larder_seen_people VALUES ('', '', 1)`)
	return own, file, string(text)
}

// Before a daemon takes over, commands read what the first larder left.
func TestBookkeepingOfTheFirstLarderIsRead(t *testing.T) {
	own, file, _ := firstLarder(t)
	db := open(t, file, "new")
	before := one(t, own, `SELECT group_concat(sql, ';') FROM sqlite_schema`)
	status := func(when string) {
		t.Helper()
		all, err := db.Status(t.Context())
		if err != nil || len(all) != 2 || all[1].Table != "people" || all[1].Level != syncer.Fresh || all[1].Rows != 2 || !all[0].Paused {
			t.Errorf("%s: status is %+v, %v", when, all, err)
		}
	}
	status("before")
	intent := intend(t, db.Table(people()))
	if len(intent.Partitions) != 1 || !intent.Partitions[0].Kept || intent.Partitions[0].Standing.Position.Watermark != "W7" || intent.Partitions[0].Rows != 2 {
		t.Errorf("intent is %+v", intent)
	}
	if after := one(t, own, `SELECT group_concat(sql, ';') FROM sqlite_schema`); after != before {
		t.Error("reading changes the schema")
	}
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	status("after")
	exec(t, own, `UPDATE larder_watermark SET audit_found = 3`)
	if all, err := db.Status(t.Context()); err != nil || all[0].Found != 3 {
		t.Errorf("the handle that read the older view reads of the new one %+v, %v", all, err)
	}
}

func TestBookkeepingOfTheFirstLarderGoesOn(t *testing.T) {
	own, file, ddl := firstLarder(t)
	db := open(t, file, "new")
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	standing := func(target string) (*sqlite.Table, syncer.Standing) {
		t.Helper()
		spec := people()
		spec.Target, spec.Source = target, target
		table := db.Table(spec)
		if err := table.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		st, err := table.Standing(t.Context(), syncer.Partition{})
		if err != nil {
			t.Fatal(err)
		}
		return table, st
	}
	table, st := standing("people")
	if st.Position.Watermark != "W7" || st.Listing != nil || st.Position.Resume != nil || st.Resync || !st.ProvenAsOf.IsZero() {
		t.Errorf("standing is %+v", st)
	}
	if d := time.Since(st.AsOf) - time.Minute; d.Abs() > 10*time.Second {
		t.Errorf("as-of is %s", st.AsOf)
	}
	if _, st := standing("events"); st.Position.Resume == nil || st.Position.Resume.Cursor != "third" || !st.Paused {
		t.Errorf("standing of events is %+v", st)
	}
	// The deletion of 4 is remembered, and what was missed goes.
	apply(t, table, snapshot("w8"), person(1, "Ada", "00:01"), person(3, "Cy", "00:01"), person(4, "late", "00:01"))
	settle(t, table, snapshot("w8"), syncer.End{Listed: true})
	if got := one(t, own, `SELECT group_concat(id ORDER BY id) FROM people`); got != "1,3" {
		t.Errorf("people are %s", got)
	}
	if n := one(t, own, `SELECT count(*) FROM larder_quarantine`); n != "0" {
		t.Errorf("%s records are set aside", n)
	}
	// An older larder that is put back reads on with what it knows.
	exec(t, own, `DROP VIEW larder_freshness`)
	exec(t, own, ddl)
	if got := one(t, own, `SELECT level FROM larder_freshness WHERE table_name = 'people'`); got != "fresh" {
		t.Errorf("the older view tells %q", got)
	}
}

// A bookkeeping that was brought up to date is the same as one that was made so.
func TestMigratedBookkeepingIsAsANewOne(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/bookkeeping-1.sql")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, plain(t, filepath.Join(dir, "old.db")), string(text))
	var got [][]string
	for _, name := range []string{"old.db", "new.db"} {
		file := filepath.Join(dir, name)
		for range 2 { // the second time there is nothing to do
			db := open(t, file, "daemon")
			if err := db.Acquire(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		got = append(got, names(t, plain(t, file), `SELECT s.name || ' ' || i.name || ' ' || i.type || ' ' || i."notnull" || ' ' || coalesce(i.dflt_value, '')
			FROM sqlite_schema AS s, pragma_table_info(s.name) AS i WHERE s.name LIKE 'larder%' ORDER BY s.name, i.cid`))
	}
	if diff := cmp.Diff(got[1], got[0]); diff != "" {
		t.Errorf("columns (-new +migrated):\n%s", diff)
	}
}
