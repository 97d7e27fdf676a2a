package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer"
)

// reduce notes what came up, and takes out of the staging table what need not
// be written: what is older than the row that it would replace, and what
// changes nothing.
func (m *merge) reduce(ctx context.Context, done *tally) (err error) {
	nested := m.head.rows > 8*int64(len(m.changes))
	if nested {
		if err := m.nestedLoops(ctx, true); err != nil {
			return err
		}
	}
	if err := m.complete(ctx); err != nil {
		return err
	}
	// What is older than a row was seen before in a resync, and is noted.
	if m.walk.Kind == syncer.Resync {
		if err := m.dropOlder(ctx); err != nil {
			return err
		}
	}
	if m.walk.Kind.Listing() {
		if done.noted, err = m.note(ctx); err != nil {
			return err
		}
	}
	if m.walk.Kind != syncer.Resync {
		if err := m.dropOlder(ctx); err != nil {
			return err
		}
	}
	if err := m.touch(ctx, done); err != nil {
		return err
	}
	if err := m.clearSuspects(ctx, done); err != nil {
		return err
	}
	_, err = m.exec(ctx, "drop unchanged rows", fmt.Sprintf("DELETE FROM %s s USING %s t WHERE %s AND %s", stageName, m.name, m.form.keys(), m.form.same()))
	if err == nil && nested {
		err = m.nestedLoops(ctx, false)
	}
	return err
}

// complete takes from the row that is there what a partial record tells
// nothing of, its version included: then it is as new as the row.
func (m *merge) complete(ctx context.Context) error {
	if !m.form.partial || !slices.ContainsFunc(m.changes, func(s staged) bool { return s.Absent != nil }) {
		return nil
	}
	var set []string
	for i, c := range m.form.columns {
		if !m.form.isKey(i) {
			set = append(set, fmt.Sprintf("c%d = CASE WHEN substr(s.absent, %d, 1) = '1' THEN t.%s ELSE s.c%d END", i, i+1, c.name, i))
		}
	}
	if len(set) == 0 {
		return nil
	}
	_, err := m.exec(ctx, "complete records", fmt.Sprintf("UPDATE %s s SET %s FROM %s t WHERE s.kind = 'u' AND s.absent <> '' AND %s",
		stageName, strings.Join(set, ", "), m.name, m.form.keys()))
	return err
}

// dropOlder drops what is older than the row that it would replace. In a
// resync only rows that the same walk has seen are compared with, so that the
// history of an owner that was restored wins.
func (m *merge) dropOlder(ctx context.Context) error {
	if !m.form.versioned() {
		return nil
	}
	join, args := m.form.keys(), []any{}
	if m.walk.Kind == syncer.Resync {
		join += fmt.Sprintf(" AND EXISTS (SELECT FROM %s o WHERE o.partition = $1 AND %s)", m.seen, m.form.notedKeys())
		args = append(args, m.walk.Partition.Name)
	}
	if m.form.bySQL() {
		_, err := m.exec(ctx, "compare versions", fmt.Sprintf("DELETE FROM %s s USING %s t WHERE %s AND %s",
			stageName, m.name, join, m.form.older(m.form.targetVersion())), args...)
		return err
	}
	return m.dropByFormat(ctx, fmt.Sprintf("SELECT s.n, %s::text FROM %s s JOIN %s t ON %s", m.form.targetVersion(), stageName, m.name, join), args...)
}

// nestedLoops steers the planner: with a few rows against many it would read
// the whole table for each batch, because it knows nothing of staging tables.
func (m *merge) nestedLoops(ctx context.Context, on bool) error {
	_, err := m.exec(ctx, "plan joins", `SELECT set_config('enable_hashjoin', $1, true), set_config('enable_mergejoin', $1, true)`,
		map[bool]string{true: "off", false: "on"}[on])
	return err
}

// dropByFormat drops what is older than the version that the query gives for
// its number, where only the version's format can tell.
func (m *merge) dropByFormat(ctx context.Context, query string, args ...any) error {
	rows, err := m.tx.Query(ctx, query, args...)
	if err != nil {
		return failed("compare versions", err)
	}
	var n int32
	var held *string
	var losers []int32
	_, err = pgx.ForEachRow(rows, []any{&n, &held}, func() error {
		c := &m.changes[n]
		version := c.Values[m.spec.Version]
		if held == nil || c.kind == noteOnly || c.kind == remove && version == nil || m.untold(c) {
			return nil
		}
		if m.spec.Compare(version, *held) < 0 {
			losers = append(losers, n)
		}
		return nil
	})
	if err != nil {
		return failed("compare versions", err)
	}
	return m.drop(ctx, losers)
}

// drop takes changes out of the staging table, by number.
func (m *merge) drop(ctx context.Context, numbers []int32) error {
	if len(numbers) == 0 {
		return nil
	}
	_, err := m.exec(ctx, "drop staged rows", "DELETE FROM "+stageName+" WHERE n = ANY($1)", numbers)
	return err
}
