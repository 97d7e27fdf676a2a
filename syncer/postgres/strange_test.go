package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// Names that need quoting, look like parameters or hold quotes mean nothing but
// themselves, in every statement.
func TestStrangeNames(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE SCHEMA "@sent ""x"""`)
	spec := people()
	spec.Target, spec.Source = `@sent "x".it's $1 "@repair"`, `it's @source`
	spec.Columns[0].Name, spec.Columns[1].Name, spec.Columns[2].Name = `ID "@partition"`, `n'ame; -- $2`, `@back`
	spec.Columns = append(spec.Columns, row.Column{Name: `re"gion`, Type: row.Type{Kind: row.Text}, Slots: []int{3}, Each: "re'gion"})
	spec.Shape = syncer.Shape("s", []string{"1"})
	spec.Partitions, spec.Changing, spec.Partial = nil, true, true
	part := func(name string) syncer.Partition {
		return syncer.NewPartition(syncer.PartitionValue{Name: "re'gion", JSON: []byte(`"` + name + `"`)})
	}
	in := func(p syncer.Partition, r syncer.Record) syncer.Record {
		r.Slots = append(r.Slots, p.Value("re'gion"))
		return r
	}
	north, south := part(`it's @walk \"north\"`), part("south")
	h.keep(spec)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(h.table.Repartition(t.Context(), []syncer.Partition{north, south}, time.Now()))
	of := func(kind syncer.WalkKind, id string, p syncer.Partition) syncer.Walk {
		w := walk(kind, id)
		w.Partition = p
		return w
	}
	w := of(syncer.Resync, "w", north)
	h.apply(w, in(north, person(1, "Ada", "00:01")), in(north, person(2, "Bo", "00:01")))
	partial := in(north, person(2, "", "00:05"))
	partial.Slots[1] = nil
	h.apply(of(syncer.Changes, "c", north), partial, in(north, person(4, "Di", "00:05")))
	h.apply(w, in(north, person(2, "listed", "00:04")), in(north, person(3, "Cy", "00:01")))
	h.settle(w, syncer.End{Watermark: "W", Listed: true})
	h.settle(of(syncer.Resync, "s", south), syncer.End{Listed: true})
	const names = `SELECT "ID ""@partition""" || ' ' || "n'ame; -- $2" FROM "@sent ""x"""."it's $1 ""@repair""" ORDER BY 1`
	h.want(names, "1 Ada", "2 Bo", "3 Cy", "4 Di")
	for n, c := range []syncer.Comparison{{Compare: syncer.CompareSample, Samples: 1}, {Compare: syncer.CompareKeys}, {Compare: syncer.CompareAll, Repair: true}} {
		w := of(syncer.Audit, string(rune('a'+n)), north)
		w.Audit = &c
		h.apply(w, in(north, person(1, "other", "00:01")), in(north, person(3, "Cy", "00:01")), in(north, person(4, "Di", "00:05")), in(north, person(5, "Ed", "00:01")))
		a := h.settle(w, syncer.End{Listed: true}).Audit
		if want := []int{0, 2, 2}[n]; a.Found() != want {
			t.Errorf("audit %d: %+v, want %d to count", n, a, want)
		}
	}
	h.want(names, "1 Ada", "3 Cy", "4 Di", "5 Ed")
	must(h.table.Repartition(t.Context(), []syncer.Partition{south}, time.Now()))
	if _, err := h.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Deletes: 4}); err != nil {
		t.Error(err)
	}
	h.want(names)
	spec.Columns = append(slices.Clone(spec.Columns), row.Column{Name: `new "@x"`, Type: row.Type{Kind: row.Text}, Slots: []int{1}})
	intent, err := h.db.Table(spec).Intend(t.Context())
	must(err)
	if len(intent.DDL) != 1 || intent.DDL[0] != `ALTER TABLE "@sent ""x"""."it's $1 ""@repair""" ADD COLUMN "new ""@x""" text` {
		t.Errorf("intends %q", intent.DDL)
	}
	h.keep(spec)
	h.apply(of(syncer.Changes, "c2", south), in(south, person(1, "Ada", "00:01")))
	h.want(`SELECT "new ""@x""" FROM "@sent ""x"""."it's $1 ""@repair"""`, "Ada")
	if _, err := h.db.Forget(t.Context(), spec.Target); err != nil {
		t.Error(err)
	}
}

// What is wrong with a table is told before a column is added to it, and a
// column that takes no null, or is part of the key, is never added.
func TestColumnsThatAreNotAdded(t *testing.T) {
	h := newHouse(t).keep(people())
	more := func(c row.Column, key bool) row.Spec {
		spec := people()
		spec.Columns = append(spec.Columns, c)
		if key {
			spec.Key = append(slices.Clone(spec.Key), 3)
		}
		return spec
	}
	text := row.Type{Kind: row.Text}
	for want, spec := range map[string]row.Spec{
		`prepare "public"."people": table "public"."people" does not fit: column "email" is not there: ALTER TABLE "public"."people" ADD COLUMN "email" text`: more(row.Column{Name: "email", Type: text, NotNull: true}, false),
		`prepare "public"."people": table "public"."people" does not fit: column "part" is not there: ALTER TABLE "public"."people" ADD COLUMN "part" text; ` +
			`no unique index on exactly ("id", "part"): CREATE UNIQUE INDEX ON "public"."people" ("id", "part")`: more(row.Column{Name: "part", Type: text}, true),
	} {
		if err := h.db.Table(spec).Prepare(t.Context()); err == nil || err.Error() != want {
			t.Errorf("prepare: %v\nwant %s", err, want)
		}
	}
	exec(t, h.consumer, "ALTER TABLE people ADD COLUMN theirs text NOT NULL")
	if err := h.db.Table(more(row.Column{Name: "email", Type: text}, false)).Prepare(t.Context()); err == nil {
		t.Error("a table that does not fit is altered")
	}
	h.want(`SELECT attname::text FROM pg_attribute WHERE attrelid = 'people'::regclass AND attnum > 0 ORDER BY attnum`, "id", "name", "updated_at", "theirs")
}

// A partition that is there again has no rows waiting to be deleted.
func TestPartitionThatComesBackKeepsItsRows(t *testing.T) {
	h := newHouse(t)
	spec := people()
	spec.Columns = append(spec.Columns, row.Column{Name: "region", Type: row.Type{Kind: row.Text}, Slots: []int{3}, Each: "region"})
	spec.Partitions, spec.Changing = nil, true
	h.keep(spec)
	p := syncer.NewPartition(syncer.PartitionValue{Name: "region", JSON: []byte(`"north"`)})
	state := func(parts ...syncer.Partition) {
		t.Helper()
		if err := h.table.Repartition(t.Context(), parts, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	state(p)
	w := walk(syncer.Changes, "c")
	w.Partition = p
	for id := range 5 {
		r := person(id, "x", "00:01")
		r.Slots = append(r.Slots, []byte(`"north"`))
		h.apply(w, r)
	}
	state()
	h.want("SELECT held::text FROM larder.freshness", "5")
	exec(t, h.consumer, "UPDATE larder.missing_people SET walks = 7")
	state()
	h.want("SELECT DISTINCT walks::text FROM larder.missing_people", "7") // what is held is not noted anew
	state(p)
	h.want("SELECT held::text FROM larder.freshness", "0")
	if _, err := h.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Deletes: 5}); err == nil {
		t.Error("something is accepted")
	}
	h.want("SELECT count(*)::text FROM people", "5")
}
