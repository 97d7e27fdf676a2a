package syncer

import (
	"context"
	"time"
)

// Poll walks the feed once, partition by partition, and returns a report for
// each. next is when the following poll is due, for those who ask the
// database; zero if nobody knows.
//
// When ctx ends, the transaction in hand commits and the walk stops there;
// where the walk can be resumed the next poll goes on from it. Poll returns
// when everything that it started has ended.
func (f *Feed) Poll(ctx context.Context, next time.Time) []Report {
	var reports []Report
	for _, p := range f.Partitions {
		if ctx.Err() != nil {
			break
		}
		reports = append(reports, f.poll(ctx, p, next))
	}
	return reports
}

// poll is the algorithm: see where the tables stand, walk from there, settle.
func (f *Feed) poll(ctx context.Context, p Partition, next time.Time) Report {
	report := Report{Source: f.Name, Partition: p.Name, Started: time.Now()}
	g := f.muster(ctx, p)
	if len(g.members) > 0 {
		g.outlive(f.Retention, report.Started)
		walk := func() error { return f.walk(ctx, p, g, &report) }
		err := g.repair(walk(), walk)
		if err != nil && ctx.Err() != nil {
			err = ctx.Err() // however the source words it, a stop is not its failure
		}
		g.settle(ctx, f, err, next)
		report.Failure, report.RetryAt = failureOf(err), RetryAt(err)
	}
	report.Took = time.Since(report.Started)
	report.Tables = g.reports()
	return report
}

// walk takes the group from its position to the feed's end: it gathers what
// the source has fetched ahead and applies it, until the end is reached, the
// source fails, or no table is left.
func (f *Feed) walk(ctx context.Context, p Partition, g *group, report *Report) error {
	w := planWalk(f, p, g.members, newWalkID(), time.Now())
	report.Walk, report.Kind, report.Resumed = w.ID, w.Kind, w.From.Resume != nil
	waiting := fetch(ctx, f.Source, w)
	defer waiting.stop()
	whole := w.Kind.Listing() && !report.Resumed // so that it tells which fields are nowhere
	for {
		batches, err := waiting.gather(f.Gather)
		if err != nil {
			return err
		}
		if !empty(batches) {
			g.apply(ctx, batches)
		}
		report.count(batches)
		if whole {
			g.find(batches)
		}
		if f.Progress != nil {
			f.Progress(*report)
		}
		if g.end = batches[len(batches)-1].End; g.end != nil {
			report.Unchanged = g.end.Unchanged
			if whole && report.Records > 0 {
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
// of an unchanged feed costs the one transaction that settles it.
func empty(batches []*Batch) bool {
	for _, b := range batches {
		if len(b.Records) > 0 {
			return false
		}
	}
	return batches[len(batches)-1].Resume == nil
}

// absent names the fields that were not found in any record.
func (f *Feed) absent(found []bool) []string {
	var names []string
	for slot, name := range f.Fields {
		if slot >= len(found) || !found[slot] {
			names = append(names, name)
		}
	}
	return names
}

// count adds what the owner sent.
func (r *Report) count(batches []*Batch) {
	for _, b := range batches {
		r.Batches++
		r.Records += len(b.Records)
		r.Bytes += b.Size
	}
}
