package main_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// jumped is a consumer whose clock, which is the copy's, is ahead of the one
// that the owner's commits are dated by.
type jumped struct {
	killtest.Consumer
	ahead time.Duration
}

// State brings as-of to this machine's clock. What lies in the future there
// claims that nothing is missing.
func (j *jumped) State(ctx context.Context) (killtest.State, error) {
	read := time.Now()
	s, err := j.Consumer.State(ctx)
	return s.Shifted(func(asOf time.Time) time.Time {
		switch here := asOf.Add(-j.ahead); {
		case asOf.IsZero():
			return asOf
		case here.After(read):
			return read
		default:
			return here
		}
	}), err
}

// clockStory is a daemon whose copy's clock can be set.
type clockStory struct {
	*faulty
	clock *jumped
	set   func(ahead time.Duration)
}

// machineClock sets the wall clock of a daemon's machine, which is SQLite's. The
// monotonic one goes on.
func machineClock(t *testing.T, program string) {
	r, file := newSQLiteRig(t, program)
	clock := &jumped{}
	clock.Consumer = killtest.SQLite{File: file, Ahead: func() time.Duration { return clock.ahead }}
	r.consumer = clock
	f, trace := r.runTraced(&killtest.Trace{Files: file, Tamper: true})
	f.apart = true
	(&clockStory{faulty: f, clock: clock, set: trace.Shift}).play()
}

// serverClock sets the clock of the Postgres server.
func serverClock(t *testing.T, program string) {
	r, set := newClockRig(t, program)
	clock := &jumped{Consumer: r.consumer}
	r.consumer = clock
	(&clockStory{faulty: r.run(r.larder), clock: clock, set: set}).play()
}

// newClockRig is a rig whose server's clock can be set, as far as larder's
// statements and views ask it.
func newClockRig(t *testing.T, program string) (*rig, func(ahead time.Duration)) {
	dsn := postgrestest.Database(t)
	admin, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	do := func(statement string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	do(`CREATE SCHEMA clock; CREATE TABLE clock.ahead (by interval); INSERT INTO clock.ahead VALUES ('0');
		CREATE FUNCTION clock.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT pg_catalog.now() + by FROM clock.ahead';
		CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT pg_catalog.clock_timestamp() + by FROM clock.ahead'`)
	dsn += "&search_path=public,clock,pg_catalog"
	r := newRig(t)
	r.consumer, r.larder = killtest.OpenPostgres(t, dsn), killtest.Configure(t, program, r.owner, dsn)
	return r, func(ahead time.Duration) {
		do(fmt.Sprintf("UPDATE clock.ahead SET by = '%d seconds'", int(ahead.Seconds())))
	}
}

func (c *clockStory) play() {
	c.Helper()
	for _, to := range faults(c.T, time.Hour, -time.Hour, 10*time.Minute) {
		for _, page := range faults(c.T, 1, 2, 3) {
			c.jumps(fmt.Sprintf("the clock is set %s ahead before page %d is read", to, page), page, to)
			c.jumps(fmt.Sprintf("the clock is put right again before page %d is read", page), page, 0)
		}
	}
}

// jumps sets the clock while a page is on its way, which never comes: the owner
// is down until the daemon has noticed, and only then are claims judged by the
// copy's clock, which nobody else can tell has jumped.
func (c *clockStory) jumps(when string, page int, to time.Duration) {
	c.Helper()
	back := to < c.clock.ahead
	c.at(page, func() {
		c.owner.Down(true)
		c.set(to)
		c.clock.ahead = to
	})
	if back {
		c.says("clock", "was set back")
	} else {
		c.holds(c.daemon.ID()) // by a lease that was renewed on the new time
	}
	for range 5 {
		c.claims(when)
		c.owner.Mutate(6)
	}
	c.owner.Down(false)
	c.recovers(when)
}
