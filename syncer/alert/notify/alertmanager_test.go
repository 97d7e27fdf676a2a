package notify_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/notify"
)

// posted is an alert as Alertmanager reads it.
type posted struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
}

func postedIn(t testing.TB, all ...asked) (out []posted) {
	t.Helper()
	for _, q := range all {
		var some []posted
		if err := json.Unmarshal([]byte(q.body), &some); err != nil {
			t.Fatal(err)
		}
		out = append(out, some...)
	}
	return out
}

func newAlertmanager(t testing.TB, urls ...string) *notify.Alertmanager {
	t.Helper()
	return must[*notify.Alertmanager](t)(notify.NewAlertmanager(notify.AlertmanagerOptions{URLs: urls, Instance: "eu"}))
}

func TestAlertmanager(t *testing.T) {
	r := newReceiver(t, nil)
	until := began().Add(4 * time.Minute)
	over := message(alert.Resolved, stale("shop.orders")).Alerts
	if _, err := newAlertmanager(t, r.URL+"/").Mirror(t.Context(), firing().Alerts, over, until); err != nil {
		t.Fatal(err)
	}
	if q := r.only(t); q.path != "/api/v2/alerts" {
		t.Errorf("asked %s", q.path)
	}
	labels := func(table string) map[string]string {
		return map[string]string{"alertname": "LarderStaleness", "larder": "eu", "table": table, "source": "users", "consumer": "shop", "severity": "critical"}
	}
	want := []posted{
		{labels("shop.users"), map[string]string{
			"summary": "CRITICAL shop.users is 23m stale, budget 15m",
			"description": "since 03:12 UTC (8m ago)\nno complete poll since 2026-03-01 02:57:00Z\n" +
				"last poll: connect: dial users.internal:443: connection refused, failing since 02:58 UTC (22m ago)\nnext poll 03:40 UTC; larder status, larder poll users",
			"measure": "staleness",
		}, began().Add(-8 * time.Minute), until},
		{labels("shop.orders"), map[string]string{
			"summary":     "OK shop.orders is fresh again, was stale 03:12–03:55 UTC (43m)",
			"description": "polls failed by connect: dial users.internal:443: connection refused\ncomplete as of 03:54:59 UTC",
		}, began().Add(-8 * time.Minute), began().Add(35 * time.Minute)},
	}
	if diff := cmp.Diff(want, postedIn(t, r.only(t))); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// TestAlertmanagerNeverEndsWhatHasNotBegun puts the clock back: Alertmanager
// refuses alerts that end before they start.
func TestAlertmanagerNeverEndsWhatHasNotBegun(t *testing.T) {
	r := newReceiver(t, nil)
	future, instant, unknown := stale("shop.a"), stale("shop.b"), stale("shop.c")
	future.StaleSince = began().Add(time.Hour)
	instant.Closed = instant.StaleSince
	unknown.StaleSince, unknown.Opened, unknown.Closed = time.Time{}, time.Time{}, time.Time{}
	if _, err := newAlertmanager(t, r.URL).Mirror(t.Context(), []alert.Alert{future}, []alert.Alert{instant, unknown}, began()); err != nil {
		t.Fatal(err)
	}
	for _, p := range postedIn(t, r.only(t)) {
		if !p.StartsAt.Before(p.EndsAt) || p.StartsAt.IsZero() {
			t.Errorf("%s lasts from %v to %v", p.Labels["table"], p.StartsAt, p.EndsAt)
		}
	}
}

func TestAlertmanagerIsToldInBatches(t *testing.T) {
	r := newReceiver(t, nil)
	var all []alert.Alert
	for i := range 450 {
		all = append(all, stale(fmt.Sprintf("shop.t%d", i)))
	}
	if _, err := newAlertmanager(t, r.URL).Mirror(t.Context(), all, nil, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	tables := map[string]bool{}
	for _, q := range r.asked() {
		some := postedIn(t, q)
		sizes = append(sizes, len(some))
		for _, p := range some {
			tables[p.Labels["table"]] = true
		}
	}
	if !slices.Equal(sizes, []int{200, 200, 50}) || len(tables) != 450 {
		t.Errorf("batches of %v, %d tables", sizes, len(tables))
	}
}

// TestOneAlertmanagerIsEnough has peers of which some do not take anything.
func TestOneAlertmanagerIsEnough(t *testing.T) {
	well, ill := newReceiver(t, nil), newReceiver(t, answering(503, "no", "Retry-After", "9"))
	answer, err := newAlertmanager(t, ill.URL, well.URL).Mirror(t.Context(), firing().Alerts, nil, time.Now().Add(time.Minute))
	host := strings.TrimPrefix(ill.URL, "http://")
	var some *alert.PeersError
	if !errors.As(err, &some) || len(some.Failed) != 1 || behaviourOf(t, some.Failed[host]) != (behaviour{after: 9 * time.Second}) {
		t.Errorf("error %v, want that of %s alone", err, host)
	}
	if !strings.Contains(answer, "not told: "+host+": receiver answered 503") {
		t.Errorf("answer %q", answer)
	}
	well.only(t)
	_, err = newAlertmanager(t, well.URL, ill.URL+"/one", ill.URL+"/two").Mirror(t.Context(), firing().Alerts, nil, time.Now().Add(time.Minute))
	if !errors.As(err, &some) || some.Failed[host] == nil || some.Failed[host+" (url 3)"] == nil {
		t.Errorf("error %v, want both peers of one host", err)
	}
	gone := newReceiver(t, answering(410, ""))
	_, err = newAlertmanager(t, ill.URL, gone.URL).Mirror(t.Context(), firing().Alerts, nil, time.Now().Add(time.Minute))
	if err == nil || behaviourOf(t, err) != (behaviour{after: 9 * time.Second}) || !strings.Contains(err.Error(), host) {
		t.Errorf("error %v behaves like %+v", err, behaviourOf(t, err))
	}
}

// TestBatchThatIsRefusedDelaysNoOther refuses the first batch for good: the
// tables of the second are told all the same.
func TestBatchThatIsRefusedDelaysNoOther(t *testing.T) {
	first := true
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if first {
			w.WriteHeader(400)
		}
		first = false
	})
	var all []alert.Alert
	for i := range 201 {
		all = append(all, stale(fmt.Sprintf("shop.t%d", i)))
	}
	_, err := newAlertmanager(t, r.URL).Mirror(t.Context(), all, nil, time.Now().Add(time.Minute))
	if err == nil || len(r.asked()) != 2 {
		t.Errorf("%d batches, error %v, want 2 and an error", len(r.asked()), err)
	}
}

// TestSeverityThatRoseEndsTheWarning: severity is a label, so the warning is an
// alert of its own there, and must not fire beside the critical one.
func TestSeverityThatRoseEndsTheWarning(t *testing.T) {
	r := newReceiver(t, nil)
	handler := carried(func(q *http.Request) (*http.Response, error) {
		r.ServeHTTP(discard{}, q)
		return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}}, nil
	})
	synctest.Test(t, func(t *testing.T) {
		m := must[*notify.Alertmanager](t)(notify.NewAlertmanager(notify.AlertmanagerOptions{URLs: []string{"http://am.example"}, Instance: "eu", Transport: handler}))
		a := stale("shop.users")
		tell := func() map[string]time.Time {
			if _, err := m.Mirror(t.Context(), []alert.Alert{a}, nil, time.Now().Add(4*time.Minute)); err != nil {
				t.Fatal(err)
			}
			all := r.asked()
			ends := map[string]time.Time{}
			for _, p := range postedIn(t, all[len(all)-1]) {
				ends[p.Labels["severity"]] = p.EndsAt
			}
			return ends
		}
		a.Level, a.StaleSince = syncer.Warn, time.Now().Add(-time.Minute)
		tell()
		time.Sleep(time.Minute)
		a.Level = syncer.Critical
		rose := time.Now()
		for minute := range 20 {
			want := map[string]time.Time{"critical": time.Now().Add(4 * time.Minute).UTC()}
			if minute <= 15 {
				want["warning"] = rose.UTC()
			}
			if diff := cmp.Diff(want, tell()); diff != "" {
				t.Fatalf("minute %d (-want +got):\n%s", minute, diff)
			}
			time.Sleep(time.Minute)
		}
	})
}

// discard is where nobody reads an answer.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func TestTrialOfAlertmanagerIsAnotherAlert(t *testing.T) {
	r := newReceiver(t, nil)
	if _, err := newAlertmanager(t, r.URL).Mirror(t.Context(), alert.Trial("eu", "am", began()).Alerts, nil, began().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if p := postedIn(t, r.only(t))[0]; p.Labels["alertname"] != "LarderTest" || !strings.HasPrefix(p.Annotations["summary"], "TEST ") {
		t.Errorf("trial is %+v", p)
	}
}

func TestAlertmanagerNeedsABase(t *testing.T) {
	for _, urls := range [][]string{nil, {""}, {"http://am.example?x=" + canary}, {"am.example:9093"}, {"http://am.example", "http://169.254.169.254"}} {
		_, err := notify.NewAlertmanager(notify.AlertmanagerOptions{URLs: urls})
		if err == nil {
			t.Errorf("%q is taken", urls)
			continue
		}
		shows(t, "error", err.Error())
	}
}
