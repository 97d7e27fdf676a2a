package syncertest

import (
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// rota is a schedule of a few ticks, counted from an origin that goes into the
// past with everything else when time passes.
type rota struct {
	origin time.Time
	ticks  []time.Duration
}

// Next is the first tick after t; zero after the last.
func (r *rota) Next(t time.Time) time.Time {
	for _, d := range r.ticks {
		if at := r.origin.Add(d); at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// office polls every hour of a morning, then after a night, and after a weekend.
func office() *rota {
	return &rota{origin: time.Now().Add(-30 * time.Minute), ticks: []time.Duration{
		0, time.Hour, 2 * time.Hour, 16 * time.Hour, 17 * time.Hour, 80 * time.Hour, 81 * time.Hour}}
}

// graced gives the table a budget that follows r, and returns how time passes.
func (b *bench) graced(r *rota, change func(*syncer.Budget)) (pass func(time.Duration)) {
	b.t.Helper()
	b.respec(func(s *row.Spec) {
		s.Budget = syncer.Budget{Grace: syncer.Grace{Warn: 5 * time.Minute, Critical: 15 * time.Minute, Due: r}}
		if change != nil {
			change(&s.Budget)
		}
	})
	return func(d time.Duration) {
		b.t.Helper()
		b.Age(d)
		r.origin = r.origin.Add(-d)
	}
}

// due fails unless view and Judge have this level, and deadlines that lie 5 and
// 15 minutes behind a tick which is that far ahead.
func (b *bench) due(level syncer.Level, ahead time.Duration) {
	b.t.Helper()
	s, f := b.status(), syncer.Judge(b.standing(), b.spec.Budget, time.Now())
	if s.Level != level || f.Level != level {
		b.t.Errorf("the view tells %s, Judge says %s, want %s", s.Level, f.Level, level)
	}
	for what, of := range map[string]syncer.Freshness{"the view": s.Freshness, "Judge": f} {
		near(b.t, "WarnAt of "+what, of.WarnAt, time.Now().Add(ahead+5*time.Minute))
		near(b.t, "CriticalAt of "+what, of.CriticalAt, time.Now().Add(ahead+15*time.Minute))
	}
}

// graceScenarios are of budgets that are counted from the ticks of a schedule.
var graceScenarios = map[string]func(*testing.T, *bench){
	"a copy is due at the tick after its as-of, over a night, too": func(t *testing.T, b *bench) {
		pass := b.graced(office(), nil)
		if s := b.status(); s.Level != syncer.Never {
			t.Errorf("level before the first poll is %s", s.Level)
		}
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W"})
		b.due(syncer.Fresh, 30*time.Minute)
		pass(34 * time.Minute)
		b.due(syncer.Fresh, -4*time.Minute)
		pass(2 * time.Minute)
		b.due(syncer.Warn, -6*time.Minute)
		pass(10 * time.Minute)
		b.due(syncer.Critical, -16*time.Minute)
		b.fail(b.walk(syncer.Changes, "w2"), syncer.ClassHTTP5xx, "down")
		b.due(syncer.Critical, -16*time.Minute)
		pass(50 * time.Minute) // past the last tick of the day
		b.settle(b.walk(syncer.Changes, "w3"), syncer.End{Watermark: "W"})
		b.due(syncer.Fresh, 13*time.Hour+54*time.Minute)
		pass(13 * time.Hour)
		b.due(syncer.Fresh, 54*time.Minute)
		pass(time.Hour)
		b.due(syncer.Warn, -6*time.Minute)
	},
	"lag is no delay of a poll": func(t *testing.T, b *bench) {
		b.graced(office(), func(of *syncer.Budget) { of.Grace.Lag = 10 * time.Hour })
		s := syncer.Settlement{End: &syncer.End{Watermark: "W"}, Lag: 10 * time.Hour}
		if _, err := b.table.Settle(t.Context(), b.walk(syncer.Changes, "w1"), s); err != nil {
			t.Fatal(err)
		}
		near(t, "AsOf", b.status().AsOf, time.Now().Add(-10*time.Hour))
		b.due(syncer.Fresh, 30*time.Minute)
	},
	"a poll that begins just before a tick counts as that tick's": func(t *testing.T, b *bench) {
		pass := b.graced(office(), nil)
		pass(30*time.Minute - 10*time.Second)
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W"})
		b.due(syncer.Fresh, time.Hour+10*time.Second)
		pass(50 * time.Minute)
		b.settle(b.walk(syncer.Changes, "w2"), syncer.End{Watermark: "W"})
		b.due(syncer.Fresh, 10*time.Minute+10*time.Second)
	},
	"a hard budget beside grace counts where it is passed first": func(t *testing.T, b *bench) {
		b.graced(office(), func(of *syncer.Budget) { of.Warn, of.Critical = 20*time.Minute, 2*time.Hour })
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W"})
		s := b.status()
		near(t, "WarnAt", s.WarnAt, time.Now().Add(20*time.Minute))
		near(t, "CriticalAt", s.CriticalAt, time.Now().Add(45*time.Minute))
	},
	"a sweep that is held makes the copy due at the tick after the last proof": func(t *testing.T, b *bench) {
		pass := b.graced(office(), nil)
		b.list(syncer.Snapshot, "w1", crowd(1, 20)...)
		pass(time.Hour)
		b.list(syncer.Snapshot, "w2", crowd(1, 1)...)
		b.due(syncer.Critical, -30*time.Minute)
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 19})
		b.due(syncer.Fresh, 30*time.Minute)
	},
	"deletions with a budget of their own do not make it due": func(t *testing.T, b *bench) {
		pass := b.graced(office(), func(of *syncer.Budget) { of.Deletes = 4 * time.Hour })
		b.list(syncer.Resync, "w1", crowd(1, 3)...)
		pass(time.Hour)
		b.settle(b.walk(syncer.Changes, "w2"), syncer.End{Watermark: "W"})
		b.due(syncer.Fresh, 30*time.Minute)
		b.audit(repairs, crowd(1, 3)...)
		b.due(syncer.Fresh, 30*time.Minute)
		near(t, "DeletesAsOf", b.standing().DeletesAsOf, time.Now())
	},
	"a new budget holds from the next start": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Changes, "w1"), syncer.End{Watermark: "W"})
		b.judged(syncer.Fresh, "")
		r := office()
		pass := b.graced(r, nil)
		b.due(syncer.Fresh, 30*time.Minute)
		pass(40 * time.Minute)
		b.due(syncer.Warn, -10*time.Minute)
		r.ticks[1] += time.Hour
		b.respec(func(*row.Spec) {}) // as a start with another schedule does
		b.due(syncer.Fresh, 50*time.Minute)
		b.respec(func(s *row.Spec) { s.Budget = syncer.Budget{Warn: 5 * time.Minute, Critical: 2 * time.Hour} })
		b.judged(syncer.Warn, "no complete poll since")
		near(t, "CriticalAt", b.status().CriticalAt, time.Now().Add(80*time.Minute))
	},
	"partitions are due each by itself, and so is the list of them": func(t *testing.T, b *bench) {
		b.changing("parts")
		pass := b.graced(office(), nil)
		north, south := region("north"), region("south")
		b.repartition(north)
		b.fill(north, 1, 3)
		near(t, "WarnAt of one", b.status().WarnAt, time.Now().Add(35*time.Minute))
		pass(40 * time.Minute)
		b.repartition(north, south)
		b.fill(south, 10, 3)
		if s := b.status(); s.Level != syncer.Warn {
			t.Errorf("level is %s, want that of the older partition", s.Level)
		}
		b.fill(north, 1, 3)
		if s := b.status(); s.Level != syncer.Fresh {
			t.Errorf("level is %s after all were polled", s.Level)
		}
		near(t, "WarnAt of all", b.status().WarnAt, time.Now().Add(55*time.Minute))
		pass(51 * time.Minute)
		b.fill(north, 1, 3)
		b.fill(south, 10, 3)
		pass(5 * time.Minute)
		if s := b.status(); s.Level != syncer.Warn {
			t.Errorf("level is %s, want that of the list, which nobody asked for", s.Level)
		}
	},
}
