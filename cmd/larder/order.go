package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// followEvery is how often the outcome of an order is looked for.
const followEvery = 200 * time.Millisecond

// find looks a table up by CONSUMER.name, or by its name where that is unique.
func (p *parts) find(name string) (*feed, *copied, error) {
	var f *feed
	var found *copied
	var all []string
	for _, candidate := range p.feeds {
		for _, c := range candidate.copies {
			all = append(all, c.Name)
			if c.Name == name {
				return candidate, c, nil
			}
			if c.target == name {
				if found != nil {
					return nil, nil, usagef("table %q is in several consumers: write %s or %s", name, found.Name, c.Name)
				}
				f, found = candidate, c
			}
		}
	}
	if found == nil {
		return nil, nil, usagef("table %q is not in the configuration; there are: %s", name, strings.Join(all, ", "))
	}
	return f, found, nil
}

// hold takes the leases of all consumers and runs do. A consumer whose
// database is down does not keep the others: its tables are not ready and say
// so. Where a daemon holds a lease, do does not run, and by is its consumer.
func hold(ctx context.Context, consumers []*consumer, do func(context.Context) error) (by *consumer, err error) {
	if len(consumers) == 0 {
		return nil, do(ctx)
	}
	first, taken := consumers[0], false
	err = first.Hold(ctx, func(ctx context.Context) (err error) {
		taken = true
		by, err = hold(ctx, consumers[1:], do)
		return err
	})
	var held *syncer.HeldError
	switch {
	case err == nil || taken || ctx.Err() != nil:
		return by, err
	case errors.As(err, &held):
		return first, err
	}
	for _, c := range first.Copies {
		c.SetReady(err)
	}
	return hold(ctx, consumers[1:], do)
}

// order carries out o on a table and says what became of it.
func (a *app) order(ctx context.Context, c *copied, o syncer.Order) error {
	o.Table = c.target
	line, err := carryOut(ctx, c.consumer, o, func(ctx context.Context) (string, error) { return c.Keeper.Obey(ctx, o) })
	if err != nil {
		return fmt.Errorf("%s %s: %w", o.Kind, c.Name, err)
	}
	a.say("%s: %s", c.Name, line)
	return nil
}

// carryOut carries out o: by do, under the consumer's lease, where no daemon
// holds it, else by leaving it for the daemon and following what becomes of it.
func carryOut(ctx context.Context, c *consumer, o syncer.Order, do func(context.Context) (string, error)) (line string, err error) {
	err = c.Hold(ctx, func(ctx context.Context) (err error) {
		line, err = do(ctx)
		return err
	})
	var held *syncer.HeldError
	if errors.As(err, &held) {
		return follow(ctx, c, o)
	}
	return line, err
}

// errNoDaemon says that the daemon ended before it took an order.
var errNoDaemon = errors.New("the daemon has ended without an answer; call again")

// follow leaves an order in the consumer's database and waits for its outcome.
// A daemon that dies meanwhile leaves its lease to run out: then nobody would
// ever answer, and the order is withdrawn.
func follow(ctx context.Context, c *consumer, o syncer.Order) (string, error) {
	id, err := c.db.Send(ctx, o)
	if err != nil {
		return "", err
	}
	tick, look := time.NewTicker(followEvery), time.NewTicker(syncer.LeaseTime)
	defer tick.Stop()
	defer look.Stop()
	for {
		state, text, err := c.db.Outcome(ctx, id)
		switch {
		case err != nil:
			return "", err
		case state == "done":
			return text, nil
		case state == "failed":
			return "", errors.New(text)
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("stop waiting; order %s stays with the daemon: %w", id, context.Cause(ctx))
		case <-tick.C:
		case <-look.C:
			if c.Lease.Acquire(ctx) == nil {
				o.ID = id
				return "", errors.Join(errNoDaemon, c.db.Answer(ctx, o, "", errNoDaemon), c.Lease.Release(ctx))
			}
		}
	}
}
