package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// audited is a complete audit that sees exactly these records.
func (h *house) audited(id string, c syncer.Comparison, records ...syncer.Record) syncer.Audited {
	h.t.Helper()
	w := walk(syncer.Audit, id)
	w.Audit = &c
	if _, err := h.table.Apply(h.t.Context(), w, nil); err != nil {
		h.t.Fatal(err)
	}
	h.apply(w, records...)
	return *h.settle(w, syncer.End{Listed: true}).Audit
}

func (h *house) found(got, want syncer.Audited) {
	h.t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(syncer.Audited{}, "Proven")); diff != "" {
		h.t.Errorf("audit (-want +got):\n%s", diff)
	}
	if clean := got.Left() == 0 && got.Suspects == 0; clean == got.Proven.IsZero() {
		h.t.Errorf("audit %+v proves the copy as of %s", got, got.Proven)
	}
}

// goods is a table of the consumer, whose types are not those that larder
// would give it.
func goods(h *house) row.Spec {
	exec(h.t, h.consumer, `CREATE TABLE people (id varchar(20) PRIMARY KEY, name varchar(20), price numeric, doc json, updated_at timestamp, own text DEFAULT 'mine')`)
	spec := people()
	spec.Columns = append(spec.Columns, row.Column{Name: "price", Type: row.Type{Kind: row.Numeric}, Slots: []int{3}},
		row.Column{Name: "doc", Type: row.Type{Kind: row.JSON}, Slots: []int{4}})
	spec.Guard = syncer.Guard{Share: 0.5, Floor: 10}
	return spec
}

func good(id int) syncer.Record {
	r := person(id, fmt.Sprint("name ", id), "00:01")
	r.Slots = append(r.Slots, []byte("1.50"), []byte(`{"b":1.0,"a":[]}`))
	return r
}

// An audit of an adopted table finds nothing where nothing differs, whatever
// the types, and puts right what statements of others did to it behind larder.
func TestAuditOfAnAdoptedTable(t *testing.T) {
	h := newHouse(t)
	h.keep(goods(h))
	var list []syncer.Record
	for id := range 20 {
		list = append(list, good(id))
	}
	w := walk(syncer.Resync, "w0")
	h.apply(w, list...)
	h.settle(w, syncer.End{Listed: true})
	repairs := syncer.Comparison{Compare: syncer.CompareAll, Persist: time.Minute, Repair: true}
	h.found(h.audited("a1", repairs, list...), syncer.Audited{Compared: 20})

	exec(t, h.consumer, `UPDATE people SET price = 1.5 WHERE id = '1'; UPDATE people SET name = 'NAME 2' WHERE id = '2';
		UPDATE people SET doc = '{"a":[],"b":1.0}' WHERE id = '3'; UPDATE people SET updated_at = '2030-01-01' WHERE id = '4';
		UPDATE people SET own = 'changed' WHERE id = '5'; DELETE FROM people WHERE id = '6'; INSERT INTO people (id, name) VALUES ('77', 'extra')`)
	looks := repairs
	looks.Repair = false
	h.found(h.audited("a2", repairs, list...), syncer.Audited{Compared: 20, Suspects: 6})
	age(t, h.consumer, 2*time.Minute)
	exec(t, h.consumer, `UPDATE people SET price = 7 WHERE id = '1'`) // differs in another way
	h.found(h.audited("a3", looks, list...), syncer.Audited{Compared: 20, Missing: 1, Extra: 1, Different: 3, Suspects: 1})
	h.want(`SELECT concat_ws(' ', id, name, price, doc, own) FROM people WHERE id IN ('2', '77') ORDER BY id`, `2 NAME 2 1.50 {"b":1.0,"a":[]} mine`, "77 extra mine")
	age(t, h.consumer, 2*time.Minute)
	h.found(h.audited("a4", repairs, list...), syncer.Audited{Compared: 20, Missing: 1, Extra: 1, Different: 4, Repaired: 6})
	h.want(`SELECT concat_ws(' ', id, name, price, doc, updated_at, own) FROM people WHERE id IN ('1', '2', '3', '4', '5', '6', '77') ORDER BY id`,
		`1 name 1 1.50 {"b":1.0,"a":[]} 2026-11-23 00:01:00 mine`, `2 name 2 1.50 {"b":1.0,"a":[]} 2026-11-23 00:01:00 mine`,
		`3 name 3 1.50 {"b":1.0,"a":[]} 2026-11-23 00:01:00 mine`, `4 name 4 1.50 {"b":1.0,"a":[]} 2026-11-23 00:01:00 mine`,
		`5 name 5 1.50 {"b":1.0,"a":[]} 2026-11-23 00:01:00 changed`, `6 name 6 1.50 {"b":1.0,"a":[]} 2026-11-23 00:01:00 mine`)
	h.found(h.audited("a5", repairs, list...), syncer.Audited{Compared: 20})
	h.want(`SELECT concat_ws(' ', audit_found, audit_left, audit_error, proven_as_of > now() - interval '1 minute', rows) FROM larder.freshness`, "0 0  t 20")
	h.want(`SELECT kind FROM larder.suspect_people`)
}

// Which extra rows are in a sample is told from their keys as the table has
// them, of whatever type: every one of them is in one sample.
func TestSamplesOfExtraRows(t *testing.T) {
	for kind, typ := range map[row.Kind]string{row.Bigint: "numeric(20,2)", row.Text: "text", row.Numeric: "numeric", row.Double: "double precision",
		row.UUID: "uuid", row.Timestamptz: "timestamptz", row.Date: "date", row.Bytes: "bytea"} {
		t.Run(kind.String(), func(t *testing.T) {
			h := newHouse(t)
			exec(t, h.consumer, `CREATE TABLE people (id `+typ+` PRIMARY KEY, name text, updated_at timestamptz)`)
			spec := people()
			spec.Columns[0].Type = row.Type{Kind: kind}
			h.keep(spec)
			value := func(n int) string {
				switch kind {
				case row.Bigint:
					return fmt.Sprint(n)
				case row.Numeric, row.Double:
					return fmt.Sprint(n, ".5")
				case row.UUID:
					return fmt.Sprintf(`"a0eebc99-9c0b-4ef8-bb6d-%012d"`, n)
				case row.Timestamptz:
					return fmt.Sprintf(`"2026-11-23T00:%02d:01.25Z"`, n)
				case row.Date:
					return fmt.Sprintf(`"2026-11-%02d"`, n+1)
				case row.Bytes:
					return fmt.Sprintf(`"AA%02d"`, n)
				}
				return fmt.Sprintf(`"key \"%d\""`, n)
			}
			var list []syncer.Record
			for n := range 24 {
				r := person(0, "x", "00:01")
				r.Slots[0] = []byte(value(n))
				list = append(list, r)
			}
			h.apply(walk(syncer.Changes, "c"), list...)
			for nth := range 3 {
				c := syncer.Comparison{Compare: syncer.CompareSample, Sample: nth, Samples: 3}
				want := 0
				for _, r := range list {
					if row.InSample(spec.Fold(batch(r), true).Upserts[0].Key, nth, 3) {
						want++
					}
				}
				if got := h.audited(fmt.Sprint("a", nth), c); got.Suspects != want || want == 0 {
					t.Errorf("sample %d of 3 suspects %d, want %d", nth, got.Suspects, want)
				}
			}
			if n := one[int](t, h.consumer, `SELECT count(*)::int FROM larder.suspect_people`); n != 24 {
				t.Errorf("%d suspects in all", n)
			}
		})
	}
}

// A list that was staged before changes of the same keys committed leaves them
// alone: what it merges by is read behind its turn.
func TestTouchedWhileAListIsStaged(t *testing.T) {
	h := newHouse(t).keep(people())
	w := walk(syncer.Resync, "w")
	h.apply(w, person(9, "listed", "00:01"))
	exec(t, h.consumer, "BEGIN; SELECT FROM larder.watermark FOR UPDATE")
	changed, listed := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := h.table.Apply(t.Context(), walk(syncer.Changes, "c"), batch(person(1, "changed", "00:05"), tombstone(2, "00:05"), person(9, "changed", "00:05")))
		changed <- err
	}()
	h.waiting(1)
	go func() {
		_, err := h.table.Apply(t.Context(), w, batch(person(1, "listed", "00:01"), person(2, "listed", "00:01"), person(3, "listed", "00:01"), person(9, "listed", "00:01")))
		listed <- err
	}()
	h.waiting(2)
	exec(t, h.consumer, "COMMIT")
	if err := <-changed; err != nil {
		t.Fatal(err)
	}
	if err := <-listed; err != nil {
		t.Fatal(err)
	}
	if s := h.settle(w, syncer.End{Listed: true}); s.Swept != 0 {
		t.Errorf("settled %+v", s)
	}
	h.want("SELECT id || ' ' || name FROM people ORDER BY id", "1 changed", "3 listed", "9 changed")
}

// Rows that the database refuses are set aside by an audit that repairs, too,
// and those that it takes are put right.
func TestAuditSetsRefusedRowsAside(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE TABLE people (id bigint PRIMARY KEY, name varchar(10) CHECK (name <> 'forbidden'), updated_at timestamptz);
		INSERT INTO people VALUES (1, 'old', '2026-11-23 00:00+00'), (2, 'old', '2026-11-23 00:00+00')`)
	h.keep(people())
	list := []syncer.Record{person(1, "forbidden", "00:01"), person(2, "new", "00:01"), person(3, "much too long for ten", "00:01"), person(4, "new", "00:01")}
	repairs := syncer.Comparison{Compare: syncer.CompareAll, Repair: true}
	h.audited("a1", repairs, list...)
	w := walk(syncer.Audit, "a2")
	w.Audit = &repairs
	if a := h.apply(w, list...); a.Inserted != 1 || a.Updated != 1 || a.Quarantined != 2 {
		t.Errorf("applied %+v", a)
	}
	if s := h.settle(w, syncer.End{Listed: true}); s.Audit.Extra != 0 || s.Audit.Repaired != 2 {
		t.Errorf("settled %+v", s.Audit)
	}
	h.want("SELECT id || ' ' || name FROM people ORDER BY id", "1 old", "2 new", "4 new")
}
