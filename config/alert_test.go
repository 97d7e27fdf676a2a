package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/config"
)

func secretList(values ...string) (all []config.Secret) {
	for _, v := range values {
		all = append(all, config.NewSecret(v))
	}
	return all
}

func TestEveryKeyOfAlert(t *testing.T) {
	c := everyKey(t)
	both, critical := []config.AlertLevel{config.AlertWarn, config.AlertCritical}, []config.AlertLevel{config.AlertCritical}
	const signing = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ"
	all := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday}
	log := &config.Alert{Name: "log", Kind: config.AlertLog}
	mail := &config.Alert{
		Name: "mail", Kind: config.AlertEmail, SMTP: config.NewSecret("smtp://larder:canary-mail@mail.internal:587"),
		From: "larder <larder@example.com>", To: []string{"a@example.com", "b@example.com"}, Fallback: log,
	}
	want := []*config.Alert{
		{
			Name: "hook", Kind: config.AlertWebhook, URL: config.NewSecret("https://hooks.internal/canary-{hook}"),
			Secrets: secretList(signing+"5", signing+"z"), Auth: config.Auth{Kind: config.AuthBearer, Scheme: "Token", Bearer: config.NewSecret("canary-gate")}, Levels: both, Tables: []string{"app.*", "people"}, Consumers: []string{"app"},
			Repeat: config.Repeat{Critical: 2 * time.Hour}, Fallback: mail,
			HoursOff: []config.HoursOff{
				{From: 22 * time.Hour, To: 7*time.Hour + 30*time.Minute, Days: all, Timezone: "Europe/Berlin"},
				{From: 0, To: 24 * time.Hour, Days: []time.Weekday{time.Saturday, time.Sunday}, Timezone: "UTC"},
			},
		},
		mail,
		{Name: "am", Kind: config.AlertAlertmanager, URLs: secretList("https://am-0:9093", "https://am-1:9093/canary-am"),
			Auth: config.Auth{Kind: config.AuthBasic, User: config.NewSecret("canary-user"), Password: config.NewSecret("canary-password")}},
		{
			Name: "pager", Kind: config.AlertPagerDuty, RoutingKey: config.NewSecret("canary-routing"),
			URL: config.NewSecret("https://events.eu.pagerduty.com/v2/enqueue"),
		},
		{Name: "push", Kind: config.AlertNtfy, Topic: config.NewSecret("canary-topic"), Token: config.NewSecret("canary-push")},
		{Name: "program", Kind: config.AlertExec, Command: []string{"/bin/tell", "us"}},
		log,
	}
	for _, a := range want {
		a.KeyPath = "alert." + a.Name
		if a.Name != "hook" {
			a.Levels, a.Repeat, a.Resolved, a.Group = critical, config.Repeat{Critical: time.Hour}, true, 30*time.Second
		}
	}
	same(t, "alerts", want, c.Alerts)
	same(t, "maintenance", []config.Maintenance{
		{KeyPath: "maintenance[0]", Tables: []string{"*.weather"}, Schedule: "0 3 * * 0", Duration: 90 * time.Minute},
	}, c.Maintenance)
	same(t, "nudges", []*config.Nudge{
		{Name: "users", KeyPath: "nudge.users", Source: c.Sources[0], Kind: config.NudgeStandard, Secrets: secretList(signing + "5"), Debounce: 5 * time.Second},
		{Name: "city", KeyPath: "nudge.city", Source: c.Sources[1], Kind: config.NudgeGitHub, Secrets: secretList("canary-canary-canary"), Debounce: time.Second},
	}, c.Nudges)
}

// A glob means CONSUMER.name or the name alone, and a table is watched if both its globs and the consumers' say so.
func TestWhatAnAlertWatches(t *testing.T) {
	people := &config.Table{Name: "people", Consumer: &config.Consumer{Name: "app"}}
	weather := &config.Table{Name: "public.weather", Consumer: &config.Consumer{Name: "trip"}}
	for _, x := range []struct {
		tables, consumers []string
		people, weather   bool
	}{
		{nil, nil, true, true},
		{[]string{"app.*"}, nil, true, false},
		{[]string{"people"}, nil, true, false},
		{[]string{"*.weather"}, nil, false, true},
		{[]string{"public.weather", "p?ople"}, nil, true, true},
		{nil, []string{"t*"}, false, true},
		{[]string{"people"}, []string{"trip"}, false, false},
		{[]string{"*"}, []string{"[a-z]*"}, true, true},
	} {
		a := &config.Alert{Tables: x.tables, Consumers: x.consumers}
		if a.Watches(people) != x.people || a.Watches(weather) != x.weather {
			t.Errorf("tables %q of consumers %q: %v, %v", x.tables, x.consumers, a.Watches(people), a.Watches(weather))
		}
		m := config.Maintenance{Tables: x.tables}
		if x.consumers == nil && (m.Covers(people) != x.people || m.Covers(weather) != x.weather) {
			t.Errorf("maintenance of %q: %v, %v", x.tables, m.Covers(people), m.Covers(weather))
		}
	}
}

// The value of the one obvious key will do.
func TestObviousKeysOfAlerts(t *testing.T) {
	c := parsed(t, "larder.heartbeat = \"https://hc.example.com/x\"\n"+changedBudget(`{ grace = "10m" }`)+"[defaults.table]\nbudget.grace.warn = \"5m\"\n")
	same(t, "heartbeat", &config.Heartbeat{URL: config.NewSecret("https://hc.example.com/x"), Every: time.Minute, When: config.HeartbeatAlive}, c.Larder.Heartbeat)
	same(t, "budget", config.Budget{Grace: config.Grace{Warn: 5 * time.Minute, Critical: 10 * time.Minute}}, c.Tables[0].Budget)
}

// What is allowed and rarely meant is told beside a config that is good.
func TestWarnings(t *testing.T) {
	c := parsed(t, changedBudget(`{ warn = "30s", critical = "1m", grace = { warn = "5s", critical = "59s" } }`))
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	const of = `table "users": budget.`
	const why = "; a budget of less than 1m is passed by one slow answer, too"
	same(t, "warnings", []string{
		"larder.toml:9:19: " + of + "warn: is 30s" + why,
		"larder.toml:9:60: " + of + "grace.warn: is 5s" + why,
		"larder.toml:9:77: " + of + "grace.critical: is 59s" + why,
	}, got)
}

// What others can read on its way is warned of where nothing but its text is lost by that. What carries a key is refused
// there, and nothing is said of this machine, of https, and of Alertmanagers, which are asked by http everywhere.
func TestReadableOnTheWay(t *testing.T) {
	c := parsed(t, `larder.heartbeat = "http://watch.internal/beat"
`+shop+`
[alert.a]
kind   = "webhook"
url    = "http://10.0.0.7/x"
secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
[alert.b]
kind  = "ntfy"
topic = "larder"
url   = "http://ntfy.lan"
[alert.c]
kind   = "webhook"
url    = "http://127.0.0.1:9/x"
secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
[alert.d]
kind  = "ntfy"
topic = "larder"
url   = "https://ntfy.lan"
[alert.e]
kind = "alertmanager"
urls = "http://alertmanager:9093"
`)
	var got []string
	for _, w := range c.Warnings {
		got = append(got, w.Error())
	}
	const text = "; use https where the network is not yours alone"
	same(t, "warnings", []string{
		`larder.toml:1:20: larder: heartbeat.url: is http: whoever is on the way can ask for it in larder's place` + text,
		`larder.toml:15:10: alert "a": url: is http: whoever is on the way can read the messages` + text,
		`larder.toml:20:9: alert "b": url: is http: whoever is on the way can read the messages` + text,
	}, got)
}

// Who only asks databases needs no secret of a receiver, or of those who ask larder.
func TestNoSecretsOfAlertsForDatabases(t *testing.T) {
	file := filepath.Join(t.TempDir(), "larder.toml")
	text := changedBudget(`"1h"`) + `
[larder]
tokens    = { read = "${NONE}" }
heartbeat = "${NONE}"
[alert.a]
kind   = "webhook"
url    = "${NONE}"
secret = ["${NONE}"]
[alert.b]
kind  = "ntfy"
topic = { file = "/nowhere" }
token = "${NONE}"
[alert.c]
kind = "email"
smtp = "${NONE}"
from = "a@example.com"
to   = "a@example.com"
[nudge.users]
secret = "${NONE}"
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadForDatabases(file, environ())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file, environ()); err == nil || strings.Count(err.Error(), "\n") != 7 {
		t.Errorf("load as for a daemon tells %v, want the eight that are missing", err)
	}
	if len(c.Alerts) != 3 || len(c.Nudges) != 1 {
		t.Errorf("alerts %v, nudges %v", c.Alerts, c.Nudges)
	}
}

// changedBudget is a whole config with a budget.
func changedBudget(budget string) string {
	return strings.Replace(shop, `"15m"`, budget, 1)
}
