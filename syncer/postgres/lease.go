package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/larder-sync/larder/syncer"
)

//go:embed schema.sql
var schemaSQL string

// layout numbers the bookkeeping as schema.sql makes it. It stands in the
// comment of the table watermark.
const layout = 4

const layoutComment = "larder: where copies stand and how old they are; layout "

// beyond is longer than any lease lasts: one that has more time left was written
// before the clock was set back, and does not tell when its holder was last
// alive.
const beyond = "2 * $2::bigint * interval '1 microsecond'"

// Acquire implements syncer.Lease. A lease that somebody else holds is only
// looked at, never locked, so that a standby does not get in the way.
func (d *Database) Acquire(ctx context.Context) error {
	return d.observedFailure(time.Now(), d.acquire(ctx))
}

func (d *Database) acquire(ctx context.Context) error {
	pool, err := d.leasePool(ctx)
	if err != nil {
		return err
	}
	if err := d.migrate(ctx, pool); err != nil {
		return err
	}
	held := d.generation.Load()
	var generation, told int64
	asked := time.Now()
	err = pool.QueryRow(ctx, `INSERT INTO `+d.own("lease")+` AS l (instance, generation, holder, expires_at)
		SELECT 'larder', coalesce(max(o.generation), 0) + 1, $1, now() + $2::bigint * interval '1 microsecond'
		FROM `+d.own("lease")+` o WHERE o.instance = 'larder'
		HAVING coalesce(max(o.expires_at) <= clock_timestamp() OR max(o.expires_at) > clock_timestamp() + `+beyond+` OR max(o.generation) = $3, true)
		ON CONFLICT (instance) DO UPDATE
		SET generation = l.generation + 1, holder = excluded.holder, expires_at = excluded.expires_at
		WHERE l.expires_at <= clock_timestamp() OR l.expires_at > clock_timestamp() + `+beyond+` OR l.generation = $3
		RETURNING generation, (extract(epoch FROM now()) * 1000000)::bigint`,
		d.options.Holder, syncer.LeaseTime.Microseconds(), held).Scan(&generation, &told)
	// Of two that insert the first lease at once, one may run into the other's
	// generation before it runs into its instance.
	if errors.Is(err, pgx.ErrNoRows) || sqlState(err) == uniqueViolation {
		d.generation.CompareAndSwap(held, 0)
		return d.holder(ctx, pool)
	}
	if err != nil {
		return failed("take lease", err)
	}
	d.generation.Store(generation)
	// What was stored before a leap back is moved by the first renewal.
	if back, keep := d.clock.Back(time.Duration(told)*time.Microsecond, asked, time.Now()); back == 0 {
		keep()
	}
	return nil
}

// Holding says whether anybody holds the lease. ErrNoBookkeeping: nobody ever did.
func (d *Database) Holding(ctx context.Context) (h syncer.Holding, err error) {
	pool, err := d.pool(ctx)
	if err != nil {
		return h, err
	}
	var left int64
	err = pool.QueryRow(ctx, `SELECT expires_at > now(), (extract(epoch FROM expires_at - now()) * 1000000)::bigint FROM `+
		d.own("lease")+` WHERE instance = 'larder'`).Scan(&h.Held, &left)
	if errors.Is(err, pgx.ErrNoRows) {
		return h, nil
	}
	if err != nil {
		return h, unwritten(failed("read lease", err))
	}
	h.Until = time.Now().Add(time.Duration(left) * time.Microsecond)
	return h, nil
}

// holder says who holds the lease.
func (d *Database) holder(ctx context.Context, pool *pgxpool.Pool) error {
	var name string
	var left int64
	err := pool.QueryRow(ctx, `SELECT holder, (extract(epoch FROM expires_at - now()) * 1000000)::bigint FROM `+
		d.own("lease")+` WHERE instance = 'larder'`).Scan(&name, &left)
	if err != nil {
		return failed("read lease", err)
	}
	return &syncer.HeldError{Holder: name, For: max(0, time.Duration(left)*time.Microsecond)}
}

// Renew implements syncer.Lease. It leaves the generation alone, and with it
// the key that open commits have locked, and so never waits for them.
func (d *Database) Renew(ctx context.Context) error {
	return d.observedFailure(time.Now(), d.renew(ctx))
}

func (d *Database) renew(ctx context.Context) error {
	held := d.generation.Load()
	if held == 0 {
		return syncer.ErrFenced
	}
	pool, err := d.leasePool(ctx)
	if err != nil {
		return err
	}
	var told int64
	asked := time.Now()
	err = pool.QueryRow(ctx, `UPDATE `+d.own("lease")+` SET expires_at = now() + $2::bigint * interval '1 microsecond'
		WHERE instance = 'larder' AND generation = $1 RETURNING (extract(epoch FROM now()) * 1000000)::bigint`, held, syncer.LeaseTime.Microseconds()).Scan(&told)
	if errors.Is(err, pgx.ErrNoRows) {
		d.generation.CompareAndSwap(held, 0)
		return syncer.ErrFenced
	}
	if err != nil {
		return failed("renew lease", err)
	}
	d.follow(ctx, time.Duration(told)*time.Microsecond, asked)
	return nil
}

// instants are the columns of the watermark table that are moments on the
// database's clock.
const instants = "as_of deletes_as_of warn_at critical_at walk_sent list_sent proven_as_of audited audit_as_of " +
	"newest_at first_seen last_poll next_poll failing_since"

// follow moves every instant that was stored before the clock was set back, so
// that all is as long ago as it was. What was stored since looks older than it
// is by that, until it is stored again. What it cannot do, it does at the next
// renewal.
func (d *Database) follow(ctx context.Context, told time.Duration, asked time.Time) {
	back, keep := d.clock.Back(told, asked, time.Now())
	if back == 0 {
		keep()
		return
	}
	log := d.options.Log.Warn().Dur("by_ms", back)
	err := d.fenced(ctx, "follow the clock", func(tx pgx.Tx) error {
		set := strings.Fields(instants)
		for i, name := range set {
			set[i] = name + " = " + name + " - $1::bigint * interval '1 microsecond'"
		}
		_, err := tx.Exec(ctx, `UPDATE `+d.own("watermark")+` SET `+strings.Join(set, ", "), back.Microseconds())
		return failed("follow the clock", err)
	})
	if err == nil {
		keep()
	}
	log.Err(err).Msg("clock of the database was set back: what is stored is moved with it")
}

// Release implements syncer.Lease.
func (d *Database) Release(ctx context.Context) error {
	return d.observedFailure(time.Now(), d.release(ctx))
}

func (d *Database) release(ctx context.Context) error {
	held := d.generation.Swap(0)
	if held == 0 {
		return syncer.ErrFenced
	}
	pool, err := d.leasePool(ctx)
	if err != nil {
		return err
	}
	tag, err := pool.Exec(ctx, `UPDATE `+d.own("lease")+` SET expires_at = now() WHERE instance = 'larder' AND generation = $1`, held)
	if err == nil && tag.RowsAffected() == 0 {
		return syncer.ErrFenced
	}
	return failed("release lease", err)
}

// migrate brings larder's own tables up to date. Where they are, it needs no
// right to create anything.
func (d *Database) migrate(ctx context.Context, pool *pgxpool.Pool) error {
	found, err := d.layout(ctx, pool)
	if err != nil || found == layout {
		return err
	}
	_, err = transact(ctx, pool, func(tx pgx.Tx) error {
		if err := d.lockDDL(ctx, tx); err != nil {
			return err
		}
		found, err := d.layout(ctx, tx)
		if err != nil || found == layout {
			return err
		}
		schema := pgx.Identifier{d.options.Bookkeeping}.Sanitize()
		var exists bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`, d.options.Bookkeeping).Scan(&exists); err != nil {
			return failed("look for bookkeeping", err)
		}
		ddl := strings.ReplaceAll(schemaSQL, "{schema}", schema)
		if !exists {
			ddl = "CREATE SCHEMA IF NOT EXISTS " + schema + ";\n" + ddl
		}
		ddl += fmt.Sprintf("\nCOMMENT ON TABLE %s IS '%s%d';", d.own("watermark"), layoutComment, layout)
		return failed("create bookkeeping", execScript(ctx, tx, ddl))
	})
	return err
}

// layout reads which layout the bookkeeping has; 0 if there is none.
func (d *Database) layout(ctx context.Context, q querier) (int, error) {
	var comment *string
	err := q.QueryRow(ctx, `SELECT obj_description(c.oid, 'pg_class') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = 'watermark'`, d.options.Bookkeeping).Scan(&comment)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && comment == nil {
		return 0, nil
	}
	if err != nil {
		return 0, failed("look for bookkeeping", err)
	}
	number, _ := strings.CutPrefix(*comment, layoutComment)
	n, err := strconv.Atoi(number)
	if err != nil || n > layout {
		return 0, &Error{step: "read bookkeeping", err: fmt.Errorf("schema %q was made by another larder (layout %q, known is %d)", d.options.Bookkeeping, number, layout)}
	}
	return n, nil
}

// lockDDL makes daemons create one after another: CREATE IF NOT EXISTS alone
// fails where two run at once.
func (d *Database) lockDDL(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('larder ' || $1, 0))`, d.options.Bookkeeping)
	return failed("lock bookkeeping", err)
}

// querier is what a pool and a transaction have in common.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// execScript runs several statements without parameters in one round trip.
func execScript(ctx context.Context, tx pgx.Tx, sql string) error {
	return tx.Conn().PgConn().Exec(ctx, sql).Close()
}
