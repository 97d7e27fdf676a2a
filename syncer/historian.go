package syncer

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// mostUnwritten bounds the reports that wait for history, recordTime one call
	// of it, and flushTime all that are left when the daemon stops.
	mostUnwritten = 1000
	recordTime    = 30 * time.Second
	flushTime     = 5 * time.Second
	// lossEvery is how often at most it is said that reports are lost.
	lossEvery = time.Minute
)

// historian writes reports into history, one after the other, so that nobody who
// polls waits for it: its disk may hang. Reports keep their order; where too many
// wait, the new ones are lost, and counted.
type historian struct {
	history  History
	observer Observer
	log      zerolog.Logger
	queue    chan Report
	ended    chan struct{}
	stop     context.CancelFunc

	mu   sync.Mutex
	lost int       // and not said yet
	said time.Time // when it was said last
}

// newHistorian starts one, which lasts until close.
func newHistorian(r *Runner) *historian {
	h := &historian{history: r.History, observer: r.observer(), log: r.Log, queue: make(chan Report, mostUnwritten), ended: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background()) // it outlives the polls, whose last reports it writes
	h.stop = stop
	go h.run(ctx)
	return h
}

func (h *historian) run(ctx context.Context) {
	defer close(h.ended)
	for r := range h.queue {
		h.write(ctx, r)
		if ctx.Err() != nil {
			return
		}
	}
}

func (h *historian) write(ctx context.Context, r Report) {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	if err := h.history.Record(ctx, r); err != nil {
		h.observer.Unrecorded(1)
		h.log.Warn().Err(err).Str("source", r.Source).Msg("poll history is not written")
	}
}

// add never waits.
func (h *historian) add(r Report) {
	if h.history == nil {
		return
	}
	select {
	case h.queue <- r:
	default:
		h.observer.Unrecorded(1)
		h.lose(1, time.Now())
	}
}

// lose says that reports are lost, not more often than somebody wants to read.
func (h *historian) lose(n int, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lost += n; h.lost == 0 || now.Sub(h.said) < lossEvery {
		return
	}
	h.log.Warn().Int("polls", h.lost).Msg("poll history is not written: it does not keep up, or its disk hangs")
	h.lost, h.said = 0, now
}

// close writes what waits and returns when that is done, or after flushTime: of
// a disk that hangs nothing can be awaited. Nobody adds any more.
func (h *historian) close() {
	close(h.queue)
	defer h.stop()
	timer := time.NewTimer(flushTime)
	defer timer.Stop()
	left := 0
	select {
	case <-h.ended:
	case <-timer.C:
		left = len(h.queue) // the one in hand may still be written
		h.observer.Unrecorded(left)
	}
	h.said = time.Time{}
	h.lose(left, time.Now())
}
