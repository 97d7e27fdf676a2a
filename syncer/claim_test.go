package syncer_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// since returns what an owner's number is now: before until at, and after then.
func since(start time.Time, at time.Duration, before, after int) int {
	if time.Since(start) >= at {
		return after
	}
	return before
}

// A list that has to start again within its poll forgets what was touched
// meanwhile: a change that was fetched before, and is written after, is older
// than the new list. So the second start waits for the walk for changes, too.
func TestAListThatStartsAgainBeginsBetweenWalksForChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		version := func() int { return since(start, 17*time.Second, 1, 2) }
		lists := 0
		s := &script{}
		s.walk = func(_ context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			at := version()
			if w.Kind == syncer.Changes {
				from := 0
				fmt.Sscan(w.From.Watermark, &from)
				b := &syncer.Batch{End: &syncer.End{Watermark: fmt.Sprint(at)}}
				if at > from || at == 1 {
					b.Records = []syncer.Record{item(1, at)}
				}
				if t := time.Since(start); t >= 15*time.Second && t < 40*time.Second {
					time.Sleep(15 * time.Second) // the answer is on its way for long
				}
				yield(b, nil)
				return
			}
			switch lists++; lists {
			case 1:
				yield(&syncer.Batch{Records: []syncer.Record{item(1, 1)}, End: &syncer.End{Watermark: "1", Listed: true}}, nil)
			case 2:
				time.Sleep(10 * time.Second)
				if yield(&syncer.Batch{Records: []syncer.Record{item(9, 1)}}, nil) {
					time.Sleep(10 * time.Second)
					yield(nil, syncer.ErrExpired)
				}
			default:
				time.Sleep(15 * time.Second)
				yield(&syncer.Batch{Records: []syncer.Record{item(1, version()), item(9, 1)}, End: &syncer.End{Watermark: fmt.Sprint(at), Listed: true}}, nil)
			}
		}
		p := newPantry(t, s, 1)
		p.Apart = true
		p.mustPoll()
		order(t, p, syncer.OrderResync)
		listed := make(chan []syncer.Report)
		go func() { listed <- p.Poll(t.Context(), time.Time{}) }()
		time.Sleep(15 * time.Second)
		p.Poll(t.Context(), time.Time{})
		<-listed
		for range 2 {
			time.Sleep(time.Minute)
			p.mustPoll()
		}
		if lists != 3 {
			t.Fatalf("%d lists, want a second start of the resync", lists)
		}
		p.want(0, "1:2 9:1")
	})
}

// A copy that outlives the owner's memory while it is walked for changes is
// listed behind that walk, though the walk's watermark is of no use any more.
func TestAListWaitsForChangesFromAWatermarkOfNoUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		version := func() int { return since(start, 3602*time.Second, 1, 2) }
		resyncs := 0
		s := &script{}
		s.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			at := version()
			b := &syncer.Batch{Records: []syncer.Record{item(1, at)}, End: &syncer.End{Watermark: fmt.Sprint(at), Listed: w.Kind.Listing()}}
			switch w.Kind {
			case syncer.Changes:
				if fmt.Sprint(at) == w.From.Watermark && at > 1 {
					b.Records = nil
				}
				if t := time.Since(start); t >= 3590*time.Second && t < 3600*time.Second {
					time.Sleep(20 * time.Second)
				}
			case syncer.Audit: // holds the listing lane until the copy has outlived
				if !yield(&syncer.Batch{Records: b.Records}, nil) {
					return
				}
				time.Sleep(3605*time.Second - time.Since(start))
				b.Records = nil
			default:
				if resyncs++; resyncs > 1 {
					time.Sleep(30 * time.Second)
					b.Records = []syncer.Record{item(1, version())}
				}
			}
			yield(b, nil)
		}
		p := newPantry(t, s, 1)
		p.Apart, p.Retention = true, time.Hour
		p.mustPoll()
		done := make(chan []syncer.Report)
		for range 2 {
			go func() {
				reports, _ := p.AuditNow(t.Context(), p.Copies[0], false)
				done <- reports
			}()
		}
		time.Sleep(3590 * time.Second)
		p.Poll(t.Context(), time.Time{})
		<-done
		<-done
		for range 2 {
			time.Sleep(time.Minute)
			p.Poll(t.Context(), time.Time{})
		}
		if resyncs != 2 {
			t.Fatalf("%d lists, want the first copy and one more", resyncs)
		}
		p.want(0, "1:2")
	})
}

// order gives an order to the pantry's first table.
func order(t *testing.T, p *pantry, kind syncer.OrderKind) {
	t.Helper()
	if _, err := p.Copies[0].Keeper.Obey(t.Context(), syncer.Order{Kind: kind, Table: "a"}); err != nil {
		t.Fatal(err)
	}
}
