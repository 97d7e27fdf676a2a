package killtest

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
)

// Claim is what the view freshness says of a copy to a consumer that asks by
// plain SQL.
type Claim struct {
	Level, Reason, Class string
	// Staleness is an upper bound on the age of the copy. Known says that there
	// is one: a copy that was never complete has none.
	Staleness time.Duration
	Known     bool
}

// AsOf is the instant up to which a claim says that the copy is complete, if it
// was read not before a moment; zero if it says nothing.
func (c Claim) AsOf(read time.Time) time.Time {
	if !c.Known {
		return time.Time{}
	}
	return read.Add(-c.Staleness)
}

// Shifted are a state's positions with other as-ofs.
func (s State) Shifted(asOf func(time.Time) time.Time) State {
	at := func(p Standing) Standing {
		p.AsOf, p.Deletes = asOf(p.AsOf), asOf(p.Deletes)
		return p
	}
	parts := make(map[string]Standing, len(s.Parts))
	for name, p := range s.Parts {
		parts[name] = at(p)
	}
	s.Standing, s.Parts = at(s.Standing), parts
	return s
}

// Claim implements Consumer.
func (p Postgres) Claim(ctx context.Context) (c Claim, err error) {
	var microseconds int64
	err = p.conn.QueryRow(ctx, `select level, reason, error_class, (extract(epoch from staleness) * 1000000)::bigint, as_of is not null
		from larder.freshness where table_name = 'users'`).Scan(&c.Level, &c.Reason, &c.Class, &microseconds, &c.Known)
	if errors.Is(err, pgx.ErrNoRows) {
		return Claim{}, nil
	}
	c.Staleness = time.Duration(microseconds) * time.Microsecond
	return c, err
}

// Claim implements Consumer.
func (l SQLite) Claim(ctx context.Context) (c Claim, err error) {
	query := `select level, reason, error_class, staleness, as_of is not null from larder_freshness where table_name = 'users'`
	err = l.do(ctx, sqlite.OpenReadWrite, func(conn *sqlite.Conn) error {
		return each(conn, query, func(r *sqlite.Stmt) error {
			c = Claim{Level: r.ColumnText(0), Reason: r.ColumnText(1), Class: r.ColumnText(2),
				Staleness: time.Duration(r.ColumnFloat(3) * float64(time.Second)), Known: r.ColumnBool(4)}
			return nil
		})
	})
	return c, err
}
