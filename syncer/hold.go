package syncer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Hold takes the consumer's lease, makes its tables ready, runs do and gives
// the lease back: what a command does that writes while no daemon runs. The
// lease is renewed meanwhile; if it is lost, do's context ends with the reason
// as its cause. *HeldError says that a daemon holds the lease.
func (c *Consumer) Hold(ctx context.Context, do func(context.Context) error) error {
	if err := c.Lease.Acquire(ctx); err != nil {
		return err
	}
	holding, lose := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		c.renewUntil(holding, lose)
	}()
	var unfit []error
	for _, t := range c.Copies {
		err := t.Keeper.Prepare(holding)
		t.SetReady(err)
		unfit = append(unfit, err)
	}
	err := errors.Join(errors.Join(unfit...), do(holding))
	if cause := context.Cause(holding); cause != nil && ctx.Err() == nil {
		err = errors.Join(err, cause)
	}
	lose(context.Canceled)
	<-renewed
	releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewEvery)
	defer cancel()
	if rerr := c.Lease.Release(releasing); rerr != nil && !errors.Is(rerr, ErrFenced) {
		err = errors.Join(err, rerr)
	}
	return err
}

// renewUntil renews the lease until ctx ends, and ends it if the lease is lost.
func (c *Consumer) renewUntil(ctx context.Context, lose context.CancelCauseFunc) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked := time.Now()
		err := c.renew(ctx)
		switch {
		case err == nil:
			last = time.Now()
			for _, t := range c.Copies {
				t.hold(asked)
			}
		case errors.Is(err, ErrFenced), Age(last, time.Now()) > LeaseTime:
			lose(err)
			return
		}
	}
}

// renew renews the lease, in less time than it lasts.
func (c *Consumer) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	if err := c.Lease.Renew(ctx); err != nil {
		return fmt.Errorf("renew lease of %s: %w", c.Name, err)
	}
	return nil
}
