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
		{"@every 10m", `"20m"`, "", "critical 20m is shorter than two gaps between polls of \"users\" by schedule \"@every 10m\", 20m plus 1m of lag:"},
		{"@every 10m", `{ warn = "12m", critical = "1h" }`, "", "warn 12m is shorter than two gaps"},
		{"@every 10m", `"11m"`, "critical 11m is not longer than the 10m plus 1m of lag that may pass", ""},
		{"@every 10m", `{ warn = "11m", critical = "1h" }`, "warn 11m is not longer than the 10m plus 1m of lag", ""},
		// From Friday to Monday, an hour longer where clocks go back.
		{"0 6 * * 1-5", `"73h"`, "critical 3d1h is not longer than the 3d1h plus 1m of lag", ""},
		{"0 6 * * 1-5", `"74h"`, "", "critical 3d2h is shorter than two gaps between polls of \"users\" by schedule \"0 6 * * 1-5\", 6d2h plus 1m of lag"},
		{"0 6 * * 1-5", `"147h"`, "", ""},
		// Nights; clocks change on a Sunday at two, inside the gap.
		{"*/10 8-18 * * *", `"13h"`, "critical 13h is not longer than the 14h10m plus 1m of lag", ""},
		{"CRON_TZ=UTC */10 8-18 * * *", `"13h12m"`, "", "shorter than two gaps"},
		{"CRON_TZ=UTC */10 8-18 * * *", `"13h11m"`, "critical 13h11m is not longer than the 13h10m plus 1m of lag", ""},
		// A daily copy: 25 hours in autumn.
		{"0 3 * * *", `"25h"`, "critical 25h is not longer than the 25h plus 1m of lag", ""},
		{"auto", `"15m"`, "", ""},
		// Grace counts from the ticks, whatever lies between them.
		{"0 6 * * 1-5", `{ grace = "30m" }`, "", ""},
		{"auto", `{ grace = "30m" }`, "budget.grace: counts from the ticks of a schedule, and source \"users\" says none", ""},
		{"auto", `{ critical = "1h", grace = "30m" }`, "", ""},
		{"@every 10m", `{ critical = "10m", grace = "30m" }`, "critical 10m is not longer than the 10m plus 1m of lag", ""},
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
// walks that have to agree on a deletion, which is a mistake. That a record cannot
// be newer than the poll that sees it is a warning: files say so since there was
// nobody to tell.
func TestGraceJitterAndNewest(t *testing.T) {
	text := strings.Replace(linted, `jitter    = "0s"`, `jitter    = "10m"`, 1)
	text = strings.NewReplacer("SCHEDULE", "@hourly", "SOURCE\n", "", "BUDGET", `{ grace = { warn = "1s", critical = "30m" } }`+"\nnewest = \"1h\"").Replace(text)
	c, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	plans, mistakes := schedulesOf(c)
	if len(mistakes) != 1 || !strings.Contains(mistakes.Error(), "budget.grace: warn 1s is not longer than the ") {
		t.Errorf("%v, want a mistake of grace", mistakes)
	}
	if warnings := rareNewest(c, plans); len(warnings) != 1 || !strings.Contains(warnings.Error(), `table "users": newest: 1h is not longer than the `) {
		t.Errorf("%v, want a warning of newest", warnings)
	}
	c.Sources[0].Mode, c.Tables[0].Confirm = config.Snapshot, 2
	mistakes = unkeptGrace(c, c.Sources[0], c.Tables[0], gapsOf(c.Sources[0], plans[c.Sources[0]], c.Tables[0]), 0)
	if len(mistakes) != 2 || !strings.Contains(mistakes.Error(), "critical 30m is not longer than the 1h that") {
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
	const none = "nobody would ever be told; make it shorter, or pause the tables"
	for _, x := range []struct{ schedule, duration, want string }{
		{"0 3 * * 0", "2h", ""},
		{"@daily", "23h", ""},
		{"@daily", "25h", "maintenance[0]: duration: 25h0m0s is as long as the time between two beginnings by schedule \"@daily\": " + none},
		// An hour of October is left, where clocks change.
		{"@daily", "24h", "maintenance[0]: duration: 24h0m0s is as long as the time"},
		{"* * * * *", "1m", "maintenance[0]: duration: 1m0s is as long as the time"},
		{"* * * * 1-5", "1m", ""},
		{"0 0 1 7 *", "30d", ""},
		{"@every 1h", "5m", "maintenance[0]: schedule: an interval begins anew"},
		{"61 * * * *", "5m", "maintenance[0]: schedule: "},
	} {
		judgedWith(t, x.schedule+" for "+x.duration, maintained("", x.schedule, x.duration), x.want)
	}
}

// Maintenances that are good one by one may leave no time together, and so may
// hours off: then nobody would ever be told.
func TestQuietWithoutEnd(t *testing.T) {
	day, night := maintained("users", "0 8 * * *", "12h"), maintained("shop.*", "0 20 * * *", "12h")
	const together = "maintenance[1]: maintenance[0], maintenance[1] leave no time in which anybody is told of shop.users; make one of them shorter, or pause the table"
	for _, x := range []struct{ name, text, want string }{
		{"day and night", day + night, together},
		{"day and most of the night", day + maintained("users", "0 20 * * *", "11h"), ""},
		{"day and night of others", day + maintained("other", "0 20 * * *", "12h"), ""},
		{"working days and their nights", maintained("users", "0 8 * * 1-5", "12h") + night, ""},
		{"overlapping", day + maintained("*", "0 19 * * *", "14h"), together},
		{"July and August", maintained("", "0 0 1 7 *", "30d") + maintained("", "0 0 31 7 *", "30d"), ""},
		{"whole days", off(`{ from = "00:00", to = "24:00" }`), "no time in which anything is sent"},
		{"day and night off", off(`[ { from = "08:00", to = "20:00" }, { from = "20:00", to = "08:00" } ]`), "hours_off: leaves no time in which anything is sent; leave some hours free, or leave the alert out"},
		{"in three", off(`[ { from = "08:00", to = "20:00" }, { from = "19:00", to = "04:30" }, { from = "03:00", to = "08:00" } ]`), "no time in which anything is sent"},
		{"a minute free", off(`[ { from = "08:00", to = "20:00" }, { from = "20:01", to = "08:00" } ]`), ""},
		{"Sunday free", off(`{ from = "00:00", to = "24:00", days = ["mon", "tue", "wed", "thu", "fri", "sat"] }`), ""},
		{"days and the weekend", off(`[ { from = "00:00", to = "24:00", days = ["mon", "tue", "wed", "thu", "fri"] }, { from = "00:00", to = "24:00", days = ["sat", "sun"] } ]`), "no time in which"},
		{"free in Berlin alone", off(`[ { from = "00:00", to = "12:00", timezone = "UTC" }, { from = "12:00", to = "24:00" } ]`), ""},
		{"free in summer", off(`[ { from = "00:00", to = "12:00", timezone = "UTC" }, { from = "13:00", to = "01:00" } ]`), ""},
		{"nowhere free", off(`[ { from = "00:00", to = "12:00", timezone = "UTC" }, { from = "12:00", to = "03:00" } ]`), "no time in which"},
	} {
		judgedWith(t, x.name, x.text, x.want)
	}
}

func maintained(tables, schedule, duration string) string {
	text := "[[maintenance]]\nschedule = \"" + schedule + "\"\nduration = \"" + duration + "\"\n"
	if tables != "" {
		text += "tables = \"" + tables + "\"\n"
	}
	return text
}

func off(hours string) string { return "[alert.a]\nkind = \"log\"\nhours_off = " + hours + "\n" }

// judgedWith judges a small configuration with two tables and a text, which is
// good or makes one mistake.
func judgedWith(t *testing.T, name, text, want string) {
	t.Helper()
	whole := strings.NewReplacer("SCHEDULE", "auto", "SOURCE\n", "", "BUDGET", `"1h"`).Replace(linted) +
		"[[table]]\nsource = \"users\"\nname = \"other\"\nbudget = \"1h\"\ncolumns = { id = \"bigint\" }\n" + text
	_, err := config.Parse("larder.toml", []byte(whole), func(string) (string, bool) { return "", false }, judge)
	if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")) {
		t.Errorf("%s: %v, want %q", name, err, want)
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
