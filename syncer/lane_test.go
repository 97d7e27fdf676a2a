package syncer_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// shop is an owner that lists keys 1 to n in pages of one record, each after
// slow, and tells changes at once: a key beyond n for each time it was asked.
type shop struct {
	script
	n       int
	slow    time.Duration
	changes atomic.Int64
	// lists counts the lists under way.
	lists atomic.Int64
}

func newShop(n int, slow time.Duration) *shop {
	s := &shop{n: n, slow: slow}
	s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
		if w.Kind == syncer.Changes {
			v := n + int(s.changes.Add(1))
			yield(&syncer.Batch{Records: []syncer.Record{item(v, v)}, End: &syncer.End{Watermark: fmt.Sprint(v)}}, nil)
			return
		}
		s.lists.Add(1)
		defer s.lists.Add(-1)
		numbered(n, func(ctx context.Context, _ int) error { return wait(ctx, s.slow) }).walk(ctx, w, yield)
	}
	return s
}

// wait sleeps, unless ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// add gives the kitchen's feed another table, in the same database.
func (k *kitchen) add(name string) *syncer.Copy {
	inner := k.daemon.Table(spec(name))
	c := &syncer.Copy{Name: "c." + name, Table: &spoiled{Table: inner}, Keeper: inner, Budget: spec(name).Budget}
	k.feed.Copies = append(k.feed.Copies, c)
	k.Consumers[0].Copies = append(k.Consumers[0].Copies, c)
	return c
}

func stands(t *testing.T, c *syncer.Copy, p syncer.Partition) syncer.Standing {
	t.Helper()
	st, err := c.Table.Standing(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// A table that is copied for the first time takes its hours beside the others.
func TestAFirstCopyDoesNotDelayTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		first := newKitchen("us", m, numbered(3, nil), every(time.Minute))
		first.start(t)
		time.Sleep(10 * time.Second)
		first.close()

		s := newShop(60, time.Minute)
		k := newKitchen("us", m, s, every(time.Minute))
		added := k.add("b")
		k.start(t)
		for range 50 {
			time.Sleep(time.Minute)
			if f := k.feed.Copies[0].Freshness(time.Now()); f.Level != syncer.Fresh || f.Staleness > 2*time.Minute {
				t.Fatalf("after %s the old copy is %+v", time.Since(k.journal.start), f)
			}
		}
		if f := added.Freshness(time.Now()); f.Level != syncer.Never {
			t.Errorf("the new copy is %s before its list ended", f.Level)
		}
		time.Sleep(15 * time.Minute)
		if f := added.Freshness(time.Now()); f.Level != syncer.Fresh || f.Staleness > 2*time.Minute {
			t.Errorf("the new copy is %+v after its list ended", f)
		}
		lists := 0
		for _, w := range s.walks() {
			if w.Kind == syncer.Resync {
				lists++
			}
		}
		if lists != 1 {
			t.Errorf("%d lists, want one", lists)
		}
		k.close()
	})
}

// During a resync polls commit changes, as-of moves on, and what the list says
// of a key that a change wrote is left alone.
func TestChangesGoOnDuringAResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(60, time.Minute)
		k := newKitchen("us", &syncertest.Memory{}, s, every(time.Minute))
		k.feed.Apart = true
		k.start(t)
		time.Sleep(70 * time.Minute)
		before := s.changes.Load()
		if _, err := k.daemon.Send(t.Context(), syncer.Order{Kind: syncer.OrderResync, Table: "a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if s.lists.Load() != 1 {
			t.Fatalf("%d lists are walked", s.lists.Load())
		}
		at := stands(t, k.feed.Copies[0], syncer.Partition{}).AsOf
		for range 50 {
			time.Sleep(time.Minute)
			if f := k.feed.Copies[0].Freshness(time.Now()); f.Level != syncer.Fresh || f.Staleness > 3*time.Minute {
				t.Fatalf("after %s the copy is %+v", time.Since(k.journal.start), f)
			}
		}
		if n := s.changes.Load() - before; n < 48 {
			t.Errorf("%d polls for changes in 50 minutes of the resync", n)
		}
		st := stands(t, k.feed.Copies[0], syncer.Partition{})
		if !st.Resync || s.lists.Load() != 1 || st.AsOf.Sub(at) < 48*time.Minute {
			t.Errorf("the copy stands at %+v while it is resynced", st)
		}
		time.Sleep(15 * time.Minute)
		if st := stands(t, k.feed.Copies[0], syncer.Partition{}); st.Resync || s.lists.Load() != 0 {
			t.Errorf("the copy stands at %+v after the resync", st)
		}
		k.close()
	})
}

// Where a change is of no use without what was before it, a copy waits for its
// list; the other copies of the source do not.
func TestALogWaitsForItsResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(60, time.Minute)
		k := newKitchen("us", &syncertest.Memory{}, s, every(time.Minute))
		other := k.add("b")
		k.start(t)
		time.Sleep(70 * time.Minute)
		if _, err := k.daemon.Send(t.Context(), syncer.Order{Kind: syncer.OrderResync, Table: "a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		at := stands(t, k.feed.Copies[0], syncer.Partition{})
		time.Sleep(50 * time.Minute)
		if st := stands(t, k.feed.Copies[0], syncer.Partition{}); !st.AsOf.Equal(at.AsOf) || st.Position.Watermark != at.Position.Watermark {
			t.Errorf("a change was applied amid the list: %+v", st)
		}
		if f := other.Freshness(time.Now()); f.Staleness > 2*time.Minute {
			t.Errorf("the other copy is %+v", f)
		}
		time.Sleep(15 * time.Minute)
		if f := k.feed.Copies[0].Freshness(time.Now()); f.Level != syncer.Fresh || f.Staleness > 2*time.Minute {
			t.Errorf("the copy is %+v after its list", f)
		}
		k.close()
	})
}

// Tables whose watermark has expired go to the listing lane at once, are not
// asked for changes until it has settled, and nothing is called a failure.
func TestExpiredGoesToTheListingLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(5, time.Minute)
		inner := s.walk
		var expired atomic.Bool
		var refused atomic.Int64
		s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			if w.Kind == syncer.Changes && expired.Load() && w.From.Watermark != "5" {
				refused.Add(1)
				yield(nil, syncer.ErrExpired)
				return
			}
			inner(ctx, w, yield)
		}
		k := newKitchen("us", &syncertest.Memory{}, s, every(time.Minute))
		k.feed.Apart = true
		k.start(t)
		time.Sleep(10*time.Minute + 30*time.Second)
		expired.Store(true)
		time.Sleep(time.Minute)
		if refused.Load() != 1 || s.lists.Load() != 1 {
			t.Fatalf("%d refusals and %d lists a tick later", refused.Load(), s.lists.Load())
		}
		time.Sleep(3 * time.Minute)
		if n := refused.Load(); n != 1 {
			t.Errorf("asks %d times with a watermark that has expired", n)
		}
		expired.Store(false)
		time.Sleep(5 * time.Minute)
		if fails := k.journal.of("poll fails"); len(fails) > 0 {
			t.Errorf("called a failure: %+v", fails)
		}
		if f := k.feed.Copies[0].Freshness(time.Now()); f.Level != syncer.Fresh || f.Staleness > 2*time.Minute {
			t.Errorf("the copy is %+v", f)
		}
		k.close()
	})
}

// A restart with another column asks for everything, and goes on with changes:
// the copy is fresh all the while.
func TestAddingAColumnPagesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		first := newKitchen("us", m, newShop(30, time.Second), every(time.Minute))
		first.feed.Apart = true
		first.start(t)
		time.Sleep(10 * time.Minute)
		first.close()

		s := newShop(60, time.Minute)
		k := newKitchen("us", m, s, every(time.Minute))
		k.feed.Apart = true
		wider := spec("a")
		wider.Columns = append(wider.Columns, row.Column{Name: "again", Type: row.Type{Kind: row.Bigint}, Slots: []int{1}})
		wider.Shape = syncer.Shape("items", []string{"id", "version", "again"})
		inner := k.daemon.Table(wider)
		k.feed.Copies[0].Table, k.feed.Copies[0].Keeper = inner, inner
		k.start(t)
		for range 70 {
			time.Sleep(time.Minute)
			if f := k.feed.Copies[0].Freshness(time.Now()); f.Level != syncer.Fresh {
				t.Fatalf("after %s the copy is %+v", time.Since(k.journal.start), f)
			}
		}
		if got := k.journal.levels(); strings.Join(got, " ") != "0s fresh" {
			t.Errorf("levels %v", got)
		}
		for _, r := range m.Rows("a", []string{"id", "again"}) {
			if r[1] == "NULL" {
				t.Errorf("row %s is not filled", r[0])
			}
		}
		if st := stands(t, k.feed.Copies[0], syncer.Partition{}); st.Resync {
			t.Error("the column still waits to be filled")
		}
		k.close()
	})
}

// However many lists are walked, and however few walks may go on at one time,
// changes of the other feeds have their turn.
func TestAListingStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &syncertest.Memory{}
		k := newKitchen("us", m, newShop(3, time.Second), every(time.Minute))
		k.start(t)
		time.Sleep(time.Minute)
		k.close()
		k = newKitchen("us", m, newShop(3, time.Second), every(time.Minute))
		var lists []*shop
		for i := range 4 {
			name, s := string(rune('m'+i)), newShop(600, time.Minute)
			lists = append(lists, s)
			inner := k.daemon.Table(spec(name))
			c := &syncer.Copy{Name: "c." + name, Table: inner, Keeper: inner, Budget: spec(name).Budget}
			k.Feeds = append(k.Feeds, &syncer.Scheduled{Schedule: every(time.Minute), Feed: &syncer.Feed{Name: name, Source: s,
				Partitions: []syncer.Partition{{}}, Copies: []*syncer.Copy{c}, Gather: syncer.Gather{Records: 1}}})
			k.Consumers[0].Copies = append(k.Consumers[0].Copies, c)
		}
		k.start(t)
		most := int64(0)
		for range 120 {
			time.Sleep(time.Minute)
			now := int64(0)
			for _, s := range lists {
				now += s.lists.Load()
			}
			most = max(most, now)
			if f := k.feed.Copies[0].Freshness(time.Now()); f.Staleness > 2*time.Minute {
				t.Fatalf("after %s the copy is %+v", time.Since(k.journal.start), f)
			}
		}
		if most != 1 {
			t.Errorf("%d lists at one time, want half of two turns", most)
		}
		k.close()
	})
}

// A stop ends both lanes, joins them, and commits what is in hand.
func TestStopEndsBothLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(600, time.Minute)
		inner := s.walk
		var hangs atomic.Int64
		s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			if w.Kind == syncer.Changes {
				hangs.Add(1)
				defer hangs.Add(-1)
				<-ctx.Done()
				yield(nil, ctx.Err())
				return
			}
			inner(ctx, w, yield)
		}
		m := &syncertest.Memory{}
		first := newKitchen("us", m, numbered(3, nil), every(time.Minute))
		first.start(t)
		time.Sleep(10 * time.Second)
		first.close()
		k := newKitchen("us", m, s, every(time.Minute))
		k.add("b")
		k.start(t)
		time.Sleep(10*time.Minute + 10*time.Second)
		if hangs.Load() != 1 || s.lists.Load() != 1 {
			t.Fatalf("%d walks for changes and %d lists are under way", hangs.Load(), s.lists.Load())
		}
		began := time.Now()
		soon := k.feed.PollSoon()
		k.close()
		if took := time.Since(began); took > time.Second || hangs.Load() != 0 || s.lists.Load() != 0 {
			t.Errorf("stops after %s with %d and %d walks under way", took, hangs.Load(), s.lists.Load())
		}
		if _, open := <-soon; open {
			t.Error("who waits is told of a poll that was not")
		}
		if st := stands(t, k.feed.Copies[1], syncer.Partition{}); st.Listing == nil || len(m.Rows("b", []string{"id"})) < 9 {
			t.Errorf("the list is not kept: %+v", st)
		}
	})
}

// A list that fails is tried again by its own clock, and is not hidden behind
// polls for changes that succeed.
func TestAFailingListIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(3, 0)
		inner := s.walk
		var tries atomic.Int64
		var down atomic.Bool
		s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			if w.Kind == syncer.Resync && down.Load() {
				tries.Add(1)
				yield(nil, errOwner)
				return
			}
			inner(ctx, w, yield)
		}
		k := newKitchen("us", &syncertest.Memory{}, s, every(10*time.Second))
		k.feed.Apart = true
		k.start(t)
		time.Sleep(time.Minute)
		down.Store(true)
		if _, err := k.daemon.Send(t.Context(), syncer.Order{Kind: syncer.OrderResync, Table: "a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Minute)
		if n := tries.Load(); n != 4 {
			t.Errorf("%d tries in four minutes, want at 0s, 30s, 1m30s, 3m30s", n)
		}
		if f := k.feed.Copies[0].Freshness(time.Now()); f.Level != syncer.Fresh || !strings.Contains(f.Reason, errOwner.Error()) {
			t.Errorf("the copy is %+v, want fresh and why its resync fails", f)
		}
		down.Store(false)
		time.Sleep(5 * time.Minute)
		if f := k.feed.Copies[0].Freshness(time.Now()); f.Level != syncer.Fresh || f.Reason != "" {
			t.Errorf("the copy is %+v after the resync", f)
		}
		k.close()
	})
}

// The next poll of a copy that was never filled is the next try of its list: the
// schedule polls nothing of it.
func TestAFirstListThatFailsSaysWhenItIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(3, 0)
		var tried []time.Time
		s.walk = func(_ context.Context, _ syncer.Walk, yield func(*syncer.Batch, error) bool) {
			tried = append(tried, time.Now())
			yield(nil, errOwner)
		}
		k := newKitchen("us", &syncertest.Memory{}, s, every(10*time.Second))
		k.start(t)
		time.Sleep(100 * time.Second)
		all, err := k.daemon.Status(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("status: %v, %v", all, err)
		}
		said := all[0].NextPoll
		time.Sleep(4 * time.Minute)
		k.close()
		if len(tried) < 4 || said.Sub(tried[3]).Abs() > time.Second {
			t.Errorf("after three tries the next is said to be at %v; tried at %v", said, tried)
		}
	})
}

// What a walk for changes fetched before a list began must not count as newer
// than the list: the list waits until that walk has ended.
func TestAListBeginsBetweenWalksForChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		s := &script{walk: func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			log = append(log, "begin "+string(w.Kind))
			time.Sleep(10 * time.Second)
			log = append(log, "end "+string(w.Kind))
			yield(&syncer.Batch{Records: []syncer.Record{item(1, 1)}, End: &syncer.End{Watermark: "1", Listed: w.Kind.Listing()}}, nil)
		}}
		p := newPantry(t, s, 1)
		p.Apart = true
		p.mustPoll()
		if _, err := p.Copies[0].Keeper.Obey(t.Context(), syncer.Order{Kind: syncer.OrderResync}); err != nil {
			t.Fatal(err)
		}
		log = nil
		if reports := p.Poll(t.Context(), time.Time{}); len(reports) != 2 || reports[0].Kind != syncer.Changes || reports[1].Kind != syncer.Resync {
			t.Errorf("reports %+v, want one of each lane", reports)
		}
		if got := strings.Join(log, ", "); got != "begin changes, end changes, begin resync, end resync" {
			t.Errorf("%s", got)
		}
	})
}

// A table that stands amid a list, and begins another with a table that does
// not, has no place in the first any more: what that one had seen is forgotten.
func TestANewListForgetsThePlaceOfTheLast(t *testing.T) {
	fails := func(at int) *script {
		return numbered(5, func(_ context.Context, page int) error {
			if page == at {
				return errOwner
			}
			return nil
		})
	}
	p := newPantry(t, fails(4), 2)
	p.Copies[1].SetReady(errOwner)
	p.poll(t.Context())
	p.want(0, "1:1 2:2 3:3")
	p.Copies[1].SetReady(nil)
	p.Source = fails(1) // a list for both, of which not a page comes
	p.poll(t.Context())
	p.Copies[1].SetReady(errOwner)
	p.Source = numbered(5, nil)
	p.poll(t.Context())
	p.want(0, "1:1 2:2 3:3 4:4 5:5")
}

// A table may find out with any page that what it noted of a list is lost. The
// list ends for it there, and the next one begins at its start.
func TestAListWhoseNotesAreLostBeginsAgain(t *testing.T) {
	p := newPantry(t, numbered(5, func(_ context.Context, page int) error {
		if page == 4 {
			return errOwner
		}
		return nil
	}), 1)
	p.poll(t.Context())
	p.want(0, "1:1 2:2 3:3")
	beside := syncer.Walk{ID: "beside", Kind: syncer.Changes, Sent: time.Now()}
	if _, err := p.tables[0].Apply(t.Context(), beside, []*syncer.Batch{{Records: []syncer.Record{item(5, 9)}}}); err != nil {
		t.Fatal(err)
	}
	p.memory[0].LoseNotes()
	s := numbered(5, nil)
	p.Source = s
	r := p.poll(t.Context())
	wantClass(t, "table", r.Tables[0].Failure, syncer.ClassInternal)
	if f := r.Tables[0].Failure; !r.Resumed || f != nil && !strings.Contains(f.Text, syncer.ErrListLost.Error()) {
		t.Errorf("the list is resumed: %v, and fails with %+v", r.Resumed, f)
	}
	p.want(0, "1:1 2:2 3:3 5:9")
	if p.mustPoll(); s.last().From.Resume != nil || s.last().ID == r.Walk {
		t.Errorf("the next list goes on from %+v", s.last().From.Resume)
	}
	p.want(0, "1:1 2:2 3:3 4:4 5:5")
	if why := p.Copies[0].Freshness(time.Now()).Reason; why != "" {
		t.Errorf("after a good list the copy is said to be bad: %s", why)
	}
}

// Until the first page of a list has come, its copies are not asked for
// changes: what a change would say then may be older than the list.
func TestChangesWaitForTheFirstPageOfAList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(10, time.Minute)
		k := newKitchen("us", &syncertest.Memory{}, s, every(10*time.Second))
		k.feed.Apart = true
		k.start(t)
		time.Sleep(11 * time.Minute)
		if _, err := k.daemon.Send(t.Context(), syncer.Order{Kind: syncer.OrderResync, Table: "a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		before := s.changes.Load()
		time.Sleep(50 * time.Second)
		if n := s.changes.Load() - before; n != 0 || s.lists.Load() != 1 {
			t.Errorf("%d polls for changes before the first page", n)
		}
		time.Sleep(time.Minute)
		if n := s.changes.Load() - before; n < 5 || s.lists.Load() != 1 {
			t.Errorf("%d polls for changes after it", n)
		}
		k.close()
	})
}
