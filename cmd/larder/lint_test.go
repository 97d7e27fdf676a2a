package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
)

const linted = `
consumer.shop.database = "sqlite:shop.db"
larder.timezone        = "Europe/Berlin"
owner.users.url        = "https://users.internal"
[source.users]
schedule  = "SCHEDULE"
jitter    = "0s"
SOURCE
request   = { path = "/users", query = { since = "{since}" } }
records   = { key = "id", deleted = "deleted_at" }
watermark = "updated_at"
[[table]]
source  = "users"
budget  = BUDGET
columns = { id = "bigint" }
`

// lintedBy returns what is told of a budget, mistakes and warnings, each from
// where it says what is wrong.
func lintedBy(t *testing.T, schedule, source, budget string) (mistakes, warnings []string) {
	t.Helper()
	text := strings.NewReplacer("SCHEDULE", schedule, "SOURCE", source, "BUDGET", budget).Replace(linted)
	c, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	plans, wrong := schedulesOf(c)
	for _, m := range wrong {
		mistakes = append(mistakes, m.Text)
	}
	if len(wrong) == 0 {
		for _, m := range rareBudgets(c, plans) {
			warnings = append(warnings, m.Text)
		}
	}
	return mistakes, warnings
}

// A budget is held against the longest time between two ticks, over nights,
// weekends and the hours by which clocks change: one that is broken even if every
// poll succeeds is a mistake, and one that a single failed poll breaks is a
// warning.
func TestBudgetsAgainstTheGapsOfSchedules(t *testing.T) {
	const source = `lag = "1m"`
	for _, x := range []struct {
		schedule, budget string
		mistake, warning string // part of the only one
	}{
		{"@every 10m", `"22m"`, "", ""},
		{"@every 10m", `"21m"`, "", ""},
		{"@every 10m", `"20m"`, "", "critical 20m0s is shorter than two gaps between polls of \"users\" by schedule \"@every 10m\", 21m0s"},
		{"@every 10m", `{ warn = "12m", critical = "1h" }`, "", "warn 12m0s is shorter than two gaps"},
		{"@every 10m", `"11m"`, "critical 11m0s is not longer than the 11m0s that may pass", ""},
		{"@every 10m", `{ warn = "11m", critical = "1h" }`, "warn 11m0s is not longer than the 11m0s", ""},
		// From Friday to Monday, an hour longer where clocks go back.
		{"0 6 * * 1-5", `"73h"`, "critical 73h0m0s is not longer than the 73h1m0s", ""},
		{"0 6 * * 1-5", `"74h"`, "", "critical 74h0m0s is shorter than two gaps between polls of \"users\" by schedule \"0 6 * * 1-5\", 146h1m0s"},
		{"0 6 * * 1-5", `"147h"`, "", ""},
		// Nights; clocks change on a Sunday at two, inside the gap.
		{"*/10 8-18 * * *", `"13h"`, "critical 13h0m0s is not longer than the 14h11m0s", ""},
		{"CRON_TZ=UTC */10 8-18 * * *", `"13h12m"`, "", "shorter than two gaps"},
		{"CRON_TZ=UTC */10 8-18 * * *", `"13h11m"`, "critical 13h11m0s is not longer than the 13h11m0s", ""},
		// A daily copy: 25 hours in autumn.
		{"0 3 * * *", `"25h"`, "critical 25h0m0s is not longer than the 25h1m0s", ""},
		{"auto", `"15m"`, "", ""},
		// Grace counts from the ticks, whatever lies between them.
		{"0 6 * * 1-5", `{ grace = "30m" }`, "", ""},
		{"auto", `{ grace = "30m" }`, "budget.grace: counts from the ticks of a schedule, and source \"users\" says none", ""},
		{"auto", `{ critical = "1h", grace = "30m" }`, "", ""},
		{"@every 10m", `{ critical = "10m", grace = "30m" }`, "critical 10m0s is not longer than the 11m0s", ""},
	} {
		mistakes, warnings := lintedBy(t, x.schedule, source, x.budget)
		only(t, x.schedule+" "+x.budget+": mistakes", x.mistake, mistakes)
		only(t, x.schedule+" "+x.budget+": warnings", x.warning, warnings)
	}
}

func only(t *testing.T, what, want string, got []string) {
	t.Helper()
	if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.Contains(got[0], want)) {
		t.Errorf("%s: %q, want only %q", what, got, want)
	}
}

// A grace is over before the poll of its tick can count, by its jitter, or by the
// walks that have to agree on a deletion; and a record cannot be newer than the
// poll that sees it.
func TestGraceJitterAndNewest(t *testing.T) {
	text := strings.Replace(linted, `jitter    = "0s"`, `jitter    = "10m"`, 1)
	text = strings.NewReplacer("SCHEDULE", "@hourly", "SOURCE\n", "", "BUDGET", `{ grace = { warn = "1s", critical = "30m" } }`+"\nnewest = \"1h\"").Replace(text)
	c, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	plans, mistakes := schedulesOf(c)
	if len(mistakes) != 2 || !strings.Contains(mistakes.Error(), "budget.grace: warn 1s is not longer than the ") ||
		!strings.Contains(mistakes.Error(), "newest: 1h0m0s is not longer than the ") {
		t.Errorf("%v, want a mistake of grace and one of newest", mistakes)
	}
	c.Sources[0].Mode, c.Tables[0].Confirm = config.Snapshot, 2
	mistakes = unkeptGrace(c, c.Sources[0], c.Tables[0], gapsOf(c.Sources[0], plans[c.Sources[0]], c.Tables[0]), 0)
	if len(mistakes) != 2 || !strings.Contains(mistakes.Error(), "critical 30m0s is not longer than the 1h0m0s") {
		t.Errorf("with two walks: %v", mistakes)
	}
}

// What the configuration says of a budget is what copies are judged by.
func TestBudgetOfATable(t *testing.T) {
	text := strings.NewReplacer("SCHEDULE", "0 6 * * 1-5", "SOURCE", `lag = "5m"`, "BUDGET", `{ grace = { warn = "20m", critical = "30m" } }`).Replace(linted)
	c, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	plans, mistakes := schedulesOf(c)
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// Friday at six, as of five minutes before; the next tick is on Monday.
	asOf := time.Date(2026, 11, 20, 5, 55, 0, 0, zone)
	const due = 72*time.Hour + 5*time.Minute
	got := budgetOf(c.Tables[0], plans[c.Sources[0]]).At(asOf)
	if diff := cmp.Diff(syncer.Budget{Warn: due + 20*time.Minute, Critical: due + 30*time.Minute}, got); diff != "" {
		t.Errorf("budget over the weekend (-want +got):\n%s", diff)
	}
}

func TestMaintenanceSchedules(t *testing.T) {
	for _, x := range []struct{ schedule, duration, want string }{
		{"0 3 * * 0", "2h", ""},
		{"@daily", "23h", ""},
		{"@daily", "25h", "maintenance[0]: duration: 25h0m0s is as long as the longest time"},
		{"@every 1h", "5m", "maintenance[0]: schedule: an interval begins anew"},
		{"61 * * * *", "5m", "maintenance[0]: schedule: "},
	} {
		text := strings.NewReplacer("SCHEDULE", "auto", "SOURCE\n", "", "BUDGET", `"1h"`).Replace(linted)
		text += "[[maintenance]]\nschedule = \"" + x.schedule + "\"\nduration = \"" + x.duration + "\"\n"
		_, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false }, judge)
		if (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s for %s: %v, want %q", x.schedule, x.duration, err, x.want)
		}
	}
}

// A table that nobody is told of although there are alerts is warned of.
func TestTablesThatNobodyIsToldOf(t *testing.T) {
	for _, x := range []struct{ alerts, want string }{
		{"", ""},
		{"[alert.a]\nkind = \"log\"\n", ""},
		{"[alert.a]\nkind = \"log\"\nlevels = [\"warn\"]\n", "nobody is told when shop.users is too old"},
		{"[alert.a]\nkind = \"log\"\nlevels = [\"warn\"]\n[alert.b]\nkind = \"log\"\ntables = \"u*\"\n", ""},
		{"[alert.a]\nkind = \"log\"\ntables = \"other\"\n", "nobody is told when shop.users is too old"},
	} {
		other := "[[table]]\nsource = \"users\"\nname = \"other\"\nbudget = \"1h\"\ncolumns = { id = \"bigint\" }\n"
		p := alertingParts(t, other+x.alerts)
		var got []string
		for _, w := range p.warnings {
			if strings.Contains(w.Text, "shop.users") {
				got = append(got, w.Text)
			}
		}
		only(t, x.alerts, x.want, got)
	}
}
