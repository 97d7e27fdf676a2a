package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// alertingParts are those of a small configuration with alerts.
func alertingParts(t *testing.T, text string) *parts {
	t.Helper()
	c, err := config.Parse("larder.toml", []byte(strings.NewReplacer("SCHEDULE", "auto", "SOURCE\n", "", "BUDGET", `{ critical = "1h", hold = "3m" }`).Replace(linted)+text),
		func(string) (string, bool) { return "", false }, judge)
	if err != nil {
		t.Fatal(err)
	}
	p, err := build(c, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

const everyKind = `
[defaults.alert]
repeat = { warn = "0s", critical = "2h" }
[alert.hook]
kind     = "webhook"
url      = "http://127.0.0.1:9/x"
secret   = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
levels   = ["critical"]
tables   = "users"
fallback = "mail"
[alert.am]
kind = "alertmanager"
urls = ["http://127.0.0.1:9"]
[alert.pager]
kind        = "pagerduty"
routing_key = "0123456789"
[alert.slack]
kind = "slack"
url  = "https://slack.invalid/x"
[alert.teams]
kind = "teams"
url  = "https://teams.invalid/x"
[alert.discord]
kind = "discord"
url  = "https://discord.invalid/x"
[alert.push]
kind  = "ntfy"
topic = "larder"
[alert.mail]
kind      = "email"
smtp      = "smtps://u:p@mail.invalid:465"
from      = "a@example.com"
to        = "b@example.com"
hours_off = { from = "22:00", to = "07:00" }
resolved  = false
[alert.program]
kind    = "exec"
command = ["/bin/true"]
group   = "0s"
[alert.log]
kind = "log"
[[maintenance]]
tables   = "shop.*"
schedule = "0 3 * * 0"
duration = "2h"
`

// Each kind of receiver that the configuration takes can be made of it.
func TestReceiverOfEveryKind(t *testing.T) {
	p := alertingParts(t, everyKind)
	desk, err := p.desk(p.metrics)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, r := range desk.Receivers {
		kinds = append(kinds, r.Kind)
		if (r.Notifier == nil) == (r.Mirror == nil) || (r.Mirror != nil) != (r.Kind == "alertmanager") {
			t.Errorf("%s has the notifier %v and the mirror %v", r.Name, r.Notifier, r.Mirror)
		}
		if r.Repeat[syncer.Warn] != 0 || r.Repeat[syncer.Critical] != 2*time.Hour {
			t.Errorf("%s is reminded by %v", r.Name, r.Repeat)
		}
	}
	if want := []string{"webhook", "alertmanager", "pagerduty", "slack", "teams", "discord", "ntfy", "email", "exec", "log"}; !slices.Equal(kinds, want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
	hook, mail := desk.Receivers[0], desk.Receivers[7]
	if !slices.Equal(hook.Levels, []syncer.Level{syncer.Critical}) || !slices.Equal(hook.Tables, []string{"users"}) || hook.Fallback != "mail" || !hook.Resolved || hook.Limit != 20 {
		t.Errorf("the webhook is %+v", hook)
	}
	if mail.Resolved || mail.Off == nil || hook.Off != nil || desk.Receivers[2].Limit != 1 || desk.Receivers[8].Group != 0 {
		t.Errorf("mail is %+v", mail)
	}
	if desk.Hold("shop.users") != 3*time.Minute || desk.Instance != "larder" || desk.StartupGrace != 10*time.Minute {
		t.Errorf("the desk is %+v", desk)
	}
	if len(desk.Maintenance) != 1 || desk.Maintenance[0].Duration != 2*time.Hour || !alert.Matches(desk.Maintenance[0].Tables, "shop.users") {
		t.Errorf("maintenance is %+v", desk.Maintenance)
	}
}

// Globs mean the same to the configuration, which refuses those that match
// nothing, and to the desk.
func TestGlobsMeanTheSame(t *testing.T) {
	table := &config.Table{Name: "users", Consumer: &config.Consumer{Name: "shop"}}
	for _, glob := range []string{"*", "users", "shop.users", "shop.*", "u?ers", "*.users", "[s]hop.u*", "shop", "user", "app.*", "shopxusers", ""} {
		ours, theirs := (&config.Alert{Tables: []string{glob}}).Watches(table), alert.Matches([]string{glob}, "shop.users")
		if ours != theirs {
			t.Errorf("%q fits for the configuration: %v, for the desk: %v", glob, ours, theirs)
		}
	}
}

// Hours off go by the wall clock of their zone, over midnight and over changes of
// the clock.
func TestHoursOff(t *testing.T) {
	const berlin = "Europe/Berlin"
	weekend := config.HoursOff{From: 0, To: 24 * time.Hour, Days: []time.Weekday{time.Saturday, time.Sunday}, Timezone: berlin}
	nights := config.HoursOff{From: 22 * time.Hour, To: 7 * time.Hour, Days: []time.Weekday{time.Monday, time.Friday}, Timezone: berlin}
	lunch := config.HoursOff{From: 12 * time.Hour, To: 12*time.Hour + 30*time.Minute, Days: []time.Weekday{time.Wednesday}, Timezone: "UTC"}
	off, err := hoursOff([]config.HoursOff{weekend, nights, lunch})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		at   string // UTC; Berlin is an hour ahead in winter, two in summer
		want bool
	}{
		{"2026-11-20T22:59:59Z", true}, // Friday night in Berlin
		{"2026-11-20T23:00:00Z", true}, // Saturday
		{"2026-11-22T22:59:59Z", true}, // the end of Sunday
		{"2026-11-22T23:00:00Z", false},
		{"2026-11-23T20:59:59Z", false},
		{"2026-11-23T21:00:00Z", true}, // Monday at ten in the evening
		{"2026-11-24T05:59:59Z", true},
		{"2026-11-24T06:00:00Z", false},
		{"2026-11-24T21:00:00Z", false}, // Tuesday's night is none of the days
		{"2026-11-25T12:00:00Z", true},
		{"2026-11-25T12:30:00Z", false},
		{"2026-07-06T20:00:00Z", true}, // Monday at ten, in summer
		{"2026-07-06T19:59:59Z", false},
		{"2026-10-24T21:59:59Z", true}, // Saturday, in summer
		{"2026-10-25T22:59:59Z", true}, // Sunday has 25 hours
		{"2026-10-25T23:00:00Z", false},
	} {
		at, err := time.Parse(time.RFC3339, x.at)
		if err != nil {
			t.Fatal(err)
		}
		if off(at) != x.want {
			t.Errorf("%s: off is %v, want %v", x.at, off(at), x.want)
		}
	}
	if always, err := hoursOff(nil); always != nil || err != nil {
		t.Errorf("without hours: %v", err)
	}
}
