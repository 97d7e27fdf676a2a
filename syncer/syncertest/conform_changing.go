package syncertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// changing makes the table one whose partitions are not fixed.
func (b *bench) changing(target string) {
	b.t.Helper()
	b.respec(func(s *row.Spec) { s.Target, s.Partitions, s.Changing = target, nil, true })
}

func (b *bench) repartition(parts ...syncer.Partition) {
	b.t.Helper()
	if err := b.table.Repartition(b.t.Context(), parts, time.Now()); err != nil {
		b.t.Fatalf("repartition: %v", err)
	}
}

// fill is a complete resync of a partition, of persons with ids from first.
func (b *bench) fill(p syncer.Partition, first, n int) {
	b.t.Helper()
	w := b.walk(syncer.Resync, fmt.Sprint("fill ", p.Name, first))
	w.Partition = p
	var records []syncer.Record
	for _, r := range crowd(first, n) {
		records = append(records, in(regionOf(p), r))
	}
	b.apply(w, records...)
	b.settle(w, syncer.End{Watermark: "W of " + regionOf(p), Listed: true})
}

// changingScenarios are of partitions that a query tells.
var changingScenarios = map[string]func(*testing.T, *bench){
	"before the query was ever answered the table shows, as never polled": func(t *testing.T, b *bench) {
		b.changing("parts")
		if s := b.status(); s.Level != syncer.Never {
			t.Errorf("the view tells %+v", s)
		}
	},
	"a partition that is added takes the as-of of the list before": func(t *testing.T, b *bench) {
		b.changing("parts")
		north, south := region("north"), region("south")
		b.repartition(north)
		if st := b.standingOf(north); !st.AsOf.IsZero() || st.Position != (syncer.Position{}) {
			t.Errorf("the first partition stands at %+v", st)
		}
		if s := b.status(); s.Level != syncer.Never {
			t.Errorf("the view tells %+v", s)
		}
		b.fill(north, 1, 5)
		b.Age(3 * time.Minute)
		b.repartition(north, south)
		st := b.standingOf(south)
		near(t, "AsOf of the new one", st.AsOf, time.Now().Add(-3*time.Minute))
		near(t, "DeletesAsOf of the new one", st.DeletesAsOf, time.Now().Add(-3*time.Minute))
		near(t, "FirstSeen of the new one", st.FirstSeen, time.Now())
		if st.Position != (syncer.Position{}) || st.Listing != nil {
			t.Errorf("the new one stands at %+v", st)
		}
		if n := b.standingOf(north); n.Position.Watermark != "W of north" {
			t.Errorf("the old one stands at %+v", n)
		}
		if s := b.status(); s.Level != syncer.Fresh || s.Rows != 5 {
			t.Errorf("the view tells %+v", s)
		}
		b.Age(3 * time.Minute)
		b.repartition(north, south)
		near(t, "AsOf of what is not new", b.standingOf(south).AsOf, time.Now().Add(-6*time.Minute))
		if s := b.status(); s.Level != syncer.Warn {
			t.Errorf("a partition that nobody polls leaves the level %q", s.Level)
		}
	},
	"a list that is not asked for makes the table stale": func(t *testing.T, b *bench) {
		b.changing("parts")
		b.repartition(region("north"))
		b.fill(region("north"), 1, 5)
		for _, step := range []struct {
			wait time.Duration
			want syncer.Level
		}{{4 * time.Minute, syncer.Fresh}, {4 * time.Minute, syncer.Warn}, {10 * time.Minute, syncer.Critical}} {
			b.Age(step.wait)
			w := b.walk(syncer.Changes, "c")
			w.Partition = region("north")
			b.settle(w, syncer.End{Watermark: "W"})
			if s := b.status(); s.Level != step.want {
				t.Errorf("level is %q, want %q", s.Level, step.want)
			}
		}
		b.repartition(region("north"))
		if s := b.status(); s.Level != syncer.Fresh || s.Reason != "" {
			t.Errorf("level after the list is %q, %q", s.Level, s.Reason)
		}
	},
	"a partition that is removed takes its rows along": func(t *testing.T, b *bench) {
		b.changing("parts")
		b.repartition(region("north"), region("south"))
		b.fill(region("north"), 1, 5)
		b.fill(region("south"), 100, 30)
		b.repartition(region("south"))
		if s := b.status(); b.count() != 30 || s.Held != 0 || s.Level != syncer.Fresh || s.Rows != 30 {
			t.Errorf("%d rows are left, the view tells %+v", b.count(), s)
		}
		b.repartition(region("south"), region("north"))
		if st := b.standingOf(region("north")); st.Position != (syncer.Position{}) {
			t.Errorf("a partition that is there again stands at %+v", st)
		}
	},
	"a list without partitions is held by the guard": func(t *testing.T, b *bench) {
		b.changing("parts")
		b.repartition(region("north"), region("south"))
		b.fill(region("north"), 1, 30)
		b.fill(region("south"), 100, 30)
		b.repartition()
		if s := b.status(); b.count() != 60 || s.Held != 60 || s.Reason == "" {
			t.Fatalf("%d rows are left, the view tells %+v", b.count(), s)
		}
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 60})
		b.repartition()
		if s := b.status(); b.count() != 0 || s.Held != 0 || s.Level != syncer.Fresh {
			t.Errorf("%d rows are left, the view tells %+v", b.count(), s)
		}
	},
	"a start neither adds nor removes partitions": func(t *testing.T, b *bench) {
		b.changing("parts")
		b.repartition(region("north"))
		b.fill(region("north"), 1, 5)
		b.use(b.spec)
		if st := b.standingOf(region("north")); b.count() != 5 || st.Position.Watermark != "W of north" {
			t.Errorf("%d rows are left, the partition stands at %+v", b.count(), st)
		}
		if s := b.status(); s.Level != syncer.Fresh {
			t.Errorf("the view tells %+v", s)
		}
	},
	"fixed partitions become changing ones and fixed ones again": func(t *testing.T, b *bench) {
		north, south := region("north"), region("south")
		b.bare("parts", north, south)
		b.fill(north, 1, 5)
		b.fill(south, 100, 5)
		b.changing("parts")
		b.repartition(north, south)
		b.respec(func(s *row.Spec) { s.Changing, s.Partitions = false, []syncer.Partition{north, south} })
		for _, p := range []syncer.Partition{north, south} {
			if st := b.standingOf(p); st.Position.Watermark != "W of "+regionOf(p) || st.AsOf.IsZero() {
				t.Errorf("%s stands at %+v", regionOf(p), st)
			}
		}
		b.Age(4 * time.Minute) // the list would be stale by now
		for _, p := range []syncer.Partition{north, south} {
			w := b.walk(syncer.Changes, "c")
			w.Partition = p
			b.settle(w, syncer.End{Watermark: "W"})
		}
		b.Age(4 * time.Minute)
		if s := b.status(); b.count() != 10 || s.Level != syncer.Fresh || s.Rows != 10 || s.Held != 0 {
			t.Errorf("%d rows are left, the view tells %+v", b.count(), s)
		}
	},
	"what stood for the list is no copy of the whole": func(t *testing.T, b *bench) {
		b.bare("parts", syncer.Partition{})
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		b.changing("parts")
		b.repartition()
		b.respec(func(s *row.Spec) { s.Changing, s.Partitions = false, []syncer.Partition{{}} })
		if st := b.standing(); !st.AsOf.IsZero() || st.Position != (syncer.Position{}) {
			t.Errorf("the whole stands at %+v", st)
		}
		if s := b.status(); s.Level != syncer.Never {
			t.Errorf("the view tells %+v", s)
		}
	},
	"the list is no part of what audits prove": func(t *testing.T, b *bench) {
		b.changing("parts")
		b.repartition(region("north"))
		b.fill(region("north"), 1, 2)
		w := b.auditing(looks, region("north"))
		b.apply(w, in("north", person("1", "x", "00:01")), in("north", person("2", "x", "00:01")))
		b.found(b.audited(w), syncer.Audited{Compared: 2})
		near(t, "the view's ProvenAsOf", b.status().ProvenAsOf, time.Now())
	},
	"the list of partitions is as old as its question": func(t *testing.T, b *bench) {
		b.changing("parts")
		asked := time.Now().Add(-4 * time.Minute)
		for _, parts := range [][]syncer.Partition{{region("north")}, {region("north"), region("south")}} {
			if err := b.table.Repartition(t.Context(), parts, asked); err != nil {
				t.Fatal(err)
			}
		}
		near(t, "AsOf of the list", b.standing().AsOf, asked)
		near(t, "DeletesAsOf of the list", b.standing().DeletesAsOf, asked)
		near(t, "AsOf of what is new", b.standingOf(region("south")).AsOf, asked)
		b.repartition(region("north"))
		if err := b.table.Repartition(t.Context(), []syncer.Partition{region("north")}, asked); err != nil {
			t.Fatal(err)
		}
		near(t, "AsOf of the list after an older answer", b.standing().AsOf, time.Now())
	},
	"a fixed table that becomes a changing one passes on no as-of": func(t *testing.T, b *bench) {
		b.bare("parts", syncer.Partition{})
		b.list(syncer.Resync, "w0", in("south", person("1", "x", "00:01")))
		b.Age(time.Minute)
		b.respec(func(s *row.Spec) {
			s.Changing, s.Partitions, s.Shape = true, nil, syncer.Shape("another", []string{"id"})
		})
		if s := b.status(); s.Level != syncer.Never {
			t.Errorf("before the list was told the view tells %+v", s)
		}
		b.repartition(region("north"))
		if st := b.standingOf(region("north")); !st.AsOf.IsZero() || !st.DeletesAsOf.IsZero() {
			t.Errorf("a partition that was never polled is complete as of %s, of deletes %s", st.AsOf, st.DeletesAsOf)
		}
		near(t, "AsOf of the list", b.standing().AsOf, time.Now())
	},
	"what was held of a partition is looked at again when it may go": func(t *testing.T, b *bench) {
		b.changing("parts")
		north, south := region("north"), region("south")
		b.repartition(north, south)
		b.fill(north, 1, 15)
		b.fill(south, 100, 15)
		b.repartition(south)
		if s := b.status(); s.Held != 15 {
			t.Fatalf("the view tells %+v", s)
		}
		w := b.walk(syncer.Changes, "c")
		w.Partition = south
		// 1 moves away and 99 comes, so that as many rows are left as were held.
		b.apply(w, in("south", person("1", "moved", "00:05")), in("north", person("99", "came", "00:05")))
		b.repartition(south)
		b.fill(south, 100, 100)
		b.apply(w, in("south", person("1", "moved", "00:05")))
		b.repartition(south)
		for _, r := range b.live("id", "region") {
			if r[1] != "south" {
				t.Errorf("row %s is left in %s", r[0], r[1])
			}
		}
		if s := b.status(); b.count() != 101 || s.Held != 0 {
			t.Errorf("%d rows are left, the view tells %+v", b.count(), s)
		}
	},
	"rows that were kept of a partition count again when it is there again": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Keep = true })
		b.changing("parts")
		north, south := region("north"), region("south")
		b.repartition(north, south)
		b.fill(north, 1, 5)
		b.fill(south, 100, 3)
		for _, step := range []struct {
			parts []syncer.Partition
			rows  int64
		}{{[]syncer.Partition{south}, 3}, {nil, 0}, {[]syncer.Partition{north, south, region("east")}, 8}, {[]syncer.Partition{north}, 5}} {
			b.repartition(step.parts...)
			if s := b.status(); b.count() != 8 || s.Rows != step.rows {
				t.Errorf("of %v the view tells %d rows, want %d; the table has %d", step.parts, s.Rows, step.rows, b.count())
			}
		}
	},
	"rows of a list of partitions count as those of the whole": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Keep = true })
		b.bare("parts", syncer.Partition{})
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.changing("parts")
		b.repartition()
		if s := b.status(); s.Rows != 0 {
			t.Errorf("without a partition the view tells %d rows", s.Rows)
		}
		b.respec(func(s *row.Spec) { s.Changing, s.Partitions = false, []syncer.Partition{{}} })
		if s := b.status(); s.Rows != 2 {
			t.Errorf("the view tells %d rows of the whole, want 2", s.Rows)
		}
	},
	"a partition that joins a paused table is paused": func(t *testing.T, b *bench) {
		b.changing("parts")
		b.repartition(region("north"))
		b.obey(syncer.Order{Kind: syncer.OrderPause})
		b.repartition(region("north"), region("south"))
		if !b.standingOf(region("north")).Paused || !b.standingOf(region("south")).Paused {
			t.Error("a partition of a paused table is not paused")
		}
	},
}
