package syncer

import (
	"context"
	"fmt"
	"time"
)

// LeaseTime is how long a lease lasts unless it is renewed, on the database's
// clock. Statement and idle timeouts of writing connections lie below it.
const LeaseTime = 15 * time.Second

// Lease is the right to write into one consumer's database: one row there for
// each instance name, with a generation that every commit checks.
type Lease interface {
	// Acquire takes the lease if nobody holds it, if it has run out, or if it has
	// more left than twice LeaseTime, which was written before the clock was set
	// back; it raises its generation; *HeldError names the holder otherwise. It also
	// brings larder's own tables in that database up to date.
	Acquire(ctx context.Context) error
	// Renew prolongs the lease; ErrFenced if it is not ours any more.
	Renew(ctx context.Context) error
	// Release gives the lease back, so that a successor need not wait.
	Release(ctx context.Context) error
}

// Holding is how a lease stands, as its database says.
type Holding struct {
	// Held says that somebody holds it. Until is when it runs out, or ran out;
	// zero: nobody ever held it.
	Held  bool
	Until time.Time
}

// HeldError says who holds a lease.
type HeldError struct {
	Holder string
	// For is how much longer, unless it is renewed.
	For time.Duration
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("lease is held by %s for another %s", e.Holder, e.For.Round(time.Second))
}

// Is makes errors.Is(err, ErrFenced) true.
func (e *HeldError) Is(target error) bool { return target == ErrFenced }
