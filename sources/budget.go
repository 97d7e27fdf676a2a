package sources

import (
	"context"
	"net/url"
	"time"

	"golang.org/x/time/rate"
)

// Budget bounds what all who share it ask: requests a second, and requests at
// one time. It is safe for concurrent use.
type Budget struct {
	limiter *rate.Limiter // nil: no bound
	slots   chan struct{}
}

// NewBudget makes a budget of perSecond requests, 0 for any number, of which
// burst may come at once, and of so many requests at one time.
func NewBudget(perSecond float64, burst, concurrency int) *Budget {
	b := &Budget{slots: make(chan struct{}, max(concurrency, 1))}
	if perSecond > 0 {
		b.limiter = rate.NewLimiter(rate.Limit(perSecond), max(burst, 1))
	}
	return b
}

// ShareBudgets gives owners of the same scheme, host and port one budget: the
// least of their rates, and of their requests at one time. What an owner tells
// of its quota stays with each, because it is counted by credentials.
func ShareBudgets(owners []Owner) {
	shared := make(map[origin][]int)
	for i := range owners {
		if u, err := url.Parse(owners[i].URL); err == nil {
			o := originOf(u)
			shared[o] = append(shared[o], i)
		}
	}
	for _, group := range shared {
		perSecond, burst, concurrency := 0.0, 0, 0
		for _, i := range group {
			o := owners[i]
			o.setDefaults()
			if o.Rate > 0 && (perSecond == 0 || o.Rate < perSecond) {
				perSecond = o.Rate
			}
			if o.Rate > 0 && (burst == 0 || o.Burst < burst) {
				burst = o.Burst
			}
			if concurrency == 0 || o.Concurrency < concurrency {
				concurrency = o.Concurrency
			}
		}
		budget := NewBudget(perSecond, burst, concurrency)
		for _, i := range group {
			owners[i].Budget = budget
		}
	}
}

// slot waits for one of the requests at one time. A request that waits for it
// has not used up its share of the rate.
func (b *Budget) slot(ctx context.Context) (release func(), err error) {
	select {
	case b.slots <- struct{}{}:
		return func() { <-b.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// share waits for a share of the rate. It is limiter.Wait without its refusal
// of deadlines that it foresees to miss, which would hide the context's own
// error.
func (b *Budget) share(ctx context.Context) error {
	if b.limiter == nil {
		return nil
	}
	reserved := b.limiter.Reserve()
	timer := time.NewTimer(reserved.Delay())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		reserved.Cancel()
		return context.Cause(ctx)
	}
}
