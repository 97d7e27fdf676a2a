package killtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Consumer is a consumer's database as the consumer sees it: by SQL, through
// the plain driver.
type Consumer interface {
	// State reads the copy and larder's position at one instant.
	State(context.Context) (State, error)
	// Claim reads what the view freshness says of the users; the zero Claim
	// where there is no such line.
	Claim(context.Context) (Claim, error)
	// EndLease does what time would do: the lease runs out.
	EndLease(context.Context) error
	// Wipe makes the database as it was before larder first came.
	Wipe(context.Context) error
	// Exec does what somebody else may do to the tables.
	Exec(ctx context.Context, statements string) error
	// Holder is whom the lease names; "" if nobody holds it.
	Holder(context.Context) (string, error)
}

// resume is the part of larder's note of an unfinished walk that is judged.
type resume struct {
	Cursor string `json:"cursor"`
}

// readPlace reads the owner's token or keyset out of a stored place to resume
// at.
func readPlace(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var r resume
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return "", fmt.Errorf("read resume: %w", err)
	}
	if rest, more := strings.CutPrefix(r.Cursor, "~"); more { // a note of more than a place
		var note struct{ At string }
		if err := json.Unmarshal([]byte(rest), &note); err != nil {
			return "", fmt.Errorf("read resume: %w", err)
		}
		r.Cursor = note.At
	}
	var token string
	if err := json.Unmarshal([]byte(r.Cursor), &token); err != nil {
		return r.Cursor, nil // a keyset is no text
	}
	return token, nil
}

func readTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339Nano, text)
}

// Postgres is a consumer's Postgres database, on one connection.
type Postgres struct{ conn *pgx.Conn }

// OpenPostgres connects to the database of a postgres:// URL until the test
// ends.
func OpenPostgres(tb testing.TB, url string) Postgres {
	tb.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		tb.Fatal("read the URL of the test's Postgres")
	}
	// Nothing is remembered of tables that come and go.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	c, err := pgx.ConnectConfig(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return Postgres{conn: c}
}

// State implements Consumer.
func (p Postgres) State(ctx context.Context) (s State, err error) {
	tx, err := p.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return s, err
	}
	s, err = readPostgres(ctx, tx)
	return s, errors.Join(err, tx.Rollback(ctx))
}

func readPostgres(ctx context.Context, tx pgx.Tx) (State, error) {
	s := newState()
	var users, watermark, quarantine bool
	err := tx.QueryRow(ctx, `select to_regclass('users') is not null, to_regclass('larder.watermark') is not null,
		to_regclass('larder.quarantine') is not null`).Scan(&users, &watermark, &quarantine)
	if err != nil {
		return s, err
	}
	if users {
		found, err := tx.Query(ctx, `select id, name, amount::text, updated_at from users order by id`)
		if err == nil {
			s.Rows, err = pgx.CollectRows(found, pgx.RowToStructByPos[Row])
		}
		if err != nil {
			return s, err
		}
	}
	if quarantine {
		if err := tx.QueryRow(ctx, `select count(*) from larder.quarantine`).Scan(&s.Quarantined); err != nil {
			return s, err
		}
	}
	if !watermark {
		return s, nil
	}
	found, err := tx.Query(ctx, `select partition, watermark, coalesce(resume, ''), coalesce(list_resume, ''), as_of, deletes_as_of, rows
		from larder.watermark where table_name = 'users' and not roster`)
	if err != nil {
		return s, err
	}
	var part, mark, resume, list string
	var asOf, deletes *time.Time
	var rows int64
	_, err = pgx.ForEachRow(found, []any{&part, &mark, &resume, &list, &asOf, &deletes, &rows}, func() error {
		at := Standing{Counted: rows}
		if asOf != nil {
			at.AsOf = *asOf
		}
		if deletes != nil {
			at.Deletes = *deletes
		}
		return s.add(part, at, stored{mark, resume, list})
	})
	return s, err
}

// stored is the text of a position.
type stored struct{ watermark, resume, list string }

// newState is that of a database in which larder never was.
func newState() State {
	return State{Standing: Standing{Counted: -1}, Parts: make(map[string]Standing)}
}

// add adds the position of a partition.
func (s *State) add(part string, at Standing, text stored) error {
	var errs [3]error
	at.Watermark, errs[0] = readTime(text.watermark)
	at.Cursor, errs[1] = readPlace(text.resume)
	at.Listed, errs[2] = readPlace(text.list)
	s.Parts[part] = at
	if part == "" {
		s.Standing = at
	}
	return errors.Join(errs[:]...)
}

// EndLease implements Consumer. What a killed process has sent may still be on its way to the server, a renewal of
// the lease among it, so its sessions end first.
func (p Postgres) EndLease(ctx context.Context) error {
	const sessions = `select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`
	for left := 1; left > 0; {
		if err := p.conn.QueryRow(ctx, sessions).Scan(&left); err != nil {
			return err
		}
	}
	_, err := p.conn.Exec(ctx, `update larder.lease set expires_at = now()`)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" { // no such table: the lease is not there yet
		return nil
	}
	return err
}

// Wipe implements Consumer.
func (p Postgres) Wipe(ctx context.Context) error {
	return p.Exec(ctx, `drop schema if exists larder cascade; drop table if exists users`)
}

// Exec implements Consumer.
func (p Postgres) Exec(ctx context.Context, statements string) error {
	_, err := p.conn.Exec(ctx, statements, pgx.QueryExecModeSimpleProtocol)
	return err
}

// Holder implements Consumer.
func (p Postgres) Holder(ctx context.Context) (holder string, err error) {
	err = p.conn.QueryRow(ctx, `select coalesce(max(holder), '') from larder.lease where expires_at > now()`).Scan(&holder)
	return holder, err
}

// SQLite is a consumer's SQLite file.
type SQLite struct {
	File string
	// Ahead is how far the consumer's clock is ahead of this process's.
	Ahead func() time.Duration
}

func (l SQLite) do(ctx context.Context, flags sqlite.OpenFlags, do func(*sqlite.Conn) error) error {
	c, err := sqlite.OpenConn(l.File, flags)
	if err != nil {
		return err
	}
	c.SetInterrupt(ctx.Done())
	if l.Ahead != nil {
		err = l.setClock(c)
	}
	if err == nil {
		err = do(c)
	}
	return errors.Join(err, c.Close())
}

// setClock makes what asks a connection for the time hear the consumer's.
func (l SQLite) setClock(c *sqlite.Conn) error {
	seconds := func() float64 { return float64(time.Now().Add(l.Ahead()).UnixMicro()) / 1e6 }
	tell := func(from func(float64) float64) *sqlite.FunctionImpl {
		return &sqlite.FunctionImpl{NArgs: 1, AllowIndirect: true, Scalar: func(sqlite.Context, []sqlite.Value) (sqlite.Value, error) {
			return sqlite.FloatValue(from(seconds())), nil
		}}
	}
	return errors.Join(
		c.CreateFunction("unixepoch", tell(func(s float64) float64 { return s })),
		c.CreateFunction("julianday", tell(func(s float64) float64 { return s/86400 + 2440587.5 })))
}

// State implements Consumer.
func (l SQLite) State(ctx context.Context) (s State, err error) {
	if _, err := os.Stat(l.File); errors.Is(err, fs.ErrNotExist) {
		return newState(), nil
	}
	err = l.do(ctx, sqlite.OpenReadWrite, func(c *sqlite.Conn) (err error) {
		defer sqlitex.Transaction(c)(&err)
		s, err = readSQLite(c)
		return err
	})
	return s, err
}

func readSQLite(c *sqlite.Conn) (State, error) {
	s := newState()
	names := make(map[string]bool)
	err := each(c, `select name from sqlite_schema`, func(r *sqlite.Stmt) error {
		names[r.ColumnText(0)] = true
		return nil
	})
	if err == nil && names["users"] {
		err = each(c, `select id, name, amount, updated_at from users order by id`, func(r *sqlite.Stmt) error {
			if r.ColumnIsNull(1) || r.ColumnIsNull(2) {
				return fmt.Errorf("row %d lacks a value", r.ColumnInt64(0))
			}
			stamp, err := readTime(r.ColumnText(3))
			s.Rows = append(s.Rows, Row{ID: r.ColumnInt64(0), Name: r.ColumnText(1), Amount: r.ColumnText(2), Stamp: stamp})
			return err
		})
	}
	if err == nil && names["larder_quarantine"] {
		err = each(c, `select count(*) from larder_quarantine`, func(r *sqlite.Stmt) error {
			s.Quarantined = r.ColumnInt64(0)
			return nil
		})
	}
	if err == nil && names["larder_watermark"] {
		query := `select partition, watermark, coalesce(resume, ''), coalesce(list_resume, ''), coalesce(as_of, 0), coalesce(deletes_as_of, 0), "rows"
			from larder_watermark where table_name = 'users'`
		err = each(c, query, func(r *sqlite.Stmt) error {
			at := Standing{AsOf: instant(r.ColumnFloat(4)), Deletes: instant(r.ColumnFloat(5)), Counted: r.ColumnInt64(6)}
			return s.add(r.ColumnText(0), at, stored{r.ColumnText(1), r.ColumnText(2), r.ColumnText(3)})
		})
	}
	if err == nil {
		err = each(c, `pragma integrity_check`, func(r *sqlite.Stmt) error {
			if text := r.ColumnText(0); text != "ok" {
				return fmt.Errorf("file is damaged: %s", text)
			}
			return nil
		})
	}
	return s, err
}

// instant reads what is stored as seconds; 0 is none.
func instant(seconds float64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(seconds * 1e6))
}

func each(c *sqlite.Conn, query string, do func(*sqlite.Stmt) error) error {
	return sqlitex.ExecuteTransient(c, query, &sqlitex.ExecOptions{ResultFunc: do})
}

// EndLease implements Consumer.
func (l SQLite) EndLease(ctx context.Context) error {
	return l.do(ctx, sqlite.OpenReadWrite|sqlite.OpenCreate, func(c *sqlite.Conn) error {
		known := false
		err := each(c, `select 1 from sqlite_schema where name = 'larder_lease'`, func(*sqlite.Stmt) error {
			known = true
			return nil
		})
		if err != nil || !known {
			return err
		}
		return each(c, `update larder_lease set expires_at = 0`, nil)
	})
}

// Wipe implements Consumer.
func (l SQLite) Wipe(context.Context) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal", "-larder-seen", "-larder-seen-wal", "-larder-seen-shm", "-larder-seen-journal"} {
		if err := os.Remove(l.File + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Exec implements Consumer.
func (l SQLite) Exec(ctx context.Context, statements string) error {
	return l.do(ctx, sqlite.OpenReadWrite, func(c *sqlite.Conn) error { return sqlitex.ExecuteScript(c, statements, nil) })
}

// Holder implements Consumer.
func (l SQLite) Holder(ctx context.Context) (holder string, err error) {
	err = l.do(ctx, sqlite.OpenReadWrite, func(c *sqlite.Conn) error {
		return each(c, `select holder from larder_lease where expires_at > unixepoch('subsec')`, func(r *sqlite.Stmt) error {
			holder = r.ColumnText(0)
			return nil
		})
	})
	return holder, err
}
