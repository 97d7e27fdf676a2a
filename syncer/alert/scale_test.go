package alert_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

func TestAThousandTablesThatCrossTogetherAreEnqueuedWithinOneSecond(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, pager := &alerttest.Recorder{}, &alerttest.Recorder{}
		one := named("pager", pager)
		one.Limit = 1
		var tables []*table
		for i := range 1000 {
			tables = append(tables, newTable(fmt.Sprintf("shop.t%03d", i), 0, 5*time.Minute))
		}
		w := open(t, deskOf(oncall(r), one), tables...)
		w.run(5 * time.Minute)
		if saves := w.store.Saves(); saves != 0 {
			t.Errorf("%d saves for nothing", saves)
		}
		w.run(time.Second)
		m, err := w.store.Load(t.Context())
		if err != nil || len(m.Episodes) != 1000 || len(m.Told) != 2000 || len(m.Messages) != 50+1000 {
			t.Errorf("one second later there are %d episodes, %d told, %d messages, %v", len(m.Episodes), len(m.Told), len(m.Messages), err)
		}
		if saves := w.store.Saves(); saves != 1 {
			t.Errorf("%d saves, want one", saves)
		}
		w.run(time.Minute)
		told := map[string]int{}
		for _, heard := range [][]alerttest.Heard{r.Taken(), pager.Taken()} {
			for _, h := range heard {
				for _, a := range h.Alerts {
					told[a.Table]++
				}
			}
		}
		for name, n := range told {
			if n != 2 {
				t.Errorf("%s is told %d times, want twice", name, n)
			}
		}
		if len(told) != 1000 || len(r.Taken()) != 50 || len(pager.Taken()) != 1000 {
			t.Errorf("%d tables in %d and %d messages", len(told), len(r.Taken()), len(pager.Taken()))
		}
	})
}

func TestAnOutboxThatIsFullLosesNoFiringAndNoEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of messages, one by one: the race detector takes minutes over them")
	}
	bubble(t, func(t *testing.T) {
		const many = 7000
		r := &alerttest.Recorder{Answer: between(0, 6*time.Minute, errDown)}
		rec := oncall(r)
		rec.Limit = 1
		var tables []*table
		for i := range many {
			tables = append(tables, newTable(fmt.Sprintf("shop.t%04d", i), 0, time.Minute))
		}
		w := open(t, deskOf(rec), tables...)
		w.every = 10 * time.Second // this is about counts
		w.run(6 * time.Minute)
		if b := w.desk.Backlog()[0]; b.Pending != 5000 {
			t.Errorf("%d messages wait, want 5000: each counts twice, for itself and its alert", b.Pending)
		}
		w.run(30 * time.Minute)
		fired := map[string]bool{}
		for _, h := range r.Taken() {
			for _, a := range h.Alerts {
				if a.Event == alert.Firing {
					fired[a.Table] = true
				}
			}
		}
		if len(fired) != many {
			t.Errorf("%d tables fired, want %d", len(fired), many)
		}
	})
}

// BenchmarkRoundOf10000QuietTables is what each second costs.
func BenchmarkRoundOf10000QuietTables(b *testing.B) {
	d := &alert.Desk{Instance: "larder", Receivers: []*alert.Receiver{oncall(&alerttest.Recorder{})}, Log: zerolog.New(io.Discard)}
	now := time.Now()
	all := make([]syncer.Judged, 10_000)
	for i := range all {
		all[i] = syncer.Judged{Freshness: syncer.Freshness{Table: fmt.Sprintf("shop.t%d", i), Level: syncer.Fresh}, Alarm: syncer.Fresh, Polled: now}
	}
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		d.Round(b.Context(), now, all)
	}
}

// BenchmarkRoundOfAThousandEpisodes is what a second costs while a thousand
// tables are stale and four receivers are down with outboxes that are full: what
// becomes critical finds no room, is tried again each second, and half of what
// waits was attempted.
func BenchmarkRoundOfAThousandEpisodes(b *testing.B) {
	for name, prepare := range map[string]func(*alert.Desk, time.Time){
		"told": func(*alert.Desk, time.Time) {},
		"muted": func(d *alert.Desk, now time.Time) {
			d.Maintenance = []alert.Maintenance{{Schedule: onceADay(now), Duration: 23 * time.Hour}}
		},
		"handed to a fallback that is full": func(d *alert.Desk, now time.Time) { d.Fail(now.Add(-time.Hour)) },
	} {
		b.Run(name, func(b *testing.B) {
			now := time.Now()
			d, all := crowd(b, now)
			prepare(d, now)
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Second)
				d.Round(b.Context(), now, all)
			}
		})
	}
}

// onceADay ticks once a day.
type onceADay time.Time

func (s onceADay) Next(after time.Time) time.Time {
	next := time.Time(s)
	for !next.After(after) {
		next = next.Add(24 * time.Hour)
	}
	return next
}

// crowd is a desk whose receivers have outboxes that are full, half of it
// attempted, and a thousand tables that are stale and have just become critical.
func crowd(b *testing.B, now time.Time) (*alert.Desk, []syncer.Judged) {
	d := &alert.Desk{Instance: "larder", Log: zerolog.New(io.Discard)}
	for i := range 4 {
		r := named(fmt.Sprintf("r%d", i), &alerttest.Recorder{})
		r.Limit, r.Repeat, r.Group, r.Fallback = 1, nil, 0, "r0"
		d.Receivers = append(d.Receivers, r)
	}
	all := make([]syncer.Judged, 6000)
	for i := range all {
		table := fmt.Sprintf("shop.t%d", i)
		all[i] = syncer.Judged{Freshness: syncer.Freshness{Table: table, Level: syncer.Fresh}, Alarm: syncer.Fresh, Polled: now}
		if i < 5000 {
			all[i].Level, all[i].Alarm, all[i].Since = syncer.Warn, syncer.Warn, now
		}
	}
	d.Round(b.Context(), now, all)
	d.Attempt(2)
	for i := range 1000 {
		all[i].Level, all[i].Alarm = syncer.Critical, syncer.Critical
	}
	return d, all
}
