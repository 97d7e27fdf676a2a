package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/larder-sync/larder/syncer"
)

// Rows that the database refuses go to quarantine with its reason; all others
// land, and a listing keeps what is in quarantine.
func TestRefusedRowsAreSetAside(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE TABLE people (id bigint PRIMARY KEY, name varchar(10) CHECK (name <> 'forbidden'), updated_at timestamptz);
		INSERT INTO people VALUES (150, 'old', '2026-11-23 00:00+00')`)
	h.keep(people())
	w := walk(syncer.Snapshot, "w1")
	var records []syncer.Record
	for id := range 300 {
		name := fmt.Sprint("name ", id)
		switch id {
		case 7:
			name = "much too long for ten"
		case 150, 299:
			name = "forbidden"
		}
		records = append(records, person(id, name, "00:01"))
	}
	a := h.apply(w, records...)
	if a.Inserted != 297 || a.Quarantined != 3 {
		t.Errorf("applied %+v", a)
	}
	if s := h.settle(w, syncer.End{Listed: true}); s.Swept+s.Held+s.Waiting != 0 {
		t.Errorf("settled %+v: a refused row cost the good old one", s)
	}
	h.want("SELECT name FROM people WHERE id IN (6, 7, 150, 299) ORDER BY id", "name 6", "old")
	held, err := h.db.Quarantine(t.Context(), "people", 10)
	if err != nil || len(held) != 3 {
		t.Fatalf("quarantine: %+v, %v", held, err)
	}
	for _, q := range held {
		state := "23514"
		if q.Key == "[7]" {
			state = "22001"
		}
		if !strings.Contains(q.Reason, state) || !strings.Contains(q.Record, `"updated_at":"2026-11-23T00:01:00.000000Z"`) {
			t.Errorf("quarantined %+v, want SQLSTATE %s", q, state)
		}
	}
	// Mended on either side, they leave quarantine.
	exec(t, h.consumer, "ALTER TABLE people DROP CONSTRAINT people_name_check")
	if out, err := h.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderQuarantineRetry}); err != nil || !strings.HasPrefix(out, "2 of 3") {
		t.Errorf("retry: %q, %v", out, err)
	}
	h.apply(walk(syncer.Changes, "w2"), person(7, "short", "00:02"))
	h.want("SELECT name FROM people WHERE id IN (7, 150, 299) ORDER BY id", "short", "forbidden", "forbidden")
	h.want("SELECT key FROM larder.quarantine")
}

// A constraint that waits for the commit is found all the same, and so is a
// deletion that another table stands in the way of.
func TestRefusedByOtherTables(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE TABLE names (name text PRIMARY KEY); INSERT INTO names VALUES ('Ada'), ('Bo');
		CREATE TABLE people (id bigint PRIMARY KEY, name text REFERENCES names DEFERRABLE INITIALLY DEFERRED, updated_at timestamptz);
		CREATE TABLE pets (owner bigint REFERENCES people)`)
	h.keep(people())
	if a := h.apply(walk(syncer.Changes, "w1"), person(1, "Ada", "00:01"), person(2, "Nobody", "00:01"), person(3, "Bo", "00:01")); a.Inserted != 2 || a.Quarantined != 1 {
		t.Errorf("applied %+v", a)
	}
	exec(t, h.consumer, "INSERT INTO pets VALUES (1)")
	if a := h.apply(walk(syncer.Changes, "w2"), tombstone(1, "00:02"), tombstone(3, "00:02")); a.Deleted != 1 || a.Quarantined != 1 {
		t.Errorf("deleted %+v", a)
	}
	h.want("SELECT id::text FROM people", "1")

	// Tried again, a deletion is one, and leaves the row alone until it may go.
	retry := func(want string) {
		t.Helper()
		if out, err := h.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderQuarantineRetry, Key: "[1]"}); err != nil || !strings.HasPrefix(out, want) {
			t.Errorf("retry: %q, %v", out, err)
		}
	}
	retry("0 of 1")
	h.want("SELECT name FROM people", "Ada")
	exec(t, h.consumer, "DELETE FROM pets")
	retry("1 of 1")
	h.want("SELECT name FROM people")
	h.want("SELECT key FROM larder.quarantine WHERE key = '[1]'")
}

// Two rows swap a value that a constraint of the consumer's allows once. Where
// the constraint is looked at when the page commits, they do; where at once, both
// are set aside and say so, the rest of the page lands, and they swap as soon as
// the constraint lets them.
func TestRowsThatSwapAUniqueValue(t *testing.T) {
	for _, deferred := range []bool{true, false} {
		h := newHouse(t)
		constraint := "CONSTRAINT one_name UNIQUE"
		if deferred {
			constraint += " DEFERRABLE INITIALLY DEFERRED"
		}
		exec(t, h.consumer, `CREATE TABLE people (id bigint PRIMARY KEY, name text `+constraint+`, updated_at timestamptz)`)
		h.keep(people())
		h.apply(walk(syncer.Changes, "w1"), person(7, "Ada", "00:01"), person(70, "Bo", "00:01"), person(8, "Cy", "00:01"))
		a := h.apply(walk(syncer.Changes, "w2"), person(7, "Bo", "00:02"), person(70, "Ada", "00:02"), person(8, "Cyd", "00:02"), person(9, "Di", "00:02"))
		if !deferred {
			if a.Quarantined != 2 {
				t.Errorf("applied %+v", a)
			}
			h.want("SELECT name FROM people ORDER BY id", "Ada", "Cyd", "Di", "Bo")
			exec(t, h.consumer, "ALTER TABLE people DROP CONSTRAINT one_name")
			if out, err := h.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderQuarantineRetry}); err != nil || !strings.HasPrefix(out, "2 of 2") {
				t.Errorf("retry: %q, %v", out, err)
			}
		}
		h.want("SELECT name FROM people ORDER BY id", "Bo", "Cyd", "Di", "Ada")
		h.want("SELECT key FROM larder.quarantine")
		// A key that is another one leaves its value to it.
		h.apply(walk(syncer.Changes, "w3"), person(88, "Cyd", "00:03"), tombstone(8, "00:03"))
		h.want("SELECT id::text FROM people WHERE name = 'Cyd'", "88")
	}
}

// Where misfits are to fail the poll, a refused row fails it, too.
func TestRefusedRowFailsThePoll(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `CREATE TABLE people (id bigint PRIMARY KEY, name varchar(3), updated_at timestamptz)`)
	spec := people()
	spec.MisfitFails = true
	h.keep(spec)
	_, err := h.table.Apply(t.Context(), walk(syncer.Changes, "w"), batch(person(1, "Ada", "00:01"), person(2, "too long", "00:01")))
	if syncer.Classify(err) != syncer.ClassDatabase || !strings.Contains(err.Error(), "SQLSTATE 22001") {
		t.Errorf("apply: %v", err)
	}
	h.want("SELECT name FROM people")
}

// Quarantine is bounded: what is beyond is counted.
func TestQuarantineIsBounded(t *testing.T) {
	h := newHouse(t).keep(people())
	exec(t, h.consumer, `INSERT INTO larder.quarantine (table_name, partition, key) SELECT 'people', '', 'k' || n FROM generate_series(1, 9999) n`)
	bad := func(id int) syncer.Record {
		r := person(id, "", "00:01")
		r.Slots[1] = []byte("{}")
		return r
	}
	for range 2 {
		h.apply(walk(syncer.Changes, "w"), bad(1), bad(2), bad(3))
	}
	h.want("SELECT concat_ws(' ', key, times) FROM larder.quarantine WHERE key !~ 'k' ORDER BY key", " 4", "[1] 2")
	all, err := h.db.Status(t.Context())
	if err != nil || all[0].Quarantined != 10_004 {
		t.Errorf("status %+v, %v", all, err)
	}
	if out, err := h.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderQuarantineDrop}); err != nil || !strings.HasPrefix(out, "10004 ") {
		t.Errorf("drop: %q, %v", out, err)
	}
}
