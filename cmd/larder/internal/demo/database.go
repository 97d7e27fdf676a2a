package demo

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// database is one connection of a consumer to its own database, by the plain
// driver. It serves one caller at a time.
type database interface {
	// query returns the rows of an answer, each value as the exact text that
	// owners.Row describes.
	query(ctx context.Context, sql string) ([]owners.Row, error)
	close() error
}

// store makes the consumers' databases, empty.
type store interface {
	// make makes the database of a consumer and connects to it. text is how
	// the configuration names it; more are the settings that text needs.
	make(ctx context.Context, consumer string) (db database, text string, more settings, err error)
	// remove drops what was made, unless the demo's files stay.
	remove(ctx context.Context) error
}

func newStore(o Options, f *folder) (store, error) {
	if o.Postgres == "" {
		return &sqliteStore{folder: f}, nil
	}
	server, err := url.Parse(o.Postgres)
	if err != nil || server.Scheme != "postgres" && server.Scheme != "postgresql" || server.Host == "" && server.RawQuery == "" {
		// The parser's own words would repeat the password.
		return nil, fmt.Errorf("read the Postgres URL: want postgres://USER:PASSWORD@HOST/DATABASE")
	}
	return &postgresStore{server: server, stay: f.stays}, nil
}

// selectAll reads the compared columns of a copy. Names are the demo's own and
// need no quotes.
func (c copied) selectAll() string {
	return "select " + strings.Join(c.columns, ", ") + " from " + c.table
}
