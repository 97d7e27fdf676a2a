package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// alerts is what is told of notifications.
type alerts struct {
	notifiers    map[string]bool
	sent, undone *prometheus.CounterVec
}

func events() []alert.Event {
	return []alert.Event{alert.Firing, alert.Escalated, alert.Reminder, alert.Resolved, alert.Test, alert.Undelivered}
}

// mishaps are why a notification was not taken: the classes of what can go wrong
// on the way; "gone" and "permanent" what its receiver will never take, "expired"
// what was given up, and "other" the rest.
func mishaps() []string {
	return []string{string(syncer.ClassDNS), string(syncer.ClassConnect), string(syncer.ClassTLS), string(syncer.ClassTimeout),
		string(syncer.ClassRateLimited), string(syncer.ClassAuth), string(syncer.ClassHTTP4xx), string(syncer.ClassHTTP5xx),
		"gone", "permanent", "expired", "other"}
}

func newAlerts(r prometheus.Registerer, notifiers []string) alerts {
	a := alerts{
		notifiers: make(map[string]bool),
		sent:      counters(r, "larder_notifications_total", "Notifications that their receivers took.", "notifier", "event"),
		undone:    counters(r, "larder_notifications_failed_total", "Attempts to send a notification that failed.", "notifier", "reason"),
	}
	for _, n := range notifiers {
		a.notifiers[n] = true
		each(a.sent, n, events()...)
		each(a.undone, n, mishaps()...)
	}
	return a
}

// Sent counts a notification that its receiver took.
func (a *alerts) Sent(notifier string, event alert.Event) {
	if a.notifiers[notifier] && slices.Contains(events(), event) {
		a.sent.WithLabelValues(notifier, string(event)).Inc()
	}
}

// Failed counts an attempt that failed.
func (a *alerts) Failed(notifier, reason string) {
	if !slices.Contains(mishaps(), reason) {
		reason = "other"
	}
	if a.notifiers[notifier] {
		a.undone.WithLabelValues(notifier, reason).Inc()
	}
}

// Backlog is what waits to be sent to one notifier.
type Backlog struct {
	Notifier string
	Pending  int
	// Oldest is since when the oldest of them waits; zero: none does.
	Oldest time.Time
	// Disabled notifiers are told nothing any more.
	Disabled bool
}

// backlogCollector asks for it at a scrape.
type backlogCollector struct{ ask func() []Backlog }

func (backlogCollector) pending() *prometheus.Desc {
	return prometheus.NewDesc("larder_notification_outbox_pending", "Notifications that are not delivered yet.", []string{"notifier"}, nil)
}

func (backlogCollector) oldest() *prometheus.Desc {
	return prometheus.NewDesc("larder_notification_outbox_oldest_timestamp_seconds", "Since when the oldest of them waits; 0: none does.", []string{"notifier"}, nil)
}

func (backlogCollector) disabled() *prometheus.Desc {
	return prometheus.NewDesc("larder_notifier_disabled", "Whether a notifier is told nothing any more, because its receiver is gone.", []string{"notifier"}, nil)
}

// Describe implements prometheus.Collector.
func (c backlogCollector) Describe(to chan<- *prometheus.Desc) {
	to <- c.pending()
	to <- c.oldest()
	to <- c.disabled()
}

// Collect implements prometheus.Collector.
func (c backlogCollector) Collect(to chan<- prometheus.Metric) {
	if c.ask == nil {
		return
	}
	for _, b := range c.ask() {
		show(to, c.pending(), float64(b.Pending), b.Notifier)
		show(to, c.oldest(), seconds(b.Oldest), b.Notifier)
		show(to, c.disabled(), one(b.Disabled), b.Notifier)
	}
}
