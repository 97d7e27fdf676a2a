package simulation

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer/postgres"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// Postgres is a number of databases of a real server, whose clock is that of
// the history that lives in them. It is safe for concurrent use.
type Postgres struct {
	free chan *postgresDatabase
	hits *hits
}

// postgresDatabase serves one history after the other.
type postgresDatabase struct {
	dsn      string
	consumer *pgx.Conn
	hits     *hits

	// socket is that of the server; "": there is none.
	socket string

	mu     sync.Mutex
	strike func(step string) error
	turns  int
	// spares are sessions that no daemon has.
	spares []session
}

// clockSQL makes a schema whose functions hide Postgres's own, for it stands
// before pg_catalog in the search path: they tell what the session was told.
// What empties the database for the next history is there, too: larder's own
// tables stay, those that it made for a target go.
const clockSQL = `CREATE SCHEMA larder_clock;
CREATE FUNCTION larder_clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS $$SELECT current_setting('larder.now')::timestamptz$$;
CREATE FUNCTION larder_clock.transaction_timestamp() RETURNS timestamptz STABLE LANGUAGE sql AS $$SELECT current_setting('larder.now')::timestamptz$$;
CREATE FUNCTION larder_clock.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql AS $$SELECT current_setting('larder.clock')::timestamptz$$;
CREATE FUNCTION larder_clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS $$SELECT current_setting('larder.clock')::timestamptz$$;
CREATE PROCEDURE larder_clock.empty() LANGUAGE plpgsql AS $$
DECLARE t record;
BEGIN
	FOR t IN SELECT c.oid::regclass AS name, n.nspname = 'larder' AND c.relname !~ '_' AS kept
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname IN ('larder', 'public')
	LOOP
		EXECUTE pg_catalog.format(CASE WHEN t.kept THEN 'DELETE FROM %s' ELSE 'DROP TABLE %s CASCADE' END, t.name);
	END LOOP;
END $$;`

// NewPostgres starts the server and makes its databases, of which a history
// takes one or two. It must be called outside of bubbles.
func NewPostgres(t testing.TB, databases int) *Postgres {
	t.Helper()
	p := &Postgres{free: make(chan *postgresDatabase, databases), hits: newHits(cutAhead, cutBetween, cutWithin, cutBehind, cutCommit, unanswered)}
	for range databases {
		dsn := postgrestest.Database(t)
		conn, err := pgx.Connect(context.Background(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		d := &postgresDatabase{dsn: ahead(t, dsn), consumer: conn, hits: p.hits, socket: postgrestest.Socket(t)}
		d.exec(t, clockSQL)
		t.Cleanup(d.close)
		p.free <- d
	}
	return p
}

// close ends all sessions.
func (d *postgresDatabase) close() {
	for _, s := range d.spares {
		_ = s.Close()
	}
	_ = d.consumer.Close(context.Background())
}

// ahead puts the clock of ours before Postgres's own.
func ahead(t testing.TB, dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", "public,larder_clock,pg_catalog")
	u.RawQuery = q.Encode()
	return u.String()
}

// Hits counts how often what only Postgres can suffer took effect.
func (p *Postgres) Hits() map[string]int { return p.hits.all() }

// Place is the Place: a database that is empty again.
func (p *Postgres) Place(t testing.TB) syncertest.Harness {
	h, _ := p.open(t)
	return h
}

func (p *Postgres) open(t testing.TB) (syncertest.Harness, *postgresDatabase) {
	var d *postgresDatabase
	select {
	case d = <-p.free:
	default: // to wait would stop the clock of all
		t.Fatalf("more histories live at one time than %d databases are for", cap(p.free))
	}
	t.Cleanup(func() { p.free <- d })
	d.empty(t)
	shown := new(instants)
	return syncertest.Harness{
		Daemon: func(name string) syncertest.Database { return d.daemon(t, name) },
		Table: func(db syncertest.Database, spec row.Spec) syncertest.Table {
			return &steadyTable{db.(*postgresDaemon).Kept(spec), spec.Target, shown}
		},
		Rows:      func(target string, columns []string) [][]string { return d.rows(t, target, columns) },
		LoseNotes: func() { d.loseNotes(t) },
		Strike: func(strike func(string) error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.strike = strike
		},
		Kill: func(db syncertest.Database) { db.(*postgresDaemon).lines.kill() },
	}, d
}

// postgresDaemon is a daemon's handle and its connections.
type postgresDaemon struct {
	*postgres.Database
	lines *lines
}

func (d *postgresDatabase) daemon(t testing.TB, name string) *postgresDaemon {
	l := &lines{postgresDatabase: d, open: make(map[*line]bool)}
	db := postgres.New(postgres.Options{DSN: d.dsn, Connections: 2, Holder: name, Dial: l.dial, Log: zerolog.Nop()})
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &postgresDaemon{db, l}
}

// turn is a small number, another one each time.
func (d *postgresDatabase) turn() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turns++
	return 1 + d.turns%20
}

// ask asks whether a write ends at a step.
func (d *postgresDatabase) ask(step string) error {
	d.mu.Lock()
	strike := d.strike
	d.mu.Unlock()
	if strike == nil {
		return nil
	}
	return strike(step)
}

// empty drops all that the last history left.
func (d *postgresDatabase) empty(t testing.TB) {
	d.mu.Lock()
	d.strike, d.turns = nil, 0
	d.mu.Unlock()
	d.exec(t, "CALL larder_clock.empty()")
}

// loseNotes does to the noted keys what a crash of the server does.
func (d *postgresDatabase) loseNotes(t testing.TB) {
	found, err := d.consumer.Query(context.Background(), `SELECT format('larder.%I', relname) FROM pg_class
		WHERE relnamespace = 'larder'::regnamespace AND relkind = 'r' AND relpersistence = 'u'`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(names) > 0 {
		d.exec(t, "TRUNCATE "+strings.Join(names, ", "))
	}
}

func (d *postgresDatabase) exec(t testing.TB, sql string) {
	if err := d.consumer.PgConn().Exec(context.Background(), sql).Close(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// rows reads a target in the form of Harness.Rows.
func (d *postgresDatabase) rows(t testing.TB, target string, columns []string) [][]string {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = pgx.Identifier{c}.Sanitize()
	}
	found, err := d.consumer.Query(context.Background(), "SELECT "+strings.Join(quoted, ", ")+" FROM "+pgx.Identifier{target}.Sanitize())
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(found, func(r pgx.CollectableRow) ([]string, error) {
		values, err := r.Values()
		line := make([]string, len(values))
		for i, v := range values {
			line[i] = postgresText(v)
		}
		return line, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// postgresText writes a value as Harness.Rows does.
func postgresText(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	return fmt.Sprint(v)
}
