package main

import (
	"slices"
	"strings"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/schedule"
)

// wrongMaintenance tells the schedules of maintenance that are none, that have no
// times of their own, or that leave no time in which somebody is told.
func wrongMaintenance(c *config.Config, zone *time.Location) config.Mistakes {
	var mistakes config.Mistakes
	for _, m := range c.Maintenance {
		parsed, err := schedule.Parse(m.Schedule, zone)
		switch {
		case m.Schedule == "": // told as missing
		case err != nil:
			mistakes = append(mistakes, c.Mistake(m.KeyPath+".schedule", "%v", err))
		case strings.HasPrefix(m.Schedule, "@every"):
			mistakes = append(mistakes, c.Mistake(m.KeyPath+".schedule", "an interval begins anew with each start of larder; write a cron spec such as \"0 3 * * 0\""))
		case m.Duration > 0 && (m.Duration >= schedule.LargestGap(parsed, time.Now()) || endless([]alert.Maintenance{{Schedule: parsed, Duration: m.Duration}}, time.Now())):
			mistakes = append(mistakes, c.Mistake(m.KeyPath+".duration", "%v is as long as the time between two beginnings by schedule %q: "+
				"nobody would ever be told; make it shorter, or pause the tables", m.Duration, m.Schedule))
		}
	}
	if len(mistakes) > 0 {
		return mistakes
	}
	return endlessMaintenance(c, zone)
}

// Maintenances are followed for coveredFor, and through coveredSteps windows at
// most: what is not proven by then is not told. A day that is longer because
// clocks change may leave some hours; less than leastFree is no time to tell in.
const (
	coveredFor   = 400 * 24 * time.Hour
	coveredSteps = 20_000
	leastFree    = 24 * time.Hour
)

// endlessMaintenance tells the maintenances that leave no time only together, for
// some table: each of them is good by itself.
func endlessMaintenance(c *config.Config, zone *time.Location) config.Mistakes {
	windows := make(map[string]alert.Maintenance)
	for _, m := range c.Maintenance {
		if s, err := schedule.Parse(m.Schedule, zone); err == nil && m.Duration > 0 {
			windows[m.KeyPath] = alert.Maintenance{Schedule: s, Duration: m.Duration}
		}
	}
	var mistakes config.Mistakes
	seen := map[string]bool{}
	for _, t := range c.Tables {
		var paths []string
		var all []alert.Maintenance
		for _, m := range c.Maintenance {
			if w, ok := windows[m.KeyPath]; ok && m.Covers(t) {
				paths, all = append(paths, m.KeyPath), append(all, w)
			}
		}
		together := strings.Join(paths, ", ")
		if seen[together] {
			continue
		}
		if seen[together] = true; len(paths) > 1 && endless(all, time.Now()) {
			mistakes = append(mistakes, c.Mistake(paths[len(paths)-1], "%s leave no time in which anybody is told of %s.%s; make one of them shorter, or pause the table",
				together, t.Consumer.Name, t.Name))
		}
	}
	return mistakes
}

// endless follows windows from the end of one to that of another that is open
// then, and counts the time in which none is.
func endless(windows []alert.Maintenance, from time.Time) bool {
	at, free := from, time.Duration(0)
	for range coveredSteps {
		if at.Sub(from) > coveredFor {
			return true
		}
		var end, next time.Time
		for _, w := range windows {
			tick := w.Schedule.Next(at.Add(-w.Duration))
			switch one := tick.Add(w.Duration); {
			case tick.IsZero():
			case !tick.After(at):
				end = one
			case next.IsZero() || tick.Before(next):
				next = tick
			}
		}
		if end.IsZero() {
			if free += next.Sub(at); next.IsZero() || free > leastFree {
				return false
			}
			end = next
		}
		at = end
	}
	return false
}

// endlessHours tells the receivers that have no hour in which they are told.
func endlessHours(c *config.Config) config.Mistakes {
	var mistakes config.Mistakes
	for _, a := range c.Alerts {
		off, err := hoursOff(a.HoursOff)
		if off != nil && err == nil && !slices.ContainsFunc(endsOf(a.HoursOff, time.Now()), func(end time.Time) bool { return !off(end) }) {
			mistakes = append(mistakes, c.Mistake(a.KeyPath+".hours_off", "leaves no time in which anything is sent; leave some hours free, or leave the alert out"))
		}
	}
	return mistakes
}

// endsOf are the ends of all hours off within a week, and in another half a year
// later, when clocks may stand otherwise: time without hours off begins with one
// of them. That of the hour by which clocks change is left out.
func endsOf(hours []config.HoursOff, from time.Time) []time.Time {
	var all []time.Time
	for _, h := range hours {
		zone, err := time.LoadLocation(h.Timezone)
		if err != nil {
			continue
		}
		for _, week := range []time.Time{from, from.AddDate(0, 6, 0)} {
			y, m, d := week.In(zone).Date()
			for day := range 8 {
				all = append(all, time.Date(y, m, d+day, int(h.To/time.Hour), int(h.To%time.Hour/time.Minute), 0, 0, zone))
			}
		}
	}
	return all
}
