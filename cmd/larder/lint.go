package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/schedule"
)

// gaps is how far apart the polls of a source are that a table depends on.
type gaps struct {
	largest time.Duration
	// walks have to agree before a deletion counts.
	walks int
	// jitter and lag make a copy older on top.
	jitter, lag time.Duration
}

func gapsOf(s *config.Source, p plan, t *config.Table) gaps {
	g := gaps{largest: schedule.LargestGap(p.Schedule, time.Now()), walks: 1, jitter: p.jitter, lag: s.Lag}
	if s.Mode == config.Snapshot {
		g.walks = t.Confirm
	}
	return g
}

// oldest is how old a copy gets if every poll succeeds but for failed ones.
func (g gaps) oldest(failed int) time.Duration {
	return time.Duration(g.walks+failed)*g.largest + g.jitter + g.lag
}

// said is the same in words: "3d plus 1s of jitter".
func (g gaps) said(failed int) string {
	return spelled(time.Duration(g.walks+failed)*g.largest, g.jitter, g.lag)
}

// spelled is a gap between two polls and what makes a copy older on top.
func spelled(gap, jitter, lag time.Duration) string {
	text := syncer.FullSpan(gap)
	for _, more := range []struct {
		is time.Duration
		of string
	}{{jitter, "jitter"}, {lag, "lag"}} {
		if said := syncer.FullSpan(more.is); said != "0s" {
			text += " plus " + said + " of " + more.of
		}
	}
	return text
}

// age is a budget that is a plain age, with the key that says it.
type age struct {
	key   string
	limit time.Duration
}

func agesOf(t *config.Table) (all []age) {
	for _, a := range []age{{"warn", t.Budget.Warn}, {"critical", t.Budget.Critical}} {
		if a.limit > 0 {
			all = append(all, a)
		}
	}
	return all
}

// unkeptBudgets tells the budgets that the schedule breaks by itself: a copy
// is as old as the longest gap between two polls, and jitter and lag come on
// top. Where a sweep needs several walks to confirm, a deletion is only proven
// after that many gaps.
func unkeptBudgets(c *config.Config, s *config.Source, p plan) config.Mistakes {
	var mistakes config.Mistakes
	for _, t := range c.Tables {
		if t.Source != s {
			continue
		}
		g := gapsOf(s, p, t)
		if s.Schedule == config.ScheduleAuto {
			if t.Budget.Critical == 0 {
				mistakes = append(mistakes, c.Mistake(t.KeyPath+".budget.grace", "counts from the ticks of a schedule, and source %q says none; "+
					"write its schedule, or critical beside grace", s.Name))
			}
			continue
		}
		mistakes = append(mistakes, unkeptGrace(c, s, t, g, p.jitter)...)
		oldest := g.oldest(0)
		for _, a := range agesOf(t) {
			if a.limit <= oldest {
				mistakes = append(mistakes, c.Mistake(t.KeyPath+".budget", "%s %s is not longer than the %s that may pass "+
					"between polls of %q by %s; poll more often or allow more%s", a.key, syncer.FullSpan(a.limit), g.said(0), s.Name, because(g.walks, s), orGrace(g)))
			}
		}
	}
	return mistakes
}

// unkeptGrace tells a grace that is over before the poll of its tick can be: that
// begins with the jitter, and a deletion of a snapshot waits for further walks.
// Lag is no part of it: as-of is older by it, and ticks are counted from as
// much later.
func unkeptGrace(c *config.Config, s *config.Source, t *config.Table, g gaps, jitter time.Duration) config.Mistakes {
	var mistakes config.Mistakes
	least := time.Duration(g.walks-1)*g.largest + jitter
	for _, a := range []age{{"warn", t.Budget.Grace.Warn}, {"critical", t.Budget.Grace.Critical}} {
		if a.limit > 0 && a.limit <= least {
			mistakes = append(mistakes, c.Mistake(t.KeyPath+".budget.grace", "%s %s is not longer than the %s that may pass from a tick "+
				"to the poll of %q that counts, by %s; allow more", a.key, syncer.FullSpan(a.limit), spelled(least-jitter, jitter, 0), s.Name, because(g.walks, s)))
		}
	}
	return mistakes
}

// rareBudgets warns of budgets that a single failed poll breaks: those that the
// schedule keeps, but without room for a second one.
func rareBudgets(c *config.Config, plans map[*config.Source]plan) config.Mistakes {
	var warnings config.Mistakes
	for _, t := range c.Tables {
		p, known := plans[t.Source]
		if !known || !t.Source.Enabled || t.Source.Schedule == config.ScheduleAuto {
			continue
		}
		g := gapsOf(t.Source, p, t)
		for _, a := range agesOf(t) {
			if two := g.oldest(1); a.limit < two {
				warnings = append(warnings, c.Mistake(t.KeyPath+".budget", "%s %s is shorter than two gaps between polls of %q by %s, %s: "+
					"a single poll that fails breaks it", a.key, syncer.FullSpan(a.limit), t.Source.Name, because(g.walks, t.Source), g.said(1)))
				break
			}
		}
	}
	return warnings
}

// rareNewest warns of tables whose newest record is too old for them before it can
// be seen that there is a newer one. It is no mistake: an owner may have records
// of the future.
func rareNewest(c *config.Config, plans map[*config.Source]plan) config.Mistakes {
	var warnings config.Mistakes
	for _, t := range c.Tables {
		p, known := plans[t.Source]
		if !known || !t.Source.Enabled || t.Newest == 0 {
			continue
		}
		g := gapsOf(t.Source, p, t)
		if oldest := g.largest + g.jitter + g.lag; t.Newest <= oldest {
			warnings = append(warnings, c.Mistake(t.KeyPath+".newest", "%s is not longer than the %s that may pass between polls of %q by %s, "+
				"in which nobody sees a newer record; poll more often or allow more", syncer.FullSpan(t.Newest), spelled(g.largest, g.jitter, g.lag), t.Source.Name, because(1, t.Source)))
		}
	}
	return warnings
}

// unwatched warns of tables that no alert is told of when they are critical,
// where there are alerts at all: most likely a glob is too narrow.
func unwatched(c *config.Config) config.Mistakes {
	var warnings config.Mistakes
	if len(c.Alerts) == 0 {
		return nil
	}
	for _, t := range c.Tables {
		told := func(a *config.Alert) bool { return slices.Contains(a.Levels, config.AlertCritical) && a.Watches(t) }
		if t.Source.Enabled && !slices.ContainsFunc(c.Alerts, told) {
			warnings = append(warnings, c.Mistake(t.KeyPath, "nobody is told when %s.%s is too old: no [alert.NAME] watches it at level critical", t.Consumer.Name, t.Name))
		}
	}
	return warnings
}

// orGrace offers the budget for schedules with holes, where a gap is long.
func orGrace(g gaps) string {
	if g.largest < time.Hour {
		return ""
	}
	return `, or write budget = { grace = { critical = "30m" } }, counted from each tick at which a poll is due`
}

func because(walks int, s *config.Source) string {
	text := fmt.Sprintf("schedule %q", s.Schedule)
	if walks > 1 {
		text += fmt.Sprintf(", with %d walks to confirm a deletion", walks)
	}
	return text
}
