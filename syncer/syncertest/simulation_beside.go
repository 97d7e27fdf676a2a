package syncertest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// work does what is planned, side by side, and asks the oracle for the claims
// of every moment at which a poll has ended.
func (s *simulation) work(ctx context.Context, p Planned) (reports []syncer.Report, err error) {
	var mu sync.Mutex
	var polls, audits sync.WaitGroup
	done := make(chan struct{})
	note := func(r []syncer.Report) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, r...)
		for i := range s.tables {
			if e := s.claim(i, s.standing(i)); e != nil && err == nil {
				err = fmt.Errorf("table %s: %w", s.spec(i).Target, e)
			}
		}
	}
	polls.Go(func() { note(s.feed.Poll(ctx, time.Time{})) })
	for i := range p.Beside {
		polls.Go(func() {
			time.Sleep(time.Duration(i+1) * pollsEvery)
			note(s.feed.Poll(ctx, time.Time{}))
		})
	}
	if p.Audit != Unaudited && !s.Snapshot {
		audits.Go(func() {
			for _, c := range s.feed.Copies {
				r, _ := s.feed.AuditNow(ctx, c, p.Audit == Repairs)
				note(r)
			}
		})
		polls.Go(func() { s.pollUntil(ctx, done, note) })
	}
	audits.Wait()
	close(done)
	polls.Wait()
	return reports, err
}

// pollUntil polls as a schedule does, until done.
func (s *simulation) pollUntil(ctx context.Context, done <-chan struct{}, note func([]syncer.Report)) {
	for {
		timer := time.NewTimer(max(s.Persist/8, time.Minute))
		select {
		case <-timer.C:
			note(s.feed.Poll(ctx, time.Time{}))
		case <-done:
			timer.Stop()
			return
		}
	}
}
