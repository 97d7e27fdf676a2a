package postgres_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer/postgres"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

func TestConform(t *testing.T) {
	const most = 4 // scenarios at one time; each waits for the server most of its time
	type database struct {
		dsn      string
		consumer *pgx.Conn
	}
	free := make(chan database, most)
	for range most {
		dsn := postgrestest.Database(t)
		free <- database{dsn, connect(t, dsn)}
	}
	syncertest.Conform(t, func(t *testing.T) syncertest.Harness {
		d := <-free
		t.Cleanup(func() { free <- d })
		dsn, consumer := d.dsn, d.consumer
		exec(t, consumer, "DROP SCHEMA IF EXISTS larder CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")
		return syncertest.Harness{
			Daemon: func(name string) syncertest.Database { return open(t, dsn, name) },
			Table: func(db syncertest.Database, spec row.Spec) syncertest.Table {
				return db.(*postgres.Database).Kept(spec)
			},
			Rows:      func(target string, columns []string) [][]string { return rows(t, consumer, target, columns) },
			Age:       func(d time.Duration) { age(t, consumer, d) },
			LoseNotes: func() { loseNotes(t, consumer) },
			Create: func(target string, columns ...string) {
				exec(t, consumer, fmt.Sprintf("CREATE TABLE %s (%s)", pgx.Identifier{target}.Sanitize(), strings.Join(columns, ", ")))
			},
			Drop: func(target string) { exec(t, consumer, "DROP TABLE "+pgx.Identifier{target}.Sanitize()) },
			DropColumn: func(target, column string) {
				exec(t, consumer, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", pgx.Identifier{target}.Sanitize(), pgx.Identifier{column}.Sanitize()))
			},
			Alter: func(target, column, declared string) {
				exec(t, consumer, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s", pgx.Identifier{target}.Sanitize(), pgx.Identifier{column}.Sanitize(), declared))
			},
		}
	})
}

// open returns a database handle that is closed with the test.
func open(t testing.TB, dsn, holder string) *postgres.Database {
	t.Helper()
	db := postgres.New(postgres.Options{DSN: dsn, Connections: 2, Holder: holder, Log: zerolog.Nop()})
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// connect connects as a consumer would, by the plain driver.
func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// exec runs statements without arguments.
func exec(t testing.TB, c *pgx.Conn, sql string) {
	t.Helper()
	if err := c.PgConn().Exec(t.Context(), sql).Close(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// one reads a single value.
func one[T any](t testing.TB, c *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	found, err := c.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	v, err := pgx.CollectExactlyOneRow(found, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// list reads one column.
func list[T any](t testing.TB, c *pgx.Conn, sql string, args ...any) []T {
	t.Helper()
	found, err := c.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	all, err := pgx.CollectRows(found, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// age moves every instant that is stored into the past.
func age(t testing.TB, c *pgx.Conn, d time.Duration) {
	t.Helper()
	for _, column := range list[string](t, c, `SELECT format('UPDATE larder.%I SET %2$I = %2$I', table_name, column_name)
		FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
		WHERE table_schema = 'larder' AND table_type = 'BASE TABLE' AND data_type = 'timestamp with time zone'`) {
		exec(t, c, fmt.Sprintf("%s - interval '%d microseconds'", column, d.Microseconds()))
	}
}

// loseNotes does to the noted keys what a crash of the server does.
func loseNotes(t testing.TB, c *pgx.Conn) {
	t.Helper()
	for _, name := range list[string](t, c, `SELECT format('larder.%I', relname) FROM pg_class
		WHERE relnamespace = 'larder'::regnamespace AND relkind = 'r' AND relpersistence = 'u'`) {
		exec(t, c, "TRUNCATE "+name)
	}
}

// rows reads a target in the form that the suite compares.
func rows(t testing.TB, c *pgx.Conn, target string, columns []string) [][]string {
	t.Helper()
	quoted := make([]string, len(columns))
	for i, name := range columns {
		quoted[i] = pgx.Identifier{name}.Sanitize()
	}
	found, err := c.Query(t.Context(), "SELECT "+strings.Join(quoted, ", ")+" FROM "+pgx.Identifier(strings.Split(target, ".")).Sanitize())
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string // nil where there are none, as the suite has it
	all, err = pgx.AppendRows(all, found, func(r pgx.CollectableRow) ([]string, error) {
		line := make([]string, len(columns))
		for i, f := range r.FieldDescriptions() {
			var err error
			if line[i], err = text(c, f, r.RawValues()[i]); err != nil {
				return nil, err
			}
		}
		return line, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// text writes a value as the suite wants to see it.
func text(c *pgx.Conn, f pgconn.FieldDescription, raw []byte) (string, error) {
	if raw == nil {
		return "NULL", nil
	}
	kind, ok := c.TypeMap().TypeForOID(f.DataTypeOID)
	if !ok {
		return string(raw), nil
	}
	if kind.Name == "jsonb" && f.Format == pgx.TextFormatCode {
		return syncertest.CanonicalJSON(string(raw)), nil
	}
	v, err := kind.Codec.DecodeDatabaseSQLValue(c.TypeMap(), f.DataTypeOID, f.Format, raw)
	switch v := v.(type) {
	case time.Time:
		if kind.Name == "date" {
			return v.Format(time.DateOnly), err
		}
		return v.UTC().Format("2006-01-02T15:04:05.000000Z"), err
	case []byte:
		return hex.EncodeToString(v), err
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), err
	}
	return fmt.Sprint(v), err
}
