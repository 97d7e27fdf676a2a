package postgres_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// older makes a database as a larder of the first layout left it: a copy of
// people in the middle of a resync, one of pets in the middle of changes, and a
// view of the consumer's on the freshness.
func older(t *testing.T) string {
	t.Helper()
	dsn := postgrestest.Database(t)
	schema, err := os.ReadFile("testdata/schema-1.sql")
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, dsn)
	exec(t, c, "CREATE SCHEMA larder;"+strings.ReplaceAll(string(schema), "{schema}", "larder")+`
		COMMENT ON TABLE larder.watermark IS 'larder: where copies stand and how old they are; layout 1';
		CREATE VIEW stale AS SELECT table_name, reason FROM larder.freshness WHERE level <> 'fresh';
		CREATE TABLE people (id bigint PRIMARY KEY, name text, updated_at timestamptz);
		INSERT INTO people VALUES (1, 'Ada', '2026-11-23 00:01+00'), (2, 'Bo', '2026-11-23 00:01+00'), (3, 'Cy', '2026-11-23 00:01+00');
		CREATE UNLOGGED TABLE larder.seen_people (partition text, k0 bigint, PRIMARY KEY (partition, k0));
		CREATE TABLE larder.missing_people (partition text, k0 bigint, walks integer, present_at timestamptz, PRIMARY KEY (partition, k0));
		INSERT INTO larder.seen_people VALUES ('', 1);
		CREATE TABLE pets (LIKE people INCLUDING ALL);
		CREATE UNLOGGED TABLE larder.seen_pets (LIKE larder.seen_people INCLUDING ALL);
		CREATE TABLE larder.missing_pets (LIKE larder.missing_people INCLUDING ALL);`)
	shape := people().Shape
	for table, resume := range map[string]string{
		"people": `{"walk":"w","kind":"resync","from":"","cursor":"half","shape":"` + shape + `"}`,
		"pets":   `{"walk":"c","kind":"changes","from":"W","cursor":"page 2","shape":"` + shape + `"}`,
	} {
		if _, err := c.Exec(t.Context(), `INSERT INTO larder.watermark (table_name, partition, source, shape, watermark, validator, resume, walk_sent,
				seen_walk, seen_count, as_of, deletes_as_of, warn, critical, warn_at, critical_at, last_poll, rows)
			VALUES ($1, '', 'people', $2, 'W', 'V', $3, now() - interval '1 minute', CASE WHEN $1 = 'people' THEN 'w' ELSE '' END,
				CASE WHEN $1 = 'people' THEN 1 ELSE 0 END, now() - interval '2 minutes', now() - interval '2 minutes',
				'5 minutes', '15 minutes', now() + interval '3 minutes', now() + interval '13 minutes', now(), 3)`, table, shape, resume); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, c, "INSERT INTO larder.quarantine (table_name, partition, key, record) VALUES ('people', '', '[4]', '{}'); INSERT INTO larder.gone VALUES ('people', '[5]', '2026-11-23T00:09:00Z', now() + interval '1 minute')")
	return dsn
}

// What an older larder left is told before anything is brought up to date, and
// looking at it changes nothing.
func TestOlderBookkeepingIsRead(t *testing.T) {
	dsn := older(t)
	db := open(t, dsn, "looker")
	all, err := db.Status(t.Context())
	if err != nil || len(all) != 2 || all[0].Level != syncer.Fresh || !all[0].DeletesAsOf.IsZero() || all[0].Found != 0 {
		t.Errorf("status %+v, %v", all, err)
	}
	intent, err := db.Table(people()).Intend(t.Context())
	if err != nil || len(intent.DDL) != 0 || intent.Unfit != "" || len(intent.Partitions) != 1 {
		t.Fatalf("intends %+v, %v", intent, err)
	}
	if p := intent.Partitions[0]; !p.Kept || p.Rows != 3 || p.Standing.Position.Watermark != "W" || p.Standing.Listing != nil {
		t.Errorf("intends %+v", p)
	}
	if n := one[int](t, connect(t, dsn), `SELECT count(*)::int FROM pg_attribute WHERE attrelid = 'larder.watermark'::regclass AND attname = 'epoch'`); n != 0 {
		t.Error("looking brought the bookkeeping up to date")
	}
}

// An older larder's copies stay as they are and are polled on: positions hold,
// an unfinished list begins again.
func TestOlderBookkeepingIsBroughtUpToDate(t *testing.T) {
	dsn := older(t)
	h := houseOf(t, dsn).keep(people())
	st, err := h.table.Standing(t.Context(), syncer.Partition{})
	if err != nil {
		t.Fatal(err)
	}
	if p := st.Position; p.Watermark != "W" || p.Validator != "V" || p.Resume != nil || st.Listing != nil || st.Resync || time.Since(st.AsOf) > 3*time.Minute {
		t.Errorf("people stands at %+v", st)
	}
	pets := people()
	pets.Target = "pets"
	table := h.db.Table(pets)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, err := table.Standing(t.Context(), syncer.Partition{}); err != nil || st.Position.Resume == nil || st.Position.Resume.Cursor != "page 2" || time.Since(st.Position.Resume.Sent) < time.Minute {
		t.Errorf("pets stands at %+v, %v", st, err)
	}
	h.apply(walk(syncer.Changes, "c"), person(1, "Ada L.", "00:02"), person(5, "late", "00:08"))
	h.settle(walk(syncer.Changes, "c"), syncer.End{Watermark: "W2"})
	h.want("SELECT id || ' ' || name FROM people ORDER BY id", "1 Ada L.", "2 Bo", "3 Cy")
	h.want("SELECT concat_ws(' ', table_name, level, quarantined, audit_found, deletes_as_of > now() - interval '3 minutes') FROM larder.freshness ORDER BY 1",
		"people fresh 1 0 t", "pets fresh 0 0 t")
	h.want("SELECT table_name FROM stale")
	if !one[bool](t, h.consumer, "SELECT larder.assert_fresh('3 minutes', 'people', 'pets')") {
		t.Error("the copies do not pass")
	}
	w := walk(syncer.Resync, "w2")
	h.apply(w, person(1, "Ada L.", "00:02"), person(3, "Cy", "00:01"))
	if s := h.settle(w, syncer.End{Watermark: "W3", Listed: true}); s.Swept != 1 {
		t.Errorf("settled %+v", s)
	}
	if made := one[bool](t, h.consumer, "SELECT bool_or(made) FROM larder.watermark"); made {
		t.Error("a table that is not known to be larder's own is taken for it")
	}
	// Another daemon finds all of it in place.
	if err := h.db.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dsn, "second").Acquire(t.Context()); err != nil {
		t.Error(err)
	}
}
