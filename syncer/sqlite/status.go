package sqlite

import (
	"context"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// Status reads the freshness view: one line a table. It needs no lease and is
// true while no daemon runs; ErrNoBookkeeping where larder never wrote.
func (d *Database) Status(ctx context.Context) ([]syncer.Status, error) {
	var out []syncer.Status
	err := d.read(ctx, func(c *sqlite.Conn) error {
		// All columns: the view may be that of an older larder, which has fewer.
		err := once(c, d.names.sql(`SELECT unixepoch('subsec') AS now, * FROM "larder_freshness" ORDER BY table_name`), func(s *sqlite.Stmt) error {
			out = append(out, scanStatus(s))
			return nil
		})
		if err != nil {
			return err
		}
		return tellFields(c, d.names, out)
	})
	if err != nil {
		return nil, fmt.Errorf("read freshness: %w", err)
	}
	return out, nil
}

func scanStatus(s *sqlite.Stmt) syncer.Status {
	now := instant(s.ColumnFloat(0))
	text := func(name string) string { return s.ColumnText(s.ColumnIndex(name)) }
	number := func(name string) int64 { return s.ColumnInt64(s.ColumnIndex(name)) }
	real := func(name string) float64 { return s.ColumnFloat(s.ColumnIndex(name)) }
	at := func(name string) time.Time { return instant(real(name)).local(now) }
	return syncer.Status{
		Freshness: syncer.Freshness{
			Table: text("table_name"), Level: syncer.Level(text("level")), Reason: text("reason"),
			AsOf: at("as_of"), Staleness: seconds(real("staleness")), WarnAt: at("warn_at"), CriticalAt: at("critical_at"),
		},
		Source: text("source"), Quarantined: number("quarantined"), Held: number("held"), Rows: number("rows"),
		LastPoll: at("last_poll"), NextPoll: at("next_poll"),
		Class: syncer.Class(text("error_class")), Error: text("error"), FailingSince: at("failing_since"),
		Paused: number("paused") != 0, Late: seconds(real("late")),
		DeletesAsOf: at("deletes_as_of"), ProvenAsOf: at("proven_as_of"),
		Newest: at("newest_at"), Found: number("audit_found"), Left: number("audit_left"), AuditError: text("audit_error"),
	}
}
