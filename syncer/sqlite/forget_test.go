package sqlite_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
)

// After a table is forgotten both files hold what they held before it was
// prepared, and the table itself.
func TestForgetLeavesNothingBehind(t *testing.T) {
	file, own, db, _ := prepared(t)
	side := plain(t, file+"-larder-seen")
	const objects = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
	before, noted := names(t, own, objects), names(t, side, objects)
	spec := people()
	spec.Target = `it's "a.b"`
	table := db.Table(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply(t, table, snapshot("w1"), person(1, "Ada", "00:01"))
	if n := len(names(t, side, objects)); n != len(noted)+2 {
		t.Fatalf("the side file has %d tables, had %d", n, len(noted))
	}
	if line, err := db.Forget(t.Context(), spec.Target); err != nil {
		t.Fatal(line, err)
	}
	want := append(slices.Clone(before), spec.Target)
	slices.Sort(want)
	if diff := cmp.Diff(want, names(t, own, objects)); diff != "" {
		t.Errorf("consumer's file (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(noted, names(t, side, objects)); diff != "" {
		t.Errorf("side file (-want +got):\n%s", diff)
	}
	for _, kind := range []string{"watermark", "quarantine", "gone", "request"} {
		if n := one(t, own, `SELECT count(*) FROM larder_`+kind+` WHERE table_name = ?`, spec.Target); n != "0" {
			t.Errorf("%s has %s rows of it", kind, n)
		}
	}
}

// A forget that stops half way leaves everything, and the walk goes on.
func TestForgetIsAllOrNothing(t *testing.T) {
	_, own, db, table := prepared(t)
	apply(t, table, snapshot("w1"), person(1, "Ada", "00:01"))
	exec(t, own, `CREATE TRIGGER no BEFORE DELETE ON larder_request BEGIN SELECT raise(FAIL, 'no'); END`)
	if _, err := db.Send(t.Context(), syncer.Order{Kind: syncer.OrderPoll, Table: "people"}); err != nil {
		t.Fatal(err)
	}
	if line, err := db.Forget(t.Context(), "people"); err == nil {
		t.Fatalf("forget: %q", line)
	}
	if n := one(t, own, `SELECT count(*) FROM larder_watermark`); n != "1" {
		t.Errorf("%s positions are left", n)
	}
	settle(t, table, snapshot("w1"), syncer.End{Listed: true})
}
