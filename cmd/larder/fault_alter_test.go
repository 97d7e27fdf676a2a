//go:build unix

package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// alteration is what a consumer does to a table while it is walked.
type alteration struct {
	name   string
	change string
	// says is what the daemon has to say; nothing where it need not notice.
	says []string
	// mend is what makes it go on; "" if it does so by itself.
	mend string
	// setAside says that records are in quarantine, until somebody asks again.
	setAside bool
}

// anywhere are those that both databases know.
func anywhere() []alteration {
	return []alteration{
		{name: "a column is dropped", change: `ALTER TABLE users DROP COLUMN name`, says: []string{`"class":"db"`, "name"}},
		{name: "a column is renamed", change: `ALTER TABLE users RENAME COLUMN name TO called`, says: []string{`"class":"db"`, "name"},
			mend: `ALTER TABLE users DROP COLUMN called`},
		{name: "the table is dropped", change: `DROP TABLE users`, says: []string{`"class":"db"`, "users"}},
		{name: "the table is renamed", change: `ALTER TABLE users RENAME TO clients`, says: []string{`"class":"db"`, "users"}, mend: `DROP TABLE clients`},
		{name: "a column of the consumer's is added", change: `ALTER TABLE users ADD COLUMN note text`, mend: `ALTER TABLE users DROP COLUMN note`},
	}
}

func inPostgres() []alteration {
	return append([]alteration{
		{name: "a type becomes one that takes the values", change: `ALTER TABLE users ALTER amount TYPE text`, mend: `ALTER TABLE users ALTER amount TYPE numeric USING amount::numeric`},
		{name: "a type becomes one that takes no value", change: `ALTER TABLE users ALTER name TYPE integer USING 0`,
			says: []string{`"class":"misfit"`, "quarantine list"}, mend: `ALTER TABLE users ALTER name TYPE text`, setAside: true},
		{name: "a column of the consumer's needs a value", change: `ALTER TABLE users ADD COLUMN note text NOT NULL DEFAULT 'x'; ALTER TABLE users ALTER note DROP DEFAULT`,
			says: []string{`"class":"misfit"`, "quarantine list"}, mend: `ALTER TABLE users DROP COLUMN note`, setAside: true},
	}, anywhere()...)
}

// alterations are made by a consumer in the middle of a walk. Nothing wrong is
// written, the daemon says what does not fit, and goes on when it fits again.
func alterations(rig func(*testing.T, string) (*rig, string), do func(*testing.T, string, string), list []alteration) faultStory {
	return func(t *testing.T, program string) {
		r, where := rig(t, program)
		f := r.run(r.larder)
		for _, a := range faults(t, list...) {
			for _, page := range faults(t, 1, 2, 3) {
				when := fmt.Sprintf("%s before page %d is read", a.name, page)
				f.altered(when, page, a, func(statement string) { do(t, where, statement) })
			}
		}
	}
}

func (f *faulty) altered(when string, page int, a alteration, do func(string)) {
	f.Helper()
	f.at(page, func() { do(a.change) })
	if len(a.says) > 0 {
		f.says(a.says...)
	}
	if a.mend != "" {
		do(a.mend)
	}
	f.rest()
	if a.setAside {
		// What does not fit is told, and no matter of the daemon's alone.
		if err := f.larder.Start(f.T, "resync", "users").Wait(); err != nil {
			f.Fatalf("%s: resync: %v", when, err)
		}
	}
	f.heals(when)
	f.rest = f.busy()
	f.recovers(when)
}

// heals waits until the copy is what its owner holds, though it cannot be read
// or judged before.
func (f *faulty) heals(when string) {
	f.Helper()
	var differs error
	_, err := killtest.Eventually(f.within(patience), 50*time.Millisecond, func() (bool, error) {
		s, err := f.consumer.State(f.Context())
		if differs = err; err == nil {
			differs = f.owner.Equal(s)
		}
		return differs == nil, nil
	})
	if err != nil {
		f.Fatalf("%s: copy does not heal: %v: %v\n%s", when, err, differs, f.daemon.Log()[f.heard:])
	}
}

func alterPostgres(t *testing.T, dsn, statement string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if _, err := c.Exec(t.Context(), statement, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

func alterSQLite(t *testing.T, file, statement string) {
	t.Helper()
	c, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetBlockOnBusy()
	if err := sqlitex.ExecuteScript(c, statement, nil); err != nil {
		t.Fatal(err)
	}
}
