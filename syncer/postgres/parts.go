package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/larder-sync/larder/syncer"
)

// mostParts is how many rows of a query are fetched: one more than may be.
const mostParts = 100_001

// Partitions runs a query that reads, in a transaction that cannot write, and
// makes a partition of each row: a column's name is the name of its value. Whole
// and broken numbers, booleans and JSON stay what they are, all other types
// become text. A null, a column without a name of its own and more than 100,000
// rows are errors. It needs no lease, and no table of larder's.
func (d *Database) Partitions(ctx context.Context, query string) ([]syncer.Partition, error) {
	pool, err := d.pool(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, failed("begin", err)
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(end) // nothing was written
	}()
	// A cursor takes one query, and no other statement, of which this protocol
	// takes one alone. The session bounds its time.
	conn := tx.Conn().PgConn()
	declared := conn.ExecParams(ctx, "DECLARE larder_parts NO SCROLL CURSOR FOR "+query, nil, nil, nil, nil).Read()
	if declared.Err != nil {
		return nil, failed("read query", declared.Err)
	}
	return parts(conn.ExecParams(ctx, fmt.Sprintf("FETCH FORWARD %d FROM larder_parts", mostParts), nil, nil, nil, nil))
}

func parts(rows *pgconn.ResultReader) ([]syncer.Partition, error) {
	fields := rows.FieldDescriptions()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	parts, wrong := syncer.NewParts(names)
	for wrong == nil && rows.NextRow() {
		row := make([][]byte, len(fields))
		for i, text := range rows.Values() {
			row[i] = jsonOf(fields[i].DataTypeOID, text)
		}
		wrong = parts.Add(row)
	}
	if _, err := rows.Close(); err != nil {
		return nil, failed("run query", err)
	}
	if wrong != nil {
		return nil, wrong
	}
	return parts.All(), nil
}

// jsonOf is the JSON text of a value that the server wrote as text; nil for null.
func jsonOf(oid uint32, text []byte) []byte {
	if text == nil {
		return nil
	}
	switch oid {
	case pgtype.BoolOID:
		if string(text) == "t" {
			return []byte("true")
		}
		return []byte("false")
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID,
		pgtype.JSONOID, pgtype.JSONBOID:
		if json.Valid(text) { // NaN and Infinity are not
			return append([]byte{}, text...)
		}
	}
	quoted, err := json.Marshal(string(text))
	if err != nil {
		return nil
	}
	return quoted
}
