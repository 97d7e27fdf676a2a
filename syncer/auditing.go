package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// auditWalks is how many walks in a row one audit takes to find out what lasts.
// What is undecided then waits for the next audit.
const auditWalks = 3

// auditing is one audit of a partition.
type auditing struct {
	Comparison
	// only are the tables that are compared; nil: all that are complete.
	only []*Copy
	// since is when the audit was due. A walk that began before belongs to
	// another, which may have compared otherwise.
	since time.Time
	// ordered says that somebody waits: what needs a resync is tried at once, and
	// a table that cannot take part is told.
	ordered bool
}

// AuditNow compares one table with its owner, in all partitions, and returns
// the reports of the walks that it took: what differs counts only if another
// walk, Feed.Persist later, finds it again. With repair, what counts is put
// right. Outcome words the reports. A table that needs a resync is resynced
// first.
func (f *Feed) AuditNow(ctx context.Context, c *Copy, repair bool) ([]Report, error) {
	if f.Snapshot {
		return nil, fmt.Errorf("%s is a snapshot source: each poll compares everything", f.Name)
	}
	parts := f.lastPartitions()
	if len(parts) == 0 {
		var failed []Report
		if parts, failed = f.partitions(ctx); len(parts) == 0 {
			return failed, errors.New("there is no partition to compare")
		}
	}
	a := auditing{only: []*Copy{c}, ordered: true, since: time.Now(), Comparison: Comparison{Compare: CompareAll, Samples: 1, Persist: f.Persist, Repair: repair}}
	if f.Audit != nil && f.Audit.Compare == CompareKeys {
		a.Compare = CompareKeys // the list may have no more than keys
	}
	walked := make([][]Report, len(parts))
	atOnce(ctx, len(parts), f.Concurrency, func(i int) { walked[i] = f.audit(ctx, parts[i], a) })
	reports := slices.Concat(walked...)
	if ctx.Err() != nil {
		return reports, ctx.Err()
	}
	if !slices.ContainsFunc(reports, func(r Report) bool { return r.Kind == Audit || !r.OK() }) {
		return reports, fmt.Errorf("%s is not compared: it is paused, or was never polled to the end", c.Name)
	}
	return reports, nil
}

// audit compares a partition with its owner: walk by walk, until nothing is
// suspect any more. Between two walks the listing lane is free. Ahead of each
// walk what changed is asked for, because polls may be further apart than
// Persist, and what nobody has asked for is no difference that counts.
func (f *Feed) audit(ctx context.Context, p Partition, a auditing) []Report {
	var all []Report
	for n := range auditWalks {
		changed := slices.DeleteFunc(f.pollChanges(ctx, p, func() {}), func(r Report) bool { return r.Failure == nil && r.Walk == "" })
		all = append(all, changed...)
		if slices.ContainsFunc(changed, func(r Report) bool { return r.Failure != nil }) {
			break
		}
		reports := f.auditOnce(ctx, p, a)
		all = append(all, reports...)
		sent, suspects := undecided(reports)
		if suspects == 0 || n == auditWalks-1 {
			break
		}
		again := sent.Add(a.Persist)
		if f.Waits != nil {
			f.Waits(p, suspects, again)
		}
		sleep(ctx, time.Until(again))
		if ctx.Err() != nil {
			break
		}
		a.since = time.Now()
	}
	return all
}

// undecided says how many differences a walk left to be found again, and when
// it began; none in a table that failed, which keeps no other from its second
// look.
func undecided(reports []Report) (sent time.Time, suspects int) {
	for _, r := range reports {
		for _, t := range r.Tables {
			if t.Settled.Audit != nil && t.Failure == nil {
				suspects += t.Settled.Audit.Suspects
				sent = r.Sent
			}
		}
	}
	return sent, suspects
}

// auditOnce is one walk that compares, behind a resync if one is due.
func (f *Feed) auditOnce(ctx context.Context, p Partition, a auditing) []Report {
	report := Report{Source: f.Name, Partition: p.Name, Kind: Audit, Started: time.Now()}
	ctx, done, err := f.takeListing(ctx, p)
	if err != nil {
		report.Failure = failureOf(err)
		return []Report{report}
	}
	defer done()
	reports := f.resync(ctx, p, a.ordered)
	report.Started = time.Now()
	g := f.muster(ctx, p)
	g.kind, g.audit, g.since = Audit, &a.Comparison, a.since
	g.keep(func(m *member) bool {
		return !m.need && !m.standing.AsOf.IsZero() && (a.only == nil || slices.Contains(a.only, m.copy))
	})
	g.absent = slices.DeleteFunc(g.absent, func(t TableReport) bool { return !a.ordered || t.Table != a.only[0].Name })
	if len(g.members) == 0 && len(g.absent) == 0 {
		return reports
	}
	f.carry(ctx, p, g, &report)
	return append(reports, report)
}

// auditDue is when the next scheduled audit of a partition is due, and the tick
// it belongs to; false if there is nothing to compare.
func (f *Feed) auditDue(p Partition, now time.Time) (due, tick time.Time, ok bool) {
	if f.Audit == nil || f.Snapshot {
		return due, tick, false
	}
	var oldest time.Time
	for _, c := range f.Copies {
		if c.Ready() != nil {
			continue
		}
		c.know(p, func(k *known) {
			if st := k.standing; k.read && !k.need && !st.Paused && !st.AsOf.IsZero() && (!ok || st.Audited.Before(oldest)) {
				oldest, ok = st.Audited, true
			}
		})
	}
	if !ok {
		return due, tick, false
	}
	now = now.Round(0)
	lane := f.lane(p)
	lane.mu.Lock()
	defer lane.mu.Unlock()
	tick = now
	if !oldest.IsZero() {
		tick = f.Audit.after(lane, oldest.Round(0), now)
	}
	if due = tick.Add(f.Audit.Jitter); oldest.IsZero() || lane.retry.After(due) {
		due = lane.retry
	}
	return due, tick, true
}

// after is the tick that follows what was last audited. An audit may take
// several walks: the ticks keep their distance, however long they last.
func (plan *AuditPlan) after(lane *lanes, audited, now time.Time) time.Time {
	next := plan.Schedule.Next
	tick := next(audited.Add(-plan.Jitter))
	if !lane.tick.IsZero() && !audited.After(lane.done) {
		tick = next(lane.tick)
	}
	// A clock that was set back must not make the audit wait for the old time.
	if again := next(now); again.Before(tick) {
		tick = again
	}
	return tick
}

// comparison is how the audit of a tick compares. Samples take turns; the tick
// decides where a daemon that has just started begins.
func (f *Feed) comparison(p Partition, tick time.Time) Comparison {
	plan, lane := f.Audit, f.lane(p)
	lane.mu.Lock()
	defer lane.mu.Unlock()
	c := Comparison{Compare: plan.Compare, Samples: max(plan.Samples, 1), Persist: f.Persist, Repair: plan.Repair}
	interval := plan.Schedule.Next(tick).Sub(tick)
	switch {
	case !lane.tick.IsZero():
		c.Sample = (lane.sample + 1) % c.Samples
	case interval > 0:
		turn := int64(tick.Sub(time.Unix(0, 0)) / interval)
		c.Sample = int(turn % int64(c.Samples))
	}
	return c
}

// retried are the tables that take part in an audit that is tried again: those
// for which a tick has come since they were audited. The others were, in the try
// that failed. nil: all take part.
func (f *Feed) retried(p Partition, now time.Time) []*Copy {
	lane := f.lane(p)
	lane.mu.Lock()
	defer lane.mu.Unlock()
	if lane.failures == 0 {
		return nil
	}
	var among []*Copy
	for _, c := range f.Copies {
		c.know(p, func(k *known) {
			at := k.standing.Audited.Round(0)
			if at.IsZero() || !f.Audit.after(lane, at, now).After(now) {
				among = append(among, c)
			}
		})
	}
	return among
}

// scheduledAudit is the audit of a tick. Ticks that were missed are not made up
// for one by one.
func (f *Feed) scheduledAudit(ctx context.Context, p Partition, tick time.Time) []Report {
	anchor, began := tick, time.Now().Round(0).Add(-f.Audit.Jitter)
	if !f.Audit.Schedule.Next(tick).After(began) {
		anchor = began
	}
	a := auditing{Comparison: f.comparison(p, tick), since: tick, only: f.retried(p, began)}
	reports := f.audit(ctx, p, a)
	failed := !slices.ContainsFunc(reports, func(r Report) bool { return r.Kind == Audit })
	for _, r := range reports {
		// That a table could not take the changes ahead is for polls to tell: the
		// others were compared all the same.
		failed = failed || r.Failure != nil || r.Kind != Changes && !r.OK()
	}
	lane := f.lane(p)
	lane.mu.Lock()
	defer lane.mu.Unlock()
	if !failed {
		lane.failures, lane.retry = 0, time.Time{}
		lane.tick, lane.done, lane.sample = anchor, time.Now().Round(0), a.Sample
		return reports
	}
	told, came := time.Time{}, false
	for _, r := range reports {
		if came = came || r.Batches > 0; r.RetryAt.After(told) {
			told = r.RetryAt
		}
	}
	now := time.Now().Round(0)
	lane.retry, lane.failures = again(told, lane.failures, came, now)
	if next := f.Audit.next(now); !told.After(now) && next.After(now) && next.Before(lane.retry) {
		lane.retry = next // the waits that we choose do not put off the plan
	}
	return reports
}

// next is when an audit is due by the plan alone.
func (plan *AuditPlan) next(now time.Time) time.Time {
	return plan.Schedule.Next(now.Add(-plan.Jitter)).Add(plan.Jitter)
}
