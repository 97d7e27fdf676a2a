package sqlite

import (
	"fmt"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// UnfitError says why an existing table cannot be used as it is.
type UnfitError struct {
	Table string
	// Problems are sentences, each with what to do about it.
	Problems []string
}

func (e *UnfitError) Error() string {
	return fmt.Sprintf("table %q does not fit: %s", e.Table, strings.Join(e.Problems, "; "))
}

// FailureClass is syncer.ClassDatabase.
func (e *UnfitError) FailureClass() syncer.Class { return syncer.ClassDatabase }

// existing is what there is under the target's name.
type existing struct {
	kind    string // "" where there is nothing
	strict  bool
	columns map[string]existingColumn
	// unique are the sets of columns of which at most one row has the same
	// values, each sorted.
	unique [][]string
}

type existingColumn struct {
	declared             string
	notNull, hasDefault  bool
	generated, rowidKeys bool
}

// adopt creates the target, adds the columns that a table of our own lacks, or
// finds all at once why the one that is there cannot be used. It returns what
// it did.
func (t *Table) adopt(x *tx) (design, error) {
	plan, err := t.design(x)
	if err != nil {
		return design{}, err
	}
	for _, statement := range plan.ddl {
		if err := run(x.Conn, statement); err != nil {
			return design{}, err
		}
	}
	t.strict.Store(plan.strict)
	return plan, nil
}

// design is what has to be done to the target before it can be used.
type design struct {
	ddl     []string
	creates bool
	// strict is the spec as the table demands it.
	strict *row.Spec
}

// design reads what there is. It is an *UnfitError where that cannot be used.
func (t *Table) design(x *tx) (design, error) {
	e, err := inspect(x, t.spec.Target)
	if err != nil {
		return design{}, err
	}
	if e.kind == "" {
		return design{ddl: []string{t.sql.create}, creates: true, strict: t.spec}, nil
	}
	if e.kind != "table" {
		return design{}, &UnfitError{t.spec.Target, []string{"it is a " + e.kind + ", not a table"}}
	}
	made, err := t.made(x)
	if err != nil {
		return design{}, err
	}
	var ddl []string
	for i, c := range t.spec.Columns {
		if _, there := e.columns[fold(c.Name)]; !there && made && !c.NotNull && !slices.Contains(t.spec.Key, i) {
			kind := columnType(c.Type.Kind)
			ddl = append(ddl, fmt.Sprintf("ALTER TABLE main.%s ADD COLUMN %s %s", quote(t.spec.Target), quote(c.Name), kind))
			e.columns[fold(c.Name)] = existingColumn{declared: kind}
		}
	}
	if _, there := e.columns[fold(t.spec.Mark)]; made && !there && t.spec.Mark != "" {
		ddl = append(ddl, markDDL(t.spec))
		e.columns[fold(t.spec.Mark)] = existingColumn{declared: columnType(row.Timestamptz)}
	}
	if problems := append(unfit(t.spec, e), unfitMark(t.spec, e)...); len(problems) > 0 {
		return design{}, &UnfitError{t.spec.Target, problems}
	}
	return design{ddl: ddl, strict: demanded(t.spec, e)}, nil
}

// made reports whether larder created the target. An older larder did not
// write that down. One that the consumer dropped and made anew is the consumer's:
// its text does not begin as larder writes it, which no ALTER TABLE changes.
func (t *Table) made(x *tx) (made bool, err error) {
	err = once(x.Conn, x.names.sql(`SELECT * FROM "larder_watermark" WHERE table_name = ?`), func(s *sqlite.Stmt) error {
		made = made || s.ColumnBool(s.ColumnIndex("made"))
		return nil
	}, t.spec.Target)
	if noTable(err, x.names) || err == nil && !made {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	text, err := x.defined("main", t.spec.Target)
	return strings.HasPrefix(text, "CREATE TABLE "+quote(t.spec.Target)+" (\n  "), err
}

// demanded is spec with NOT NULL wherever the existing table says so.
func demanded(spec *row.Spec, e existing) *row.Spec {
	strict := *spec
	strict.Columns = slices.Clone(spec.Columns)
	for i, c := range strict.Columns {
		strict.Columns[i].NotNull = c.NotNull || e.columns[fold(c.Name)].notNull
	}
	return &strict
}

func inspect(x *tx, target string) (e existing, err error) {
	err = x.each("SELECT type, strict, name FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE", func(s *sqlite.Stmt) error {
		e.kind, e.strict = s.ColumnText(0), s.ColumnInt64(1) != 0
		return nil
	}, target)
	if err != nil || e.kind == "" {
		return e, err
	}
	e.columns = make(map[string]existingColumn)
	var primary []string
	err = x.each(`SELECT name, type, "notnull", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?, 'main')`, func(s *sqlite.Stmt) error {
		name := fold(s.ColumnText(0))
		e.columns[name] = existingColumn{
			declared: strings.ToUpper(s.ColumnText(1)), notNull: s.ColumnInt64(2) != 0,
			hasDefault: s.ColumnInt64(3) != 0, generated: s.ColumnInt64(5) > 1,
		}
		if s.ColumnInt64(4) > 0 {
			primary = append(primary, name)
		}
		return nil
	}, target)
	if err != nil {
		return e, err
	}
	// INTEGER PRIMARY KEY has no index of its own: it is the rowid.
	if len(primary) == 1 && e.columns[primary[0]].declared == "INTEGER" {
		c := e.columns[primary[0]]
		c.rowidKeys = true
		e.columns[primary[0]] = c
		e.unique = append(e.unique, primary)
	}
	return e, inspectIndexes(x, target, &e)
}

// inspectIndexes finds the unique indexes that hold for all rows and tell
// apart all that differs byte by byte.
func inspectIndexes(x *tx, target string, e *existing) error {
	byIndex := make(map[string][]string)
	loose := make(map[string]bool)
	err := x.each(`SELECT l.name, i.name, i.coll FROM pragma_index_list(?, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS i
		WHERE l."unique" AND NOT l.partial AND i.key`, func(s *sqlite.Stmt) error {
		index := s.ColumnText(0)
		byIndex[index] = append(byIndex[index], fold(s.ColumnText(1)))
		if s.ColumnType(1) == sqlite.TypeNull || s.ColumnText(2) != "BINARY" {
			loose[index] = true
		}
		return nil
	}, target)
	for index, columns := range byIndex {
		if !loose[index] {
			slices.Sort(columns)
			e.unique = append(e.unique, columns)
		}
	}
	return err
}

// unfit says everything that keeps an existing table from taking spec's rows.
func unfit(spec *row.Spec, e existing) []string {
	var problems []string
	mapped := make(map[string]bool)
	for _, c := range spec.Columns {
		have, there := e.columns[fold(c.Name)]
		mapped[fold(c.Name)] = true
		kind := columnType(c.Type.Kind)
		switch {
		case !there:
			problems = append(problems, fmt.Sprintf("column %q is missing: ALTER TABLE %s ADD COLUMN %s %s", c.Name, quote(spec.Target), quote(c.Name), kind+demand(c)))
		case have.generated:
			problems = append(problems, fmt.Sprintf("column %q is generated and cannot be written", c.Name))
		case !takes(c.Type.Kind, have.declared, e.strict):
			problems = append(problems, fmt.Sprintf("column %q is declared %q, which does not keep a %s as it is: declare it %s", c.Name, have.declared, c.Type, kind))
		}
	}
	mapped[fold(spec.Mark)] = true
	var names []string
	for name, c := range e.columns {
		if !mapped[name] && c.notNull && !c.hasDefault && !c.generated && !c.rowidKeys {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		problems = append(problems, fmt.Sprintf("column %q is NOT NULL, has no default and is not mapped: map it, or give it a default", name))
	}
	var key, quoted []string
	for _, i := range spec.Key {
		key, quoted = append(key, fold(spec.Columns[i].Name)), append(quoted, quote(spec.Columns[i].Name))
	}
	slices.Sort(key)
	if !slices.ContainsFunc(e.unique, func(u []string) bool { return slices.Equal(u, key) }) {
		problems = append(problems, fmt.Sprintf("no unique index is on exactly its key: CREATE UNIQUE INDEX %s ON %s (%s)",
			quote(spec.Target+"_key"), quote(spec.Target), list(quoted)))
	}
	return problems
}

// demand is what a column's definition says behind its type. SQLite adds no
// column that is NOT NULL without a default, which only the consumer knows.
func demand(c row.Column) string {
	if c.NotNull {
		return " NOT NULL DEFAULT ..."
	}
	return ""
}

// fold brings a name to the form in which SQLite compares names: without
// regard to the case of ASCII letters.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// takes reports whether a column of the declared type keeps every value of a
// kind as it is. In SQLite a declared type is an inclination to convert: a
// NUMERIC column turns the text "007" into 7, and a TEXT column a double into
// 15 digits.
func takes(k row.Kind, declared string, strict bool) bool {
	want := columnType(k)
	if strict {
		return declared == want || declared == "ANY" || want == "INTEGER" && declared == "INT"
	}
	have := affinity(declared)
	if have == "BLOB" || have == want {
		return true
	}
	switch k {
	case row.Boolean, row.Integer, row.Bigint, row.Double:
		return have == "NUMERIC"
	case row.Timestamptz, row.Date, row.UUID:
		// DATE, DATETIME and UUID are NUMERIC to SQLite; none of these texts
		// looks like a number.
		return have == "NUMERIC"
	case row.Bytes:
		return true
	}
	return false
}

// affinity is the inclination of a declared type, by SQLite's own rules.
func affinity(declared string) string {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(declared, p) })
	}
	switch {
	case has("INT"):
		return "INTEGER"
	case has("CHAR", "CLOB", "TEXT"):
		return "TEXT"
	case declared == "" || has("BLOB"):
		return "BLOB"
	case has("REAL", "FLOA", "DOUB"):
		return "REAL"
	}
	return "NUMERIC"
}
