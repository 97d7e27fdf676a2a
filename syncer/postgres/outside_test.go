package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/postgres"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// The consumer's readers need nothing but the schema and the view to fail
// closed.
func TestReadersFailClosed(t *testing.T) {
	h := newHouse(t).keep(people())
	spec := people()
	spec.Target = "never"
	if err := h.db.Table(spec).Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := walk(syncer.Changes, "w")
	w.Sent = time.Now().Add(-time.Minute)
	h.settle(w, syncer.End{Watermark: "W"})
	dsn := postgrestest.Role(t, h.dsn)
	reader := connect(t, dsn)
	role := one[string](t, reader, "SELECT current_user")
	exec(t, h.consumer, "GRANT USAGE ON SCHEMA larder TO "+role+"; GRANT SELECT ON larder.freshness TO "+role)

	if level := one[string](t, reader, "SELECT level FROM larder.freshness WHERE table_name = 'people'"); level != "fresh" {
		t.Errorf("level is %q", level)
	}
	if !one[bool](t, reader, "SELECT larder.assert_fresh('2 minutes', 'people')") {
		t.Error("a fresh table does not pass")
	}
	for call, reason := range map[string]string{
		"larder.assert_fresh('30 seconds', 'people')":                              "people is 00:01:0",
		"larder.assert_fresh('2 minutes', 'people', 'never')":                      "never was never complete",
		"larder.assert_fresh('2 minutes', 'people', 'unknown')":                    "unknown is not kept",
		"larder.assert_fresh(NULL, 'people')":                                      "takes a greatest staleness",
		"larder.assert_fresh('2 minutes', VARIADIC ARRAY[]::text[])":               "at least one table",
		"larder.assert_fresh('2 minutes', VARIADIC ARRAY[NULL, 'people']::text[])": "NULL is not kept",
	} {
		_, err := reader.Exec(t.Context(), "SELECT "+call)
		var answer *pgconn.PgError
		if !errors.As(err, &answer) || answer.Code != "P0001" || !strings.Contains(answer.Message, reason) {
			t.Errorf("%s: %v, want %q raised", call, err, reason)
		}
	}
	if _, err := reader.Exec(t.Context(), "SELECT * FROM larder.watermark"); err == nil {
		t.Error("the reader reads more than the view")
	}
	if all, err := open(t, dsn, "reader").Status(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("status by the reader: %+v, %v", all, err)
	}
}

// Where deletions have a budget of their own, the copy is as old as its as-of;
// once deletions are older than their budget, the view says so.
func TestDeletesHaveTheirBudget(t *testing.T) {
	h := newHouse(t)
	spec := people()
	spec.Budget.Deletes = time.Hour
	h.keep(spec)
	exec(t, h.consumer, `UPDATE larder.watermark SET as_of = now()`)
	if _, err := h.consumer.Exec(t.Context(), `SELECT larder.assert_fresh('1 hour', 'people')`); err == nil {
		t.Error("a copy whose deletions were never proven passes")
	}
	w := walk(syncer.Resync, "w")
	h.apply(w, person(1, "Ada", "00:01"))
	h.settle(w, syncer.End{Watermark: "W", Listed: true})
	for _, step := range []struct {
		passes       time.Duration
		level, words string
	}{{59 * time.Minute, "fresh", ""}, {2 * time.Minute, "critical", "deletes are not proven since 20"}} {
		age(t, h.consumer, step.passes)
		h.settle(walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		h.want(`SELECT concat_ws(' ', level, left(reason, 31), staleness < '1 minute', as_of > now() - interval '1 minute', deletes_as_of < now() - interval '58 minutes') FROM larder.freshness`,
			step.level+" "+step.words+" t t t")
		if !one[bool](t, h.consumer, `SELECT larder.assert_fresh('1 minute', 'people')`) {
			t.Error("a copy whose as-of is fresh does not pass")
		}
	}
	if all, err := h.db.Status(t.Context()); err != nil || time.Until(all[0].CriticalAt) > 0 || time.Since(all[0].DeletesAsOf) < time.Hour {
		t.Errorf("status %+v, %v", all, err)
	}
}

// A database that larder never wrote to says so, and is not written to.
func TestNoBookkeeping(t *testing.T) {
	dsn := postgrestest.Database(t)
	db := open(t, dsn, "looker")
	_, statusErr := db.Status(t.Context())
	_, quarantineErr := db.Quarantine(t.Context(), "", 1)
	_, sendErr := db.Send(t.Context(), syncer.Order{Kind: syncer.OrderPoll, Table: "people"})
	_, _, outcomeErr := db.Outcome(t.Context(), "1")
	for what, err := range map[string]error{"status": statusErr, "quarantine": quarantineErr, "send": sendErr, "outcome": outcomeErr} {
		if !errors.Is(err, postgres.ErrNoBookkeeping) {
			t.Errorf("%s: %v, want ErrNoBookkeeping", what, err)
		}
	}
	if _, err := db.Table(people()).Apply(t.Context(), walk(syncer.Changes, "w"), nil); !errors.Is(err, syncer.ErrFenced) {
		t.Errorf("apply without a lease: %v", err)
	}
	if n := one[int](t, connect(t, dsn), "SELECT count(*)::int FROM pg_namespace WHERE nspname = 'larder'"); n != 0 {
		t.Error("looking made a schema")
	}
}

// Unlogged notes do not outlive a crash of the server, which is noticed.
func TestCrashOfTheServerLosesTheList(t *testing.T) {
	server := postgrestest.Start(t)
	dsn := server.Database(t)
	h := houseOf(t, dsn).keep(people())
	w := walk(syncer.Snapshot, "w1")
	h.apply(w, person(1, "Ada", "00:01"), person(2, "Bo", "00:01"))
	server.Stop(t)
	_, err := h.table.Apply(t.Context(), w, batch(person(3, "Cy", "00:01")))
	if syncer.Classify(err) != syncer.ClassDatabase {
		t.Errorf("apply while the server is down: %v", err)
	}
	server.Restart(t)
	h.consumer = connect(t, dsn)
	h.apply(w, person(3, "Cy", "00:01"))
	if _, err := h.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Listed: true}}); !errors.Is(err, syncer.ErrListLost) {
		t.Fatalf("settle: %v, want ErrListLost", err)
	}
	h.want("SELECT name FROM people ORDER BY id", "Ada", "Bo", "Cy")
	w.ID = "w2"
	h.apply(w, person(1, "Ada", "00:01"), person(3, "Cy", "00:01"))
	if s := h.settle(w, syncer.End{Listed: true}); s.Swept != 1 {
		t.Errorf("the next list settled %+v", s)
	}
}

// Passwords stand in no error and no log line, whatever goes wrong.
func TestPasswordsAreNotTold(t *testing.T) {
	const secret = "c4n4ry"
	config, err := pgx.ParseConfig(postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for what, dsn := range map[string]string{
		"wrong password": fmt.Sprintf("postgres://%s:%s@%s:%d/%s?sslmode=disable", config.User, secret, config.Host, config.Port, config.Database),
		"nobody there":   fmt.Sprintf("postgres://u:%s@%s/d?sslmode=disable", secret, closed.Addr()),
		"bad url":        "postgres://u:" + secret + "@host:port:port/db",
		"bad key":        "host=127.0.0.1 password=" + secret + " port=many",
	} {
		var log bytes.Buffer
		db := postgres.New(postgres.Options{DSN: dsn, Log: zerolog.New(&log)})
		err := db.Acquire(t.Context())
		_, statusErr := db.Status(t.Context())
		if syncer.Classify(err) != syncer.ClassDatabase || statusErr == nil {
			t.Errorf("%s: acquire %v, status %v", what, err, statusErr)
		}
		if all := fmt.Sprint(err, statusErr, log.String()); strings.Contains(all, secret) {
			t.Errorf("%s: the password is told: %s", what, all)
		}
		_ = db.Close()
	}
}

// Who may read along is warned about once; loopback and sockets are private.
func TestUnprovenConnectionsAreWarnedAbout(t *testing.T) {
	for dsn, warned := range map[string]bool{
		"postgres://u@127.0.0.1:1/d?sslmode=disable":            false,
		"postgres://u@localhost:1/d":                            false,
		"host=/nowhere user=u dbname=d":                         false,
		"postgres://u@db.invalid:1/d":                           true,
		"postgres://u@db.invalid:1/d?sslmode=require":           true,
		"postgres://u@db.invalid:1/d?sslmode=verify-full":       false,
		"postgres://u@127.0.0.1,db.invalid:1/d?sslmode=disable": true,
	} {
		var log bytes.Buffer
		db := postgres.New(postgres.Options{DSN: dsn, Log: zerolog.New(&log)})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = db.Status(ctx)
		_, _ = db.Status(ctx)
		if got := strings.Count(log.String(), "not proven private"); got != map[bool]int{true: 1}[warned] {
			t.Errorf("%s: warned %d times: %s", dsn, got, log.String())
		}
		_ = db.Close()
	}
}

// The session is pinned, whatever role and database say.
func TestSessionIsPinned(t *testing.T) {
	h := newHouse(t)
	exec(t, h.consumer, `DO $$ BEGIN EXECUTE format('ALTER ROLE %I SET search_path = nowhere', current_user);
		EXECUTE format('ALTER ROLE %I SET timezone = ''Asia/Tokyo''', current_user);
		EXECUTE format('ALTER ROLE %I SET datestyle = ''German''', current_user);
		EXECUTE format('ALTER ROLE %I SET default_transaction_isolation = ''serializable''', current_user);
		EXECUTE format('ALTER ROLE %I SET statement_timeout = 0', current_user); END $$`)
	if err := h.db.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.db = open(t, h.dsn, "pinned")
	if err := h.db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.keep(people()).apply(walk(syncer.Changes, "w"), person(1, "Ada", "00:01"))
	h.want("SELECT name || ' ' || (updated_at = '2026-11-23 00:01Z') FROM public.people", "Ada true")
	h.want("SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> ''", "larder")
}
