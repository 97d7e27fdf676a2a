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
	// command is what is killed.
	command string
	// excused are the keys whose rows somebody else wrote over.
	excused []int64
	tally   *tally
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

func newRig(t *testing.T) *rig {
	return &rig{T: t, owner: newOwner(t), command: "poll", tally: newTally("", t.Name())}
}

func newPostgresRig(t *testing.T, program string) (*rig, string) {
	r := newRig(t)
	return r, r.onPostgres(program)
}

func newSQLiteRig(t *testing.T, program string) (*rig, string) {
	r := newRig(t)
	return r, r.onSQLite(program)
}

// onPostgres gives the rig a consumer's database and returns its URL.
func (r *rig) onPostgres(program string) string {
	dsn := postgrestest.Database(r.T)
	r.consumer, r.larder = killtest.OpenPostgres(r.T, dsn), killtest.Configure(r.T, program, r.owner, dsn)
	return dsn
}

// onSQLite gives the rig a consumer's file and returns its path.
func (r *rig) onSQLite(program string) string {
	file := filepath.Join(r.TempDir(), "shop.db")
	r.consumer, r.larder = killtest.SQLite{File: file}, killtest.Configure(r.T, program, r.owner, "sqlite:"+file)
	return file
}

// state reads the copy and holds the position against the owner's log.
func (r *rig) state(when string) killtest.State {
	r.Helper()
	s, err := r.consumer.State(r.Context())
	if err != nil {
		r.Fatalf("%s: read the copy: %v", when, err)
	}
	s.Excused = r.excused
	if err := r.owner.Position(s); err != nil {
		r.tally.object(err)
		r.Fatalf("%s: %v", when, err)
	}
	return s
}

// manyChanges fill three pages; fewChanges do for a walk that brings everything,
// and make the owner neither grow nor shrink.
const (
	manyChanges = 2*killPageSize + 4
	fewChanges  = 6
)

// share is how far apart the kill points lie that are struck where not all
// are. The race detector, for which CI says -short, does not see the process
// that is killed.
func share() int {
	if testing.Short() {
		return 120
	}
	return 40
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

// mustTrace skips a test where tracing is not possible; in CI on Linux and
// amd64, where it always is, that is a failure.
func mustTrace(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" && runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		t.Fatal(err)
	}
	t.Skip(err)
}
