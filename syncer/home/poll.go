package home

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/syncer"
)

// Record remembers what a walk did, and forgets what is too old to be
// kept.
func (h *Home) Record(ctx context.Context, r syncer.Report) error {
	err := h.use(ctx, func(conn *sqlite.Conn) error { return h.record(conn, r) })
	if err != nil {
		return fmt.Errorf("record poll of %q: %w", r.Source, err)
	}
	return nil
}

func (h *Home) record(conn *sqlite.Conn, r syncer.Report) (err error) {
	args, err := columns(r)
	if err != nil {
		return err
	}
	commit, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return err
	}
	defer commit(&err)
	err = sqlitex.Execute(conn, `INSERT INTO poll (source, partition, walk, kind, resumed, started, took,
			batches, records, bytes, unchanged, error_class, error, retry_at, tables)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, &sqlitex.ExecOptions{Args: args})
	if err != nil {
		return err
	}
	return h.forget(conn, r.Source, conn.LastInsertRowID())
}

// columns are a report's values in the order of Record's statement.
func columns(r syncer.Report) ([]any, error) {
	tables, err := json.Marshal(r.Tables)
	if err != nil {
		return nil, err
	}
	failure := syncer.Failure{}
	if r.Failure != nil {
		failure = *r.Failure
	}
	var retryAt any
	if !r.RetryAt.IsZero() {
		retryAt = r.RetryAt.UnixMicro()
	}
	return []any{
		r.Source, r.Partition, r.Walk, string(r.Kind), r.Resumed, r.Started.UnixMicro(), r.Took.Microseconds(),
		r.Batches, r.Records, r.Bytes, r.Unchanged, string(failure.Class), failure.Text, retryAt, string(tables),
	}, nil
}

// forget drops what is too old, and now and then what is too much of one
// source. latest is the row that was just written.
func (h *Home) forget(conn *sqlite.Conn, source string, latest int64) error {
	if h.keep > 0 {
		err := sqlitex.Execute(conn, `DELETE FROM poll WHERE started < ?`,
			&sqlitex.ExecOptions{Args: []any{time.Now().Add(-h.keep).UnixMicro()}})
		if err != nil {
			return err
		}
	}
	if latest%trimEvery != 0 {
		return nil
	}
	return sqlitex.Execute(conn, `DELETE FROM poll WHERE source = ?1 AND id <=
		(SELECT id FROM poll WHERE source = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`,
		&sqlitex.ExecOptions{Args: []any{source, pollsPerSource}})
}

// Recent returns the last n reports of a source, newest first; of all sources
// where source is "".
func (h *Home) Recent(ctx context.Context, source string, n int) ([]syncer.Report, error) {
	var out []syncer.Report
	const selected = `SELECT source, partition, walk, kind, resumed, started, took, batches, records, bytes,
		unchanged, error_class, error, retry_at, tables FROM poll`
	query, args := selected+` WHERE source = ? ORDER BY id DESC LIMIT ?`, []any{source, n}
	if source == "" {
		query, args = selected+` ORDER BY id DESC LIMIT ?`, []any{n}
	}
	err := h.use(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(s *sqlite.Stmt) error {
			r, err := scan(s)
			out = append(out, r)
			return err
		}})
	})
	if err != nil {
		return nil, fmt.Errorf("read poll history: %w", err)
	}
	return out, nil
}

func scan(s *sqlite.Stmt) (syncer.Report, error) {
	r := syncer.Report{
		Source: s.ColumnText(0), Partition: s.ColumnText(1), Walk: s.ColumnText(2), Kind: syncer.WalkKind(s.ColumnText(3)),
		Resumed: s.ColumnBool(4), Started: time.UnixMicro(s.ColumnInt64(5)), Took: time.Duration(s.ColumnInt64(6)) * time.Microsecond,
		Batches: s.ColumnInt(7), Records: s.ColumnInt(8), Bytes: s.ColumnInt64(9), Unchanged: s.ColumnBool(10),
	}
	if class := s.ColumnText(11); class != "" {
		r.Failure = &syncer.Failure{Class: syncer.Class(class), Text: s.ColumnText(12)}
	}
	if !s.ColumnIsNull(13) {
		r.RetryAt = time.UnixMicro(s.ColumnInt64(13))
	}
	if err := json.Unmarshal([]byte(s.ColumnText(14)), &r.Tables); err != nil {
		return r, fmt.Errorf("outcomes of a poll of %q: %w", r.Source, err)
	}
	return r, nil
}
