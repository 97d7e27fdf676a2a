package sqlite_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

func TestQuarantineIsBounded(t *testing.T) {
	_, own, db, table := prepared(t)
	misfits := make([]syncer.Record, 10_020)
	for i := range misfits {
		misfits[i] = person(i, "", "00:01")
		misfits[i].Slots[1] = []byte("{}")
	}
	for _, id := range []string{"w1", "w2"} {
		if a := apply(t, table, changes(id), misfits...); a.Quarantined != len(misfits) {
			t.Errorf("counted %+v", a)
		}
	}
	if n := one(t, own, `SELECT count(*) || ' ' || sum(times) FROM larder_quarantine WHERE key <> ''`); n != "10000 20000" {
		t.Errorf("records and times are %s", n)
	}
	if s, err := db.Status(t.Context()); err != nil || s[0].Quarantined < 10_020 {
		t.Errorf("status: %+v, %v", s, err)
	}
	if q, err := db.Quarantine(t.Context(), "people", 7); err != nil || len(q) != 7 || q[0].Column == "" && q[0].Key != "" {
		t.Errorf("quarantine: %+v, %v", q, err)
	}
	out, err := table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderQuarantineDrop})
	if err != nil || one(t, own, `SELECT count(*) FROM larder_quarantine`) != "0" {
		t.Errorf("drop: %q, %v", out, err)
	}
}

func TestFirstResyncOfATableWithRowsAsksAgain(t *testing.T) {
	own, db := consumer(t, `CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, updated_at TEXT);
		INSERT INTO people VALUES (7, 'of old', NULL)`)
	spec := people()
	spec.Confirm = 2
	table := db.Table(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		w := syncer.Walk{ID: fmt.Sprint(i), Kind: syncer.Resync, Sent: time.Now()}
		apply(t, table, w, person(1, "Ada", "00:01"))
		settle(t, table, w, syncer.End{Listed: true, Watermark: "W"})
		st, err := table.Standing(t.Context(), syncer.Partition{})
		if err != nil || st.Resync != want {
			t.Errorf("after walk %d: %+v, %v; want resync %v", i, st, err, want)
		}
	}
	if ids := one(t, own, `SELECT group_concat(id) FROM people`); ids != "1" {
		t.Errorf("rows %s are left", ids)
	}
}

func TestAcceptSparesARowThatCameToAnotherPartition(t *testing.T) {
	_, own, db, _ := prepared(t)
	spec := people()
	spec.Target, spec.Guard, spec.Partitions = "moving", syncer.Guard{}, nil
	spec.Columns = append(spec.Columns, row.Column{Name: "region", Slots: []int{3}, Each: "region"})
	for _, name := range []string{"north", "south"} {
		spec.Partitions = append(spec.Partitions, syncer.Partition{Name: `{"region":"` + name + `"}`, Values: []syncer.PartitionValue{{Name: "region", JSON: []byte(`"` + name + `"`)}}})
	}
	table := db.Table(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := func(id string, region int, at string, ids ...int) {
		w := snapshot(id)
		w.Partition = spec.Partitions[region]
		for _, id := range ids {
			r := person(id, "Ada", at)
			r.Slots = append(r.Slots, w.Partition.Values[0].JSON)
			apply(t, table, w, r)
		}
		settle(t, table, w, syncer.End{Listed: true})
	}
	list("s1", 1, "00:01", 1, 2, 3)
	list("s2", 1, "00:01", 3)
	list("n1", 0, "00:02", 1)
	out, err := table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Deletes: 2})
	if ids := one(t, own, `SELECT group_concat(id ORDER BY id) FROM moving`); err != nil || ids != "1,3" {
		t.Errorf("accept: %q, %v; rows %s are left", out, err, ids)
	}
}

// TestManyAtOnce uses one handle from all sides; the race detector watches.
func TestManyAtOnce(t *testing.T) {
	_, own, db, table := prepared(t)
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			w := changes(fmt.Sprint("w", p))
			w.Partition = syncer.Partition{Name: fmt.Sprint(p)}
			for i := range 10 {
				if _, err := table.Apply(t.Context(), w, []*syncer.Batch{{Records: []syncer.Record{person(100*p+i, "Ada", "00:01")}}}); err != nil {
					t.Error(err)
				}
			}
			if _, err := table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Watermark: "W"}}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for range 10 {
				if _, err := db.Status(t.Context()); err != nil {
					t.Error(err)
				}
				if err := db.Renew(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := one(t, own, `SELECT count(*) || ' ' || (SELECT count(*) FROM larder_watermark WHERE as_of > 0) FROM people`); n != "40 4" {
		t.Errorf("rows and settled partitions are %s", n)
	}
}
