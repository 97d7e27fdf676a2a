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

// usedUp says when the owner takes requests again.
type usedUp struct{ until time.Time }

func (usedUp) Error() string              { return "quota is used up" }
func (usedUp) FailureClass() syncer.Class { return syncer.ClassRateLimited }
func (u usedUp) RetryAt() time.Time       { return u.until }

// resting is a source that is asked too often the first time, for a while.
type resting struct {
	still
	mu    sync.Mutex
	rests time.Duration
	asked []time.Time
}

func (s *resting) Walk(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked = append(s.asked, time.Now()); len(s.asked) == 1 {
		err := usedUp{time.Now().Add(s.rests)}
		return func(yield func(*syncer.Batch, error) bool) { yield(nil, err) }
	}
	return s.still.Walk(ctx, w)
}

// What the owner's quota ended is tried again when the owner said, neither later
// nor sooner, and status says so meanwhile.
func TestAQuotaIsWaitedForAsLongAsToldOnly(t *testing.T) {
	for name, snapshot := range map[string]bool{"list": false, "snapshot": true} {
		for _, rests := range []time.Duration{16 * time.Second, 50 * time.Minute} {
			t.Run(name+" "+rests.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := &resting{rests: rests}
					d := new(syncertest.Memory).NewDaemon("one")
					table := d.Table(row.Spec{Name: "a.users", Target: "users", Source: "users", Version: -1, Key: []int{0}, Shape: syncer.Shape("users", []string{"id"}),
						Columns: []row.Column{{Name: "id", Type: row.Type{Kind: row.Bigint}, Slots: []int{0}, NotNull: true}}})
					c := &syncer.Copy{Name: "users", Table: table, Keeper: table}
					f := &syncer.Feed{Name: "users", Source: src, Snapshot: snapshot, Partitions: []syncer.Partition{{}}, Copies: []*syncer.Copy{c}}
					r := &syncer.Runner{Concurrency: 1, Log: zerolog.Nop(), Feeds: []*syncer.Scheduled{{Feed: f, Schedule: hourly{}}},
						Consumers: []*syncer.Consumer{{Lease: d, Inbox: d, Copies: []*syncer.Copy{c}}}}
					ctx, cancel := context.WithTimeout(t.Context(), 55*time.Minute)
					defer cancel()
					var mu sync.Mutex
					var next []time.Time
					watch := time.AfterFunc(10*time.Second, func() {
						all, err := d.Status(ctx)
						if err != nil {
							t.Error(err)
						}
						mu.Lock()
						defer mu.Unlock()
						for _, s := range all {
							next = append(next, s.NextPoll)
						}
					})
					defer watch.Stop()
					if err := r.Run(ctx); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					if len(src.asked) != 2 || len(next) != 1 {
						t.Fatalf("asked at %v, next poll %v", src.asked, next)
					}
					want := src.asked[0].Add(rests)
					if late := src.asked[1].Sub(want); late < 0 || late > time.Second {
						t.Errorf("asked again %v late", late)
					}
					if off := next[0].Sub(want); off < -time.Second || off > time.Second {
						t.Errorf("status says %v, %v off", next[0], off)
					}
				})
			})
		}
	}
}
