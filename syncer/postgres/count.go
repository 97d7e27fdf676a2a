package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// countFresh counts the rows that the table has already of partitions that are
// seen for the first time: an adopted table may have some, and one that keeps
// its rows those of a partition that is there again. The list of partitions has
// none.
func (t *Table) countFresh(ctx context.Context, tx pgx.Tx, fresh []string) error {
	if t.spec.Changing {
		fresh = slices.DeleteFunc(slices.Clone(fresh), func(name string) bool { return name == "" })
	}
	if len(fresh) == 0 {
		return nil
	}
	f, err := t.catalogued(ctx, tx)
	if err != nil {
		return err
	}
	var some bool
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+t.name+` t WHERE true`+f.alive()+`)`).Scan(&some)
	if err != nil || !some {
		return failed("count rows", err)
	}
	if err := execScript(ctx, tx, "SET LOCAL statement_timeout = "+milliseconds(patience)); err != nil {
		return failed("count rows", err)
	}
	sql, args := t.countSQL(f, fresh)
	_, err = tx.Exec(ctx, sql, args...)
	return failed("count rows", err)
}

// countSQL stores the numbers of rows of partitions, all by one reading of the
// table. No row can hold values that do not fit.
func (t *Table) countSQL(f *form, names []string) (string, []any) {
	var told []int // the columns that tell partitions apart
	var parts []string
	var texts [][]*string // by column
	for _, name := range names {
		columns, values, err := t.spec.PartitionValues(syncer.ParsePartition(name))
		if err != nil {
			continue
		}
		if texts == nil {
			told, texts = columns, make([][]*string, len(columns))
		}
		parts = append(parts, name)
		for n, v := range values {
			var text *string
			if b, ok := appendText(nil, v); ok {
				s := string(b)
				text = &s
			}
			texts[n] = append(texts[n], text)
		}
	}
	args, from, as := []any{t.spec.Target, parts}, "$2::text[]", "name"
	grouped, groups, same := "", "", "true"
	for n, i := range told {
		c, equal := f.columns[i], "="
		if slices.Contains(texts[n], nil) {
			equal = "IS NOT DISTINCT FROM" // which no index and no hash helps with
		}
		args = append(args, texts[n])
		from, as = from+fmt.Sprintf(", $%d::text[]", len(args)), as+fmt.Sprintf(", v%d", n)
		grouped, groups = grouped+fmt.Sprintf("t.%s AS v%d, ", c.name, n), groups+fmt.Sprintf(", t.%s", c.name)
		same += fmt.Sprintf(" AND g.v%d %s p.v%d::%s", n, equal, n, c.typ)
	}
	return fmt.Sprintf(`UPDATE %s w SET rows = g.rows
		FROM unnest(%s) AS p (%s) JOIN (SELECT %scount(*) AS rows FROM %s t WHERE true%s GROUP BY ()%s) g ON %s
		WHERE w.table_name = $1 AND w.partition = p.name`, t.db.own("watermark"), from, as, grouped, t.name, f.alive(), groups, same), args
}
