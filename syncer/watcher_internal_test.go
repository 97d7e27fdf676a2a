package syncer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// many is a Runner of n copies that are known, each with the budget that of
// gives it.
func many(n int, of func(i int) Budget) *Runner {
	now := time.Now()
	s := &Scheduled{Feed: &Feed{Name: "source"}}
	for i := range n {
		c := &Copy{Name: fmt.Sprintf("consumer.table%d", i), Budget: of(i)}
		c.know(Partition{}, func(k *known) {
			k.read, k.standing = true, Standing{AsOf: now, DeletesAsOf: now, FirstSeen: now}
		})
		s.Copies = append(s.Copies, c)
	}
	return &Runner{Feeds: []*Scheduled{s}, Log: zerolog.Nop()}
}

// heard is a Watch that keeps when each table was first said to be alarming.
type heard struct {
	first  map[string]time.Time
	since  map[string]time.Time
	rounds int
	last   []Judged
}

func (h *heard) Judged(now time.Time, all []Judged) {
	h.rounds++
	h.last = all
	for _, j := range all {
		if _, known := h.first[j.Table]; j.Alarm != Fresh && !known && h.first != nil {
			h.first[j.Table], h.since[j.Table] = now, j.Since
		}
	}
}

// A thousand copies whose budgets pass at moments of their own are each told of
// within a second, and nobody is told more often for it than five times a
// second.
func TestWatcherIsPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := many(1000, func(i int) Budget {
			return Budget{Critical: time.Minute + time.Duration(i*7919%30_000)*time.Millisecond}
		})
		h := &heard{first: make(map[string]time.Time), since: make(map[string]time.Time)}
		r.Watch = h
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
		defer stop()
		newWatcher(r).Run(ctx)
		var late []time.Duration
		for table, at := range h.first {
			late = append(late, at.Sub(h.since[table]))
		}
		if len(late) != 1000 || slices.Min(late) <= 0 || slices.Max(late) > 250*time.Millisecond {
			t.Errorf("%d are told, %s to %s after the passing", len(late), slices.Min(late), slices.Max(late))
		}
		if h.rounds > 2*60*5 || h.rounds < 2*60 {
			t.Errorf("%d rounds in two minutes", h.rounds)
		}
	})
}

// A process that stood still for longer than its leases last says nothing of
// copies until it is known who holds them, and begins anew to wait for polls.
func TestWatcherAfterAStandstill(t *testing.T) {
	r := many(1, func(int) Budget { return Budget{Critical: time.Minute} })
	c, h := r.Feeds[0].Copies[0], &heard{}
	r.Watch = h
	w := newWatcher(r)
	start := w.last
	c.SetReady(nil)
	c.ends(start)
	at := func(d time.Duration) Judged {
		t.Helper()
		w.round(start.Add(d))
		return h.last[0]
	}
	if j := at(10 * time.Second); j.Level != Fresh || !j.Watched.Equal(start) || !j.Polled.Equal(start) {
		t.Fatalf("before: %+v", j)
	}
	woken := start.Add(time.Hour)
	if j := at(time.Hour); j.Level != Unknown || j.Alarm != Fresh || !j.Since.IsZero() || !j.Watched.Equal(woken) || !j.Polled.IsZero() || j.Standby {
		t.Errorf("right after: %+v", j)
	}
	c.hold(start.Add(time.Second)) // asked for before the standstill
	if j := at(time.Hour + time.Second); j.Level != Unknown {
		t.Errorf("after an old renewal: %+v", j)
	}
	c.hold(woken.Add(time.Second))
	if j := at(time.Hour + 2*time.Second); j.Level != Critical || j.Alarm != Critical || !j.Since.Equal(j.AsOf.Add(time.Minute)) || !j.Watched.Equal(woken) {
		t.Errorf("after the lease is renewed: %+v", j)
	}
	// A shorter gap is none.
	if j := at(time.Hour + 16*time.Second); j.Level != Critical || !j.Watched.Equal(woken) {
		t.Errorf("after a short gap: %+v", j)
	}
	// A database that is silent decides nothing: in the end the copy is judged.
	if j := at(2 * time.Hour); j.Level != Unknown {
		t.Errorf("after another standstill: %+v", j)
	}
	if j := at(2*time.Hour + 10*time.Second); j.Level != Unknown {
		t.Errorf("ten seconds later: %+v", j)
	}
	if j := at(2*time.Hour + 16*time.Second); j.Alarm != Critical {
		t.Errorf("sixteen seconds later: %+v", j)
	}
	// Another daemon took over: it tells.
	at(3 * time.Hour)
	c.SetReady(&HeldError{Holder: "them"})
	if j := at(3*time.Hour + time.Second); !j.Standby || j.Alarm != Fresh || j.Level != Unknown {
		t.Errorf("standing by: %+v", j)
	}
}

// A partition that is new, and never was complete, does not quiet the others.
func TestAlarmIsThatOfTheLoudestPartition(t *testing.T) {
	r := many(1, func(int) Budget { return Budget{Warn: time.Minute, Critical: time.Hour} })
	c, h := r.Feeds[0].Copies[0], &heard{}
	r.Watch = h
	w := newWatcher(r)
	now := w.last
	c.know(Partition{Name: "old"}, func(k *known) {
		k.read, k.standing = true, Standing{AsOf: now.Add(-2 * time.Hour), DeletesAsOf: now, FirstSeen: now.Add(-3 * time.Hour)}
	})
	c.know(Partition{Name: "new"}, func(k *known) { k.read, k.standing = true, Standing{FirstSeen: now.Add(-10 * time.Second)} })
	w.round(now.Add(time.Second))
	// What is told beside the alarm is that of the same partition.
	if j := h.last[0]; j.Level != Critical || j.Alarm != Critical || !j.Since.Equal(now.Add(-time.Hour)) || j.Limit != time.Hour ||
		!j.AsOf.Equal(now.Add(-2*time.Hour)) || j.Staleness != 2*time.Hour+time.Second || j.Age != j.Staleness || j.Measure != MeasureStaleness ||
		!strings.HasPrefix(j.Reason, "no complete poll since ") {
		t.Errorf("judged %+v", j)
	}
	// So is what fails.
	c.know(Partition{Name: "new"}, func(k *known) { k.fails(&k.failed, &Failure{Class: ClassConnect, Text: "refused"}, now) })
	w.round(now.Add(2 * time.Second))
	if j := h.last[0]; j.Level != Critical || j.Failure != nil || !j.FailingSince.IsZero() || !strings.HasPrefix(j.Reason, "no complete poll since ") {
		t.Errorf("while another partition fails: %+v", j)
	}
	c.know(Partition{Name: "new"}, func(k *known) { k.failed = nil })
	c.know(Partition{Name: "old"}, func(k *known) { k.standing.AsOf = now })
	for after, want := range map[time.Duration]Level{time.Second: Fresh, 51 * time.Second: Warn, time.Hour: Critical} {
		c.know(Partition{}, func(k *known) { k.standing.AsOf, k.standing.DeletesAsOf = now.Add(after), now.Add(after) })
		c.know(Partition{Name: "old"}, func(k *known) { k.standing.AsOf, k.standing.DeletesAsOf = now.Add(after), now.Add(after) })
		j := Judged{}
		c.judge(now.Add(after), now, &j)
		if j.Level != Never || j.Alarm != want || (want == Fresh) != j.Since.IsZero() {
			t.Errorf("never complete after %s: %+v, want %s", after, j, want)
		}
	}
}

// Each budget that is passed is told with what it bounds, and how much of that
// there is; of those that are, staleness comes first.
func TestWatcherSaysWhichBudgetIsPassed(t *testing.T) {
	const hour = time.Hour
	budget := Budget{Warn: hour, Critical: 2 * hour, Deletes: 26 * hour, Newest: 10 * time.Minute}
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, test := range []struct {
		name                    string
		asOf, deletes, newest   time.Duration
		alarm                   Level
		measure                 Measure
		age, limit, sincePassed time.Duration
	}{
		{"none", time.Minute, hour, time.Minute, Fresh, MeasureStaleness, time.Minute, 2 * hour, 0},
		{"newest", time.Minute, hour, 12 * time.Minute, Warn, MeasureNewest, 12 * time.Minute, 10 * time.Minute, 2 * time.Minute},
		{"newest, while the copy is older than that budget", 11 * time.Minute, hour, 12 * time.Minute, Warn, MeasureNewest, 12 * time.Minute, 10 * time.Minute, 2 * time.Minute},
		{"deletes", time.Minute, 72 * hour, time.Minute, Critical, MeasureDeletes, 72 * hour, 26 * hour, 46 * hour},
		{"deletes and newest", time.Minute, 72 * hour, hour, Critical, MeasureDeletes, 72 * hour, 26 * hour, 46 * hour},
		{"warn and newest", 90 * time.Minute, hour, 91 * time.Minute, Warn, MeasureStaleness, 90 * time.Minute, hour, 30 * time.Minute},
		{"critical", 3 * hour, hour, time.Minute, Critical, MeasureStaleness, 3 * hour, 2 * hour, hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := many(1, func(int) Budget { return budget })
			h := &heard{}
			r.Watch = h
			r.Feeds[0].Copies[0].know(Partition{}, func(k *known) {
				k.standing = Standing{AsOf: ago(test.asOf), DeletesAsOf: ago(test.deletes), Newest: ago(test.newest), FirstSeen: ago(100 * hour)}
			})
			newWatcher(r).round(now)
			j := h.last[0]
			var since time.Time
			if test.alarm != Fresh {
				since = ago(test.sincePassed)
			}
			if j.Alarm != test.alarm || j.Measure != test.measure || j.Age != test.age || j.Limit != test.limit || !j.Since.Equal(since) ||
				j.Staleness != test.asOf || !j.Due.IsZero() {
				t.Errorf("judged %+v", j)
			}
		})
	}
}

// A round over ten thousand copies, of which every tenth is stale, every other
// one follows a schedule, and every hundredth fails.
func BenchmarkJudge10000(b *testing.B) {
	r := many(10_000, func(i int) Budget {
		budget := Budget{Warn: time.Hour, Critical: 2 * time.Hour}
		if i%10 == 0 {
			budget = Budget{Warn: time.Nanosecond, Critical: time.Hour}
		}
		if i%2 == 1 {
			budget.Grace = Grace{Warn: time.Hour, Critical: time.Hour, Due: daily(6)}
		}
		return budget
	})
	for i, c := range r.Feeds[0].Copies {
		if i%100 == 0 {
			c.know(Partition{}, func(k *known) { k.failed = &Failure{Class: ClassConnect, Text: "connect: connection refused"} })
		}
	}
	r.Watch = &heard{}
	w := newWatcher(r)
	before := cpu(b)
	for b.Loop() {
		w.round(time.Now())
	}
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/round")
}

// cpu is what the process has used, its garbage collector included.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
