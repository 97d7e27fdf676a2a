package syncertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// isDue is the reason of a table that waits for its resync.
const isDue = "a resync is due: not all of it is as configured yet"

// choose makes the table one that takes other records, and says so in its shape.
func (b *bench) choose(c row.Condition) {
	b.t.Helper()
	b.respec(func(s *row.Spec) {
		s.Where = c
		s.Shape = syncer.Shape("source", []string{"id", "name", "updated_at", "region"}, fmt.Sprint("where ", c))
	})
}

func (b *bench) reason(when, want string) {
	b.t.Helper()
	if s := b.status(); s.Reason != want {
		b.t.Errorf("%s: the reason is %q, want %q", when, s.Reason, want)
	}
}

// aged are persons as of a later change.
func aged(from, n int, name, at string) []syncer.Record {
	var out []syncer.Record
	for id := from; id < from+n; id++ {
		out = append(out, person(fmt.Sprint(id), name, at))
	}
	return out
}

// dueScenarios are of tables that are configured anew.
var dueScenarios = map[string]func(*testing.T, *bench){
	"rows that another where turns down stay until a resync's guard lets them go": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", aged(1, 30, "internal", "00:01")...)
		b.changes(person("31", "Ada", "00:01"))
		b.choose(unless("internal"))
		over := append(aged(1, 30, "internal", "00:05"), person("32", "internal", "00:05"))
		if a := b.changes(over...); a != (syncer.Applied{}) || b.count() != 31 {
			t.Errorf("before the resync the overlap counted %+v, %d rows are left", a, b.count())
		}
		w := b.begin(syncer.Resync, "w1")
		b.changes(over...)
		b.apply(w, append(aged(1, 30, "internal", "00:05"), person("31", "Ada", "00:01"))...)
		b.changes(over...)
		if s := b.settle(w, syncer.End{Watermark: "W1", Listed: true}); s.Held != 30 || s.Swept != 0 {
			t.Errorf("the resync settled %+v", s)
		}
		if a := b.changes(append(over, person("31", "internal", "00:06"))...); a.Deleted != 1 || b.count() != 30 {
			t.Errorf("while rows are held the overlap counted %+v, %d rows are left", a, b.count())
		}
		if s := b.status(); s.Held != 30 {
			t.Errorf("%d are held", s.Held)
		}
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 30})
		b.want()
		b.changes(person("1", "back", "00:04")) // nothing of it was remembered as deleted
		b.want("1 back 00:04")
	},
	"a tombstone deletes while a resync is due": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "internal", "00:01"))
		b.choose(unless("internal"))
		if a := b.changes(tombstone("1", "00:05"), person("2", "internal", "00:05")); a != (syncer.Applied{Deleted: 1}) {
			t.Errorf("counted %+v", a)
		}
		b.want("2 internal 00:01")
	},
	"a first copy by changes lets go what it turns down": func(t *testing.T, b *bench) {
		b.choose(unless("internal"))
		b.changes(person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.changes(person("1", "internal", "00:02"))
		b.want("2 Bo 00:01")
	},
	"a row that waits for another walk to miss it waits on": func(t *testing.T, b *bench) {
		b.choose(unless("internal"))
		b.respec(func(s *row.Spec) { s.Confirm = 2 })
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		if s := b.list(syncer.Resync, "w1", person("1", "Ada", "00:01")); s.Waiting != 1 {
			t.Fatalf("settled %+v", s)
		}
		b.changes(person("2", "internal", "00:05"))
		b.want("1 Ada 00:01", "2 Bo 00:01")
		if s := b.list(syncer.Resync, "w2", person("1", "Ada", "00:01"), person("2", "internal", "00:05")); s.Swept != 1 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 Ada 00:01")
	},
	"what is accepted is no difference any more": func(t *testing.T, b *bench) {
		b.respec(func(s *row.Spec) { s.Target, s.Guard = "held", syncer.Guard{Share: 0.01} })
		b.list(syncer.Resync, "w0", crowd(1, 4)...)
		b.audit(repairs, crowd(1, 1)...)
		b.Age(2 * time.Minute)
		b.audit(repairs, crowd(1, 1)...)
		if s := b.status(); s.Left != 3 || s.Found != 3 {
			t.Fatalf("before: %d of %d are left", s.Left, s.Found)
		}
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 3})
		if s := b.status(); s.Left != 0 || s.Found != 3 {
			t.Errorf("%d of %d are left", s.Left, s.Found)
		}
		b.list(syncer.Resync, "w1") // it holds one row, of which no audit knows
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 1})
		if s := b.status(); s.Left != 0 || b.count() != 0 {
			t.Errorf("%d differences are left, %d rows", s.Left, b.count())
		}
	},
	"the view tells that a resync is due until it has ended": func(t *testing.T, b *bench) {
		b.reason("never polled", "never polled to the end")
		b.settle(b.walk(syncer.Resync, "w0"), syncer.End{Watermark: "W0", Listed: true})
		b.reason("complete", "")
		b.obey(syncer.Order{Kind: syncer.OrderResync})
		b.reason("ordered", isDue)
		b.settle(b.walk(syncer.Resync, "w1"), syncer.End{Watermark: "W1", Listed: true})
		b.reason("after the order", "")
		b.choose(unless("internal"))
		b.reason("where changed", isDue)
		w := b.begin(syncer.Resync, "w2")
		b.stand(w, "half")
		b.table = b.Table(b.db, b.spec) // as after a restart
		if err := b.table.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := b.standing(); !st.Resync || st.Listing == nil || st.Listing.Cursor != "half" {
			t.Errorf("standing is %+v", st)
		}
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		b.reason("half way", isDue)
		b.fail(w, syncer.ClassHTTP5xx, "owner answers 503")
		if s := b.status(); s.Reason == isDue {
			t.Error("it says so though a walk failed")
		}
		b.settle(w, syncer.End{Watermark: "W2", Listed: true})
		b.reason("resynced", "")
		if b.standing().Resync {
			t.Error("the resync did not end")
		}
	},
	"a partition that was never polled waits for no resync": func(t *testing.T, b *bench) {
		b.changing("parts")
		b.repartition()
		b.repartition(region("north"))
		b.respec(func(s *row.Spec) { s.Shape = syncer.Shape("another source", []string{"id"}) })
		if st := b.standingOf(region("north")); st.AsOf.IsZero() || st.Resync {
			t.Errorf("standing is %+v", st)
		}
		b.reason("first", "")
		b.fill(region("north"), 1, 5)
		b.obey(syncer.Order{Kind: syncer.OrderResync})
		b.reason("ordered", isDue)
		b.fill(region("north"), 1, 5)
		b.reason("resynced", "") // the list of partitions waits for none
	},
	"a list of partitions that can be had again leaves nothing of why it could not": func(t *testing.T, b *bench) {
		b.changing("parts")
		b.repartition(region("north"))
		b.fill(region("north"), 1, 5)
		b.fail(b.walk(syncer.Changes, ""), syncer.ClassDatabase, "no such relation")
		if s := b.status(); s.Class != syncer.ClassDatabase || s.Error != "no such relation" || s.FailingSince.IsZero() {
			t.Errorf("the view tells %q %q", s.Class, s.Error)
		}
		b.repartition(region("north"))
		if s := b.status(); s.Class != "" || s.Error != "" || !s.FailingSince.IsZero() || s.Reason != "" {
			t.Errorf("the view still tells %q %q", s.Class, s.Error)
		}
	},
}
