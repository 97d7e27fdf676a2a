package syncer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// region is a partition.
func region(name string) syncer.Partition {
	return syncer.NewPartition(syncer.PartitionValue{Name: "region", JSON: fmt.Appendf(nil, "%q", name)})
}

func regions(names ...string) []syncer.Partition {
	var out []syncer.Partition
	for _, n := range names {
		out = append(out, region(n))
	}
	return out
}

// cut makes the pantry's only table one of partitions, each of which has one
// record, and changes.
func cut(p *pantry, names ...string) *syncer.Copy {
	p.t.Helper()
	spec := spec("cut")
	spec.Columns = append(spec.Columns, row.Column{Name: "region", Type: row.Type{Kind: row.Text}, Slots: []int{2}, NotNull: true, Each: "region"})
	spec.Key = []int{0, 2}
	spec.Partitions, spec.Changing = regions(names...), len(names) == 0
	inner := p.daemons[0].Table(spec)
	if err := inner.Prepare(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.tables[0].Table, p.Copies[0].Keeper = inner, inner
	p.Partitions = spec.Partitions
	return p.Copies[0]
}

// parted is a source of one record a partition; before decides what comes
// before it.
func parted(before func(ctx context.Context, w syncer.Walk) error) *script {
	return &script{walk: func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
		if err := before(ctx, w); err != nil {
			yield(nil, err)
			return
		}
		r := item(1, 1)
		r.Slots = append(r.Slots, w.Partition.Value("region"))
		yield(&syncer.Batch{Records: []syncer.Record{r}, End: &syncer.End{Watermark: "1", Listed: w.Kind.Listing()}}, nil)
	}}
}

func (p *pantry) wantRegions(want string) {
	p.t.Helper()
	var got []string
	for _, r := range p.memory[0].Rows("cut", []string{"region"}) {
		got = append(got, r[0])
	}
	slices.Sort(got)
	if s := strings.Join(got, " "); s != want {
		p.t.Errorf("holds rows of %q, want %q", s, want)
	}
}

func TestPartitionsAreWalkedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		p := newPantry(t, parted(func(context.Context, syncer.Walk) error {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			time.Sleep(time.Second)
			return nil
		}), 1)
		cut(p, "a", "b", "c", "d", "e", "f", "g")
		p.Concurrency = 3
		for _, kind := range []syncer.WalkKind{syncer.Resync, syncer.Changes} {
			began := time.Now()
			reports := p.Poll(t.Context(), time.Time{})
			if took := time.Since(began); took != 3*time.Second || most.Load() != 3 {
				t.Errorf("7 partitions take %s, %d at one time", took, most.Load())
			}
			if len(reports) != 7 {
				t.Fatalf("%d reports", len(reports))
			}
			for i, r := range reports {
				if !r.OK() || r.Kind != kind || r.Partition != p.Partitions[i].Name {
					t.Errorf("report %d: %+v", i, r)
				}
			}
		}
		p.wantRegions("a b c d e f g")
	})
}

func TestOneThatFailsStopsNoOther(t *testing.T) {
	p := newPantry(t, parted(func(_ context.Context, w syncer.Walk) error {
		if w.Partition.Name == region("b").Name {
			return errOwner
		}
		return nil
	}), 1)
	c := cut(p, "a", "b", "c")
	for _, r := range p.Poll(t.Context(), time.Time{}) {
		if r.OK() != (r.Partition != region("b").Name) {
			t.Errorf("%+v", r)
		}
	}
	p.wantRegions("a c")
	if f := c.Freshness(time.Now()); f.Level != syncer.Never || !strings.Contains(f.Reason, errOwner.Error()) {
		t.Errorf("the copy is %+v, want as the worst of its partitions", f)
	}
}

func TestAsOfIsThatOfTheOldestPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := false
		p := newPantry(t, parted(func(_ context.Context, w syncer.Walk) error {
			if down && w.Partition.Name == region("b").Name {
				return errOwner
			}
			return nil
		}), 1)
		c := cut(p, "a", "b", "c")
		began := time.Now()
		p.Poll(t.Context(), time.Time{})
		down = true
		time.Sleep(6 * time.Minute)
		p.Poll(t.Context(), time.Time{})
		if f := c.Freshness(time.Now()); !f.AsOf.Equal(began) || f.Level != syncer.Warn || !strings.Contains(f.Reason, errOwner.Error()) {
			t.Errorf("the copy is %+v", f)
		}
	})
}

// asked makes the feed ask for its partitions.
func (p *pantry) asks(answer *[]syncer.Partition, err *error) {
	p.Ask = func(context.Context) ([]syncer.Partition, error) { return *answer, *err }
}

func TestAnAddedOneIsPolledAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := parted(func(context.Context, syncer.Walk) error { return nil })
		p := newPantry(t, s, 1)
		c := cut(p)
		answer, failure := append(regions("a", "b"), regions("a")...), error(nil)
		p.asks(&answer, &failure)
		if reports := p.Poll(t.Context(), time.Time{}); len(reports) != 2 {
			t.Fatalf("%d reports of two partitions, one of them told twice", len(reports))
		}
		time.Sleep(time.Minute)
		answer = regions("a", "b", "new")
		before := len(s.walks())
		p.Poll(t.Context(), time.Time{})
		for _, w := range s.walks()[before:] {
			if added := w.Partition.Name == region("new").Name; (w.Kind == syncer.Resync) != added {
				t.Errorf("walks %+v", w)
			}
		}
		if n := len(s.walks()) - before; n != 3 {
			t.Errorf("%d walks", n)
		}
		p.wantRegions("a b new")
		if f := c.Freshness(time.Now()); f.Level != syncer.Fresh || f.Staleness != 0 {
			t.Errorf("the copy is %+v", f)
		}
	})
}

// A partition that is gone takes its rows along, and the list that is walked
// of it is ended first.
func TestARemovedOneIsRetired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPantry(t, parted(func(ctx context.Context, w syncer.Walk) error {
			if w.Partition.Name == region("slow").Name {
				return wait(ctx, time.Hour)
			}
			return nil
		}), 1)
		c := cut(p)
		answer, failure := regions("a", "b", "slow"), error(nil)
		p.asks(&answer, &failure)
		p.Concurrency = 3
		done := make(chan []syncer.Report, 1)
		go func() { done <- p.Poll(t.Context(), time.Time{}) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		answer = regions("a")
		began := time.Now()
		for _, r := range p.Poll(t.Context(), time.Time{}) {
			if !r.OK() || r.Partition != region("a").Name {
				t.Errorf("%+v", r)
			}
		}
		first := <-done
		if took := time.Since(began); took != 0 || first[2].Failure == nil || first[2].Failure.Class != syncer.ClassStopped {
			t.Errorf("the list of the one that is gone ends after %s: %+v", took, first[2])
		}
		p.wantRegions("a")
		if f := c.Freshness(time.Now()); f.Level != syncer.Fresh {
			t.Errorf("the copy is %+v: what is gone is still judged", f)
		}
	})
}

// While nobody can tell the partitions, those that are known are polled, the
// failure is reported, and the copy grows old.
func TestAskFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPantry(t, parted(func(context.Context, syncer.Walk) error { return nil }), 1)
		c := cut(p)
		answer, failure := regions("a", "b"), error(nil)
		p.asks(&answer, &failure)
		p.Poll(t.Context(), time.Time{})
		failure = errors.New("relation is gone")
		for range 6 {
			time.Sleep(time.Minute)
			reports := p.Poll(t.Context(), time.Time{})
			if len(reports) != 3 || reports[0].OK() || !reports[1].OK() || !reports[2].OK() {
				t.Fatalf("%+v", reports)
			}
		}
		if f := c.Freshness(time.Now()); f.Level != syncer.Warn || !strings.Contains(f.Reason, "relation is gone") {
			t.Errorf("the copy is %+v", f)
		}
		says := func(s syncer.Status) bool { return strings.Contains(s.Error, "relation is gone") }
		if all := statuses(t, p.memory[0]); !slices.ContainsFunc(all, says) {
			t.Errorf("the database says %+v", all)
		}
		failure = nil
		p.Poll(t.Context(), time.Time{})
		if f := c.Freshness(time.Now()); f.Level != syncer.Fresh || f.Reason != "" {
			t.Errorf("the copy is %+v", f)
		}
		if all := statuses(t, p.memory[0]); slices.ContainsFunc(all, says) {
			t.Errorf("the database still says %+v", all)
		}
		// One that yields too many, or panics, is as good as one that fails.
		answer = nil
		for i := range 100_001 {
			answer = append(answer, syncer.Partition{Name: fmt.Sprint(i)})
		}
		if reports := p.Poll(t.Context(), time.Time{}); len(reports) != 3 || !strings.Contains(reports[0].Failure.Text, "more than 100000") {
			t.Errorf("too many: %+v", reports[0])
		}
		p.Ask = func(context.Context) ([]syncer.Partition, error) { panic("boom") }
		if reports := p.Poll(t.Context(), time.Time{}); len(reports) != 3 || !strings.Contains(reports[0].Failure.Text, "boom") {
			t.Errorf("panic: %+v", reports[0])
		}
		p.wantRegions("a b")
		answer = nil
		p.asks(&answer, &failure)
		if reports := p.Poll(t.Context(), time.Time{}); len(reports) != 1 || !reports[0].OK() {
			t.Errorf("no partitions at all: %+v", reports)
		}
	})
}

// A copy whose list of partitions cannot be written says so, and the others go
// on.
func TestRepartitionFails(t *testing.T) {
	p := newPantry(t, parted(func(context.Context, syncer.Walk) error { return nil }), 1)
	c := cut(p)
	answer, failure := regions("a"), error(nil)
	p.asks(&answer, &failure)
	c.Keeper = stuck{c.Keeper}
	reports := p.Poll(t.Context(), time.Time{})
	if len(reports) != 2 || reports[0].OK() || !strings.Contains(reports[0].Tables[0].Failure.Text, "disk is full") {
		t.Errorf("%+v", reports)
	}
}

// stuck is a keeper that cannot write its partitions.
type stuck struct{ syncer.Keeper }

func (stuck) Repartition(context.Context, []syncer.Partition, time.Time) error {
	return errors.New("disk is full")
}
