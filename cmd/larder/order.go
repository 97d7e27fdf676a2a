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
// so. *syncer.HeldError says that a daemon runs.
func hold(ctx context.Context, consumers []*consumer, do func(context.Context) error) error {
	if len(consumers) == 0 {
		return do(ctx)
	}
	first, taken := consumers[0], false
	err := first.Hold(ctx, func(ctx context.Context) error {
		taken = true
		return hold(ctx, consumers[1:], do)
	})
	var held *syncer.HeldError
	if err == nil || taken || errors.As(err, &held) || ctx.Err() != nil {
		return err
	}
	for _, c := range first.Copies {
		c.SetReady(err)
	}
	return hold(ctx, consumers[1:], do)
}

// order carries out o on a table: by ourselves where no daemon holds the
// lease, else by leaving it for the daemon and following what becomes of it.
func (a *app) order(ctx context.Context, c *copied, o syncer.Order) error {
	o.Table = c.target
	line := ""
	err := c.consumer.Hold(ctx, func(ctx context.Context) (err error) {
		line, err = c.Keeper.Obey(ctx, o)
		return err
	})
	var held *syncer.HeldError
	if errors.As(err, &held) {
		line, err = follow(ctx, c.consumer.db, o)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", o.Kind, c.Name, err)
	}
	a.say("%s: %s", c.Name, line)
	return nil
}

// follow leaves an order in the consumer's database and waits for its outcome.
func follow(ctx context.Context, db database, o syncer.Order) (string, error) {
	id, err := db.Send(ctx, o)
	if err != nil {
		return "", err
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		state, text, err := db.Outcome(ctx, id)
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
		}
	}
}
