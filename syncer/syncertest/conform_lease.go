package syncertest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

var leaseScenarios = map[string]func(*testing.T, *bench){
	"a second daemon is told who holds the lease": func(t *testing.T, b *bench) {
		var held *syncer.HeldError
		err := b.Daemon("second").Acquire(t.Context())
		if !errors.As(err, &held) || !errors.Is(err, syncer.ErrFenced) {
			t.Fatalf("acquire: %v, want a HeldError", err)
		}
		if held.Holder == "" || held.For <= 0 || held.For > syncer.LeaseTime {
			t.Errorf("held is %+v", held)
		}
	},
	"how the lease stands can be read by anybody": func(t *testing.T, b *bench) {
		reader := b.Daemon("reader")
		want := func(when string, held bool, until time.Time) {
			t.Helper()
			h, err := reader.Holding(t.Context())
			if err != nil || h.Held != held || syncer.Age(h.Until, until).Abs() > 10*time.Second || syncer.Age(until, h.Until).Abs() > 10*time.Second {
				t.Errorf("%s: %+v, %v; want held %v until about %v", when, h, err, held, until)
			}
		}
		want("held", true, time.Now().Add(syncer.LeaseTime))
		b.Age(time.Hour)
		want("run out", false, time.Now().Add(syncer.LeaseTime-time.Hour))
		if err := b.db.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("renewed", true, time.Now().Add(syncer.LeaseTime))
		if err := b.db.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("given back", false, time.Now())
	},
	"a lease that was given back is free at once": func(t *testing.T, b *bench) {
		if err := b.db.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Daemon("second").Acquire(t.Context()); err != nil {
			t.Errorf("acquire after release: %v", err)
		}
	},
	"renewing keeps the lease, time alone does not": func(t *testing.T, b *bench) {
		second := b.Daemon("second")
		b.Age(syncer.LeaseTime - 5*time.Second)
		if err := b.db.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Age(syncer.LeaseTime - 5*time.Second)
		if err := second.Acquire(t.Context()); !errors.Is(err, syncer.ErrFenced) {
			t.Errorf("acquire of a renewed lease: %v", err)
		}
		b.Age(10 * time.Second)
		if err := second.Acquire(t.Context()); err != nil {
			t.Errorf("acquire of a lease that ran out: %v", err)
		}
	},
	"a lease of before the clock was set back holds up nobody": func(t *testing.T, b *bench) {
		second := b.Daemon("second")
		b.Age(-time.Hour)
		if err := second.Acquire(t.Context()); err != nil {
			t.Errorf("acquire: %v", err)
		}
		if err := b.db.Renew(t.Context()); !errors.Is(err, syncer.ErrFenced) {
			t.Errorf("renew of the lease that was taken: %v", err)
		}
	},
	"a daemon that lost the lease cannot write": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"))
		second := b.Daemon("second")
		b.Age(syncer.LeaseTime + time.Second)
		if err := second.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		w := b.walk(syncer.Snapshot, "w2")
		_, applyErr := b.table.Apply(t.Context(), w, []*syncer.Batch{{Records: []syncer.Record{person("2", "Bo", "00:02")}}})
		_, settleErr := b.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Listed: true, Watermark: "W"}})
		_, failErr := b.table.Settle(t.Context(), w, syncer.Settlement{Failure: &syncer.Failure{Class: syncer.ClassDNS}})
		_, obeyErr := b.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderPause})
		for what, err := range map[string]error{"apply": applyErr, "settle": settleErr, "settle a failure": failErr, "obey": obeyErr, "renew": b.db.Renew(t.Context())} {
			if !errors.Is(err, syncer.ErrFenced) {
				t.Errorf("%s: %v, want ErrFenced", what, err)
			}
		}
		b.want("1 Ada 00:01")
		table := b.Table(second, b.spec)
		if err := table.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		st, err := table.Standing(t.Context(), syncer.Partition{})
		if err != nil || st.Position.Watermark != "" {
			t.Errorf("the successor finds %+v, %v", st, err)
		}
		if _, err := table.Apply(t.Context(), w, []*syncer.Batch{{Records: []syncer.Record{person("2", "Bo", "00:02")}}}); err != nil {
			t.Errorf("the successor cannot write: %v", err)
		}
	},
	"a lease that another took and gave back is nobody's": func(t *testing.T, b *bench) {
		b.changes(person("1", "Ada", "00:01"))
		second := b.Daemon("second")
		b.Age(syncer.LeaseTime + time.Second)
		if err := second.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := second.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		for who, db := range map[string]Database{"who lost it": b.db, "who gave it back": second, "who never had it": b.Daemon("third")} {
			_, err := b.Table(db, b.spec).Apply(t.Context(), b.walk(syncer.Changes, "w2"), []*syncer.Batch{{Records: []syncer.Record{person("2", "Bo", "00:02")}}})
			if !errors.Is(err, syncer.ErrFenced) {
				t.Errorf("%s writes: %v, want ErrFenced", who, err)
			}
		}
		b.want("1 Ada 00:01")
	},
	"a lease that ran out and was not taken may be renewed": func(t *testing.T, b *bench) {
		b.Age(syncer.LeaseTime + time.Second)
		if err := b.db.Renew(t.Context()); err != nil {
			t.Errorf("renew: %v", err)
		}
	},
	"standing and status are read without the lease": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"))
		second := b.Daemon("second")
		if st, err := b.Table(second, b.spec).Standing(t.Context(), syncer.Partition{}); err != nil || st.AsOf.IsZero() {
			t.Errorf("standing: %+v, %v", st, err)
		}
		if all, err := second.Status(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("status: %v, %v", all, err)
		}
	},
}

var orderScenarios = map[string]func(*testing.T, *bench){
	"an order is left, found, answered and followed": func(t *testing.T, b *bench) {
		second := b.Daemon("command line")
		id, err := second.Send(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Table: "people", Deletes: 7, Key: "[1]"})
		if err != nil {
			t.Fatal(err)
		}
		orders, err := b.db.Orders(t.Context())
		if err != nil || len(orders) != 1 || orders[0] != (syncer.Order{ID: id, Kind: syncer.OrderAccept, Table: "people", Deletes: 7, Key: "[1]"}) {
			t.Fatalf("orders: %+v, %v", orders, err)
		}
		if state, _, err := second.Outcome(t.Context(), id); err != nil || state != "waiting" {
			t.Errorf("outcome before: %q, %v", state, err)
		}
		if err := b.db.Answer(t.Context(), orders[0], "7 rows deleted", nil); err != nil {
			t.Fatal(err)
		}
		if state, text, err := second.Outcome(t.Context(), id); err != nil || state != "done" || text != "7 rows deleted" {
			t.Errorf("outcome after: %q %q, %v", state, text, err)
		}
		if orders, err := b.db.Orders(t.Context()); err != nil || len(orders) != 0 {
			t.Errorf("orders after: %+v, %v", orders, err)
		}
	},
	"a refusal is told with its reason": func(t *testing.T, b *bench) {
		id, err := b.db.Send(t.Context(), syncer.Order{Kind: syncer.OrderPause, Table: "people"})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.db.Answer(t.Context(), syncer.Order{ID: id}, "", errors.New("no such table")); err != nil {
			t.Fatal(err)
		}
		if state, text, err := b.db.Outcome(t.Context(), id); err != nil || state != "failed" || text != "no such table" {
			t.Errorf("outcome: %q %q, %v", state, text, err)
		}
	},
	"pause and resume stand in the standing": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W"})
		for _, kind := range []syncer.OrderKind{syncer.OrderPause, syncer.OrderResume} {
			if _, err := b.table.Obey(t.Context(), syncer.Order{Kind: kind}); err != nil {
				t.Fatal(err)
			}
			want := kind == syncer.OrderPause
			if st, s := b.standing(), b.status(); st.Paused != want || s.Paused != want {
				t.Errorf("after %s: standing %v, status %v", kind, st.Paused, s.Paused)
			}
		}
	},
	"a resync is asked for, keeps the watermark until it settles, and ends": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Resync, "w1"), syncer.End{Watermark: "W1", Validator: "V"})
		if _, err := b.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderResync}); err != nil {
			t.Fatal(err)
		}
		if st := b.standing(); !st.Resync || st.Position.Validator != "" || st.Position.Resume != nil {
			t.Errorf("standing is %+v", st)
		}
		b.settle(b.walk(syncer.Changes, "w2"), syncer.End{Watermark: "W2"})
		if !b.standing().Resync {
			t.Error("a walk of changes ended the resync")
		}
		b.settle(b.walk(syncer.Resync, "w3"), syncer.End{Watermark: "W3", Listed: true})
		if b.standing().Resync {
			t.Error("the resync did not end")
		}
	},
	"an order before the first poll holds for it": func(t *testing.T, b *bench) {
		if _, err := b.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderPause}); err != nil {
			t.Fatal(err)
		}
		if !b.standing().Paused {
			t.Error("a table that was paused before its first poll is not")
		}
	},
}

var quarantineScenarios = map[string]func(*testing.T, *bench){
	"a record that does not fit is set aside, the good ones land": func(t *testing.T, b *bench) {
		bad := person("2", "Bo", "00:02")
		bad.Slots[2] = []byte(`"yesterday"`)
		a := b.apply(b.walk(syncer.Changes, "w1"), person("1", "Ada", "00:01"), bad, person("3", "Cy", "00:03"))
		b.want("1 Ada 00:01", "3 Cy 00:03")
		if a.Quarantined != 1 || a.Inserted != 2 {
			t.Errorf("counted %+v", a)
		}
		q := b.quarantined(1)[0]
		if q.Table != "people" || q.Key != "[2]" || q.Column != "updated_at" || q.Reason == "" || q.Record == "" {
			t.Errorf("quarantine tells %+v", q)
		}
		if s := b.status(); s.Quarantined != 1 {
			t.Errorf("status counts %d", s.Quarantined)
		}
	},
	"a newer good record clears it, and so does a tombstone": func(t *testing.T, b *bench) {
		bad1, bad2 := person("1", "Ada", "00:01"), person("2", "Bo", "00:01")
		bad1.Slots[1], bad2.Slots[1] = []byte(`"\u0000"`), []byte(`{}`)
		b.apply(b.walk(syncer.Changes, "w1"), bad1, bad2)
		b.quarantined(2)
		b.apply(b.walk(syncer.Changes, "w2"), person("1", "Ada", "00:02"), tombstone("2", "00:02"))
		b.quarantined(0)
		b.want("1 Ada 00:02")
	},
	"the same bad record again is one entry": func(t *testing.T, b *bench) {
		for _, w := range []string{"w1", "w2"} {
			bad, keyless := person("1", "Ada", "00:01"), person("null", "Nobody", "00:01")
			bad.Slots[1] = []byte(`{}`)
			b.apply(b.walk(syncer.Changes, w), bad, keyless)
		}
		b.quarantined(2)
	},
	"a bad record of a listed row does not sweep the row": func(t *testing.T, b *bench) {
		b.list(syncer.Snapshot, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		bad := person("1", "Ada", "00:02")
		bad.Slots[2] = []byte(`"yesterday"`)
		if s := b.list(syncer.Snapshot, "w2", bad, person("2", "Bo", "00:01")); s.Swept != 0 {
			t.Errorf("settled %+v", s)
		}
		b.want("1 Ada 00:01", "2 Bo 00:01")
	},
	"a table that wants no misfits fails and keeps everything": func(t *testing.T, b *bench) {
		spec := b.spec
		spec.MisfitFails = true
		b.use(spec)
		bad := person("2", "Bo", "00:02")
		bad.Slots[2] = []byte(`"yesterday"`)
		_, err := b.table.Apply(t.Context(), b.walk(syncer.Changes, "w1"), []*syncer.Batch{{Records: []syncer.Record{person("1", "Ada", "00:01"), bad}}})
		var misfit *syncer.MisfitError
		if !errors.As(err, &misfit) {
			t.Fatalf("apply: %v, want a MisfitError", err)
		}
		b.want()
		b.quarantined(0)
	},
	"retry lands what fits by then, drop forgets": func(t *testing.T, b *bench) {
		unix, bad := person("1", "Ada", "00:01"), person("2", "Bo", "00:01")
		unix.Slots[2], bad.Slots[2] = []byte(`1795392060`), []byte(`"?"`)
		b.apply(b.walk(syncer.Changes, "w1"), unix, bad)
		b.quarantined(2)
		spec := b.spec
		spec.Columns = slices.Clone(spec.Columns)
		var err error
		if spec.Columns[2].As, err = row.ParseFormat("unix", nil); err != nil {
			t.Fatal(err)
		}
		if out, err := b.Table(b.db, spec).Obey(t.Context(), syncer.Order{Kind: syncer.OrderQuarantineRetry}); err != nil {
			t.Fatalf("retry: %q, %v", out, err)
		}
		b.quarantined(1)
		b.want("1 Ada 00:01")
		if _, err := b.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderQuarantineDrop, Key: "[2]"}); err != nil {
			t.Fatal(err)
		}
		b.quarantined(0)
	},
}

func (b *bench) quarantined(n int) []syncer.Quarantined {
	b.t.Helper()
	all, err := b.db.Quarantine(b.t.Context(), b.spec.Target, 100)
	if err != nil || len(all) != n {
		b.t.Fatalf("quarantine holds %+v, %v; want %d", all, err, n)
	}
	return all
}
