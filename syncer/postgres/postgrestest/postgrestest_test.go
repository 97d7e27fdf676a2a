package postgrestest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

func TestDatabaseIsEmptyAndOwnedByAPlainRole(t *testing.T) {
	t.Parallel()
	conn := connect(t, postgrestest.Database(t))
	var owner, super, mayCreate bool
	var relations int
	err := conn.QueryRow(t.Context(), `
		select d.datdba = r.oid, r.rolsuper, r.rolcreatedb or r.rolcreaterole,
		       (select count(*) from pg_class where relnamespace = 'public'::regnamespace)
		from pg_roles r, pg_database d
		where r.rolname = current_user and d.datname = current_database()`).
		Scan(&owner, &super, &mayCreate, &relations)
	if err != nil {
		t.Fatal(err)
	}
	if !owner || super || mayCreate || relations != 0 {
		t.Errorf("owner %v, superuser %v, may create %v, %d relations; want a plain owner and an empty database",
			owner, super, mayCreate, relations)
	}
	if _, err := conn.Exec(t.Context(), "create schema larder; create table t (id bigint primary key)"); err != nil {
		t.Errorf("the owner may not create: %v", err)
	}
}

func TestDatabaseIsOverTCP(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(postgrestest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	if u.Hostname() != "127.0.0.1" && os.Getenv("LARDER_TEST_POSTGRES") == "" {
		t.Errorf("host %q, want 127.0.0.1", u.Hostname())
	}
}

func TestDatabasesAreApartAndDropped(t *testing.T) {
	t.Parallel()
	var first string
	var leaked *pgx.Conn
	t.Run("first", func(t *testing.T) {
		first = postgrestest.Database(t)
		if second := postgrestest.Database(t); first == second {
			t.Errorf("two calls gave the same database")
		}
		var err error
		if leaked, err = pgx.Connect(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	})
	defer leaked.Close(t.Context()) // open while the database is dropped
	if conn, err := pgx.Connect(t.Context(), first); err == nil {
		conn.Close(t.Context())
		t.Errorf("the database is still there after its test")
	}
}

func TestCreatorLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	var made string
	t.Run("made", func(t *testing.T) {
		dsn := postgrestest.Creator(t)
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal(err)
		}
		u.Path += "_more"
		if _, err := connect(t, dsn).Exec(t.Context(), "create database "+strings.TrimPrefix(u.Path, "/")); err != nil {
			t.Fatalf("the role may not create a database: %v", err)
		}
		made = postgrestest.Admin(t, u.Path)
		connect(t, made)
	})
	if conn, err := pgx.Connect(t.Context(), made); err == nil {
		conn.Close(t.Context())
		t.Errorf("the database is still there after its test")
	}
}

func TestRoleHasNoRights(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.Database(t)
	owner := connect(t, dsn)
	if _, err := owner.Exec(t.Context(), "create table t (id bigint)"); err != nil {
		t.Fatal(err)
	}
	other := postgrestest.Role(t, dsn)
	reader := connect(t, other)
	if _, err := reader.Exec(t.Context(), "select * from t"); err == nil {
		t.Errorf("the role may read a table nobody granted")
	}
	u, err := url.Parse(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Exec(t.Context(), "grant select on t to "+u.User.Username()); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "select * from t"); err != nil {
		t.Errorf("the role may not read what was granted: %v", err)
	}
}

func TestCommitsOutliveAStop(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	dsn := server.Database(t)
	conn := connect(t, dsn)
	if _, err := conn.Exec(t.Context(), "create table t (id bigint); insert into t values (42)"); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	if again, err := net.Dial("tcp", server.Addr()); err == nil {
		again.Close()
		t.Errorf("a stopped server answers")
	}
	if _, err := conn.Exec(t.Context(), "select 1"); err == nil {
		t.Errorf("a connection survived the stop")
	}
	server.Restart(t)
	var id int64
	if err := connect(t, dsn).QueryRow(t.Context(), "select id from t").Scan(&id); err != nil || id != 42 {
		t.Errorf("after the restart: id %d, %v; want 42", id, err)
	}
}

// TestNothingOutlivesAKill kills a test binary that has a server, with a signal that no Go code
// can catch.
func TestNothingOutlivesAKill(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerOfAnother$")
	cmd.Env = append(os.Environ(), "POSTGRESTEST_CHILD=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	dir, addr, ok := strings.Cut(strings.TrimSpace(line), " ")
	if err != nil || !ok {
		t.Fatalf("the other binary said %q, %v", line, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data", "postmaster.pid")); err != nil {
		t.Fatalf("the other binary's server does not run: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // tells of the kill
	await(t, func() bool {
		_, err := os.Stat(dir)
		return errors.Is(err, fs.ErrNotExist)
	})
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Errorf("the server still answers")
	}
}

// TestServerOfAnother is the binary that TestNothingOutlivesAKill kills.
func TestServerOfAnother(t *testing.T) {
	if os.Getenv("POSTGRESTEST_CHILD") == "" {
		t.Skip("runs as a child of TestNothingOutlivesAKill only")
	}
	server := postgrestest.Start(t)
	fmt.Println(server.Dir(), server.Addr())
	_, _ = os.Stdin.Read(make([]byte, 1)) // until killed
}

func TestNewestInstalledVersionCounts(t *testing.T) {
	root := t.TempDir()
	t.Setenv("PATH", t.TempDir())
	for _, version := range []string{"9.6", "15", "16", "17"} {
		bin := filepath.Join(root, version, "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
			if version == "17" && name == "postgres" {
				continue // client tools alone are no server
			}
			if err := os.WriteFile(filepath.Join(bin, name), nil, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	places := []string{filepath.Join(root, "none", "*"), filepath.Join(root, "*", "bin")}
	bin, ok := postgrestest.Installed(places)
	if want := filepath.Join(root, "16", "bin"); !ok || bin != want {
		t.Errorf("found %q, %v; want %q", bin, ok, want)
	}
	if bin, ok := postgrestest.Installed(places[:1]); ok {
		t.Errorf("found %q in an empty folder", bin)
	}
	t.Setenv("PATH", filepath.Join(root, "15", "bin"))
	if bin, _ := postgrestest.Installed(places); !strings.Contains(bin, "15") {
		t.Errorf("found %q, want the one in PATH", bin)
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// await looks again and again at what another process does, for ten seconds at most.
func await(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("did not come to pass within 10s")
		}
	}
}
