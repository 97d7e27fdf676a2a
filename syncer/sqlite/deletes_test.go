package sqlite_test

import (
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// TestViewJudgesDeletesApart reads by the plain driver what the view says of a
// table whose deletions only audits see: 10 and 5 minutes of budget for what
// changes, an hour for deletions.
func TestViewJudgesDeletesApart(t *testing.T) {
	_, own, db, _ := prepared(t)
	spec := people()
	spec.Budget = syncer.Budget{Warn: 5 * time.Minute, Critical: 10 * time.Minute, Deletes: time.Hour}
	table := db.Table(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	said := func() string {
		t.Helper()
		return one(t, own, `SELECT level || ' ' || round(staleness / 60) || ' ' || round((julianday('now') - 2440587.5) * 1440 - deletes_as_of / 60) || ' ' || reason FROM larder_freshness`)
	}
	list := func(id string, ids ...int) {
		w := syncer.Walk{ID: id, Kind: syncer.Resync, Sent: time.Now()}
		for _, id := range ids {
			apply(t, table, w, person(id, "Ada", "00:01"))
		}
		settle(t, table, w, syncer.End{Watermark: "W", Listed: true})
	}
	poll := func() { settle(t, table, changes("c"), syncer.End{Watermark: "W"}) }
	list("w1", 1, 2)
	for _, step := range []struct {
		passes time.Duration
		does   func()
		want   string
	}{
		{0, poll, "fresh 0.0 0.0 "},
		{30 * time.Minute, poll, "fresh 0.0 30.0 "},
		{6 * time.Minute, func() {}, "warn 6.0 36.0 no complete poll since "},
		{5 * time.Minute, func() {}, "critical 11.0 41.0 no complete poll since "},
		{0, poll, "fresh 0.0 41.0 "},
		{20 * time.Minute, poll, "critical 0.0 61.0 deletes are not proven since "},
		{0, func() { audit(t, table, auditing("a1", true), person(1, "Ada", "00:01")) }, "critical 0.0 61.0 deletes are not proven since "},
		{2 * time.Minute, func() { audit(t, table, auditing("a2", true), person(1, "Ada", "00:01")) }, "fresh 2.0 0.0 "},
		{70 * time.Minute, func() { list("w2", 1) }, "fresh 0.0 0.0 "},
	} {
		age(t, own, step.passes)
		step.does()
		if got := said(); !strings.HasPrefix(got, step.want) || strings.HasSuffix(step.want, " ") && got[len(step.want):] != "" && !strings.Contains(step.want, "since") {
			t.Errorf("after %s: %q, want %q", step.passes, got, step.want)
		}
		if all, err := db.Status(t.Context()); err != nil || string(all[0].Level) != strings.Fields(step.want)[0] {
			t.Errorf("status: %+v, %v", all, err)
		}
	}
	if n := one(t, own, `SELECT group_concat(id) FROM people`); n != "1" {
		t.Errorf("people are %s", n)
	}
	spec.Budget.Deletes = 0 // a change of the budget needs no poll
	age(t, own, 6*time.Minute)
	if err := db.Table(spec).Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := one(t, own, `SELECT (deletes IS NULL) || ' ' || (critical_at = deletes_as_of + 600) FROM larder_watermark`); got != "1 1" {
		t.Errorf("the budget without deletes is %q", got)
	}
}

// Half a row makes none in a table that demands the other half.
func TestHalfARowIsSetAside(t *testing.T) {
	_, own, db, _ := prepared(t)
	spec := people()
	spec.Partial, spec.Columns[1].NotNull = true, true
	half := person(1, "", "00:02")
	half.Slots[1] = nil
	table := db.Table(spec)
	if a := apply(t, table, changes("w1"), half); a != (syncer.Applied{Quarantined: 1}) {
		t.Errorf("half a row of none counted %+v", a)
	}
	if got := one(t, own, `SELECT key || ' ' || column_name || ' ' || reason FROM larder_quarantine`); got != "[1] name is missing, and there is no row that has it" {
		t.Errorf("set aside: %q", got)
	}
	if out, err := table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderQuarantineRetry}); err != nil || !strings.HasPrefix(out, "0 of 1") {
		t.Errorf("retry: %q, %v", out, err)
	}
	apply(t, table, changes("w2"), person(1, "Ada", "00:01"))
	if a := apply(t, table, changes("w3"), half); a.Updated != 1 {
		t.Errorf("half a row of one counted %+v", a)
	}
	if got := one(t, own, `SELECT name || ' ' || updated_at FROM people`); got != "Ada 2026-11-23T00:02:00.000000Z" {
		t.Errorf("the row is %q", got)
	}
	spec.MisfitFails = true
	half.Slots[0] = []byte("2")
	_, err := db.Table(spec).Apply(t.Context(), changes("w4"), []*syncer.Batch{{Records: []syncer.Record{half}}})
	if syncer.Classify(err) != syncer.ClassMisfit {
		t.Errorf("half a row where misfits fail: %v", err)
	}
}
