package postgres

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer/row"
)

// A table may mark what is gone in place of deleting it. No statement sees a
// marked row but the one that writes its key again.

// alive is the condition that a row of the target is not marked, behind another
// one.
func (f *form) alive() string {
	if f.mark == "" {
		return ""
	}
	return " AND t." + f.mark + " IS NULL"
}

// cut deletes rows of the target, or marks them with the transaction's instant.
// using is another relation that the condition speaks of.
func (f *form) cut(target, using, condition string) string {
	if f.mark == "" {
		return fmt.Sprintf("DELETE FROM %s t USING %s WHERE %s", target, using, condition)
	}
	return fmt.Sprintf("UPDATE %s t SET %s = now() FROM %s WHERE %s", target, f.mark, using, condition)
}

// revived counts the staged rows of which the target has a marked one.
func (f *form) revived(target string) string {
	return fmt.Sprintf("(SELECT count(*) FROM %s s JOIN %s t ON %s WHERE s.kind = 'u' AND t.%s IS NOT NULL)", stageName, target, f.anyKeys(), f.mark)
}

// markDDL is the column of marks as a table that larder makes has it.
func (t *Table) markDDL() string {
	return pgx.Identifier{t.spec.Mark}.Sanitize() + " " + createType(row.Type{Kind: row.Timestamptz})
}

// adoptMark says what gives a table that exists the column of marks, or why the
// one that it has cannot hold them.
func (t *Table) adoptMark(columns []found, made bool) (ddl, faults []string) {
	if t.spec.Mark == "" {
		return nil, nil
	}
	i := slices.IndexFunc(columns, func(c found) bool { return c.name == t.spec.Mark })
	alter := fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s", t.name, pgx.Identifier{t.spec.Mark}.Sanitize())
	switch {
	case i < 0 && made:
		return []string{"ALTER TABLE " + t.name + " ADD COLUMN " + t.markDDL()}, nil
	case i < 0:
		return nil, []string{fmt.Sprintf("column %q, which marks deleted rows, is not there: ALTER TABLE %s ADD COLUMN %s", t.spec.Mark, t.name, t.markDDL())}
	}
	columns[i].given = true
	want := createType(row.Type{Kind: row.Timestamptz})
	switch have := columns[i]; {
	case have.generated:
		faults = []string{fmt.Sprintf("column %q, which marks deleted rows, is generated always: %s DROP EXPRESSION", t.spec.Mark, alter)}
	case have.typ != want:
		faults = []string{fmt.Sprintf("column %q, which marks deleted rows, is of type %s: %s TYPE %s", t.spec.Mark, have.typ, alter, want)}
	case have.notNull:
		faults = []string{fmt.Sprintf("column %q, which marks deleted rows, is not null, and of a row that is there it is null: %s DROP NOT NULL", t.spec.Mark, alter)}
	}
	return nil, faults
}
