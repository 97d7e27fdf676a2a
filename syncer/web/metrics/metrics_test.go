package metrics_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/web/metrics"
)

var _ interface {
	syncer.Watch
	syncer.Observer
	alert.Observer
} = (*metrics.Metrics)(nil)

// told is a time that is easily read: so many seconds since 1970.
func told(seconds int64) time.Time { return time.Unix(seconds, 0) }

// shop is a larder of one source in two tables, and another source.
func shop() metrics.Options {
	budget := syncer.Budget{Warn: 5 * time.Minute, Critical: 15 * time.Minute}
	return metrics.Options{
		Version: "v1.2.3", Revision: "abc",
		Tables: []metrics.Table{
			{Name: "shop.users", Source: "users", Schedule: "@every 30s", Timezone: "UTC", Budget: budget,
				Moment: func(w string) (time.Time, bool) {
					at, err := time.Parse(time.RFC3339, w)
					return at, err == nil
				}},
			{Name: "games.users", Source: "users", Schedule: "@every 30s", Timezone: "UTC", Budget: syncer.Budget{Critical: time.Hour}},
			{Name: "shop.orders", Source: "orders", Schedule: "0 3 * * *", Timezone: "Europe/Berlin", Budget: budget},
		},
		Notifiers: []metrics.Notifier{{Name: "oncall", Kind: "webhook"}, {Name: "chat", Kind: "slack"}},
		Nudges:    []string{"users"},
		Heartbeat: true,
		Silenced:  func(time.Time) func(string) bool { return func(table string) bool { return table == "games.users" } },
		Pools: func() metrics.Pools {
			return metrics.Pools{Acquired: 2, Idle: 3, Constructing: 1, Waited: 1500 * time.Millisecond}
		},
		Backlog: func() []alert.Backlog {
			return []alert.Backlog{{Receiver: "oncall", Pending: 4, Oldest: told(5000)}, {Receiver: "chat", Disabled: true}}
		},
	}
}

// judged is how its copies stand: one fresh, one critical, one never complete.
func judged() []syncer.Judged {
	return []syncer.Judged{
		{Freshness: syncer.Freshness{Table: "shop.users", Level: syncer.Fresh, AsOf: told(10_000)}, Source: "users", Alarm: syncer.Fresh,
			NextPoll: told(10_060), Newest: told(9_000), Watermark: "1970-01-01T02:00:00Z"},
		{Freshness: syncer.Freshness{Table: "games.users", Level: syncer.Critical, AsOf: told(1_000)}, Source: "users", Alarm: syncer.Critical,
			NextPoll: told(10_030), Paused: true, LastQuarantined: 7, Watermark: "opaque"},
		{Freshness: syncer.Freshness{Table: "shop.orders", Level: syncer.Never}, Source: "orders", Alarm: syncer.Warn},
	}
}

// scripted is what such a larder has lived through.
func scripted(t *testing.T) *metrics.Metrics {
	t.Helper()
	m := metrics.New(shop())
	m.Judged(told(10_010), judged())
	for _, r := range []syncer.Report{
		{Source: "users", Walk: "a", Started: told(9_900), Took: 750 * time.Millisecond, Batches: 3, Records: 250, Bytes: 4096, Tables: []syncer.TableReport{
			{Table: "shop.users", Applied: syncer.Applied{Inserted: 100, Updated: 20, Deleted: 3, Unchanged: 40, Quarantined: 2}, Settled: syncer.Settled{Swept: 4}},
			{Table: "games.users", Applied: syncer.Applied{Inserted: 1}, Failure: &syncer.Failure{Class: syncer.ClassDatabase}},
		}},
		{Source: "users", Walk: "b", Started: told(9_930), Took: 10 * time.Second, Failure: &syncer.Failure{Class: syncer.ClassRateLimited}},
		{Source: "users", Walk: "c", Started: told(9_960), Took: 31250 * time.Microsecond, Unchanged: true},
		{Source: "users", Started: told(9_990), Failure: &syncer.Failure{Class: "of another release"}},
		{Source: "orders", Walk: "d", Started: told(9_991), Failure: &syncer.Failure{Class: syncer.ClassStopped}},
		{Source: "not configured", Walk: "e", Started: told(9_992)},
	} {
		m.Reported(r)
	}
	m.Nudged("users", "accepted", told(9_950))
	m.Nudged("users", "refused", told(9_960))
	m.Nudged("users", "an outcome of another release", told(9_970))
	m.Nudged("not configured", "accepted", told(9_970))
	m.Begins("users")
	m.Begins("orders")
	m.Ends("orders")
	m.Late("users", 2*time.Second)
	m.Late("orders", 0)
	m.Unrecorded(4)
	m.Skipped("users", syncer.SkipPaused, 1)
	m.Skipped("users", "a reason of another release", 1)
	for _, status := range []int{200, 200, 304, 404, 503, 0, 99, 777} {
		m.Requested("users", status, 30*time.Millisecond)
	}
	m.Retried("users", syncer.ClassHTTP5xx)
	m.Retried("users", syncer.ClassMisfit)
	m.Transacted(3*time.Millisecond, nil)
	m.Transacted(3*time.Millisecond, fmt.Errorf("settle: %w", coded("40001")))
	m.Transacted(3*time.Millisecond, coded("99ABC"))
	m.Transacted(3*time.Millisecond, errors.New("connection is gone"))
	m.Transacted(3*time.Millisecond, syncer.ErrFenced)
	m.Transacted(3*time.Millisecond, context.Canceled)
	m.Sent("oncall", alert.Firing)
	m.Sent("oncall", "an event of another release")
	m.Sent("not configured", alert.Firing)
	m.Failed("chat", alert.ReasonGone)
	m.Failed("chat", "a reason of another release")
	m.HeartbeatSent(told(10_005))
	m.Logged("warn")
	m.Logged("a level of another release")
	m.ConfigRead(told(9_000), true)
	m.ConfigRead(told(9_500), false)
	return m
}

type coded string

func (c coded) Error() string    { return "database says " + string(c) }
func (c coded) SQLState() string { return string(c) }

// TestExposition holds what a scrape shows after the script against a file:
// every series, but those of the Go runtime and of a clock that really runs.
func TestExposition(t *testing.T) {
	want, err := os.ReadFile("testdata/scripted.prom")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(exposition(t, scripted(t)), "\n")); diff != "" {
		t.Errorf("exposition (-want +got):\n%s", diff)
	}
}

// exposition is our own part of a scrape that is above 0, or stands alone.
func exposition(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(scrape(t, m)) {
		_, value, _ := strings.Cut(line, "} ")
		if strings.HasPrefix(line, "larder_") && !strings.Contains(line, "goversion") && value != "0\n" {
			out.WriteString(line)
		}
	}
	return out.String()
}

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("scrape: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// TestSeriesAreThereFromTheStart: what can be known beforehand shows 0 before
// anything has happened.
func TestSeriesAreThereFromTheStart(t *testing.T) {
	got := scrape(t, metrics.New(shop()))
	for _, series := range []string{
		`larder_polls_total{outcome="error",source="orders"}`, `larder_poll_errors_total{reason="dns",source="users"}`,
		`larder_runs_skipped_total{reason="overlap",source="users"}`, `larder_rows_total{op="rejected",source="users"}`,
		`larder_pages_total{source="orders"}`, `larder_response_bytes_total{source="orders"}`, `larder_poll_in_progress{source="users"}`,
		`larder_source_last_attempt_timestamp_seconds{source="users"}`, `larder_poll_duration_seconds_count{source="users"}`,
		`larder_http_requests_total{code_class="none",source="users"}`, `larder_http_retries_total{reason="timeout",source="users"}`,
		`larder_http_request_duration_seconds_count{source="orders"}`, `larder_db_transaction_duration_seconds_count`,
		`larder_db_errors_total{sqlstate_class="40"}`, `larder_notifications_total{event="resolved",notifier="chat"}`,
		`larder_notifications_failed_total{notifier="chat",reason="gone"}`, `larder_heartbeat_last_success_timestamp_seconds`,
		`larder_log_messages_total{level="error"}`, `larder_poll_start_delay_seconds_count`,
	} {
		if !strings.Contains(got, "\n"+series+" 0\n") {
			t.Errorf("there is no %s 0", series)
		}
	}
	for _, series := range []string{`larder_build_info{goversion="`, `larder_source_info{schedule="0 3 * * *",source="orders",table="shop.orders",timezone="Europe/Berlin"} 1`,
		"larder_config_last_reload_successful 1", "go_goroutines", "promhttp_metric_handler_requests_total"} {
		if !strings.Contains(got, "\n"+series) {
			t.Errorf("there is no %s", series)
		}
	}
}

// TestEveryClassHasASeries reads the classes from where they are declared.
func TestEveryClassHasASeries(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../../failure.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, found := scrape(t, metrics.New(shop())), 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Class") {
			return true
		}
		class, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		found++
		if !strings.Contains(got, fmt.Sprintf("larder_poll_errors_total{reason=%q,source=\"users\"} 0", class)) {
			t.Errorf("there is no series for %s", spec.Names[0].Name)
		}
		return true
	})
	if found < 15 {
		t.Errorf("only %d classes are found", found)
	}
}

// TestGoneAndForeignCopiesAreNotShown: neither those that are told of no more,
// nor those that another daemon judges, nor as-of where nothing can be told.
func TestGoneAndForeignCopiesAreNotShown(t *testing.T) {
	m := metrics.New(shop())
	shown := func(table string) []string {
		t.Helper()
		var out []string
		for line := range strings.Lines(scrape(t, m)) {
			if name, _, _ := strings.Cut(line, "{"); strings.Contains(line, `table="`+table+`"`) && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		return out
	}
	all := judged()
	m.Judged(told(1), all)
	if got := shown("games.users"); len(got) != 7 {
		t.Errorf("of a copy of ours: %q", got)
	}
	unknown := slices.Clone(all)
	unknown[1].Freshness = syncer.Freshness{Table: "games.users", Level: syncer.Unknown}
	m.Judged(told(2), unknown)
	if got := shown("games.users"); slices.Contains(got, "larder_source_last_success_timestamp_seconds") || !slices.Contains(got, "larder_alert_firing") {
		t.Errorf("of a copy of which nothing can be told: %q", got)
	}
	standby := slices.Clone(all)
	standby[1].Standby = true
	m.Judged(told(3), standby)
	if diff := cmp.Diff([]string{"larder_source_info"}, shown("games.users")); diff != "" {
		t.Errorf("of a copy that another daemon judges (-want +got):\n%s", diff)
	}
	m.Judged(told(4), all[:1])
	if diff := cmp.Diff([]string{"larder_source_info"}, shown("shop.orders")); diff != "" {
		t.Errorf("of a copy that is gone (-want +got):\n%s", diff)
	}
}

// TestGraceIsShownAsAnAge: what the rules compare with is what budget.grace
// comes to for the as-of there is.
func TestGraceIsShownAsAnAge(t *testing.T) {
	o := shop()
	o.Tables = o.Tables[:1]
	o.Tables[0].Budget = syncer.Budget{Grace: syncer.Grace{Critical: time.Minute, Due: ticks{told(12_000)}}}
	m := metrics.New(o)
	m.Judged(told(10_010), judged()[:1]) // as-of 10,000
	if want := `larder_source_staleness_budget_seconds{severity="critical",table="shop.users"} 2060`; !strings.Contains(scrape(t, m), want) {
		t.Errorf("there is no %s", want)
	}
}

type ticks []time.Time

func (s ticks) Next(after time.Time) time.Time {
	for _, t := range s {
		if t.After(after) {
			return t
		}
	}
	return time.Time{}
}

func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(scripted(t).Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestPromtool has Prometheus itself check what a scrape shows.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is not installed")
		}
		t.Skip("promtool is not installed")
	}
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(scrape(t, scripted(t)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// many is a larder of n sources in one table each.
func many(n int) metrics.Options {
	var o metrics.Options
	for i := range n {
		name := fmt.Sprintf("s%d", i)
		o.Tables = append(o.Tables, metrics.Table{Name: "shop." + name, Source: name, Budget: syncer.Budget{Warn: 1, Critical: 2}})
	}
	return o
}

// TestCardinality: 500 sources are at most 45,000 series; of more than 500 the
// histograms of all are one.
func TestCardinality(t *testing.T) {
	series := func(n int) int {
		m := metrics.New(many(n))
		var all []syncer.Judged
		for i := range n {
			name := fmt.Sprintf("s%d", i)
			all = append(all, syncer.Judged{Freshness: syncer.Freshness{Table: "shop." + name, Level: syncer.Fresh, AsOf: told(1)}, Source: name, NextPoll: told(2), Newest: told(1)})
			m.Reported(syncer.Report{Source: name, Walk: "w", Took: time.Second})
			m.Requested(name, 200, time.Second)
		}
		m.Judged(told(3), all)
		return strings.Count(scrape(t, m), "\nlarder_")
	}
	few, full, over := series(10), series(500), series(501)
	if full > 45_000 {
		t.Errorf("%d series for 500 sources", full)
	}
	each := (full - few) / 490
	if each > 90 {
		t.Errorf("%d series for each source", each)
	}
	if over > full-500*20 {
		t.Errorf("%d series for 501 sources, %d for 500: histograms are not one", over, full)
	}
}

// TestConcurrency is of use with -race.
func TestConcurrency(t *testing.T) {
	m := metrics.New(shop())
	var all sync.WaitGroup
	defer all.Wait()
	for range 4 {
		all.Go(func() {
			for range 50 {
				m.Judged(time.Now(), judged())
				m.Reported(syncer.Report{Source: "users", Walk: "w", Batches: 1})
				m.Begins("users")
				m.Ends("users")
				m.Late("users", 0)
				m.Skipped("users", syncer.SkipMissed, 2)
				m.Requested("users", 200, 0)
				m.Retried("users", syncer.ClassDNS)
				m.Transacted(0, nil)
				m.Sent("oncall", alert.Firing)
				m.Failed("oncall", alert.ReasonTimeout)
				m.HeartbeatSent(time.Now())
				m.Logged("info")
			}
		})
		all.Go(func() {
			for range 5 {
				if _, err := m.Gatherer().Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestScrapesAreParsed: both formats that Prometheus asks for.
func TestScrapesAreParsed(t *testing.T) {
	m := scripted(t)
	text := expfmt.NewTextParser(model.UTF8Validation)
	if _, err := text.TextToMetricFamilies(strings.NewReader(scrape(t, m))); err != nil {
		t.Errorf("text: %v", err)
	}
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Body)
	if w.Code != 200 || !bytes.Contains(body, []byte("larder_polls_total")) || !strings.Contains(w.Header().Get("Content-Type"), "protobuf") {
		t.Errorf("protobuf, which native histograms need: %d %s", w.Code, w.Header().Get("Content-Type"))
	}
}
