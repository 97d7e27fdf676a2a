package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer/row"
)

// Kept returns the copy that spec describes, whose columns need no type where
// the table is there.
func (d *Database) Kept(spec row.Spec) row.Kept {
	return row.Discover(spec, d.catalogue, func(s row.Spec) row.Kept { return d.Table(s) })
}

// catalogue looks up what larder takes the columns of a table for. A domain is
// what it is over; the domain's own conditions are for the database to hold.
func (d *Database) catalogue(ctx context.Context, spec *row.Spec) (map[string]row.Found, bool, error) {
	pool, err := d.pool(ctx)
	if err != nil {
		return nil, false, err
	}
	t := d.Table(*spec)
	rows, err := pool.Query(ctx, `SELECT a.attname, format_type(a.atttypid, a.atttypmod), b.name, b.modifier
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN LATERAL (
			WITH RECURSIVE over(id, modifier) AS (
				SELECT a.atttypid, a.atttypmod UNION ALL
				SELECT y.typbasetype, CASE WHEN y.typtypmod >= 0 THEN y.typtypmod ELSE o.modifier END FROM over o JOIN pg_type y ON y.oid = o.id WHERE y.typtype = 'd')
			SELECT CASE WHEN y.typnamespace = 'pg_catalog'::regnamespace THEN y.typname::text ELSE '' END AS name, o.modifier
			FROM over o JOIN pg_type y ON y.oid = o.id WHERE y.typtype <> 'd') b ON true
		WHERE n.nspname = $1 AND c.relname = $2`, t.schema, t.bare)
	if err != nil {
		return nil, false, failed("read catalog", err)
	}
	found, there := map[string]row.Found{}, false
	var name, declared, base *string
	var modifier *int32
	_, err = pgx.ForEachRow(rows, []any{&name, &declared, &base, &modifier}, func() error {
		there = true
		if name != nil && slices.ContainsFunc(spec.Columns, func(c row.Column) bool { return c.Name == *name }) {
			found[*name] = t.taken(*name, *declared, *base, *modifier)
		}
		return nil
	})
	return found, there, failed("read catalog", err)
}

// taken is what larder takes a column for, by the name of a type of Postgres's
// own; every other type reads text.
func (t *Table) taken(name, declared, base string, modifier int32) row.Found {
	f := row.Found{Declared: declared}
	cuts := func(what, to string) string {
		return fmt.Sprintf("it would cut %s; write a type, or ALTER TABLE %s ALTER COLUMN %s TYPE %s", what, t.name, pgx.Identifier{name}.Sanitize(), to)
	}
	switch base {
	case "bool":
		f.Type.Kind = row.Boolean
	case "int2", "int4":
		f.Type.Kind = row.Integer
	case "int8":
		f.Type.Kind = row.Bigint
	case "float8":
		f.Type.Kind = row.Double
	case "float4":
		f.Unknown = cuts("numbers", "double precision")
	case "name", "char":
		f.Unknown = cuts("texts", "text")
	case "timestamptz", "timestamp":
		f.Type.Kind = row.Timestamptz
		if modifier >= 0 && modifier < microsecondDigits {
			f.Unknown = cuts("instants", base)
		}
	case "date":
		f.Type.Kind = row.Date
	case "uuid":
		f.Type.Kind = row.UUID
	case "json", "jsonb":
		f.Type.Kind = row.JSON
	case "bytea":
		f.Type.Kind = row.Bytes
	case "numeric":
		f.Type = row.Type{Kind: row.Numeric}
		if modifier >= 4 {
			// Eleven bits, of which the first is the sign.
			scale := (int(modifier-4)&0x7ff ^ 1024) - 1024
			f.Type.Precision, f.Type.Scale = int(modifier-4)>>16&0xffff, scale
			if scale < 0 || scale > f.Type.Precision {
				f.Unknown = "it would cut digits before the point, or has more behind it than digits; write a type"
			}
		}
	}
	return f
}
