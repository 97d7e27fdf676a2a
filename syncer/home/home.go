// Package home is what the daemon itself remembers, apart from any consumer:
// the history of polls and the tokens that owners renewed, in an SQLite file
// that only its user can read. It touches nothing else. No poll depends on the
// history: whoever cannot record goes on.
package home

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/syncer"
)

const (
	// version is that of schema.sql, kept in the file's user_version.
	version = 2
	// lockWait is how long a call waits for another process that has the file.
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
	// Keep is how long ago a poll may have begun to be remembered; 0 is for
	// ever.
	Keep time.Duration
}

// Home is an open home. It is safe for concurrent use.
type Home struct {
	keep time.Duration
	file string

	mu   sync.Mutex
	conn *sqlite.Conn // nil once closed
}

var _ syncer.History = (*Home)(nil)

var errClosed = errors.New("home is closed")

// Open opens the file, or creates it.
func Open(ctx context.Context, o Options) (*Home, error) {
	conn, err := open(o.File)
	if err != nil {
		return nil, fmt.Errorf("open home %q: %w", o.File, err)
	}
	h := &Home{keep: o.Keep, file: o.File, conn: conn}
	if err := h.use(ctx, setUp); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open home %q: %w", o.File, err)
	}
	return h, nil
}

// open makes sure that the file is the user's alone before anything is in it.
func open(path string) (*sqlite.Conn, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = errors.Join(f.Chmod(0o600), f.Close())
	if err != nil {
		return nil, err
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	conn.SetBusyTimeout(lockWait)
	return conn, nil
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
	held, err := sqlitex.ResultInt(conn.Prep("PRAGMA user_version"))
	switch {
	case err != nil:
		return err
	case held > version:
		return fmt.Errorf("it is of version %d, from a newer larder; this one knows %d", held, version)
	case held == version:
		return nil
	}
	return sqlitex.ExecuteScript(conn, schema, nil)
}

// Close closes the file.
func (h *Home) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
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
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == nil {
		return errClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	h.conn.SetInterrupt(ctx.Done())
	defer h.conn.SetInterrupt(nil)
	if err := do(h.conn); err != nil {
		if ctx.Err() != nil && sqlite.ErrCode(err) == sqlite.ResultInterrupt {
			return ctx.Err()
		}
		return err
	}
	return nil
}
