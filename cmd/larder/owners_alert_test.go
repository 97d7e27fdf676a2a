//go:build owners

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

const alertingConfig = `
larder.listen = %q
larder.startup_grace = "0s"
consumer.shop.database = %q
owner.depot = { url = %q, retry = { attempts = 1 } }
[source.items]
schedule = "@every 1s"
jitter   = "0s"
mode     = "snapshot"
request  = { path = "/" }
records  = { key = "id" }
[[table]]
source  = "items"
budget  = { warn = "4s", critical = "10s" }
columns = { id = "bigint" }
`

// toldWithin is for what takes a judgement, a group wait of Alertmanager's and
// what a busy machine adds.
const toldWithin = 40 * time.Second

// An Alertmanager has the alert with the severity of the moment, is told of it
// again before it would forget, and is told its end.
func TestRealAlertmanager(t *testing.T) {
	manager := alertmanager{startServer(t, "alertmanager")}
	depot := newDepot(t)
	l := depot.larder(t, fmt.Sprintf("[alert.oncall]\nkind = \"alertmanager\"\nurls = [%q]\n", manager.url))
	daemon := starts(t, l)
	soon(t, "first poll", func() bool { return depot.answered.Load() > 1 })
	if got := manager.alerts(t); len(got) != 0 {
		t.Fatalf("nothing is stale, and Alertmanager has %v", got)
	}

	failing := time.Now()
	depot.down.Store(true)
	warning := manager.has(t, "warning")
	critical := manager.has(t, "critical")
	// The last good poll began within the second before, and the budget is four.
	if d := critical.StartsAt.Sub(failing); d < 2*time.Second || d > 5*time.Second {
		t.Errorf("alert starts %s after the owner began to fail, want as-of + warn", d)
	}
	if d := time.Until(critical.EndsAt); d < 3*time.Minute || d > 4*time.Minute {
		t.Errorf("alert ends %s from here by itself, want four minutes from when it was sent", d)
	}
	if s := critical.Annotations["summary"]; !strings.HasPrefix(s, "CRITICAL shop.items is ") {
		t.Errorf("summary is %q", s)
	}
	soon(t, "warning has ended", func() bool { return !slices.Contains(manager.severities(t), "warning") })
	soon(t, "both are in the sink, and the end of the warning", func() bool {
		return manager.notified(t, "firing", warning) && manager.notified(t, "firing", critical) && manager.notified(t, "resolved", warning)
	})

	within(t, 75*time.Second, "alert is told again", func() bool {
		again := manager.alerts(t)
		return len(again) == 1 && again[0].UpdatedAt.After(critical.UpdatedAt.Add(30*time.Second)) && again[0].EndsAt.After(critical.EndsAt)
	})
	if manager.notified(t, "resolved", critical) {
		t.Error("alert was resolved while the copy was stale")
	}

	depot.down.Store(false)
	soon(t, "alert has ended", func() bool { return len(manager.alerts(t)) == 0 })
	soon(t, "its end is in the sink", func() bool { return manager.notified(t, "resolved", critical) })
	daemon.Kill()
}

// With larder killed and its target gone, the rules as they are shipped fire,
// and reach Alertmanager by Prometheus; with larder back, they resolve.
func TestRealPrometheusWhenLarderIsKilled(t *testing.T) {
	manager := alertmanager{startServer(t, "alertmanager")}
	prometheus := startServer(t, "prometheus")
	depot := newDepot(t)
	l := depot.larder(t, "")
	daemon := starts(t, l)
	prometheus.run("add-rules.sh", filepath.Join("..", "..", "deploy", "prometheus", "larder.rules.yml"))
	prometheus.run("add-target.sh", "larder", depot.listen)
	soon(t, "larder is scraped", func() bool {
		return len(measured(t, prometheus, `larder_source_last_success_timestamp_seconds{job="larder", table="shop.items"} > 0`)) == 1
	})
	if out := prometheus.run("check-metrics.sh", "http://"+depot.listen+"/metrics"); strings.TrimSpace(out) != "" {
		t.Errorf("promtool finds in the metrics: %s", out)
	}
	if got := firing(t, prometheus); len(got) != 0 {
		t.Errorf("nothing is wrong, and these fire: %q", got)
	}

	killed := time.Now()
	daemon.Kill()
	for _, want := range []string{"LarderTableStale warning shop.items", "LarderTableStale critical shop.items", "LarderDown critical"} {
		within(t, 2*time.Minute, want, func() bool { return slices.Contains(firing(t, prometheus), want) })
		t.Logf("%s fires %s after the kill", want, time.Since(killed).Round(time.Second))
	}
	if up := measured(t, prometheus, `larder_source_last_success_timestamp_seconds`); len(up) != 0 {
		t.Errorf("series is still there: %v", up)
	}
	stale := manager.has(t, "critical", "alertname", "LarderTableStale")
	soon(t, "alert is in the sink", func() bool { return manager.notified(t, "firing", stale) })

	starts(t, l)
	within(t, time.Minute, "all is well", func() bool { return len(firing(t, prometheus)) == 0 })
	soon(t, "its end is in the sink", func() bool { return manager.notified(t, "resolved", stale) })
}

// depot is an owner that can be down, and what it takes to copy it.
type depot struct {
	url, listen string
	down        atomic.Bool
	answered    atomic.Int32
}

func newDepot(t *testing.T) *depot {
	d := &depot{listen: freeAddress(t)}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if d.down.Load() {
			http.Error(w, "closed", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[{"id": 1}, {"id": 2}]`)
		d.answered.Add(1)
	}))
	t.Cleanup(s.Close)
	d.url = s.URL
	return d
}

// larder configures one that copies the depot, with more of a configuration.
func (d *depot) larder(t *testing.T, more string) killtest.Larder {
	t.Helper()
	dir := t.TempDir()
	l := killtest.Larder{Program: killtest.Build(t), Config: filepath.Join(dir, "larder.toml")}
	text := fmt.Sprintf(alertingConfig, d.listen, "sqlite:"+filepath.Join(dir, "shop.db"), d.url) + more
	if err := os.WriteFile(l.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return l
}

// starts starts a daemon, whose log is shown if the test fails.
func starts(t *testing.T, l killtest.Larder) *killtest.Process {
	t.Helper()
	p := l.Start(t, "run")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of larder:\n%s", p.Log())
		}
	})
	return p
}

// alertmanager is asked by its own API.
type alertmanager struct{ server }

type managedAlert struct {
	Labels, Annotations         map[string]string
	StartsAt, EndsAt, UpdatedAt time.Time
}

// alerts are those that fire.
func (m alertmanager) alerts(t *testing.T) []managedAlert {
	t.Helper()
	var all []managedAlert
	get(t, m.url+"/api/v2/alerts", &all)
	return all
}

func (m alertmanager) severities(t *testing.T) (all []string) {
	t.Helper()
	for _, a := range m.alerts(t) {
		all = append(all, a.Labels["severity"])
	}
	return all
}

// has waits for the alert of shop.items with a severity, and more labels.
func (m alertmanager) has(t *testing.T, severity string, labels ...string) (found managedAlert) {
	t.Helper()
	soon(t, severity+" alert", func() bool {
		for _, a := range m.alerts(t) {
			same := a.Labels["table"] == "shop.items" && a.Labels["severity"] == severity
			for i := 0; i < len(labels); i += 2 {
				same = same && a.Labels[labels[i]] == labels[i+1]
			}
			if same {
				found = a
				return true
			}
		}
		return false
	})
	return found
}

// notified reports whether Alertmanager has sent on an alert with a status.
func (m alertmanager) notified(t *testing.T, status string, a managedAlert) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(os.TempDir(), "owners", "alertmanager", "webhooks.jsonl"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var sent struct {
			Alerts []struct {
				Status string
				Labels map[string]string
			}
		}
		if err := json.Unmarshal([]byte(line), &sent); err != nil {
			continue // it is being written
		}
		for _, s := range sent.Alerts {
			if s.Status == status && fmt.Sprint(s.Labels) == fmt.Sprint(a.Labels) {
				return true
			}
		}
	}
	return false
}

// measured asks Prometheus for the values of an expression at this moment.
func measured(t *testing.T, prometheus server, expression string) []json.RawMessage {
	t.Helper()
	var answer struct {
		Data struct{ Result []json.RawMessage }
	}
	get(t, prometheus.url+"/api/v1/query?query="+url.QueryEscape(expression), &answer)
	return answer.Data.Result
}

// firing are the alerts that fire by Prometheus's rules: name, severity and
// table.
func firing(t *testing.T, prometheus server) (all []string) {
	t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct {
				State  string
				Labels map[string]string
			}
		}
	}
	get(t, prometheus.url+"/api/v1/alerts", &answer)
	for _, a := range answer.Data.Alerts {
		if a.State == "firing" {
			all = append(all, strings.TrimSpace(a.Labels["alertname"]+" "+a.Labels["severity"]+" "+a.Labels["table"]))
		}
	}
	return all
}

func get(t *testing.T, address string, into any) {
	t.Helper()
	response, err := http.Get(address) //nolint:noctx // it is on this machine
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %v: %s", address, response.Status, err, body)
	}
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, toldWithin, what, ok)
}

func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if _, err := killtest.Eventually(ctx, 200*time.Millisecond, func() (bool, error) { return ok(), nil }); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
