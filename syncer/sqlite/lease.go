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

// lease is the row by which daemons agree on who writes.
type lease struct {
	generation int64
	holder     string
	// left is how long it lasts yet, on the database's clock.
	left float64
}

// readLease reads the lease; the zero lease where there is none.
func readLease(c *sqlite.Conn, names prefix) (l lease, err error) {
	err = each(c, names.sql(`SELECT generation, holder, expires_at - unixepoch('subsec')
		FROM "larder_lease" WHERE instance = 'larder'`), func(s *sqlite.Stmt) error {
		l = lease{generation: s.ColumnInt64(0), holder: s.ColumnText(1), left: s.ColumnFloat(2)}
		return nil
	})
	if noTable(err, names) {
		return lease{}, nil
	}
	return l, err
}

// Holding says whether anybody holds the lease. ErrNoBookkeeping: nobody ever did.
func (d *Database) Holding(ctx context.Context) (h syncer.Holding, err error) {
	err = d.read(ctx, func(c *sqlite.Conn) error {
		return each(c, d.names.sql(`SELECT expires_at, unixepoch('subsec') FROM "larder_lease" WHERE instance = 'larder'`), func(s *sqlite.Stmt) error {
			now := instant(s.ColumnFloat(1))
			h = syncer.Holding{Held: s.ColumnFloat(0) > s.ColumnFloat(1), Until: instant(s.ColumnFloat(0)).local(now)}
			return nil
		})
	})
	if err != nil {
		return h, fmt.Errorf("read lease: %w", err)
	}
	return h, nil
}

// heldByOther is a *syncer.HeldError while somebody else holds the lease. One
// that lasts longer than any does was written before the clock was set back, and
// does not tell when its holder was last alive.
func (d *Database) heldByOther(l lease) error {
	ours := d.generation.Load()
	if l.left <= 0 || seconds(l.left) > 2*syncer.LeaseTime || ours != 0 && l.generation == ours {
		return nil
	}
	return &syncer.HeldError{Holder: l.holder, For: seconds(l.left)}
}

// Acquire implements syncer.Lease. A daemon that stands by only reads.
func (d *Database) Acquire(ctx context.Context) error {
	began := time.Now()
	err := d.acquire(ctx)
	if err == nil || errors.Is(err, syncer.ErrFenced) { // as a standby hears each second
		return err
	}
	return d.observed(began, err)
}

func (d *Database) acquire(ctx context.Context) error {
	err := d.read(ctx, func(c *sqlite.Conn) error {
		l, err := readLease(c, d.names)
		return errors.Join(err, d.heldByOther(l))
	})
	if err != nil && !errors.Is(err, ErrNoBookkeeping) {
		return err
	}
	var taken int64
	asked, looked := time.Now(), func() {}
	err = d.transact(ctx, func(x *tx) error {
		// What was stored before a leap back is moved by the first write.
		if back, keep := d.clock.Back(seconds(float64(x.now)), asked, time.Now()); back == 0 {
			looked = keep
		}
		l, err := readLease(x.Conn, d.names)
		if err != nil {
			return err
		}
		if err := d.heldByOther(l); err != nil {
			return err
		}
		if err := createBookkeeping(x); err != nil {
			return fmt.Errorf("create larder's own tables: %w", err)
		}
		taken = l.generation + 1
		return x.exec(`INSERT INTO "larder_lease" (instance, generation, holder, expires_at) VALUES ('larder', ?, ?, ?)
			ON CONFLICT DO UPDATE SET generation = excluded.generation, holder = excluded.holder, expires_at = excluded.expires_at`,
			taken, d.holder, x.ago(-syncer.LeaseTime))
	})
	if err != nil {
		return err
	}
	d.generation.Store(taken)
	looked()
	return nil
}

// Renew implements syncer.Lease.
func (d *Database) Renew(ctx context.Context) error {
	return d.write(ctx, func(x *tx) error {
		return x.exec(`UPDATE "larder_lease" SET expires_at = ? WHERE instance = 'larder'`, x.ago(-syncer.LeaseTime))
	})
}

// instants are the columns of the watermark table that are moments on the
// database's clock.
const instants = "as_of deletes_as_of warn_at critical_at walk_sent list_sent proven_as_of audited audit_as_of " +
	"newest_at first_seen last_poll next_poll failing_since"

// setBack moves every instant that was stored before the clock was set back, so
// that all is as long ago as it was.
func (x *tx) setBack(by time.Duration) error {
	set := strings.Fields(instants)
	for i, name := range set {
		set[i] = name + " = " + name + " - ?1"
	}
	return x.exec(`UPDATE "larder_watermark" SET `+strings.Join(set, ", "), by.Seconds())
}

// Release implements syncer.Lease.
func (d *Database) Release(ctx context.Context) error {
	err := d.write(ctx, func(x *tx) error {
		return x.exec(`UPDATE "larder_lease" SET expires_at = ?, holder = '' WHERE instance = 'larder'`, x.ago(0))
	})
	if err == nil {
		d.generation.Store(0)
	}
	return err
}
