package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// AlertmanagerOptions say which Alertmanagers are told.
type AlertmanagerOptions struct {
	// URLs are the bases of all peers of one cluster, as "http://alertmanager:9093":
	// each is told everything, because they do not tell each other of alerts.
	URLs []string
	// Auth is for what stands before each of them.
	Auth Authorization
	// Instance is the name of this larder, for the label larder.
	Instance string
	// Transport carries the requests; nil: one of its own, which refuses
	// link-local addresses.
	Transport http.RoundTripper
}

// Alertmanager mirrors what fires into Alertmanagers, by their API v2.
type Alertmanager struct {
	instance string
	peers    []*sender
	shown    []string // the peers' hosts, each another

	mu sync.Mutex
	// last are the levels that were told last, by the alerts' keys, and ended
	// what is not true of an alert any more: severity is a label, so that a
	// warning that became critical is another alert there.
	last  map[string]alert.Alert
	ended map[string]alert.Alert
}

const (
	// mostInPost is how many alerts one request holds.
	mostInPost = 200
	// endedFor is how long it is repeated that a severity ended.
	endedFor = 15 * time.Minute
)

// NewAlertmanager checks the options. It sends nothing.
func NewAlertmanager(o AlertmanagerOptions) (*Alertmanager, error) {
	if len(o.URLs) == 0 {
		return nil, wrong("urls", "is missing")
	}
	a := &Alertmanager{instance: o.Instance, last: map[string]alert.Alert{}, ended: map[string]alert.Alert{}}
	for i, base := range o.URLs {
		u, err := parseAddress(base)
		if err == nil && u.RawQuery != "" {
			err = errors.New("must hold no query")
		}
		if err == nil {
			err = o.Auth.travels(base)
		}
		if err != nil {
			return nil, wrongOf("urls", i, bare(err))
		}
		s, err := newSender(strings.TrimSuffix(base, "/")+"/api/v2/alerts", o.Transport)
		if err != nil {
			return nil, wrongOf("urls", i, bare(err))
		}
		s.authorization = o.Auth.header()
		s.hider = newHider(append(addressSecrets(u), o.Auth.secrets()...)...) // our part of the path is everybody's
		name := u.Host
		if slices.Contains(a.shown, name) {
			name = fmt.Sprintf("%s (url %d)", name, i+1)
		}
		a.peers, a.shown = append(a.peers, s), append(a.shown, name)
	}
	return a, nil
}

// posted is an alert as Alertmanager reads it. Labels are who it is, annotations
// what is said of it.
type posted struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// Mirror implements [alert.Mirror]. All peers are told at one time; it is enough
// that one takes everything, and the answer and the error name those that did
// not.
func (a *Alertmanager) Mirror(ctx context.Context, firing, resolved []alert.Alert, until time.Time) (string, error) {
	bodies, err := a.bodies(firing, resolved, until)
	if err != nil {
		return "", ofEncoding(err)
	}
	answers, errs := make([]string, len(a.peers)), make([]error, len(a.peers))
	var all sync.WaitGroup
	for i, peer := range a.peers {
		all.Go(func() { answers[i], errs[i] = tell(ctx, peer, bodies) })
	}
	all.Wait()
	said, failed := "nothing to tell", map[string]error{}
	for i, err := range errs {
		if err != nil {
			failed[a.shown[i]] = err
			continue
		}
		said = answers[i]
	}
	if len(failed) == 0 {
		return said, nil
	}
	some := &alert.PeersError{Failed: failed}
	if len(failed) == len(a.peers) {
		return "", joined(some.Error(), errs)
	}
	return said + "; not told: " + some.Error(), some
}

// tell sends one peer everything, and goes on after a part that is refused.
func tell(ctx context.Context, peer *sender, bodies [][]byte) (said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	for _, body := range bodies {
		answer, _, failed := peer.post(ctx, nil, body)
		switch {
		case failed == nil:
			said = answer
		case refuses(failed):
			err = failed
		default:
			return "", failed
		}
	}
	return said, err
}

// bodies are the requests that tell everything.
func (a *Alertmanager) bodies(firing, resolved []alert.Alert, until time.Time) ([][]byte, error) {
	var all []posted
	for _, f := range firing {
		all = append(all, a.posted(f, until))
	}
	for _, r := range append(a.outgrown(firing, time.Now()), resolved...) {
		all = append(all, a.posted(r, r.Closed))
	}
	var out [][]byte
	for len(all) > 0 {
		n := min(len(all), mostInPost)
		body, err := encode(all[:n])
		if err != nil {
			return nil, err
		}
		out, all = append(out, body), all[n:]
	}
	return out, nil
}

// outgrown are the alerts whose severity is another one by now: they ended under
// the old one.
func (a *Alertmanager) outgrown(firing []alert.Alert, now time.Time) []alert.Alert {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := make(map[string]alert.Alert, len(firing))
	for _, f := range firing {
		last[f.Key] = f
		delete(a.ended, f.Key+string(f.Level))
		if old, told := a.last[f.Key]; told && old.Level != f.Level {
			old.Event, old.Closed = alert.Resolved, now
			a.ended[old.Key+string(old.Level)] = old
		}
	}
	a.last = last
	var out []alert.Alert
	for key, old := range a.ended {
		if now.Sub(old.Closed) > endedFor {
			delete(a.ended, key)
			continue
		}
		out = append(out, old)
	}
	return out
}

// posted is one alert that lasts until then. Alertmanager refuses those that end
// before they start, which a clock that was put back makes of any.
func (a *Alertmanager) posted(of alert.Alert, until time.Time) posted {
	starts, ends := of.StaleSince, until
	if starts.IsZero() {
		starts = of.Opened
	}
	if ends.IsZero() {
		ends = time.Now()
	}
	if starts.IsZero() || !starts.Before(ends) {
		starts = ends.Add(-time.Millisecond)
	}
	p := posted{
		Labels: map[string]string{
			"alertname": "LarderStaleness", "larder": a.instance, "table": of.Table, "source": of.Source, "consumer": of.Consumer,
			"severity": severity(of.Level, "warning"),
		},
		Annotations: map[string]string{"summary": of.Title(), "description": strings.Join(of.Lines(), "\n")},
		StartsAt:    starts.UTC(), EndsAt: ends.UTC(),
	}
	if of.Measure != "" && of.Event != alert.Resolved {
		p.Annotations["measure"] = string(of.Measure)
	}
	if of.Event == alert.Test {
		p.Labels["alertname"] = "LarderTest"
		p.Annotations["summary"] = alert.Message{Event: alert.Test, Instance: a.instance, Notifier: "alertmanager"}.Title()
		p.Annotations["description"] = "nothing is wrong: somebody ran larder alert test"
	}
	for name, value := range p.Labels {
		if p.Labels[name] = alert.Plain(value, mostName); value == "" {
			delete(p.Labels, name)
		}
	}
	return p
}

// severity names a level as receivers do; warn is how they call a warning.
func severity(l syncer.Level, warn string) string {
	if l == syncer.Critical {
		return "critical"
	}
	return warn
}
