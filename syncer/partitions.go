package syncer

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// mostPartitions bounds what one query may ask for, because a wrong one may
// yield a row for each of a table's.
const mostPartitions = 100_000

// partitions are those of the feed. Where they are asked for, every ready table
// is told of them; a report says what failed. If they cannot be told, the last
// known ones are returned.
func (f *Feed) partitions(ctx context.Context) ([]Partition, []Report) {
	if f.Ask == nil {
		return f.Partitions, nil
	}
	report := Report{Source: f.Name, Started: time.Now()}
	if err := enter(ctx, f.oneAsks()); err != nil {
		report.Failure = failureOf(err)
		return f.lastPartitions(), []Report{report}
	}
	defer leave(f.asking)
	report.Started = time.Now()
	parts, err := f.ask(ctx)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	report.Failure = failureOf(err)
	if err != nil {
		f.unasked(ctx, report.Failure, report.Started)
		report.Took = time.Since(report.Started)
		return f.lastPartitions(), []Report{report}
	}
	f.retire(ctx, parts)
	report.Tables = f.repartition(ctx, parts, report.Started)
	report.Took = time.Since(report.Started)
	if report.OK() && len(parts) > 0 {
		return parts, nil
	}
	return parts, []Report{report}
}

// oneAsks is held while the partitions are asked for and told, so that an older
// answer is not told after a newer one.
func (f *Feed) oneAsks() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asking == nil {
		f.asking = make(chan struct{}, 1)
	}
	return f.asking
}

// ask asks which partitions there are. The same one twice is one.
func (f *Feed) ask(ctx context.Context) (parts []Partition, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("ask for partitions panics: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, standingTime)
	defer cancel()
	all, err := f.Ask(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for partitions: %w", err)
	}
	seen := make(map[string]bool, min(len(all), mostPartitions))
	for _, p := range all {
		if !seen[p.Name] {
			seen[p.Name] = true
			parts = append(parts, p)
		}
		if len(parts) > mostPartitions {
			return nil, fmt.Errorf("ask for partitions: more than %d", mostPartitions)
		}
	}
	return parts, nil
}

// lastPartitions are those that are known.
func (f *Feed) lastPartitions() []Partition {
	if f.Ask == nil {
		return f.Partitions
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

// has reports whether a partition is one of the feed's. Where they are asked for
// it is so once they were told.
func (f *Feed) has(p Partition) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Ask == nil || f.names[p.Name]
}

// retire ends the walks of partitions that are no more, so that nothing is
// written to them once their tables are told, and forgets them. Who waited to
// walk one of them, or comes later, is refused.
func (f *Feed) retire(ctx context.Context, parts []Partition) {
	stays := make(map[string]bool, len(parts))
	for _, p := range parts {
		stays[p.Name] = true
	}
	gone := make(map[string]*lanes)
	f.mu.Lock()
	f.asked, f.names = parts, stays
	for name, l := range f.lanes {
		if !stays[name] || l.isGone() { // one that came back while it was ended begins anew
			gone[name] = l
		}
	}
	f.mu.Unlock()
	for _, l := range gone {
		if l.end(ctx) != nil {
			return // the daemon stops, and so do the walks
		}
	}
	for _, c := range f.Copies {
		c.drop(stays)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range gone {
		delete(f.lanes, name)
	}
}

// repartition tells every ready table its partitions, all at once. What stands
// for the list of them is the zero partition: it is as old as the question is.
func (f *Feed) repartition(ctx context.Context, parts []Partition, asked time.Time) []TableReport {
	ctx, cancel := withGrace(ctx)
	defer cancel()
	var wg sync.WaitGroup
	reports := make([]TableReport, len(f.Copies))
	for i, c := range f.Copies {
		reports[i].Table = c.Name
		if c.Ready() != nil {
			continue // the walks of its partitions say why
		}
		wg.Go(func() {
			err := (&member{copy: c}).try(func() error { return c.Keeper.Repartition(ctx, parts, asked) })
			if err != nil {
				err = fmt.Errorf("repartition %s: %w", c.Name, err)
			}
			reports[i].Failure = failureOf(err)
			c.know(Partition{}, func(k *known) {
				if err != nil {
					k.fails(&k.failed, reports[i].Failure, asked)
				} else {
					k.failed = nil
					k.calm()
					k.standing, k.read = Standing{AsOf: asked, DeletesAsOf: asked, FirstSeen: asked}, true
				}
			})
		})
	}
	wg.Wait()
	return reports
}

// unasked notes that the partitions could not be told: the list of them grows
// old, in every table.
func (f *Feed) unasked(ctx context.Context, why *Failure, began time.Time) {
	if why.Class == ClassStopped {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, standingTime)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range f.Copies {
		if c.Ready() != nil {
			continue
		}
		wg.Go(func() {
			var st Standing
			err := (&member{copy: c}).try(func() (err error) {
				st, err = c.Table.Standing(ctx, Partition{})
				return err
			})
			c.know(Partition{}, func(k *known) {
				k.fails(&k.failed, why, began)
				if !k.read && err == nil {
					k.standing, k.read = st, true
				}
			})
			// Where it cannot be written down, the age of the list tells.
			_ = c.noteFailure(ctx, Partition{}, why, f.nextPoll())
		})
	}
	wg.Wait()
}
