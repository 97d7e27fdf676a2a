package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// MisfitTableError says why a table that exists cannot be adopted, and what
// would change that. larder never alters a table of the consumer.
type MisfitTableError struct {
	Table string
	// Faults are sentences, with the statement to run where there is one.
	Faults []string
}

func (e *MisfitTableError) Error() string {
	return fmt.Sprintf("table %s does not fit: %s", e.Table, strings.Join(e.Faults, "; "))
}

// FailureClass is ClassDatabase.
func (e *MisfitTableError) FailureClass() syncer.Class { return syncer.ClassDatabase }

// Prepare implements syncer.Keeper.
func (t *Table) Prepare(ctx context.Context) error {
	t.drift.growing.Lock()
	defer t.drift.growing.Unlock()
	view := t.drift.configured
	err := t.db.fenced(ctx, "prepare "+t.name, func(tx pgx.Tx) error {
		if err := execScript(ctx, tx, "SET LOCAL statement_timeout = "+milliseconds(patience)); err != nil {
			return failed("prepare", err)
		}
		if err := t.db.lockDDL(ctx, tx); err != nil {
			return err
		}
		t, err := t.recallFields(ctx, tx)
		if err != nil {
			return err
		}
		view = t
		found, ddl, err := t.outline(ctx, tx, true)
		if err != nil {
			return err
		}
		for _, statement := range ddl {
			if err := execScript(ctx, tx, statement); err != nil {
				return failed("make table", err)
			}
		}
		f, err := loadForm(ctx, tx, t)
		if err != nil {
			return err
		}
		t.setForm(f)
		if err := t.prepareKeys(ctx, tx, f); err != nil {
			return err
		}
		if err := t.distrust(ctx, tx, found == nil, len(ddl) > 0); err != nil {
			return err
		}
		if err := t.configure(ctx, tx, f); err != nil {
			return err
		}
		if err := t.askAgain(ctx, tx); err != nil {
			return err
		}
		return t.refresh(ctx, tx, found == nil)
	})
	if err == nil {
		t.drift.recalled(view)
	}
	return err
}

// outline reads what the table is, nil if it is not there, and what has to be
// run to make it, or to bring one that larder made up to date. known says that
// there is bookkeeping.
func (t *Table) outline(ctx context.Context, q querier, known bool) (*form, []string, error) {
	f, err := loadForm(ctx, q, t)
	if errors.Is(err, errNoTable) {
		ddl, err := t.create(ctx, q)
		return nil, ddl, err
	}
	if err != nil {
		return nil, nil, err
	}
	made := false
	if known {
		err := q.QueryRow(ctx, `SELECT coalesce(bool_or(`+newer("made", "boolean")+`), false) FROM `+t.db.own("watermark")+` f WHERE table_name = $1`, t.spec.Target).Scan(&made)
		if err != nil {
			return f, nil, failed("read bookkeeping", err)
		}
	}
	ddl, err := t.adopt(ctx, q, f, made)
	return f, ddl, err
}

// create is how the table is made. Its schema is the consumer's to make.
func (t *Table) create(ctx context.Context, q querier) ([]string, error) {
	var exists bool
	if err := q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`, t.schema).Scan(&exists); err != nil {
		return nil, failed("look for schema", err)
	}
	if !exists {
		return nil, &MisfitTableError{t.name, []string{fmt.Sprintf("schema %q is not there: CREATE SCHEMA %s", t.schema, pgx.Identifier{t.schema}.Sanitize())}}
	}
	var parts []string
	for _, c := range t.spec.Columns {
		part := columnDDL(c)
		if c.NotNull {
			part += " NOT NULL"
		}
		parts = append(parts, part)
	}
	if t.spec.Mark != "" {
		parts = append(parts, t.markDDL())
	}
	parts = append(parts, "PRIMARY KEY ("+t.keyNames()+")")
	return []string{"CREATE TABLE " + t.name + " (" + strings.Join(parts, ", ") + ")"}, nil
}

func columnDDL(c row.Column) string {
	return pgx.Identifier{c.Name}.Sanitize() + " " + createType(c.Type)
}

func (t *Table) keyNames() string {
	var names []string
	for _, i := range t.spec.Key {
		names = append(names, pgx.Identifier{t.spec.Columns[i].Name}.Sanitize())
	}
	return strings.Join(names, ", ")
}

// found is a column of a table that exists.
type found struct {
	name, typ      string
	scale          int // of a numeric; -1 without bounds
	digits         int // of a second, which an instant keeps; -1 without bounds
	notNull, given bool
	generated      bool
	blind          bool // calls texts equal that differ
}

// microsecondDigits is how many digits of a second Postgres keeps at most.
const microsecondDigits = 6

// shortened reports whether the column rounds the instants that it is given.
func (c found) shortened() bool { return c.digits >= 0 && c.digits < microsecondDigits }

// catalogColumns reads the columns of a table that exists.
func (t *Table) catalogColumns(ctx context.Context, q querier) ([]found, error) {
	rows, err := q.Query(ctx, `SELECT a.attname, format_type(a.atttypid, -1),
			CASE WHEN a.atttypid = 'numeric'::regtype AND a.atttypmod > 0 THEN ((a.atttypmod - 4) & 2047) ELSE -1 END,
			CASE WHEN a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype) THEN a.atttypmod
				WHEN y.typbasetype IN ('timestamptz'::regtype, 'timestamp'::regtype) THEN y.typtypmod ELSE -1 END,
			a.attnotnull, a.atthasdef OR a.attidentity <> '', a.attgenerated <> '' OR a.attidentity = 'a',
			y.typname IN ('citext', 'bpchar') OR coalesce(NOT l.collisdeterministic, false)
		FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation
		WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, t.name)
	if err != nil {
		return nil, failed("read catalog", err)
	}
	columns, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (found, error) {
		var c found
		err := r.Scan(&c.name, &c.typ, &c.scale, &c.digits, &c.notNull, &c.given, &c.generated, &c.blind)
		return c, err
	})
	return columns, failed("read catalog", err)
}

// adopt looks whether a table that exists can be kept, and returns what has to
// be run so that it can: one that larder made gets the columns that it lacks.
func (t *Table) adopt(ctx context.Context, q querier, f *form, made bool) (ddl []string, err error) {
	columns, err := t.catalogColumns(ctx, q)
	if err != nil {
		return nil, err
	}
	var faults []string
	for n, want := range t.spec.Columns {
		i := slices.IndexFunc(columns, func(c found) bool { return c.name == want.Name })
		if i < 0 {
			add := "ALTER TABLE " + t.name + " ADD COLUMN " + columnDDL(want)
			if made && !want.NotNull && !f.isKey(n) {
				ddl = append(ddl, add)
			} else {
				faults = append(faults, fmt.Sprintf("column %q is not there: %s", want.Name, add))
			}
			continue
		}
		faults = append(faults, t.columnFaults(want, columns[i])...)
		columns[i].given = true
		if f.isKey(n) && columns[i].blind {
			faults = append(faults, fmt.Sprintf(`column %q calls different keys equal: ALTER TABLE %s ALTER COLUMN %s TYPE text COLLATE "C"`,
				want.Name, t.name, pgx.Identifier{want.Name}.Sanitize()))
		}
	}
	marks, wrong := t.adoptMark(columns, made)
	ddl, faults = append(ddl, marks...), append(faults, wrong...)
	for _, c := range columns {
		if c.notNull && !c.given {
			faults = append(faults, fmt.Sprintf("column %q is not null, has no default and is not mapped: ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL",
				c.name, t.name, pgx.Identifier{c.name}.Sanitize()))
		}
	}
	fault, err := t.keyFault(ctx, q)
	if err != nil {
		return nil, err
	}
	if fault != "" {
		faults = append(faults, fault)
	}
	if len(faults) > 0 {
		return nil, &MisfitTableError{t.name, faults}
	}
	return ddl, nil
}

// columnFaults says why a column cannot hold what is to be written. Types that
// refuse what they cannot hold are fine; those that cut it off silently are
// not.
func (t *Table) columnFaults(want row.Column, have found) []string {
	name := pgx.Identifier{want.Name}.Sanitize()
	if have.generated {
		return []string{fmt.Sprintf("column %q is generated always: leave it out of columns, or ALTER TABLE %s ALTER COLUMN %s DROP EXPRESSION (DROP IDENTITY for an identity)",
			want.Name, t.name, name)}
	}
	cuts := have.typ == "name" || have.typ == `"char"`
	switch want.Type.Kind {
	case row.Text:
		cuts = cuts || have.typ == "real" || have.typ == "double precision" || have.scale >= 0 || have.shortened()
	case row.Timestamptz:
		cuts = cuts || have.shortened() || have.typ == "date" || strings.HasPrefix(have.typ, "time without") || strings.HasPrefix(have.typ, "time with ")
	case row.Numeric:
		bounded := want.Type.Precision > 0
		cuts = cuts || have.typ == "double precision" || have.typ == "real" || have.scale >= 0 && (!bounded || have.scale < want.Type.Scale)
	case row.Integer:
		cuts = cuts || have.typ == "real"
	case row.Bigint:
		cuts = cuts || have.typ == "double precision" || have.typ == "real"
	case row.Double:
		cuts = cuts || have.typ == "real" || have.scale >= 0
	}
	if !cuts {
		return nil
	}
	return []string{fmt.Sprintf("column %q of type %s would cut a %s: ALTER TABLE %s ALTER COLUMN %s TYPE %s",
		want.Name, have.typ, want.Type, t.name, name, createType(want.Type))}
}

// keyFault says that no unique index on exactly the key's columns is there
// that an upsert can go by.
func (t *Table) keyFault(ctx context.Context, q querier) (string, error) {
	var names []string
	for _, i := range t.spec.Key {
		names = append(names, t.spec.Columns[i].Name)
	}
	slices.Sort(names)
	var fits bool
	err := q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = $1::text::regclass
		AND x.indisunique AND x.indimmediate AND x.indisvalid AND x.indpred IS NULL AND x.indexprs IS NULL
		AND $2::text[] = (SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C") FROM pg_attribute a
			WHERE a.attrelid = x.indrelid AND a.attnum = ANY((x.indkey::smallint[])[0:x.indnkeyatts - 1])))`, t.name, names).Scan(&fits)
	if err != nil || fits {
		return "", failed("read catalog", err)
	}
	return fmt.Sprintf("no unique index on exactly (%s): CREATE UNIQUE INDEX ON %s (%s)", t.keyNames(), t.name, t.keyNames()), nil
}

// prepareKeys makes the tables of noted, missing and suspected keys, in the
// target's own types. Where those have changed, what was noted is void, and so
// is the unfinished listing walk that it belongs to.
func (t *Table) prepareKeys(ctx context.Context, tx pgx.Tx, f *form) error {
	columns := f.keyList(func(n, i int) string { return fmt.Sprintf("t.%s AS k%d", f.columns[i].name, n) })
	as := func(rest string) string {
		return fmt.Sprintf("SELECT ''::text AS partition, %s, %s FROM %s t", columns, rest, t.name)
	}
	for _, keys := range []struct{ name, kind, as, void string }{
		{t.seen, "UNLOGGED TABLE", as("false AS touched"), noList},
		{t.missing, "TABLE", as("0 AS walks, now() AS present_at"), "held = 0"},
		{t.suspect, "TABLE", as("''::text AS kind, ''::text AS theirs, ''::text AS ours, now() AS since, now() AS present, false AS counted, ''::text AS walk"), "suspects = 0"},
	} {
		fits, err := t.keysFit(ctx, tx, keys.name, keys.as)
		if err != nil || fits {
			if err != nil {
				return err
			}
			continue
		}
		err = execScript(ctx, tx, fmt.Sprintf(`DROP TABLE IF EXISTS %s; CREATE %s %s AS %s WITH NO DATA; ALTER TABLE %s ADD PRIMARY KEY (partition, %s);
			UPDATE %s SET %s WHERE table_name = %s`,
			keys.name, keys.kind, keys.name, keys.as, keys.name, keyColumns(f), t.db.own("watermark"), keys.void, literal(t.spec.Target)))
		if err != nil {
			return failed("create notes", err)
		}
	}
	return nil
}

// keysFit reports whether the table of keys is there and has the columns that
// the query gives.
func (t *Table) keysFit(ctx context.Context, tx pgx.Tx, name, query string) (bool, error) {
	var oid *uint32
	if err := tx.QueryRow(ctx, `SELECT to_regclass($1)::oid`, name).Scan(&oid); err != nil || oid == nil {
		return false, failed("look for notes", err)
	}
	have, err := describe(ctx, tx, "SELECT * FROM "+name)
	if err != nil {
		return false, err
	}
	want, err := describe(ctx, tx, query)
	return slices.Equal(have, want), err
}

// describe asks for the names and types of a query's columns.
func describe(ctx context.Context, tx pgx.Tx, query string) ([]string, error) {
	d, err := tx.Conn().PgConn().Prepare(ctx, "", query, nil)
	if err != nil {
		return nil, failed("look for notes", err)
	}
	var out []string
	for _, c := range d.Fields {
		out = append(out, fmt.Sprintf("%s %d", c.Name, c.DataTypeOID))
	}
	return out, nil
}

// literal quotes a text for a script, which takes no arguments. Targets come
// from the configuration and hold no U+0000.
func literal(s string) string {
	return `U&'` + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(s) + `'`
}

// refresh brings source and budgets of all partitions up to date, notes
// whether larder made the table, and drops what is held of a table whose rows
// are kept.
func (t *Table) refresh(ctx context.Context, tx pgx.Tx, made bool) error {
	b, w := t.spec.Budget, t.db.own("watermark")
	_, err := tx.Exec(ctx, `UPDATE `+w+` w SET source = $2, warn = b.warn, critical = b.critical, deletes = b.deletes, newest = b.newest,
			made = w.made OR $6, `+deadlines("w.as_of", "w.deletes_as_of", "b")+`
		FROM (SELECT `+budget("$3")+` AS warn, `+interval("$4")+` AS critical, `+budget("$5")+` AS deletes, `+budget("$7")+` AS newest) b
		WHERE w.table_name = $1 AND (w.source, w.warn, w.critical, w.deletes, w.newest, w.made) IS DISTINCT FROM ($2, b.warn, b.critical, b.deletes, b.newest, w.made OR $6)`,
		t.spec.Target, t.spec.Source, b.Warn.Microseconds(), b.Critical.Microseconds(), b.Deletes.Microseconds(), made, b.Newest.Microseconds())
	if err == nil && t.spec.Keep {
		if _, err = tx.Exec(ctx, `DELETE FROM `+t.missing); err == nil {
			_, err = tx.Exec(ctx, `UPDATE `+w+` SET held = 0 WHERE table_name = $1 AND held > 0`, t.spec.Target)
		}
	}
	if err != nil {
		return failed("refresh bookkeeping", err)
	}
	return t.keepGrace(ctx, tx, nil)
}
