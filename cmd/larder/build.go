package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/home"
	"github.com/larder-sync/larder/syncer/postgres"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/sqlite"
	"github.com/larder-sync/larder/syncer/web/metrics"
)

// gather bounds one transaction: enough rows for a fast merge, few enough to
// hold in memory.
var gather = syncer.Gather{Records: 20_000, Bytes: 16 << 20}

// outside is how the parts reach others and are reached; zero fields are
// sockets of their own.
type outside struct {
	// carrier carries requests to owners and to who is told.
	carrier http.RoundTripper
	// listen opens what others come to.
	listen func(ctx context.Context, address string) (net.Listener, error)
}

// parts are what a configuration is made into.
type parts struct {
	outside
	config    *config.Config
	log       zerolog.Logger
	home      *atHome
	consumers []*consumer
	feeds     []*feed
	metrics   *metrics.Metrics
	// told tells receivers once the daemon runs.
	told atomic.Pointer[alert.Desk]
	// warnings are what the configuration may say and rarely means.
	warnings config.Mistakes
}

// feed is a source with its schedule and the consumers it is copied to.
type feed struct {
	*syncer.Scheduled
	consumers []*consumer
	copies    []*copied
	overlap   time.Duration
	// source is what the configuration says, owner how requests are made by it.
	source *config.Source
	owner  owner
	// asked are the constants of a partition that requests, key and columns name.
	asked []string
	// unfloored says that the owner's list begins at watermark.initial, and that
	// a table cannot tell which of its rows lie before.
	unfloored bool
}

// copied is a table that the configuration names.
type copied struct {
	*syncer.Copy
	kept     row.Kept
	spec     row.Spec
	consumer *consumer
	target   string
	budget   syncer.Budget
}

// consumer is a consumer's database with its tables.
type consumer struct {
	*syncer.Consumer
	db database
}

// database is what both kinds of databases offer to commands.
type database interface {
	syncer.Lease
	syncer.Inbox
	syncer.Forgetter
	Send(context.Context, syncer.Order) (id string, err error)
	Outcome(ctx context.Context, id string) (state, text string, err error)
	Status(context.Context) ([]syncer.Status, error)
	Holding(context.Context) (syncer.Holding, error)
	Quarantine(ctx context.Context, table string, limit int) ([]syncer.Quarantined, error)
	Partitions(ctx context.Context, query string) ([]syncer.Partition, error)
	Close() error
}

// typed is the spec with the types that the table has, where the configuration
// gives none.
func (c *copied) typed(ctx context.Context) (row.Spec, error) {
	if d, ok := c.kept.(*row.Discovering); ok {
		return d.Typed(ctx)
	}
	return c.spec, nil
}

// build makes the parts, connecting to nothing.
func build(c *config.Config, log zerolog.Logger) (*parts, error) {
	return buildIn(outside{}, c, log)
}

// buildIn is build with an outside.
func buildIn(world outside, c *config.Config, log zerolog.Logger) (*parts, error) {
	p := &parts{outside: world, config: c, log: log, home: newAtHome(home.Options{File: c.Larder.Home, Keep: c.Larder.History})}
	schedules, mistakes := schedulesOf(c)
	mistakes = append(mistakes, expressionMistakes(c)...)
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	p.warnings = slices.Concat(c.Warnings, rareBudgets(c, schedules), rareNewest(c, schedules), unwatched(c))
	p.metrics = p.newMetrics(schedules)
	log = log.Hook(countedLines{p.metrics})
	p.log = log
	makers := make(map[*config.Consumer]func(row.Spec) row.Kept)
	consumers := make(map[*config.Consumer]*consumer)
	for _, cc := range c.Consumers {
		db, table := openDatabase(cc, p.metrics, log)
		con := &consumer{Consumer: &syncer.Consumer{Name: cc.Name, Lease: db, Inbox: db, Forgetter: db, Idle: idleTables(c, cc)}, db: db}
		makers[cc], consumers[cc] = table, con
		p.consumers = append(p.consumers, con)
	}
	clients, err := p.clients(log)
	if err != nil {
		return nil, err
	}
	for _, cs := range c.Sources {
		tables := tablesOf(c, cs)
		if !cs.Enabled || len(tables) == 0 {
			continue
		}
		f, err := buildFeed(cs, tables, clients[cs.Owner], schedules[cs], asker(cs, consumers))
		if err != nil {
			mistakes = append(mistakes, c.Mistake(cs.KeyPath, "%v", err))
			continue
		}
		f.asked = c.Asked(cs)
		for _, t := range tables {
			con := consumers[t.table.Consumer]
			made := makers[t.table.Consumer](t.spec)
			cp := &copied{Copy: &syncer.Copy{Name: t.spec.Name, Table: made, Keeper: made, Budget: t.spec.Budget},
				kept: made, spec: t.spec, consumer: con, target: t.spec.Target, budget: t.spec.Budget}
			f.add(cp)
		}
		p.feeds = append(p.feeds, f)
	}
	if len(mistakes) > 0 {
		return nil, mistakes
	}
	return p, nil
}

// asker asks a consumer's database which partitions a source has; nil where the
// configuration says it.
func asker(cs *config.Source, consumers map[*config.Consumer]*consumer) func(context.Context) ([]syncer.Partition, error) {
	if cs.EachQuery == nil {
		return nil
	}
	db, query := consumers[cs.EachQuery.Consumer].db, cs.EachQuery.SQL
	return func(ctx context.Context) ([]syncer.Partition, error) { return db.Partitions(ctx, query) }
}

// idleTables are the targets of a consumer's tables that nothing polls.
func idleTables(c *config.Config, of *config.Consumer) []string {
	var out []string
	for _, t := range c.Tables {
		if t.Consumer == of && !t.Source.Enabled {
			out = append(out, t.Name)
		}
	}
	return out
}

// add makes a table part of the feed and of its consumer.
func (f *feed) add(c *copied) {
	f.copies = append(f.copies, c)
	f.Copies = append(f.Copies, c.Copy)
	c.consumer.Copies = append(c.consumer.Copies, c.Copy)
	for _, known := range f.consumers {
		if known == c.consumer {
			return
		}
	}
	f.consumers = append(f.consumers, c.consumer)
}

// openDatabase makes the database of a consumer; it connects when it is used.
func openDatabase(c *config.Consumer, counts *metrics.Metrics, log zerolog.Logger) (database, func(row.Spec) row.Kept) {
	log = log.With().Str("consumer", c.Name).Logger()
	holder := holderName()
	if c.Database.IsSQLite() {
		db := sqlite.New(sqlite.Options{File: c.Database.File, Bookkeeping: c.Bookkeeping, Connections: c.Connections, Holder: holder, Observe: counts.Transacted, Log: log})
		return db, func(s row.Spec) row.Kept { return db.Kept(s) }
	}
	db := postgres.New(postgres.Options{DSN: c.Database.Postgres.Reveal(), Bookkeeping: c.Bookkeeping, Connections: c.Connections, Holder: holder, Observe: counts.Transacted, Log: log})
	return db, func(s row.Spec) row.Kept { return db.Kept(s) }
}

// holderName is what a daemon that stands by is told about this process.
func holderName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	return fmt.Sprintf("%s, process %d, since %s", host, os.Getpid(), time.Now().UTC().Format(time.RFC3339))
}

// close lets go of all databases, and of home.
func (p *parts) close() {
	if err := p.home.close(); err != nil {
		p.log.Warn().Err(err).Msg("home is not closed")
	}
	for _, c := range p.consumers {
		if err := c.db.Close(); err != nil {
			p.log.Warn().Err(err).Str("consumer", c.Name).Msg("database is not closed")
		}
	}
}
