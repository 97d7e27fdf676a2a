package sqlite

import (
	"context"
	"fmt"

	"github.com/larder-sync/larder/syncer"
)

// Forget implements syncer.Forgetter. Notes in the side file that a crash
// between the commits of the two files leaves are thrown away by the next walk
// of a table of that name.
func (d *Database) Forget(ctx context.Context, target string) (string, error) {
	err := d.write(ctx, func(x *tx) error {
		if err := x.exec(`DELETE FROM "larder_watermark" WHERE table_name = ?`, target); err != nil {
			return err
		}
		if x.Changes() == 0 {
			return refusal("no such table is known")
		}
		for _, statement := range []string{
			`DELETE FROM "larder_quarantine" WHERE table_name = ?1`,
			`DELETE FROM "larder_gone" WHERE table_name = ?1`,
			`DELETE FROM "larder_field" WHERE table_name = ?1`,
		} {
			if err := x.exec(statement, target); err != nil {
				return err
			}
		}
		err := x.exec(`DELETE FROM "larder_request" WHERE table_name = ? AND NOT (kind = ? AND state = 'waiting')`,
			target, string(syncer.OrderForget))
		if err != nil {
			return err
		}
		own := d.names.ownNames(target)
		for _, table := range []string{"main." + quote(own.missing), "main." + quote(own.suspect), "side." + quote(own.seen), "side." + quote(own.list)} {
			if err := run(x.Conn, "DROP TABLE IF EXISTS "+table); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("forget %q: %w", target, err)
	}
	return "forgotten; the table itself is left as it is", nil
}
