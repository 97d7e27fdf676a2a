package main

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// bubbleClock makes SQLite read the clock of the goroutine that calls it, and
// sleep on it: in a bubble that is the bubble's, elsewhere the real one.
var bubbleClock = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	defer tls.Close()
	vfs := at[lib.Tsqlite3_vfs](lib.Xsqlite3_vfs_find(tls, 0))
	vfs.FxCurrentTimeInt64 = pointer(func(_ *libc.TLS, _, into uintptr) int32 {
		const julian = 210866760000000 // from the start of SQLite's calendar to that of Unix
		*at[int64](into) = julian + time.Now().UnixMilli()
		return lib.SQLITE_OK
	})
	vfs.FxSleep = pointer(func(_ *libc.TLS, _ uintptr, microseconds int32) int32 {
		time.Sleep(time.Duration(microseconds) * time.Microsecond)
		return microseconds
	})
})

// at is what the translated C has at an address.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// pointer is what the translated C takes for a pointer to a function.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// soakPostgres is a database whose clock is told what time it is.
type soakPostgres struct {
	dsn  string
	mu   sync.Mutex
	told *pgx.Conn // of the test; made outside of the bubble
}

const toldClock = `CREATE SCHEMA told;
CREATE UNLOGGED TABLE told.at (now timestamptz NOT NULL) WITH (fillfactor = 10);
INSERT INTO told.at VALUES ('2000-01-01 00:00:00+00');
CREATE FUNCTION told.now() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT now FROM told.at';
CREATE FUNCTION told.transaction_timestamp() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT now FROM told.at';
CREATE FUNCTION told.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT now FROM told.at';
CREATE FUNCTION told.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS 'SELECT now FROM told.at'`

func newSoakPostgres(t *testing.T) *soakPostgres {
	t.Helper()
	u, err := url.Parse(postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", "public,told,pg_catalog") // what stands first hides what follows
	u.RawQuery = q.Encode()
	p := &soakPostgres{dsn: u.String()}
	if p.told, err = pgx.Connect(context.Background(), p.dsn); err == nil {
		_, err = p.told.Exec(context.Background(), toldClock)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.told.Close(context.Background()) })
	return p
}

// tell tells the database what time it is.
func (p *soakPostgres) tell(ctx context.Context) error {
	return p.exec(ctx, `UPDATE told.at SET now = $1`, time.Now())
}

func (p *soakPostgres) exec(ctx context.Context, statement string, args ...any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.told.Exec(ctx, statement, args...)
	return err
}

// sessions is how many connections the database has, the test's own left out.
func (p *soakPostgres) sessions(ctx context.Context) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.told.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`).Scan(&n)
	return n, err
}
