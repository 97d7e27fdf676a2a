package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/schedule"
)

// plan is when a source is polled.
type plan struct {
	schedule.Schedule
	jitter time.Duration
	audit  *auditTimes // nil: only when somebody asks for one
}

// auditTimes is when a source is compared with its owner.
type auditTimes struct {
	schedule.Schedule
	jitter time.Duration
	// unseen is how old a deletion can get before an audit has brought it into
	// the copy, if every one of them succeeds.
	unseen time.Duration
}

// deletesBudget is how long a deletion may stay unseen in a table; 0 where the
// owner tells of its deletions. Left out, it is what the audits allow and a
// tenth of that.
func (p plan) deletesBudget(t *config.Table) time.Duration {
	switch {
	case p.audit == nil || !t.DeletesByAudit():
		return 0
	case t.Budget.Deletes > 0:
		return t.Budget.Deletes
	}
	return p.audit.unseen + p.audit.unseen/10
}

// schedulesOf reads the cron specs, chooses those that are left to us, and
// finds budgets that cannot be kept even if every poll succeeds.
func schedulesOf(c *config.Config) (map[*config.Source]plan, config.Mistakes) {
	plans := make(map[*config.Source]plan)
	var mistakes config.Mistakes
	zone, err := time.LoadLocation(c.Larder.Timezone)
	if err != nil {
		return nil, config.Mistakes{c.Mistake("larder.timezone", "%v", err)}
	}
	for _, s := range c.Sources {
		p, err := planOf(s, roomFor(c, s), zone)
		if err != nil {
			mistakes = append(mistakes, c.Mistake(s.KeyPath+".schedule", "%v", err))
			continue
		}
		if p.audit, err = auditTimesOf(s, zone); err != nil {
			mistakes = append(mistakes, c.Mistake(s.KeyPath+".audit.schedule", "%v", err))
			continue
		}
		plans[s] = p
		mistakes = append(mistakes, unkeptBudgets(c, s, p)...)
		mistakes = append(mistakes, unseenDeletions(c, s, p)...)
		mistakes = append(mistakes, outlivedRetention(c, s, p)...)
	}
	return plans, slices.Concat(mistakes, wrongMaintenance(c, zone), endlessHours(c))
}

func planOf(s *config.Source, budget time.Duration, zone *time.Location) (plan, error) {
	if s.Schedule != config.ScheduleAuto {
		parsed, err := schedule.Parse(s.Schedule, zone)
		if err != nil {
			return plan{}, err
		}
		return plan{Schedule: parsed, jitter: jitterOf(s, parsed)}, nil
	}
	if budget == 0 {
		// No table uses the source yet.
		budget = 24 * time.Hour
	}
	interval, err := schedule.Auto(budget, s.Lag, s.Jitter)
	if err != nil {
		return plan{}, fmt.Errorf("left out: %w", err)
	}
	every, err := schedule.Every(interval)
	return plan{Schedule: every, jitter: jitterOf(s, every)}, err
}

// auditTimesOf reads the cron spec of a source's audits. What one of them finds
// counts once it is found again after overlap and lag, so that these come on
// top of the longest gap.
func auditTimesOf(s *config.Source, zone *time.Location) (*auditTimes, error) {
	if s.Audit == nil {
		return nil, nil
	}
	parsed, err := schedule.Parse(s.Audit.Schedule, zone)
	if err != nil {
		return nil, err
	}
	a := &auditTimes{Schedule: parsed, jitter: jitterOf(s, parsed)}
	a.unseen = schedule.LargestGap(parsed, time.Now()) + a.jitter + s.Lag + persistOf(s)
	return a, nil
}

// persistOf is how long a difference must last to count.
func persistOf(s *config.Source) time.Duration {
	if s.Watermark == nil {
		return s.Lag
	}
	return s.Lag + s.Watermark.Overlap
}

func jitterOf(s *config.Source, parsed schedule.Schedule) time.Duration {
	return schedule.Jitter(s.Name, schedule.JitterLimit(parsed, s.Jitter))
}

// roomFor is the budget that a schedule of our own is made for: the tightest of
// the source's tables, from which one poll may fail. Where a deletion takes
// several walks to confirm, these have to fit beside the one that fails.
func roomFor(c *config.Config, s *config.Source) time.Duration {
	budget, walks := tightest(c, s), 1
	for _, t := range c.Tables {
		if t.Source == s && s.Mode == config.Snapshot {
			walks = max(walks, t.Confirm)
		}
	}
	if budget <= s.Lag {
		return budget
	}
	return s.Lag + (budget-s.Lag)*2/time.Duration(walks+1)
}

// tightest is the shortest warn, or critical where there is no warn, of the
// source's tables; 0 if none of them is judged by its age.
func tightest(c *config.Config, s *config.Source) time.Duration {
	var least time.Duration
	for _, t := range c.Tables {
		b := t.Budget.Warn
		if b == 0 {
			b = t.Budget.Critical
		}
		if t.Source == s && b > 0 && (least == 0 || b < least) {
			least = b
		}
	}
	return least
}

// unseenDeletions tells the budgets of deletions that no audit can keep.
func unseenDeletions(c *config.Config, s *config.Source, p plan) config.Mistakes {
	var mistakes config.Mistakes
	for _, t := range c.Tables {
		if t.Source != s || p.audit == nil || t.Budget.Deletes == 0 || t.Budget.Deletes > p.audit.unseen {
			continue
		}
		mistakes = append(mistakes, c.Mistake(t.KeyPath+".budget.deletes", "%s is not longer than the %s that a deletion may stay "+
			"unseen between audits of %q by schedule %q; audit more often or allow more",
			syncer.FullSpan(t.Budget.Deletes), syncer.FullSpan(p.audit.unseen), s.Name, s.Audit.Schedule))
	}
	return mistakes
}

// outlivedRetention tells a source that the owner forgets changes of between two
// polls: each of them would ask for everything.
func outlivedRetention(c *config.Config, s *config.Source, p plan) config.Mistakes {
	if s.Retention == 0 || !s.Enabled {
		return nil
	}
	oldest := schedule.LargestGap(p.Schedule, time.Now()) + p.jitter + s.Lag
	if s.Retention > oldest {
		return nil
	}
	return config.Mistakes{c.Mistake(s.KeyPath+".retention", "%s is not longer than the %s that may pass between polls by %s, "+
		"so that each would ask for everything; poll more often", syncer.FullSpan(s.Retention), spelled(oldest-p.jitter-s.Lag, p.jitter, s.Lag), because(1, s))}
}
