package sqlite

import (
	"context"
	"errors"
	"os"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer/row"
)

// Kept returns the table that spec describes, whose columns need no type where
// the table is there.
func (d *Database) Kept(spec row.Spec) row.Kept {
	return row.Discover(spec, d.catalogue, func(s row.Spec) row.Kept { return d.Table(s) })
}

// catalogue looks up what larder takes the columns of a table for.
func (d *Database) catalogue(ctx context.Context, spec *row.Spec) (map[string]row.Found, bool, error) {
	if _, err := os.Stat(d.file); errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	var e existing
	err := d.read(ctx, func(c *sqlite.Conn) (err error) {
		e, err = inspect(&tx{Conn: c, names: d.names}, spec.Target)
		return err
	})
	if err != nil || e.kind == "" {
		return nil, false, err
	}
	found := map[string]row.Found{}
	for _, c := range spec.Columns {
		if have, there := e.columns[fold(c.Name)]; there {
			found[c.Name] = taken(have.declared)
		}
	}
	return found, true, nil
}

// taken is what larder takes a column for that is declared so, in capital
// letters. SQLite itself knows only what the type inclines to.
func taken(declared string) row.Found {
	f := row.Found{Declared: declared}
	name, _, _ := strings.Cut(declared, "(")
	switch name = strings.TrimSpace(name); name {
	case "BOOLEAN", "BOOL":
		f.Type.Kind = row.Boolean
		return f
	case "DATE":
		f.Type.Kind = row.Date
		return f
	case "DATETIME", "TIMESTAMP", "TIMESTAMPTZ":
		f.Type.Kind = row.Timestamptz
		return f
	case "UUID":
		f.Type.Kind = row.UUID
		return f
	}
	switch affinity(declared) {
	case "INTEGER":
		f.Type.Kind = row.Bigint
	case "TEXT":
		f.Type.Kind = row.Text
	case "REAL":
		f.Type.Kind = row.Double
	case "BLOB":
		f.Type.Kind = row.Bytes
		if declared == "" {
			f.Unknown = "it may hold anything; write a type"
		}
	default:
		f.Unknown = "it may turn what it is given into a number; write a type"
	}
	return f
}
