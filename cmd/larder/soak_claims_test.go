package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// copyOf is a table as its consumer reads it.
type copyOf map[int64]string

// consumed reads a consumer's database by the plain driver: one statement a
// table, on a connection that is closed again.
type consumed interface {
	read(ctx context.Context, tables []string) (map[string]copyOf, error)
}

type consumedSQLite struct{ file string }

func (c consumedSQLite) read(_ context.Context, tables []string) (all map[string]copyOf, err error) {
	conn, err := sqlite.OpenConn(c.file, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	all = make(map[string]copyOf)
	for _, table := range tables {
		rows := make(copyOf)
		err := sqlitex.ExecuteTransient(conn, `SELECT id, name FROM `+table, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			rows[s.ColumnInt64(0)] = s.ColumnText(1)
			return nil
		}})
		if err != nil {
			return nil, err
		}
		all[table] = rows
	}
	return all, nil
}

type consumedPostgres struct{ *soakPostgres }

func (c consumedPostgres) read(ctx context.Context, tables []string) (map[string]copyOf, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]copyOf)
	for _, table := range tables {
		found, err := c.told.Query(ctx, `SELECT id, name FROM public.`+table)
		if err != nil {
			return nil, err
		}
		rows := make(copyOf)
		var id int64
		var name string
		if _, err := pgx.ForEachRow(found, []any{&id, &name}, func() error { rows[id] = name; return nil }); err != nil {
			return nil, err
		}
		all[table] = rows
	}
	return all, nil
}

// claims says what is untrue of what a consumer's database claims: a table holds
// whatever its owner had committed up to as-of, and deletions up to the delete
// as-of. A table that was never complete claims nothing.
func (s *soakWorld) claims(ctx context.Context, c *consumer) error {
	before, err := c.db.Status(ctx) // claims are read before the rows, which only get newer
	if err != nil {
		return err
	}
	var tables []string
	for _, st := range before {
		tables = append(tables, st.Freshness.Table)
	}
	copies, err := s.reads[c.Name].read(ctx, tables)
	if err != nil {
		return err
	}
	var wrong []string
	for _, st := range before {
		wrong = append(wrong, s.byName[st.Freshness.Table].untrue(st, copies[st.Freshness.Table])...)
		s.claimed++
		s.oldest = max(s.oldest, st.Freshness.Staleness)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d claims of %s are not true: %s", len(wrong), c.Name, strings.Join(wrong[:min(len(wrong), 5)], "; "))
	}
	return nil
}

// untrue says which changes a copy lacks that its claim covers.
func (s *soakFeed) untrue(st syncer.Status, rows copyOf) (wrong []string) {
	number := func(name string) (n int) {
		_, _ = fmt.Sscanf(name, "version %d", &n)
		return n
	}
	for i, c := range s.log {
		asOf := st.Freshness.AsOf
		if c.Gone && s.kind.silent {
			asOf = st.DeletesAsOf
		}
		if asOf.IsZero() || c.Commit.After(asOf) {
			continue
		}
		name, there := rows[c.ID]
		later := slices.ContainsFunc(s.log[i:], func(d sourcetest.Change) bool { return d.ID == c.ID && d.Gone && !d.Commit.After(time.Now()) })
		switch {
		case there && !c.Gone && number(name) >= i, there && c.Gone && number(name) > i, !there && later:
		case there && !c.Gone && s.kind.silent && later: // the list has neither; the deletion is judged by itself
		default:
			wrong = append(wrong, fmt.Sprintf("%s is said to be complete as of %s and has record %d as %q, which its owner changed at %s to %q, gone %t",
				s.name, asOf.Format(time.StampMilli), c.ID, name, c.Commit.Format(time.StampMilli), c.Name, c.Gone))
		}
	}
	return wrong
}

// differences says which copies are not what their owners hold.
func (s *soakWorld) differences(ctx context.Context) error {
	var wrong []string
	for _, c := range s.parts.consumers {
		copies, err := s.reads[c.Name].read(ctx, s.tables[c.Name])
		if err != nil {
			return err
		}
		for table, rows := range copies {
			truth := make(copyOf)
			for _, r := range s.byName[table].owner.Truth() {
				truth[r.ID] = r.Name
			}
			if fmt.Sprint(truth) != fmt.Sprint(rows) {
				wrong = append(wrong, fmt.Sprintf("%s.%s (%s) is %v, its owner holds %v", c.Name, table, s.byName[table].kind.name, rows, truth))
			}
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d copies differ from their owners: %s", len(wrong), wrong[0])
	}
	return nil
}
