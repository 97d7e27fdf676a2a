package simulation

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	driver "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// whole skips what only the whole run has time for.
func whole(t *testing.T) {
	if os.Getenv("LARDER_HISTORIES") != "all" {
		t.Skip("part of the whole run: LARDER_HISTORIES=all")
	}
	t.Parallel()
}

// intending is a place's table with what the suite asks for besides.
type intending struct {
	syncertest.Table
	syncertest.Intender
}

// A place in Postgres is as good as Postgres: what stands between changes
// nothing.
func TestPostgresConforms(t *testing.T) {
	whole(t)
	p := NewPostgres(t, 12)
	syncertest.Conform(t, func(t *testing.T) syncertest.Harness {
		h, d := p.open(t)
		table := h.Table
		h.Table = func(db syncertest.Database, spec row.Spec) syncertest.Table {
			kept := table(db, spec)
			return intending{kept, kept.(*steadyTable).Table.(syncertest.Intender)}
		}
		identifier := func(name string) string { return pgx.Identifier{name}.Sanitize() }
		h.Rows = func(target string, columns []string) [][]string { return typedRows(t, d, target, columns) }
		h.Create = func(target string, columns ...string) {
			d.exec(t, fmt.Sprintf("CREATE TABLE %s (%s)", identifier(target), strings.Join(columns, ", ")))
		}
		h.Drop = func(target string) { d.exec(t, "DROP TABLE "+identifier(target)) }
		h.DropColumn = func(target, column string) {
			d.exec(t, fmt.Sprintf("ALTER TABLE %s DROP COLUMN %s", identifier(target), identifier(column)))
		}
		h.Alter = func(target, column, declared string) {
			d.exec(t, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s", identifier(target), identifier(column), declared))
		}
		h.Age = func(by time.Duration) {
			d.exec(t, fmt.Sprintf(`DO $$ DECLARE c record; BEGIN
				FOR c IN SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
					WHERE table_schema = 'larder' AND table_type = 'BASE TABLE' AND data_type = 'timestamp with time zone'
				LOOP EXECUTE format('UPDATE larder.%%I SET %%2$I = %%2$I - interval ''%d microseconds''', c.table_name, c.column_name);
				END LOOP; END $$`, by.Microseconds()))
		}
		return h
	})
}

// typedRows is rows for all types.
func typedRows(t *testing.T, d *postgresDatabase, target string, columns []string) (all [][]string) {
	quoted := make([]string, len(columns))
	for i, name := range columns {
		quoted[i] = pgx.Identifier{name}.Sanitize()
	}
	found, err := d.consumer.Query(context.Background(), "SELECT "+strings.Join(quoted, ", ")+" FROM "+pgx.Identifier(strings.Split(target, ".")).Sanitize())
	check(t, err)
	all, err = pgx.AppendRows(all, found, func(r pgx.CollectableRow) ([]string, error) {
		line := make([]string, len(columns))
		for i, f := range r.FieldDescriptions() {
			raw := r.RawValues()[i]
			kind, ok := d.consumer.TypeMap().TypeForOID(f.DataTypeOID)
			if raw == nil {
				line[i] = "NULL"
				continue
			}
			if !ok || kind.Name == "jsonb" && f.Format == pgx.TextFormatCode {
				if line[i] = string(raw); ok {
					line[i] = syncertest.CanonicalJSON(line[i])
				}
				continue
			}
			v, err := kind.Codec.DecodeDatabaseSQLValue(d.consumer.TypeMap(), f.DataTypeOID, f.Format, raw)
			if err != nil {
				return nil, err
			}
			line[i] = postgresText(v)
			switch v := v.(type) {
			case time.Time:
				if kind.Name == "date" {
					line[i] = v.Format(time.DateOnly)
				}
			case []byte:
				line[i] = hex.EncodeToString(v)
			case float64:
				line[i] = strconv.FormatFloat(v, 'g', -1, 64)
			}
		}
		return line, nil
	})
	check(t, err)
	return all
}

// A place in SQLite is as good as SQLite.
func TestSQLiteConforms(t *testing.T) {
	whole(t)
	s := NewSQLite(t)
	syncertest.Conform(t, func(t *testing.T) syncertest.Harness {
		h, d := s.open(t)
		var mu sync.Mutex
		specs, table := map[string]row.Spec{}, h.Table
		h.Table = func(db syncertest.Database, spec row.Spec) syncertest.Table {
			mu.Lock()
			defer mu.Unlock()
			specs[spec.Target] = spec
			kept := table(db, spec)
			return intending{kept, kept.(*sqliteTable).Table.(*steadyTable).Table.(syncertest.Intender)}
		}
		exec := func(script string) {
			if err := sqlitex.ExecuteScript(d.read(), script, nil); err != nil {
				t.Fatalf("%s: %v", script, err)
			}
		}
		h.Rows = func(target string, columns []string) [][]string { return typedSQLiteRows(t, d, specs[target], columns) }
		h.Create = func(target string, columns ...string) {
			exec(fmt.Sprintf("CREATE TABLE %q (%s)", target, strings.Join(columns, ", ")))
		}
		h.Drop = func(target string) { exec(fmt.Sprintf("DROP TABLE %q", target)) }
		h.DropColumn = func(target, column string) { exec(fmt.Sprintf("ALTER TABLE %q DROP COLUMN %q", target, column)) }
		h.Alter = func(target, column, declared string) {
			made := sqliteList(t, d, fmt.Sprintf("SELECT sql FROM sqlite_schema WHERE name = '%s'", target))[0]
			made = regexp.MustCompile(column+` \w+`).ReplaceAllString(made, column+" "+declared)
			exec(fmt.Sprintf("ALTER TABLE %q RENAME TO old; %s; INSERT INTO %q SELECT * FROM old; DROP TABLE old", target, made, target))
		}
		h.Age = func(by time.Duration) {
			for _, update := range sqliteList(t, d, `SELECT 'UPDATE "' || m.name || '" SET "' || c.name || '" = "' || c.name || '" - ' FROM sqlite_schema m, pragma_table_info(m.name) c
				WHERE m.type = 'table' AND m.name LIKE 'larder\_%' ESCAPE '\' AND (c.name LIKE '%\_at' ESCAPE '\' OR c.name LIKE '%as\_of' ESCAPE '\'
					OR c.name IN ('until', 'first_seen', 'last_seen', 'walk_sent', 'last_poll', 'next_poll', 'failing_since', 'list_sent', 'audited', 'since', 'present'))`) {
				exec(update + strconv.FormatFloat(by.Seconds(), 'f', -1, 64))
			}
		}
		return h
	})
}

func sqliteList(t *testing.T, d *sqliteDatabase, query string) (out []string) {
	err := sqlitex.ExecuteTransient(d.read(), query, &sqlitex.ExecOptions{ResultFunc: func(s *driver.Stmt) error {
		out = append(out, s.ColumnText(0))
		return nil
	}})
	check(t, err)
	return out
}

// typedSQLiteRows is rows for all types.
func typedSQLiteRows(t *testing.T, d *sqliteDatabase, spec row.Spec, columns []string) (out [][]string) {
	kinds := map[string]row.Kind{}
	for _, c := range spec.Columns {
		kinds[c.Name] = c.Type.Kind
	}
	query := fmt.Sprintf(`SELECT "%s" FROM %q`, strings.Join(columns, `", "`), spec.Target)
	err := sqlitex.ExecuteTransient(d.read(), query, &sqlitex.ExecOptions{ResultFunc: func(s *driver.Stmt) error {
		line := make([]string, len(columns))
		for i, name := range columns {
			kind, known := kinds[name]
			if !known {
				typ, err := row.ParseType(sqliteList(t, d, fmt.Sprintf("SELECT coalesce(max(nullif(type, '')), 'text') FROM larder_field WHERE table_name = '%s' AND name = '%s'", spec.Target, name))[0])
				check(t, err)
				kind = typ.Kind
			}
			line[i] = sqliteText(s, i, kind)
		}
		out = append(out, line)
		return nil
	}})
	check(t, err)
	return out
}

func sqliteText(s *driver.Stmt, i int, kind row.Kind) string {
	switch s.ColumnType(i) {
	case driver.TypeNull:
		return "NULL"
	case driver.TypeInteger:
		if kind == row.Boolean {
			return strconv.FormatBool(s.ColumnInt64(i) != 0)
		}
	case driver.TypeFloat:
		return strconv.FormatFloat(s.ColumnFloat(i), 'g', -1, 64)
	case driver.TypeBlob:
		b := make([]byte, s.ColumnLen(i))
		s.ColumnBytes(i, b)
		return hex.EncodeToString(b)
	case driver.TypeText:
		if kind == row.JSON {
			return syncertest.CanonicalJSON(s.ColumnText(i))
		}
	}
	return s.ColumnText(i)
}
