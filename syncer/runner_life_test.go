package syncer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// every is an @every schedule.
type every time.Duration

func (e every) Next(t time.Time) time.Time { return t.Add(time.Duration(e)) }

// journal keeps what a Runner logs, and when.
type journal struct {
	mu    sync.Mutex
	start time.Time
	lines []line
}

type line struct {
	At                                time.Duration
	Message, Table, Freshness, Holder string
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var l line
	if err := json.Unmarshal(bytes.TrimSpace(b), &l); err != nil {
		return 0, err
	}
	l.At = time.Since(j.start)
	j.lines = append(j.lines, l)
	return len(b), nil
}

func (j *journal) of(message string) []line {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []line
	for _, l := range j.lines {
		if l.Message == message {
			out = append(out, l)
		}
	}
	return out
}

// levels writes down the level changes of the journal, to the minute.
func (j *journal) levels() []string {
	var out []string
	for _, l := range j.of("freshness changes") {
		out = append(out, fmt.Sprintf("%s %s", l.At.Round(time.Minute), l.Freshness))
	}
	return out
}

// kitchen is a Runner of one feed in one table, on a database of its own or a
// shared one, with its journal.
type kitchen struct {
	*syncer.Runner
	journal *journal
	feed    *syncer.Scheduled
	daemon  *syncertest.Daemon
	lease   *shaky
	table   *spoiled
	stop    context.CancelFunc
	ended   chan struct{}
}

// history counts reports.
type history struct {
	mu      sync.Mutex
	reports []syncer.Report
}

func (h *history) Record(_ context.Context, r syncer.Report) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reports = append(h.reports, r)
	return errors.New("disk is full") // polling goes on without a history
}

func (h *history) all() []syncer.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.reports)
}

func (h *history) first() syncer.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reports[0]
}

func newKitchen(name string, m *syncertest.Memory, s syncer.Source, schedule syncer.Schedule) *kitchen {
	d := m.NewDaemon(name)
	inner := d.Table(spec("a"))
	k := &kitchen{daemon: d, lease: &shaky{Lease: d}, table: &spoiled{Table: inner}, journal: &journal{start: time.Now()}, ended: make(chan struct{})}
	c := &syncer.Copy{Name: "c.a", Table: k.table, Keeper: inner, Budget: spec("a").Budget}
	k.feed = &syncer.Scheduled{Schedule: schedule, Feed: &syncer.Feed{Name: "items", Source: s,
		Partitions: []syncer.Partition{{}}, Copies: []*syncer.Copy{c}, Gather: syncer.Gather{Records: 100, Bytes: 1 << 20}}}
	k.Runner = &syncer.Runner{Feeds: []*syncer.Scheduled{k.feed}, Concurrency: 1, History: &history{}, Log: zerolog.New(k.journal),
		Consumers: []*syncer.Consumer{{Name: "c", Lease: k.lease, Inbox: d, Forgetter: d, Idle: []string{"idle"}, Copies: []*syncer.Copy{c}}}}
	return k
}

// start runs the kitchen until close.
func (k *kitchen) start(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	k.stop = stop
	go func() {
		defer close(k.ended)
		if err := k.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
}

func (k *kitchen) close() {
	k.stop()
	<-k.ended
}

// A day of polls every ten minutes, of which three hours find the owner down.
func TestRunnerADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var good []time.Duration
		inside := 0
		s := numbered(1, func(context.Context, int) error {
			if inside++; inside > 1 {
				t.Error("polls overlap")
			}
			defer func() { inside-- }()
			time.Sleep(10 * time.Second)
			at := time.Since(start)
			if at > 10*time.Hour && at < 13*time.Hour {
				return errOwner
			}
			good = append(good, at)
			return nil
		})
		k := newKitchen("us", &syncertest.Memory{}, s, every(10*time.Minute))
		k.feed.Copies[0].Budget = syncer.Budget{Warn: 25 * time.Minute, Critical: time.Hour}
		k.start(t)
		time.Sleep(24*time.Hour + 5*time.Minute) // between two polls
		k.close()

		want := []string{"0s never", "0s fresh", "10h15m0s warn", "10h50m0s critical", "13h0m0s fresh"}
		if diff := cmp.Diff(want, k.journal.levels()); diff != "" {
			t.Errorf("level changes (-want +got):\n%s", diff)
		}
		for i := 1; i < len(good); i++ {
			if gap := good[i] - good[i-1]; gap != 10*time.Minute && good[i] < 13*time.Hour && good[i-1] > 13*time.Hour {
				t.Errorf("polls at %s and %s, want ten minutes", good[i-1], good[i])
			}
		}
		if n := len(good); n != 127 && n != 126 {
			t.Errorf("%d polls complete in 21 hours", n)
		}
		if h := k.History.(*history); len(h.reports) != len(k.journal.of("poll completes"))+len(k.journal.of("poll fails")) {
			t.Errorf("history has %d reports", len(h.reports))
		}
	})
}

// A poll that hangs cannot report itself; the watcher does.
func TestRunnerHungPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		polls := 0
		k := newKitchen("us", &syncertest.Memory{}, numbered(1, func(ctx context.Context, _ int) error {
			if polls++; polls == 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}), every(time.Minute))
		k.start(t)
		time.Sleep(time.Hour)
		want := []string{"0s fresh", "5m0s warn", "15m0s critical"}
		if diff := cmp.Diff(want, k.journal.levels()); diff != "" {
			t.Errorf("level changes (-want +got):\n%s", diff)
		}
		k.close()
	})
}

func TestRunnerCarriesOutOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, s := &syncertest.Memory{}, numbered(1, nil)
		k := newKitchen("us", m, s, every(24*time.Hour))
		k.start(t)
		time.Sleep(10 * time.Second)
		if err := k.daemon.Table(spec("left")).Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		cli := m.NewDaemon("command line")
		for _, test := range []struct {
			order   syncer.Order
			state   string
			outcome string
			polls   int
		}{
			{syncer.Order{Kind: syncer.OrderPoll, Table: "a"}, "done", "1 records: 0 inserted, 0 updated, 0 deleted, 1 unchanged, 0 quarantined", 2},
			{syncer.Order{Kind: syncer.OrderResync, Table: "a"}, "done", "1 records: 0 inserted, 0 updated, 0 deleted, 1 unchanged, 0 quarantined", 3},
			{syncer.Order{Kind: syncer.OrderPause, Table: "a"}, "done", "pause", 3},
			{syncer.Order{Kind: syncer.OrderPoll, Table: "a"}, "failed", "nothing is polled: every table is paused", 3},
			{syncer.Order{Kind: syncer.OrderResume, Table: "a"}, "done", "resume", 4},
			{syncer.Order{Kind: syncer.OrderPoll, Table: "b"}, "failed", `table "b" is not in the daemon's configuration`, 4},
			{syncer.Order{Kind: syncer.OrderForget, Table: "left"}, "done", "forgotten", 4},
			{syncer.Order{Kind: syncer.OrderForget, Table: "left"}, "failed", `table "left" is not prepared`, 4},
			{syncer.Order{Kind: syncer.OrderForget, Table: "a"}, "failed",
				`table "a" is in the daemon's configuration: remove it there and restart the daemon first`, 4},
			{syncer.Order{Kind: syncer.OrderForget, Table: "idle"}, "failed",
				`table "idle" is in the daemon's configuration: remove it there and restart the daemon first`, 4},
			{syncer.Order{Kind: "dance", Table: "a"}, "failed", `order "dance" is not known`, 4},
		} {
			id, err := cli.Send(t.Context(), test.order)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
			state, outcome, err := cli.Outcome(t.Context(), id)
			polls := len(s.walks())
			if err != nil || state != test.state || outcome != test.outcome || polls != test.polls {
				t.Errorf("%s %s: %s, %q after %d polls (%v), want %s, %q after %d", test.order.Kind, test.order.Table,
					state, outcome, polls, err, test.state, test.outcome, test.polls)
			}
		}
		if st, _ := k.table.Standing(t.Context(), syncer.Partition{}); st.Resync {
			t.Error("the resync was not done")
		}
		k.close()
	})
}

// An order is carried out once, however often the inbox shows it meanwhile.
func TestRunnerCarriesOutAnOrderOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := numbered(1, func(context.Context, int) error { time.Sleep(10 * time.Second); return nil })
		k := newKitchen("us", &syncertest.Memory{}, s, every(24*time.Hour))
		k.start(t)
		time.Sleep(time.Minute)
		if _, err := k.daemon.Send(t.Context(), syncer.Order{Kind: syncer.OrderPoll, Table: "a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(s.walks()); n != 2 {
			t.Errorf("%d polls, want the first and the ordered one", n)
		}
		k.close()
	})
}

// An order that a stop cuts short waits for whoever comes next.
func TestRunnerLeavesUnfinishedOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		k := newKitchen("us", m, numbered(1, func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }), every(time.Hour))
		k.start(t)
		id, err := k.daemon.Send(t.Context(), syncer.Order{Kind: syncer.OrderPoll, Table: "a"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		k.close()
		if state, text, err := k.daemon.Outcome(t.Context(), id); state != "waiting" {
			t.Errorf("the order is %s: %q, %v; want it to wait", state, text, err)
		}
		next := newKitchen("them", m, numbered(1, nil), every(time.Hour))
		next.start(t)
		time.Sleep(5 * time.Second)
		if state, text, err := k.daemon.Outcome(t.Context(), id); state != "done" {
			t.Errorf("the order is %s: %q, %v; want it done by the next daemon", state, text, err)
		}
		next.close()
	})
}

func TestPollSoonCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := numbered(1, func(context.Context, int) error { time.Sleep(10 * time.Second); return nil })
		k := newKitchen("us", &syncertest.Memory{}, s, every(24*time.Hour))
		k.start(t)
		time.Sleep(13 * time.Second) // the first copy is complete
		k.feed.PollSoon()
		time.Sleep(3 * time.Second) // the poll for changes runs
		var soon []<-chan []syncer.Report
		for range 5 {
			soon = append(soon, k.feed.PollSoon())
			time.Sleep(time.Second)
		}
		for i, ch := range soon {
			if r := <-ch; len(r) != 1 || r[0].Started.Before(k.journal.start.Add(23*time.Second)) {
				t.Errorf("call %d gets %+v, want the poll after the running one", i, r)
			}
		}
		time.Sleep(time.Hour)
		if n := len(s.walks()); n != 3 {
			t.Errorf("%d walks, want the first copy, the running poll and one more", n)
		}
		last := k.feed.PollSoon()
		time.Sleep(time.Second)
		k.close()
		if r, ok := <-last; !ok || r[0].Failure == nil || r[0].Failure.Class != syncer.ClassStopped {
			t.Errorf("a poll that is stopped reports %+v, %t", r, ok)
		}
	})
}

func TestRunnerGivesTheLeaseBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		k := newKitchen("us", m, numbered(3, nil), every(time.Minute))
		k.table.apply = func(ctx context.Context) error { time.Sleep(20 * time.Second); return ctx.Err() }
		k.start(t)
		time.Sleep(5 * time.Second)
		began := time.Now()
		k.close() // longer than a lease: it is renewed until the batch in hand is in
		if took := time.Since(began); took < 10*time.Second {
			t.Errorf("stops after %s, want when the batch in hand is in", took)
		}
		if len(m.Rows("a", []string{"id"})) == 0 {
			t.Error("the batch in hand is not in")
		}
		if err := m.NewDaemon("them").Acquire(t.Context()); err != nil {
			t.Errorf("the lease is not given back: %v", err)
		}
	})
}

// Of two daemons one writes; the other names it, judges nothing, and takes over
// within 20 seconds of a kill.
func TestRunnerTakeover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		source := func() *script { return numbered(2, nil) }
		us, them := source(), source()
		first, second := newKitchen("us", m, us, every(time.Minute)), newKitchen("them", m, them, every(time.Minute))
		// A kill: nothing of the first reaches the database any more.
		var killed atomic.Bool
		first.lease.renew = func(ctx context.Context) error {
			if killed.Load() {
				return errors.New("killed")
			}
			return first.daemon.Renew(ctx)
		}
		first.lease.release = func(context.Context) error { return errors.New("killed") }
		first.start(t)
		time.Sleep(500 * time.Millisecond)
		second.start(t)
		time.Sleep(time.Hour)
		standing := second.journal.of("standing by: another daemon holds the lease")
		if n := len(them.walks()); n > 0 || len(standing) != 1 || standing[0].Holder != "us" || len(second.journal.levels()) > 0 {
			t.Errorf("the second asked %d times, says %+v and %v; want it to stand by in silence", n, standing, second.journal.levels())
		}

		killed.Store(true)
		first.close()
		at := time.Since(second.journal.start)
		time.Sleep(time.Minute)
		taken := second.journal.of("lease is taken")
		if len(taken) != 1 || taken[0].At-at > 20*time.Second {
			t.Fatalf("killed at %s, taken over %+v, want within 20s", at, taken)
		}
		time.Sleep(10 * time.Minute)
		if w := them.walks(); len(w) < 10 || w[0].From.Watermark != "2" {
			t.Errorf("the second polls %d times from %q, want to go on from the first's position", len(w), w[0].From.Watermark)
		}
		second.close()
	})
}

// A daemon that was stopped for longer than its lease cannot commit when it
// wakes up, and stands by from then on.
func TestRunnerFrozen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		source := numbered(1, nil)
		first := newKitchen("us", m, source, every(time.Minute))
		second := newKitchen("them", m, numbered(3, nil), every(time.Minute))
		freeze := func(context.Context) error { time.Sleep(2 * time.Minute); return nil }
		first.table.apply, first.lease.renew = freeze, func(ctx context.Context) error {
			time.Sleep(2 * time.Minute)
			return first.daemon.Renew(ctx)
		}
		first.start(t)
		time.Sleep(time.Second)
		second.start(t)
		time.Sleep(10 * time.Minute)
		if rows := len(m.Rows("a", []string{"id"})); rows != 3 {
			t.Errorf("%d rows, want those of the second", rows)
		}
		fenced := first.History.(*history).first().Tables[0].Failure
		wantClass(t, "what the first had in hand", fenced, syncer.ClassFenced)
		if by := first.journal.of("standing by: another daemon holds the lease"); len(by) != 1 || by[0].Holder != "them" {
			t.Errorf("the first says %+v, want that it stands by", by)
		}
		if n := len(first.journal.of("poll completes")); n != 0 {
			t.Errorf("%d polls of the first complete", n)
		}
		if n := len(source.walks()); n > 2 {
			t.Errorf("the first asks the owner %d times, want that it leaves it to the second", n)
		}
		first.close()
		second.close()
	})
}

// A database that is down at the start delays nobody else, and joins when it is
// back.
func TestRunnerDatabaseComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		k := newKitchen("us", m, numbered(1, nil), every(time.Hour))
		var back atomic.Bool
		k.table.settle = func(context.Context) error {
			if !back.Load() {
				return errors.New("database is down")
			}
			return nil
		}
		k.start(t)
		time.Sleep(5 * time.Minute)
		back.Store(true)
		time.Sleep(5 * time.Minute)
		if n := len(k.journal.of("poll fails")); n != 4 {
			t.Errorf("%d polls fail in five minutes, want at 0s, 30s, 1m30s, 3m30s", n)
		}
		if done := k.journal.of("poll completes"); len(done) != 1 || done[0].At.Round(time.Second) != 450*time.Second {
			t.Errorf("polls complete at %+v, want the retry at 7m30s", done)
		}
		k.close()
	})
}
