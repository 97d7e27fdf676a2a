package simulation

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// pollsEvery is how far apart polls beside others begin.
const pollsEvery = 1700 * time.Millisecond

// counted is the source that counts its walks.
type counted struct {
	*sources.Source
	life *life
}

// Walk implements syncer.Source.
func (c counted) Walk(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
	c.life.walking(w)
	return c.Source.Walk(ctx, w)
}

// work does what is planned, side by side, and asks the oracle for the claims
// of every moment at which a poll has ended.
func (l *life) work(ctx context.Context, p Poll) (reports []syncer.Report, err error) {
	var mu sync.Mutex
	var polls, audits sync.WaitGroup
	done := make(chan struct{})
	note := func(r []syncer.Report) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, r...)
		if e := l.claims(context.WithoutCancel(ctx)); e != nil && err == nil {
			err = e
		}
	}
	if p.Beside > 0 {
		l.hit("poll beside")
	}
	polls.Go(func() { note(l.feed.Poll(ctx, time.Time{})) })
	for i := range p.Beside {
		polls.Go(func() {
			time.Sleep(time.Duration(i+1) * pollsEvery)
			note(l.feed.Poll(ctx, time.Time{}))
		})
	}
	if p.Audit != Unaudited && l.Mode != sources.SnapshotAll {
		l.hit("audit " + string(p.Audit))
		audits.Go(func() {
			for _, c := range l.feed.Copies {
				r, _ := l.feed.AuditNow(ctx, c, p.Audit == Repairs)
				note(r)
			}
		})
		polls.Go(func() { l.pollUntil(ctx, done, note) })
	}
	audits.Wait()
	close(done)
	polls.Wait()
	return together(reports), err
}

// pollUntil polls as a schedule does, until done.
func (l *life) pollUntil(ctx context.Context, done <-chan struct{}, note func([]syncer.Report)) {
	for {
		timer := time.NewTimer(max((l.Overlap+l.Lag)/8, time.Minute))
		select {
		case <-timer.C:
			note(l.feed.Poll(ctx, time.Time{}))
		case <-done:
			timer.Stop()
			return
		}
	}
}
