package main

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const bulkTotals = `select count(*), sum(id) from people`

// plainSQLite writes with a prepared statement in transactions as large as
// larder's may be, with the settings that larder makes.
type plainSQLite struct{ file string }

func (p plainSQLite) open(b *testing.B) *sqlite.Conn {
	b.Helper()
	c, err := sqlite.OpenConn(p.file, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func (p plainSQLite) insert(b *testing.B, rows int) {
	c := p.open(b)
	defer c.Close()
	if err := p.write(c, rows); err != nil {
		b.Fatal(err)
	}
}

func (p plainSQLite) write(c *sqlite.Conn, rows int) error {
	for _, statement := range []string{
		"pragma journal_mode = wal", "pragma synchronous = normal",
		`create table people (id integer not null, name text, email text, city text, balance text,
			active integer, avatar text, updated_at text, primary key (id)) strict`,
	} {
		if err := sqlitex.ExecuteTransient(c, statement, nil); err != nil {
			return err
		}
	}
	into, err := c.Prepare("insert into people values (?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	for from := 0; from < rows; from += gather.Records {
		if err := p.transact(c, into, from, min(from+gather.Records, rows), rows); err != nil {
			return err
		}
	}
	return nil
}

func (p plainSQLite) transact(c *sqlite.Conn, into *sqlite.Stmt, from, to, rows int) (err error) {
	defer sqlitex.Transaction(c)(&err)
	for i := from; i < to; i++ {
		one := person{i, rows}
		into.BindInt64(1, int64(one.id))
		into.BindText(2, one.name())
		into.BindText(3, one.email())
		into.BindText(4, one.city())
		into.BindText(5, one.balance())
		into.BindBool(6, one.active())
		into.BindText(7, one.avatar())
		into.BindText(8, one.updated().Format("2006-01-02T15:04:05.000000Z"))
		if _, err := into.Step(); err != nil {
			return err
		}
		if err := into.Reset(); err != nil {
			return err
		}
	}
	return nil
}

func (p plainSQLite) totals(b *testing.B) (count, ids int64) {
	c := p.open(b)
	defer c.Close()
	err := sqlitex.ExecuteTransient(c, bulkTotals, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		count, ids = s.ColumnInt64(0), s.ColumnInt64(1)
		return nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	return count, ids
}

// plainPostgres copies everything in one COPY.
type plainPostgres struct{ dsn string }

func (p plainPostgres) open(b *testing.B) *pgx.Conn {
	b.Helper()
	c, err := pgx.Connect(b.Context(), p.dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func (p plainPostgres) insert(b *testing.B, rows int) {
	c := p.open(b)
	if _, err := c.Exec(b.Context(), `create table people (id bigint not null primary key, name text, email text, city text,
		balance numeric, active boolean, avatar text, updated_at timestamptz)`); err != nil {
		b.Fatal(err)
	}
	columns := []string{"id", "name", "email", "city", "balance", "active", "avatar", "updated_at"}
	next := 0
	n, err := c.CopyFrom(b.Context(), pgx.Identifier{"people"}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		if next == rows {
			return nil, nil
		}
		one := person{next, rows}
		next++
		var balance pgtype.Numeric
		err := balance.Scan(one.balance())
		return []any{one.id, one.name(), one.email(), one.city(), balance, one.active(), one.avatar(), one.updated()}, err
	}))
	if err != nil || n != int64(rows) {
		b.Fatalf("copy %d rows: %d, %v", rows, n, err)
	}
}

func (p plainPostgres) totals(b *testing.B) (count, ids int64) {
	if err := p.open(b).QueryRow(b.Context(), bulkTotals).Scan(&count, &ids); err != nil {
		b.Fatal(err)
	}
	return count, ids
}
