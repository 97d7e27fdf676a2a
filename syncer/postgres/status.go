package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// Status reads the freshness view. It needs no lease and no daemon; where
// larder never wrote, it is ErrNoBookkeeping.
func (d *Database) Status(ctx context.Context) ([]syncer.Status, error) {
	pool, err := d.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, `SELECT table_name, source, level, reason, (extract(epoch FROM staleness) * 1000000)::bigint, rows, quarantined,
			error_class, error, held, paused, (extract(epoch FROM late) * 1000000)::bigint, `+
		age("as_of")+`, `+age("warn_at")+`, `+age("critical_at")+`, `+age("last_poll")+`, `+age("next_poll")+`, `+age("failing_since")+`, `+
		age(newer("deletes_as_of", "timestamptz"))+`, `+age(newer("proven_as_of", "timestamptz"))+`, coalesce(`+newer("audit_found", "bigint")+`, 0), coalesce(`+
		newer("audit_left", "bigint")+`, 0), coalesce(`+newer("audit_error", "text")+`, ''), `+newer("fields", "text")+`, `+age(newer("newest_at", "timestamptz"))+`, now() FROM `+d.own("freshness")+` f ORDER BY table_name`)
	if err != nil {
		return nil, unwritten(failed("read freshness", err))
	}
	all, err := pgx.CollectRows(rows, scanStatus)
	return all, unwritten(failed("read freshness", err))
}

// newer is the SQL of a column that the view of an older larder lacks.
func newer(column, typ string) string { return fmt.Sprintf("(to_jsonb(f)->>'%s')::%s", column, typ) }

func scanStatus(r pgx.CollectableRow) (syncer.Status, error) {
	var s syncer.Status
	var staleness, late int64
	var fields *string
	var now time.Time
	var asOf, warn, critical, last, next, failing, deletes, proven, newest *int64
	err := r.Scan(&s.Table, &s.Source, &s.Level, &s.Reason, &staleness, &s.Rows, &s.Quarantined,
		&s.Class, &s.Error, &s.Held, &s.Paused, &late, &asOf, &warn, &critical, &last, &next, &failing,
		&deletes, &proven, &s.Found, &s.Left, &s.AuditError, &fields, &newest, &now)
	if err != nil {
		return s, err
	}
	s.Staleness, s.Late = time.Duration(staleness)*time.Microsecond, time.Duration(late)*time.Microsecond
	s.AsOf, s.WarnAt, s.CriticalAt = ago(asOf), ago(warn), ago(critical)
	s.LastPoll, s.NextPoll, s.FailingSince = ago(last), ago(next), ago(failing)
	err = told(&s, fields, now)
	s.DeletesAsOf, s.ProvenAsOf, s.Newest = ago(deletes), ago(proven), ago(newest)
	return s, err
}
