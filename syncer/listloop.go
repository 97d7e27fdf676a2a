package syncer

import (
	"context"
	"sync"
	"time"
)

// listLoop keeps the listing lane of a feed: it walks for the tables that need
// everything, tries again what failed, and audits by the plan. The loop that
// polls for changes finds out what is needed, and never waits for it.
func (r *Runner) listLoop(ctx context.Context, s *Scheduled) {
	var walks sync.WaitGroup
	defer walks.Wait()
	r.awaitLeases(ctx)
	for pause := lookAgain; ; pause = r.startLists(ctx, s, &walks) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.listed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// startLists starts what is due in the listing lanes, and returns how long
// nothing else will be.
func (r *Runner) startLists(ctx context.Context, s *Scheduled, walks *sync.WaitGroup) time.Duration {
	now, wait := time.Now(), lookAgain
	for _, p := range s.lastPartitions() {
		lane := s.lane(p)
		if due, needed := s.listDue(p); needed && lane.idle() {
			if now.Before(due) {
				wait = min(wait, due.Sub(now))
			} else {
				lane.wait(1) // until the walk waits by itself, so that it is started once
				walks.Go(func() {
					defer signal(s.listed)
					defer lane.wait(-1)
					r.list(ctx, s, p, false)
				})
			}
		}
		due, tick, ok := s.auditDue(p, now)
		switch {
		case !ok || lane.isAudited():
		case now.Before(due):
			wait = min(wait, due.Sub(now))
		default:
			lane.audit(true)
			walks.Go(func() {
				defer signal(s.listed)
				defer lane.audit(false)
				r.record(s.scheduledAudit(ctx, p, tick))
			})
		}
	}
	return wait
}

// list walks a list and records what nobody else has.
func (r *Runner) list(ctx context.Context, s *Scheduled, p Partition, force bool) []Report {
	r.observer().Begins(s.Name)
	defer r.observer().Ends(s.Name)
	reports, mine := s.Feed.list(ctx, p, force)
	if mine {
		s.ended(reports, time.Now())
		r.record(reports)
	}
	return reports
}

// idle reports whether nobody walks a list or waits for it.
func (l *lanes) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting == 0
}

func (l *lanes) isAudited() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.auditing
}

func (l *lanes) audit(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.auditing = on
}
