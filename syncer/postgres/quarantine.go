package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// maxQuarantine bounds the records kept for one table; what is beyond is
// counted alone, in the row with the empty key.
const maxQuarantine = 10_000

// setAside brings records that do not fit into quarantine.
func (t *Table) setAside(ctx context.Context, tx pgx.Tx, p syncer.Partition, misfits []row.Misfit) error {
	if len(misfits) == 0 {
		return nil
	}
	var keys, columns, reasons, records []string
	at := map[string]int{}
	for _, m := range misfits {
		i, known := at[m.Key]
		if !known {
			i = len(keys)
			at[m.Key] = i
			keys, columns, reasons, records = append(keys, m.Key), append(columns, ""), append(reasons, ""), append(records, "")
		}
		columns[i], reasons[i], records[i] = m.Column, m.Reason, m.Record
	}
	q := t.db.own("quarantine")
	var beyond int64
	err := tx.QueryRow(ctx, `WITH m AS (SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY AS m (key, column_name, reason, record, n)),
		known AS (UPDATE `+q+` q SET column_name = m.column_name, reason = m.reason, record = m.record, last_seen = now(), times = q.times + 1
			FROM m WHERE q.table_name = $1 AND q.partition = $2 AND q.key = m.key RETURNING q.key),
		fresh AS (INSERT INTO `+q+` (table_name, partition, key, column_name, reason, record)
			SELECT $1, $2, m.key, m.column_name, m.reason, m.record FROM m WHERE NOT EXISTS (SELECT FROM known k WHERE k.key = m.key)
			ORDER BY m.n LIMIT greatest(0, $7 - (SELECT count(*) FROM `+q+` c WHERE c.table_name = $1 AND c.key <> '')) RETURNING 1)
		SELECT cardinality($3) - (SELECT count(*) FROM known) - (SELECT count(*) FROM fresh)`,
		t.spec.Target, p.Name, keys, columns, reasons, records, maxQuarantine).Scan(&beyond)
	if err == nil && beyond > 0 {
		_, err = tx.Exec(ctx, `INSERT INTO `+q+` AS q (table_name, partition, key, reason, times) VALUES ($1, $2, '', $3, $4)
			ON CONFLICT (table_name, partition, key) DO UPDATE SET times = q.times + excluded.times, last_seen = now()`,
			t.spec.Target, p.Name, fmt.Sprintf("quarantine is full at %d records", maxQuarantine), beyond)
	}
	return failed("set records aside", err)
}

// refusal is a row that the database refuses, as a misfit. The server's
// message may show an excerpt of the value, its detail would show the row.
func refusal(spec *row.Spec, c staged, why error) row.Misfit {
	const limit = 300
	m := row.Misfit{Key: c.Key, Readable: true, Record: spec.Record(c.Values)}
	if c.removes() {
		m.Record = spec.RecordRemoved(c.Values)
	}
	for _, i := range spec.Key {
		m.KeyValues = append(m.KeyValues, c.Values[i])
	}
	answer := answerOf(why)
	reason := []rune(answer.Message)
	if len(reason) > limit {
		reason = append(reason[:limit], '…')
	}
	m.Column = answer.ColumnName
	m.Reason = fmt.Sprintf("is refused by the database: %s (SQLSTATE %s)", string(reason), answer.Code)
	return m
}

// release answers the quarantine orders.
func (t *Table) release(ctx context.Context, o syncer.Order) (string, error) {
	held, err := t.inQuarantine(ctx, o.Key)
	if err != nil {
		return "", err
	}
	if len(held) == 0 {
		return "", fmt.Errorf("no such record of %q is in quarantine", t.spec.Target)
	}
	if o.Kind == syncer.OrderQuarantineDrop {
		return t.dropQuarantine(ctx, o.Key)
	}
	fit, tried := 0, 0
	for partition, keys := range held {
		for page := range slices.Chunk(keys, 1000) {
			n, err := t.retry(ctx, partition, page)
			if err != nil {
				return "", err
			}
			tried, fit = tried+len(page), fit+n
		}
	}
	return fmt.Sprintf("%d of %d records fit and are in the table", fit, tried), nil
}

// inQuarantine lists the keys in quarantine by partition.
func (t *Table) inQuarantine(ctx context.Context, key string) (map[string][]string, error) {
	held := map[string][]string{}
	err := t.db.fenced(ctx, "read quarantine", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT partition, key FROM `+t.db.own("quarantine")+
			` WHERE table_name = $1 AND ($2 = '' OR key = $2) ORDER BY partition, key`, t.spec.Target, key)
		if err != nil {
			return failed("read quarantine", err)
		}
		clear(held)
		var partition, k string
		_, err = pgx.ForEachRow(rows, []any{&partition, &k}, func() error {
			held[partition] = append(held[partition], k)
			return nil
		})
		return failed("read quarantine", err)
	})
	return held, err
}

// dropQuarantine forgets records, those that were only counted included.
func (t *Table) dropQuarantine(ctx context.Context, key string) (string, error) {
	var n int64
	err := t.db.fenced(ctx, "drop quarantine", func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `WITH gone AS (DELETE FROM `+t.db.own("quarantine")+` WHERE table_name = $1 AND ($2 = '' OR key = $2)
			RETURNING CASE WHEN key = '' THEN times ELSE 1 END AS n) SELECT coalesce(sum(n), 0)::bigint FROM gone`, t.spec.Target, key).Scan(&n)
		return failed("drop quarantine", err)
	})
	return fmt.Sprintf("%d records dropped from quarantine", n), err
}

// retry converts records again and applies those that fit, as changes.
func (t *Table) retry(ctx context.Context, partition string, keys []string) (int, error) {
	pool, err := t.db.pool(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := pool.Query(ctx, `SELECT record FROM `+t.db.own("quarantine")+
		` WHERE table_name = $1 AND partition = $2 AND key = ANY($3)`, t.spec.Target, partition, keys)
	if err != nil {
		return 0, failed("read quarantine", err)
	}
	records, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, failed("read quarantine", err)
	}
	byKey := map[string]row.Row{}
	for _, record := range records {
		r, misfit, err := t.spec.Retry(record)
		if err == nil && misfit == nil {
			byKey[r.Key] = r
		}
	}
	l := &load{Table: t, walk: syncer.Walk{Kind: syncer.Changes, Partition: syncer.Partition{Name: partition}, Sent: time.Now()}}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		kind := byte(upsert)
		if byKey[key].Removed {
			kind = remove
		}
		l.changes = append(l.changes, staged{kind, byKey[key]})
	}
	if len(l.changes) == 0 {
		return 0, nil
	}
	applied, err := l.apply(ctx)
	return len(l.changes) - applied.Quarantined, err
}

// Quarantine lists records in quarantine, of one table or of all ("").
func (d *Database) Quarantine(ctx context.Context, table string, limit int) ([]syncer.Quarantined, error) {
	pool, err := d.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, `SELECT table_name, partition, key, column_name, reason, record, `+age("first_seen")+
		` FROM `+d.own("quarantine")+` WHERE ($1 = '' OR table_name = $1) AND key <> '' ORDER BY table_name, first_seen, partition, key LIMIT $2`, table, limit)
	if err != nil {
		return nil, unwritten(failed("read quarantine", err))
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (syncer.Quarantined, error) {
		var q syncer.Quarantined
		var since *int64
		err := r.Scan(&q.Table, &q.Partition, &q.Key, &q.Column, &q.Reason, &q.Record, &since)
		q.Since = ago(since)
		return q, err
	})
	return all, unwritten(failed("read quarantine", err))
}
