package notify

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/larder-sync/larder/syncer/alert"
)

// PagerDutyOptions say which PagerDuty service is told.
type PagerDutyOptions struct {
	// RoutingKey is the integration key of an Events API v2 integration.
	RoutingKey string
	// URL is the address of the events API, for accounts in another region;
	// "": "https://events.pagerduty.com/v2/enqueue", and
	// "https://events.eu.pagerduty.com/v2/enqueue" is that of the EU.
	URL string
	// Transport carries the requests; nil: one of its own, which refuses
	// link-local addresses.
	Transport http.RoundTripper
}

// PagerDuty opens and resolves incidents by the Events API v2, one for each
// table: what is told again of a table goes into its open incident.
type PagerDuty struct {
	sender *sender
	key    string
	parts  progress
}

// mostSummary is how many characters PagerDuty takes.
const mostSummary = 1024

// NewPagerDuty checks the options. It sends nothing.
func NewPagerDuty(o PagerDutyOptions) (*PagerDuty, error) {
	if o.RoutingKey == "" {
		return nil, wrong("routing_key", "is missing")
	}
	address := cmp.Or(o.URL, "https://events.pagerduty.com/v2/enqueue")
	if readable(address) {
		return nil, wrong("url", "would carry the routing_key readable over http; use an https url")
	}
	s, err := newSender(address, o.Transport)
	if err != nil {
		return nil, err
	}
	s.hider = newHider(o.RoutingKey) // the path is everybody's
	return &PagerDuty{sender: s, key: o.RoutingKey}, nil
}

type pagerEvent struct {
	RoutingKey string        `json:"routing_key"`
	Action     string        `json:"event_action"`
	DedupKey   string        `json:"dedup_key"`
	Client     string        `json:"client,omitempty"`
	Payload    *pagerPayload `json:"payload,omitempty"`
}

type pagerPayload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"`
	Timestamp string         `json:"timestamp,omitempty"`
	Component string         `json:"component,omitempty"`
	Group     string         `json:"group,omitempty"`
	Class     string         `json:"class,omitempty"`
	Details   map[string]any `json:"custom_details,omitempty"`
}

// Notify implements [alert.Notifier]. Each alert is a request of its own.
func (p *PagerDuty) Notify(ctx context.Context, m alert.Message) (string, error) {
	return p.parts.each(m, 1, func(_ string, part alert.Message) (string, error) {
		body, err := encode(p.event(part))
		if err != nil {
			return "", ofEncoding(err)
		}
		answer, _, err := p.sender.post(ctx, nil, body)
		return answer, err
	})
}

// event is a message of one alert, or of none.
func (p *PagerDuty) event(m alert.Message) pagerEvent {
	e := pagerEvent{RoutingKey: p.key, Action: "trigger", Client: "larder"}
	details := map[string]any{"text": strings.Join(m.Lines(), "\n"), "larder": alert.Plain(m.Instance, mostName)}
	e.Payload = &pagerPayload{
		Summary: cut(m.Title(), mostSummary), Source: cmp.Or(alert.Plain(m.Instance, mostName), "larder"),
		Severity: "info", Class: "staleness", Details: details,
	}
	if len(m.Alerts) == 0 {
		// What is not about a table is one incident, however often it is told.
		e.DedupKey = cut("larder-"+string(m.Event)+"-"+m.Instance, 255)
		e.Payload.Class = string(m.Event)
		if m.Event == alert.Undelivered {
			e.Payload.Severity = "error"
		}
		return e
	}
	a := m.Alerts[0]
	e.DedupKey = a.Key
	if m.Event == alert.Resolved {
		e.Action, e.Payload = "resolve", nil
		return e
	}
	e.Payload.Severity = severity(a.Level, "warning")
	e.Payload.Class = cmp.Or(string(a.Measure), e.Payload.Class)
	if m.Event == alert.Test {
		e.Payload.Severity, e.Payload.Class = "info", "test"
		details["text"] = "nothing is wrong: somebody ran larder alert test. Resolve this incident by hand."
	}
	if at := instant(a.StaleSince); at != nil {
		e.Payload.Timestamp = at.Format("2006-01-02T15:04:05.000Z07:00")
	}
	e.Payload.Component, e.Payload.Group = alert.Plain(a.Table, mostName), alert.Plain(a.Consumer, mostName)
	details["alert"] = entryOf(a, mostText)
	if m.Cause != "" {
		details["cause"] = alert.Plain(m.Cause, mostText)
	}
	return e
}
