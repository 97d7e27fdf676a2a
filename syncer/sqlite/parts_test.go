package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
)

func TestPartitionsAreRowsOfAQuery(t *testing.T) {
	_, db := consumer(t, `CREATE TABLE cities (id INTEGER, name TEXT, lat REAL);
		INSERT INTO cities VALUES (1, 'Aachen "A"', 50.5), (2, 'Bonn', 51)`)
	got, err := db.Partitions(t.Context(), "select name, id, lat from cities order by id; ")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, p := range got {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{`{"id":1,"lat":50.5,"name":"Aachen \"A\""}`, `{"id":2,"lat":51,"name":"Bonn"}`}, names); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	if got, err := db.Partitions(t.Context(), "select id from cities where id > 9"); err != nil || len(got) != 0 {
		t.Errorf("of no rows: %v, %v", got, err)
	}
}

func TestPartitionsAreRefused(t *testing.T) {
	own, db := consumer(t, `CREATE TABLE cities (id INTEGER, name TEXT); INSERT INTO cities VALUES (1, NULL)`)
	refused := map[string]string{
		"select id, name from cities":               `column "name" is null in row 1`,
		"select id, id from cities":                 "no name of its own",
		"select x'00' as b":                         `column "b" of the query holds what is neither`,
		"select cast(x'ff' as text) as b":           `column "b" of the query holds what is neither`,
		"select 1e999 as b":                         `column "b" of the query holds what is neither`,
		"select id from cities; delete from cities": "more than one statement",
		"select id from towns":                      "no such table",
		"select 1 from larder_none":                 "table of larder's",
		"":                                          "no columns",
		"delete from cities returning id":           "not authorized",
		"pragma query_only = off":                   "not authorized",
		"attach 'x' as x":                           "not authorized",
	}
	if !testing.Short() { // so many rows take seconds under the race detector
		refused["with recursive n(i) as (select 1 union all select i+1 from n) select i from n"] = "more than 100000 rows"
	}
	for query, want := range refused {
		_, err := db.Partitions(t.Context(), query)
		if err == nil || !strings.Contains(err.Error(), want) || syncer.Classify(err) != syncer.ClassDatabase {
			t.Errorf("%q: %v, want %q", query, err, want)
		}
	}
	if n := one(t, own, "SELECT count(*) FROM cities"); n != "1" {
		t.Errorf("the table has %s rows", n)
	}
	// The connection is as good as before for those who use it next.
	if _, err := db.Status(t.Context()); err != nil {
		t.Error(err)
	}
	missing := open(t, filepath.Join(t.TempDir(), "none.db"), "first")
	if _, err := missing.Partitions(t.Context(), "select 1 as a"); err == nil || !strings.Contains(err.Error(), "none.db") {
		t.Errorf("of no file: %v", err)
	}
}
