package home

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Writable writes something that changes nothing, and says why that cannot be.
func (h *Home) Writable(ctx context.Context) error {
	err := h.use(ctx, func(conn *sqlite.Conn) (err error) {
		commit, err := sqlitex.ImmediateTransaction(conn)
		if err != nil {
			return err
		}
		defer commit(&err)
		// The same version over again: SQLite writes the page nevertheless.
		return sqlitex.ExecuteTransient(conn, fmt.Sprintf("PRAGMA user_version = %d", version), nil)
	})
	if err != nil {
		return fmt.Errorf("write home: %w", err)
	}
	return nil
}
