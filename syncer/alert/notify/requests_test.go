package notify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/notify"
)

var update = flag.Bool("update", false, "write the requests of this run into testdata")

// TestRequestsAreAsWritten holds what each kind sends against testdata: there
// one sees what a receiver gets.
func TestRequestsAreAsWritten(t *testing.T) {
	spiteful := stale("shop.users")
	spiteful.Reason, spiteful.Failure = hostile, &syncer.Failure{Class: syncer.ClassAnswer, Text: hostile}
	aged := stale("shop.users")
	aged.Level, aged.StaleSince = syncer.Warn, began().Add(-2*time.Minute)
	aged.Facts = alert.Facts{Level: syncer.Warn, AsOf: began().Add(-11 * time.Minute), Staleness: 11 * time.Minute,
		Limit: 10 * time.Minute, Measure: syncer.MeasureNewest, Age: 12 * time.Minute,
		Reason:  "newest record is from 2026-03-01 03:08:00Z: the owner's own pipeline may be stuck",
		Failure: &syncer.Failure{Class: syncer.ClassHTTP5xx, Status: 503, Text: "owner answers 503 Service Unavailable"},
		Since:   began().Add(-10 * time.Minute), NextPoll: began().Add(time.Minute), LastQuarantined: 3, Held: 40}
	two := message(alert.Reminder, stale("shop.users"), stale("shop.orders"))
	two.Cause, two.Via = "connect, consumer shop: dial db: refused", "pager"
	for name, m := range map[string]alert.Message{
		"firing":   firing(),
		"resolved": message(alert.Resolved, stale("shop.users")),
		"two":      two,
		"hostile":  message(alert.Firing, spiteful),
		"newest":   message(alert.Firing, aged),
	} {
		for _, k := range kinds() {
			t.Run(k.name+" "+name, func(t *testing.T) {
				if k.name == "alertmanager" {
					t.Skip("what it sends holds the time at which it is sent; see TestAlertmanager")
				}
				r := newReceiver(t, nil)
				if _, err := k.make(t, r.URL, nil).Notify(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				compare(t, k.name+"_"+name+".json", r.asked())
			})
		}
	}
}

// compare holds requests against a file, one behind the other.
func compare(t *testing.T, name string, all []asked) {
	t.Helper()
	var got bytes.Buffer
	for _, q := range all {
		got.WriteString(q.method + " " + q.path + "\n")
		if err := json.Indent(&got, []byte(q.body), "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteString("\n")
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestChatsShowOwnersTextAsItIs looks for what each chat would make markup,
// mentions or links of.
func TestChatsShowOwnersTextAsItIs(t *testing.T) {
	spiteful := stale("shop.users")
	spiteful.Reason, spiteful.Failure = hostile, nil
	for _, k := range kinds() {
		forbidden := map[string][]string{
			"slack":   {"<!channel>", "<@U1>", "@everyone", "http://evil", "<at>", " &amp; "},
			"teams":   {"<at>", "@everyone", "http://evil", `"TextBlock"`},
			"discord": {"@everyone", "<@U1>", "http://evil", " *b*", " _i_", " `c`", "[x]", " | "},
			"ntfy":    {`"markdown"`, "\\u001b", "\\r"},
		}[k.name]
		if forbidden == nil {
			continue
		}
		r := newReceiver(t, nil)
		if _, err := k.make(t, r.URL, nil).Notify(t.Context(), message(alert.Firing, spiteful)); err != nil {
			t.Fatal(err)
		}
		for _, text := range forbidden {
			if strings.Contains(r.only(t).body, text) {
				t.Errorf("%s sends %q: %s", k.name, text, r.only(t).body)
			}
		}
	}
}

// TestPayloadIsAsTheManualShowsIt looks for the whole request in the manual.
func TestPayloadIsAsTheManualShowsIt(t *testing.T) {
	manual, err := os.ReadFile("../../../config/README.md")
	if err != nil {
		t.Fatal(err)
	}
	sent, err := os.ReadFile("testdata/webhook_firing.json")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(sent), "\n")
	if !strings.Contains(string(manual), "```json\n"+body+"```\n") {
		t.Error("the manual does not show what testdata/webhook_firing.json holds")
	}
}

// carrier is a RoundTripper that goes nowhere.
type carrier func(*http.Request)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	c(r)
	return nil, errors.New("nowhere")
}

// Where messages go that nobody said an address for is what the manual says.
func TestAddressesOfTheirOwn(t *testing.T) {
	var got []string
	note := carrier(func(r *http.Request) { got = append(got, strings.TrimSuffix(r.URL.String(), "/")) })
	for _, n := range []alert.Notifier{
		must[*notify.PagerDuty](t)(notify.NewPagerDuty(notify.PagerDutyOptions{RoutingKey: canary, Transport: note})),
		must[*notify.Ntfy](t)(notify.NewNtfy(notify.NtfyOptions{Topic: "larder", Transport: note})),
	} {
		if _, err := n.Notify(t.Context(), firing()); err == nil {
			t.Error("nowhere is reached")
		}
	}
	manual, err := os.ReadFile(filepath.Join("..", "..", "..", "config", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || !strings.Contains(string(manual), "Of PagerDuty and ntfy it is `"+got[0]+"` and `"+got[1]+"` unless said") {
		t.Errorf("messages go to %v, and the manual says otherwise", got)
	}
}
