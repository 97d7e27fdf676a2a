package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// form is a table as the catalog has it, and the pieces of SQL that follow
// from it. Statements call the target t, the staging table s and noted keys o.
type form struct {
	spec *row.Spec
	// columns are those of the spec, in its order.
	columns []column
	// partitioned tables do not tell by xmax whether a row was new.
	partitioned bool
	// partial tables are staged with what each record tells nothing of.
	partial bool
	// mark is the quoted column that stamps what is gone; "": rows are deleted,
	// or the column is not there yet.
	mark string
}

// column is a mapped column as the table has it.
type column struct {
	name  string // quoted
	typ   string // without length or precision, as a cast takes it
	exact bool   // = tells all values apart that the type can hold
}

var errNoTable = errors.New("no such table")

// loadForm reads the catalog. A mapped column that is not there has no type.
func loadForm(ctx context.Context, q querier, t *Table) (*form, error) {
	var kind string
	err := q.QueryRow(ctx, `SELECT c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2`, t.schema, t.bare).Scan(&kind)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("%w: %w: %s", errNoTable, syncer.ErrAltered, t.name)
	}
	if err != nil {
		return nil, failed("read catalog", err)
	}
	f := &form{spec: &t.spec, columns: make([]column, len(t.spec.Columns)), partitioned: kind == "p", partial: t.spec.Partial}
	rows, err := q.Query(ctx, `SELECT a.attname, format_type(a.atttypid, -1),
		y.typnamespace = 'pg_catalog'::regnamespace AND y.typname IN
			('bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'date', 'timestamp', 'timestamptz', 'uuid', 'bytea')
		FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
		WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped`, t.name)
	if err != nil {
		return nil, failed("read catalog", err)
	}
	known := map[string]column{}
	var name string
	var c column
	_, err = pgx.ForEachRow(rows, []any{&name, &c.typ, &c.exact}, func() error {
		known[name] = c
		return nil
	})
	if _, there := known[t.spec.Mark]; there && t.spec.Mark != "" {
		f.mark = pgx.Identifier{t.spec.Mark}.Sanitize()
	}
	for i, want := range t.spec.Columns {
		f.columns[i] = known[want.Name]
		f.columns[i].name = pgx.Identifier{want.Name}.Sanitize()
	}
	return f, failed("read catalog", err)
}

// catalogued returns the form, read once for as long as nothing fails.
func (t *Table) catalogued(ctx context.Context, q querier) (*form, error) {
	t.mu.Lock()
	known := t.form
	t.mu.Unlock()
	if known != nil {
		return known, nil
	}
	f, err := loadForm(ctx, q, t)
	if err != nil {
		return nil, err
	}
	for i, c := range f.columns {
		if c.typ == "" {
			return nil, &alteredError{MisfitTableError{Table: t.name, Faults: []string{fmt.Sprintf("column %q is not there", t.spec.Columns[i].Name)}}}
		}
	}
	if t.spec.Mark != "" && f.mark == "" {
		return nil, &alteredError{MisfitTableError{Table: t.name, Faults: []string{fmt.Sprintf("column %q is not there", t.spec.Mark)}}}
	}
	t.setForm(f)
	return f, nil
}

func (t *Table) setForm(f *form) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.form = f
}

// createType is what a column of the type becomes in a table that larder
// makes, and what versions are compared as.
func createType(t row.Type) string {
	switch t.Kind {
	case row.Boolean:
		return "boolean"
	case row.Integer:
		return "integer"
	case row.Bigint:
		return "bigint"
	case row.Double:
		return "double precision"
	case row.Numeric:
		if t.Precision > 0 {
			return fmt.Sprintf("numeric(%d,%d)", t.Precision, t.Scale)
		}
		return "numeric"
	case row.Timestamptz:
		return "timestamp with time zone"
	case row.Date:
		return "date"
	case row.UUID:
		return "uuid"
	case row.JSON:
		return "jsonb"
	case row.Bytes:
		return "bytea"
	}
	return "text"
}

// keys joins the target with the staging table.
func (f *form) keys() string { return f.anyKeys() + f.alive() }

// anyKeys does so whether or not rows are marked.
func (f *form) anyKeys() string {
	return f.join(func(_, i int) string { return fmt.Sprintf("t.%s = s.c%d", f.columns[i].name, i) })
}

// notedKeys joins noted keys with the staging table.
func (f *form) notedKeys() string {
	return f.join(func(n, i int) string { return fmt.Sprintf("o.k%d = s.c%d", n, i) })
}

// keptKeys joins noted keys with the target.
func (f *form) keptKeys() string {
	return f.join(func(n, i int) string { return fmt.Sprintf("o.k%d = t.%s", n, f.columns[i].name) }) + f.alive()
}

func (f *form) join(equal func(n, i int) string) string {
	var all []string
	for n, i := range f.spec.Key {
		all = append(all, equal(n, i))
	}
	return strings.Join(all, " AND ")
}

// list writes something for each key column, separated by commas.
func (f *form) keyList(each func(n, i int) string) string {
	var all []string
	for n, i := range f.spec.Key {
		all = append(all, each(n, i))
	}
	return strings.Join(all, ", ")
}

// stagedKeys are the key's columns of the staging table.
func (f *form) stagedKeys() string {
	return f.keyList(func(_, i int) string { return fmt.Sprintf("s.c%d", i) })
}

// columnList writes something for each column, separated by commas.
func (f *form) columnList(each func(i int, c column) string) string {
	var all []string
	for i, c := range f.columns {
		all = append(all, each(i, c))
	}
	return strings.Join(all, ", ")
}

// absent is a piece of SQL for tables of partial records alone.
func (f *form) absent(sql string) string {
	if !f.partial {
		return ""
	}
	return sql
}

// isKey reports whether the column is part of the key.
func (f *form) isKey(i int) bool {
	for _, k := range f.spec.Key {
		if k == i {
			return true
		}
	}
	return false
}

// same is the SQL of a staged row that differs in nothing from the table's.
// Types whose = calls different values equal (1.50 and 1.5, or text under a
// collation) or that have none (json) are compared as text, byte by byte.
func (f *form) same() string {
	all := []string{"s.kind = 'u'"}
	for i, c := range f.columns {
		switch {
		case f.isKey(i):
		case c.exact:
			all = append(all, fmt.Sprintf("t.%s IS NOT DISTINCT FROM s.c%d", c.name, i))
		default:
			all = append(all, fmt.Sprintf(`t.%s::text COLLATE "C" IS NOT DISTINCT FROM s.c%d::text COLLATE "C"`, c.name, i))
		}
	}
	return strings.Join(all, " AND ")
}

// versioned reports whether rows can be told newer from older; bySQL whether
// the database can do it. Text versions are read by their format, in Go.
func (f *form) versioned() bool { return f.spec.Version >= 0 }

func (f *form) bySQL() bool {
	return f.versioned() && f.spec.Columns[f.spec.Version].Type.Ordered()
}

// version is the SQL of a version as the type that orders it, which the
// table's own type may not be.
func (f *form) version(of string) string {
	want := createType(row.Type{Kind: f.spec.Columns[f.spec.Version].Type.Kind})
	if f.columns[f.spec.Version].typ == want {
		return of
	}
	return of + "::text::" + want
}

// older is the SQL of a staged row that is older than the version old. A row
// without version is older than any with one, and so is one that the table
// turns down; a tombstone without version is older than nothing.
func (f *form) older(old string) string {
	staged := fmt.Sprintf("s.c%d", f.spec.Version)
	return fmt.Sprintf("(%s IS NOT NULL AND CASE WHEN %s IS NULL THEN s.kind IN ('u', 't') ELSE s.kind <> 's' AND %s < %s END)",
		old, staged, f.version(staged), f.version(old))
}

// newer is the SQL of a staged row that is newer than the version old.
func (f *form) newer(old string) string {
	staged := fmt.Sprintf("s.c%d", f.spec.Version)
	return fmt.Sprintf("(%s IS NOT NULL AND (%s IS NULL OR %s > %s))", staged, old, f.version(staged), f.version(old))
}

// targetVersion is the version column of the target.
func (f *form) targetVersion() string { return "t." + f.columns[f.spec.Version].name }

// within is the SQL of the target's rows that belong to a partition, whose
// values are the arguments from number first on.
func (f *form) within(p syncer.Partition, first int) (string, []any, error) {
	columns, values, err := f.spec.PartitionValues(p)
	if err != nil {
		return "", nil, err
	}
	all, args := []string{"true" + f.alive()}, []any{}
	for n, i := range columns {
		text, ok := appendText(nil, values[n])
		if !ok {
			all = append(all, fmt.Sprintf("t.%s IS NULL", f.columns[i].name))
			continue
		}
		args = append(args, string(text))
		all = append(all, fmt.Sprintf("t.%s = $%d::text::%s", f.columns[i].name, first+len(args)-1, f.columns[i].typ))
	}
	return strings.Join(all, " AND "), args, nil
}

// inList is the SQL of the target's rows that a list with this floor, nil for
// none, has if the owner does: what is older, or has no version, it leaves out.
// The floor is the argument of that number.
func (f *form) inList(floor any, number int) (string, []any) {
	if floor == nil {
		return "true", nil
	}
	want := createType(row.Type{Kind: f.spec.Columns[f.spec.Version].Type.Kind})
	return fmt.Sprintf("coalesce(%s >= $%d::text::%s, false)", f.version(f.targetVersion()), number, want), []any{row.EncodeVersion(floor)}
}
