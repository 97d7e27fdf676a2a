package sqlite

import (
	"context"
	"fmt"
	"strconv"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// orderLife is how long an answered order can be asked about, in seconds.
const orderLife = 24 * 60 * 60

// Send leaves an order for the daemon that holds the lease. It needs none.
func (d *Database) Send(ctx context.Context, o syncer.Order) (id string, err error) {
	if err := d.read(ctx, func(c *sqlite.Conn) error { return d.wrote(c) }); err != nil {
		return "", fmt.Errorf("send order: %w", err)
	}
	err = d.transact(ctx, func(x *tx) error {
		err := x.exec(`INSERT INTO "larder_request" (table_name, kind, deletes, key, asked_at, asked_by) VALUES (?, ?, ?, ?, ?, ?)`,
			o.Table, string(o.Kind), o.Deletes, o.Key, x.now, d.holder)
		id = strconv.FormatInt(x.LastInsertRowID(), 10)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("send order: %w", err)
	}
	return id, nil
}

// wrote is an error unless larder has written to the database before.
func (d *Database) wrote(c *sqlite.Conn) error {
	return run(c, d.names.sql(`SELECT 1 FROM "larder_request" LIMIT 1`))
}

// Outcome tells what became of an order: its state is waiting, done or failed.
func (d *Database) Outcome(ctx context.Context, id string) (state, text string, err error) {
	err = d.read(ctx, func(c *sqlite.Conn) error {
		return each(c, d.names.sql(`SELECT state, outcome FROM "larder_request" WHERE id = CAST(? AS INTEGER)`), func(s *sqlite.Stmt) error {
			state, text = s.ColumnText(0), s.ColumnText(1)
			return nil
		}, id)
	})
	if err == nil && state == "" {
		err = fmt.Errorf("order %q is not known", id)
	}
	return state, text, err
}

// Orders implements syncer.Inbox.
func (d *Database) Orders(ctx context.Context) ([]syncer.Order, error) {
	var out []syncer.Order
	err := d.read(ctx, func(c *sqlite.Conn) error {
		return each(c, d.names.sql(`SELECT id, table_name, kind, deletes, key FROM "larder_request" WHERE state = 'waiting' ORDER BY id`), func(s *sqlite.Stmt) error {
			out = append(out, syncer.Order{
				ID: s.ColumnText(0), Table: s.ColumnText(1), Kind: syncer.OrderKind(s.ColumnText(2)),
				Deletes: s.ColumnInt(3), Key: s.ColumnText(4),
			})
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	return out, nil
}

// Answer implements syncer.Inbox.
func (d *Database) Answer(ctx context.Context, o syncer.Order, outcome string, failure error) error {
	state := "done"
	if failure != nil {
		state, outcome = "failed", failure.Error()
	}
	err := d.write(ctx, func(x *tx) error {
		err := x.exec(`UPDATE "larder_request" SET state = ?, outcome = ?, answered_at = ? WHERE id = CAST(? AS INTEGER)`,
			state, outcome, x.now, o.ID)
		if err != nil {
			return err
		}
		return x.exec(`DELETE FROM "larder_request" WHERE answered_at < ?`, x.now-orderLife)
	})
	if err != nil {
		return fmt.Errorf("answer order %s: %w", o.ID, err)
	}
	return nil
}

// Obey implements syncer.Keeper.
func (t *Table) Obey(ctx context.Context, o syncer.Order) (outcome string, err error) {
	t.drift.growing.RLock()
	defer t.drift.growing.RUnlock()
	t = t.current()
	err = t.db.write(ctx, func(x *tx) error {
		switch o.Kind {
		case syncer.OrderResync:
			outcome, err = t.mark(x, "the next poll reads everything from zero", `resync = 1, list_resume = NULL, list_sent = NULL, validator = ''`)
		case syncer.OrderPause:
			outcome, err = t.mark(x, "paused", `paused = 1`)
		case syncer.OrderResume:
			outcome, err = t.mark(x, "goes on", `paused = 0`)
		case syncer.OrderAccept:
			outcome, err = t.accept(x, o.Deletes)
		case syncer.OrderQuarantineRetry:
			outcome, err = t.retry(x, o.Key)
		case syncer.OrderQuarantineDrop:
			outcome, err = t.drop(x, o.Key)
		default:
			err = refusal("it is no order to a table")
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", o.Kind, t.spec.Target, err)
	}
	return outcome, nil
}

// mark sets columns of all partitions. set is one of the texts above.
func (t *Table) mark(x *tx, outcome, set string) (string, error) {
	if err := x.exec(`UPDATE "larder_watermark" SET `+set+` WHERE table_name = ?`, t.spec.Target); err != nil {
		return "", err
	}
	if x.Changes() == 0 {
		return "", refusal("no poll has reached the table yet")
	}
	return outcome, nil
}

// refusal is an order that cannot be carried out as it stands.
type refusal string

func (r refusal) Error() string { return string(r) }

// accept lets the held sweeps of all partitions pass, if they are not more
// than an operator has agreed to.
func (t *Table) accept(x *tx, deletes int) (string, error) {
	partitions, states, err := t.states(x)
	if err != nil {
		return "", err
	}
	var held int64
	for _, p := range partitions {
		// A row may have come to another partition since it was missed here.
		if scope, err := t.scope(syncer.ParsePartition(p)); err == nil {
			if err := run(x.Conn, t.sql.moved, append([]any{p}, scope...)...); err != nil {
				return "", err
			}
		}
		n, err := x.count(t.sql.confirmed, p, t.spec.Confirm)
		if err != nil {
			return "", err
		}
		held += n
	}
	if held > int64(deletes) {
		return "", refusal(fmt.Sprintf("%d rows are held, more than the %d accepted", held, deletes))
	}
	deleted := 0
	for i, p := range partitions {
		n, err := t.acceptOne(x, p, &states[i])
		if err != nil {
			return "", err
		}
		deleted += n
	}
	// What is left of a partition that was held for its removal goes, too.
	if err := t.retireAccepted(x); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d rows deleted", deleted), nil
}

// states reads the rows of all partitions.
func (t *Table) states(x *tx) (partitions []string, states []state, err error) {
	err = x.each(`SELECT `+stateColumns+` FROM "larder_watermark" WHERE table_name = ? ORDER BY partition`, func(s *sqlite.Stmt) error {
		states, partitions = append(states, scanState(s)), append(partitions, s.ColumnText(s.ColumnIndex("partition")))
		return nil
	}, t.spec.Target)
	return partitions, states, err
}

func (t *Table) acceptOne(x *tx, partition string, st *state) (int, error) {
	n, err := t.deleteConfirmed(x, partition)
	if err != nil {
		return 0, err
	}
	if scope, err := t.scope(syncer.ParsePartition(partition)); err == nil {
		if err := t.acquit(x, partition, scope, st); err != nil {
			return 0, err
		}
	}
	if err := t.moveDeletes(x, partition, st, listed{st.auditAsOf, true}); err != nil {
		return 0, err
	}
	warnAt, criticalAt := t.deadlines(x, st)
	return n, x.exec(`UPDATE "larder_watermark" SET "rows" = ?, held = 0, suspects = ?, deletes_as_of = ?, warn_at = ?, critical_at = ?,
			audit_left = max(0, audit_left - ?)
		WHERE table_name = ? AND partition = ?`,
		st.rows-int64(n), st.suspects, st.deletesAsOf, warnAt, criticalAt, n, t.spec.Target, partition)
}
