package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer/alert"
)

// offLooksAhead is how far the end of hours off is looked for: they come again
// each week.
const offLooksAhead = 8 * 24 * time.Hour

// quiet is what the configuration keeps from being told at a moment. It needs no
// daemon.
type quiet struct {
	windows []alert.Maintenance
	// off are the receivers that are told nothing, until when.
	off map[string]time.Time
	now time.Time
}

func (p *parts) quiet(now time.Time) (quiet, error) {
	windows, err := p.maintenance()
	if err != nil {
		return quiet{}, err
	}
	q := quiet{windows: windows, off: make(map[string]time.Time), now: now}
	for _, a := range p.config.Alerts {
		off, err := hoursOff(a.HoursOff)
		if err != nil {
			return quiet{}, err
		}
		if until, is := offUntil(off, now); is {
			q.off[a.Name] = until
		}
	}
	return q, nil
}

// offUntil is when hours off that hold now are over. They change at minutes.
func offUntil(off func(time.Time) bool, now time.Time) (time.Time, bool) {
	if off == nil || !off(now) {
		return time.Time{}, false
	}
	until := now.Truncate(time.Minute)
	for off(until) && until.Sub(now) < offLooksAhead {
		until = until.Add(time.Minute)
	}
	return until, true
}

// maintained is until when a window keeps a table from being told of; nil: none
// does.
func (q quiet) maintained(table string) *time.Time {
	var latest time.Time
	for i := range q.windows {
		if until, open := q.windows[i].Until(q.now); open && alert.Matches(q.windows[i].Tables, table) && until.After(latest) {
			latest = until
		}
	}
	return instant(latest)
}

// offNow are a line for each receiver of a table that is told nothing now.
func (q quiet) offNow(p *parts, table string) []string {
	var all []string
	for _, a := range p.config.Alerts {
		until, off := q.off[a.Name]
		if off && slices.ContainsFunc(p.config.Tables, func(t *config.Table) bool { return t.Consumer.Name+"."+t.Name == table && a.Watches(t) }) {
			all = append(all, fmt.Sprintf("%s off until %s", a.Name, clock(instant(until))))
		}
	}
	return all
}

// offAll are a line for each receiver that is told nothing now.
func (q quiet) offAll() []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(q.off)) {
		all = append(all, fmt.Sprintf("%s: off until %s", name, clock(instant(q.off[name]))))
	}
	return all
}
