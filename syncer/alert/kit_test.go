package alert_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

// table is a copy as the driver of a test judges it: by syncer.Judge, from an
// as-of that the test moves.
type table struct {
	name     string
	budget   syncer.Budget
	standing syncer.Standing
	failure  *syncer.Failure
	since    time.Time // of failing
	polled   time.Time
	watched  time.Time
	// unknown says that nothing can be told of it.
	unknown, paused, standby bool
	clock                    func() time.Time
}

func newTable(name string, warn, critical time.Duration) *table {
	now := time.Now()
	return &table{name: name, budget: syncer.Budget{Warn: warn, Critical: critical},
		standing: syncer.Standing{AsOf: now, DeletesAsOf: now, FirstSeen: now}, polled: now, clock: time.Now}
}

// poll is a poll that completes.
func (c *table) poll() {
	now := c.clock()
	c.standing.AsOf, c.standing.DeletesAsOf, c.polled = now, now, now
	c.failure, c.since = nil, time.Time{}
}

// fail is a poll that does not.
func (c *table) fail(class syncer.Class, text string) {
	c.polled = c.clock()
	if c.failure == nil {
		c.since = c.polled
	}
	c.failure = &syncer.Failure{Class: class, Text: text}
}

func (c *table) judged(now time.Time) syncer.Judged {
	j := syncer.Judged{Freshness: syncer.Judge(c.standing, c.budget, now), Alarm: syncer.Fresh, Digest: c.budget.String(),
		Failure: c.failure, FailingSince: c.since, Polled: c.polled, Watched: c.watched, Paused: c.paused, Standby: c.standby}
	j.Table = c.name
	j.Consumer, j.Source, _ = strings.Cut(c.name, ".")
	if c.unknown {
		j.Freshness = syncer.Freshness{Table: c.name, Level: syncer.Unknown, Reason: "nothing is known of the copy"}
	}
	switch b := c.budget.Of(c.standing); j.Level {
	case syncer.Warn:
		j.Alarm, j.Since, j.Limit = syncer.Warn, j.WarnAt, b.Warn
	case syncer.Critical:
		j.Alarm, j.Since, j.Limit = syncer.Critical, j.CriticalAt, b.Critical
	}
	if c.paused || c.standby {
		j.Alarm, j.Since = syncer.Fresh, time.Time{}
	}
	return j
}

// world is a desk that is driven once a second.
type world struct {
	t      *testing.T
	began  time.Time
	store  *alerttest.Store
	desk   *alert.Desk
	tables []*table
	make   func() *alert.Desk
	stop   func()
	every  time.Duration
	// ahead is how far the process's clock is ahead of the bubble's.
	ahead atomic.Int64
	// set is by how much its wall clock was set ahead, in seconds, which the
	// monotonic one knows nothing of.
	set atomic.Int64
}

// open starts a desk; make is called again for each restart.
func open(t *testing.T, make func() *alert.Desk, tables ...*table) *world {
	w := &world{t: t, began: time.Now(), store: &alerttest.Store{}, tables: tables, make: make, every: time.Second}
	w.start()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) start() {
	ctx, cancel := context.WithCancel(context.Background())
	w.desk = w.make()
	if w.desk.Store == nil {
		w.desk.Store = w.store
	}
	w.desk.SetClock(w.now)
	for _, c := range w.tables {
		c.clock = w.now
	}
	w.desk.SetJitter(func(base time.Duration) time.Duration { return base })
	if w.desk.Instance == "" {
		w.desk.Instance = "larder"
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := w.desk.Run(ctx); err != nil {
			w.t.Errorf("run the desk: %v", err)
		}
	}()
	w.stop = func() {
		cancel()
		<-ended
	}
	synctest.Wait() // it has read its store
}

// restart stops the desk and starts another one on the same store.
func (w *world) restart() {
	w.stop()
	for _, c := range w.tables {
		c.polled = time.Time{}
	}
	w.start()
}

func (w *world) now() time.Time {
	now := time.Now().Add(time.Duration(w.ahead.Load()))
	return clocks(now.Add(time.Duration(w.set.Load())*time.Second), now)
}

// clocks is a moment with two readings, as time.Now returns it outside a bubble:
// there is none that differ unless one knows how package time keeps them.
func clocks(wall, monotonic time.Time) (t time.Time) {
	type readings struct {
		wall uint64 // a mark, seconds since 1885, nanoseconds
		ext  int64  // nanoseconds since anything
		loc  *time.Location
	}
	since := time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	t = wall
	*(*readings)(unsafe.Pointer(&t)) = readings{wall: 1<<63 | uint64(wall.Unix()-since)<<30 | uint64(wall.Nanosecond()), ext: monotonic.UnixNano(), loc: time.UTC}
	if !t.Round(0).Equal(wall) || !strings.Contains(t.String(), " m=") {
		panic("package time keeps its readings in another way than this test knows")
	}
	return t
}

// sleep is what a process sees that is stopped for as long as that: nothing of it
// runs, and then all that is overdue.
func (w *world) sleep(long time.Duration) {
	w.ahead.Add(int64(long))
	w.desk.WakeAll()
	synctest.Wait()
}

// tick judges once.
func (w *world) tick() {
	now := w.now()
	all := make([]syncer.Judged, len(w.tables))
	for i, c := range w.tables {
		c.clock = w.now // it may have come later
		all[i] = c.judged(now)
	}
	w.desk.Judged(now, all)
	synctest.Wait()
}

// run judges for as long as that.
func (w *world) run(d time.Duration) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		time.Sleep(w.every)
		w.tick()
	}
}

// polling judges for as long as that and polls all tables every minute.
func (w *world) polling(d time.Duration) {
	for ; d > 0; d -= time.Minute {
		for _, c := range w.tables {
			c.poll()
		}
		w.run(time.Minute)
	}
}

// lines writes messages as a test compares them: when since the start, what, and
// of which tables.
func (w *world) lines(heard []alerttest.Heard) string {
	var out strings.Builder
	for _, h := range heard {
		fmt.Fprintf(&out, "%v %s", h.At.Sub(w.began).Round(time.Second), said(h.Message))
		if h.Err != nil {
			fmt.Fprintf(&out, " FAILS")
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func said(m alert.Message) string {
	var out strings.Builder
	out.WriteString(string(m.Event))
	for _, a := range m.Alerts {
		fmt.Fprintf(&out, " %s:%s", a.Table, a.Level)
		if a.Event == alert.Resolved {
			fmt.Fprintf(&out, ":%s", a.Ending)
		}
	}
	if m.Via != "" {
		fmt.Fprintf(&out, " via %s", m.Via)
	}
	return out.String()
}

// want compares what a receiver took.
func (w *world) want(r *alerttest.Recorder, want string) {
	w.t.Helper()
	w.same(w.lines(r.Taken()), want)
}

func (w *world) same(got, want string) {
	w.t.Helper()
	trim := func(s string) []string {
		var lines []string
		for l := range strings.Lines(s) {
			if l = strings.TrimSpace(l); l != "" {
				lines = append(lines, l)
			}
		}
		return lines
	}
	if diff := cmp.Diff(trim(want), trim(got)); diff != "" {
		w.t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// oncall is a receiver with the defaults of the configuration.
func oncall(n alert.Notifier) *alert.Receiver {
	return &alert.Receiver{Name: "oncall", Kind: "webhook", Notifier: n, Resolved: true, Group: 30 * time.Second, Limit: 20,
		Repeat: map[syncer.Level]time.Duration{syncer.Warn: 4 * time.Hour, syncer.Critical: time.Hour}}
}

func named(name string, n alert.Notifier) *alert.Receiver {
	r := oncall(n)
	r.Name = name
	return r
}

func deskOf(receivers ...*alert.Receiver) func() *alert.Desk {
	return func() *alert.Desk {
		return &alert.Desk{Receivers: receivers, Log: zerolog.New(io.Discard)}
	}
}

// bubble runs a story on a clock of its own.
func bubble(t *testing.T, story func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, story)
}

// seconds are those at which something was heard, since the start.
func (w *world) seconds(heard []alerttest.Heard) []int {
	var at []int
	for _, h := range heard {
		at = append(at, int(h.At.Sub(w.began).Round(time.Second)/time.Second))
	}
	return slices.Clip(at)
}
