// Package home is what the daemon itself remembers, apart from any consumer:
// the history of polls, the tokens that owners renewed, whom it has told of
// which copy, and silences, in an SQLite file that only its user can read. It
// touches nothing else. No poll and no alert depends on it: whoever cannot
// write here goes on.
package home

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

const (
	// version is that of schema.sql, kept in the file's user_version.
	version = 3
	// lockWait is how long a call waits for another process that has the file,
	// and Close for a call.
	lockWait = 2 * time.Second
	// pollsPerSource bounds the history of a source that is polled so often
	// that the time alone would not.
	pollsPerSource = 50_000
	// trimEvery is how many records go by between two looks at that bound.
	trimEvery = 1000
)

//go:embed schema.sql
var schema string

// Options say which file, and how long it remembers.
type Options struct {
	// File is created if it is not there.
	File string
	// Keep is how long ago a poll may have begun, or an episode have ended, to
	// be remembered; 0 is for ever.
	Keep time.Duration
}

// Home is an open home. It is safe for concurrent use. Where its file is
// deleted or replaced meanwhile, the next call makes it anew and goes on.
type Home struct {
	keep time.Duration
	file string

	turn chan struct{} // full while a call has what follows
	conn *sqlite.Conn  // nil: the file is to be opened
	held fs.FileInfo   // the file that conn has open
	log  fs.FileInfo   // its write-ahead log
	over bool
	// anew says that the file was made anew, and that whoever keeps alerts in it
	// has not heard of that.
	anew bool
	// loaded says that the alerts of this process began with what was here.
	loaded bool
	// first says that no process before this one loaded them from here.
	first   bool
	trimmed time.Time
	// tokens are those that were read or kept, so that a new file gets them.
	tokens   map[string]keptToken
	silences silences
}

var (
	_ syncer.History = (*Home)(nil)
	_ alert.Store    = (*Home)(nil)
)

var (
	errClosed = errors.New("home is closed")
	errHangs  = errors.New("the disk does not answer")
)

// Open opens the file, or creates it.
func Open(ctx context.Context, o Options) (*Home, error) {
	h := &Home{keep: o.Keep, file: o.File, turn: make(chan struct{}, 1), tokens: make(map[string]keptToken)}
	if err := h.use(ctx, func(*sqlite.Conn) error { return nil }); err != nil {
		return nil, fmt.Errorf("open home %q: %w", o.File, err)
	}
	return h, nil
}

// open makes sure that the file is the user's alone before anything is in it,
// and returns which file it was.
func open(path string) (*sqlite.Conn, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	held, err := f.Stat()
	if err = errors.Join(err, f.Chmod(0o600), f.Close()); err != nil {
		return nil, nil, err
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, nil, err
	}
	conn.SetBusyTimeout(lockWait)
	return conn, held, nil
}

func setUp(conn *sqlite.Conn) (err error) {
	for _, pragma := range []string{"PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL"} {
		if err := sqlitex.ExecuteTransient(conn, pragma, nil); err != nil {
			return err
		}
	}
	commit, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer commit(&err)
	held, err := versionOf(conn)
	if err != nil || held == version {
		return err
	}
	return sqlitex.ExecuteScript(conn, schema, nil)
}

// versionOf is the version of a file, which may not be newer than ours.
func versionOf(conn *sqlite.Conn) (int, error) {
	held, err := sqlitex.ResultInt(conn.Prep("PRAGMA user_version"))
	if err == nil && held > version {
		err = fmt.Errorf("it is of version %d, from a newer larder; this one knows %d", held, version)
	}
	return held, err
}

// Close closes the file.
func (h *Home) Close() error {
	select {
	case h.turn <- struct{}{}:
	case <-time.After(lockWait):
		return errHangs
	}
	defer func() { <-h.turn }()
	h.over = true
	if h.conn == nil {
		return nil
	}
	err := h.conn.Close()
	h.conn = nil
	return err
}

// use runs do on the connection, which nobody else uses meanwhile, until ctx
// ends.
func (h *Home) use(ctx context.Context, do func(*sqlite.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.turn }()
	if h.over {
		return errClosed
	}
	if err := h.ready(); err != nil {
		return err
	}
	h.conn.SetInterrupt(ctx.Done())
	defer h.conn.SetInterrupt(nil)
	err := do(h.conn)
	if err != nil && ctx.Err() != nil && sqlite.ErrCode(err) == sqlite.ResultInterrupt {
		return ctx.Err()
	}
	return err
}

// ready opens the file, unless the one that is open still has its name.
func (h *Home) ready() error {
	again := h.held != nil
	if again {
		now, err := os.Stat(h.file)
		switch {
		case err == nil && os.SameFile(now, h.held):
			if h.conn != nil {
				return nil
			}
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		default:
			h.anew = true
		}
	}
	if h.conn != nil {
		h.removeLog()
		_ = h.conn.Close() // of what has no name any more, nothing can be lost
		h.conn = nil
	}
	conn, held, err := open(h.file)
	if err != nil {
		return err
	}
	err = setUp(conn)
	if err == nil && again {
		err = h.restore(conn)
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	h.conn, h.held, h.silences = conn, held, silences{}
	h.log, _ = os.Stat(h.file + "-wal")
	return nil
}

// removeLog takes the log of the file that had the name away from the one that
// has it now, which SQLite would otherwise overwrite with the pages in it. A log
// that somebody else has begun is another file, and stays.
func (h *Home) removeLog() {
	if now, err := os.Stat(h.file + "-wal"); err == nil && h.log != nil && os.SameFile(now, h.log) {
		_ = errors.Join(os.Remove(h.file+"-wal"), os.Remove(h.file+"-shm"))
	}
}

// restore puts into a file what this process knows better than whoever made it:
// the tokens it had, and that alerts of another past are not its own.
func (h *Home) restore(conn *sqlite.Conn) (err error) {
	commit, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer commit(&err)
	for name, t := range h.tokens {
		if err := keep(conn, name, t, unlessLater); err != nil {
			return err
		}
	}
	if !h.loaded || !h.anew {
		return nil
	}
	return forgetAlerts(conn)
}
