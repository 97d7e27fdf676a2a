package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

func region(name string) syncer.Partition {
	return syncer.NewPartition(syncer.PartitionValue{Name: "region", JSON: fmt.Appendf(nil, "%q", name)})
}

func cmpLine(values ...any) string {
	line := ""
	for i, v := range values {
		if i > 0 {
			line += " "
		}
		line += fmt.Sprint(v)
	}
	return line
}

// regional is people by regions that change.
func regional() row.Spec {
	spec := people()
	spec.Columns = append(spec.Columns, row.Column{Name: "region", Slots: []int{3}, Each: "region"})
	spec.Partitions, spec.Changing, spec.Guard = nil, true, syncer.Guard{Share: 0.5}
	return spec
}

// A list that lost most of its partitions at once deletes none of them, however
// small each is, and what comes back goes on where it stood.
func TestListThatLostItsPartitionsIsHeld(t *testing.T) {
	_, own, db, _ := prepared(t)
	spec := regional()
	spec.Target = "regional"
	table := db.Table(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one(t, own, `SELECT level FROM larder_freshness WHERE table_name = 'regional'`); got != "never" {
		t.Errorf("before its list was ever read the table is %s", got)
	}
	var all []syncer.Partition
	for i, name := range []string{"north", "south", "west", "east"} {
		all = append(all, region(name))
		exec(t, own, `INSERT INTO regional (id, region) VALUES (?, ?)`, i, name)
	}
	state := func(parts ...syncer.Partition) {
		t.Helper()
		if err := table.Repartition(t.Context(), parts, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	state(all...)
	for _, p := range all {
		w := syncer.Walk{ID: p.Name, Kind: syncer.Changes, Partition: p, Sent: time.Now()}
		settle(t, table, w, syncer.End{Watermark: "of " + p.Name})
	}
	exec(t, own, `INSERT INTO larder_suspect_regional VALUES (?, 'extra', '', 'x', 1, NULL, '', 2)`, all[2].Name)
	state(all[0])
	got := one(t, own, `SELECT level || ' ' || held || ' ' || reason || ' ' || (SELECT count(*) FROM regional) FROM larder_freshness WHERE table_name = 'regional'`)
	if got != "fresh 3 a sweep is held or unconfirmed 4" {
		t.Errorf("after three of four partitions are gone: %q", got)
	}
	written := watch(t, own)
	state(all[0])
	if diff := cmp.Diff([]string{"UPDATE larder_watermark"}, written()); diff != "" {
		t.Errorf("the same list again wrote (-want +got):\n%s", diff)
	}
	state(all[0], all[1])
	st, err := table.Standing(t.Context(), all[1])
	if err != nil || st.Position.Watermark != "of "+all[1].Name {
		t.Errorf("what came back stands at %+v, %v", st.Position, err)
	}
	line, err := table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Deletes: 2})
	if rows := one(t, own, `SELECT group_concat(region ORDER BY id) FROM regional`); err != nil || rows != "north,south" {
		t.Errorf("accept: %q, %v; there are %s", line, err, rows)
	}
	if n := one(t, own, `SELECT count(*) FROM larder_suspect_regional`); n != "0" {
		t.Errorf("%s suspects are left of what is no more", n)
	}
	want := []string{"", all[0].Name, all[1].Name}
	if diff := cmp.Diff(want, names(t, own, `SELECT partition FROM larder_watermark WHERE table_name = 'regional' ORDER BY partition`)); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
}

// The row of the list is as old as the list, also while the partitions are
// polled, and a new partition as old as the list was.
func TestListAgesTheTable(t *testing.T) {
	_, own, db, _ := prepared(t)
	spec := regional()
	spec.Target = "regional"
	table := db.Table(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	state := func(names ...string) {
		t.Helper()
		var parts []syncer.Partition
		for _, n := range names {
			parts = append(parts, region(n))
		}
		if err := table.Repartition(t.Context(), parts, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	poll := func(name string) {
		t.Helper()
		settle(t, table, syncer.Walk{ID: name, Kind: syncer.Changes, Partition: region(name), Sent: time.Now()}, syncer.End{Watermark: "W"})
	}
	level := func() string {
		t.Helper()
		return one(t, own, `SELECT level || ' ' || CAST(staleness / 60 AS INTEGER) FROM larder_freshness WHERE table_name = 'regional'`)
	}
	state("north")
	if got := level(); got != "never 0" {
		t.Errorf("with a partition that was never polled the table is %q", got)
	}
	poll("north")
	age(t, own, 6*time.Minute)
	state("north", "south")
	if got := level(); got != "warn 6" {
		t.Errorf("with a partition that is as old as the list was the table is %q", got)
	}
	poll("north")
	poll("south")
	if got := level(); got != "fresh 0" {
		t.Errorf("after all were polled the table is %q", got)
	}
	age(t, own, 16*time.Minute)
	poll("north")
	poll("south")
	if got := level(); got != "critical 16" {
		t.Errorf("with an old list the table is %q", got)
	}
}

// A table of fixed partitions can become one whose partitions change, and back.
func TestPartitionsBecomeChangingAndFixed(t *testing.T) {
	_, own, db, table := prepared(t)
	apply(t, table, changes("w1"), person(1, "Ada", "00:01"))
	settle(t, table, changes("w1"), syncer.End{Watermark: "W"})
	changing := regional()
	table = db.Table(changing)
	for range 2 {
		if err := table.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Repartition(t.Context(), []syncer.Partition{region("north")}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if st, err := table.Standing(t.Context(), region("north")); err != nil || !st.AsOf.IsZero() || st.Position.Watermark != "" {
		t.Errorf("the first partitions of what was whole stand at %+v, %v", st, err)
	}
	parts := func() []string {
		return names(t, own, `SELECT partition || ' ' || parts || ' ' || watermark FROM larder_watermark ORDER BY partition`)
	}
	if diff := cmp.Diff([]string{" 1 ", region("north").Name + " 0 "}, parts()); diff != "" {
		t.Errorf("changing (-want +got):\n%s", diff)
	}
	fixed := changing
	fixed.Changing, fixed.Partitions = false, []syncer.Partition{region("north")}
	if err := db.Table(fixed).Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{region("north").Name + " 0 "}, parts()); diff != "" {
		t.Errorf("fixed (-want +got):\n%s", diff)
	}
	if err := db.Table(fixed).Repartition(t.Context(), nil, time.Now()); err == nil {
		t.Error("fixed partitions are stated anew")
	}
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Table(people()).Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, err := db.Table(people()).Standing(t.Context(), syncer.Partition{}); err != nil || !st.AsOf.IsZero() {
		t.Errorf("whole again it stands at %+v, %v", st, err)
	}
	if diff := cmp.Diff([]string{" 0 "}, parts()); diff != "" {
		t.Errorf("whole (-want +got):\n%s", diff)
	}
	if n := one(t, own, `SELECT count(*) FROM people`); n != "1" {
		t.Errorf("%s rows are left", n)
	}
}
