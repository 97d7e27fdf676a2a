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
	// under ends what is under way in the lanes. gone says that the partition is
	// no more, and not to begin anything.
	under map[*context.CancelFunc]bool
	gone  bool
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
		l = &lanes{changes: make(chan struct{}, 1), listing: make(chan struct{}, 1), under: make(map[*context.CancelFunc]bool)}
		f.lanes[p.Name] = l
	}
	return l
}

// errGone ends what was under way in a partition, or waited to be, when it went:
// as a stop does, and like that it is nobody's failure.
var errGone = fmt.Errorf("partition is no more: %w", context.Canceled)

// enterLane waits until a lane of a partition is free. The context it returns
// ends when the partition is no more; of one that is not, nothing is begun.
func (f *Feed) enterLane(ctx context.Context, p Partition, l *lanes, lane chan struct{}) (context.Context, func(), error) {
	if err := enter(ctx, lane); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	if !f.has(p) || !l.begin(&cancel) {
		cancel()
		leave(lane)
		return nil, nil, errGone
	}
	return ctx, func() {
		l.over(&cancel)
		cancel()
		leave(lane)
	}, nil
}

// begin notes how something under way is cancelled; false if the partition is
// no more.
func (l *lanes) begin(cancel *context.CancelFunc) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gone {
		l.under[cancel] = true
	}
	return !l.gone
}

func (l *lanes) over(cancel *context.CancelFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.under, cancel)
}

func (l *lanes) isGone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gone
}

// end cancels what is under way, and lets nothing begin any more. It returns
// when all has ended; an error says that ctx has.
func (l *lanes) end(ctx context.Context) error {
	l.mu.Lock()
	l.gone = true
	for cancel := range l.under {
		(*cancel)()
	}
	l.mu.Unlock()
	for _, lane := range []chan struct{}{l.listing, l.changes} {
		if err := enter(ctx, lane); err != nil {
			return err
		}
		leave(lane)
	}
	return nil
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

// claim takes the group's copies for the listing lane before its first request,
// until they are let go.
//
// What a walk for changes has fetched before a list begins, and writes after,
// would count as newer than the list, and is older. So a list begins between
// two walks for changes, and its copies stay out of that lane until its first
// page has come: what they fetch from then on is newer than the watermark that
// the list will leave. Where changes cannot be asked for meanwhile they stay
// out until the walk has ended. A list that starts again begins again; one that
// goes on has had what changed since its beginning noted. Copies that have no
// watermark are in no other lane, and need not wait; one whose watermark is of no
// use may be in a walk that began before.
func (f *Feed) claim(ctx context.Context, p Partition, g *group) error {
	for _, m := range g.members { // until it is planned, so that a stop is told as that of this kind
		m.walk = Walk{Kind: g.kind, Partition: p}
	}
	if f.Apart && g.commonResume() != nil ||
		!slices.ContainsFunc(g.members, func(m *member) bool { return m.standing.Position.Watermark != "" }) {
		return nil
	}
	l := f.lane(p)
	if err := enter(ctx, l.changes); err != nil {
		return fmt.Errorf("wait for the walk for changes: %w", err)
	}
	defer leave(l.changes)
	for _, m := range g.members {
		m.copy.know(p, func(k *known) {
			k.claimed = true
			if k.standing.AsOf.After(m.standing.AsOf) { // of the walk that was waited for
				m.standing.AsOf = k.standing.AsOf
			}
		})
	}
	g.claimed = true
	return nil
}

// letGo gives the group's copies back to the changes lane.
func (g *group) letGo(p Partition) {
	if !g.claimed {
		return
	}
	g.claimed = false
	for _, m := range g.members {
		m.copy.know(p, func(k *known) { k.claimed = false })
	}
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
