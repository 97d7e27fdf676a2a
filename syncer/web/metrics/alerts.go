package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/larder-sync/larder/syncer/alert"
)

// alerts is what is told of notifications. It is an alert.Observer.
type alerts struct {
	notifiers    map[string]bool
	sent, undone *prometheus.CounterVec
}

func events() []alert.Event {
	return []alert.Event{alert.Firing, alert.Escalated, alert.Reminder, alert.Resolved, alert.Test, alert.Undelivered}
}

func newAlerts(r prometheus.Registerer, notifiers []Notifier) alerts {
	a := alerts{
		notifiers: make(map[string]bool),
		sent:      counters(r, "larder_notifications_total", "Notifications that their receivers took.", "notifier", "event"),
		undone:    counters(r, "larder_notifications_failed_total", "Attempts to send a notification that failed.", "notifier", "reason"),
	}
	info := gauges(r, "larder_notifier_info", "A notifier with what it is; always 1.", "notifier", "kind")
	for _, n := range notifiers {
		a.notifiers[n.Name] = true
		info.WithLabelValues(n.Name, n.Kind).Set(1)
		each(a.sent, n.Name, events()...)
		each(a.undone, n.Name, alert.Reasons()...)
	}
	return a
}

// Sent counts a notification that its receiver took.
func (a *alerts) Sent(notifier string, event alert.Event) {
	if a.notifiers[notifier] && slices.Contains(events(), event) {
		a.sent.WithLabelValues(notifier, string(event)).Inc()
	}
}

// Failed counts an attempt that failed, or a notification that was given up.
func (a *alerts) Failed(notifier, reason string) {
	if a.notifiers[notifier] && slices.Contains(alert.Reasons(), reason) {
		a.undone.WithLabelValues(notifier, reason).Inc()
	}
}

// backlogCollector asks for it at a scrape.
type backlogCollector struct{ ask func() []alert.Backlog }

func (backlogCollector) pending() *prometheus.Desc {
	return prometheus.NewDesc("larder_notification_outbox_pending", "Notifications that are not delivered yet.", []string{"notifier"}, nil)
}

func (backlogCollector) oldest() *prometheus.Desc {
	return prometheus.NewDesc("larder_notification_outbox_oldest_timestamp_seconds", "Since when the oldest of them is due, after the wait for its group; 0: none is.", []string{"notifier"}, nil)
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
		show(to, c.pending(), float64(b.Pending), b.Receiver)
		show(to, c.oldest(), seconds(b.Oldest), b.Receiver)
		show(to, c.disabled(), one(b.Disabled), b.Receiver)
	}
}
