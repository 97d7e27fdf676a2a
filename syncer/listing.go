package syncer

import (
	"context"
	"slices"
	"time"
)

// list walks the listing lane of a partition: a resync of those tables that
// need everything and, unless force, are not waiting for their next try. If
// another list was walked meanwhile, and left nothing to do, its reports are
// returned, and mine is false.
func (f *Feed) list(ctx context.Context, p Partition, force bool) (reports []Report, mine bool) {
	lane := f.lane(p)
	lane.mu.Lock()
	before := lane.ended
	lane.mu.Unlock()
	ctx, done, err := f.takeListing(ctx, p)
	if err != nil {
		return []Report{{Source: f.Name, Partition: p.Name, Kind: Resync, Started: time.Now(), Failure: failureOf(err)}}, true
	}
	defer done()
	if reports = f.resync(ctx, p, force); len(reports) > 0 {
		return reports, true
	}
	lane.mu.Lock()
	defer lane.mu.Unlock()
	if lane.ended > before {
		return slices.Clone(lane.last), false
	}
	return nil, true
}

// takeListing waits until the listing lane of a partition is free, and for a
// turn. The context it returns ends when the partition is no more, and so does
// the wait for a turn.
func (f *Feed) takeListing(ctx context.Context, p Partition) (context.Context, func(), error) {
	lane := f.lane(p)
	lane.wait(1)
	ctx, leaveLane, err := f.enterLane(ctx, p, lane, lane.listing)
	if err != nil {
		lane.wait(-1)
		return nil, nil, err
	}
	giveBack, err := f.turns.take(ctx, true)
	if err != nil {
		leaveLane()
		lane.wait(-1)
		return nil, nil, err
	}
	return ctx, func() {
		giveBack()
		leaveLane()
		lane.wait(-1)
	}, nil
}

func (l *lanes) wait(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting += n
}

// resync walks for the tables that need everything, if there are any. The
// caller holds the listing lane.
func (f *Feed) resync(ctx context.Context, p Partition, force bool) []Report {
	if f.Snapshot {
		return nil
	}
	report := Report{Source: f.Name, Partition: p.Name, Kind: Resync, Started: time.Now()}
	g := f.muster(ctx, p)
	g.kind, g.absent = Resync, nil
	g.keep(func(m *member) bool { return m.need && (force || !m.retry.After(g.began)) })
	if len(g.members) == 0 {
		return nil
	}
	f.carry(ctx, p, g, &report)
	lane := f.lane(p)
	lane.mu.Lock()
	defer lane.mu.Unlock()
	lane.ended++
	lane.last = []Report{report}
	return slices.Clone(lane.last)
}

// listDue is when the listing lane of a partition has something to do: the
// first moment at which a table that needs everything may be tried; false if
// none needs it.
func (f *Feed) listDue(p Partition) (due time.Time, needed bool) {
	for _, c := range f.Copies {
		if c.Ready() != nil {
			continue
		}
		c.know(p, func(k *known) {
			if k.need && (!needed || k.retry.Before(due)) {
				due, needed = k.retry, true
			}
		})
	}
	return due, needed
}
