package sqlite

import (
	"fmt"

	"github.com/larder-sync/larder/syncer/row"
)

// A list may begin at a version, its floor. The values that set a partition's
// rows apart end with it, in tables that can tell: null where there is none.

// inList are the conditions that a row, t, is not older than the floor, which is
// the parameter of that number. What an adopted table holds in another form than
// larder's is older than any: no list is asked for it.
func (b *builder) inList(number int) []string {
	if !floors(b.spec) {
		return nil
	}
	held, floor := "t."+b.columns[b.spec.Version], fmt.Sprintf("?%d", number)
	reaches := ""
	switch b.spec.Columns[b.spec.Version].Type.Kind {
	case row.Timestamptz:
		reaches = fmt.Sprintf("%s LIKE '____-__-__T__:__:__%%Z' AND %s >= %s", held, held, floor)
	case row.Date:
		reaches = fmt.Sprintf("%s LIKE '____-__-__' AND %s >= %s", held, held, floor)
	case row.Numeric:
		// Kept as text. Rounding keeps the order, but for what becomes equal.
		reaches = fmt.Sprintf("CAST(%s AS REAL) > CAST(%s AS REAL) OR %s = %s", held, floor, held, floor)
	default:
		reaches = fmt.Sprintf("typeof(%s) IN ('integer', 'real') AND %s >= %s", held, held, floor)
	}
	return []string{fmt.Sprintf("(%s IS NULL OR %s)", floor, reaches)}
}

// floors reports whether rows older than a floor can be told from the others.
func floors(spec *row.Spec) bool {
	return spec.Version >= 0 && spec.Columns[spec.Version].Type.Ordered()
}

// from are the values that set the rows apart that a list with this floor has
// to have.
func (t *Table) from(scope []any, floor any) []any {
	if floor == nil || !floors(t.spec) {
		return scope
	}
	return append(scope[:len(scope)-1:len(scope)-1], floor)
}
