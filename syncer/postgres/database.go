// Package postgres keeps copies in a Postgres database: rows and position of a batch commit in one transaction that holds the lease, or neither does.
// It touches that one database: the tables it is told to keep, and the schema
// of its own bookkeeping.
//
// Every writing transaction has the same order. Rows are copied into a
// temporary staging table first, because a server that waits for copy data
// obeys no timeout; then comes the fence, a key-share lock on the lease's row,
// which a takeover has to wait for and a renewal has not; then the merge, the
// bookkeeping and the commit.
package postgres

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
)

// The session settings. A transaction that stands still ends before a lease
// runs out, so that a stopped process cannot hold up its successor; a single
// statement of a live one may take patience.
const (
	connectTimeout   = 10 * time.Second
	statementTimeout = 10 * time.Second
	idleTimeout      = 10 * time.Second
	lockTimeout      = 5 * time.Second
	patience         = 5 * time.Minute
	// rollbackTimeout bounds the rollback of a transaction whose context has
	// ended.
	rollbackTimeout = 2 * time.Second
)

// Options say which database, and how.
type Options struct {
	// DSN is a URL or key=value text as libpq takes it. A search_path in it is
	// kept, and its first schema is where tables without a schema are; public
	// otherwise.
	DSN string
	// Bookkeeping is the schema of larder's own tables; "" is "larder".
	Bookkeeping string
	// Connections is how many connections may write and read at one time; 0 is
	// 4. The lease has one more of its own, so that a busy daemon does not
	// lose it.
	Connections int
	// Holder is what a daemon that stands by is told about this one; "" is
	// made of host and process.
	Holder string
	// Dial makes the connections to the server; nil: by the network, as the DSN
	// says.
	Dial pgconn.DialFunc
	// Observe hears how long each writing transaction took, and why it failed,
	// and of each call for the lease that failed unless another daemon holds it;
	// nil: nobody does. It must not block.
	Observe func(took time.Duration, err error)
	Log     zerolog.Logger
}

// Database is one consumer's database. It implements syncer.Lease,
// syncer.Inbox and syncer.Forgetter, and is safe for concurrent use.
type Database struct {
	options Options
	config  *pgxpool.Config
	err     error // of the DSN
	home    string
	// generation is that of the lease we hold; 0: none.
	generation atomic.Int64
	// clock is the server's.
	clock syncer.Clock

	mu          sync.Mutex
	work, lease *pgxpool.Pool
}

// New returns the database without connecting to it. A DSN that cannot be read
// is an error of every call.
func New(o Options) *Database {
	if o.Bookkeeping == "" {
		o.Bookkeeping = "larder"
	}
	if o.Connections <= 0 {
		o.Connections = 4
	}
	if o.Holder == "" {
		host, _ := os.Hostname()
		o.Holder = fmt.Sprintf("%s pid %d since %s", host, os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	}
	d := &Database{options: o, home: "public"}
	d.config, d.err = pgxpool.ParseConfig(o.DSN)
	o.DSN, d.options.DSN = "", "" // holds the password, and is not needed again
	if d.err != nil {
		d.err = &Error{step: "read dsn", err: d.err}
		return d
	}
	d.configure()
	return d
}

// configure pins what the statements of this package rely on.
func (d *Database) configure() {
	c := d.config
	c.MaxConns = int32(d.options.Connections)
	c.MinConns = 0
	if d.options.Dial != nil {
		c.ConnConfig.DialFunc = d.options.Dial
	}
	c.MaxConnLifetimeJitter = c.MaxConnLifetime / 10
	if c.ConnConfig.ConnectTimeout == 0 || c.ConnConfig.ConnectTimeout > connectTimeout {
		c.ConnConfig.ConnectTimeout = connectTimeout
	}
	settings := c.ConnConfig.RuntimeParams
	settings["application_name"] = "larder"
	settings["timezone"] = "UTC"
	settings["client_encoding"] = "UTF8"
	settings["datestyle"] = "ISO"
	settings["statement_timeout"] = milliseconds(statementTimeout)
	settings["idle_in_transaction_session_timeout"] = milliseconds(idleTimeout)
	settings["lock_timeout"] = milliseconds(lockTimeout)
	if path := settings["search_path"]; path != "" {
		first, _, _ := strings.Cut(path, ",")
		d.home = strings.Trim(strings.TrimSpace(first), `"`)
	} else {
		settings["search_path"] = d.home
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Close closes all connections. It waits for the calls in flight.
func (d *Database) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range []*pgxpool.Pool{d.work, d.lease} {
		if p != nil {
			p.Close()
		}
	}
	return nil
}

// pool returns the connections for work.
func (d *Database) pool(ctx context.Context) (*pgxpool.Pool, error) {
	return d.open(ctx, &d.work, d.config)
}

// leasePool returns the one connection that the lease has to itself.
func (d *Database) leasePool(ctx context.Context) (*pgxpool.Pool, error) {
	if d.err != nil {
		return nil, d.err
	}
	one := d.config.Copy()
	one.MaxConns = 1
	return d.open(ctx, &d.lease, one)
}

func (d *Database) open(ctx context.Context, pool **pgxpool.Pool, config *pgxpool.Config) (*pgxpool.Pool, error) {
	if d.err != nil {
		return nil, d.err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if *pool != nil {
		return *pool, nil
	}
	if pool == &d.work && !private(config.ConnConfig) {
		d.options.Log.Warn().Str("host", config.ConnConfig.Host).
			Msg("connection to the database is not proven private: sslmode is not verify-full")
	}
	p, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, &Error{step: "open pool", err: err}
	}
	*pool = p
	return p, nil
}

// private reports whether nobody between us and the server can read along: a
// socket, loopback, or TLS whose certificate is checked against the host.
func private(c *pgx.ConnConfig) bool {
	if !privateHop(c.Host, c.TLSConfig != nil && !c.TLSConfig.InsecureSkipVerify) {
		return false
	}
	for _, f := range c.Fallbacks {
		if !privateHop(f.Host, f.TLSConfig != nil && !f.TLSConfig.InsecureSkipVerify) {
			return false
		}
	}
	return true
}

func privateHop(host string, verified bool) bool {
	network, _ := pgconn.NetworkAddress(host, 0)
	ip := net.ParseIP(host)
	return verified || network == "unix" || host == "localhost" || ip != nil && ip.IsLoopback()
}

// own returns the quoted name of one of larder's own tables.
func (d *Database) own(name string) string {
	return pgx.Identifier{d.options.Bookkeeping, name}.Sanitize()
}
