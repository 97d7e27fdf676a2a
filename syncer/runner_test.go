package syncer_test

import (
	"context"
	"iter"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// slowLease takes its time when it is asked for.
type slowLease struct {
	syncer.Lease
	takes time.Duration
}

func (l slowLease) Acquire(ctx context.Context) error {
	t := time.NewTimer(l.takes)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return l.Lease.Acquire(ctx)
	}
}

// still is a source whose every walk ends at once.
type still struct{}

func (still) Walk(context.Context, syncer.Walk) iter.Seq2[*syncer.Batch, error] {
	return func(yield func(*syncer.Batch, error) bool) {
		yield(&syncer.Batch{End: &syncer.End{Watermark: "1"}}, nil)
	}
}

// remembered is a history of reports.
type remembered struct {
	mu      sync.Mutex
	reports []syncer.Report
	at      []time.Time
}

func (h *remembered) Record(_ context.Context, r syncer.Report) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reports, h.at = append(h.reports, r), append(h.at, time.Now())
	return nil
}

type hourly struct{}

func (hourly) Next(t time.Time) time.Time { return t.Add(time.Hour) }

// run runs a feed with a table for each lease, which takes as long as that, for
// a minute, and returns what history kept.
func run(t *testing.T, leases ...time.Duration) *remembered {
	t.Helper()
	h := &remembered{}
	f := &syncer.Feed{Name: "users", Source: still{}, Partitions: []syncer.Partition{{}}}
	r := &syncer.Runner{Concurrency: 1, History: h, Log: zerolog.Nop(),
		Feeds: []*syncer.Scheduled{{Feed: f, Schedule: hourly{}}}}
	for _, takes := range leases {
		d := new(syncertest.Memory).NewDaemon("one")
		table := d.Table(row.Spec{Name: "a.users", Target: "users", Source: "users", Version: -1, Key: []int{0}, Shape: syncer.Shape("users", []string{"id"}),
			Columns: []row.Column{{Name: "id", Type: row.Type{Kind: row.Bigint}, Slots: []int{0}, NotNull: true}}})
		c := &syncer.Copy{Name: "users", Table: table, Keeper: table}
		f.Copies = append(f.Copies, c)
		r.Consumers = append(r.Consumers, &syncer.Consumer{Lease: slowLease{d, takes}, Inbox: d, Copies: []*syncer.Copy{c}})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return h
}

// A start asks the owner once for all consumers, however unevenly their
// databases answer.
func TestStartWalksOnceForAllConsumers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, 0, time.Second, time.Millisecond)
		if len(h.reports) != 1 || !h.reports[0].OK() || len(h.reports[0].Tables) != 3 {
			t.Errorf("want one walk into three tables, got %+v", h.reports)
		}
	})
}

// A database that hangs delays the others by two seconds, and joins later.
func TestStartDoesNotWaitForADatabaseThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		h := run(t, 0, 30*time.Second)
		if len(h.reports) != 4 {
			t.Fatalf("want a walk without the second database, who is not there, one for changes, and one into it, got %+v", h.reports)
		}
		if waited := h.at[1].Sub(began); waited > 3*time.Second {
			t.Errorf("the first walk waited for %s", waited)
		}
		if h.reports[0].OK() == h.reports[1].OK() || !h.reports[2].OK() || !h.reports[3].OK() {
			t.Errorf("the table that was not there yet is not told of: %+v", h.reports)
		}
	})
}
