package sqlite

import (
	"fmt"
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer/row"
)

// A table may mark what is gone in place of deleting it. No statement sees a
// marked row but the one that writes its key again.

// alive is the condition that a row is not marked; of is "t." or "".
func (b *builder) alive(of string) []string {
	if b.spec.Mark == "" {
		return nil
	}
	return []string{of + quote(b.spec.Mark) + " IS NULL"}
}

// cut is the statement that deletes rows of the target by a condition, or marks
// them. The instant is the parameter of that number then: see Table.cutting.
func (b *builder) cut(as, condition string, number int) string {
	if b.spec.Mark == "" {
		return fmt.Sprintf("DELETE FROM %s%s WHERE %s", b.target, as, condition)
	}
	return fmt.Sprintf("UPDATE %s%s SET %s = ?%d WHERE %s", b.target, as, quote(b.spec.Mark), number, condition)
}

// revive is what an insert does about a marked row that has the key.
func (b *builder) revive(set []string) string {
	if b.spec.Mark == "" {
		return ""
	}
	return fmt.Sprintf(" ON CONFLICT (%s) DO UPDATE SET %s", list(b.keys), list(append(set, quote(b.spec.Mark)+" = NULL")))
}

// unmarked adds to what an insert writes that the row is not marked: the column
// may have a default.
func (b *builder) unmarked(columns, values []string) (into, all []string) {
	if b.spec.Mark == "" {
		return columns, values
	}
	return append(slices.Clone(columns), quote(b.spec.Mark)), append(slices.Clone(values), "NULL")
}

// cutting are the arguments of a statement that cuts: where rows are marked,
// the instant is the last.
func (t *Table) cutting(x *tx, args ...any) []any {
	if t.spec.Mark == "" {
		return args
	}
	return append(args, time.UnixMicro(int64(float64(x.now)*1e6)))
}

// markDDL gives a table the column for marks.
func markDDL(spec *row.Spec) string {
	return fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", quote(spec.Target), quote(spec.Mark), columnType(row.Timestamptz))
}

// unfitMark says what keeps a table's column from holding marks.
func unfitMark(spec *row.Spec, e existing) []string {
	if spec.Mark == "" {
		return nil
	}
	have, there := e.columns[fold(spec.Mark)]
	switch {
	case !there:
		return []string{fmt.Sprintf("column %q, which marks deleted rows, is missing: %s", spec.Mark, markDDL(spec))}
	case have.generated:
		return []string{fmt.Sprintf("column %q, which marks deleted rows, is generated and cannot be written", spec.Mark)}
	case have.notNull:
		return []string{fmt.Sprintf("column %q, which marks deleted rows, is NOT NULL, and of a row that is there it is null: declare it without", spec.Mark)}
	case !takes(row.Timestamptz, have.declared, e.strict):
		return []string{fmt.Sprintf("column %q, which marks deleted rows, is declared %q, which does not keep a %s as it is: declare it %s",
			spec.Mark, have.declared, row.Type{Kind: row.Timestamptz}, columnType(row.Timestamptz))}
	}
	return nil
}
