package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/larder-sync/larder/syncer"
)

// Read committed is part of the fence: the lock on the lease's row must show
// the row as it is, not as it was when the transaction began. Whether it may
// write is left to the database: whoever made it read-only by default, as hosts
// do when a disk is all but full, meant us, too.
func writing() pgx.TxOptions { return pgx.TxOptions{IsoLevel: pgx.ReadCommitted} }

// fenced runs do in a transaction that holds the lease from its first
// statement on.
func (d *Database) fenced(ctx context.Context, step string, do func(pgx.Tx) error) error {
	return d.write(ctx, step, func(tx pgx.Tx, generation int64) error {
		if err := d.fence(ctx, tx, generation); err != nil {
			return err
		}
		return do(tx)
	})
}

// write runs do in a transaction, which has to set the fence itself. It is
// begun again once where the first attempt ended for a passing reason before
// its commit was sent. A commit without an answer is an error: what it did is
// not known, and the next poll finds out harmlessly.
//
// The generation that do is given is the one we held at first: should the
// lease be lost and taken again meanwhile, what we were about to write is
// another term's.
func (d *Database) write(ctx context.Context, step string, do func(tx pgx.Tx, generation int64) error) error {
	generation := d.generation.Load()
	if generation == 0 {
		return syncer.ErrFenced
	}
	once, began := func(tx pgx.Tx) error { return do(tx, generation) }, time.Now()
	pool, err := d.pool(ctx)
	if err != nil {
		return err
	}
	sent, err := transact(ctx, pool, once)
	if err != nil && ctx.Err() == nil && !sent && retryable(err) {
		_, err = transact(ctx, pool, once)
	}
	return d.observed(began, failed(step, err))
}

// retryable reports whether an error came from the driver and is passing.
func retryable(err error) bool {
	var e *Error
	return errors.As(err, &e) && passing(e)
}

// transact runs do between begin and commit. sent says that a commit was sent
// and was not answered by a rollback.
func transact(ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) error) (sent bool, err error) {
	tx, err := pool.BeginTx(ctx, writing())
	if err != nil {
		return false, failed("begin", err)
	}
	defer func() {
		if err == nil {
			return
		}
		// The caller's context may be what ended the transaction.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(end) // of a commit that went wrong, or of a broken connection
	}()
	if err := do(tx); err != nil {
		return false, err
	}
	if err := tx.Commit(ctx); err != nil {
		return sqlState(err) == "", failed("commit", err)
	}
	return false, nil
}

// fence takes the lock that a takeover waits for, or says that there was one.
// A lease that has run out without a takeover may still commit.
func (d *Database) fence(ctx context.Context, tx pgx.Tx, generation int64) error {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM `+d.own("lease")+
		` WHERE instance = 'larder' AND generation = $1 FOR KEY SHARE`, generation).Scan(&one)
	if errors.Is(err, pgx.ErrNoRows) {
		return syncer.ErrFenced
	}
	return failed("check lease", err)
}

// ago turns an age that the database told into an instant of this process's
// clock; nil, and what never was, is the zero time.
func ago(microseconds *int64) time.Time {
	if microseconds == nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(*microseconds) * time.Microsecond)
}

// age is the SQL of how long ago an instant was, in microseconds.
func age(instant string) string {
	return `(extract(epoch FROM now() - ` + instant + `) * 1000000)::bigint`
}

// before is the SQL of the instant that lies parameter microseconds back.
func before(parameter string) string {
	return `now() - ` + parameter + `::bigint * interval '1 microsecond'`
}
