package syncer_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
)

func TestJudge(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	both := func(d time.Duration) syncer.Standing { return syncer.Standing{AsOf: ago(d), DeletesAsOf: ago(d)} }
	const warn, critical = 5 * time.Minute, 15 * time.Minute
	budget := syncer.Budget{Warn: warn, Critical: critical}
	for _, test := range []struct {
		name      string
		standing  syncer.Standing
		budget    syncer.Budget
		level     syncer.Level
		staleness time.Duration
		reason    string
	}{
		{"of this moment", both(0), budget, syncer.Fresh, 0, ""},
		{"at the limit of warn", both(warn), budget, syncer.Fresh, warn, ""},
		{"past warn", both(warn + 1), budget, syncer.Warn, warn + 1, "no complete poll since 2026-11-23 11:54:59Z"},
		{"at the limit of critical", both(critical), budget, syncer.Warn, critical, "no complete poll since 2026-11-23 11:45:00Z"},
		{"past critical", both(critical + 1), budget, syncer.Critical, critical + 1, "no complete poll since 2026-11-23 11:44:59Z"},
		{"without warn, at the limit", both(critical), syncer.Budget{Critical: critical}, syncer.Fresh, critical, ""},
		{"without warn, past it", both(critical + 1), syncer.Budget{Critical: critical}, syncer.Critical, critical + 1, "no complete poll since 2026-11-23 11:44:59Z"},
		{"a held sweep within budget", syncer.Standing{AsOf: now, DeletesAsOf: ago(time.Minute)}, budget, syncer.Fresh, time.Minute, "a sweep is held or unconfirmed"},
		{"a held sweep past it", syncer.Standing{AsOf: now, DeletesAsOf: ago(time.Hour)}, budget, syncer.Critical, time.Hour, "a sweep is held or unconfirmed"},
		{"deletes never proven", syncer.Standing{AsOf: now, FirstSeen: ago(time.Hour)}, budget, syncer.Never, time.Hour,
			"deletes are not proven yet: a sweep is held or unconfirmed"},
		{"never polled", syncer.Standing{FirstSeen: ago(time.Hour), LastPoll: now}, budget, syncer.Never, time.Hour, "never polled to the end"},
		{"a clock that was set back", both(-time.Hour), budget, syncer.Fresh, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := syncer.Judge(test.standing, test.budget, now)
			if f.Level != test.level || f.Staleness != test.staleness || f.Reason != test.reason {
				t.Errorf("judged %s, staleness %s, %q; want %s, %s, %q", f.Level, f.Staleness, f.Reason, test.level, test.staleness, test.reason)
			}
			if f.Level != syncer.Never && !f.CriticalAt.Equal(f.AsOf.Add(critical)) {
				t.Errorf("critical at %s, want as-of %s and %s", f.CriticalAt, f.AsOf, critical)
			}
			if f.WarnAt.IsZero() == (test.budget.Warn > 0 && f.Level != syncer.Never) {
				t.Errorf("warn at %s", f.WarnAt)
			}
		})
	}
}

// Deletions that only lists tell of have a budget of their own, and do not make
// the copy older.
func TestJudgeDeletes(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	budget := syncer.Budget{Warn: 5 * time.Minute, Critical: 15 * time.Minute, Deletes: 24 * time.Hour}
	for _, test := range []struct {
		name           string
		asOf, deletes  time.Duration
		level          syncer.Level
		critical, warn time.Duration // ahead
		reason         string
	}{
		{"old deletes within the budget", time.Minute, 23 * time.Hour, syncer.Fresh, 14 * time.Minute, 4 * time.Minute, ""},
		{"at the limit", time.Minute, 24 * time.Hour, syncer.Fresh, 0, 4 * time.Minute, ""},
		{"past it", time.Minute, 24*time.Hour + 1, syncer.Critical, -1, 4 * time.Minute, "deletes are not proven since 2026-11-22 11:59:59Z"},
		{"an old copy with new deletes", 6 * time.Minute, 0, syncer.Warn, 9 * time.Minute, -time.Minute, "no complete poll since 2026-11-23 11:54:00Z"},
	} {
		f := syncer.Judge(syncer.Standing{AsOf: ago(test.asOf), DeletesAsOf: ago(test.deletes)}, budget, now)
		if f.Level != test.level || f.Staleness != test.asOf || !f.AsOf.Equal(ago(test.asOf)) || f.Reason != test.reason {
			t.Errorf("%s: judged %+v", test.name, f)
		}
		if !f.CriticalAt.Equal(now.Add(test.critical)) || !f.WarnAt.Equal(now.Add(test.warn)) {
			t.Errorf("%s: warn at %s, critical at %s", test.name, f.WarnAt, f.CriticalAt)
		}
	}
}

// A copy never gets fresher by waiting, nor by proving less.
func TestJudgeIsMonotonic(t *testing.T) {
	base := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		minutes := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(0, 60).Draw(rt, name)) * time.Minute
		}
		b := syncer.Budget{Warn: minutes("warn"), Critical: minutes("critical")}
		st := syncer.Standing{AsOf: base.Add(-minutes("as-of")), FirstSeen: base.Add(-time.Hour)}
		st.DeletesAsOf = st.AsOf.Add(-minutes("deletes"))
		f := syncer.Judge(st, b, base)
		if later := syncer.Judge(st, b, base.Add(minutes("wait"))); f.Level.Worse(later.Level) || later.Staleness < f.Staleness {
			rt.Errorf("%+v, later %+v", f, later)
		}
		less := st
		less.DeletesAsOf = less.DeletesAsOf.Add(-minutes("less"))
		if g := syncer.Judge(less, b, base); f.Level.Worse(g.Level) || g.Staleness < f.Staleness {
			rt.Errorf("%+v, with older deletes %+v", f, g)
		}
		if f.Staleness != base.Sub(st.DeletesAsOf) {
			rt.Errorf("staleness %s, want since the older of both", f.Staleness)
		}
	})
}

func TestCopyFreshnessBeforeAnythingIsKnown(t *testing.T) {
	c := &syncer.Copy{Name: "c.a"}
	if f := c.Freshness(time.Now()); f.Level != syncer.Unknown || f.Table != "c.a" {
		t.Errorf("judged %+v, want unknown", f)
	}
	c.SetReady(errors.New("database is down"))
	if f := c.Freshness(time.Now()); f.Level != syncer.Unknown || f.Reason != "database is down" {
		t.Errorf("judged %+v, want unknown because the database is down", f)
	}
}

// What another daemon keeps is not judged here.
func TestCopyFreshnessOfAStandby(t *testing.T) {
	p := newPantry(t, numbered(2, nil), 1)
	p.mustPoll()
	c := p.Copies[0]
	c.SetReady(errors.New("database is down"))
	if f := c.Freshness(time.Now().Add(time.Hour)); f.Level != syncer.Critical {
		t.Errorf("judged %s while the database is down, want critical", f.Level)
	}
	c.SetReady(&syncer.HeldError{Holder: "them"})
	if f := c.Freshness(time.Now().Add(time.Hour)); f.Level != syncer.Unknown {
		t.Errorf("judged %s while another daemon holds the lease, want unknown", f.Level)
	}
}

func TestAge(t *testing.T) {
	sent := time.Now()
	for _, test := range []struct {
		name string
		now  time.Time
		want time.Duration
	}{
		{"at once", sent, 0},
		{"both clocks agree", sent.Add(time.Minute), time.Minute},
		{"wall says earlier", sent.Round(0).Add(-time.Hour), 0},
		{"wall alone", sent.Round(0).Add(time.Hour), time.Hour},
	} {
		if got := syncer.Age(sent, test.now); got != test.want {
			t.Errorf("%s: age %s, want %s", test.name, got, test.want)
		}
	}
	// As after a restart: the instant was stored and has no monotonic reading.
	if got := syncer.Age(sent.Round(0).Add(-time.Hour), sent); got != time.Hour {
		t.Errorf("stored instant: age %s, want an hour", got)
	}
}
