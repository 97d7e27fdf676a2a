// Package postgrestest gives tests a real Postgres: one cluster a test binary, one database a test.
//
// It imports no package of ours. It may start processes, make a directory in the temporary
// folder and, where no Postgres is installed, fetch one. What it starts and makes is gone soon
// after the test binary has ended, however it ended.
//
// Where the server comes from, first that works:
//
//  1. LARDER_TEST_POSTGRES, the URL of a superuser
//  2. the binaries of an installed Postgres (PATH, then the usual places)
//  3. binaries fetched from Maven Central, kept in the user's cache folder
//
// Without any, a test is skipped with the reason, and fails if CI is "true".
package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoPostgres says that there is no server to test on, and what to do about it.
var ErrNoPostgres = errors.New("no Postgres found and none fetched: " +
	"apt-get install postgresql (brew install postgresql@17), or set LARDER_TEST_POSTGRES to a superuser's postgres:// URL")

// patience bounds one statement or one connection attempt of the administration.
const patience = 30 * time.Second

// shared is the one cluster of a test binary, started by the first test that asks.
var shared = sync.OnceValues(func() (*Server, error) {
	if dsn := os.Getenv("LARDER_TEST_POSTGRES"); dsn != "" {
		dsn, err := rewrite(dsn, login{})
		return &Server{admin: dsn, public: dsn}, err
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

// Creator makes a role that is no superuser but may create databases, and returns its URL, which
// leads to a database of its own. Every database that it owns is dropped when the test ends.
func Creator(tb testing.TB) string {
	tb.Helper()
	return sharedServer(tb).Creator(tb)
}

// Socket is the path of the shared server's socket, which lets every role in
// without a password; "" where LARDER_TEST_POSTGRES names the server.
func Socket(tb testing.TB) string {
	tb.Helper()
	s := sharedServer(tb)
	if s.own == nil {
		return ""
	}
	return filepath.Join(s.own.dir, ".s.PGSQL."+s.own.port)
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
	administer(tb, s.admin,
		"create role "+name+" login password '"+name+"'",
		"create database "+name+" owner "+name+" template template0 encoding 'UTF8'")
	tb.Cleanup(func() {
		administer(tb, s.admin, "drop database if exists "+name+" with (force)", "drop role "+name)
	})
	return mustRewrite(tb, s.public, login{database: name, user: name, password: name})
}

// Creator is the function of that name, on this server.
func (s *Server) Creator(tb testing.TB) string {
	tb.Helper()
	dsn := s.Database(tb)
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	administer(tb, s.admin, "alter role "+config.User+" createdb")
	// Before Database drops the role, which it cannot while the role owns anything.
	tb.Cleanup(func() {
		for _, name := range owned(tb, s.admin, config.User) {
			administer(tb, s.admin, "drop database "+pgx.Identifier{name}.Sanitize()+" with (force)")
		}
	})
	return dsn
}

// owned is the databases of a role.
func owned(tb testing.TB, dsn, role string) []string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		tb.Fatalf("administer the test's Postgres: %v", err)
	}
	defer conn.Close(ctx)
	rows, _ := conn.Query(ctx, "select datname from pg_database d join pg_roles r on r.oid = d.datdba where rolname = $1", role)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatalf("list the databases of %s: %v", role, err)
	}
	return names
}

// Role is the function of that name, on this server.
func (s *Server) Role(tb testing.TB, dsn string) string {
	tb.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	name := "larder_role_" + strings.ToLower(rand.Text())
	inside := mustRewrite(tb, s.admin, login{database: config.Database})
	administer(tb, inside, "create role "+name+" login password '"+name+"'")
	// Before the database is dropped, because cleanups run last first: while the role has grants
	// in there, it cannot be dropped.
	tb.Cleanup(func() { administer(tb, inside, "drop owned by "+name, "drop role "+name) })
	return mustRewrite(tb, dsn, login{user: name, password: name})
}

func mustRewrite(tb testing.TB, dsn string, to login) string {
	tb.Helper()
	rewritten, err := rewrite(dsn, to)
	if err != nil {
		tb.Fatal(err)
	}
	return rewritten
}

// administer runs statements on a connection of its own.
func administer(tb testing.TB, dsn string, statements ...string) {
	tb.Helper()
	// The test's own context is over when its cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		tb.Fatalf("administer the test's Postgres: %v", err)
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			tb.Fatalf("administer the test's Postgres: %v", err)
		}
	}
}
