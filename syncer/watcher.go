package syncer

import (
	"context"
	"time"

	"github.com/rs/zerolog"
)

const (
	// watchEvery is how often all copies are judged, watchLeast how much time
	// there is between two rounds where a budget is passed sooner.
	watchEvery = time.Second
	watchLeast = 200 * time.Millisecond
)

// watcher judges all copies, apart from the polls, because a poll that hangs
// cannot report itself. It asks no database.
type watcher struct {
	*Runner
	copies []watched
	// last is when the last round was; woken when the process went on after it
	// had stood still for so long that its leases ran out.
	last, woken time.Time
}

// watched is a copy with what does not change while it is watched, and the level
// that was told last.
type watched struct {
	*Copy
	source, consumer, digest string
	level                    Level
	told                     bool
}

func newWatcher(r *Runner) *watcher {
	w := &watcher{Runner: r, last: time.Now()}
	w.woken = w.last
	consumers := make(map[*Copy]string)
	for _, c := range r.Consumers {
		for _, t := range c.Copies {
			consumers[t] = c.Name
		}
	}
	for _, s := range r.Feeds {
		for _, c := range s.Copies {
			w.copies = append(w.copies, watched{Copy: c, source: s.Name, consumer: consumers[c], digest: c.Budget.String()})
		}
	}
	return w
}

// Run judges until ctx ends.
func (w *watcher) Run(ctx context.Context) {
	wait := time.NewTimer(watchEvery)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		began := time.Now()
		next := w.round(began)
		spent := time.Since(began)
		wait.Reset(max(next-spent, watchLeast))
	}
}

// round judges all copies once and says how long it is until the next round: a
// second, or until the next budget is passed.
func (w *watcher) round(now time.Time) (next time.Duration) {
	if Age(w.last, now) > LeaseTime {
		w.woken = now
		w.Log.Warn().Dur("for_ms", Age(w.last, now)).Msg("daemon stood still: leases may have run out meanwhile")
	}
	w.last, next = now, watchEvery
	all := make([]Judged, len(w.copies))
	for i := range w.copies {
		c := &w.copies[i]
		j := &all[i]
		c.judge(now, w.woken, j)
		j.Source, j.Consumer, j.Digest = c.source, c.consumer, c.digest
		if j.Level != c.level && j.Level != Unknown {
			w.sayLevel(j.Freshness, c.level, c.told)
			c.level, c.told = j.Level, true
		}
		for _, at := range [...]time.Time{j.WarnAt, j.CriticalAt} {
			// Only what is older than the limit has passed it.
			if in := at.Sub(now) + time.Millisecond; in > 0 && in < next {
				next = in
			}
		}
	}
	if w.Watch != nil {
		w.Watch.Judged(now, all)
	}
	return next
}

func (w *watcher) sayLevel(f Freshness, old Level, known bool) {
	level := zerolog.InfoLevel
	switch {
	case f.Level == Critical:
		level = zerolog.ErrorLevel
	case f.Level == Warn:
		level = zerolog.WarnLevel
	case !known:
		level = zerolog.DebugLevel
	}
	w.Log.WithLevel(level).Str("table", f.Table).Str("freshness", string(f.Level)).Str("was", string(old)).
		Dur("staleness_ms", f.Staleness).Str("reason", f.Reason).Msg("freshness changes")
}
