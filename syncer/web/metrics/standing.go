package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/larder-sync/larder/syncer"
)

// standing shows how the copies stood at the last judgement. It keeps that
// rather than numbers, so that a judgement costs nothing until somebody looks.
type standing struct {
	tables   map[string]Table
	silenced func(time.Time) func(string) bool

	last atomic.Pointer[[]syncer.Judged]

	info, asOf, newest, mark, budget, paused, muted, firing, aside, next *prometheus.Desc
}

func newStanding(o Options) *standing {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	s := &standing{tables: make(map[string]Table), silenced: o.Silenced,
		info: describe("larder_source_info", "A table with its source and schedule; always 1.", "source", "table", "schedule", "timezone"),
		asOf: describe("larder_source_last_success_timestamp_seconds",
			"As-of: up to when the table is complete; its staleness is now less this. 0: it never was. Not there where nothing can be told, or where another daemon holds the lease.", "table"),
		mark:   describe("larder_source_watermark_timestamp_seconds", "The watermark: from when on the last poll asked the owner for changes; not there where that is no time, or where it has one for each of several partitions.", "table"),
		newest: describe("larder_source_newest_row_timestamp_seconds", "When the newest record was made, as its owner says; not there where nothing tells it.", "table"),
		budget: describe("larder_source_staleness_budget_seconds",
			"How stale the table may be; with a budget of grace, how stale it may be until the next poll is overdue.", "table", "severity"),
		paused: describe("larder_source_paused", "Whether the table is not polled because somebody said so.", "table"),
		muted:  describe("larder_source_silenced", "Whether nobody is told of the table, by a silence or a maintenance window.", "table"),
		firing: describe("larder_alert_firing", "Whether the table is staler than its budget, or it cannot be told for so long; of a table that is critical, warn is 0.", "table", "severity"),
		aside:  describe("larder_source_quarantined_records", "Records that the last poll set aside because they do not fit the table.", "table"),
		next:   describe("larder_source_next_run_timestamp_seconds", "When the source is polled next; not there where that is not known.", "source"),
	}
	for _, t := range o.Tables {
		s.tables[t.Name] = t
	}
	return s
}

// Describe implements prometheus.Collector.
func (s *standing) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.info, s.asOf, s.newest, s.mark, s.budget, s.paused, s.muted, s.firing, s.aside, s.next} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s *standing) Collect(to chan<- prometheus.Metric) {
	var all []syncer.Judged
	if last := s.last.Load(); last != nil {
		all = *last
	}
	for _, t := range s.tables {
		show(to, s.info, 1, t.Source, t.Name, t.Schedule, t.Timezone)
	}
	next, silenced := make(map[string]float64), func(string) bool { return false }
	if s.silenced != nil {
		silenced = s.silenced(time.Now())
	}
	for i := range all {
		j := &all[i]
		if j.Standby {
			continue
		}
		s.collect(to, j)
		show(to, s.muted, one(silenced(j.Table)), j.Table)
		if at := seconds(j.NextPoll); at > 0 && (next[j.Source] == 0 || at < next[j.Source]) {
			next[j.Source] = at
		}
	}
	for source, at := range next {
		show(to, s.next, at, source)
	}
}

// collect shows one copy.
func (s *standing) collect(to chan<- prometheus.Metric, j *syncer.Judged) {
	switch {
	case j.Level == syncer.Never:
		show(to, s.asOf, 0, j.Table)
	case !j.AsOf.IsZero():
		show(to, s.asOf, seconds(j.AsOf), j.Table)
	}
	if !j.Newest.IsZero() {
		show(to, s.newest, seconds(j.Newest), j.Table)
	}
	if t, ok := s.tables[j.Table]; ok {
		s.collectConfigured(to, j, t)
	}
	show(to, s.paused, one(j.Paused), j.Table)
	show(to, s.firing, one(j.Alarm == syncer.Warn), j.Table, string(syncer.Warn))
	show(to, s.firing, one(j.Alarm == syncer.Critical), j.Table, string(syncer.Critical))
	show(to, s.aside, float64(j.LastQuarantined), j.Table)
}

// collectConfigured shows what takes the configuration to tell.
func (s *standing) collectConfigured(to chan<- prometheus.Metric, j *syncer.Judged, t Table) {
	from := j.AsOf
	if from.IsZero() {
		from = time.Now()
	}
	b := t.Budget.At(from)
	if b.Warn > 0 {
		show(to, s.budget, b.Warn.Seconds(), t.Name, string(syncer.Warn))
	}
	if b.Critical > 0 {
		show(to, s.budget, b.Critical.Seconds(), t.Name, string(syncer.Critical))
	}
	if t.Moment == nil || j.Watermark == "" {
		return
	}
	if at, ok := t.Moment(j.Watermark); ok {
		show(to, s.mark, seconds(at), t.Name)
	}
}

func show(to chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}
