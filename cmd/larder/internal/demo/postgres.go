package demo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// patience bounds one statement on a consumer's database, and one connection.
const patience = 10 * time.Second

// postgresStore keeps each consumer's database on one server.
type postgresStore struct {
	server *url.URL
	stay   bool
	made   []string
}

func (s *postgresStore) make(ctx context.Context, consumer string) (database, string, settings, error) {
	name := "larder_demo_" + consumer
	if err := s.administer(ctx, "drop database if exists "+name+" with (force)", "create database "+name); err != nil {
		return nil, "", nil, err
	}
	s.made = append(s.made, name)
	u := *s.server
	u.Scheme, u.Path, u.RawPath = "postgres", "/"+name, ""
	conn, err := connect(ctx, u.String())
	if err != nil {
		return nil, "", nil, err
	}
	variable := strings.ToUpper(consumer) + "_DATABASE"
	return &postgresDatabase{conn}, "${" + variable + "}", settings{{variable, u.String()}}, nil
}

func (s *postgresStore) remove(ctx context.Context) error {
	if s.stay {
		return nil
	}
	var errs []error
	for _, name := range s.made {
		errs = append(errs, s.administer(ctx, "drop database if exists "+name+" with (force)"))
	}
	return errors.Join(errs...)
}

// administer runs statements on a connection of its own to the server.
func (s *postgresStore) administer(ctx context.Context, statements ...string) (err error) {
	conn, err := connect(ctx, s.server.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	c.ConnectTimeout = patience
	// Answers in text, as the database itself writes values.
	c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	c.RuntimeParams["timezone"], c.RuntimeParams["datestyle"] = "UTC", "ISO"
	return pgx.ConnectConfig(ctx, c)
}

type postgresDatabase struct{ conn *pgx.Conn }

func (d *postgresDatabase) query(ctx context.Context, sql string) ([]owners.Row, error) {
	rows, err := d.conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []owners.Row
	for rows.Next() {
		r := make(owners.Row)
		for i, f := range rows.FieldDescriptions() {
			raw := rows.RawValues()[i]
			if raw == nil {
				continue
			}
			if r[f.Name], err = postgresText(f.DataTypeOID, string(raw)); err != nil {
				return nil, fmt.Errorf("read %s: %w", f.Name, err)
			}
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// postgresText is a value as owners.Row writes it.
func postgresText(oid uint32, raw string) (string, error) {
	if oid != pgtype.TimestamptzOID {
		return raw, nil
	}
	t, err := time.Parse("2006-01-02 15:04:05.999999-07", raw)
	return t.UTC().Format("2006-01-02T15:04:05.000000Z"), err
}

func (d *postgresDatabase) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return d.conn.Close(ctx)
}
