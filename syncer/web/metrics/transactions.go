package metrics

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/larder-sync/larder/syncer"
)

// transactions is what is told of the consumers' databases.
type transactions struct {
	lasted  prometheus.Observer
	refused *prometheus.CounterVec
}

// states are the classes of SQLSTATE that are told apart; "other" are the rest,
// and "none" is an error to which there was no SQLSTATE: the connection broke,
// or the database is SQLite.
func states() []string {
	return []string{"08", "22", "23", "25", "28", "40", "42", "53", "54", "55", "57", "58", "XX", "other", "none"}
}

func newTransactions(r prometheus.Registerer) transactions {
	t := transactions{
		lasted: histograms(r, "larder_db_transaction_duration_seconds", "How long transactions that write to consumers' databases took, well or not.",
			[]float64{.001, .005, .01, .05, .1, .5, 1, 5, 30}).WithLabelValues(),
		refused: counters(r, "larder_db_errors_total",
			"Transactions that failed, those for the lease included, by the class of their SQLSTATE; none: there was none, because the database did not answer or is SQLite.", "sqlstate_class"),
	}
	for _, s := range states() {
		t.refused.WithLabelValues(s)
	}
	return t
}

// Transacted tells of a transaction. That the lease was lost, or that we
// stopped, is no error of the database.
func (t *transactions) Transacted(took time.Duration, err error) {
	t.lasted.Observe(took.Seconds())
	if err == nil || errors.Is(err, syncer.ErrFenced) || errors.Is(err, syncer.ErrListLost) || errors.Is(err, context.Canceled) {
		return
	}
	class := "none"
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) && len(coded.SQLState()) == 5 {
		if class = coded.SQLState()[:2]; !slices.Contains(states(), class) {
			class = "other"
		}
	}
	t.refused.WithLabelValues(class).Inc()
}

// Pools are the connections to databases: in use, idle, and being made; and how
// long was waited for one altogether.
type Pools struct {
	Acquired, Idle, Constructing int
	Waited                       time.Duration
}

// poolCollector asks for them at a scrape.
type poolCollector struct{ ask func() Pools }

func (poolCollector) open() *prometheus.Desc {
	return prometheus.NewDesc("larder_db_pool_connections", "Connections to consumers' Postgres databases.", []string{"state"}, nil)
}

func (poolCollector) waited() *prometheus.Desc {
	return prometheus.NewDesc("larder_db_pool_acquire_wait_seconds_total", "How long was waited for such a connection because none was idle.", nil, nil)
}

// Describe implements prometheus.Collector.
func (c poolCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.open()
	to <- c.waited()
}

// Collect implements prometheus.Collector.
func (c poolCollector) Collect(to chan<- prometheus.Metric) {
	var p Pools
	if c.ask != nil {
		p = c.ask()
	}
	open := c.open()
	show(to, open, float64(p.Acquired), "acquired")
	show(to, open, float64(p.Idle), "idle")
	show(to, open, float64(p.Constructing), "constructing")
	to <- prometheus.MustNewConstMetric(c.waited(), prometheus.CounterValue, p.Waited.Seconds())
}
