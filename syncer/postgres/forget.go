package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// Forget implements syncer.Forgetter.
func (d *Database) Forget(ctx context.Context, target string) (string, error) {
	known := false
	err := d.fenced(ctx, "forget", func(tx pgx.Tx) error {
		if err := execScript(ctx, tx, "SET LOCAL statement_timeout = "+milliseconds(patience)); err != nil {
			return failed("forget", err)
		}
		if err := d.lockDDL(ctx, tx); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `DELETE FROM `+d.own("watermark")+` WHERE table_name = $1`, target)
		if known = tag.RowsAffected() > 0; err != nil || !known {
			return failed("forget position", err)
		}
		for _, name := range []string{"quarantine", "gone", "field"} {
			if _, err := tx.Exec(ctx, `DELETE FROM `+d.own(name)+` WHERE table_name = $1`, target); err != nil {
				return failed("forget "+name, err)
			}
		}
		_, err = tx.Exec(ctx, `DELETE FROM `+d.own("request")+` WHERE table_name = $1 AND NOT (kind = $2 AND state = 'waiting')`,
			target, string(syncer.OrderForget))
		if err != nil {
			return failed("forget orders", err)
		}
		return failed("forget keys", execScript(ctx, tx, "DROP TABLE IF EXISTS "+d.own(keysTable("seen_", target))+", "+
			d.own(keysTable("missing_", target))+", "+d.own(keysTable("suspect_", target))))
	})
	if err == nil && !known {
		err = fmt.Errorf("forget %q: no such table is known", target)
	}
	if err != nil {
		return "", err
	}
	return "forgotten; the table itself is left as it is", nil
}
