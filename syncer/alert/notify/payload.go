package notify

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
)

// payload is what programs read: the body of a webhook, and what a command reads
// from its standard input.
type payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	ID       string  `json:"id"`
	Instance string  `json:"instance"`
	Notifier string  `json:"notifier"`
	Via      string  `json:"via,omitempty"`
	Title    string  `json:"title"`
	Text     string  `json:"text"`
	Cause    string  `json:"cause,omitempty"`
	Alerts   []entry `json:"alerts"`
}

type entry struct {
	ID          string     `json:"id"`
	Key         string     `json:"key"`
	Episode     string     `json:"episode_id"`
	Sequence    int        `json:"sequence"`
	Reminder    int        `json:"reminder,omitempty"`
	Status      string     `json:"status"` // firing, resolved, test
	Ending      string     `json:"ending,omitempty"`
	Severity    string     `json:"severity"` // warn, critical
	Level       string     `json:"level"`    // fresh, warn, critical, never, unknown
	Table       string     `json:"table"`
	Source      string     `json:"source"`
	Consumer    string     `json:"consumer"`
	Staleness   float64    `json:"staleness_seconds"`
	Measure     string     `json:"measure"` // staleness, deletes, newest
	Age         float64    `json:"age_seconds"`
	Budget      float64    `json:"budget_seconds"`
	Due         *time.Time `json:"due,omitempty"`
	Grace       float64    `json:"grace_seconds,omitempty"`
	AsOf        *time.Time `json:"as_of"`
	StaleSince  *time.Time `json:"stale_since"`
	Opened      *time.Time `json:"opened"`
	Closed      *time.Time `json:"closed,omitempty"`
	Reason      reason     `json:"reason"`
	NextPoll    *time.Time `json:"next_poll"`
	LastRows    int64      `json:"last_rows"`
	Quarantined int64      `json:"last_quarantined"`
	Held        int64      `json:"held_deletions"`
}

type reason struct {
	Text   string     `json:"text,omitempty"`
	Class  string     `json:"class,omitempty"`
	Status int        `json:"http_status,omitempty"`
	Error  string     `json:"error,omitempty"`
	Since  *time.Time `json:"failing_since,omitempty"`
}

// Bounds on a payload's texts; names are those of the configuration.
const (
	mostText = 400
	mostName = 150
)

// payloadOf is a message as programs read it, with texts of so many characters.
func payloadOf(m alert.Message, most int) payload {
	m.Attempts = 0 // the same words each time: the identifier is the same, too
	p := payload{Type: "larder.staleness." + string(m.Event), Timestamp: m.Begun.UTC().Truncate(time.Millisecond)}
	p.Data = data{
		ID: m.ID, Instance: alert.Plain(m.Instance, mostName), Notifier: m.Notifier, Via: m.Via,
		Title: m.Title(), Text: cut(strings.Join(m.Lines(), "\n"), 5*most), Cause: alert.Plain(m.Cause, most), Alerts: []entry{},
	}
	for _, a := range m.Alerts {
		p.Data.Alerts = append(p.Data.Alerts, entryOf(a, most))
	}
	return p
}

func entryOf(a alert.Alert, most int) entry {
	e := entry{
		ID: a.ID, Key: a.Key, Episode: a.Episode, Sequence: a.Sequence, Reminder: a.Reminder,
		Status: "firing", Ending: string(a.Ending), Severity: string(a.Level), Level: string(a.Facts.Level),
		Table: alert.Plain(a.Table, mostName), Source: alert.Plain(a.Source, mostName), Consumer: alert.Plain(a.Consumer, mostName),
		Staleness: a.Staleness.Round(time.Millisecond).Seconds(), Measure: string(a.Measure), Age: a.Age.Round(time.Millisecond).Seconds(), Budget: a.Limit.Seconds(),
		Due: instant(a.Due), Grace: a.Grace.Seconds(),
		AsOf: instant(a.AsOf), StaleSince: instant(a.StaleSince), Opened: instant(a.Opened), Closed: instant(a.Closed),
		Reason:   reason{Text: alert.Plain(a.Reason, most), Since: instant(a.Since)},
		NextPoll: instant(a.NextPoll), LastRows: a.LastRows, Quarantined: a.LastQuarantined, Held: a.Held,
	}
	if a.Event == alert.Resolved || a.Event == alert.Test {
		e.Status = string(a.Event)
	}
	if a.Failure != nil {
		e.Reason.Class, e.Reason.Status, e.Reason.Error = string(a.Failure.Class), a.Failure.Status, alert.Plain(a.Failure.Text, most)
	}
	return e
}

// instant is nil for a time that never was.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// mostBody is what a receiver of webhooks must take.
const mostBody = 20_000

// fit is the payload in less than 20 KB: its texts are cut as far as needed. The
// body is the same for each attempt.
func fit(m alert.Message) ([]byte, error) {
	for most := mostText; ; most /= 2 {
		body, err := encode(payloadOf(m, most))
		if err != nil || len(body) < mostBody || most < 8 {
			return body, err
		}
	}
}

// encode writes JSON without escapes for HTML, which nobody asked for.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}
