package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// nudges is what is told of polls that were asked for from outside.
type nudges struct {
	names    map[string]bool
	came     *prometheus.CounterVec
	accepted *prometheus.GaugeVec
}

// accepted is the outcome of a nudge that a poll was asked for by.
const accepted = "accepted"

func nudgeOutcomes() []string { return []string{accepted, "refused", "standby", "unavailable"} }

func newNudges(r prometheus.Registerer, names []string) nudges {
	n := nudges{
		names: make(map[string]bool),
		came: counters(r, "larder_nudges_total", "Nudges by what became of them. Refused: nothing proves that they are genuine. Standby: another daemon polls the source. "+
			"Unavailable: nobody does at the moment.", "nudge", "outcome"),
		accepted: gauges(r, "larder_nudge_last_accepted_timestamp_seconds", "When a nudge was last accepted; 0: none was since larder started.", "nudge"),
	}
	for _, name := range names {
		n.names[name] = true
		each(n.came, name, nudgeOutcomes()...)
		n.accepted.WithLabelValues(name)
	}
	return n
}

// Nudged counts a nudge.
func (n *nudges) Nudged(name string, outcome string, at time.Time) {
	if !n.names[name] || !slices.Contains(nudgeOutcomes(), outcome) {
		return
	}
	n.came.WithLabelValues(name, outcome).Inc()
	if outcome == accepted {
		n.accepted.WithLabelValues(name).Set(seconds(at))
	}
}
