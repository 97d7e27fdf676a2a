package postgres_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/postgres"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

func TestTransactionsAndConnectionsAreObserved(t *testing.T) {
	var errs []error
	dsn := postgrestest.Database(t)
	db := postgres.New(postgres.Options{DSN: dsn, Observe: func(took time.Duration, err error) {
		if took <= 0 {
			t.Errorf("transaction took %v", took)
		}
		errs = append(errs, err)
	}})
	t.Cleanup(func() { _ = db.Close() })
	if got := db.Pool(); got != (postgres.Pool{}) {
		t.Errorf("connections before the first call: %+v", got)
	}
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	table := db.Table(people())
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	errs = nil
	if _, err := table.Apply(t.Context(), walk(syncer.Snapshot, "w1"), batch()); err != nil {
		t.Fatal(err)
	}
	if len(errs) != 1 || errs[0] != nil {
		t.Errorf("a batch is observed as %v", errs)
	}
	if got := db.Pool(); got.Acquired != 0 || got.Idle < 1 {
		t.Errorf("connections between calls: %+v", got)
	}
	exec(t, connect(t, dsn), `DROP TABLE larder.quarantine CASCADE`)
	errs = nil
	_, err := db.Forget(t.Context(), people().Target)
	var coded interface{ SQLState() string }
	if err == nil || len(errs) != 1 || !errors.As(errs[0], &coded) || coded.SQLState() != "42P01" {
		t.Errorf("one that fails: %v, observed as %v", err, errs)
	}
}

// TestFailingLeaseIsObserved has a database that does not answer, of which nothing
// else would be told: nobody begins a transaction without the lease.
func TestFailingLeaseIsObserved(t *testing.T) {
	var errs []error
	observe := func(_ time.Duration, err error) { errs = append(errs, err) }
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	down := postgres.New(postgres.Options{DSN: "postgres://u:p@" + l.Addr().String() + "/shop?sslmode=disable", Observe: observe})
	t.Cleanup(func() { _ = down.Close() })
	if err := down.Acquire(t.Context()); err == nil || len(errs) != 1 || !errors.Is(errs[0], err) {
		t.Errorf("a lease of a database that is down: %v, observed as %v", err, errs)
	}
	errs = nil
	dsn := postgrestest.Database(t)
	for i, want := range []error{nil, syncer.ErrFenced} {
		db := postgres.New(postgres.Options{DSN: dsn, Observe: observe})
		t.Cleanup(func() { _ = db.Close() })
		if err := db.Acquire(t.Context()); !errors.Is(err, want) || len(errs) != 0 {
			t.Errorf("daemon %d: %v, observed as %v", i, err, errs)
		}
	}
}
