package postgres

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer/row"
)

// The temporary tables of a transaction. The typed one has the target's own
// column types, so that any type works which reads the value's text; the
// other holds the texts, for when the database refuses one of them.
const (
	stageName = "pg_temp.larder_stage"
	textName  = "pg_temp.larder_text"
)

// The kinds of staged rows.
const (
	upsert = 'u'
	remove = 'd'
	// turned rows are deleted because the table does not take them: their
	// owner still has them.
	turned = 't'
	// noteOnly rows carry a key that was seen in a record that does not fit.
	noteOnly = 's'
	// outside rows carry a key that an audit's sample has not.
	outside = 'o'
)

// staged is a row on its way into the table. Its index is its number there.
type staged struct {
	kind byte
	row.Row
}

// removes reports whether the row is on its way out of the table.
func (s *staged) removes() bool { return s.kind == remove || s.kind == turned }

// stage makes the typed staging table.
func stage(ctx context.Context, tx pgx.Tx, f *form, target string) error {
	sql := fmt.Sprintf(`SET LOCAL statement_timeout = %s;
		CREATE TEMP TABLE larder_stage ON COMMIT DROP AS SELECT 0::integer AS n, 'u'::"char" AS kind, 0::bigint AS late, %s%s FROM %s WITH NO DATA`,
		milliseconds(patience), f.absent("''::text AS absent, "), f.columnList(func(i int, c column) string { return fmt.Sprintf("%s AS c%d", c.name, i) }), target)
	return failed("stage", execScript(ctx, tx, sql))
}

// stageText makes the staging table of texts.
func stageText(ctx context.Context, tx pgx.Tx, f *form) error {
	sql := `CREATE TEMP TABLE larder_text (n integer, kind "char", late bigint, ` + f.absent("absent text, ") +
		f.columnList(func(i int, _ column) string { return fmt.Sprintf("c%d text", i) }) + `) ON COMMIT DROP`
	return failed("stage", execScript(ctx, tx, sql))
}

// copyInto streams the rows into a staging table, as text: every type reads
// text, and it is as fast as the binary form.
func copyInto(ctx context.Context, tx pgx.Tx, table string, rows []staged, partial bool) error {
	_, err := tx.Conn().PgConn().CopyFrom(ctx, &copyReader{rows: rows, partial: partial}, "COPY "+table+" FROM STDIN")
	return failed("copy rows", err)
}

// fill brings a range of the texts into the typed staging table. A cast to the
// type without its length and an assignment to the type with it: an explicit
// cast to varchar(3) would cut the text off.
func fill(ctx context.Context, tx pgx.Tx, f *form, from, to int) error {
	if _, err := tx.Exec(ctx, "DELETE FROM "+stageName); err != nil {
		return failed("stage", err)
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT n, kind, late, %s%s FROM %s WHERE n >= $1 AND n < $2", stageName, f.absent("absent, "),
		f.columnList(func(i int, c column) string { return fmt.Sprintf("c%d::%s", i, c.typ) }), textName), from, to)
	return failed("stage", err)
}

// fillKey stages the key alone of one row, to be noted.
func fillKey(ctx context.Context, tx pgx.Tx, f *form, n int) error {
	if _, err := tx.Exec(ctx, "DELETE FROM "+stageName); err != nil {
		return failed("stage", err)
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT n, 's', late, %s%s FROM %s WHERE n = $1", stageName, f.absent("absent, "),
		f.columnList(func(i int, c column) string {
			if f.isKey(i) {
				return fmt.Sprintf("c%d::%s", i, c.typ)
			}
			return "NULL"
		}), textName), n)
	return failed("stage", err)
}

// copyReader writes rows in the text format of COPY while they are read.
type copyReader struct {
	rows []staged
	// partial tables have a column that says what a record tells nothing of.
	partial bool
	next    int
	buf     []byte
	off     int
}

func (r *copyReader) Read(p []byte) (int, error) {
	if r.off == len(r.buf) {
		r.buf, r.off = r.buf[:0], 0
		for r.next < len(r.rows) && len(r.buf) < len(p) {
			r.buf = r.appendLine(r.buf, r.next, &r.rows[r.next])
			r.next++
		}
		if len(r.buf) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, r.buf[r.off:])
	r.off += n
	return n, nil
}

func (r *copyReader) appendLine(b []byte, n int, s *staged) []byte {
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, '\t', s.kind, '\t')
	b = strconv.AppendInt(b, int64(s.Late), 10)
	if r.partial {
		b = append(b, '\t')
		for _, absent := range s.Absent {
			if absent {
				b = append(b, '1')
			} else {
				b = append(b, '0')
			}
		}
	}
	for _, v := range s.Values {
		b = append(b, '\t')
		start := len(b)
		var ok bool
		if b, ok = appendText(b, v); !ok {
			b = append(b, `\N`...)
			continue
		}
		b = escape(b, start)
	}
	return append(b, '\n')
}

// appendText writes a value as every type of Postgres that can hold it reads
// it; false for null.
func appendText(b []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case string:
		return append(b, v...), true
	case bool:
		return strconv.AppendBool(b, v), true
	case int64:
		return strconv.AppendInt(b, v, 10), true
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64), true
	case row.Decimal:
		return append(b, v...), true
	case time.Time:
		return v.UTC().AppendFormat(b, "2006-01-02 15:04:05.999999Z07:00"), true
	case row.Day:
		return append(b, v...), true
	case row.Document:
		return append(b, v...), true
	case []byte:
		return hex.AppendEncode(append(b, `\x`...), v), true
	}
	return b, false
}

// escape escapes what COPY takes for its own, from start on. Most values have
// nothing of it and are left as they are.
func escape(b []byte, start int) []byte {
	extra := 0
	for _, c := range b[start:] {
		if c == '\\' || c == '\t' || c == '\n' || c == '\r' {
			extra++
		}
	}
	if extra == 0 {
		return b
	}
	from, to := len(b)-1, len(b)+extra-1
	b = append(b, make([]byte, extra)...)
	for ; from >= start; from, to = from-1, to-1 {
		c := b[from]
		switch c {
		case '\t':
			c = 't'
		case '\n':
			c = 'n'
		case '\r':
			c = 'r'
		case '\\':
		default:
			b[to] = c
			continue
		}
		b[to] = c
		to--
		b[to] = '\\'
	}
	return b
}
