package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// untyped is a spec of columns without types, the first of which is the key.
func untyped(names ...string) row.Spec {
	s := people()
	s.Target, s.Columns, s.Version = "odd", nil, -1
	for i, name := range names {
		s.Columns = append(s.Columns, row.Column{Name: name, Discover: true, NotNull: i == 0, Slots: []int{i}})
	}
	return s
}

func fields(texts ...string) syncer.Record {
	r := syncer.Record{}
	for _, text := range texts {
		r.Slots = append(r.Slots, []byte(text))
	}
	return r
}

// Columns of any type are adopted without one, and a value that the column
// itself refuses costs its own record alone.
func TestUntypedColumnsOfAnyType(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE TYPE mood AS ENUM ('calm', 'cross'); CREATE DOMAIN percent AS integer CHECK (VALUE BETWEEN 0 AND 100);
		CREATE DOMAIN share AS numeric(5,2); CREATE DOMAIN short AS share;
		CREATE TABLE log (id text); CREATE TABLE moods (mood mood PRIMARY KEY); INSERT INTO moods VALUES ('calm'), ('cross');
		CREATE TABLE odd (id smallint PRIMARY KEY, mood mood REFERENCES moods, part percent, cut short, code varchar(3), fixed char(4), host inet,
			at timestamp, doc json, raw bytea, tags text[], amount numeric,
			twice integer GENERATED ALWAYS AS (id * 2) STORED, n bigint GENERATED ALWAYS AS IDENTITY);
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END';
		CREATE TRIGGER noted AFTER INSERT ON odd FOR EACH ROW EXECUTE FUNCTION note()`)
	spec := untyped("id", "mood", "part", "cut", "code", "fixed", "host", "at", "doc", "raw", "tags", "amount")
	table := h.db.Kept(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := []string{`1`, `"calm"`, `"50"`, `1.25`, `"abc"`, `"ab"`, `"10.0.0.1"`, `"2026-11-23T01:00:00+01:00"`, `{"b":1.50}`, `"AAE="`, `"{x,y}"`, `"0.10"`}
	records := []syncer.Record{fields(good...)}
	for i, bad := range map[int]string{1: `"angry"`, 2: `101`, 3: `1.255`, 4: `"abcd"`, 5: `"abcde"`, 6: `"no host"`, 7: `"yesterday"`, 9: `"?"`, 10: `"{"`, 11: `"x"`} {
		r := append([]string{}, good...)
		r[0], r[i] = fmt.Sprint(100+i), bad
		records = append(records, fields(r...))
	}
	records = append(records, fields(append([]string{`70000`}, good[1:]...)...), fields(append([]string{`2`}, good[1:]...)...))
	for range 2 {
		a, err := table.Apply(t.Context(), walk(syncer.Changes, "w"), []*syncer.Batch{{Records: records}})
		if err != nil || a.Quarantined != 11 || a.Inserted+a.Unchanged != 2 {
			t.Fatalf("applied %+v, %v", a, err)
		}
	}
	h.want(`SELECT concat_ws(' ', id, mood, part, cut, code, fixed || '.', host, at, doc, raw, tags, amount, twice, n) FROM odd WHERE id = 1`,
		`1 calm 50 1.25 abc ab. 10.0.0.1 2026-11-23 00:00:00 {"b":1.50} \x0001 {x,y} 0.10 2 1`)
	h.want("SELECT id FROM log ORDER BY id", "1", "2")
}

// What would be cut, or is never written, is refused, each with what to do.
func TestUntypedColumnsThatAreRefused(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE TABLE odd (id bigint PRIMARY KEY, single real, twice integer GENERATED ALWAYS AS (id * 2) STORED, must text NOT NULL, doc jsonb UNIQUE)`)
	for want, spec := range map[string]row.Spec{
		`column "single" is of type "real", and has none in the configuration: it would cut numbers; write a type, or ALTER TABLE "public"."odd" ALTER COLUMN "single" TYPE double precision`: untyped("id", "single"),
		`column "twice" is generated always`: untyped("id", "twice"),
		`column "must" is not null, has no default and is not mapped: ALTER TABLE "public"."odd" ALTER COLUMN "must" DROP NOT NULL`: untyped("id"),
		`column "doc" is of type "jsonb", which larder takes for json: it is the key`:                                               untyped("doc", "id"),
	} {
		err := h.db.Kept(spec).Prepare(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || syncer.Classify(err) != syncer.ClassDatabase {
			t.Errorf("prepare: %v\nwant %s", err, want)
		}
	}
}

// Types that round or cut what they are given, and say nothing, are refused
// under every type that is written, and where none is.
func TestColumnsThatCutSilently(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE DOMAIN seconds AS timestamptz(0); CREATE TABLE odd (id bigint PRIMARY KEY, tz timestamptz(0), milli timestamptz(3), plain timestamp(5),
		own seconds, sys name, ch "char", single real, double double precision, money numeric(10,2), whole timestamptz(6), short varchar(5))`)
	typed := func(name string, kind row.Kind) row.Spec {
		spec := untyped("id", name)
		for i := range spec.Columns {
			spec.Columns[i].Discover = false
			spec.Columns[i].Type.Kind = row.Bigint
		}
		spec.Columns[1].Type.Kind = kind
		return spec
	}
	refused := func(name, as string, spec row.Spec) {
		t.Helper()
		err := h.db.Kept(spec).Prepare(t.Context())
		if err == nil || !strings.Contains(err.Error(), "would cut") || !strings.Contains(err.Error(), "ALTER COLUMN \""+name+"\" TYPE ") {
			t.Errorf("%s as %s: %v", name, as, err)
		}
	}
	for _, name := range []string{"tz", "milli", "plain", "own", "sys", "ch"} {
		refused(name, "it is", untyped("id", name))
		refused(name, "text", typed(name, row.Text))
	}
	for _, name := range []string{"tz", "milli", "plain", "own"} {
		refused(name, "timestamptz", typed(name, row.Timestamptz))
	}
	for _, name := range []string{"single", "double", "money"} {
		refused(name, "text", typed(name, row.Text))
	}
	for _, spec := range []row.Spec{untyped("id", "whole", "short", "money", "double"), typed("whole", row.Timestamptz), typed("short", row.Text)} {
		if err := h.db.Kept(spec).Prepare(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// Where citext is there, it is text, but never a key: it calls different ones
// equal.
func TestUntypedCitext(t *testing.T) {
	h := newHouse(t)
	if _, err := h.consumer.Exec(t.Context(), "CREATE EXTENSION citext"); err != nil {
		t.Skip("this Postgres has no citext:", err)
	}
	exec(t, h.consumer, `CREATE TABLE odd (id citext PRIMARY KEY, name citext)`)
	if err := h.db.Kept(untyped("id", "name")).Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), `column "id" calls different keys equal`) {
		t.Errorf("prepare: %v", err)
	}
	exec(t, h.consumer, `ALTER TABLE odd ALTER COLUMN id TYPE text`)
	table := h.db.Kept(untyped("id", "name"))
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`"Ada"`, `"ADA"`} {
		if _, err := table.Apply(t.Context(), walk(syncer.Changes, "w"), []*syncer.Batch{{Records: []syncer.Record{fields(`"a"`, name)}}}); err != nil {
			t.Fatal(err)
		}
	}
	h.want("SELECT name::text FROM odd", "ADA")
}
