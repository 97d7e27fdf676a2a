package sqlite_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/sqlite"
)

func TestTransactionsAreObserved(t *testing.T) {
	var errs []error
	db := sqlite.New(sqlite.Options{File: filepath.Join(t.TempDir(), "shop.db"), Observe: func(took time.Duration, err error) {
		if took <= 0 {
			t.Errorf("transaction took %v", took)
		}
		errs = append(errs, err)
	}})
	t.Cleanup(func() { _ = db.Close() })
	table := db.Table(people())
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	errs = nil
	apply(t, table, snapshot("w1"), person(1, "Ada", "00:01"))
	if len(errs) != 1 || errs[0] != nil {
		t.Errorf("a batch is observed as %v", errs)
	}
	if err := db.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	errs = nil
	if _, err := db.Forget(t.Context(), "people"); !errors.Is(err, syncer.ErrFenced) || len(errs) != 1 || !errors.Is(errs[0], syncer.ErrFenced) {
		t.Errorf("one without the lease: %v, observed as %v", err, errs)
	}
}

// TestFailingLeaseIsObserved has a file that cannot be, of which nothing else would
// be told: nobody begins a transaction without the lease.
func TestFailingLeaseIsObserved(t *testing.T) {
	var errs []error
	observe := func(_ time.Duration, err error) { errs = append(errs, err) }
	dir := t.TempDir()
	broken := sqlite.New(sqlite.Options{File: filepath.Join(dir, "nowhere", "shop.db"), Observe: observe})
	t.Cleanup(func() { _ = broken.Close() })
	if err := broken.Acquire(t.Context()); err == nil || len(errs) != 1 || !errors.Is(errs[0], err) {
		t.Errorf("a lease of a file that cannot be: %v, observed as %v", err, errs)
	}
	errs = nil
	for i, want := range []error{nil, syncer.ErrFenced} {
		db := sqlite.New(sqlite.Options{File: filepath.Join(dir, "shop.db"), Observe: observe})
		t.Cleanup(func() { _ = db.Close() })
		if err := db.Acquire(t.Context()); !errors.Is(err, want) || len(errs) != 0 {
			t.Errorf("daemon %d: %v, observed as %v", i, err, errs)
		}
	}
}
