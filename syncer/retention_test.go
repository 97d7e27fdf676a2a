package syncer_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// settles is a table that keeps how its resyncs were settled.
type settles struct {
	syncer.Table
	resyncs []syncer.Settlement
}

func (t *settles) Settle(ctx context.Context, w syncer.Walk, s syncer.Settlement) (syncer.Settled, error) {
	if w.Kind == syncer.Resync && s.End != nil {
		t.resyncs = append(t.resyncs, s)
	}
	return t.Table.Settle(ctx, w, s)
}

// brief is an owner that remembers an hour of changes, and lists in took; its
// first list takes no time.
func brief(took time.Duration) *script {
	start, lists := time.Now(), 0
	s := &script{}
	s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
		at := int(time.Since(start) / time.Minute)
		if w.Kind == syncer.Changes {
			from := 0
			fmt.Sscan(w.From.Watermark, &from)
			if at-from > 60 {
				yield(nil, syncer.ErrExpired)
				return
			}
		} else if lists++; lists > 1 {
			if !yield(&syncer.Batch{Records: []syncer.Record{item(2, 1)}}, nil) {
				return
			}
			if err := wait(ctx, took); err != nil {
				yield(nil, err)
				return
			}
		}
		yield(&syncer.Batch{Records: []syncer.Record{item(1, at+1)}, End: &syncer.End{Watermark: fmt.Sprint(at), Listed: w.Kind.Listing()}}, nil)
	}
	return s
}

// A list that takes longer than the owner remembers leaves the watermark to the
// changes that were asked for beside it; else it would be walked for ever.
func TestAListLongerThanTheOwnerRemembers(t *testing.T) {
	for _, test := range []struct {
		name   string
		took   time.Duration
		forget time.Duration // what the feed knows of the owner's memory
		apart  bool
		keeps  bool
	}{
		{"longer", 3 * time.Hour, time.Hour, true, true},
		{"shorter", 50 * time.Minute, time.Hour, true, false},
		{"nobody knows how long it remembers", 3 * time.Hour, 0, true, false},
		{"without changes beside it", 3 * time.Hour, time.Hour, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := brief(test.took)
				p := newPantry(t, s, 1)
				p.Apart, p.Retention = test.apart, test.forget
				tab := &settles{Table: p.tables[0].Table}
				p.tables[0].Table = tab
				p.mustPoll()
				time.Sleep(time.Minute)
				order(t, p, syncer.OrderResync)
				for range 5 * 60 {
					go p.Poll(t.Context(), time.Time{})
					time.Sleep(time.Minute)
				}
				if len(tab.resyncs) < 2 || tab.resyncs[1].KeepPosition != test.keeps {
					t.Fatalf("settled %+v", tab.resyncs)
				}
				if f := p.Copies[0].Freshness(time.Now()); test.keeps && (f.Level != syncer.Fresh || len(tab.resyncs) != 2) {
					t.Errorf("after one order %d lists were walked, and the copy is %+v", len(tab.resyncs), f)
				}
				time.Sleep(4 * time.Hour)
			})
		})
	}
}

// Such a list that was stopped goes on after a restart.
func TestAListLongerThanTheOwnerRemembersGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pages := numbered(90, func(ctx context.Context, _ int) error { return wait(ctx, time.Minute) })
		s := &script{}
		s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			if w.Kind == syncer.Changes {
				yield(&syncer.Batch{End: &syncer.End{Watermark: "90"}}, nil)
				return
			}
			pages.walk(ctx, w, yield)
		}
		p := newPantry(t, s, 1)
		p.Apart = true
		p.mustPoll()
		p.mustPoll()
		p.Retention = time.Hour
		order(t, p, syncer.OrderResync)
		ctx, stop := context.WithTimeout(t.Context(), 80*time.Minute)
		defer stop()
		for range 80 {
			go p.Poll(ctx, time.Time{})
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		for _, r := range p.Poll(t.Context(), time.Time{}) {
			if !r.OK() || r.Kind == syncer.Resync && !r.Resumed {
				t.Errorf("%+v", r)
			}
		}
		if st := p.standing(0); st.Resync || st.Listing != nil {
			t.Errorf("stands at %+v", st)
		}
	})
}
