package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// After a table is forgotten the schema of the bookkeeping holds what it held
// before the table was prepared, and the table itself is there.
func TestForgetLeavesNothingBehind(t *testing.T) {
	h := newHouse(t)
	const objects = `SELECT relname::text FROM pg_class WHERE relnamespace = 'larder'::regnamespace ORDER BY 1`
	before := list[string](t, h.consumer, objects)
	exec(t, h.consumer, `CREATE SCHEMA shop`)
	spec := people()
	spec.Target = `shop.it's "so"`
	table := h.db.Table(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(list[string](t, h.consumer, objects)); n <= len(before) {
		t.Fatalf("the schema has %d relations, had %d", n, len(before))
	}
	if line, err := h.db.Forget(t.Context(), spec.Target); err != nil {
		t.Fatal(line, err)
	}
	if diff := cmp.Diff(before, list[string](t, h.consumer, objects)); diff != "" {
		t.Errorf("relations (-before +after):\n%s", diff)
	}
	for _, own := range []string{"watermark", "quarantine", "gone", "request"} {
		if n := one[int64](t, h.consumer, `SELECT count(*) FROM larder.`+own+` WHERE table_name = $1`, spec.Target); n != 0 {
			t.Errorf("%s has %d rows of it", own, n)
		}
	}
	if n := one[int64](t, h.consumer, `SELECT count(*) FROM shop."it's ""so"""`); n != 0 {
		t.Errorf("the table has %d rows", n)
	}
}
