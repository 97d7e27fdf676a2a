package syncer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
)

func TestPollWalksToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPantry(t, numbered(5, func(context.Context, int) error { time.Sleep(time.Second); return nil }), 2)
		p.Lag = time.Minute
		began := time.Now()
		r := p.mustPoll()
		if r.Kind != syncer.Resync || r.Batches != 5 || r.Records != 5 || r.Bytes != 50 || r.Took != 5*time.Second {
			t.Errorf("report %+v", r)
		}
		for i := range p.tables {
			p.want(i, "1:1 2:2 3:3 4:4 5:5")
			st := p.standing(i)
			if st.Position.Watermark != "5" || st.Listing != nil || !st.AsOf.Equal(began.Add(-time.Minute)) {
				t.Errorf("table %d stands at %+v, want watermark 5 as of the walk's start less the lag", i, st)
			}
		}
	})
}

func TestPollAppliesWhatCameBeforeAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		p := newPantry(t, numbered(5, func(_ context.Context, page int) error {
			if page == 4 && broken {
				return errOwner
			}
			return nil
		}), 1)
		p.tables[0].apply = func(context.Context) error { time.Sleep(time.Second); return nil } // the error waits behind batches
		began := time.Now()
		r := p.poll(t.Context())
		if r.Failure == nil || r.Failure.Text != errOwner.Error() {
			t.Fatalf("failure %+v, want the owner's", r.Failure)
		}
		p.want(0, "1:1 2:2 3:3")
		if st := p.standing(0); !st.AsOf.IsZero() || st.Position.Watermark != "" || st.Listing.Cursor != "3" {
			t.Errorf("stands at %+v, want only the place after page 3 to have moved", st)
		}
		broken = false
		time.Sleep(time.Minute)
		if r := p.mustPoll(); !r.Resumed || r.Batches != 2 {
			t.Errorf("next report %+v, want a resumed walk of 2 batches", r)
		}
		if st := p.standing(0); !st.AsOf.Equal(began) {
			t.Errorf("as-of %s, want the first start %s", st.AsOf, began)
		}
	})
}

func TestPollFetchesAheadWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made, release := 0, make(chan struct{})
		p := newPantry(t, numbered(20, func(context.Context, int) error { made++; return nil }), 1)
		p.tables[0].apply = func(context.Context) error { <-release; return nil }
		done := make(chan syncer.Report)
		go func() { done <- p.poll(t.Context()) }()
		synctest.Wait()
		// One is applied, two wait, and one is in the source's hand.
		if made != 4 {
			t.Errorf("%d batches are made while the first is applied, want 4", made)
		}
		close(release)
		if r := <-done; !r.OK() || r.Batches != 20 {
			t.Errorf("report %+v", r)
		}
	})
}

func TestPollSurvivesPanics(t *testing.T) {
	boom := func(context.Context) error { panic("boom") }
	for name, spoil := range map[string]func(p *pantry, s *script){
		"source": func(_ *pantry, s *script) {
			s.walk = func(context.Context, syncer.Walk, func(*syncer.Batch, error) bool) { panic("boom") }
		},
		"apply":  func(p *pantry, _ *script) { p.tables[0].apply = boom },
		"settle": func(p *pantry, _ *script) { p.tables[0].settle = boom },
		"no batch": func(_ *pantry, s *script) {
			s.walk = func(_ context.Context, _ syncer.Walk, yield func(*syncer.Batch, error) bool) { yield(nil, nil) }
		},
		"no end": func(_ *pantry, s *script) {
			s.walk = func(context.Context, syncer.Walk, func(*syncer.Batch, error) bool) {}
		},
		"empty table": func(p *pantry, _ *script) { p.Copies[0].Table = nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := numbered(3, nil)
			p := newPantry(t, s, 1)
			spoil(p, s)
			r := p.poll(t.Context())
			if r.OK() {
				t.Error("poll completes")
			}
			if st := p.standing(0); st.Position.Watermark != "" || !st.AsOf.IsZero() {
				t.Errorf("stands at %+v, want nothing moved", st)
			}
		})
	}
}

// A table that fails drops out and keeps its as-of; the next walk starts from
// its position, and all settle.
func TestPollDropOutAndRejoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := numbered(4, nil)
		p := newPantry(t, s, 2)
		p.mustPoll()
		first := p.standing(1).AsOf
		time.Sleep(time.Minute)

		applies := 0
		p.tables[1].apply = func(context.Context) error {
			if applies++; applies > 2 {
				return errors.New("disk is full")
			}
			return nil
		}
		s.walk = numbered(6, nil).walk
		r := p.poll(t.Context())
		wantClass(t, "walk", r.Failure, "")
		wantClass(t, "table 0", r.Tables[0].Failure, "")
		wantClass(t, "table 1", r.Tables[1].Failure, syncer.ClassInternal)
		p.want(0, "1:1 2:2 3:3 4:4 5:5 6:6")
		p.want(1, "1:1 2:2 3:3 4:4")
		if st := p.standing(1); !st.AsOf.Equal(first) || st.Position.Watermark != "4" {
			t.Errorf("the one that failed stands at %+v, want as before", st)
		}
		if f := p.Copies[1].Freshness(time.Now()); !f.AsOf.Equal(first) || !strings.Contains(f.Reason, "disk is full") {
			t.Errorf("freshness %+v, want its reason", f)
		}

		p.tables[1].apply = nil
		if p.mustPoll(); s.last().From.Watermark != "4" {
			t.Errorf("the next walk starts from %q, want from the position of the one that failed", s.last().From.Watermark)
		}
		p.want(1, "1:1 2:2 3:3 4:4 5:5 6:6")
		if a, b := p.standing(0), p.standing(1); !a.AsOf.Equal(b.AsOf) || a.Position.Watermark != b.Position.Watermark {
			t.Errorf("tables stand at %+v and %+v, want at one place", a, b)
		}
	})
}

func TestPollStartsAgainOnce(t *testing.T) {
	refuse := &script{walk: func(_ context.Context, _ syncer.Walk, yield func(*syncer.Batch, error) bool) {
		yield(nil, syncer.ErrNotResumable)
	}}
	broken := numbered(4, func(_ context.Context, page int) error {
		if page == 3 {
			return errOwner
		}
		return nil
	})
	p := newPantry(t, broken, 1)
	p.poll(t.Context())
	p.Source = refuse
	if r := p.poll(t.Context()); r.OK() || len(refuse.walks()) != 2 {
		t.Errorf("%d walks, report %+v; want 2 and a failure", len(refuse.walks()), r.Failure)
	}
	if refuse.asked[0].From.Resume == nil || refuse.asked[1].From.Resume != nil {
		t.Error("want the second walk to start from the watermark, not to go on")
	}
	p.Source = broken
	p.poll(t.Context())
	good := numbered(4, nil)
	once := &script{}
	once.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
		if w.From.Resume != nil {
			refuse.walk(ctx, w, yield)
			return
		}
		good.walk(ctx, w, yield)
	}
	p.Source = once
	if r := p.mustPoll(); r.Resumed || r.Batches != 4 || len(once.walks()) != 2 {
		t.Errorf("report %+v after %d walks, want a whole walk", r, len(once.walks()))
	}
}

// A walk that ends without being complete voids the place that it stood at: the
// poll that follows begins anew, though the last page brought no record.
func TestPollDoesNotGoOnBehindAnUnfinishedWalk(t *testing.T) {
	unfinished := &script{walk: func(_ context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
		_ = yield(&syncer.Batch{Records: []syncer.Record{item(1, 1)}, Resume: &syncer.Resume{Walk: w.ID, Kind: w.Kind, Cursor: "1"}}, nil) &&
			yield(&syncer.Batch{}, nil) && yield(nil, errOwner)
	}}
	p := newPantry(t, unfinished, 1)
	p.poll(t.Context())
	if p.poll(t.Context()); unfinished.last().From.Resume != nil {
		t.Error("the walk goes on where the unfinished one ended")
	}
}

func TestPollMisfits(t *testing.T) {
	list := func(good, bad int) *script {
		return &script{walk: func(_ context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			b := &syncer.Batch{End: &syncer.End{Watermark: "w", Listed: w.Kind.Listing()}}
			for i := range good {
				b.Records = append(b.Records, item(i, 1))
			}
			for i := range bad {
				b.Records = append(b.Records, syncer.Record{Slots: [][]byte{item(good+i, 1).Slots[0], []byte(`"x"`)}})
			}
			yield(b, nil)
		}}
	}
	for _, test := range []struct {
		name      string
		good, bad int
		class     syncer.Class
	}{
		{"few of few", 1, 10, ""},
		{"many of few", 1, 11, syncer.ClassMisfit},
		{"a twentieth", 380, 20, ""},
		{"more than a twentieth", 379, 21, syncer.ClassMisfit},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPantry(t, list(test.good, test.bad), 1)
			r := p.poll(t.Context())
			wantClass(t, "table", r.Tables[0].Failure, test.class)
			if settled := !p.standing(0).AsOf.IsZero(); settled != (test.class == "") {
				t.Errorf("settled: %t", settled)
			}
		})
	}
	t.Run("a flood is not read to its end", func(t *testing.T) {
		flood := list(0, 1001)
		inner, batches := flood.walk, 0
		flood.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			more := true
			for more {
				batches++
				inner(ctx, w, func(b *syncer.Batch, err error) bool { b.End = nil; more = yield(b, err); return more })
			}
		}
		p := newPantry(t, flood, 1)
		r := p.poll(t.Context())
		wantClass(t, "table", r.Tables[0].Failure, syncer.ClassMisfit)
		if batches > 6 {
			t.Errorf("%d batches are read", batches)
		}
	})
}

// When the daemon stops, the batch in hand commits, nothing is called a
// failure, and the next poll goes on with the first start.
func TestPollStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := numbered(5, func(ctx context.Context, page int) error {
			if page < 3 {
				return nil
			}
			<-ctx.Done()
			return &wrapped{ctx.Err()}
		})
		p := newPantry(t, s, 2)
		ctx, stop := context.WithCancelCause(t.Context())
		p.tables[0].apply = func(ctx context.Context) error {
			time.Sleep(5 * time.Second)
			return ctx.Err()
		}
		began := time.Now()
		time.AfterFunc(7*time.Second, func() { stop(errors.New("terminated")) })
		r := p.poll(ctx)
		wantClass(t, "walk", r.Failure, syncer.ClassStopped)
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("stops after %s, want when the batch in hand is in", took)
		}
		for i := range p.tables {
			p.want(i, "1:1 2:2")
			wantClass(t, "table", r.Tables[i].Failure, syncer.ClassStopped)
			if st := p.standing(i); st.Listing == nil || st.Listing.Cursor != "2" || !st.LastPoll.IsZero() {
				t.Errorf("table %d stands at %+v, want at page 2 and no poll noted", i, st)
			}
		}
		p.tables[0].apply, s.walk = nil, numbered(5, nil).walk
		time.Sleep(time.Hour)
		if r := p.mustPoll(); !r.Resumed || r.Batches != 3 {
			t.Errorf("report %+v, want the rest of the walk", r)
		}
		if st := p.standing(0); !st.AsOf.Equal(began) {
			t.Errorf("as-of %s, want the first start %s", st.AsOf, began)
		}
	})
}

// wrapped is an error of a source that has a class of its own.
type wrapped struct{ error }

func (*wrapped) FailureClass() syncer.Class { return syncer.ClassConnect }

func TestPollStopDoesNotWaitForADatabaseForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPantry(t, numbered(2, nil), 1)
		p.tables[0].apply = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		began := time.Now()
		p.poll(ctx)
		if took := time.Since(began); took != 31*time.Second {
			t.Errorf("stops after %s, want 30s of grace", took)
		}
	})
}

func TestPollLeaseLostInOneDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *pantry
		rival := func(_ context.Context, page int) error {
			if page == 3 {
				time.Sleep(syncer.LeaseTime)
				return p.memory[1].NewDaemon("them").Acquire(t.Context())
			}
			return nil
		}
		p = newPantry(t, numbered(5, rival), 2)
		r := p.poll(t.Context())
		wantClass(t, "walk", r.Failure, "")
		wantClass(t, "table 0", r.Tables[0].Failure, "")
		wantClass(t, "table 1", r.Tables[1].Failure, syncer.ClassFenced)
		p.want(0, "1:1 2:2 3:3 4:4 5:5")
		p.want(1, "1:1 2:2")
		if st := p.standing(1); !st.LastPoll.IsZero() {
			t.Errorf("a fenced daemon notes a poll: %+v", st)
		}
	})
}

// A walk that began before the lease was lost does not go on when the lease is
// taken again: another daemon has written in between, and thrown the notes away
// of what the walk had seen. To go on would sweep all that as missing.
func TestPollEndsWithItsTermOfTheLease(t *testing.T) {
	p := newPantry(t, numbered(10, nil), 1)
	p.Snapshot = true
	us, table := p.daemons[0], p.Copies[0]
	applied := 0
	p.tables[0].apply = func(ctx context.Context) error {
		if applied++; applied != 3 {
			return nil
		}
		table.SetReady(syncer.ErrFenced)
		other := p.memory[0].NewDaemon("other")
		inner := other.Table(spec("a"))
		theirs := &syncer.Feed{Name: "items", Source: numbered(10, nil), Snapshot: true, Partitions: []syncer.Partition{{}},
			Copies: []*syncer.Copy{{Name: "c.a", Table: inner, Keeper: inner}}}
		if err := errors.Join(us.Release(ctx), other.Acquire(ctx), inner.Prepare(ctx)); err != nil {
			return err
		}
		if r := theirs.Poll(ctx, time.Time{}); !r[0].OK() {
			t.Errorf("the other daemon's poll fails: %+v", r)
		}
		if err := errors.Join(other.Release(ctx), us.Acquire(ctx)); err != nil {
			return err
		}
		table.SetReady(nil)
		return nil
	}
	wantClass(t, "the poll of the lost term", p.poll(t.Context()).Tables[0].Failure, syncer.ClassFenced)
	p.want(0, "10:10 1:1 2:2 3:3 4:4 5:5 6:6 7:7 8:8 9:9")
	p.mustPoll()
}

func TestPollLeavesOutWhoIsNotReady(t *testing.T) {
	s := numbered(2, nil)
	p := newPantry(t, s, 3)
	p.Copies[1].SetReady(errors.New("table has no key"))
	if _, err := p.daemons[2].Table(spec("c")).Obey(t.Context(), syncer.Order{Kind: syncer.OrderPause}); err != nil {
		t.Fatal(err)
	}
	r := p.poll(t.Context())
	if r.OK() || len(r.Tables) != 2 {
		t.Errorf("report %+v, want one table that settles and one that is not ready", r)
	}
	p.want(0, "1:1 2:2")
	p.want(1, "")
	p.want(2, "")

	for i := range 2 {
		p.Copies[i].SetReady(errors.New("database is down"))
	}
	if p.poll(t.Context()); len(s.walks()) != 1 {
		t.Error("the owner is asked though no table can take part")
	}
}

func TestPollProgress(t *testing.T) {
	p := newPantry(t, numbered(4, nil), 1)
	var seen []int
	p.Progress = func(r syncer.Report) { seen = append(seen, r.Records) }
	p.mustPoll()
	if len(seen) != 4 || seen[3] != 4 {
		t.Errorf("progress %v, want one call a transaction", seen)
	}
}
