// Package metrics counts what larder does, and shows it to Prometheus.
// It touches a registry of its own and nothing else: parts tell it what
// happened, through interfaces that they declare, or are asked at a scrape for
// what they know anyway. README.md lists all metrics.
//
// Labels have few values: names from the configuration, and words of closed
// sets. All series that can be known beforehand are there from the start, at 0.
// What has an age is shown as a timestamp, in seconds since 1970; the age is
// for whoever asks to compute.
package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

const (
	// mostScrapes are answered at one time, each within scrapeTime.
	mostScrapes = 4
	scrapeTime  = 20 * time.Second
	// mostSources have histograms of their own; of more, all are in one.
	mostSources = 500
)

// Options say what is known from the configuration, and whom to ask at a scrape.
// The functions may be nil, and must not block.
type Options struct {
	Version, Revision string
	Tables            []Table
	Notifiers         []Notifier
	// Nudges are the names under which polls are asked for from outside.
	Nudges []string
	// Heartbeat says that there is one.
	Heartbeat bool
	// Pools are the connections to all consumers' databases.
	Pools func() Pools
	// Backlog tells of every notifier that has an outbox.
	Backlog func() []alert.Backlog
	// Silenced says which tables nobody is told of at a moment, because somebody
	// said so.
	Silenced func(now time.Time) func(table string) bool
}

// Notifier is one that the configuration names.
type Notifier struct{ Name, Kind string }

// Table is one copy that the configuration names.
type Table struct {
	Name, Source       string
	Schedule, Timezone string
	Budget             syncer.Budget
	// Moment reads a watermark that is a time; nil: it is none.
	Moment func(watermark string) (time.Time, bool)
}

// Metrics are all numbers of one larder. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	standing *standing
	process
	polls
	requests
	transactions
	alerts
	nudges
}

// New makes the metrics, with all series that can be known at 0.
func New(o Options) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), standing: newStanding(o)}
	sources := sourcesOf(o.Tables)
	m.process = newProcess(m.registry, o)
	m.polls = newPolls(m.registry, sources)
	m.requests = newRequests(m.registry, sources)
	m.transactions = newTransactions(m.registry)
	m.alerts = newAlerts(m.registry, o.Notifiers)
	m.nudges = newNudges(m.registry, o.Nudges)
	m.registry.MustRegister(m.standing, poolCollector{o.Pools}, backlogCollector{o.Backlog},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Judged implements syncer.Watch. It keeps what it is given. Copies that other daemons judge are not
// shown, and those that are not told of any more are shown no more.
func (m *Metrics) Judged(_ time.Time, all []syncer.Judged) { m.standing.last.Store(&all) }

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry: m.registry, MaxRequestsInFlight: mostScrapes, Timeout: scrapeTime, EnableOpenMetrics: true,
		ErrorHandling: promhttp.ContinueOnError,
	}))
}

// Gatherer is where the metrics can be read without a scrape.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// sourcesOf lists the sources of tables, each once.
func sourcesOf(tables []Table) []string {
	var out []string
	seen := make(map[string]bool)
	for _, t := range tables {
		if !seen[t.Source] {
			seen[t.Source] = true
			out = append(out, t.Source)
		}
	}
	return out
}

// counters registers a counter for each value of its labels.
func counters(r prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	r.MustRegister(v)
	return v
}

func gauges(r prometheus.Registerer, name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	r.MustRegister(v)
	return v
}

// histograms registers one with the buckets that are given, and native ones
// beside them.
func histograms(r prometheus.Registerer, name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour}, labels)
	r.MustRegister(v)
	return v
}

// seconds is an instant as Prometheus has it; 0 is never.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// process is what is true of the whole daemon.
type process struct {
	reloaded, reloadedAt prometheus.Gauge
	heartbeat            prometheus.Gauge
	logged               *prometheus.CounterVec
}

// levels are those of log messages.
func levels() []string { return []string{"trace", "debug", "info", "warn", "error", "fatal", "panic"} }

func newProcess(r prometheus.Registerer, o Options) process {
	gauges(r, "larder_build_info", "What this larder was built from; always 1.", "version", "revision", "goversion").
		WithLabelValues(o.Version, o.Revision, runtime.Version()).Set(1)
	p := process{
		reloaded:   gauges(r, "larder_config_last_reload_successful", "Whether the configuration was taken when it was last read.").WithLabelValues(),
		reloadedAt: gauges(r, "larder_config_last_reload_success_timestamp_seconds", "When a configuration was last read and taken.").WithLabelValues(),
		logged:     counters(r, "larder_log_messages_total", "Messages that were logged.", "level"),
	}
	heartbeat := gauges(r, "larder_heartbeat_last_success_timestamp_seconds", "When the heartbeat's receiver last answered well; 0: not yet. Not there where none is configured.")
	if o.Heartbeat {
		p.heartbeat = heartbeat.WithLabelValues()
	}
	for _, l := range levels() {
		p.logged.WithLabelValues(l)
	}
	p.ConfigRead(time.Now(), true)
	return p
}

// ConfigRead says that the configuration was read, and whether it was taken.
func (p *process) ConfigRead(at time.Time, taken bool) {
	p.reloaded.Set(one(taken))
	if taken {
		p.reloadedAt.Set(seconds(at))
	}
}

// HeartbeatSent says that the heartbeat's receiver answered well.
func (p *process) HeartbeatSent(at time.Time) {
	if p.heartbeat != nil {
		p.heartbeat.Set(seconds(at))
	}
}

// Logged counts a message; level is as it stands in the log.
func (p *process) Logged(level string) {
	for _, l := range levels() {
		if l == level {
			p.logged.WithLabelValues(l).Inc()
		}
	}
}
