package postgres_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
)

func TestPartitionsAreRowsOfAQuery(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE TABLE cities (id int8, name text, lat numeric, big bool, at timestamptz, meta jsonb)`)
	exec(t, h.consumer, `INSERT INTO cities VALUES (1, 'Aachen "A"', 50.50, true, '2026-01-02 03:04:05Z', '{"b": 1}'), (2, 'Bonn', 'NaN', false, 'infinity', '{}')`)
	got, err := h.db.Partitions(t.Context(), "select * from cities order by id; -- all")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, p := range got {
		names = append(names, p.Name)
	}
	want := []string{
		`{"at":"2026-01-02 03:04:05+00","big":true,"id":1,"lat":50.50,"meta":{"b":1},"name":"Aachen \"A\""}`,
		`{"at":"infinity","big":false,"id":2,"lat":"NaN","meta":{},"name":"Bonn"}`,
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	if got, err := h.db.Partitions(t.Context(), "select id from cities where id > 9"); err != nil || len(got) != 0 {
		t.Errorf("of no rows: %v, %v", got, err)
	}
}

func TestPartitionsAreRefused(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE TABLE cities (id int8, name text)`)
	exec(t, h.consumer, `INSERT INTO cities VALUES (1, NULL)`)
	exec(t, h.consumer, `CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM cities; SELECT 1'`)
	for query, want := range map[string]string{
		"select id, name from cities":                      `column "name" is null in row 1`,
		"select id, id from cities":                        `two columns named "id"`,
		"select from cities":                               "no columns",
		"select id from cities; delete from cities":        "SQLSTATE 42601",
		"select id from towns":                             "SQLSTATE 42P01",
		"delete from cities returning id":                  "SQLSTATE",
		"select wipe() as id":                              "SQLSTATE 25006",
		"select g as id from generate_series(1, 200000) g": "more than 100000 rows",
	} {
		_, err := h.db.Partitions(t.Context(), query)
		if err == nil || !strings.Contains(err.Error(), want) || syncer.Classify(err) != syncer.ClassDatabase {
			t.Errorf("%q: %v, want %q", query, err, want)
		}
	}
	if n := one[int64](t, h.consumer, "SELECT count(*) FROM cities"); n != 1 {
		t.Errorf("the table has %d rows", n)
	}
}
