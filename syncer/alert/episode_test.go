package alert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
)

// TestEpisodesAdvance is the table of transitions.
func TestEpisodesAdvance(t *testing.T) {
	start := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	now := start.Add(time.Hour)
	const hold = 10 * time.Minute
	warn := Episode{Level: syncer.Warn, Opened: start, Digest: "d"}
	critical := Episode{Level: syncer.Critical, Opened: start, Escalated: start, Digest: "d"}
	recovering := func(e Episode, ago time.Duration) Episode { e.Recovering = now.Add(-ago); return e }
	left := func(e Episode) Episode { return e.end(Left, start) }
	alarm := func(l syncer.Level) syncer.Judged {
		return syncer.Judged{Freshness: syncer.Freshness{Level: l}, Alarm: l, Digest: "d"}
	}
	quiet := func(l syncer.Level) syncer.Judged {
		return syncer.Judged{Freshness: syncer.Freshness{Level: l}, Alarm: syncer.Fresh, Digest: "d"}
	}
	with := func(j syncer.Judged, change func(*syncer.Judged)) syncer.Judged { change(&j); return j }
	standby := func(j *syncer.Judged) { j.Standby, j.Alarm = true, syncer.Fresh }
	paused := func(j *syncer.Judged) { j.Paused, j.Alarm = true, syncer.Fresh }
	edited := func(j *syncer.Judged) { j.Digest = "other" }
	for _, test := range []struct {
		name string
		was  Episode
		j    syncer.Judged
		hold time.Duration
		want Episode
	}{
		{"goes on", warn, alarm(syncer.Warn), hold, warn},
		{"rises", warn, alarm(syncer.Critical), hold, Episode{Level: syncer.Critical, Escalated: now, Opened: start, Digest: "d"}},
		{"never falls", critical, alarm(syncer.Warn), hold, critical},
		{"recovers at once without a hold", critical, quiet(syncer.Fresh), 0, critical.end(Recovered, now)},
		{"begins to recover", critical, quiet(syncer.Fresh), hold, recovering(critical, 0)},
		{"goes on recovering", recovering(critical, 9*time.Minute), quiet(syncer.Fresh), hold, recovering(critical, 9*time.Minute)},
		{"has recovered when it was fresh again", recovering(critical, hold), quiet(syncer.Fresh), hold, critical.end(Recovered, now.Add(-hold))},
		{"is stale again inside the hold", recovering(warn, time.Minute), alarm(syncer.Warn), hold, warn},
		{"becomes unknown inside the hold", recovering(warn, time.Minute), quiet(syncer.Unknown), hold, warn},
		{"unknown does not end it", warn, quiet(syncer.Unknown), 0, warn},
		{"never complete does not end it", warn, quiet(syncer.Never), 0, warn},
		{"unknown for long is loud", warn, with(alarm(syncer.Critical), func(j *syncer.Judged) { j.Level = syncer.Unknown }), 0,
			Episode{Level: syncer.Critical, Escalated: now, Opened: start, Digest: "d"}},
		{"a clock that was set back", recovering(warn, -time.Hour), quiet(syncer.Fresh), hold, recovering(warn, 0)},
		{"another budget ends it, stale or not", warn, with(alarm(syncer.Warn), edited), hold, warn.end(Changed, now)},
		{"a pause ends it", recovering(warn, time.Minute), with(quiet(syncer.Fresh), paused), hold, warn.end(Paused, now)},
		{"the lease is lost", critical, with(quiet(syncer.Unknown), standby), hold, critical.end(Left, now)},
		{"the lease is lost with another budget", warn, with(with(quiet(syncer.Unknown), standby), edited), hold, warn.end(Left, now)},
		{"the lease stays away", left(warn), with(quiet(syncer.Unknown), standby), hold, left(warn)},
		{"the lease is back, and nothing known yet", left(warn), quiet(syncer.Unknown), 0, left(warn)},
		{"the lease is back, and it is stale", left(warn), alarm(syncer.Warn), 0, warn},
		{"the lease is back, and it is well", left(warn), quiet(syncer.Fresh), 0, warn.end(Recovered, now)},
		{"the lease is back, and it is well, with a hold", left(warn), quiet(syncer.Fresh), hold, recovering(warn, 0)},
		{"the lease is back, and it is paused", left(warn), with(quiet(syncer.Fresh), paused), hold, warn.end(Paused, now)},
		{"the lease is back, and the budget another one", left(warn), with(alarm(syncer.Warn), edited), hold, warn.end(Changed, now)},
	} {
		if diff := cmp.Diff(test.want, test.was.advance(&test.j, test.hold, now)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestWhatIsToldNext is the table of reconciliation.
func TestWhatIsToldNext(t *testing.T) {
	start := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	now := start.Add(2 * time.Hour)
	warn := Episode{ID: "e", Table: "shop.users", Consumer: "shop", Level: syncer.Warn, Opened: start}
	critical := warn
	critical.Level = syncer.Critical
	recovering := warn
	recovering.Recovering = now
	told := func(l syncer.Level, ago time.Duration) Told {
		return Told{Episode: "e", Notifier: "r", Level: l, At: now.Add(-ago), Sequence: 1}
	}
	owed, unsaid := Told{Episode: "e"}, Told{Episode: "e", Resolved: true}
	over := told(syncer.Warn, time.Minute)
	over.Resolved = true
	short := warn.end(Recovered, start.Add(9*time.Minute))
	all := Receiver{Name: "r", Resolved: true, Repeat: map[syncer.Level]time.Duration{syncer.Warn: time.Hour}}
	only := func(levels ...syncer.Level) Receiver { r := all; r.Levels = levels; return r }
	other, silent := all, all
	other.Tables, silent.Resolved = []string{"blog.*"}, false
	for _, test := range []struct {
		name string
		r    Receiver
		e    Episode
		t    Told
		want word
	}{
		{"not told", all, warn, Told{}, word{Event: Firing}},
		{"not told, not its table", other, warn, Told{}, word{}},
		{"not told, not its level", only(syncer.Critical), warn, Told{}, word{}},
		{"not told, recovering", all, recovering, Told{}, word{}},
		{"not told, over", all, short, Told{}, word{}},
		{"not told, left", all, warn.end(Left, now), Told{}, word{}},
		{"told", all, warn, told(syncer.Warn, time.Minute), word{}},
		{"told an hour ago", all, warn, told(syncer.Warn, time.Hour), word{Event: Reminder}},
		{"told an hour ago, recovering", all, recovering, told(syncer.Warn, time.Hour), word{}},
		{"told an hour ago, not its level any more", only(syncer.Warn), critical, told(syncer.Warn, time.Hour), word{}},
		{"told an hour ago, no repeat for its level", all, critical, told(syncer.Critical, time.Hour), word{}},
		{"risen", all, critical, told(syncer.Warn, time.Hour), word{Event: Escalated}},
		{"told, over", all, short, told(syncer.Warn, time.Hour), word{Event: Resolved}},
		{"told, over, not its table any more", other, short, told(syncer.Warn, time.Hour), word{Event: Resolved}},
		{"told, over, wants no ends", silent, short, told(syncer.Warn, time.Hour), word{Settled: true}},
		{"told, left", all, warn.end(Left, now), told(syncer.Warn, time.Hour), word{}},
		{"told the end", all, short, over, word{}},
		{"owed, over in less than 10m", all, short, owed, word{Settled: true}},
		{"owed, over in 10m", all, warn.end(Recovered, start.Add(10*time.Minute)), owed, word{Event: Resolved}},
		{"owed, stale again", all, warn, owed, word{Event: Firing}},
		{"unsaid, goes on", all, warn, unsaid, word{Event: Firing}},
		{"unsaid, over", all, warn.end(Recovered, now), unsaid, word{}},
	} {
		if got := test.r.next(&test.e, test.t, now); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

// TestWhatIsSaidCanBeUnsaid takes words back in the reverse of their order.
func TestWhatIsSaidCanBeUnsaid(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	e := Episode{ID: "e", Level: syncer.Warn}
	r := &Receiver{Name: "r"}
	fired := Told{}.said(&e, r, Firing, now)
	e.Level = syncer.Critical
	for _, what := range []Event{Escalated, Reminder, Resolved} {
		said := fired.said(&e, r, what, now.Add(time.Hour))
		back := said.unsaid(what)
		back.At = fired.At // the time of a word that is taken back stays: nothing rests on it
		if what == Reminder {
			back.Level = fired.Level // a reminder is of the level that was told
		}
		if back != fired {
			t.Errorf("%s taken back leaves %+v, want %+v", what, back, fired)
		}
		if said.Sequence != 2 {
			t.Errorf("%s has sequence %d, want 2", what, said.Sequence)
		}
	}
	if back := fired.unsaid(Firing); back.aware() || back.owed() {
		t.Errorf("a firing taken back leaves %+v", back)
	}
}

func TestGlobs(t *testing.T) {
	for _, test := range []struct {
		glob, table string
		want        bool
	}{
		{"shop.users", "shop.users", true}, {"users", "shop.users", true}, {"*", "shop.users", true}, {"shop.*", "shop.users", true},
		{"shop.*", "workshop.users", false}, {"user?", "shop.users", true}, {"[a-t]*.users", "shop.users", true}, {"shop", "shop.users", false},
		{"public.*", "shop.public.users", true}, {"[", "shop.users", false}, {"users", "users", true},
	} {
		if got := Matches([]string{test.glob}, test.table); got != test.want {
			t.Errorf("%q fits %q: %v, want %v", test.glob, test.table, got, test.want)
		}
	}
	if !Matches(nil, "shop.users") {
		t.Error("no globs do not fit all")
	}
}

func TestCauseIsWhatAllShare(t *testing.T) {
	news := func(table, source, consumer string, class syncer.Class, text string) Alert {
		a := Alert{Table: table, Source: source, Consumer: consumer}
		if class != "" {
			a.Failure = &syncer.Failure{Class: class, Text: text}
		}
		return a
	}
	a := news("shop.a", "a", "shop", "db", "refused")
	for _, test := range []struct {
		name   string
		alerts []Alert
		want   string
	}{
		{"one", []Alert{a}, ""},
		{"one consumer", []Alert{a, news("shop.b", "b", "shop", "db", "refused")}, "db, consumer shop: refused"},
		{"one source", []Alert{a, news("blog.a", "a", "blog", "db", "refused")}, "db, source a: refused"},
		{"one class", []Alert{a, news("blog.b", "b", "blog", "db", "reset")}, "db"},
		{"two classes", []Alert{a, news("shop.b", "b", "shop", "dns", "refused")}, ""},
		{"one without", []Alert{a, news("shop.b", "b", "shop", "", "")}, ""},
		{"the first without", []Alert{news("shop.b", "b", "shop", "", ""), a}, ""},
	} {
		if got := cause(test.alerts); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestBackoff(t *testing.T) {
	for n, want := range []time.Duration{0: 5 * time.Second, 1: 5 * time.Second, 2: 30 * time.Second, 3: 2 * time.Minute, 4: 10 * time.Minute, 5: time.Hour, 900: time.Hour} {
		if want == 0 {
			continue
		}
		if got := backoff(n); got != want {
			t.Errorf("wait after failure %d: %v, want %v", n, got, want)
		}
	}
	for range 1000 {
		if got := fullJitter(30 * time.Second); got <= 0 || got > 30*time.Second {
			t.Fatalf("jitter of 30s is %v", got)
		}
	}
}
