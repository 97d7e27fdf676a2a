package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer/row"
)

// columnWait is how long the change of a table waits for those who use it, as
// SQL: everybody who comes behind waits as long, readers, too.
const columnWait = "'300ms'"

// grow adds columns, as far as the database will. What it will not, because a
// long reader has the table, its owner is another, or it is full, costs no row:
// it is noted, and tried again by a later walk.
func (t *Table) grow(ctx context.Context, tx pgx.Tx, target row.Target, add []row.Added) (added []row.Added, refused []row.Note, err error) {
	if len(add) == 0 {
		return nil, nil, nil
	}
	var wait string
	if err := tx.QueryRow(ctx, "SELECT current_setting('lock_timeout')").Scan(&wait); err != nil {
		return nil, nil, failed("add column", err)
	}
	busy := ""
	for _, a := range add {
		why := busy
		if why == "" {
			if why, err = addColumn(ctx, tx, target.Add(a)); err != nil {
				return nil, nil, err
			}
		}
		switch why {
		case "":
			added = append(added, a)
			continue
		case whyLocked:
			busy = why // the others would wait for the same
		}
		refused = append(refused, row.Note{Name: a.Name, Why: why})
	}
	_, err = tx.Exec(ctx, "SELECT set_config('lock_timeout', $1, true)", wait)
	return added, refused, failed("add column", err)
}

const whyLocked = "cannot be added: the table is in use by a long transaction; a later poll tries again"

// addColumn runs the statement under a savepoint, and says why the database does
// not do it; "" if it did.
func addColumn(ctx context.Context, tx pgx.Tx, statement string) (why string, err error) {
	save, err := tx.Begin(ctx)
	if err != nil {
		return "", failed("set savepoint", err)
	}
	err = execScript(ctx, save, "SET LOCAL lock_timeout = "+columnWait+"; "+statement)
	if err == nil {
		return "", failed("release savepoint", save.Commit(ctx))
	}
	if !refusesColumn(err) {
		return "", failed("add column", err)
	}
	why = whyLocked
	if sqlState(err) != lockNotAvailable {
		why = "cannot be added: " + row.Label(answerOf(err).Message)
	}
	return why, failed("roll back to savepoint", save.Rollback(ctx))
}

const lockNotAvailable = "55P03"

// refusesColumn reports whether the server rejects the change of a table, and
// not because it is short of something, stops, or was told to end.
func refusesColumn(err error) bool {
	state := sqlState(err)
	if state == "" || passing(err) {
		return false
	}
	return !slices.Contains([]string{"25", "40", "53", "57", "58", "XX"}, state[:2])
}
