package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/sqlite"
)

func auditing(id string, repair bool) syncer.Walk {
	return syncer.Walk{ID: id, Kind: syncer.Audit, Sent: time.Now(),
		Audit: &syncer.Comparison{Compare: syncer.CompareAll, Persist: time.Minute, Repair: repair}}
}

// audit walks the whole list once, in batches of one.
func audit(t *testing.T, table *sqlite.Table, w syncer.Walk, list ...syncer.Record) syncer.Audited {
	t.Helper()
	if _, err := table.Apply(t.Context(), w, nil); err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		apply(t, table, w, r)
	}
	s := settle(t, table, w, syncer.End{Listed: true})
	s.Audit.Proven = time.Time{}
	return *s.Audit
}

// What was changed in the table by SQL, behind larder's back, is found by the
// second audit and put right, in a table of our own and in one whose columns
// have other types and tell less apart.
func TestAuditPutsRightWhatSQLChanged(t *testing.T) {
	for name, ddl := range map[string]string{
		"our own": "",
		"adopted": `CREATE TABLE people (mine TEXT DEFAULT 'kept', name VARCHAR(20) COLLATE NOCASE, updated_at DATETIME, id INT PRIMARY KEY)`,
	} {
		t.Run(name, func(t *testing.T) {
			own, db := consumer(t, ddl+`;`)
			table := db.Table(people())
			if err := table.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			list := []syncer.Record{person(1, "Ada", "00:01"), person(2, "Bo", "00:01"), person(3, "Cy", "00:01"), person(4, "", "00:01")}
			apply(t, table, changes("w1"), list...)
			settle(t, table, changes("w1"), syncer.End{Watermark: "W"})
			if got, want := audit(t, table, auditing("a0", true), list...), (syncer.Audited{Compared: 4}); got != want {
				t.Fatalf("of a copy that is equal the audit found %+v", got)
			}
			exec(t, own, `UPDATE people SET name = 'ada', updated_at = '2099-01-01T00:00:00.000000Z' WHERE id = 1`)
			exec(t, own, `UPDATE people SET name = NULL WHERE id = 4`)
			exec(t, own, `DELETE FROM people WHERE id = 2`)
			exec(t, own, `INSERT INTO people (id, name) VALUES (9, 'Zed')`)
			if got, want := audit(t, table, auditing("a1", true), list...), (syncer.Audited{Compared: 4, Suspects: 4}); got != want {
				t.Errorf("the first audit found %+v", got)
			}
			age(t, own, 2*time.Minute)
			exec(t, own, `UPDATE people SET name = '' WHERE id = 4`) // somebody put that right
			want := syncer.Audited{Compared: 4, Missing: 1, Extra: 1, Different: 1, Repaired: 3}
			if got := audit(t, table, auditing("a2", true), list...); got != want {
				t.Errorf("the second audit found %+v", got)
			}
			rows := lines(t, own, `SELECT id || ' ' || name || ' ' || updated_at FROM people ORDER BY id`)
			if diff := cmp.Diff([]string{
				"1 Ada 2026-11-23T00:01:00.000000Z", "2 Bo 2026-11-23T00:01:00.000000Z", "3 Cy 2026-11-23T00:01:00.000000Z", "4  2026-11-23T00:01:00.000000Z",
			}, rows); diff != "" {
				t.Errorf("people (-want +got):\n%s", diff)
			}
			if got := one(t, own, `SELECT audit_found || ' ' || audit_left || ' ' || "rows" || ' ' || (proven_as_of IS NOT NULL) FROM larder_freshness`); got != "3 0 4 1" {
				t.Errorf("the view tells %q", got)
			}
			if n := one(t, own, `SELECT count(*) FROM larder_suspect_people`); n != "0" {
				t.Errorf("%s suspects are left", n)
			}
		})
	}
}

// A poll between two audits that brings nothing of a suspect leaves it, and the
// audit that follows counts it although the daemon was started anew.
func TestSuspectsOutlastTheProcess(t *testing.T) {
	file, own, db, table := prepared(t)
	apply(t, table, changes("w1"), person(1, "Ada", "00:01"))
	settle(t, table, changes("w1"), syncer.End{Watermark: "W"})
	exec(t, own, `UPDATE people SET name = 'Eve'`)
	audit(t, table, auditing("a1", false), person(1, "Ada", "00:01"))
	settle(t, table, changes("w2"), syncer.End{Watermark: "W"})
	if err := db.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	age(t, own, 2*time.Minute)
	next := open(t, file, "second")
	if err := next.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	table = next.Table(people())
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := syncer.Audited{Compared: 1, Different: 1}
	if got := audit(t, table, auditing("a2", false), person(1, "Ada", "00:01")); got != want {
		t.Errorf("the audit found %+v", got)
	}
}

func TestAuditThatCannotBeOne(t *testing.T) {
	_, own, _, table := prepared(t)
	w := auditing("a1", true)
	if _, err := table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{}}); err == nil || !strings.Contains(err.Error(), "cannot list everything") {
		t.Errorf("settle an audit of half a list: %v", err)
	}
	w.Audit = nil
	if _, err := table.Apply(t.Context(), w, nil); err == nil {
		t.Error("an audit that compares nothing is applied")
	}
	w = auditing("a2", true)
	f := syncer.Settlement{Failure: &syncer.Failure{Class: syncer.ClassHTTP5xx, Text: "owner answers 503"}}
	before := one(t, own, `SELECT json_array(last_poll, next_poll, error_class, error, failing_since) FROM larder_watermark`)
	if _, err := table.Settle(t.Context(), w, f); err != nil {
		t.Fatal(err)
	}
	if got := one(t, own, `SELECT audit_error FROM larder_freshness`); got != "owner answers 503" {
		t.Errorf("the view tells of the audit %q", got)
	}
	if after := one(t, own, `SELECT json_array(last_poll, next_poll, error_class, error, failing_since) FROM larder_watermark`); after != before {
		t.Errorf("a failed audit moved %s to %s", before, after)
	}
}

// strange is a table in which every name has to be quoted and could be taken
// for one of ours.
func strange(t *testing.T) (own *sql.DB, table *sqlite.Table, spec row.Spec) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "consumer.db")
	db := sqlite.New(sqlite.Options{File: file, Bookkeeping: `our"s`, Holder: "first"})
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	spec = people()
	spec.Target, spec.Guard = `s"us.pect`, syncer.Guard{All: true, Share: 1}
	for i, name := range []string{`k0"`, "counted", "partition"} {
		spec.Columns[i].Name = name
	}
	spec.Columns = append(spec.Columns, row.Column{Name: "kind", Type: row.Type{Kind: row.Bytes}, NotNull: true, Slots: []int{3}, Each: "kind"})
	spec.Key, spec.Partitions, spec.Changing = []int{0, 3}, nil, true
	table = db.Table(spec)
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return plain(t, file), table, spec
}

func TestAuditAndRepartitionOfStrangeNames(t *testing.T) {
	own, table, _ := strange(t)
	part := syncer.NewPartition(syncer.PartitionValue{Name: "kind", JSON: []byte(`"AAA="`)})
	if err := table.Repartition(t.Context(), []syncer.Partition{part}, time.Now()); err != nil {
		t.Fatal(err)
	}
	in := func(r syncer.Record) syncer.Record {
		r.Slots = append(r.Slots, []byte(`"AAA="`))
		return r
	}
	w := syncer.Walk{ID: "w1", Kind: syncer.Resync, Sent: time.Now(), Partition: part}
	apply(t, table, w, in(person(1, "Ada", "00:01")), in(person(2, "Bo", "00:01")))
	settle(t, table, w, syncer.End{Listed: true})
	list := []syncer.Record{in(person(1, "other", "00:01")), in(person(3, "Cy", "00:01"))}
	for i, want := range []syncer.Audited{{Compared: 2, Suspects: 3}, {Compared: 2, Missing: 1, Extra: 1, Different: 1, Repaired: 3}} {
		w := auditing([]string{"a1", "a2"}[i], true)
		w.Partition, w.Audit.Compare, w.Audit.Samples, w.Audit.Persist = part, syncer.CompareSample, 1, 0
		if got := audit(t, table, w, list...); got != want {
			t.Errorf("audit %d found %+v", i+1, got)
		}
	}
	if got := one(t, own, `SELECT group_concat("k0""" || ' ' || counted, ', ') FROM "s""us.pect"`); got != "1 other, 3 Cy" {
		t.Errorf("the table holds %q", got)
	}
	if _, err := table.Intend(t.Context()); err != nil {
		t.Error(err)
	}
	if err := table.Repartition(t.Context(), nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n := one(t, own, `SELECT count(*) FROM "s""us.pect"`); n != "0" {
		t.Errorf("%s rows are left of a partition that is no more", n)
	}
}
