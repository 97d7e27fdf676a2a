package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
)

// queryTime is how long a query for partitions may take.
const queryTime = 10 * time.Second

// Partitions runs a query that can do nothing but read, and makes a partition of
// each row: a column's name is the name of its value. Numbers stay numbers, and
// texts texts. A null, a blob, a column without a name of its own and more than
// 100,000 rows are errors. It needs no lease, and no table of larder's.
func (d *Database) Partitions(ctx context.Context, query string) (out []syncer.Partition, err error) {
	if _, err := os.Stat(d.file); errors.Is(err, os.ErrNotExist) {
		return nil, &Fault{File: d.file, Err: err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, queryTime, fmt.Errorf("the query takes longer than %v", queryTime))
	defer cancel()
	err = d.read(ctx, func(c *sqlite.Conn) (err error) {
		if err := c.SetAuthorizer(sqlite.AuthorizeFunc(onlyReads)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.SetAuthorizer(nil)) }()
		out, err = partitions(c, query)
		return err
	})
	if errors.Is(err, ErrNoBookkeeping) {
		err = &Fault{File: d.file, Err: errors.New("the query asks for a table of larder's, which is not there")}
	}
	return out, err
}

// onlyReads keeps a query from writing, attaching files and changing how the
// connection behaves for those who use it next.
func onlyReads(a sqlite.Action) sqlite.AuthResult {
	switch a.Type() {
	case sqlite.OpSelect, sqlite.OpRead, sqlite.OpFunction, sqlite.OpRecursive:
		return sqlite.AuthResultOK
	}
	return sqlite.AuthResultDeny
}

func partitions(c *sqlite.Conn, query string) (out []syncer.Partition, err error) {
	s, rest, err := c.PrepareTransient(query)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Finalize()) }()
	if rest > 0 && strings.Trim(query[len(query)-rest:], "; \t\r\n") != "" {
		return nil, errors.New("the query is more than one statement")
	}
	names := make([]string, s.ColumnCount())
	for i := range names {
		names[i] = s.ColumnName(i)
	}
	parts, err := syncer.NewParts(names)
	if err != nil {
		return nil, err
	}
	err = step(s, func(s *sqlite.Stmt) error {
		row := make([][]byte, len(names))
		for i := range row {
			if row[i], err = jsonOf(s, i); err != nil {
				return err
			}
		}
		return parts.Add(row)
	}, nil)
	return parts.All(), err
}

// jsonOf is the JSON text of a column; nil for null.
func jsonOf(s *sqlite.Stmt, i int) ([]byte, error) {
	switch s.ColumnType(i) {
	case sqlite.TypeNull:
		return nil, nil
	case sqlite.TypeInteger:
		return json.Marshal(s.ColumnInt64(i))
	case sqlite.TypeFloat:
		if f := s.ColumnFloat(i); !math.IsInf(f, 0) {
			return json.Marshal(f)
		}
	case sqlite.TypeText:
		if text := s.ColumnText(i); utf8.ValidString(text) {
			return json.Marshal(text)
		}
	}
	return nil, fmt.Errorf("column %q of the query holds what is neither a number nor a text", s.ColumnName(i))
}
