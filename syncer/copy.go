package syncer

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

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
	losses int
	parts  map[string]*known
	// unready is since when ready is the same kind of failure, held when it was
	// last certain who holds the lease, watched since when this process has been
	// the one that judges the copy; zero: since it began.
	unready, held, watched time.Time
	// next is when its feed is polled next, polled when a poll of it last ended.
	next, polled time.Time
	// unknown is the budget while nothing is known.
	unknown plainBudget
}

// known is what this process knows of one partition of a copy.
type known struct {
	// standing is what was last read or written; read says that it ever was.
	standing Standing
	read     bool
	// settled counts the walks that were.
	settled int
	// ended is when the walk ended that the watermark stems from; zero: not in
	// this process.
	ended time.Time
	// failed is why the last walk of the changes lane failed, unlisted why the
	// last resync did; nil if it did not.
	failed, unlisted *Failure
	// unread is why its standing could not be read when it was to be polled.
	unread *Failure
	// budget is the copy's, in ages of this partition.
	budget plainBudget
	// failingSince is when the first of an unbroken row of such failures began.
	failingSince time.Time
	// rows were written or deleted by the last complete walk, and quarantined
	// were set aside by the last one; held rows were kept by the guard from the
	// last list on.
	rows, quarantined, held int64
	// void says that the owner refused the watermark, or that it is older than
	// the owner can tell; only a resync gives another.
	void bool
	// wanted is when a resync was ordered: one that began before does not do.
	wanted time.Time
	// need says that everything has to be asked for. It is found out again at
	// each look, so that a resync whose sweep waits to be confirmed is walked
	// again at the next poll, and not at once.
	need bool
	// claimed says that the listing lane has the copy for itself.
	claimed bool
	// failures in a row of the listing lane, and when it is tried again.
	failures int
	retry    time.Time
	// writing is held during a call that writes. It is a channel because its
	// holder may take long, and whoever waits has a context.
	writing chan struct{}
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
	now := time.Now()
	if err == nil || c.ready == nil {
		c.unready = now
	}
	if errors.Is(c.ready, ErrFenced) && !errors.Is(err, ErrFenced) {
		c.watched = now
	}
	c.ready, c.held = err, now
	if err != nil {
		c.losses++
	}
	if errors.Is(err, ErrFenced) {
		c.polled, c.next = time.Time{}, time.Time{}
		for _, k := range c.parts {
			*k = known{claimed: k.claimed, writing: k.writing, settled: k.settled + 1}
		}
	}
}

// hold notes that the lease was ours at a moment.
func (c *Copy) hold(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.After(c.held) {
		c.held = at
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

// know reads or changes what is known of a partition.
func (c *Copy) know(p Partition, do func(*known)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.parts[p.Name]
	if k == nil {
		if c.parts == nil {
			c.parts = make(map[string]*known)
		}
		k = &known{writing: make(chan struct{}, 1)}
		c.parts[p.Name] = k
	}
	do(k)
}

// drop forgets all partitions but those that stay, and the list of them.
func (c *Copy) drop(stays map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.parts, func(name string, _ *known) bool { return name != "" && !stays[name] })
}

// want notes that a resync was ordered.
func (c *Copy) want(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.parts {
		k.wanted, k.retry = now, time.Time{}
	}
}

// pause notes that polls of the copy were paused or resumed.
func (c *Copy) pause(paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.parts {
		k.standing.Paused = paused
	}
}

// accepted notes that held deletions were done.
func (c *Copy) accepted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.parts {
		k.held = 0
	}
}

// isPaused reports whether somebody paused the copy.
func (c *Copy) isPaused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.parts {
		if k.read && k.standing.Paused {
			return true // an order is for all partitions
		}
	}
	return false
}

// ends notes that a poll of the copy ended. One of which everything has yet to be asked for is not polled to its end.
func (c *Copy) ends(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.parts {
		if k.need && k.unlisted == nil {
			return
		}
	}
	c.polled = now
}

// unread notes that the standing of a partition could not be read. That somebody
// else holds the lease, or that the daemon stops, is no failure of the table's.
func (c *Copy) unread(p Partition, err error, began time.Time) {
	why := failureOf(err)
	if why.Class != ClassFenced && why.Class != ClassStopped {
		c.know(p, func(k *known) { k.fails(&k.unread, why, began) })
	}
}

// comes notes when the copy is polled next.
func (c *Copy) comes(next time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = next
}

// write runs a call that writes to a partition, one at a time: the two lanes
// need no order of the database's then.
func (c *Copy) write(ctx context.Context, p Partition, do func() error) error {
	var writing chan struct{}
	c.know(p, func(k *known) { writing = k.writing })
	if err := enter(ctx, writing); err != nil {
		return err
	}
	defer leave(writing)
	return do()
}

// noteFailure writes down why a partition cannot be polled, without a walk.
func (c *Copy) noteFailure(ctx context.Context, p Partition, why *Failure, next time.Time) error {
	return c.write(ctx, p, func() error {
		return (&member{copy: c}).try(func() error {
			_, err := c.Table.Settle(ctx, Walk{Kind: Changes, Partition: p}, Settlement{Failure: why, Began: time.Now(), Next: next})
			return err
		})
	})
}
