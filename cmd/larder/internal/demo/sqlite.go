package demo

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// sqliteStore keeps each consumer's database as a file of the folder, with
// which it also goes.
type sqliteStore struct{ folder *folder }

func (s *sqliteStore) make(_ context.Context, consumer string) (database, string, settings, error) {
	name := consumer + ".db"
	conn, err := sqlite.OpenConn(s.folder.file(name), sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, "", nil, err
	}
	conn.SetBusyTimeout(time.Second)
	return &sqliteDatabase{conn}, "sqlite:" + name, nil, nil
}

func (s *sqliteStore) remove(context.Context) error { return nil }

type sqliteDatabase struct{ conn *sqlite.Conn }

func (d *sqliteDatabase) query(ctx context.Context, sql string) ([]owners.Row, error) {
	d.conn.SetInterrupt(ctx.Done())
	defer d.conn.SetInterrupt(nil)
	var out []owners.Row
	err := sqlitex.ExecuteTransient(d.conn, sql, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		r := make(owners.Row)
		for i := range s.ColumnCount() {
			if s.ColumnType(i) != sqlite.TypeNull {
				r[s.ColumnName(i)] = s.ColumnText(i)
			}
		}
		out = append(out, r)
		return nil
	}})
	return out, err
}

func (d *sqliteDatabase) close() error { return d.conn.Close() }
