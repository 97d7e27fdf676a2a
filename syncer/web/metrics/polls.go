package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/larder-sync/larder/syncer"
)

// polls is what is told of polls, by their reports and while they run. It is a
// syncer.Observer.
type polls struct {
	sources map[string]bool

	attempted, running     *prometheus.GaugeVec
	ended, failed, skipped *prometheus.CounterVec
	pages, bytes, rows     *prometheus.CounterVec
	took                   *prometheus.HistogramVec
	delay                  prometheus.Observer
	unrecorded             prometheus.Counter
}

// The outcomes of a poll, what it did to rows, and why one that was due did not
// begin.
func outcomes() []string { return []string{"success", "error", "canceled"} }
func ops() []string      { return []string{"upsert", "delete", "unchanged", "rejected"} }
func skips() []syncer.Skip {
	return []syncer.Skip{syncer.SkipOverlap, syncer.SkipMissed, syncer.SkipPaused}
}

func newPolls(r prometheus.Registerer, sources []string) polls {
	p := polls{
		sources:   make(map[string]bool),
		attempted: gauges(r, "larder_source_last_attempt_timestamp_seconds", "When the last poll began, well or not; 0: none did since larder started.", "source"),
		running:   gauges(r, "larder_poll_in_progress", "Polls and lists that are under way, or wait for their turn.", "source"),
		ended:     counters(r, "larder_polls_total", "Polls that ended: one for each walk of a source or partition.", "source", "outcome"),
		failed:    counters(r, "larder_poll_errors_total", "Why polls, or tables in them, did not complete.", "source", "reason"),
		skipped:   counters(r, "larder_runs_skipped_total", "Polls that did not take place when they were due: the one before was still running, the daemon or the tables could not, which is counted when they can again, or all tables are paused.", "source", "reason"),
		pages:     counters(r, "larder_pages_total", "Pages, or windows of streamed bodies, that owners sent.", "source"),
		bytes:     counters(r, "larder_response_bytes_total", "Bytes that owners sent, unpacked.", "source"),
		rows:      counters(r, "larder_rows_total", "Rows by what became of them, over all tables of the source.", "source", "op"),
		took: histograms(r, "larder_poll_duration_seconds", "How long polls took.",
			[]float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600, 14400}, "source"),
		delay: histograms(r, "larder_poll_start_delay_seconds", "How long after they were due polls sent their first request.",
			[]float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600}).WithLabelValues(),
		unrecorded: counters(r, "larder_history_lost_total", "Polls that are not in poll history, because it could not be written, or not as fast.").WithLabelValues(),
	}
	for _, s := range sources {
		p.sources[s] = true
		p.attempted.WithLabelValues(s)
		p.running.WithLabelValues(s)
		each(p.ended, s, outcomes()...)
		each(p.failed, s, syncer.Classes()...)
		each(p.skipped, s, skips()...)
		p.pages.WithLabelValues(s)
		p.bytes.WithLabelValues(s)
		each(p.rows, s, ops()...)
		p.took.WithLabelValues(own(s, len(sources)))
	}
	return p
}

// each makes the series of a source for all values of a label.
func each[T ~string](v *prometheus.CounterVec, source string, values ...T) {
	for _, value := range values {
		v.WithLabelValues(source, string(value))
	}
}

// own is the label of a source in histograms: none, where they are too many.
func own(source string, of int) string {
	if of > mostSources {
		return ""
	}
	return source
}

// Reported implements syncer.Observer. Sources that the configuration did not
// name are not counted.
func (p *polls) Reported(r syncer.Report) {
	if !p.sources[r.Source] {
		return
	}
	why := reasons(r)
	outcome := "success"
	switch {
	case slices.Contains(why, syncer.ClassStopped):
		outcome = "canceled"
	case len(why) > 0:
		outcome = "error"
	}
	p.ended.WithLabelValues(r.Source, outcome).Inc()
	for _, c := range why {
		p.failed.WithLabelValues(r.Source, string(c)).Inc()
	}
	if !r.Started.IsZero() {
		p.attempted.WithLabelValues(r.Source).Set(seconds(r.Started))
	}
	if r.Walk != "" {
		p.took.WithLabelValues(own(r.Source, len(p.sources))).Observe(r.Took.Seconds())
	}
	p.pages.WithLabelValues(r.Source).Add(float64(max(r.Batches, 0)))
	p.bytes.WithLabelValues(r.Source).Add(float64(max(r.Bytes, 0)))
	for _, t := range r.Tables {
		p.count(r.Source, t)
	}
}

// Unrecorded implements syncer.Observer.
func (p *polls) Unrecorded(reports int) { p.unrecorded.Add(float64(max(reports, 0))) }

func (p *polls) count(source string, t syncer.TableReport) {
	for op, n := range map[string]int{
		"upsert":    t.Applied.Inserted + t.Applied.Updated,
		"delete":    t.Applied.Deleted + t.Settled.Swept,
		"unchanged": t.Applied.Unchanged,
		"rejected":  t.Applied.Quarantined,
	} {
		p.rows.WithLabelValues(source, op).Add(float64(max(n, 0)))
	}
}

// reasons are the classes of what went wrong, each once.
func reasons(r syncer.Report) []syncer.Class {
	var out []syncer.Class
	add := func(f *syncer.Failure) {
		if f == nil {
			return
		}
		c := f.Class
		if !slices.Contains(syncer.Classes(), c) {
			c = syncer.ClassInternal
		}
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	add(r.Failure)
	for _, t := range r.Tables {
		add(t.Failure)
	}
	return out
}

// Begins implements syncer.Observer.
func (p *polls) Begins(source string) {
	if p.sources[source] {
		p.running.WithLabelValues(source).Inc()
	}
}

// Ends implements syncer.Observer.
func (p *polls) Ends(source string) {
	if p.sources[source] {
		p.running.WithLabelValues(source).Dec()
	}
}

// Late implements syncer.Observer.
func (p *polls) Late(_ string, by time.Duration) { p.delay.Observe(max(by, 0).Seconds()) }

// Skipped implements syncer.Observer.
func (p *polls) Skipped(source string, why syncer.Skip, times int) {
	if p.sources[source] && slices.Contains(skips(), why) {
		p.skipped.WithLabelValues(source, string(why)).Add(float64(max(times, 0)))
	}
}
