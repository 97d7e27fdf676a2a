package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// tx is one write transaction.
type tx struct {
	*sqlite.Conn
	names prefix
	// now is the database's clock when the transaction began.
	now instant
}

// write runs do in one transaction of the database that first checks that the
// lease is still ours, in the term in which write was called: what was about to
// be written before a loss is another term's. A transaction that has begun to
// commit is finished.
func (d *Database) write(ctx context.Context, do func(*tx) error) error {
	ours, began := d.generation.Load(), time.Now()
	keep, back := func() {}, time.Duration(0)
	err := d.transact(ctx, func(x *tx) error {
		if err := d.fence(x, ours); err != nil {
			return err
		}
		if back, keep = d.clock.Back(seconds(float64(x.now)), began, time.Now()); back > 0 {
			if err := x.setBack(back); err != nil {
				return fmt.Errorf("follow the clock: %w", err)
			}
		}
		return do(x)
	})
	if err == nil {
		keep()
	}
	if err == nil && back > 0 {
		d.log.Warn().Dur("by_ms", back).Msg("clock was set back: what is stored is moved with it")
	}
	return d.observed(began, err)
}

// transact runs do in one write transaction, without a look at the lease.
func (d *Database) transact(ctx context.Context, do func(*tx) error) error {
	c, err := d.take(ctx, d.writer)
	if err != nil {
		return d.fault(ctx, err)
	}
	c.SetInterrupt(ctx.Done())
	err = d.within(ctx, c, do)
	c.SetInterrupt(nil)
	if !c.AutocommitEnabled() {
		// A connection that cannot roll back is of no more use.
		if back := run(c.Conn, "ROLLBACK"); back != nil {
			_ = c.Close()
			c = nil
		}
	}
	d.writer <- c
	return d.fault(ctx, err)
}

func (d *Database) within(ctx context.Context, c *connection, do func(*tx) error) error {
	if err := d.begin(ctx, c.Conn); err != nil {
		return err
	}
	x := &tx{Conn: c.Conn, names: d.names}
	err := each(c.Conn, "SELECT unixepoch('subsec')", func(s *sqlite.Stmt) error {
		x.now = instant(s.ColumnFloat(0))
		return nil
	})
	if err != nil {
		return err
	}
	if err := do(x); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.SetInterrupt(nil)
	return run(c.Conn, "COMMIT")
}

// begin takes the write lock. It asks again and again, because SQLite's own
// waiting does not end with a context.
func (d *Database) begin(ctx context.Context, c *sqlite.Conn) error {
	started := time.Now()
	for {
		err := run(c, "BEGIN IMMEDIATE")
		if sqlite.ErrCode(err).ToPrimary() != sqlite.ResultBusy {
			return err
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
		if ctx.Err() != nil || time.Since(started) > lockWait {
			c.SetInterrupt(nil)
			l, _ := readLease(c, d.names)
			return &BusyError{Holder: l.holder, Err: err}
		}
	}
}

// exec runs one of our statements in the transaction.
func (x *tx) exec(statement string, args ...any) error {
	return run(x.Conn, x.names.sql(statement), args...)
}

// each runs one of our queries in the transaction.
func (x *tx) each(query string, do func(*sqlite.Stmt) error, args ...any) error {
	return each(x.Conn, x.names.sql(query), do, args...)
}

// count runs a query of one number, as it is written.
func (x *tx) count(query string, args ...any) (n int64, err error) {
	err = each(x.Conn, query, func(s *sqlite.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	}, args...)
	return n, err
}

// ago is the instant that was d before the transaction began.
func (x *tx) ago(d time.Duration) instant { return x.now - instant(d.Seconds()) }

// stamp brings a moment of this process's clock to the database's.
func (x *tx) stamp(at time.Time) instant {
	if at.IsZero() {
		return 0
	}
	return x.ago(time.Since(at))
}

// run executes a statement with its arguments in the order of its parameters.
func run(c *sqlite.Conn, statement string, args ...any) error {
	return each(c, statement, nil, args...)
}

// each executes a statement and calls do for every row. The statement stays
// prepared for the life of the connection.
func each(c *sqlite.Conn, statement string, do func(*sqlite.Stmt) error, args ...any) error {
	s, err := c.Prepare(statement)
	if err != nil {
		return err
	}
	return step(s, do, args)
}

// once is each for a query of all columns, which are other ones after larder's
// own tables were brought up to date: the statement does not stay prepared.
func once(c *sqlite.Conn, statement string, do func(*sqlite.Stmt) error, args ...any) (err error) {
	s, _, err := c.PrepareTransient(statement)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Finalize()) }()
	return step(s, do, args)
}

func step(s *sqlite.Stmt, do func(*sqlite.Stmt) error, args []any) error {
	for i, a := range args {
		if err := bind(s, i+1, a); err != nil {
			return err
		}
	}
	for {
		more, err := s.Step()
		if err != nil {
			return err
		}
		if !more {
			return s.Reset()
		}
		if do != nil {
			if err := do(s); err != nil {
				return errors.Join(err, s.Reset())
			}
		}
	}
}

// noTable reports whether a statement failed for want of one of our tables.
func noTable(err error, names prefix) bool {
	return err != nil && strings.Contains(err.Error(), "no such table: "+string(names))
}

// fence checks that the lease is ours. It is the first thing that every write
// does.
func (d *Database) fence(x *tx, ours int64) error {
	l, err := readLease(x.Conn, d.names)
	if err != nil {
		return err
	}
	if ours == 0 || l.generation != ours {
		if l.holder == "" || ours == 0 && l.holder == d.holder {
			return syncer.ErrFenced
		}
		return fmt.Errorf("%w: %s", syncer.ErrFenced, l.holder)
	}
	return nil
}
