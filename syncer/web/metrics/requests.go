package metrics

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/larder-sync/larder/syncer"
)

// requests is what is told of requests to owners. It is a sources.Observer.
type requests struct {
	known         map[string]bool
	sent, retried *prometheus.CounterVec
	answered      *prometheus.HistogramVec
}

func codes() []string { return []string{"2xx", "3xx", "4xx", "5xx", "none"} }

// retries are the classes after which a request is tried again.
func retries() []syncer.Class {
	return []syncer.Class{syncer.ClassDNS, syncer.ClassConnect, syncer.ClassTLS, syncer.ClassTimeout, syncer.ClassRateLimited,
		syncer.ClassAuth, syncer.ClassHTTP4xx, syncer.ClassHTTP5xx, syncer.ClassInternal}
}

func newRequests(r prometheus.Registerer, sources []string) requests {
	q := requests{
		known:    make(map[string]bool),
		sent:     counters(r, "larder_http_requests_total", "Requests to owners, redirects, retries and logins included, by the class of the answer's status; none: there was no answer.", "source", "code_class"),
		retried:  counters(r, "larder_http_retries_total", "Requests that were sent again, by what went wrong before.", "source", "reason"),
		answered: histograms(r, "larder_http_request_duration_seconds", "How long owners took until the headers of the answer were there.", []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}, "source"),
	}
	for _, s := range sources {
		q.known[s] = true
		each(q.sent, s, codes()...)
		each(q.retried, s, retries()...)
		q.answered.WithLabelValues(own(s, len(sources)))
	}
	return q
}

// Requested counts a request; status 0 says that there was no answer.
func (q *requests) Requested(source string, status int, took time.Duration) {
	if !q.known[source] {
		return
	}
	code := strconv.Itoa(status/100) + "xx"
	if !slices.Contains(codes(), code) {
		code = "none"
	}
	q.sent.WithLabelValues(source, code).Inc()
	q.answered.WithLabelValues(own(source, len(q.known))).Observe(took.Seconds())
}

// Retried counts a request that is sent again.
func (q *requests) Retried(source string, why syncer.Class) {
	if !slices.Contains(retries(), why) {
		why = syncer.ClassInternal
	}
	if q.known[source] {
		q.retried.WithLabelValues(source, string(why)).Inc()
	}
}
