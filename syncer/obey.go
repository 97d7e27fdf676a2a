package syncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// takeOrders starts what waits in the inbox. An order is answered when it is
// done; one that needs a poll waits for that poll.
func (k *keeper) takeOrders(ctx context.Context) {
	k.forgetDone()
	orders, err := k.Inbox.Orders(ctx)
	if err != nil {
		k.Log.Debug().Err(err).Str("consumer", k.Name).Msg("orders are not read")
		return
	}
	for _, o := range orders {
		if !k.begin(o) {
			continue
		}
		k.orders.Go(func() {
			k.carryOut(ctx, o)
			k.mu.Lock()
			defer k.mu.Unlock()
			k.running[o.ID] = false
		})
	}
}

// forgetDone forgets the orders that are done. Those that end while the inbox
// is read are remembered until the next time: it may still show them.
func (k *keeper) forgetDone() {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.running, func(_ string, still bool) bool { return !still })
}

// begin notes that an order is carried out; false if it is, or was, already.
func (k *keeper) begin(o Order) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, known := k.running[o.ID]
	if !known {
		k.running[o.ID] = true
	}
	return !known
}

func (k *keeper) carryOut(ctx context.Context, o Order) {
	outcome, err := k.obey(ctx, o)
	if ctx.Err() != nil && err != nil {
		return // it stays in the inbox for whoever holds the lease next
	}
	ctx, cancel := withGrace(ctx)
	defer cancel()
	if aerr := k.Inbox.Answer(ctx, o, outcome, err); aerr != nil {
		k.Log.Warn().Err(aerr).Str("table", o.Table).Str("order", string(o.Kind)).Msg("order is not answered")
	}
	k.Log.Info().Str("table", o.Table).Str("order", string(o.Kind)).Str("outcome", outcome).AnErr("error", err).Msg("order is carried out")
}

func (k *keeper) obey(ctx context.Context, o Order) (string, error) {
	if o.Kind == OrderForget {
		return k.forget(ctx, o.Table)
	}
	feed, c := k.find(o.Table)
	if c == nil {
		return "", fmt.Errorf("table %q is not in the daemon's configuration", o.Table)
	}
	if o.Kind == OrderAudit || o.Kind == OrderRepair {
		return k.auditFor(ctx, feed, c, o.Kind == OrderRepair)
	}
	outcome := ""
	if o.Kind != OrderPoll {
		var err error
		if outcome, err = c.Keeper.Obey(ctx, o); err != nil {
			return "", err
		}
	}
	switch o.Kind {
	case OrderPause:
		c.pause(true)
	case OrderAccept:
		c.accepted()
	case OrderResync:
		c.want(time.Now())
		return k.pollFor(ctx, feed)
	case OrderPoll:
		return k.pollFor(ctx, feed)
	case OrderResume:
		c.pause(false)
		feed.PollSoon()
	}
	return outcome, nil
}

// forget retires a table. One that is configured here would come back with the
// next start, and what is remembered of it may be in use.
func (k *keeper) forget(ctx context.Context, table string) (string, error) {
	if _, c := k.find(table); c != nil || slices.Contains(k.Idle, table) {
		return "", fmt.Errorf("table %q is in the daemon's configuration: remove it there and restart the daemon first", table)
	}
	return k.Forgetter.Forget(ctx, table)
}

// pollFor polls a feed on behalf of an order and says how it went.
func (k *keeper) pollFor(ctx context.Context, s *Scheduled) (string, error) {
	select {
	case reports, ok := <-s.PollSoon():
		if !ok {
			return "", errors.New("daemon stops")
		}
		return Outcome(reports)
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// auditFor compares one table on behalf of an order.
func (k *keeper) auditFor(ctx context.Context, s *Scheduled, c *Copy, repair bool) (string, error) {
	reports, err := s.AuditNow(ctx, c, repair)
	k.record(reports)
	if err != nil {
		return "", err
	}
	return Outcome(reports)
}

// find looks up a table by the name its database knows it by.
func (k *keeper) find(table string) (*Scheduled, *Copy) {
	for _, s := range k.Feeds {
		for _, c := range s.Copies {
			if c.Name == k.Name+"."+table && slices.Contains(k.Copies, c) {
				return s, c
			}
		}
	}
	return nil, nil
}
