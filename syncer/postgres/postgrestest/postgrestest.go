// Package postgrestest gives tests a real Postgres: one cluster a test binary, one database a test.
//
// It imports no package of ours. It may start processes, make a directory in the temporary
// folder and, where no Postgres is installed, fetch one. What it starts and makes is gone soon
// after the test binary has ended, however it ended.
//
// Where the server comes from, first that works:
//
//  1. LARDER_TEST_POSTGRES, the DSN of a role that may create databases
//  2. the binaries of an installed Postgres (PATH, then the usual places)
//  3. binaries fetched from Maven Central, kept in the user's cache folder
//
// Without any, a test is skipped with the reason, and fails if CI is "true".
package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoPostgres says that there is no server to test on, and what to do about it.
var ErrNoPostgres = errors.New("no Postgres found and none fetched: " +
	"apt-get install postgresql (brew install postgresql@17), or set LARDER_TEST_POSTGRES to a DSN")

// patience bounds one statement or one connection attempt of the administration.
const patience = 30 * time.Second

// shared is the one cluster of a test binary, started by the first test that asks.
var shared = sync.OnceValues(func() (*Server, error) {
	if dsn := os.Getenv("LARDER_TEST_POSTGRES"); dsn != "" {
		return &Server{admin: dsn, public: dsn}, nil
	}
	return start()
})

// Database makes an empty database and returns the URL of the role that owns it, over TCP on
// 127.0.0.1. The role is no superuser and may not create roles or databases. Both are dropped
// when the test ends, with whatever connections are still open. Tests in parallel may call it.
func Database(tb testing.TB) string {
	tb.Helper()
	return sharedServer(tb).Database(tb)
}

// Role makes a role that may do nothing but connect, and returns dsn with that role and its
// password in place of the owner's. What it may read, the owner grants; its name is the DSN's
// user. dsn is one that Database returned.
func Role(tb testing.TB, dsn string) string {
	tb.Helper()
	return sharedServer(tb).Role(tb, dsn)
}

// Start starts a cluster for this test alone, for tests that stop or restart the server.
// It costs about a second.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s, err := start()
	if err != nil {
		lacking(tb, err)
	}
	tb.Cleanup(s.remove)
	return s
}

func sharedServer(tb testing.TB) *Server {
	tb.Helper()
	s, err := shared()
	if err != nil {
		lacking(tb, err)
	}
	return s
}

// lacking ends the test. Only a machine without Postgres is a reason to skip: a server that is
// there and does not start is a failure everywhere.
func lacking(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") != "true" && errors.Is(err, ErrNoPostgres) {
		tb.Skip(err)
	}
	tb.Fatal(err)
}

// Database is the function of that name, on this server.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	name := "larder_test_" + strings.ToLower(rand.Text())
	var super bool
	s.administer(tb, func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, "select rolsuper from pg_roles where rolname = current_user").Scan(&super)
		if err != nil {
			return err
		}
		if !super { // cannot hand a database to another role on every version
			_, err = conn.Exec(ctx, "create database "+name+" template template0 encoding 'UTF8'")
			return err
		}
		if _, err = conn.Exec(ctx, "create role "+name+" login password '"+name+"'"); err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "create database "+name+" owner "+name+" template template0 encoding 'UTF8'")
		return err
	})
	tb.Cleanup(func() {
		s.administer(tb, func(ctx context.Context, conn *pgx.Conn) error {
			if _, err := conn.Exec(ctx, "drop database if exists "+name+" with (force)"); err != nil || !super {
				return err
			}
			_, err := conn.Exec(ctx, "drop role "+name)
			return err
		})
	})
	if !super {
		return rewrite(tb, s.public, login{database: name})
	}
	return rewrite(tb, s.public, login{database: name, user: name, password: name})
}

// Role is the function of that name, on this server.
func (s *Server) Role(tb testing.TB, dsn string) string {
	tb.Helper()
	name := "larder_role_" + strings.ToLower(rand.Text())
	s.administer(tb, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "create role "+name+" login password '"+name+"'")
		return err
	})
	tb.Cleanup(func() { s.dropRole(tb, dsn, name) })
	return rewrite(tb, dsn, login{user: name, password: name})
}

// dropRole runs before the database is dropped, because cleanups run last first: the role's
// grants in there must go before the role can.
func (s *Server) dropRole(tb testing.TB, dsn, name string) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Errorf("read the DSN of role %q: %v", name, err)
		return
	}
	inside := *s
	inside.admin = rewrite(tb, s.admin, login{database: config.Database})
	inside.administer(tb, func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "drop owned by "+name); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "drop role "+name)
		return err
	})
}

// administer does one thing as the role that may, on a connection of its own. The test fails
// if that goes wrong, but its cleanups go on.
func (s *Server) administer(tb testing.TB, do func(context.Context, *pgx.Conn) error) {
	tb.Helper()
	if err := s.try(do); err != nil {
		tb.Fatalf("administer the test's Postgres: %v", err)
	}
}

func (s *Server) try(do func(context.Context, *pgx.Conn) error) error {
	// The test's own context is over when its cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.admin)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return errors.Join(do(ctx, conn), conn.Close(ctx))
}
