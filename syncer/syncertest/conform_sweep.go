package syncertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// crowd makes n persons, ids from first.
func crowd(first, n int) []syncer.Record {
	var out []syncer.Record
	for i := range n {
		out = append(out, person(fmt.Sprint(first+i), "x", "00:01"))
	}
	return out
}

func (b *bench) count() int { return len(b.live("id")) }

var sweepScenarios = map[string]func(*testing.T, *bench){
	"what a complete list does not hold is deleted": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"))
		s := b.list(syncer.Snapshot, "w2", person("1", "Ada", "00:01"), person("3", "Cy", "00:02"))
		b.want("1 Ada 00:01", "3 Cy 00:02")
		if s.Swept != 1 || s.Held != 0 || s.Waiting != 0 {
			t.Errorf("settled %+v", s)
		}
	},
	"a list that is not proven complete deletes nothing": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		w := b.walk(syncer.Snapshot, "w2")
		b.apply(w, person("1", "Ada", "00:01"))
		b.settle(w, syncer.End{})
		b.want("1 Ada 00:01", "2 Bo 00:01")
	},
	"a walk of changes deletes nothing by absence": func(t *testing.T, b *bench) {
		b.apply(b.walk(syncer.Changes, "w1"), person("1", "Ada", "00:01"))
		b.settle(b.walk(syncer.Changes, "w2"), syncer.End{Listed: true})
		b.want("1 Ada 00:01")
	},
	"notes of an unfinished walk do not count for the next": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.apply(b.walk(syncer.Snapshot, "cut off"), person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.list(syncer.Snapshot, "w3", person("1", "Ada", "00:01"))
		b.want("1 Ada 00:01")
	},
	"an empty list never empties a table": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.Age(time.Hour)
		s := b.list(syncer.Snapshot, "w2")
		b.want("1 Ada 00:01", "2 Bo 00:01")
		if s.Held != 2 {
			t.Errorf("settled %+v", s)
		}
		if st := b.standing(); time.Since(st.DeletesAsOf) < 59*time.Minute || time.Since(st.AsOf) > time.Minute {
			t.Errorf("as-of %s, delete as-of %s: the hold must keep the second", st.AsOf, st.DeletesAsOf)
		}
		if got := b.status(); got.Level != syncer.Critical || got.Held != 2 || got.Reason == "" {
			t.Errorf("status is %+v", got)
		}
	},
	"an accept leaves a held row that has moved to another partition": func(t *testing.T, b *bench) {
		north, south := region("north"), region("south")
		b.bare("moving", north, south)
		b.fill(north, 1, 2)
		w := b.walk(syncer.Resync, "w1")
		w.Partition = north
		if s := b.settle(w, syncer.End{Listed: true}); s.Held != 2 {
			t.Fatalf("settled %+v", s)
		}
		c := b.walk(syncer.Changes, "c")
		c.Partition = south
		b.apply(c, in("south", person("1", "moved", "00:05")))
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 1})
		b.want("1 moved 00:05")
		if s := b.status(); s.Held != 0 || s.Rows != 1 {
			t.Errorf("the view tells %+v", s)
		}
	},
	"an empty list empties a table that allows it": func(t *testing.T, b *bench) {
		spec := b.spec
		spec.Guard.All = true
		b.use(spec)
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"))
		b.list(syncer.Snapshot, "w2")
		b.want()
	},
	"a large sweep is held, keeps no validator, and passes once the rows are back": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", crowd(1, 50)...)
		b.Age(time.Hour)
		w := b.walk(syncer.Snapshot, "w2")
		b.apply(w, crowd(1, 30)...)
		s := b.settle(w, syncer.End{Listed: true, Validator: "V"})
		if s.Held != 20 || s.Swept != 0 || b.count() != 50 {
			t.Fatalf("settled %+v with %d rows", s, b.count())
		}
		if v := b.standing().Position.Validator; v != "" {
			t.Errorf("validator %q is kept while a sweep is held", v)
		}
		b.list(syncer.Snapshot, "w3", crowd(1, 50)...)
		if st := b.standing(); time.Since(st.DeletesAsOf) > time.Minute {
			t.Errorf("delete as-of is %s after all rows are back", st.DeletesAsOf)
		}
		if got := b.status(); got.Held != 0 || got.Level != syncer.Fresh {
			t.Errorf("status is %+v", got)
		}
	},
	"an accepted sweep passes, a larger one does not": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", crowd(1, 50)...)
		b.list(syncer.Snapshot, "w2", crowd(1, 30)...)
		if out, err := b.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Deletes: 19}); err == nil || b.count() != 50 {
			t.Errorf("accepting 19 of 20: %q, %v, %d rows", out, err, b.count())
		}
		if _, err := b.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Deletes: 20}); err != nil || b.count() != 30 {
			t.Errorf("accepting 20: %v, %d rows", err, b.count())
		}
		if st := b.standing(); st.DeletesAsOf.IsZero() || st.AsOf.Sub(st.DeletesAsOf) > time.Second {
			t.Errorf("delete as-of is %s, as-of %s after the hold was accepted", st.DeletesAsOf, st.AsOf)
		}
	},
	"few rows pass below the floor, whatever their share": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", crowd(1, 12)...)
		if s := b.list(syncer.Snapshot, "w2", crowd(1, 2)...); s.Swept != 10 {
			t.Errorf("settled %+v", s)
		}
	},
	"two walks must agree where confirm says so": func(t *testing.T, b *bench) {
		spec := b.spec
		spec.Confirm = 2
		b.use(spec)
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"))
		b.Age(10 * time.Minute)
		first := b.list(syncer.Snapshot, "w2", person("1", "Ada", "00:01"))
		if first.Waiting != 2 || first.Swept != 0 || b.count() != 3 {
			t.Fatalf("after one walk: %+v", first)
		}
		if d := time.Since(b.standing().DeletesAsOf); d < 9*time.Minute {
			t.Errorf("delete as-of is only %s old while rows wait for confirmation", d)
		}
		b.Age(time.Minute)
		second := b.list(syncer.Snapshot, "w3", person("1", "Ada", "00:01"), person("3", "Cy", "00:01"))
		b.want("1 Ada 00:01", "3 Cy 00:01")
		if second.Swept != 1 || second.Waiting != 0 {
			t.Errorf("after two walks: %+v", second)
		}
		if d := time.Since(b.standing().DeletesAsOf); d > 10*time.Second {
			t.Errorf("delete as-of is %s old although nothing waits", d)
		}
	},
	"a row that came back in between starts to count again": func(t *testing.T, b *bench) {
		spec := b.spec
		spec.Confirm = 2
		b.use(spec)
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.list(syncer.Snapshot, "w2", person("1", "Ada", "00:01"))
		b.list(syncer.Snapshot, "w3", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		if s := b.list(syncer.Snapshot, "w4", person("1", "Ada", "00:01")); s.Waiting != 1 || s.Swept != 0 {
			t.Errorf("settled %+v", s)
		}
	},
	"a resync asks again until its sweep is confirmed": func(t *testing.T, b *bench) {
		spec := b.spec
		spec.Confirm = 2
		b.use(spec)
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		if _, err := b.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderResync}); err != nil {
			t.Fatal(err)
		}
		b.list(syncer.Resync, "w1", person("1", "Ada", "00:01"))
		if !b.standing().Resync {
			t.Error("the resync is over although a row waits for confirmation")
		}
		b.list(syncer.Resync, "w2", person("1", "Ada", "00:01"))
		if b.standing().Resync {
			t.Error("the resync goes on although nothing waits")
		}
		b.want("1 Ada 00:01")
	},
	"partitions are swept apart": func(t *testing.T, b *bench) {
		b.bare("partitioned", region("north"), region("south"))
		north, south := b.walk(syncer.Snapshot, "n1"), b.walk(syncer.Snapshot, "s1")
		north.Partition, south.Partition = region("north"), region("south")
		b.apply(north, in("north", person("1", "Ada", "00:01")), in("north", person("2", "Bo", "00:01")))
		b.settle(north, syncer.End{Listed: true})
		b.apply(south, in("south", person("3", "Cy", "00:01")))
		b.settle(south, syncer.End{Listed: true})
		north.ID = "n2"
		b.apply(north, in("north", person("1", "Ada", "00:01")))
		b.settle(north, syncer.End{Listed: true})
		b.want("1 Ada 00:01", "3 Cy 00:01")
	},
	"a partition that left the configuration takes its rows along, within the guard": func(t *testing.T, b *bench) {
		north, south := region("north"), region("south")
		b.bare("partitioned", north, south)
		for _, p := range []syncer.Partition{north, south} {
			w := b.walk(syncer.Snapshot, "of "+p.Name)
			w.Partition = p
			name := string(p.Value("region"))
			for _, r := range crowd(map[bool]int{true: 1, false: 100}[p.Name == north.Name], 5) {
				b.apply(w, in(name[1:len(name)-1], r))
			}
			b.settle(w, syncer.End{Listed: true})
		}
		b.bare("partitioned", north)
		if n := b.count(); n != 5 {
			t.Errorf("%d rows are left, want the 5 of the north", n)
		}
		if s := b.status(); s.Level != syncer.Fresh || s.Rows != 5 || s.Held != 0 {
			t.Errorf("status is %+v", s)
		}
	},
	"a large partition that left the configuration is held until it is accepted": func(t *testing.T, b *bench) {
		north, south := region("north"), region("south")
		b.bare("partitioned", north, south)
		w := b.walk(syncer.Snapshot, "s")
		w.Partition, w.Sent = south, w.Sent.Add(-time.Hour)
		for _, r := range crowd(1, 30) {
			b.apply(w, in("south", r))
		}
		b.settle(w, syncer.End{Listed: true})
		w = b.walk(syncer.Snapshot, "n")
		w.Partition = north
		b.apply(w, in("north", person("100", "Ada", "00:01")))
		b.settle(w, syncer.End{Listed: true})
		b.bare("partitioned", north)
		if s := b.status(); s.Held != 30 || b.count() != 31 || s.Reason == "" {
			t.Fatalf("%d rows are left, status is %+v", b.count(), s)
		}
		if _, err := b.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Deletes: 30}); err != nil {
			t.Fatal(err)
		}
		if s := b.status(); s.Held != 0 || b.count() != 1 || s.Level != syncer.Fresh {
			t.Errorf("%d rows are left, status is %+v", b.count(), s)
		}
	},
	"a partition that is only called otherwise keeps its rows": func(t *testing.T, b *bench) {
		old, north := region("north"), region("north")
		old.Name = `{"lat":52.5,"region":"north"}`
		old.Values = append(old.Values, syncer.PartitionValue{Name: "lat", JSON: []byte("52.5")})
		b.bare("partitioned", old)
		w := b.walk(syncer.Snapshot, "w1")
		w.Partition = old
		b.apply(w, in("north", person("1", "Ada", "00:01")), in("north", person("2", "Bo", "00:01")))
		b.settle(w, syncer.End{Listed: true})
		b.bare("partitioned", north)
		b.want("1 Ada 00:01", "2 Bo 00:01")
		if s := b.status(); s.Held != 0 || s.Level != syncer.Never {
			t.Errorf("status before the first poll is %+v", s)
		}
		w = b.walk(syncer.Snapshot, "w2")
		w.Partition = north
		b.apply(w, in("north", person("1", "Ada", "00:01")), in("north", person("2", "Bo", "00:01")))
		b.settle(w, syncer.End{Listed: true})
		if s := b.status(); s.Level != syncer.Fresh {
			t.Errorf("status is %+v", s)
		}
	},
	"a row that changes tell about is missing no more": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w1", crowd(1, 50)...)
		b.list(syncer.Resync, "w2", crowd(1, 30)...)
		b.apply(b.walk(syncer.Changes, "w3"), person("50", "back", "00:09"))
		if s := b.status(); s.Held != 19 {
			t.Errorf("%d rows are held, want 19", s.Held)
		}
	},
	"a tombstone in a list takes its note back": func(t *testing.T, b *bench) {
		w := b.walk(syncer.Snapshot, "w1")
		b.apply(w, person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.apply(w, tombstone("2", "00:02"))
		b.settle(w, syncer.End{Listed: true})
		b.want("1 Ada 00:01")
	},
}
