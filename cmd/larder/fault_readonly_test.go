//go:build unix

package main_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// readOnlyByDefault is a database that takes no writes, as its operator or its
// host has it when a disk is all but full: sessions that begin later do not
// write, and nothing of larder's overrides that.
func readOnlyByDefault(t *testing.T, program string) {
	r, dsn := newPostgresRig(t, program)
	f := r.run(r.larder)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	do := func(statement string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), `do $$ begin execute format('`+statement+`', current_database()); end $$`); err != nil {
			t.Fatal(err)
		}
	}
	// Those that were there before do not see the change, so they end.
	hangUp := func() {
		t.Helper()
		_, err := conn.Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'larder'`)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range faults(t, 1, 2, 3) {
		when := fmt.Sprintf("read-only by default from page %d on", page)
		f.at(page, func() {
			do(`alter database %I set default_transaction_read_only = on`)
			hangUp()
		})
		f.endures(when, `"class":"db"`, "database is read-only", "default_transaction_read_only", "25006")
		before := f.claims(when).Staleness
		if l := f.status(when); l.Staleness < before.Seconds() {
			t.Errorf("%s: status claims %gs, SQL has claimed %s", when, l.Staleness, before)
		}
		if _, err := conn.Exec(t.Context(), `set default_transaction_read_only = off`); err != nil {
			t.Fatal(err)
		}
		do(`alter database %I reset default_transaction_read_only`)
		hangUp()
		f.recovers(when)
	}
}

// becomesStandby is a server that becomes one, as in a failover to another node, and is
// promoted again.
func becomesStandby(t *testing.T, program string) {
	server := postgrestest.Start(t)
	dsn := server.Database(t)
	r := newRig(t)
	r.consumer, r.larder = killtest.OpenPostgres(t, dsn), killtest.Configure(t, program, r.owner, dsn)
	f := r.run(r.larder)
	f.at(2, func() { server.Shut(t) })
	server.Demote(t)
	server.Restart(t)
	f.consumer = killtest.OpenPostgres(t, dsn)
	f.endures("on a standby", `"class":"db"`, "database is read-only, because it is a standby", "25006")
	server.Promote(t)
	f.recovers("promoted")
}

// serverIsFull refuses what the copy or the bookkeeping would take, with the
// state that a server has for it. A disk of its own would need the right to
// mount one.
func serverIsFull(t *testing.T, program string) {
	r, dsn := newPostgresRig(t, program)
	f := r.run(r.larder)
	alterPostgres(t, dsn, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'could not extend file "base/16384/16397": No space left on device' USING ERRCODE = 'disk_full'; END $$`)
	for _, table := range faults(t, "users", "larder.watermark") {
		for _, page := range faults(t, 1, 2, 3) {
			when := fmt.Sprintf("the server's disk is full for %s from page %d on", table, page)
			f.at(page, func() {
				alterPostgres(t, dsn, `CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON `+table+` FOR EACH ROW EXECUTE FUNCTION refuse()`)
			})
			f.endures(when, `"class":"db"`, "the server's disk is full", "53100")
			alterPostgres(t, dsn, `DROP TRIGGER refuse ON `+table)
			f.recovers(when)
		}
	}
}
