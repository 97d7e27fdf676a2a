package syncertest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
)

// used leaves every kind of bookkeeping of the bench's table: a watermark, a
// pause, a remembered deletion, a record set aside, a row that is missing for
// the first of two times, the notes of an unfinished walk, and an order that
// is answered and one that waits, whose ids it returns. Rows 1 and 2 are left.
func (b *bench) used() (answered, waiting string) {
	b.t.Helper()
	spec := b.spec
	spec.Confirm = 2
	b.use(spec)
	b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"))
	b.apply(b.walk(syncer.Changes, "w2"), tombstone("3", "00:05"))
	b.list(syncer.Snapshot, "w3", person("1", "Ada", "00:01"))
	bad := person("4", "Di", "00:01")
	bad.Slots[2] = []byte(`"yesterday"`)
	b.apply(b.walk(syncer.Snapshot, "w4"), person("1", "Ada", "00:01"), bad)
	b.quarantined(1)
	answered, waiting = b.send(syncer.OrderPause), b.send(syncer.OrderPause)
	if err := b.db.Answer(b.t.Context(), syncer.Order{ID: answered}, "paused", nil); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.table.Obey(b.t.Context(), syncer.Order{Kind: syncer.OrderPause}); err != nil {
		b.t.Fatal(err)
	}
	return answered, waiting
}

func (b *bench) send(kind syncer.OrderKind) string {
	b.t.Helper()
	id, err := b.db.Send(b.t.Context(), syncer.Order{Kind: kind, Table: b.spec.Target})
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

func (b *bench) forget() {
	b.t.Helper()
	if line, err := b.db.Forget(b.t.Context(), b.spec.Target); err != nil || line == "" {
		b.t.Fatalf("forget: %q, %v", line, err)
	}
}

// knows fails unless the view has exactly these tables.
func (b *bench) knows(want ...string) {
	b.t.Helper()
	all, err := b.db.Status(b.t.Context())
	var got []string
	for _, s := range all {
		got = append(got, s.Table)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		b.t.Errorf("tables in the view (-want +got):\n%s%v", diff, err)
	}
}

var forgetScenarios = map[string]func(*testing.T, *bench){
	"a table that is forgotten stays as it is, and nothing tells of it": func(t *testing.T, b *bench) {
		answered, waiting := b.used()
		b.forget()
		b.want("1 Ada 00:01", "2 Bo 00:01")
		b.knows()
		b.quarantined(0)
		if orders, err := b.db.Orders(t.Context()); err != nil || len(orders) != 0 {
			t.Errorf("orders: %+v, %v", orders, err)
		}
		for _, id := range []string{answered, waiting} {
			if state, text, err := b.db.Outcome(t.Context(), id); err == nil {
				t.Errorf("order %s is %s: %q", id, state, text)
			}
		}
	},
	"the order to forget is kept for its answer": func(t *testing.T, b *bench) {
		b.used()
		id := b.send(syncer.OrderForget)
		b.forget()
		orders, err := b.db.Orders(t.Context())
		if err != nil || len(orders) != 1 || orders[0].ID != id {
			t.Fatalf("orders: %+v, %v", orders, err)
		}
		if err := b.db.Answer(t.Context(), orders[0], "forgotten", nil); err != nil {
			t.Fatal(err)
		}
		if state, text, err := b.db.Outcome(t.Context(), id); err != nil || state != "done" || text != "forgotten" {
			t.Errorf("outcome: %q %q, %v", state, text, err)
		}
		if later := b.send(syncer.OrderPoll); later == id {
			t.Errorf("another order has the id %s too", id)
		}
	},
	"configured again it starts as one that was never polled, and is adopted": func(t *testing.T, b *bench) {
		b.used()
		b.forget()
		b.use(b.spec)
		st := b.standing()
		near(t, "first seen", st.FirstSeen, time.Now())
		st.FirstSeen = time.Time{}
		if diff := cmp.Diff(syncer.Standing{}, st); diff != "" {
			t.Errorf("standing (-want +got):\n%s", diff)
		}
		if s := b.status(); s.Level != syncer.Never || s.Paused || s.Quarantined != 0 || s.Class != "" || s.Rows != 2 {
			t.Errorf("status is %+v", s)
		}
		// The notes of the walk that was unfinished are not this walk's; the row
		// that was missing once is missing for the first time; the deletion is
		// not remembered.
		w := b.walk(syncer.Snapshot, "w4")
		if a := b.apply(w, person("2", "Bo", "00:01"), person("3", "Cy", "00:01")); a.Unchanged != 1 || a.Inserted != 1 {
			t.Errorf("applied %+v", a)
		}
		if s := b.settle(w, syncer.End{Listed: true}); s.Waiting != 1 || s.Swept != 0 {
			t.Errorf("settled %+v", s)
		}
		if s := b.list(syncer.Snapshot, "w5", person("2", "Bo", "00:01"), person("3", "Cy", "00:01")); s.Swept != 1 {
			t.Errorf("settled %+v", s)
		}
		b.want("2 Bo 00:01", "3 Cy 00:01")
	},
	"the other tables are left alone": func(t *testing.T, b *bench) {
		b.used()
		id := b.send(syncer.OrderPoll)
		before, st := b.status(), b.standing()
		b.bare("others", syncer.Partition{})
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"))
		b.knows("others", "people")
		b.forget()
		b.bare("people", syncer.Partition{})
		b.knows("people")
		b.quarantined(1)
		if after := b.status(); after.Paused != before.Paused || after.Rows != before.Rows || after.Source != before.Source {
			t.Errorf("status was %+v, is %+v", before, after)
		}
		if diff := cmp.Diff(st.Position.Watermark, b.standing().Position.Watermark); diff != "" {
			t.Errorf("watermark (-before +after):\n%s", diff)
		}
		if state, _, err := b.db.Outcome(t.Context(), id); err != nil || state != "waiting" {
			t.Errorf("order is %q, %v", state, err)
		}
	},
	"what the database does not know is refused, twice as well": func(t *testing.T, b *bench) {
		if line, err := b.db.Forget(t.Context(), "nobody"); err == nil || errors.Is(err, syncer.ErrFenced) {
			t.Errorf("forget nobody: %q, %v", line, err)
		}
		b.forget()
		if line, err := b.db.Forget(t.Context(), b.spec.Target); err == nil || errors.Is(err, syncer.ErrFenced) {
			t.Errorf("forget again: %q, %v", line, err)
		}
	},
	"a daemon that lost the lease cannot forget": func(t *testing.T, b *bench) {
		b.used()
		second := b.Daemon("second")
		if _, err := second.Forget(t.Context(), "people"); !errors.Is(err, syncer.ErrFenced) {
			t.Errorf("forget without the lease: %v", err)
		}
		b.Age(syncer.LeaseTime + time.Second)
		if err := second.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := b.db.Forget(t.Context(), "people"); !errors.Is(err, syncer.ErrFenced) {
			t.Errorf("forget after the lease is lost: %v", err)
		}
		b.knows("people")
		b.quarantined(1)
	},
}
