package sqlite

import (
	_ "embed"
	"strings"

	"zombiezen.com/go/sqlite"
)

//go:embed schema.sql
var schema string

//go:embed columns.sql
var columns string

//go:embed freshness.sql
var freshnessView string

// createBookkeeping brings our own tables and the view up to date, whichever
// larder made them.
func createBookkeeping(x *tx) error {
	for statement := range strings.SplitSeq(x.names.sql(schema), ";") {
		if !strings.Contains(statement, "CREATE") {
			continue
		}
		if err := run(x.Conn, statement); err != nil {
			return err
		}
	}
	if err := addColumns(x); err != nil {
		return err
	}
	return x.define("main", "view", x.names.name("freshness"), strings.TrimSpace(x.names.sql(freshnessView)))
}

// addColumns gives the watermark table the columns that it lacks.
func addColumns(x *tx) error {
	held := make(map[string]bool)
	err := each(x.Conn, "SELECT name FROM pragma_table_info(?, 'main')", func(s *sqlite.Stmt) error {
		held[s.ColumnText(0)] = true
		return nil
	}, x.names.name("watermark"))
	if err != nil {
		return err
	}
	for line := range strings.Lines(columns) {
		definition := strings.TrimSpace(line)
		name, _, _ := strings.Cut(definition, " ")
		if name == "" || name == "--" || held[name] {
			continue
		}
		if err := x.exec(`ALTER TABLE main."larder_watermark" ADD COLUMN ` + definition); err != nil {
			return err
		}
	}
	if held["list_resume"] {
		return nil
	}
	// Notes of another form are thrown away by Prepare, and the walks that they
	// belong to begin again.
	return x.exec(`UPDATE "larder_watermark" SET seen_walk = '', seen_count = 0,
			resume = CASE WHEN seen_walk = '' THEN resume END, walk_sent = CASE WHEN seen_walk = '' THEN walk_sent END
		WHERE seen_walk <> '' OR resume IS NOT NULL`)
}

// define makes a table or view of ours exactly what its definition says: one
// that is there and was defined otherwise is dropped first.
func (x *tx) define(schema, kind, name, definition string) error {
	held, err := x.defined(schema, name)
	if err != nil || held == definition {
		return err
	}
	if held != "" {
		if err := run(x.Conn, "DROP "+kind+" "+schema+"."+quote(name)); err != nil {
			return err
		}
	}
	create := strings.Replace(definition, quote(name), schema+"."+quote(name), 1)
	return run(x.Conn, create)
}

// defined is the statement that made a table or view, "" where there is none.
func (x *tx) defined(schema, name string) (sql string, err error) {
	err = each(x.Conn, "SELECT sql FROM "+schema+".sqlite_schema WHERE name = ? COLLATE NOCASE", func(s *sqlite.Stmt) error {
		sql = s.ColumnText(0)
		return nil
	}, name)
	return sql, err
}
