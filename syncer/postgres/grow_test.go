package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
	"github.com/larder-sync/larder/syncer/row"
)

// TestRowsGoOnWithoutAColumnThatCannotBeAdded: neither a consumer's long
// transaction nor a table that is full stops a poll; why is told, and a later
// poll tries again.
func TestRowsGoOnWithoutAColumnThatCannotBeAdded(t *testing.T) {
	dsn := postgrestest.Database(t)
	db, reader := open(t, dsn, "one"), connect(t, dsn)
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	table := db.Kept(row.Spec{Name: "x.users", Target: "users", Source: "users", Key: []int{0}, Version: -1, Partitions: []syncer.Partition{{}}, Confirm: 1, Drift: row.DriftAdd,
		Shape: syncer.Shape("s", []string{"a"}), Budget: syncer.Budget{Critical: time.Hour},
		Columns: []row.Column{{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}}}})
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply := func(walk string, id int, fields ...string) {
		t.Helper()
		r := syncer.Record{Slots: [][]byte{fmt.Append(nil, id)}}
		for _, f := range fields {
			r.Unnamed = append(r.Unnamed, syncer.Field{Name: f, Raw: []byte("true")})
		}
		a, err := table.Apply(t.Context(), syncer.Walk{ID: walk, Kind: syncer.Changes, Sent: time.Now()}, []*syncer.Batch{{Records: []syncer.Record{r}}})
		if err != nil || a.Inserted != 1 {
			t.Fatalf("%s: %+v, %v", walk, a, err)
		}
	}
	told := func(when string, added int, why ...string) {
		t.Helper()
		all, err := db.Status(t.Context())
		if err != nil || len(all) != 1 || len(all[0].Added) != added || len(all[0].Unnamed) != len(why) {
			t.Fatalf("%s: status tells %+v, %v", when, all, err)
		}
		for i, f := range all[0].Unnamed {
			if !strings.Contains(f.Why, why[i]) {
				t.Errorf("%s: noted is %+v, want %q", when, f, why[i])
			}
		}
	}
	exec(t, reader, "BEGIN; SELECT count(*) FROM users")
	apply("w1", 1, "vip", "age")
	told("a long reader", 0, "in use by a long transaction", "in use by a long transaction")
	exec(t, reader, "COMMIT")
	apply("w1", 2, "vip", "age")
	told("the same walk", 0, "in use", "in use")
	apply("w2", 3, "vip", "age")
	told("a later walk", 2)
	var fill []string
	for i := range 1597 {
		fill = append(fill, fmt.Sprintf("ADD f%d boolean", i))
	}
	exec(t, reader, "ALTER TABLE users "+strings.Join(fill, ", "))
	apply("w3", 4, "more")
	told("a full table", 2, "cannot be added: tables can have at most 1600 columns")
}
