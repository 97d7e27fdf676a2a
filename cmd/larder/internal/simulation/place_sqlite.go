package simulation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	driver "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/sqlite"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// The names of a database's files.
const (
	sqliteFile = "consumer.db"
	sqliteLog  = sqliteFile + "-wal"
	sqliteSide = sqliteFile + "-larder-seen"
)

// The knobs of SQLite.
const (
	refused    = "write refused before it began"
	logCut     = "log cut before a frame"
	logTorn    = "log cut in a frame"
	apart      = "cut between the logs of both files"
	unanswered = "commit without an answer"
	copied     = "files copied at a kill"
)

// SQLite makes files that histories live in. It is safe for concurrent use.
type SQLite struct {
	dir, template string
	hits          *hits

	mu   sync.Mutex
	made int
}

// NewSQLite makes the file that all begin with: one whose bookkeeping is there
// and empty. It must be called outside of bubbles.
func NewSQLite(t testing.TB) *SQLite {
	t.Helper()
	sqliteSystem()
	dir, err := os.MkdirTemp("/dev/shm", "larder-simulation-") // no disk: what is lost with the power does not count
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // as SQLite names it
		t.Fatal(err)
	}
	s := &SQLite{dir: dir, hits: newHits(refused, logCut, logTorn, apart, unanswered, copied)}
	s.template = s.folder(t)
	file := filepath.Join(s.template, sqliteFile)
	db := sqlite.New(sqlite.Options{File: file, Log: zerolog.Nop()})
	if err := errors.Join(db.Acquire(context.Background()), db.Close()); err != nil {
		t.Fatal(err)
	}
	conn, err := driver.OpenConn(file, driver.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sqlitex.ExecuteTransient(conn, "DELETE FROM larder_lease", nil), conn.Close()); err != nil {
		t.Fatal(err)
	}
	return s
}

// Hits counts how often what only SQLite can suffer took effect.
func (s *SQLite) Hits() map[string]int { return s.hits.all() }

func (s *SQLite) folder(t testing.TB) string {
	s.mu.Lock()
	s.made++
	dir := filepath.Join(s.dir, strconv.Itoa(s.made))
	s.mu.Unlock()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Place is the Place: an empty file.
func (s *SQLite) Place(t testing.TB) syncertest.Harness {
	h, _ := s.open(t)
	return h
}

func (s *SQLite) open(t testing.TB) (syncertest.Harness, *sqliteDatabase) {
	d := &sqliteDatabase{SQLite: s, t: t}
	d.move(s.template)
	t.Cleanup(d.end)
	return syncertest.Harness{
		Daemon: func(name string) syncertest.Database {
			db := &sqliteDaemon{sqlite.New(sqlite.Options{File: filepath.Join(d.dir, sqliteFile), Connections: 2, Holder: name, Log: zerolog.Nop()})}
			d.open = append(d.open, db)
			return db
		},
		Table: func(db syncertest.Database, spec row.Spec) syncertest.Table {
			steady := &steadyTable{db.(*sqliteDaemon).Kept(spec), spec.Target, &d.shown}
			return &sqliteTable{steady, d}
		},
		Rows:      d.rows,
		LoseNotes: d.loseNotes,
		Strike: func(strike func(string) error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.strike = strike
		},
		Kill: func(syncertest.Database) { d.kill() },
	}, d
}

// sqliteDaemon is a daemon's handle.
type sqliteDaemon struct{ *sqlite.Database }

// sqliteDatabase is the files of one history. A kill leaves them behind and
// goes on with a copy: what a process that is killed leaves is what it had
// written.
type sqliteDatabase struct {
	*SQLite
	t     testing.TB
	shown instants

	mu       sync.Mutex
	dir      string
	open     []*sqliteDaemon
	consumer *driver.Conn
	unwatch  []func()
	strike   func(step string) error
	turns    int
	// under is the write that may be struck, nil while there is none; left is the
	// copy that one made which was struck in the midst of it, "" for none.
	under *sqliteWrite
	left  string
}

// move goes on with a copy of the files in from.
func (d *sqliteDatabase) move(from string) {
	d.dir = d.copied(from)
	for _, f := range d.unwatch {
		f()
	}
	d.unwatch = []func(){
		sqliteSystem().watch(filepath.Join(d.dir, sqliteLog), d.logging),
		sqliteSystem().watch(filepath.Join(d.dir, sqliteSide+"-wal"), d.noting),
	}
}

// copied copies the files in from, but for those that the first to open them
// makes anew.
func (d *sqliteDatabase) copied(from string) string {
	to := d.folder(d.t)
	for _, name := range []string{sqliteFile, sqliteLog, sqliteSide, sqliteSide + "-wal"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), text, 0o600)
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
	return to
}

// kill goes on with what a process leaves that is killed now, or was in the
// midst of its last write.
func (d *sqliteDatabase) kill() {
	old, left := d.dir, d.left
	if left == "" {
		left = old
	}
	d.move(left)
	d.hits.hit(copied)
	d.close()
	for _, dir := range []string{old, d.left} {
		if dir != "" {
			_ = os.RemoveAll(dir)
		}
	}
	d.left = ""
}

// close closes all handles, and the consumer's.
func (d *sqliteDatabase) close() {
	for _, db := range d.open {
		if err := db.Close(); err != nil {
			d.t.Errorf("close: %v", err)
		}
	}
	if d.consumer != nil {
		_ = d.consumer.Close()
	}
	d.open, d.consumer = nil, nil
}

func (d *sqliteDatabase) end() {
	d.close()
	for _, f := range d.unwatch {
		f()
	}
	_ = os.RemoveAll(d.dir)
}

// read is the consumer's connection.
func (d *sqliteDatabase) read() *driver.Conn {
	if d.consumer == nil {
		conn, err := driver.OpenConn(filepath.Join(d.dir, sqliteFile), driver.OpenReadWrite)
		if err != nil {
			d.t.Fatal(err)
		}
		d.consumer = conn
	}
	return d.consumer
}

// rows implements Harness.Rows.
func (d *sqliteDatabase) rows(target string, columns []string) (out [][]string) {
	err := sqlitex.Execute(d.read(), fmt.Sprintf(`SELECT "%s" FROM %q`, strings.Join(columns, `", "`), target), &sqlitex.ExecOptions{
		ResultFunc: func(s *driver.Stmt) error {
			line := make([]string, len(columns))
			for i := range line {
				if line[i] = s.ColumnText(i); s.ColumnType(i) == driver.TypeNull {
					line[i] = "NULL"
				}
			}
			out = append(out, line)
			return nil
		},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// loseNotes empties the side file.
func (d *sqliteDatabase) loseNotes() {
	conn, err := driver.OpenConn(filepath.Join(d.dir, sqliteSide), driver.OpenReadWrite)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	var names []string
	err = sqlitex.ExecuteTransient(conn, "SELECT name FROM sqlite_schema WHERE type = 'table'", &sqlitex.ExecOptions{
		ResultFunc: func(s *driver.Stmt) error {
			names = append(names, s.ColumnText(0))
			return nil
		},
	})
	for _, name := range names {
		err = errors.Join(err, sqlitex.ExecuteTransient(conn, fmt.Sprintf("DELETE FROM %q", name), nil))
	}
	if err != nil {
		d.t.Fatal(err)
	}
}
