//go:build unix

package main_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// rig is an owner, a consumer, and the larder that is killed between them.
type rig struct {
	*testing.T
	owner    *killtest.Owner
	consumer killtest.Consumer
	larder   killtest.Larder
}

// patience is for what has no promise of its own.
const patience = 40 * time.Second

const (
	killRecords  = 120
	killPageSize = 25
	// killPageTime is how long the owner takes for a page: long enough for the
	// page before it to get a transaction of its own.
	killPageTime = 6 * time.Millisecond
)

func newOwner(t *testing.T) *killtest.Owner {
	o := killtest.NewOwner(t, killRecords)
	o.Pages(killPageSize, killPageTime)
	return o
}

func newPostgresRig(t *testing.T, program string) (*rig, string) {
	dsn := postgrestest.Database(t)
	owner := newOwner(t)
	return &rig{T: t, owner: owner, consumer: killtest.OpenPostgres(t, dsn),
		larder: killtest.Configure(t, program, owner, dsn)}, dsn
}

func newSQLiteRig(t *testing.T, program string) (*rig, string) {
	file := filepath.Join(t.TempDir(), "shop.db")
	owner := newOwner(t)
	return &rig{T: t, owner: owner, consumer: killtest.SQLite{File: file},
		larder: killtest.Configure(t, program, owner, "sqlite:"+file)}, file
}

// state reads the copy and holds the position against the owner's log.
func (r *rig) state(when string) killtest.State {
	r.Helper()
	s, err := r.consumer.State(r.Context())
	if err != nil {
		r.Fatalf("%s: read the copy: %v", when, err)
	}
	if err := r.owner.Position(s); err != nil {
		r.Fatalf("%s: %v", when, err)
	}
	return s
}

// manyChanges fill three pages; fewChanges do for a poll that brings everything,
// and do not make the owner grow much.
const (
	manyChanges = 2*killPageSize + 4
	fewChanges  = 5
)

// change commits what the next poll has to bring, and makes the owner go on
// committing while it is walked.
func (r *rig) change(changes int) {
	r.owner.Mutate(changes)
	r.owner.OnPage(func(page int) {
		if page == 1 {
			r.owner.Touch(2)
		}
	})
}

// recover judges what a kill left, polls once undisturbed, and judges again.
func (r *rig) recover(killed string) {
	r.Helper()
	r.state(killed)
	r.endLease()
	r.owner.OnPage(nil)
	if err := r.larder.Start(r.T, "poll").Wait(); err != nil {
		r.Fatalf("%s: poll after it: %v", killed, err)
	}
	r.equal(killed + ", and one poll after it")
}

// equal demands that the copy is what its owner holds.
func (r *rig) equal(when string) {
	r.Helper()
	if err := r.owner.Equal(r.state(when)); err != nil {
		r.Fatalf("%s: %v", when, err)
	}
}

// endLease saves the time for which a killed process still holds the lease.
func (r *rig) endLease() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if err := r.consumer.EndLease(ctx); err != nil {
		r.Fatal(err)
	}
}

// fill polls once, so that there is a copy.
func (r *rig) fill() {
	r.Helper()
	if err := r.larder.Start(r.T, "poll").Wait(); err != nil {
		r.Fatal(err)
	}
	r.equal("first poll")
}

func (r *rig) wipe() {
	r.Helper()
	if err := r.consumer.Wipe(r.Context()); err != nil {
		r.Fatal(err)
	}
}

// await waits for what must happen soon.
func (r *rig) await(ch <-chan struct{}, what string) {
	r.Helper()
	select {
	case <-ch:
	case <-r.within(patience).Done():
		r.Fatalf("waited %s: %s", patience, what)
	}
}

// within is the test's context with a deadline.
func (r *rig) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(r.Context(), d)
	r.Cleanup(cancel)
	return ctx
}

// mustTrace skips a test where tracing is not possible; in CI on Linux and
// amd64, where it always is, that is a failure.
func mustTrace(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" && runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		t.Fatal(err)
	}
	t.Skip(err)
}
