package sqlite

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// Status reads the freshness view: one line a table. It needs no lease and is
// true while no daemon runs; ErrNoBookkeeping where larder never wrote.
func (d *Database) Status(ctx context.Context) ([]syncer.Status, error) {
	var out []syncer.Status
	err := d.read(ctx, func(c *sqlite.Conn) error {
		return each(c, d.names.sql(`SELECT unixepoch('subsec'), table_name, source, level, reason,
				coalesce(as_of, 0), staleness, coalesce(warn_at, 0), coalesce(critical_at, 0), quarantined, held, "rows",
				coalesce(last_poll, 0), coalesce(next_poll, 0), error_class, error, coalesce(failing_since, 0), paused, late
			FROM "larder_freshness" ORDER BY table_name`), func(s *sqlite.Stmt) error {
			out = append(out, scanStatus(s))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read freshness: %w", err)
	}
	return out, nil
}

func scanStatus(s *sqlite.Stmt) syncer.Status {
	now := instant(s.ColumnFloat(0))
	at := func(i int) instant { return instant(s.ColumnFloat(i)) }
	return syncer.Status{
		Freshness: syncer.Freshness{
			Table: s.ColumnText(1), Level: syncer.Level(s.ColumnText(3)), Reason: s.ColumnText(4),
			AsOf: at(5).local(now), Staleness: seconds(s.ColumnFloat(6)),
			WarnAt: at(7).local(now), CriticalAt: at(8).local(now),
		},
		Source: s.ColumnText(2), Quarantined: s.ColumnInt64(9), Held: s.ColumnInt64(10), Rows: s.ColumnInt64(11),
		LastPoll: at(12).local(now), NextPoll: at(13).local(now),
		Class: syncer.Class(s.ColumnText(14)), Error: s.ColumnText(15), FailingSince: at(16).local(now),
		Paused: s.ColumnInt64(17) != 0, Late: seconds(s.ColumnFloat(18)),
	}
}
