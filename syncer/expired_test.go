package syncer_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// forgetful is numbered, but refuses what refuse holds true of with
// ErrExpired.
func forgetful(n int, refuse func(w syncer.Walk, page int) bool) *script {
	s := &script{}
	s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
		numbered(n, func(_ context.Context, page int) error {
			if refuse(w, page) {
				return fmt.Errorf("fetch page %d: %w", page, syncer.ErrExpired)
			}
			return nil
		}).walk(ctx, w, yield)
	}
	return s
}

// An expired watermark, on the first page or behind some, leads to a resync in
// the same poll, whose sweep takes what the owner deleted meanwhile.
func TestPollResyncsWhenTheWatermarkExpired(t *testing.T) {
	for _, page := range []int{1, 2} {
		t.Run(fmt.Sprintf("page %d", page), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPantry(t, numbered(5, nil), 2)
				p.mustPoll()
				time.Sleep(time.Hour)
				s := forgetful(3, func(w syncer.Walk, at int) bool {
					time.Sleep(time.Second)
					return w.Kind == syncer.Changes && at == page
				})
				p.Source = s
				r := p.mustPoll()
				walks := s.walks()
				if len(walks) != 2 || walks[0].From.Watermark != "5" || walks[1].Kind != syncer.Resync || walks[1].From.Watermark != "" {
					t.Fatalf("asks %+v, want changes since 5, then everything", walks)
				}
				if r.Kind != syncer.Resync || r.Walk != walks[1].ID || walks[0].ID == walks[1].ID {
					t.Errorf("report %+v, want that of the second walk", r)
				}
				for i := range p.tables {
					p.want(i, "1:1 2:2 3:3")
					if st := p.standing(i); st.Position.Watermark != "3" || !st.AsOf.Equal(walks[1].Sent) || st.Resync {
						t.Errorf("table %d stands at %+v, want at the resync's start", i, st)
					}
				}
			})
		})
	}
}

// A database that comes back with a watermark that has expired is resynced; the
// others are asked for changes from where they stand, in the same poll.
func TestPollExpiredOfOneTableIsNotTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at, oldest := 1, 0
		s := &script{}
		s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			from := 0
			fmt.Sscan(w.From.Watermark, &from)
			if w.Kind == syncer.Changes && from < oldest {
				yield(nil, syncer.ErrExpired)
				return
			}
			if w.Kind == syncer.Resync && at > 1 {
				if err := wait(ctx, time.Hour); err != nil {
					yield(nil, err)
					return
				}
			}
			yield(&syncer.Batch{Records: []syncer.Record{item(1, at)}, End: &syncer.End{Watermark: fmt.Sprint(at), Listed: w.Kind.Listing()}}, nil)
		}
		p := newPantry(t, s, 3)
		p.Apart = true
		p.mustPoll()
		p.tables[1].apply = func(context.Context) error { return errOwner }
		for at = 2; at < 8; at++ {
			time.Sleep(time.Minute)
			p.Poll(t.Context(), time.Time{})
		}
		p.tables[1].apply = nil
		oldest = 5
		before := len(s.walks())
		listed := make(chan []syncer.Report)
		go func() { listed <- p.Poll(t.Context(), time.Time{}) }()
		synctest.Wait()
		for _, i := range []int{0, 2} {
			p.want(i, "1:8")
			if f := p.Copies[i].Freshness(time.Now()); f.Staleness != 0 {
				t.Errorf("healthy copy %d is %+v", i, f)
			}
		}
		for _, r := range <-listed {
			if !r.OK() {
				t.Errorf("%+v", r)
			}
			for _, tab := range r.Tables {
				if (tab.Table == "c.b") != (r.Kind == syncer.Resync) {
					t.Errorf("%s takes part in a %s", tab.Table, r.Kind)
				}
			}
		}
		if n := len(s.walks()) - before; n != 3 {
			t.Errorf("asks %d times, want once in vain, once for changes and once for everything", n)
		}
		p.want(1, "1:8")
	})
}

// While the resync does not come to its end the copy stays whole and its
// position stays where it was; the next poll goes on with the resync.
func TestPollExpiredKeepsTheCopyUntilTheResyncSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPantry(t, numbered(5, nil), 1)
		p.mustPoll()
		before := p.standing(0)
		time.Sleep(time.Hour)
		broken := true
		s := forgetful(3, func(w syncer.Walk, _ int) bool { return w.Kind == syncer.Changes })
		inner := s.walk
		s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			n := 0
			inner(ctx, w, func(b *syncer.Batch, err error) bool {
				if n++; broken && n == 3 {
					return yield(nil, errOwner)
				}
				return yield(b, err)
			})
		}
		p.Source = s
		wantClass(t, "walk", p.poll(t.Context()).Failure, syncer.ClassInternal)
		p.want(0, "1:1 2:2 3:3 4:4 5:5")
		st := p.standing(0)
		if st.Position.Watermark != "5" || !st.AsOf.Equal(before.AsOf) || st.Listing == nil {
			t.Fatalf("stands at %+v, want as before and inside the resync", st)
		}
		broken = false
		if r := p.mustPoll(); !r.Resumed || r.Kind != syncer.Resync {
			t.Errorf("report %+v, want the rest of the resync", r)
		}
		p.want(0, "1:1 2:2 3:3")
	})
}

// An owner that calls even a request without a watermark expired is asked
// twice, not for ever.
func TestPollExpiredTwiceFails(t *testing.T) {
	p := newPantry(t, numbered(5, nil), 1)
	p.mustPoll()
	s := forgetful(3, func(syncer.Walk, int) bool { return true })
	p.Source = s
	r := p.poll(t.Context())
	wantClass(t, "walk", r.Failure, syncer.ClassAnswer)
	wantClass(t, "table", r.Tables[0].Failure, syncer.ClassAnswer)
	if len(s.walks()) != 2 {
		t.Errorf("%d walks, want 2", len(s.walks()))
	}
	p.want(0, "1:1 2:2 3:3 4:4 5:5")
}

// A place inside a walk that is gone costs the place, and only then the
// watermark: three walks, and no fourth.
func TestPollNotResumableThenExpired(t *testing.T) {
	p := newPantry(t, numbered(5, nil), 1)
	p.mustPoll()
	p.Source = numbered(9, func(_ context.Context, page int) error {
		if page == 7 {
			return errOwner
		}
		return nil
	})
	p.poll(t.Context())
	s := &script{}
	s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
		switch {
		case w.From.Resume != nil:
			yield(nil, syncer.ErrNotResumable)
		case w.Kind == syncer.Changes:
			yield(nil, syncer.ErrExpired)
		default:
			numbered(9, nil).walk(ctx, w, yield)
		}
	}
	p.Source = s
	if p.mustPoll(); len(s.walks()) != 3 {
		t.Errorf("%d walks, want 3", len(s.walks()))
	}
	p.want(0, "1:1 2:2 3:3 4:4 5:5 6:6 7:7 8:8 9:9")
}

// A snapshot whose pages expire on the way begins again, once, and stays a
// snapshot.
func TestPollRestartsAnExpiredSnapshot(t *testing.T) {
	for _, times := range []int{1, 2} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			left := times
			s := forgetful(4, func(_ syncer.Walk, page int) bool {
				if page == 3 && left > 0 {
					left--
					return true
				}
				return false
			})
			p := newPantry(t, s, 1)
			p.Snapshot = true
			r := p.poll(t.Context())
			walks := s.walks()
			if len(walks) != 2 || walks[0].Kind != syncer.Snapshot || walks[1].Kind != syncer.Snapshot || walks[1].From.Resume != nil {
				t.Errorf("asks %+v, want two snapshots from their beginning", walks)
			}
			if r.Tables[0].Kind != syncer.Snapshot {
				t.Errorf("table applies a %s", r.Tables[0].Kind)
			}
			if times == 1 {
				wantClass(t, "walk", r.Failure, "")
				p.want(0, "1:1 2:2 3:3 4:4")
				return
			}
			wantClass(t, "walk", r.Failure, syncer.ClassAnswer)
		})
	}
}

// A copy that stands further back than the owner can tell is resynced, though
// the owner would answer.
func TestPollRetention(t *testing.T) {
	for _, test := range []struct {
		name      string
		snapshot  bool
		retention time.Duration
		away      time.Duration
		want      syncer.WalkKind
	}{
		{"within", false, time.Hour, time.Hour, syncer.Changes},
		{"beyond", false, time.Hour, time.Hour + 1, syncer.Resync},
		{"none", false, 0, 1000 * time.Hour, syncer.Changes},
		{"a snapshot", true, time.Hour, 2 * time.Hour, syncer.Snapshot},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPantry(t, numbered(5, nil), 1)
				p.Retention, p.Snapshot = test.retention, test.snapshot
				p.mustPoll()
				time.Sleep(test.away)
				s := numbered(3, nil)
				p.Source = s
				if r := p.mustPoll(); r.Kind != test.want {
					t.Errorf("asks as %s, want %s", r.Kind, test.want)
				}
			})
		})
	}
}

// An unfinished walk is gone on with only while the owner can still tell what
// changed since it began: its watermark is no younger than that.
func TestPollRetentionOfAnUnfinishedWalk(t *testing.T) {
	for _, test := range []struct {
		away time.Duration
		want bool
	}{{time.Hour, true}, {time.Hour + 1, false}} {
		t.Run(test.away.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPantry(t, numbered(5, func(_ context.Context, page int) error {
					if page == 3 {
						return errOwner
					}
					return nil
				}), 1)
				p.Retention = time.Hour
				p.poll(t.Context())
				time.Sleep(test.away)
				p.Source = numbered(5, nil)
				if r := p.mustPoll(); r.Resumed != test.want {
					t.Errorf("resumed: %t", r.Resumed)
				}
			})
		})
	}
}
