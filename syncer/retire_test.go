package syncer_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// told are partitions that a query tells, and a test changes.
type told struct {
	mu    sync.Mutex
	parts []syncer.Partition
}

func (q *told) set(names ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.parts = regions(names...)
}

func (q *told) ask(context.Context) ([]syncer.Partition, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.parts, nil
}

// A partition that goes while its list waits for a turn, because another's is
// walked for hours, holds nobody up.
func TestOneThatGoesWhileItWaitsForATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := parted(func(ctx context.Context, w syncer.Walk) error {
			if w.Partition.Name == region("slow").Name {
				return wait(ctx, 10*time.Hour)
			}
			return nil
		})
		k := newKitchen("us", &syncertest.Memory{}, s, every(time.Minute))
		sp := spec("cut")
		sp.Columns = append(sp.Columns, row.Column{Name: "region", Type: row.Type{Kind: row.Text}, Slots: []int{2}, NotNull: true, Each: "region"})
		sp.Key, sp.Partitions, sp.Changing = []int{0, 2}, nil, true
		inner := k.daemon.Table(sp)
		k.feed.Copies[0].Table, k.feed.Copies[0].Keeper = inner, inner
		query := &told{}
		k.feed.Ask = query.ask
		query.set("a")
		k.start(t)
		time.Sleep(5 * time.Minute)
		query.set("a", "slow")
		time.Sleep(5 * time.Minute)
		query.set("a", "slow", "brief")
		time.Sleep(5 * time.Minute)
		before := len(s.walks())
		query.set("a", "slow")
		time.Sleep(time.Hour)
		if n := len(s.walks()) - before; n < 58 {
			t.Errorf("%d polls in the hour after one went; %+v", n, k.feed.Copies[0].Freshness(time.Now()))
		}
		k.close()
	})
}

// An audit that comes to a partition which is gone, or finds it gone when it
// looks again, asks for nothing and copies nothing.
func TestAnAuditOfOneThatWentCopiesNothing(t *testing.T) {
	for _, test := range []struct {
		name string
		// differs says that the audit finds something that it looks at again.
		differs bool
	}{{"it waits for its turn", false}, {"it looks again", true}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				audits := 0
				s := &script{walk: func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
					b := &syncer.Batch{End: &syncer.End{Watermark: "1", Listed: w.Kind.Listing()}}
					if w.Kind != syncer.Audit || !test.differs {
						r := item(1, 1)
						r.Slots = append(r.Slots, w.Partition.Value("region"))
						b.Records = append(b.Records, r)
					}
					if w.Kind == syncer.Audit {
						audits++
						if err := wait(ctx, 30*time.Minute); err != nil {
							yield(nil, err)
							return
						}
					}
					yield(b, nil)
				}}
				p := newPantry(t, s, 1)
				p.Apart, p.Persist = true, 3*time.Hour
				c := cut(p)
				query := &told{}
				p.Ask = query.ask
				query.set("a", "b")
				p.Poll(t.Context(), time.Time{})
				p.wantRegions("a b")
				done := make(chan struct{})
				go func() {
					defer close(done)
					p.AuditNow(t.Context(), c, false)
				}()
				if test.differs {
					time.Sleep(2 * time.Hour)
				} else {
					time.Sleep(time.Minute)
				}
				query.set("a")
				p.Poll(t.Context(), time.Time{})
				p.wantRegions("a")
				before := len(s.walks())
				<-done
				for _, w := range s.walks()[before:] {
					if w.Partition.Name == region("b").Name {
						t.Errorf("asks for %+v", w)
					}
				}
				for range 20 {
					time.Sleep(time.Minute)
					p.Poll(t.Context(), time.Time{})
				}
				p.wantRegions("a")
				if f := c.Freshness(time.Now()); f.Level != syncer.Fresh || f.Staleness > 0 {
					t.Errorf("the copy is %+v: what is gone is still judged", f)
				}
				if audits == 0 {
					t.Error("nothing is audited")
				}
			})
		})
	}
}

// One that comes back is copied anew.
func TestOneThatComesBackIsCopiedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPantry(t, parted(func(context.Context, syncer.Walk) error { return nil }), 1)
		c := cut(p)
		query := &told{}
		p.Ask = query.ask
		for _, names := range [][]string{{"a", "b"}, {"a"}, {"a", "b"}} {
			query.set(names...)
			for _, r := range p.Poll(t.Context(), time.Time{}) {
				if !r.OK() {
					t.Errorf("%+v", r)
				}
			}
			time.Sleep(time.Minute)
		}
		p.wantRegions("a b")
		if f := c.Freshness(time.Now()); f.Level != syncer.Fresh {
			t.Errorf("the copy is %+v", f)
		}
	})
}

// keptAsked is a keeper that keeps when its partitions were asked for.
type keptAsked struct {
	syncer.Keeper
	asked time.Time
}

func (k *keptAsked) Repartition(ctx context.Context, parts []syncer.Partition, asked time.Time) error {
	k.asked = asked
	return k.Keeper.Repartition(ctx, parts, asked)
}

// The list of partitions is as old as the question, not as the answer; and of
// two that are asked for at one time the older is told first.
func TestTheListOfPartitionsIsAsOldAsItsQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPantry(t, parted(func(context.Context, syncer.Walk) error { return nil }), 1)
		c := cut(p)
		kept := &keptAsked{Keeper: c.Keeper}
		c.Keeper = kept
		answers := [][]string{{"a"}, {"a", "b"}}
		p.Ask = func(context.Context) ([]syncer.Partition, error) {
			answer := answers[0]
			answers = answers[1:]
			time.Sleep(time.Duration(len(answers)*25+1) * time.Second)
			return regions(answer...), nil
		}
		began := time.Now()
		first := make(chan []syncer.Report)
		go func() { first <- p.Poll(t.Context(), time.Time{}) }()
		synctest.Wait()
		second := make(chan []syncer.Report)
		go func() { second <- p.Poll(t.Context(), time.Time{}) }()
		<-first
		if !kept.asked.Equal(began) {
			t.Errorf("the list is told to be of %s, want of the question", kept.asked.Sub(began))
		}
		if f := c.Freshness(time.Now()); f.Staleness != 26*time.Second {
			t.Errorf("the copy is %+v, want as old as the list's question", f)
		}
		<-second
		p.wantRegions("a b")
		if took := kept.asked.Sub(began); took != 26*time.Second {
			t.Errorf("the second is asked for after %s", took)
		}
	})
}
