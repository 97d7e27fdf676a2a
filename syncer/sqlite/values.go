package sqlite

import (
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// stampLayout is how a timestamptz is written: UTC text of fixed width, so
// that its order as text is its order in time.
const stampLayout = "2006-01-02T15:04:05.000000Z"

// instant is a moment on the database's clock in seconds since 1970; 0 stands
// for null.
type instant float64

// local brings an instant to this process's clock. now is the database's.
func (at instant) local(now instant) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Now().Add(-seconds(float64(now - at)))
}

// after adds a budget to an instant; null where either is missing.
func (at instant) after(d time.Duration) instant {
	if at == 0 || d <= 0 {
		return 0
	}
	return at + instant(d.Seconds())
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// columnType is the storage class that a kind is kept in.
func columnType(k row.Kind) string {
	switch k {
	case row.Boolean, row.Integer, row.Bigint:
		return "INTEGER"
	case row.Double:
		return "REAL"
	case row.Bytes:
		return "BLOB"
	}
	return "TEXT"
}

// bind binds a value to the parameter of that number.
func bind(s *sqlite.Stmt, i int, v any) error {
	switch v := v.(type) {
	case nil:
		s.BindNull(i)
	case string:
		s.BindText(i, v)
	case bool:
		s.BindBool(i, v)
	case int:
		s.BindInt64(i, int64(v))
	case int64:
		s.BindInt64(i, v)
	case float64:
		s.BindFloat(i, v)
	case instant:
		if v == 0 {
			s.BindNull(i)
		} else {
			s.BindFloat(i, float64(v))
		}
	case []byte:
		s.BindBytes(i, v)
	case time.Time:
		s.BindText(i, v.UTC().Format(stampLayout))
	case row.Decimal:
		s.BindText(i, string(v))
	case row.Day:
		s.BindText(i, string(v))
	case row.Document:
		s.BindText(i, string(v))
	case syncer.Class:
		s.BindText(i, string(v))
	default:
		return fmt.Errorf("bind parameter %d: no storage for a %T", i, v)
	}
	return nil
}

// column reads a value of the given type as row hands it out. What an adopted
// table holds in another form is taken for null, which is the oldest version.
func column(s *sqlite.Stmt, i int, k row.Kind) any {
	held := s.ColumnType(i)
	switch {
	case held == sqlite.TypeNull:
		return nil
	case k == row.Integer || k == row.Bigint:
		if held == sqlite.TypeInteger {
			return s.ColumnInt64(i)
		}
	case k == row.Boolean:
		if held == sqlite.TypeInteger {
			return s.ColumnInt64(i) != 0
		}
	case k == row.Double:
		if held == sqlite.TypeFloat || held == sqlite.TypeInteger {
			return s.ColumnFloat(i)
		}
	case k == row.Bytes:
		if held == sqlite.TypeBlob {
			return raw(s, i)
		}
	case held != sqlite.TypeText && held != sqlite.TypeInteger && held != sqlite.TypeFloat:
	case k == row.Timestamptz:
		if t, err := time.Parse(time.RFC3339Nano, s.ColumnText(i)); err == nil {
			return t.UTC()
		}
	case k == row.Numeric:
		return row.Decimal(s.ColumnText(i))
	case k == row.Date:
		return row.Day(s.ColumnText(i))
	case k == row.Text || k == row.UUID:
		return s.ColumnText(i)
	}
	return nil
}

// raw reads a value as SQLite holds it, so that bind gives back the same.
func raw(s *sqlite.Stmt, i int) any {
	switch s.ColumnType(i) {
	case sqlite.TypeInteger:
		return s.ColumnInt64(i)
	case sqlite.TypeFloat:
		return s.ColumnFloat(i)
	case sqlite.TypeText:
		return s.ColumnText(i)
	case sqlite.TypeBlob:
		b := make([]byte, s.ColumnLen(i))
		s.ColumnBytes(i, b)
		return b
	}
	return nil
}
