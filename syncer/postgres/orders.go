package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// Orders implements syncer.Inbox.
func (d *Database) Orders(ctx context.Context) ([]syncer.Order, error) {
	pool, err := d.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, `SELECT id::text, kind, table_name, deletes, key FROM `+d.own("request")+` WHERE state = 'waiting' ORDER BY id`)
	if err != nil {
		return nil, failed("read orders", err)
	}
	orders, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (syncer.Order, error) {
		var o syncer.Order
		err := r.Scan(&o.ID, &o.Kind, &o.Table, &o.Deletes, &o.Key)
		return o, err
	})
	return orders, failed("read orders", err)
}

// Answer implements syncer.Inbox. It is not fenced: what an order did was, and
// whoever sent it is to know. Answers are kept for a day.
func (d *Database) Answer(ctx context.Context, o syncer.Order, outcome string, err error) error {
	id, idErr := strconv.ParseInt(o.ID, 10, 64)
	if idErr != nil {
		return fmt.Errorf("answer order %q: no such id", o.ID)
	}
	state := "done"
	if err != nil {
		state, outcome = "failed", err.Error()
	}
	pool, err := d.pool(ctx)
	if err != nil {
		return err
	}
	_, err = pool.Exec(ctx, `WITH old AS (DELETE FROM `+d.own("request")+` WHERE answered_at < now() - interval '1 day')
		UPDATE `+d.own("request")+` SET state = $2, outcome = $3, answered_at = now() WHERE id = $1 AND state = 'waiting'`, id, state, outcome)
	return failed("answer order", err)
}

// Send leaves an order for the daemon that holds the lease and returns its id.
func (d *Database) Send(ctx context.Context, o syncer.Order) (string, error) {
	pool, err := d.pool(ctx)
	if err != nil {
		return "", err
	}
	var id string
	err = pool.QueryRow(ctx, `INSERT INTO `+d.own("request")+` (table_name, kind, deletes, key, asked_by)
		VALUES ($1, $2, $3, $4, $5) RETURNING id::text`, o.Table, string(o.Kind), o.Deletes, o.Key, d.options.Holder).Scan(&id)
	return id, unwritten(failed("send order", err))
}

// Outcome tells where an order stands: waiting, done or failed, and what came
// of it.
func (d *Database) Outcome(ctx context.Context, id string) (state, text string, err error) {
	pool, err := d.pool(ctx)
	if err != nil {
		return "", "", err
	}
	err = pool.QueryRow(ctx, `SELECT state, outcome FROM `+d.own("request")+` WHERE id::text = $1`, id).Scan(&state, &text)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", "", fmt.Errorf("order %q is not known", id)
	}
	return state, text, unwritten(failed("read outcome", err))
}
