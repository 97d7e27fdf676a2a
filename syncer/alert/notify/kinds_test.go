package notify_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/notify"
)

// pagerEvents are what PagerDuty was sent: action, key and severity.
func pagerEvents(t testing.TB, r *receiver) (out [][3]string) {
	t.Helper()
	for _, q := range r.asked() {
		var e struct {
			Action  string `json:"event_action"`
			Key     string `json:"dedup_key"`
			Payload struct{ Summary, Severity string }
		}
		if err := json.Unmarshal([]byte(q.body), &e); err != nil {
			t.Fatal(err)
		}
		if n := len([]rune(e.Payload.Summary)); n > 1024 {
			t.Errorf("summary of %d characters", n)
		}
		out = append(out, [3]string{e.Action, e.Key, e.Payload.Severity})
	}
	return out
}

func TestPagerDutyKeepsOneIncidentATable(t *testing.T) {
	r := newReceiver(t, answering(202, `{"status":"success"}`))
	p := must[*notify.PagerDuty](t)(notify.NewPagerDuty(notify.PagerDutyOptions{RoutingKey: canary, URL: r.URL}))
	warning := stale("shop.users")
	warning.Level = syncer.Warn
	for _, m := range []alert.Message{
		message(alert.Firing, warning),
		message(alert.Escalated, stale("shop.users")),
		message(alert.Reminder, stale("shop.users")),
		message(alert.Resolved, stale("shop.users")),
		alert.Trial("eu", "oncall", began()),
		{ID: "m2", Event: alert.Undelivered, Instance: "eu", Text: "cannot deliver via chat"},
	} {
		if _, err := p.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	want := [][3]string{
		{"trigger", "k-shop.users", "warning"}, {"trigger", "k-shop.users", "critical"}, {"trigger", "k-shop.users", "critical"},
		{"resolve", "k-shop.users", ""},
		{"trigger", alert.Key("eu", "larder.test"), "info"}, {"trigger", "larder-undelivered-eu", "error"},
	}
	if diff := cmp.Diff(want, pagerEvents(t, r)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestPagerDutyGoesOnWhereItBrokeOff tells of many tables: one attempt need not
// be long enough for all of them.
func TestPagerDutyGoesOnWhereItBrokeOff(t *testing.T) {
	count := 0
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if count++; count == 3 {
			w.WriteHeader(429)
		}
	})
	p := must[*notify.PagerDuty](t)(notify.NewPagerDuty(notify.PagerDutyOptions{RoutingKey: canary, URL: r.URL}))
	m := message(alert.Firing, stale("a"), stale("b"), stale("c"), stale("d"))
	if _, err := p.Notify(t.Context(), m); err == nil {
		t.Fatal("no error")
	}
	if _, err := p.Notify(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, e := range pagerEvents(t, r) {
		keys = append(keys, e[1])
	}
	if diff := cmp.Diff([]string{"k-a", "k-b", "k-c", "k-c", "k-d"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestDiscordTellsOfItsWebhook(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		want   behaviour
	}{
		{"deleted", answering(404, `{"message": "Unknown Webhook", "code": 10015}`), behaviour{permanent: true, gone: true}},
		{"another thing is not found", answering(404, `{"message": "Unknown Channel", "code": 10003}`), behaviour{permanent: true}},
		{"asked too often", answering(429, `{"message": "You are being rate limited.", "retry_after": 64.57, "global": false}`), behaviour{after: 64570 * time.Millisecond}},
		{"asked too often, by a header that is longer", answering(429, `{"retry_after": 1}`, "Retry-After", "5"), behaviour{after: 5 * time.Second}},
	} {
		r := newReceiver(t, test.answer)
		d := must[*notify.Discord](t)(notify.NewDiscord(notify.DiscordOptions{URL: r.URL + "/api/webhooks/1/" + canary + "?thread_id=7"}))
		_, err := d.Notify(t.Context(), firing())
		if err == nil || behaviourOf(t, err) != test.want {
			t.Errorf("%s: %v behaves like %+v, want %+v", test.name, err, behaviourOf(t, err), test.want)
		}
		if q := r.only(t); q.path != "/api/webhooks/1/"+canary+"?thread_id=7&wait=true" {
			t.Errorf("%s: asked %s", test.name, q.path)
		}
	}
}

func TestNtfyIsLoudByLevel(t *testing.T) {
	warning := stale("shop.users")
	warning.Level = syncer.Warn
	for want, m := range map[string]alert.Message{
		`"priority":5,"tags":["rotating_light",`:     firing(),
		`"priority":4,"tags":["warning",`:            message(alert.Firing, warning),
		`"priority":3,"tags":["white_check_mark",`:   message(alert.Resolved, stale("shop.users")),
		`"priority":3,"tags":["information_source",`: alert.Trial("eu", "oncall", began()),
	} {
		r := newReceiver(t, nil)
		n := must[*notify.Ntfy](t)(notify.NewNtfy(notify.NtfyOptions{URL: r.URL + "/", Topic: "alerts", Token: "tk_" + canary}))
		if _, err := n.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if q := r.only(t); !strings.Contains(q.body, want) || q.path != "/" || q.header.Get("Authorization") != "Bearer tk_"+canary {
			t.Errorf("%s %q, want %s: %s", q.path, q.header.Get("Authorization"), want, q.body)
		}
	}
}

// TestSecretsDoNotTravelReadable: http is for this machine.
func TestSecretsDoNotTravelReadable(t *testing.T) {
	for name, make := range map[string]func(base string) error{
		"pagerduty": func(b string) error {
			_, err := notify.NewPagerDuty(notify.PagerDutyOptions{RoutingKey: canary, URL: b})
			return err
		},
		"slack": func(b string) error {
			_, err := notify.NewSlack(notify.SlackOptions{URL: b + "/" + canary})
			return err
		},
		"teams": func(b string) error {
			_, err := notify.NewTeams(notify.TeamsOptions{URL: b + "/" + canary})
			return err
		},
		"discord": func(b string) error {
			_, err := notify.NewDiscord(notify.DiscordOptions{URL: b + "/" + canary})
			return err
		},
		"ntfy": func(b string) error {
			_, err := notify.NewNtfy(notify.NtfyOptions{URL: b, Topic: "t", Token: canary})
			return err
		},
	} {
		for base, want := range map[string]bool{
			"https://receiver.example": true, "http://localhost:1": true, "http://127.0.0.1:1": true, "http://[::1]:1": true,
			"http://receiver.example": false, "http://10.0.0.1": false, "http://localhost.example": false,
		} {
			err := make(base)
			if (err == nil) != want {
				t.Errorf("%s at %s: %v", name, base, err)
			}
			if err != nil {
				shows(t, "error", err.Error())
			}
		}
	}
}

func TestOptionsThatSayTooLittle(t *testing.T) {
	for name, err := range map[string]error{
		"pagerduty":         second(notify.NewPagerDuty(notify.PagerDutyOptions{})),
		"slack":             second(notify.NewSlack(notify.SlackOptions{})),
		"teams":             second(notify.NewTeams(notify.TeamsOptions{URL: "nowhere"})),
		"discord":           second(notify.NewDiscord(notify.DiscordOptions{URL: "https://user:" + canary + "@discord.example"})),
		"ntfy":              second(notify.NewNtfy(notify.NtfyOptions{URL: "https://ntfy.example"})),
		"ntfy's topic":      second(notify.NewNtfy(notify.NtfyOptions{Topic: "a/" + canary})),
		"ntfy with a path":  second(notify.NewNtfy(notify.NtfyOptions{URL: "https://ntfy.sh/" + canary, Topic: "t"})),
		"exec":              second(notify.NewExec(notify.ExecOptions{})),
		"heartbeat":         second(notify.NewHeartbeat(notify.HeartbeatOptions{URL: "ftp://x/" + canary})),
		"heartbeat's every": second(notify.NewHeartbeat(notify.HeartbeatOptions{URL: "https://x.example", Every: -1})),
	} {
		if err == nil {
			t.Errorf("%s is taken", name)
			continue
		}
		shows(t, name, err.Error())
	}
}

func second[N any](_ N, err error) error { return err }
