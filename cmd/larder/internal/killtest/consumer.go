package killtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	// Holder is whom the lease names; "" if nobody holds it.
	Holder(context.Context) (string, error)
}

// resume is the part of larder's note of an unfinished walk that is judged.
type resume struct {
	Cursor string `json:"cursor"`
}

// readToken reads the owner's token out of a stored place to resume at.
func readToken(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var r resume
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return "", fmt.Errorf("read resume: %w", err)
	}
	var token string
	err := json.Unmarshal([]byte(r.Cursor), &token)
	return token, err
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
	s := State{Counted: -1}
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
	var mark, place string
	var asOf *time.Time
	err = tx.QueryRow(ctx, `select watermark, coalesce(list_resume, resume, ''), as_of, rows from larder.watermark where table_name = 'users'`).
		Scan(&mark, &place, &asOf, &s.Counted)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if asOf != nil {
		s.AsOf = *asOf
	}
	return s.at(mark, place)
}

// at adds a position as it is stored.
func (s State) at(watermark, place string) (State, error) {
	var err, err2 error
	s.Watermark, err = readTime(watermark)
	s.Cursor, err2 = readToken(place)
	return s, errors.Join(err, err2)
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
	_, err := p.conn.Exec(ctx, `drop schema if exists larder cascade; drop table if exists users`, pgx.QueryExecModeSimpleProtocol)
	return err
}

// Holder implements Consumer.
func (p Postgres) Holder(ctx context.Context) (holder string, err error) {
	err = p.conn.QueryRow(ctx, `select coalesce(max(holder), '') from larder.lease where expires_at > now()`).Scan(&holder)
	return holder, err
}

// SQLite is a consumer's SQLite file.
type SQLite struct{ File string }

func (l SQLite) do(ctx context.Context, flags sqlite.OpenFlags, do func(*sqlite.Conn) error) error {
	c, err := sqlite.OpenConn(l.File, flags)
	if err != nil {
		return err
	}
	c.SetInterrupt(ctx.Done())
	return errors.Join(do(c), c.Close())
}

// State implements Consumer.
func (l SQLite) State(ctx context.Context) (s State, err error) {
	if _, err := os.Stat(l.File); errors.Is(err, fs.ErrNotExist) {
		return State{Counted: -1}, nil
	}
	err = l.do(ctx, sqlite.OpenReadWrite, func(c *sqlite.Conn) (err error) {
		defer sqlitex.Transaction(c)(&err)
		s, err = readSQLite(c)
		return err
	})
	return s, err
}

func readSQLite(c *sqlite.Conn) (State, error) {
	s := State{Counted: -1}
	names := make(map[string]bool)
	err := each(c, `select name from sqlite_schema`, func(r *sqlite.Stmt) error {
		names[r.ColumnText(0)] = true
		return nil
	})
	if err == nil && names["users"] {
		err = each(c, `select id, name, amount, updated_at from users order by id`, func(r *sqlite.Stmt) error {
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
		query := `select watermark, coalesce(list_resume, resume, ''), coalesce(as_of, 0), "rows" from larder_watermark where table_name = 'users'`
		err = each(c, query, func(r *sqlite.Stmt) (err error) {
			if at := r.ColumnFloat(2); at > 0 {
				s.AsOf = time.UnixMicro(int64(at * 1e6))
			}
			s.Counted = r.ColumnInt64(3)
			s, err = s.at(r.ColumnText(0), r.ColumnText(1))
			return err
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
