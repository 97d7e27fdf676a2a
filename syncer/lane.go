package syncer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// lanes are the two ways in which a partition is walked: for changes, at every
// poll, and for everything, by those copies that need it. They go on side by
// side, so that a long list keeps nobody from its changes.
type lanes struct {
	// changes is held while changes are walked, and for the moment in which the
	// listing lane claims copies that take part in the changes lane, too.
	changes chan struct{}
	// listing is held while a list is walked: one at a time.
	listing chan struct{}

	mu sync.Mutex
	// waiting counts those that walk a list or wait for their turn.
	waiting int
	// auditing says that an audit is under way, or waits between its walks.
	auditing bool
	// ended counts the listing walks that came to an end, and last has their
	// newest report, for those who asked for a list while it was walked.
	ended int
	last  []Report
	// cancel ends the listing walk under way; nil: there is none. gone says that
	// the partition is no more, and not to begin one.
	cancel context.CancelFunc
	gone   bool
	// audits that failed in a row, and when the next may begin.
	failures int
	retry    time.Time
	// tick is that of the last audit by the plan, done when it was, and sample
	// what it compared of samples.
	tick, done time.Time
	sample     int
}

// lane returns the lanes of a partition.
func (f *Feed) lane(p Partition) *lanes {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.lanes[p.Name]
	if l == nil {
		if f.lanes == nil {
			f.lanes = make(map[string]*lanes)
		}
		l = &lanes{changes: make(chan struct{}, 1), listing: make(chan struct{}, 1)}
		f.lanes[p.Name] = l
	}
	return l
}

// turns bound how many walks go on at one time in all feeds. A list may take
// hours: no more than half of the turns are lists', so that some are left for
// changes. The zero turns bound nothing.
type turns struct{ all, lists chan struct{} }

func newTurns(n int) turns {
	n = max(n, 2)
	return turns{all: make(chan struct{}, n), lists: make(chan struct{}, n/2)}
}

// take waits for a turn and returns how it is given back.
func (t turns) take(ctx context.Context, list bool) (func(), error) {
	if t.all == nil {
		return func() {}, ctx.Err()
	}
	if list {
		if err := enter(ctx, t.lists); err != nil {
			return nil, err
		}
	}
	if err := enter(ctx, t.all); err != nil {
		if list {
			leave(t.lists)
		}
		return nil, err
	}
	return func() {
		leave(t.all)
		if list {
			leave(t.lists)
		}
	}, nil
}

// enter takes a place in a channel, or waits until there is one.
func enter(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	default:
	}
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func leave(places chan struct{}) { <-places }

// claim takes the group's copies for the listing lane before its first request.
//
// What a walk for changes has fetched before a list begins, and writes after,
// would count as newer than the list, and is older. So a list begins between
// two walks for changes, and its copies stay out of that lane until its first
// page has come: what they fetch from then on is newer than the watermark that
// the list will leave. Where changes cannot be asked for meanwhile they stay
// out until the walk has ended. Copies that have no watermark are in no other
// lane, and need not wait.
func (f *Feed) claim(ctx context.Context, p Partition, g *group) (release func(), err error) {
	if !slices.ContainsFunc(g.members, func(m *member) bool { return m.valid }) {
		return func() {}, nil
	}
	l := f.lane(p)
	if err := enter(ctx, l.changes); err != nil {
		return nil, fmt.Errorf("wait for the walk for changes: %w", err)
	}
	defer leave(l.changes)
	set := func(to bool) {
		for _, m := range g.members {
			m.copy.know(p, func(k *known) { k.claimed = to })
		}
	}
	set(true)
	return sync.OnceFunc(func() { set(false) }), nil
}

// atOnce runs do for each of n things, up to most at one time, in their order,
// and returns when all have ended. It starts none after ctx has ended.
func atOnce(ctx context.Context, n, most int, do func(int)) {
	places := make(chan struct{}, max(most, 1))
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range n {
		if enter(ctx, places) != nil || ctx.Err() != nil {
			return
		}
		wg.Go(func() {
			defer leave(places)
			do(i)
		})
	}
}
