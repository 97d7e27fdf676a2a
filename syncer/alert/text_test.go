package alert_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// told is when the facts of stale are from.
func told() time.Time { return time.Date(2026, 3, 1, 3, 20, 0, 0, time.UTC) }

// stale is a table that is 23 minutes old and may be 15.
func stale() alert.Alert {
	return alert.Alert{
		ID: "a1", Key: "k1", Episode: "e1", Sequence: 1, Event: alert.Firing, Level: syncer.Critical,
		Table: "shop.users", Source: "users", Consumer: "shop",
		Opened: told(), StaleSince: told().Add(-8 * time.Minute),
		Facts: alert.Facts{
			Level: syncer.Critical, Reason: "no complete poll since 2026-03-01 02:57:00Z", AsOf: told().Add(-23 * time.Minute),
			Staleness: 23 * time.Minute, Limit: 15 * time.Minute, Measure: syncer.MeasureStaleness, Age: 23 * time.Minute,
			Failure: &syncer.Failure{Class: syncer.ClassConnect, Text: "dial users.internal:443: connection refused"},
			Since:   told().Add(-22 * time.Minute), NextPoll: told().Add(20 * time.Minute),
		},
	}
}

// with is stale, changed.
func with(change func(*alert.Alert)) alert.Alert {
	a := stale()
	change(&a)
	return a
}

// newest makes it a table that is 12 minutes old, whose newest record is 13.
func newest(a *alert.Alert) {
	a.Level, a.StaleSince, a.Failure = syncer.Warn, told().Add(-3*time.Minute), nil
	a.Facts.Level, a.AsOf, a.Staleness = syncer.Warn, told().Add(-12*time.Minute), 12*time.Minute
	a.Measure, a.Age, a.Limit = syncer.MeasureNewest, 13*time.Minute, 10*time.Minute
	a.Reason = "newest record is from 2026-03-01 03:07:00Z: the owner's own pipeline may be stuck"
}

// late makes its budget one that counts from the ticks of the schedule.
func late(a *alert.Alert) {
	a.At, a.Due, a.Grace = told(), told().Add(-114*time.Second), 20*time.Second
	a.StaleSince = a.Due.Add(a.Grace)
}

func message(e alert.Event, alerts ...alert.Alert) alert.Message {
	for i := range alerts {
		alerts[i].Event = e
	}
	return alert.Message{ID: "m1", Notifier: "oncall", Event: e, Instance: "larder", Begun: told(), Alerts: alerts}
}

func ended(ending alert.Ending) alert.Alert {
	return with(func(a *alert.Alert) {
		a.Ending, a.Closed = ending, a.StaleSince.Add(43*time.Minute)
		a.Facts = alert.Facts{Level: syncer.Fresh, AsOf: a.Closed.Add(-time.Second), Staleness: time.Second, Limit: 15 * time.Minute,
			Was: a.Failure}
	})
}

func TestTextSaysWhatSinceWhenWhyAndWhatNext(t *testing.T) {
	why := []string{
		"since 03:12 UTC (8m ago)",
		"no complete poll since 2026-03-01 02:57:00Z",
		"last poll: connect: dial users.internal:443: connection refused, failing since 02:58 UTC (22m ago)",
		"next poll 03:40 UTC; larder status, larder poll users",
	}
	for _, test := range []struct {
		name  string
		is    alert.Message
		title string
		lines []string
	}{
		{"firing", message(alert.Firing, stale()), "CRITICAL shop.users is 23m stale, budget 15m", why},
		{"firing, a warning", message(alert.Firing, with(func(a *alert.Alert) {
			a.Level, a.Facts.Level, a.Staleness, a.Limit = syncer.Warn, syncer.Warn, 6*time.Minute, 5*time.Minute
			a.AsOf = told().Add(-a.Staleness)
		})), "WARN shop.users is 6m stale, budget 5m", why},
		{"a budget that is just passed", message(alert.Firing, with(func(a *alert.Alert) {
			a.Staleness, a.Limit = time.Minute+20*time.Millisecond, time.Minute
			a.AsOf, a.StaleSince, a.Since = told().Add(-a.Staleness), told().Add(-20*time.Millisecond), told().Add(-time.Minute)
		})), "CRITICAL shop.users is 1m1s stale, budget 1m", []string{"since 03:19 UTC", why[1],
			"last poll: connect: dial users.internal:443: connection refused, failing since 03:19 UTC (1m ago)", why[3]}},
		{"a poll that is late by the schedule", message(alert.Firing, with(late)),
			"CRITICAL shop.users: the poll due 03:18 UTC is 1m54s late, grace 20s", []string{"since 03:18 UTC (1m34s ago)", why[1], why[2], why[3]}},
		{"one of another day, still", message(alert.Reminder, with(func(a *alert.Alert) {
			late(a)
			a.Level, a.Due, a.Reminder = syncer.Warn, told().Add(-9*time.Hour), 2
		})), "WARN shop.users: the poll due 2026-02-28 18:20 UTC is still 9h late, grace 20s (reminder 2)", []string{"since 03:18 UTC (1m34s ago)", why[1], why[2], why[3]}},
		{"the first of all", message(alert.Firing, with(func(a *alert.Alert) {
			late(a)
			a.Facts.Level, a.AsOf, a.Reason = syncer.Never, time.Time{}, "never polled to the end"
		})), "CRITICAL shop.users is not complete: the poll due 03:18 UTC is 1m54s late, grace 20s",
			[]string{"since 03:18 UTC (1m34s ago)", "never polled to the end", why[2], why[3]}},
		{"a reminder of what is not known", message(alert.Reminder, with(func(a *alert.Alert) {
			a.Facts.Level, a.AsOf, a.Staleness, a.Failure, a.Reason = syncer.Unknown, time.Time{}, 0, nil, "database does not answer"
			a.At = told().Add(26 * time.Hour)
		})), "CRITICAL shop.users is still not readable: how stale it is is unknown, budget 15m",
			[]string{"since 2026-03-01 03:12 UTC (26h8m ago)", "database does not answer", "next poll 2026-03-01 03:40 UTC; larder status, larder poll users"}},
		{"escalated", message(alert.Escalated, stale()), "CRITICAL shop.users is 23m stale, budget 15m, up from warn", why},
		{"reminder", message(alert.Reminder, with(func(a *alert.Alert) {
			a.Reminder, a.Staleness, a.AsOf = 3, 28*time.Hour, told().Add(-28*time.Hour)
		})), "CRITICAL shop.users is still 28h stale, budget 15m (reminder 3)", why},
		{"never polled", message(alert.Firing, with(func(a *alert.Alert) {
			a.Facts.Level, a.AsOf, a.Reason = syncer.Never, time.Time{}, "never polled to the end"
		})), "CRITICAL shop.users is not complete after 23m, budget 15m",
			append([]string{why[0], "never polled to the end"}, why[2:]...)},
		{"unknown", message(alert.Firing, with(func(a *alert.Alert) {
			a.Facts.Level, a.AsOf, a.Reason, a.Staleness = syncer.Unknown, time.Time{}, "database does not answer", 0
			a.Failure = &syncer.Failure{Class: syncer.ClassDatabase}
		})), "CRITICAL shop.users is not readable: how stale it is is unknown, budget 15m",
			[]string{why[0], "database does not answer", "last poll: db, failing since 02:58 UTC (22m ago)", why[3]}},
		{"a budget of deletes", message(alert.Firing, with(func(a *alert.Alert) {
			a.Reason, a.Staleness, a.Limit, a.Failure = "deletes are not proven since 2026-02-27 23:20:00Z", time.Minute, 26*time.Hour, nil
			a.AsOf, a.StaleSince, a.Measure, a.Age = told().Add(-time.Minute), told().Add(-2*time.Hour), syncer.MeasureDeletes, 28*time.Hour
		})), "CRITICAL shop.users: deletes are not proven for 28h, budget 26h",
			[]string{"since 01:20 UTC (2h ago)", "deletes are not proven since 2026-02-27 23:20:00Z", why[3]}},
		// The copy is older than the budget of its newest record, and has a greater
		// one of its own.
		{"a newest record", message(alert.Firing, with(newest)), "WARN shop.users: newest record is 13m old, budget 10m",
			[]string{"since 03:17 UTC (3m ago)", "newest record is from 2026-03-01 03:07:00Z: the owner's own pipeline may be stuck", why[3]}},
		{"a newest record, again", message(alert.Reminder, with(newest)), "WARN shop.users: newest record is still 13m old, budget 10m",
			[]string{"since 03:17 UTC (3m ago)", "newest record is from 2026-03-01 03:07:00Z: the owner's own pipeline may be stuck", why[3]}},
		{"a reason that is the failure", message(alert.Firing, with(func(a *alert.Alert) {
			a.Reason = "last poll: connect: dial users.internal:443: connection refused"
		})), "CRITICAL shop.users is 23m stale, budget 15m", []string{why[0], why[2], why[3]}},
		{"quarantine, and no plan", message(alert.Firing, with(func(a *alert.Alert) {
			a.LastQuarantined, a.Held, a.NextPoll, a.Failure = 7, 3, time.Time{}, nil
		})), "CRITICAL shop.users is 23m stale, budget 15m",
			[]string{why[0], why[1], "last poll set aside 7 records; larder quarantine list", "3 deletions are held by the guard; larder accept shop.users --deletes 3", "next poll not planned; larder status, larder poll users"}},
		{"yesterday", message(alert.Firing, with(func(a *alert.Alert) {
			a.StaleSince, a.Since, a.Failure, a.Reason = told().Add(-6*time.Hour), time.Time{}, nil, ""
		})), "CRITICAL shop.users is 23m stale, budget 15m", []string{"since 2026-02-28 21:20 UTC (6h ago)", why[3]}},
		{"resolved", message(alert.Resolved, ended(alert.Recovered)),
			"OK shop.users is fresh again, was stale 03:12–03:55 UTC (43m)",
			[]string{"polls failed by connect: dial users.internal:443: connection refused", "complete as of 03:54:59 UTC"}},
		{"resolved within minutes, and nothing had failed", message(alert.Resolved, with(func(a *alert.Alert) {
			*a = ended(alert.Recovered)
			a.Closed, a.Was = a.StaleSince.Add(16*time.Second+300*time.Millisecond), nil
			a.AsOf = a.Closed
		})), "OK shop.users is fresh again, was stale 03:12:00–03:12:16 UTC (16s)", []string{"complete as of 03:12:16 UTC"}},
		{"resolved over midnight, with records set aside", message(alert.Resolved, with(func(a *alert.Alert) {
			*a = ended(alert.Recovered)
			a.StaleSince, a.LastQuarantined = told().Add(-5*time.Hour), 2
		})), "OK shop.users is fresh again, was stale 2026-02-28 22:20–2026-03-01 03:55 UTC (5h35m)",
			[]string{"polls failed by connect: dial users.internal:443: connection refused", "complete as of 03:54:59 UTC", "last poll set aside 2 records; larder quarantine list"}},
		{"config changed", message(alert.Resolved, ended(alert.Changed)),
			"ENDED shop.users is told of no more: the configuration has changed, was stale 03:12–03:55 UTC (43m)",
			[]string{"this says nothing of how stale it is; see larder status"}},
		{"paused", message(alert.Resolved, ended(alert.Paused)),
			"ENDED shop.users is told of no more: it was paused, was stale 03:12–03:55 UTC (43m)",
			[]string{"this says nothing of how stale it is; see larder status"}},
		{"standby", message(alert.Resolved, ended(alert.Left)),
			"ENDED shop.users is told of by another daemon from here on, was stale 03:12–03:55 UTC (43m)",
			[]string{"this says nothing of how stale it is; see larder status"}},
		{"test", message(alert.Test, stale()), `TEST larder "larder" reaches you by "oncall"`,
			[]string{"nothing is wrong: somebody ran larder alert test"}},
		{"undelivered", func() alert.Message {
			m := message(alert.Undelivered)
			m.Via, m.Text = "pager", "pager cannot be reached since 2026-03-01 03:15 UTC: receiver answered 503; 3 messages wait"
			return m
		}(), `UNDELIVERED alerts: "pager" is not told`,
			[]string{"pager cannot be reached since 2026-03-01 03:15 UTC: receiver answered 503; 3 messages wait", "see larder status"}},
		{"in place of another, late, by a named larder", func() alert.Message {
			m := message(alert.Firing, stale())
			m.Via, m.Attempts, m.Instance = "pager", 4, "eu"
			return m
		}(), "CRITICAL shop.users is 23m stale, budget 15m", append(append([]string{}, why...),
			`meant for "pager", which cannot be reached`, "told late, by attempt 4: this was so at 2026-03-01 03:20 UTC", `told by larder "eu"`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.title, test.is.Title()); diff != "" {
				t.Errorf("title (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.lines, test.is.Lines()); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTextOfManyTables(t *testing.T) {
	many := func(n int, change func(int, *alert.Alert)) (all []alert.Alert) {
		for i := range n {
			all = append(all, with(func(a *alert.Alert) {
				a.Table = fmt.Sprintf("shop.t%03d", i)
				if change != nil {
					change(i, a)
				}
			}))
		}
		return all
	}
	line := ", budget 15m, since 03:12 UTC (8m ago)"
	because := "connect: dial users.internal:443: connection refused"
	next := "next poll 03:40 UTC; larder status, larder poll users"
	owner := ": owner of users cannot be reached (connect)"
	alike := []string{"last poll of each: " + because, "shop.t000 is 23m stale" + line, "shop.t001 is 23m stale" + line, next}
	recovered := func(i int, a *alert.Alert) {
		*a = ended(alert.Recovered)
		a.Table = fmt.Sprintf("shop.t%03d", i)
	}
	for _, test := range []struct {
		name  string
		is    alert.Message
		title string
		lines []string
	}{
		{"a shared cause is told once, and in plain words", message(alert.Firing, many(2, nil)...), "CRITICAL 2 tables are stale" + owner, alike},
		{"each with its own reason", message(alert.Firing, many(2, func(i int, a *alert.Alert) {
			if i == 1 {
				a.Failure = &syncer.Failure{Class: syncer.ClassDNS, Text: "no such host"}
			}
		})...), "CRITICAL 2 tables are stale",
			[]string{"shop.t000 is 23m stale" + line + ": " + because, "shop.t001 is 23m stale" + line + ": dns: no such host", next}},
		{"of one class, in other words, of several owners", message(alert.Firing, many(2, func(i int, a *alert.Alert) {
			a.Source, a.NextPoll = fmt.Sprint("s", i), told().Add(time.Duration(20-i)*time.Minute)
			a.Failure = &syncer.Failure{Class: syncer.ClassConnect, Text: fmt.Sprint("refused ", i)}
		})...), "CRITICAL 2 tables are stale: owners cannot be reached (connect)",
			[]string{"shop.t000 is 23m stale" + line + ": connect: refused 0", "shop.t001 is 23m stale" + line + ": connect: refused 1",
				"next poll 03:39 UTC and later; larder status, larder poll SOURCE"}},
		{"a database", message(alert.Firing, many(2, func(_ int, a *alert.Alert) {
			a.Failure = &syncer.Failure{Class: syncer.ClassDatabase, Text: "dial 10.0.0.9:5432: connection refused"}
		})...), "CRITICAL 2 tables are stale: database of shop cannot be used (db)",
			[]string{"last poll of each: db: dial 10.0.0.9:5432: connection refused", "shop.t000 is 23m stale" + line, "shop.t001 is 23m stale" + line, next}},
		{"the worst level counts", message(alert.Firing, many(2, func(i int, a *alert.Alert) {
			if i == 0 {
				a.Level, a.Failure = syncer.Warn, nil
			}
		})...), "CRITICAL 2 tables are stale",
			[]string{"shop.t000 is 23m stale, budget 15m (warn), since 03:12 UTC (8m ago)", "shop.t001 is 23m stale" + line + ": " + because, next}},
		{"escalated", message(alert.Escalated, many(2, nil)...), "CRITICAL 2 tables are stale, up from warn" + owner, alike},
		{"reminder", message(alert.Reminder, many(2, nil)...), "CRITICAL 2 tables are still stale" + owner,
			[]string{alike[0], "shop.t000 is still 23m stale" + line, "shop.t001 is still 23m stale" + line, next}},
		{"late by the schedule", message(alert.Firing, many(2, func(_ int, a *alert.Alert) { late(a) })...), "CRITICAL 2 tables are stale" + owner,
			[]string{alike[0], "shop.t000: the poll due 03:18 UTC is 1m54s late, grace 20s, since 03:18 UTC (1m34s ago)",
				"shop.t001: the poll due 03:18 UTC is 1m54s late, grace 20s, since 03:18 UTC (1m34s ago)", next}},
		{"a newest record among them", message(alert.Firing, many(2, func(i int, a *alert.Alert) {
			if i == 0 {
				newest(a)
			}
		})...), "CRITICAL 2 tables are over budget",
			[]string{"shop.t000: newest record is 13m old, budget 10m (warn), since 03:17 UTC (3m ago)", "shop.t001 is 23m stale" + line + ": " + because, next}},
		{"resolved", message(alert.Resolved, many(2, recovered)...), "OK 2 tables are fresh again",
			[]string{"shop.t000 is fresh again, was stale 03:12–03:55 UTC (43m), complete as of 03:54:59 UTC", "shop.t001 is fresh again, was stale 03:12–03:55 UTC (43m), complete as of 03:54:59 UTC"}},
		{"resolved, but not all are well", message(alert.Resolved, append(many(1, recovered), ended(alert.Paused))...),
			"ENDED 2 tables are told of no more",
			[]string{"shop.t000 is fresh again, was stale 03:12–03:55 UTC (43m), complete as of 03:54:59 UTC", "shop.users is told of no more: it was paused, was stale 03:12–03:55 UTC (43m)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.title, test.is.Title()); diff != "" {
				t.Errorf("title (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.lines, test.is.Lines()); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
	lines := message(alert.Firing, many(1000, nil)...).Lines()
	if len(lines) != 23 || lines[21] != "and 980 more" {
		t.Errorf("1000 tables make %d lines, the 22nd is %q, want 23 and %q", len(lines), lines[21], "and 980 more")
	}
}

// Every class of failure has plain words of its own.
func TestTextNamesEachClass(t *testing.T) {
	seen := map[string]syncer.Class{}
	for _, class := range syncer.Classes() {
		a := with(func(a *alert.Alert) { a.Failure = &syncer.Failure{Class: class, Text: "text"} })
		title := message(alert.Firing, a, a).Title()
		words, ok := strings.CutPrefix(title, "CRITICAL 2 tables are stale: ")
		words, named := strings.CutSuffix(words, " ("+string(class)+")")
		if other, taken := seen[words]; !ok || !named || taken || len(words) < 10 {
			t.Errorf("class %q is titled %q, as %q is", class, title, other)
		}
		seen[words] = class
	}
}

// TestTextIsPlainAndBounded puts anything where owners and databases have a say.
func TestTextIsPlainAndBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		anything := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune("a\n\r\x00\x1b\u202e\u2028\u200b\ufeff\ufffd ")), 0, 3000, -1),
			rapid.Just("\xff\xfe broken \xc0"), rapid.Just(strings.Repeat("long ", 2000)))
		a := stale()
		a.Table, a.Source, a.Reason = anything.Draw(t, "table"), anything.Draw(t, "source"), anything.Draw(t, "reason")
		a.Failure = &syncer.Failure{Class: syncer.ClassConnect, Text: anything.Draw(t, "failure")}
		a.Ending = rapid.SampledFrom([]alert.Ending{"", alert.Recovered, alert.Changed, alert.Paused, alert.Left}).Draw(t, "ending")
		a.Staleness = time.Duration(rapid.Int64().Draw(t, "staleness"))
		event := rapid.SampledFrom([]alert.Event{alert.Firing, alert.Escalated, alert.Reminder, alert.Resolved, alert.Test, alert.Undelivered}).Draw(t, "event")
		m := message(event, a)
		if rapid.Bool().Draw(t, "many") {
			m = message(event, a, a, a)
		}
		m.Cause, m.Text, m.Via, m.Instance = anything.Draw(t, "cause"), anything.Draw(t, "text"), anything.Draw(t, "via"), anything.Draw(t, "instance")
		for _, line := range append([]string{m.Title()}, m.Lines()...) {
			if n := utf8.RuneCountInString(line); n > 1100 || !utf8.ValidString(line) {
				t.Fatalf("line of %d characters: %q", n, line)
			}
			for _, r := range line {
				if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
					t.Fatalf("line holds %U: %q", r, line)
				}
			}
		}
	})
}

func TestPlain(t *testing.T) {
	for _, test := range []struct {
		is   string
		most int
		want string
	}{
		{"as it is", 20, "as it is"},
		{" \r\n two\tlines\n", 20, "two lines"},
		{"\x1b[31mred", 20, "[31mred"},
		{"turned \u202earound", 20, "turned around"},
		{"\xffbroken", 20, "?broken"},
		{"cut here", 3, "cut…"},
		{"äöü", 3, "äöü"},
	} {
		if got := alert.Plain(test.is, test.most); got != test.want {
			t.Errorf("%q in %d characters is %q, want %q", test.is, test.most, got, test.want)
		}
	}
}
