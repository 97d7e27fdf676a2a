package config

import "time"

// Maintenance is a time that comes again and again, during which nobody is told of tables.
type Maintenance struct {
	KeyPath  string
	Tables   []string // globs; none: all tables
	Schedule string   // a cron spec
	Duration time.Duration
}

// maintenance reads [[maintenance]]. What its schedules say is for others to read; they report by Mistake.
func (r *reader) maintenance(n *node, c *Config) (all []Maintenance) {
	if n == nil {
		return nil
	}
	if n.kind != kindArray {
		r.wrong(n, "is %s; write [[maintenance]] with double brackets", n.what())
		return nil
	}
	for _, one := range n.below {
		s, ok := r.section(one)
		if !ok {
			continue
		}
		m := Maintenance{KeyPath: one.keyPath(), Tables: r.globs(s, "tables", tableNames(c))}
		if s.need("schedule", `schedule = "0 3 * * 0"`) != nil {
			s.text("schedule", &m.Schedule)
		}
		if s.need("duration", `duration = "1h"`) != nil {
			s.duration("duration", &m.Duration)
		}
		all = append(all, m)
	}
	return all
}
