package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// listen hears what comes on a channel until done says that nothing more can: a
// notification of the test's own, which comes behind all others.
func listen(t *testing.T, dsn, channel string) (done func() []string) {
	t.Helper()
	c := connect(t, dsn)
	exec(t, c, "LISTEN "+pgx.Identifier{channel}.Sanitize())
	return func() (heard []string) {
		t.Helper()
		exec(t, connect(t, dsn), "NOTIFY "+pgx.Identifier{channel}.Sanitize()+", 'done'")
		for {
			n, err := c.WaitForNotification(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n.Payload == "done" {
				return heard
			}
			heard = append(heard, n.Payload)
		}
	}
}

// TestNotify: each transaction that changed rows tells its channel once, and one
// that did not is silent.
func TestNotify(t *testing.T) {
	h := newHouse(t)
	spec := people()
	spec.Notify, spec.Guard.All = `Users "changed"`, true
	h.keep(spec)
	changes := walk(syncer.Changes, "c")
	audit := walk(syncer.Audit, "a")
	audit.Audit = &syncer.Comparison{Compare: syncer.CompareAll, Samples: 1, Repair: true}
	for _, c := range []struct {
		name string
		do   func()
		want []string
	}{
		{"inserts", func() {
			h.apply(changes, person(1, "Ada", "00:01"), person(2, "Bo", "00:01"), person(3, "Cy", "00:01"))
		},
			[]string{`{"table":"people","inserted":3,"updated":0,"deleted":0}`}},
		{"the same again", func() { h.apply(changes, person(1, "Ada", "00:01"), person(2, "Bo", "00:01")) }, nil},
		{"an end", func() { h.settle(changes, syncer.End{Watermark: "W"}) }, nil},
		{"a failure", func() {
			_, err := h.table.Settle(t.Context(), changes, syncer.Settlement{Failure: &syncer.Failure{Class: syncer.ClassHTTP5xx}})
			if err != nil {
				t.Error(err)
			}
		}, nil},
		{"several at once", func() { h.apply(changes, person(1, "Ann", "00:02"), tombstone(2, "00:02"), person(4, "Di", "00:01")) },
			[]string{`{"table":"people","inserted":1,"updated":1,"deleted":1}`}},
		{"a sweep", func() {
			w := walk(syncer.Resync, "r")
			h.apply(w, person(1, "Ann", "00:02"), person(3, "Cy", "00:01"))
			h.settle(w, syncer.End{Listed: true})
		}, []string{`{"table":"people","inserted":0,"updated":0,"deleted":1}`}},
		{"an audit", func() {
			for range 2 {
				audit.ID, audit.Sent = audit.ID+"a", time.Now()
				h.apply(audit, person(1, "Ann", "00:02"), person(5, "Ed", "00:01"))
				h.settle(audit, syncer.End{Listed: true})
			}
		}, []string{`{"table":"people","inserted":1,"updated":0,"deleted":0}`, `{"table":"people","inserted":0,"updated":0,"deleted":1}`}},
	} {
		done := listen(t, h.dsn, spec.Notify)
		c.do()
		if diff := cmp.Diff(c.want, done()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestNotifyWhatIsMarked: marks count as deletions, and what comes back as an
// insert; a held sweep tells when it is accepted, and a partition that goes.
func TestNotifyWhatIsMarked(t *testing.T) {
	h := newHouse(t)
	spec := people()
	spec.Notify, spec.Mark = "news", "deleted_at"
	h.keep(spec)
	done := listen(t, h.dsn, spec.Notify)
	h.apply(walk(syncer.Changes, "c"), person(1, "Ada", "00:01"), person(2, "Bo", "00:01"))
	h.apply(walk(syncer.Changes, "c"), tombstone(1, "00:02"))
	h.apply(walk(syncer.Changes, "c"), person(1, "Ada", "00:03"))
	w := walk(syncer.Resync, "r")
	if s := h.settle(w, syncer.End{Listed: true}); s.Held != 2 {
		t.Fatalf("settled %+v", s)
	}
	if _, err := h.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Deletes: 2}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"table":"people","inserted":2,"updated":0,"deleted":0}`, `{"table":"people","inserted":0,"updated":0,"deleted":1}`,
		`{"table":"people","inserted":1,"updated":0,"deleted":0}`, `{"table":"people","inserted":0,"updated":0,"deleted":2}`,
	}
	if diff := cmp.Diff(want, done()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMarkedByHand: a mark that the consumer sets itself lasts until the owner's
// record is seen again, and a table whose column cannot hold marks is refused.
func TestMarkedByHand(t *testing.T) {
	h := newHouse(t)
	spec := people()
	spec.Mark = "deleted_at"
	exec(t, h.consumer, `CREATE TABLE people (id bigint PRIMARY KEY, name text, updated_at timestamptz, deleted_at timestamptz, note text);
		INSERT INTO people VALUES (1, 'old', '2026-11-23T00:01:00Z', now(), 'theirs'), (2, 'Bo', '2026-11-23T00:01:00Z', NULL, 'theirs')`)
	h.keep(spec)
	if a := h.apply(walk(syncer.Changes, "c"), person(1, "Ada", "00:01"), person(2, "Bo", "00:01")); a.Inserted != 1 || a.Unchanged != 1 {
		t.Errorf("counted %+v", a)
	}
	h.want("SELECT concat_ws(' ', id, name, note, deleted_at IS NULL) FROM people ORDER BY id", "1 Ada theirs t", "2 Bo theirs t")
	for column, fault := range map[string]string{
		"deleted_at date":                 "TYPE timestamp with time zone",
		"deleted_at timestamptz NOT NULL": "DROP NOT NULL",
		"deleted_at timestamptz GENERATED ALWAYS AS (updated_at) STORED": "generated",
		"gone timestamptz": "ADD COLUMN",
	} {
		exec(t, h.consumer, "CREATE TABLE theirs (id bigint PRIMARY KEY, name text, updated_at timestamptz, "+column+")")
		spec.Target = "theirs"
		if err := h.db.Table(spec).Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v", column, err)
		}
		exec(t, h.consumer, "DROP TABLE theirs")
	}
}
