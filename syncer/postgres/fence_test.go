package postgres_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/postgres"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// An open commit does not hold up the renewal of its own lease, even one that
// has run out, and does hold up a takeover: so nothing that it writes can come
// after the successor's first look.
func TestRenewalPassesAnOpenCommitAndTakeoverWaits(t *testing.T) {
	h := newHouse(t).keep(people())
	h.apply(walk(syncer.Changes, "w1"), person(1, "Ada", "00:01"))

	exec(t, h.consumer, "BEGIN; UPDATE people SET name = 'consumer' WHERE id = 1")
	applied := make(chan error, 1)
	go func() {
		_, err := h.table.Apply(t.Context(), walk(syncer.Changes, "w2"), batch(person(1, "Bo", "00:02")))
		applied <- err
	}()
	h.waiting(1) // past its fence, on the consumer's row

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := h.db.Renew(ctx); err != nil {
		t.Errorf("renew beside an open commit: %v", err)
	}
	other := connect(t, h.dsn)
	exec(t, other, "UPDATE larder.lease SET expires_at = now() - interval '1 second'")
	taken := make(chan error, 1)
	second := open(t, h.dsn, "second")
	go func() { taken <- second.Acquire(t.Context()) }()
	h.waiting(2)
	select {
	case err := <-taken:
		t.Errorf("takeover did not wait for the open commit: %v", err)
	default:
	}
	exec(t, h.consumer, "ROLLBACK")
	if err := <-applied; err != nil {
		t.Errorf("commit under a lease that ran out and was not taken: %v", err)
	}
	if err := <-taken; err != nil {
		t.Errorf("takeover: %v", err)
	}
	h.want("SELECT name FROM people", "Bo")
	if _, err := h.table.Apply(t.Context(), walk(syncer.Changes, "w3"), batch(person(1, "Cy", "00:03"))); !errors.Is(err, syncer.ErrFenced) {
		t.Errorf("apply after the takeover: %v, want ErrFenced", err)
	}
}

// A standby that asks does not lock the lease's row.
func TestStandbyDoesNotDisturb(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, "BEGIN; SELECT FROM larder.lease FOR UPDATE")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var held *syncer.HeldError
	if err := open(t, h.dsn, "second").Acquire(ctx); !errors.As(err, &held) || held.Holder != "first" {
		t.Errorf("acquire of a held lease: %v, want that first holds it", err)
	}
	exec(t, h.consumer, "ROLLBACK")
}

func TestManyDaemonsStartAtOnce(t *testing.T) {
	dsn := postgrestest.Database(t)
	var daemons []*postgres.Database
	for range 6 {
		daemons = append(daemons, open(t, dsn, "one of many"))
	}
	errs := make([]error, len(daemons))
	var wg sync.WaitGroup
	for i, d := range daemons {
		wg.Go(func() { errs[i] = d.Acquire(t.Context()) })
	}
	wg.Wait()
	holders := 0
	for i, err := range errs {
		if err == nil {
			holders++
		} else if !errors.Is(err, syncer.ErrFenced) {
			t.Errorf("daemon %d: %v", i, err)
		}
	}
	if holders != 1 {
		t.Errorf("%d daemons hold the lease", holders)
	}
}

func TestNewerBookkeepingIsLeftAlone(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, "COMMENT ON TABLE larder.watermark IS 'larder: where copies stand and how old they are; layout 99'")
	if err := open(t, h.dsn, "old").Acquire(t.Context()); err == nil || errors.Is(err, syncer.ErrFenced) {
		t.Errorf("acquire: %v, want that another larder made the schema", err)
	}
}

// A writer role without any right to create keeps what is there.
func TestWriterNeedsNoRightToCreate(t *testing.T) {
	h := newHouse(t).keep(people())
	if err := h.db.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	dsn := postgrestest.Role(t, h.dsn)
	role := one[string](t, connect(t, dsn), "SELECT current_user")
	exec(t, h.consumer, "GRANT USAGE ON SCHEMA larder TO "+role+"; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA larder TO "+role+
		"; GRANT SELECT, INSERT, UPDATE, DELETE ON people TO "+role)
	db := open(t, dsn, "writer")
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.table = db.Table(people())
	if err := h.table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := walk(syncer.Snapshot, "w1")
	h.apply(w, person(1, "Ada", "00:01"))
	h.settle(w, syncer.End{Listed: true})
	h.want("SELECT name FROM people", "Ada")
}

// A daemon whose write was under way when it lost the lease, and that has the
// lease again by the time that the write comes to its fence, cannot commit it:
// another daemon may have written in between.
func TestWriteOfAnEarlierTermCannotCommit(t *testing.T) {
	h := newHouse(t).keep(people())
	blocker, err := h.consumer.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec(t.Context(), `LOCK TABLE people IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := h.table.Apply(t.Context(), walk(syncer.Changes, "w"), batch(person(1, "of the first term", "00:01")))
		done <- err
	}()
	h.waiting(1) // it stages, which needs the table
	if err := h.db.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := open(t, h.dsn, "second")
	if err := second.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, syncer.ErrFenced) {
		t.Errorf("apply: %v, want ErrFenced", err)
	}
	h.want(`SELECT name FROM people`)
}
