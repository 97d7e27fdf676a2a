package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/postgres"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
	"github.com/larder-sync/larder/syncer/row"
)

// people is the table that most tests use; slots 0 to 2 are id, name and
// updated_at.
func people() row.Spec {
	return row.Spec{
		Name: "test.people", Target: "people", Source: "people", Partitions: []syncer.Partition{{}},
		Columns: []row.Column{
			{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}},
			{Name: "name", Type: row.Type{Kind: row.Text}, Slots: []int{1}},
			{Name: "updated_at", Type: row.Type{Kind: row.Timestamptz}, Slots: []int{2}},
		},
		Key: []int{0}, Version: 2, Shape: syncer.Shape("people", []string{"id", "name", "updated_at"}),
		Budget: syncer.Budget{Warn: 5 * time.Minute, Critical: 15 * time.Minute},
		Guard:  syncer.Guard{Share: 0.5, Floor: 2}, Confirm: 1, Remember: 2 * time.Minute,
	}
}

// person makes a record; at is "HH:MM" of one day.
func person(id int, name, at string) syncer.Record {
	return syncer.Record{Slots: [][]byte{fmt.Append(nil, id), fmt.Appendf(nil, "%q", name), fmt.Appendf(nil, `"2026-11-23T%s:00Z"`, at)}}
}

func tombstone(id int, at string) syncer.Record {
	r := person(id, "", at)
	r.Slots[1], r.Gone = nil, true
	return r
}

// house is a database with one daemon that holds the lease, and the consumer
// beside it.
type house struct {
	t        *testing.T
	dsn      string
	db       *postgres.Database
	consumer *pgx.Conn
	table    *postgres.Table
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return houseOf(t, postgrestest.Database(t))
}

func houseOf(t *testing.T, dsn string) *house {
	t.Helper()
	h := &house{t: t, dsn: dsn, db: open(t, dsn, "first"), consumer: connect(t, dsn)}
	if err := h.db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// keep prepares the table of a spec.
func (h *house) keep(spec row.Spec) *house {
	h.t.Helper()
	h.table = h.db.Table(spec)
	if err := h.table.Prepare(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	return h
}

func walk(kind syncer.WalkKind, id string) syncer.Walk {
	return syncer.Walk{ID: id, Kind: kind, Sent: time.Now()}
}

func batch(records ...syncer.Record) []*syncer.Batch {
	return []*syncer.Batch{{Records: records}}
}

func (h *house) apply(w syncer.Walk, records ...syncer.Record) syncer.Applied {
	h.t.Helper()
	a, err := h.table.Apply(h.t.Context(), w, batch(records...))
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

func (h *house) settle(w syncer.Walk, end syncer.End) syncer.Settled {
	h.t.Helper()
	s, err := h.table.Settle(h.t.Context(), w, syncer.Settlement{End: &end})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// want compares a query's rows, columns joined by a space, in its order.
func (h *house) want(query string, lines ...string) {
	h.t.Helper()
	got := list[string](h.t, h.consumer, query)
	if strings.Join(got, "\n") != strings.Join(lines, "\n") {
		h.t.Errorf("%s:\n%q\nwant\n%q", query, got, lines)
	}
}

// waiting waits until n backends wait for locks in the house's database.
func (h *house) waiting(n int) {
	h.t.Helper()
	watch := connect(h.t, h.dsn)
	ctx, cancel := context.WithTimeout(h.t.Context(), 4*time.Second)
	defer cancel()
	for found := 0; found < n; {
		err := watch.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&found)
		if err != nil {
			h.t.Fatalf("%d backends never waited: %v", n, err)
		}
	}
}
