package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrExpired says that the owner cannot tell any more what changed since the
// watermark: everything has to be asked for.
var ErrExpired = errors.New("owner cannot tell what changed since the watermark")

// Poll walks the feed once and returns a report for each walk: in every
// partition for what changed and, for those tables that need it, for
// everything. next is when the following poll is due, for those who ask the
// database; zero if nobody knows.
//
// When ctx ends, the transaction in hand commits and the walks stop there;
// where a walk can be resumed the next poll goes on from it. Poll returns when
// everything that it started has ended. It may be called while another call is
// under way: a partition is walked for changes by one at a time, and for
// everything by one at a time.
func (f *Feed) Poll(ctx context.Context, next time.Time) []Report {
	f.setNext(next)
	parts, reports := f.partitions(ctx)
	walked := make([][]Report, len(parts))
	atOnce(ctx, len(parts), f.Concurrency, func(i int) { walked[i] = f.poll(ctx, parts[i]) })
	return append(reports, slices.Concat(walked...)...)
}

// poll walks both lanes of a partition.
func (f *Feed) poll(ctx context.Context, p Partition) []Report {
	var lists lists
	changed := f.pollChanges(ctx, p, func() {
		lists.walks.Go(func() {
			reports, _ := f.list(ctx, p, true)
			lists.add(reports)
		})
	})
	lists.walks.Wait()
	return together(changed, lists.reports)
}

// together leaves out what the listing lane has told anew: a walk for changes
// that took no table along, or whose watermark had expired. Who was absent from
// both is told with the list.
func together(changed, listed []Report) []Report {
	if len(listed) == 0 {
		return changed
	}
	if changed[0].Walk == "" {
		listed[0].Tables = append(changed[0].Tables, listed[0].Tables...)
	}
	return append(slices.DeleteFunc(changed, func(r Report) bool { return !r.told() }), listed...)
}

// told reports whether a walk for changes has anything to tell beside a list.
func (r Report) told() bool { return r.Walk != "" && !(r.Expired && r.OK()) }

// pollChanges walks the changes lane of a partition: in a snapshot feed for all
// tables, else for those whose watermark is good. It is one walk, but for tables
// that cannot share it. needs is called, before a walk and behind it, where
// tables need everything.
func (f *Feed) pollChanges(ctx context.Context, p Partition, needs func()) []Report {
	lane := f.lane(p)
	done, err := f.turns.take(ctx, false)
	if err == nil {
		defer done()
		var leaveLane func()
		if ctx, leaveLane, err = f.enterLane(ctx, p, lane, lane.changes); err == nil {
			defer leaveLane()
		}
	}
	if err != nil {
		return []Report{{Source: f.Name, Partition: p.Name, Started: time.Now(), Failure: failureOf(err)}}
	}
	g := f.muster(ctx, p)
	if slices.ContainsFunc(g.members, func(m *member) bool { return m.need }) {
		needs()
	}
	g.kind = Snapshot
	if !f.Snapshot {
		g.kind = Changes
		g.keep(func(m *member) bool { return m.valid && !m.claimed && (f.Apart || !m.need) })
	}
	var reports []Report
	for g != nil && (len(reports) == 0 || ctx.Err() == nil) {
		rest := f.part(g)
		report := Report{Source: f.Name, Partition: p.Name, Started: time.Now()}
		f.carry(ctx, p, g, &report)
		if report.Expired {
			needs()
		}
		if len(g.members) > 0 || len(g.spared) == 0 {
			reports = append(reports, report)
		}
		g = rest.with(g)
	}
	return reports
}

// carry is the algorithm: from where the tables stand, walk, and settle.
func (f *Feed) carry(ctx context.Context, p Partition, g *group, report *Report) {
	defer g.letGo(p)
	if len(g.members) > 0 {
		err := f.walkAgain(ctx, p, g, report)
		if err != nil && ctx.Err() != nil {
			err = ctx.Err() // however the source words it, a stop is not its failure
		}
		if g.kind == Changes && errors.Is(err, ErrExpired) {
			g.spare()
			g.expire(p)
			report.Expired, err = true, nil
		}
		g.settle(ctx, f, err)
		report.Failure, report.RetryAt = failureOf(err), RetryAt(err)
	}
	report.Took = time.Since(report.Started)
	report.Tables = g.reports()
}

// walkAgain walks, and walks again if the walk could not go on: from its
// beginning if only its place is gone, and if what it has listed so far is. Each
// is tried once a poll, because an owner that refuses twice would refuse for
// ever. Changes that expired are not asked for again: the listing lane takes
// their tables.
func (f *Feed) walkAgain(ctx context.Context, p Partition, g *group, report *Report) error {
	err := f.walk(ctx, p, g, report)
	if errors.Is(err, ErrNotResumable) {
		g.forgetResume()
		err = f.walk(ctx, p, g, report)
	}
	if g.kind == Changes || !errors.Is(err, ErrExpired) {
		return err
	}
	if g.batches > 0 || report.Resumed {
		g.forgetResume()
		err = f.walk(ctx, p, g, report)
	}
	if errors.Is(err, ErrExpired) {
		return fmt.Errorf("watermark is refused even without one: %w", err)
	}
	return err
}

// spare takes out of the group those members whose own watermark was not the
// one that the owner refused: a database that was away for long must not cost
// the others their changes. They are asked for again, from where they stand.
func (g *group) spare() {
	g.keep(func(m *member) bool {
		at := m.standing.Position
		if m.err != nil || at.Watermark == m.walk.From.Watermark && at.Epoch == m.walk.From.Epoch {
			return true
		}
		m.standing.Position.Resume = nil // it is inside the walk that was refused
		g.spared = append(g.spared, m)
		return false
	})
}

// with is the group that is left to walk: rest, and whom the last walk spared;
// nil if there is nobody.
func (rest *group) with(last *group) *group {
	if len(last.spared) == 0 {
		return rest
	}
	next := &group{began: last.began, took: last.took, kind: last.kind, members: last.spared}
	if rest != nil {
		next.members = append(next.members, rest.members...)
	}
	return next
}

// expire voids the watermark of every member that is left, until a resync
// settles. Their copies stay as they are.
func (g *group) expire(p Partition) {
	for _, m := range g.members {
		if m.err == nil {
			m.copy.know(p, func(k *known) { k.void, k.need = true, true })
		}
	}
}

// walk takes the group from its position to the feed's end: it gathers what
// the source has fetched ahead and applies it, until the end is reached, the
// source fails, or no table is left.
func (f *Feed) walk(ctx context.Context, p Partition, g *group, report *Report) error {
	g.restart()
	lists := g.kind == Resync || g.kind == Audit
	if lists {
		if err := f.claim(ctx, p, g); err != nil {
			return err
		}
	}
	w := g.plan(p, newWalkID(), time.Now())
	report.Walk, report.Kind, report.Sent, report.Resumed = w.ID, w.Kind, w.Sent, w.From.Resume != nil
	if lists && !report.Resumed {
		if g.open(ctx); !g.anyLeft() {
			return nil
		}
	}
	waiting := fetch(ctx, f.Source, w)
	defer waiting.stop()
	whole := w.Kind.Listing() && !report.Resumed // so that it tells which fields are nowhere
	for {
		batches, err := waiting.gather(f.Gather)
		if err != nil {
			return err
		}
		if f.Apart {
			g.letGo(p)
		}
		g.refuseOlder(batches, f.Lag, time.Now())
		if !empty(w, batches) {
			g.apply(ctx, batches)
		}
		g.batches += len(batches)
		report.count(batches)
		if whole {
			g.find(batches)
		}
		f.tell(*report)
		if g.end = batches[len(batches)-1].End; g.end != nil {
			report.Unchanged = g.end.Unchanged
			if whole && g.records > 0 {
				report.Absent = f.absent(g.found)
			}
			return nil
		}
		if !g.anyLeft() {
			return nil
		}
	}
}

// empty reports whether batches hold nothing that a table would write: the end
// of an unchanged feed costs the one transaction that settles it. A snapshot
// that has come to its end without a record is noted: that is what was seen. A
// batch that is neither the end nor a place to go on from is written, too: it
// voids the place before it, from which a walk that fails must not go on.
func empty(w Walk, batches []*Batch) bool {
	for _, b := range batches {
		if len(b.Records) > 0 {
			return false
		}
	}
	end := batches[len(batches)-1].End
	return end != nil && (w.Kind != Snapshot || end.Unchanged)
}

// absent names the fields that were not found in any record, but for those in
// whose place another was.
func (f *Feed) absent(found []bool) []string {
	there := func(slot int) bool { return slot < len(found) && found[slot] }
	var names []string
	for slot, name := range f.Fields {
		if !there(slot) && !slices.ContainsFunc(f.Either[slot], there) {
			names = append(names, name)
		}
	}
	return names
}

// tell says how far a walk is. Walks go on side by side.
func (f *Feed) tell(r Report) {
	if f.Progress != nil {
		f.telling.Lock()
		defer f.telling.Unlock()
		f.Progress(r)
	}
}

// count adds what the owner sent.
func (r *Report) count(batches []*Batch) {
	for _, b := range batches {
		r.Batches++
		r.Records += len(b.Records)
		r.Bytes += b.Size
	}
}

func (f *Feed) setNext(next time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = next
}

// nextPoll is when the following poll is due, as far as is known now: a list
// may have been walked for longer than the schedule's interval.
func (f *Feed) nextPoll() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}
