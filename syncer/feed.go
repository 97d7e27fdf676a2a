package syncer

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"
)

// Feed is one source kept in one or several tables. The owner is asked once a
// poll, and every table of the feed applies the answer.
type Feed struct {
	// Name is the source's.
	Name   string
	Source Source
	// Snapshot feeds list everything at each poll.
	Snapshot bool
	// Lists says that a walk from zero tells what there is, and not what was
	// deleted, as of a token's owner who is asked without one: every table that
	// takes part in it applies it as a resync, or it would miss deletions.
	Lists bool
	// Partitions has at least one; a source without parts has the zero one.
	Partitions []Partition
	Copies     []*Copy
	// Fields names the slots of the source's records, as far as they are the
	// tables'; a complete list tells which of them no record has.
	Fields []string
	// Lag is how long the owner itself may take to show a commit.
	Lag time.Duration
	// Retention is how long the owner can tell what changed; 0: for ever. A
	// copy whose as-of is older is resynced.
	Retention time.Duration
	// Ask tells which partitions there are, at every poll, where they are not
	// fixed; nil: they are Partitions.
	Ask func(context.Context) ([]Partition, error)
	// Concurrency is how many partitions are walked at one time; 0: one.
	Concurrency int
	// Apart says that changes can be asked for while a table is resynced or
	// audited: a record of a change is whole, and needs no other before it.
	Apart bool
	// Audit is when and how tables are compared with the owner; nil: only when
	// somebody asks for it, by CompareAll.
	Audit *AuditPlan
	// Persist is how long a difference must last to count: overlap and lag.
	Persist time.Duration
	// Gather bounds what one transaction applies at once.
	Gather Gather
	// Progress, if set, is told after every transaction how far the walk is.
	// It must return quickly.
	Progress func(Report)
}

// Gather bounds how many waiting batches one transaction applies together.
type Gather struct {
	Records int
	Bytes   int64
}

// Copy is one table of a feed as the Runner sees it.
type Copy struct {
	// Name is what the table is called everywhere: CONSUMER.name.
	Name   string
	Table  Table
	Keeper Keeper
	Budget Budget

	mu    sync.Mutex
	ready error
	// losses counts how often the table ceased to be ready.
	losses    int
	standings map[string]Standing
	last      *Failure
}

// Ready says whether the table may take part in polls: nil, or why not.
func (c *Copy) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready
}

// SetReady states whether the table may take part in polls. A new Copy may.
// While another daemon holds the lease, what was known of the table is
// forgotten: that daemon keeps it fresh, and judges it.
func (c *Copy) SetReady(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = err
	if err != nil {
		c.losses++
	}
	if errors.Is(err, ErrFenced) {
		c.standings, c.last = nil, nil
	}
}

// term says whether the table may take part in polls, and in which term: it is
// another one after every time that it might not. A walk ends with the term it
// began in, because another daemon may have written in between, even if the
// lease is ours again.
func (c *Copy) term() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.losses, c.ready
}

// Freshness judges the copy by what was last read of it or written to it: the
// worst over its partitions. It asks no database, so that a database that
// hangs cannot silence it.
func (c *Copy) Freshness(now time.Time) Freshness {
	c.mu.Lock()
	defer c.mu.Unlock()
	worst := Freshness{Level: Unknown, Reason: "nothing is known of the copy"}
	first := true
	for _, st := range c.standings {
		f := Judge(st, c.Budget, now)
		if first || f.Level.Worse(worst.Level) || f.Level == worst.Level && f.Staleness > worst.Staleness {
			worst, first = f, false
		}
	}
	if c.last != nil && (worst.Level != Fresh || worst.Reason == "") {
		worst.Reason = "last poll: " + string(c.last.Class) + ": " + c.last.Text
	}
	if first && c.ready != nil {
		worst.Reason = oneLine(c.ready.Error())
	}
	worst.Table = c.Name
	return worst
}

// note keeps what was last known of a partition.
func (c *Copy) note(p Partition, st Standing, f *Failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.standings == nil {
		c.standings = make(map[string]Standing)
	}
	c.standings[p.Name] = st
	c.last = f
}

// newWalkID names a walk. It is random so that two daemons never agree on one.
func newWalkID() string { return rand.Text() }
