// Package sqlite keeps tables, and what larder must remember of them, in one
// consumer's SQLite file. It touches that file and a side file next to it for
// the notes of walks, and nothing else.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

const (
	// lockWait is how long a transaction waits for the write lock. It lies
	// below syncer.LeaseTime, so that a daemon that cannot write notices
	// before its lease has run out.
	lockWait = 5 * time.Second
	// lockTry is how long SQLite itself waits before it asks again whether the
	// context still holds.
	lockTry = 100 * time.Millisecond
	// oldest is the first version that does not damage WAL files when one
	// connection checkpoints while another resets the log.
	oldest = "3.51.3"
)

// Options say which database, and who we are.
type Options struct {
	// File is the database's path. It is created if it is not there.
	File string
	// Bookkeeping is what the names of larder's own tables begin with, before
	// an underscore; "" is "larder".
	Bookkeeping string
	// Connections bounds how many are open at once: one writes, the others
	// read; below 2 means 2.
	Connections int
	// Holder tells the loser of the lease who holds it: host, process, start.
	Holder string
	// Observe hears how long each writing transaction took, and why it failed,
	// and of each call for the lease that failed unless another daemon holds it;
	// nil: nobody does. It must not block.
	Observe func(took time.Duration, err error)
	Log     zerolog.Logger
}

// Database is one consumer's SQLite file. It is safe for concurrent use.
type Database struct {
	file   string
	side   string
	names  prefix
	holder string
	log    zerolog.Logger
	// observe is Options.Observe.
	observe func(time.Duration, error)
	// generation is that of the lease as we took it; 0 while we hold none.
	generation atomic.Int64
	// clock is the file's, which is the machine's.
	clock syncer.Clock
	// writer and readers hold the connections nobody uses; nil for one that is
	// not open.
	writer  chan *connection
	readers chan *connection
	// closing lets one Close at a time gather the connections.
	closing sync.Mutex
}

// connection remembers which file it was opened on, because a file that was
// replaced on disk goes on existing for those who have it open.
type connection struct {
	*sqlite.Conn
	info os.FileInfo
}

// New returns a database that connects when it is first used.
func New(o Options) *Database {
	if o.Bookkeeping == "" {
		o.Bookkeeping = "larder"
	}
	d := &Database{
		file: o.File, side: o.File + "-" + o.Bookkeeping + "-seen", names: prefix(o.Bookkeeping + "_"),
		holder: o.Holder, observe: o.Observe, log: o.Log.With().Str("file", o.File).Logger(),
		writer: make(chan *connection, 1), readers: make(chan *connection, max(o.Connections-1, 1)),
	}
	d.writer <- nil
	for range cap(d.readers) {
		d.readers <- nil
	}
	return d
}

// Close waits for what is running and closes all connections. A later call
// opens them again.
func (d *Database) Close() error {
	d.closing.Lock()
	defer d.closing.Unlock()
	var errs []error
	for _, pool := range []chan *connection{d.readers, d.writer} {
		for range cap(pool) {
			if c := <-pool; c != nil {
				errs = append(errs, c.Close())
			}
		}
		for range cap(pool) {
			pool <- nil
		}
	}
	return errors.Join(errs...)
}

// take waits for a connection of the pool and opens it if need be.
func (d *Database) take(ctx context.Context, pool chan *connection) (*connection, error) {
	select {
	case c := <-pool:
		if c != nil && d.replaced(c) {
			d.log.Warn().Msg("database file was replaced; it is opened again")
			_ = c.Close()
			c = nil
		}
		if c != nil {
			return c, nil
		}
		c, err := d.open(pool == d.writer)
		if err != nil {
			pool <- nil
			return nil, err
		}
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *Database) replaced(c *connection) bool {
	info, err := os.Stat(d.file)
	return err != nil || !os.SameFile(info, c.info)
}

// open opens a connection: the writing one creates the file and has the side
// file attached.
func (d *Database) open(write bool) (*connection, error) {
	flags := sqlite.OpenReadWrite
	if write {
		flags |= sqlite.OpenCreate
	} else if _, err := os.Stat(d.file); errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoBookkeeping
	}
	conn, err := sqlite.OpenConn(d.file, flags)
	if err != nil {
		return nil, err
	}
	c := &connection{Conn: conn}
	if err = d.setUp(c, write); err == nil {
		// Stat only here: the file may just have been created.
		c.info, err = os.Stat(d.file)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func (d *Database) setUp(c *connection, write bool) error {
	c.SetBusyTimeout(lockWait)
	version := ""
	err := each(c.Conn, "SELECT sqlite_version()", func(s *sqlite.Stmt) error {
		version = s.ColumnText(0)
		return nil
	})
	if err != nil {
		return err
	}
	if !atLeast(version, oldest) {
		return fmt.Errorf("SQLite %s can damage files in WAL mode; larder needs %s or newer", version, oldest)
	}
	if !write {
		return run(c.Conn, "PRAGMA query_only = ON")
	}
	mode := ""
	err = each(c.Conn, "PRAGMA journal_mode = WAL", func(s *sqlite.Stmt) error {
		mode = s.ColumnText(0)
		return nil
	})
	if err != nil {
		return fmt.Errorf("enter WAL mode: %w", err)
	}
	if mode != "wal" {
		return fmt.Errorf("enter WAL mode: the file stays in mode %q", mode)
	}
	if err := run(c.Conn, "PRAGMA synchronous = NORMAL"); err != nil {
		return err
	}
	if err := d.attachSide(c); err != nil {
		return fmt.Errorf("attach %q: %w", d.side, err)
	}
	c.SetBusyTimeout(lockTry)
	d.log.Info().Str("sqlite", version).Msg("database is open in WAL mode, synchronous NORMAL")
	return nil
}

// atLeast compares dotted version numbers.
func atLeast(version, want string) bool {
	var v, w [3]int
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &v[0], &v[1], &v[2])
	_, _ = fmt.Sscanf(want, "%d.%d.%d", &w[0], &w[1], &w[2])
	for i := range v {
		if v[i] != w[i] {
			return v[i] > w[i]
		}
	}
	return true
}

// read runs do on a reading connection.
func (d *Database) read(ctx context.Context, do func(*sqlite.Conn) error) error {
	c, err := d.take(ctx, d.readers)
	if err != nil {
		return d.fault(ctx, err)
	}
	c.SetInterrupt(ctx.Done())
	err = do(c.Conn)
	c.SetInterrupt(nil)
	d.readers <- c
	return d.fault(ctx, d.unwritten(err))
}

// unwritten recognises a database that has none of our tables.
func (d *Database) unwritten(err error) error {
	if err != nil && sqlite.ErrCode(err) == sqlite.ResultError && noTable(err, d.names) {
		return ErrNoBookkeeping
	}
	return err
}

var _ interface {
	syncer.Lease
	syncer.Inbox
	syncer.Forgetter
} = (*Database)(nil)
