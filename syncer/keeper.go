package syncer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// acquireEvery is how often a standby asks for the lease; with LeaseTime it
	// bounds how long a takeover lasts.
	acquireEvery = time.Second
	// acquireSlow is how often a database that is down is tried.
	acquireSlow = 5 * time.Second
	// A lease is renewed three times in its life.
	renewEvery = LeaseTime / 3
	// ordersEvery is how often the inbox is read.
	ordersEvery = time.Second
	// prepareEvery is how often a table that does not fit is looked at again.
	prepareEvery = 30 * time.Second
)

var errNotTaken = errors.New("lease of the database is not taken yet")

// keeper holds the lease of one consumer's database, makes its tables ready
// and carries out orders.
type keeper struct {
	*Runner
	*Consumer
	// tried says that the lease was asked for, and that the tables are ready
	// if it was given. Only the first call counts.
	tried func()
	// said is what was told last, if anything was.
	said   string
	spoken bool
	orders sync.WaitGroup
	mu     sync.Mutex
	// running has the orders that are carried out, true, and those that were
	// since the inbox was last read, false.
	running map[string]bool
}

// run takes the lease, keeps it, and takes it again when it was lost. It stops
// to take orders when ctx ends and gives the lease back when keeping ends.
func (k *keeper) run(ctx, keeping context.Context) {
	k.running = make(map[string]bool)
	defer k.tried()
	for keeping.Err() == nil && ctx.Err() == nil {
		err := k.Lease.Acquire(ctx)
		if err == nil {
			k.say(nil)
			err = k.hold(ctx, keeping)
		}
		k.setReady(err)
		k.tried()
		if ctx.Err() != nil {
			break
		}
		k.say(err)
		wait := acquireSlow
		if errors.Is(err, ErrFenced) {
			wait = acquireEvery
		}
		sleep(ctx, wait)
	}
	k.orders.Wait()
}

// hold makes the tables ready and keeps the lease until it is lost, which is
// the error returned, or until keeping ends, which gives it back. The lease is
// renewed apart from everything else, so that no slow database call loses it.
func (k *keeper) hold(ctx, keeping context.Context) error {
	holding, lose := context.WithCancelCause(keeping)
	var renewing sync.WaitGroup
	renewing.Go(func() { k.renewUntil(holding, lose) })
	defer renewing.Wait()
	defer lose(nil)
	k.prepare(ctx, k.Copies)
	k.tried()
	orders, prepare := time.NewTicker(ordersEvery), time.NewTicker(prepareEvery)
	defer orders.Stop()
	defer prepare.Stop()
	for {
		select {
		case <-holding.Done():
			if keeping.Err() == nil {
				return context.Cause(holding)
			}
			k.orders.Wait()
			return k.release(keeping)
		case <-orders.C:
			if ctx.Err() == nil {
				k.takeOrders(ctx)
			}
		case <-prepare.C:
			k.prepare(ctx, k.unready())
		}
	}
}

func (k *keeper) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewEvery)
	defer cancel()
	if err := k.Lease.Release(ctx); err != nil && !errors.Is(err, ErrFenced) {
		k.Log.Warn().Err(err).Str("consumer", k.Name).Msg("lease is not given back; it runs out by itself")
	}
	return errNotTaken
}

// prepare makes tables ready, and tells their feeds.
func (k *keeper) prepare(ctx context.Context, copies []*Copy) {
	for _, c := range copies {
		err := c.Keeper.Prepare(ctx)
		if ctx.Err() != nil {
			return
		}
		if before := c.Ready(); err != nil && (before == nil || before.Error() != err.Error()) {
			k.Log.Error().Err(err).Str("table", c.Name).Msg("table cannot be used")
			k.noteUnfit(ctx, c, err)
		}
		c.SetReady(err)
	}
	for _, s := range k.Feeds {
		for _, c := range s.Copies {
			if slices.Contains(copies, c) && c.Ready() == nil {
				signal(s.joined)
			}
		}
	}
}

// noteUnfit writes down why a table is not polled, where its readers see it.
// What its database does not know of yet, nobody reads.
func (k *keeper) noteUnfit(ctx context.Context, c *Copy, err error) {
	if errors.Is(err, ErrFenced) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, standingTime)
	defer cancel()
	for _, s := range k.Feeds {
		if !slices.Contains(s.Copies, c) {
			continue
		}
		parts := s.lastPartitions()
		if s.Ask != nil {
			parts = []Partition{{}} // it stands for their list
		}
		for _, p := range parts {
			if nerr := c.noteFailure(ctx, p, failureOf(err), time.Time{}); nerr != nil {
				k.Log.Debug().Err(nerr).Str("table", c.Name).Msg("that it cannot be used is not noted")
				return
			}
		}
	}
}

func (k *keeper) unready() []*Copy {
	var out []*Copy
	for _, c := range k.Copies {
		if c.Ready() != nil {
			out = append(out, c)
		}
	}
	return out
}

func (k *keeper) setReady(err error) {
	for _, c := range k.Copies {
		c.SetReady(err)
	}
}

// say tells once why this daemon does not write to the consumer, and once that
// it does.
func (k *keeper) say(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	var held *HeldError
	if errors.As(err, &held) {
		text = held.Holder // the time left changes, the news does not
	}
	if k.spoken && text == k.said {
		return
	}
	k.spoken, k.said = true, text
	log := k.Log.With().Str("consumer", k.Name).Logger()
	switch {
	case err == nil:
		log.Info().Msg("lease is taken")
	case held != nil:
		log.Info().Str("holder", held.Holder).Msg("standing by: another daemon holds the lease")
	default:
		log.Warn().Err(err).Msg("lease cannot be taken")
	}
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
