package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// news is the payload by which listeners learn that rows were changed. It stays
// far below the 8000 bytes that Postgres takes.
type news struct {
	Table    string `json:"table"`
	Inserted int    `json:"inserted"`
	Updated  int    `json:"updated"`
	Deleted  int    `json:"deleted"`
}

// tell notifies the table's channel of what the transaction changed, once it
// commits; not where it changed nothing. A transaction calls it at most once.
func (t *Table) tell(ctx context.Context, tx pgx.Tx, a syncer.Applied) error {
	if t.spec.Notify == "" || a.Inserted+a.Updated+a.Deleted == 0 {
		return nil
	}
	payload, err := json.Marshal(news{t.spec.Target, a.Inserted, a.Updated, a.Deleted})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "SELECT pg_notify($1, $2)", t.spec.Notify, string(payload))
	return failed("notify", err)
}
