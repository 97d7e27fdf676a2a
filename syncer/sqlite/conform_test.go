package sqlite_test

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	_ "modernc.org/sqlite"

	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/sqlite"
	"github.com/larder-sync/larder/syncer/syncertest"
)

func TestConform(t *testing.T) {
	syncertest.Conform(t, func(t *testing.T) syncertest.Harness {
		file := filepath.Join(t.TempDir(), "consumer.db")
		specs := make(map[string]row.Spec)
		consumer := plain(t, file)
		return syncertest.Harness{
			Daemon: func(name string) syncertest.Database { return open(t, file, name) },
			Table: func(db syncertest.Database, spec row.Spec) syncertest.Table {
				specs[spec.Target] = spec
				return db.(*sqlite.Database).Kept(spec)
			},
			Rows: func(target string, columns []string) [][]string {
				return rows(t, consumer, specs[target], columns)
			},
			Age:       func(d time.Duration) { age(t, consumer, d) },
			LoseNotes: func() { loseNotes(t, file) },
			Create: func(target string, columns ...string) {
				exec(t, consumer, fmt.Sprintf("CREATE TABLE %q (%s)", target, strings.Join(columns, ", ")))
			},
			Drop: func(target string) { exec(t, consumer, fmt.Sprintf("DROP TABLE %q", target)) },
			DropColumn: func(target, column string) {
				exec(t, consumer, fmt.Sprintf("ALTER TABLE %q DROP COLUMN %q", target, column))
			},
			Alter: func(target, column, declared string) {
				made := regexp.MustCompile(column+` \w+`).ReplaceAllString(one(t, consumer, `SELECT sql FROM sqlite_schema WHERE name = ?`, target), column+" "+declared)
				exec(t, consumer, fmt.Sprintf("ALTER TABLE %q RENAME TO old; %s; INSERT INTO %q SELECT * FROM old; DROP TABLE old", target, made, target))
			},
		}
	})
}

// open returns a database handle that is closed with the test.
func open(t testing.TB, file, holder string) *sqlite.Database {
	t.Helper()
	db := sqlite.New(sqlite.Options{File: file, Connections: 2, Holder: holder, Log: zerolog.Nop()})
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// plain opens the file as a consumer would, by database/sql.
func plain(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func exec(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// one reads a single value as text.
func one(t *testing.T, db *sql.DB, query string, args ...any) string {
	t.Helper()
	var v sql.NullString
	if err := db.QueryRow(query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if !v.Valid {
		return "NULL"
	}
	return v.String
}

func names(t *testing.T, db *sql.DB, query string, args ...any) []string {
	t.Helper()
	found, err := db.Query(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var out []string
	for found.Next() {
		var name string
		if err := found.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	return out
}

// age moves every instant that is stored into the past.
func age(t *testing.T, db *sql.DB, d time.Duration) {
	t.Helper()
	missing := names(t, db, `SELECT name FROM sqlite_schema WHERE name LIKE 'larder\_missing\_%' ESCAPE '\' AND type = 'table'`)
	suspects := names(t, db, `SELECT name FROM sqlite_schema WHERE name LIKE 'larder\_suspect\_%' ESCAPE '\' AND type = 'table'`)
	columns := map[string][]string{
		"larder_lease": {"expires_at"}, "larder_gone": {"until"}, "larder_quarantine": {"first_seen", "last_seen"},
		"larder_watermark": {"walk_sent", "as_of", "deletes_as_of", "first_seen", "warn_at", "critical_at", "last_poll", "next_poll", "failing_since",
			"list_sent", "proven_as_of", "audited", "audit_as_of", "newest_at"},
		"larder_request": {"asked_at", "answered_at"}, "larder_field": {"first_seen"},
	}
	for _, m := range missing {
		columns[m] = []string{"present_at"}
	}
	for _, s := range suspects {
		columns[s] = []string{"since", "present"}
	}
	for table, stamps := range columns {
		for _, c := range stamps {
			if _, err := db.Exec(fmt.Sprintf("UPDATE %q SET %s = %s - ?", table, c, c), d.Seconds()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// loseNotes empties the side file.
func loseNotes(t *testing.T, file string) {
	t.Helper()
	db := plain(t, file+"-larder-seen")
	defer db.Close()
	for _, table := range names(t, db, "SELECT name FROM sqlite_schema WHERE type = 'table'") {
		if _, err := db.Exec(fmt.Sprintf("DELETE FROM %q", table)); err != nil {
			t.Fatal(err)
		}
	}
}

// rows reads a target by the plain driver, in the form the suite compares.
func rows(t *testing.T, db *sql.DB, spec row.Spec, columns []string) [][]string {
	t.Helper()
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = `"` + c + `"`
	}
	found, err := db.Query(fmt.Sprintf("SELECT %s FROM %q", strings.Join(quoted, ", "), spec.Target))
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var out [][]string
	for found.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			t.Fatal(err)
		}
		line := make([]string, len(columns))
		for i, v := range values {
			line[i] = text(v, kind(t, db, spec, columns[i]))
		}
		out = append(out, line)
	}
	return out
}

// kind is that of a column of the spec, or of one that was added.
func kind(t *testing.T, db *sql.DB, spec row.Spec, column string) row.Kind {
	t.Helper()
	if at := slices.IndexFunc(spec.Columns, func(c row.Column) bool { return c.Name == column }); at >= 0 {
		return spec.Columns[at].Type.Kind
	}
	typ, err := row.ParseType(one(t, db, "SELECT coalesce(max(nullif(type, '')), 'text') FROM larder_field WHERE table_name = ? AND name = ?", spec.Target, column))
	if err != nil {
		t.Fatal(err)
	}
	return typ.Kind
}

func text(v any, k row.Kind) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case int64:
		if k == row.Boolean {
			return strconv.FormatBool(v != 0)
		}
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []byte:
		return hex.EncodeToString(v)
	case string:
		if k == row.JSON {
			return syncertest.CanonicalJSON(v)
		}
		return v
	}
	return fmt.Sprintf("%T", v)
}
