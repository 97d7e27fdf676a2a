package sources

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// gate holds requests back while an owner has said that it takes no more: one
// for all sources and partitions of the owner. It is safe for concurrent use.
//
// What an answer tells of the quota counts the requests before it. Those that
// are on their way may or may not be among them; they are taken as if they were
// not, so that the last of a quota is never asked for twice.
type gate struct {
	mu sync.Mutex
	// shut is until when the owner wants to be left alone.
	shut time.Time
	// left is what remains, less what was sent since; it counts until opens.
	left   float64
	known  bool
	opens  time.Time
	spared time.Time // when left was right; restore is added since
	// restore is what comes back a second; 0: all does at once, at opens.
	restore float64
	// cost is what one request takes.
	cost     float64
	underway int
	sent     uint64 // numbers requests
	heard    uint64 // the last request that was sent before what is known was told
	// slow is the least that answers to requests up to heard have told since: a
	// later request may have overtaken theirs on its way to the owner.
	slow    told
	changed chan struct{}
	// say tells that the owner is waited for, once for each time until when; nil:
	// nobody wants to know. said is the last of these times.
	say  func(until time.Time)
	said time.Time
}

// waits tells that somebody waits until the owner takes requests again, if that
// takes more than a second and nobody who waits for as long has told it.
func (g *gate) waits(wait time.Duration) {
	if g.say == nil || wait <= time.Second {
		return
	}
	until := time.Now().Add(wait)
	g.mu.Lock()
	news := until.After(g.said.Add(time.Second))
	if news {
		g.said = until
	}
	g.mu.Unlock()
	if news {
		g.say(until)
	}
}

// quotaError says that an owner takes no more requests for longer than is
// waited in place.
type quotaError struct{ until time.Time }

func (e *quotaError) Error() string {
	return fmt.Sprintf("owner's quota is used up until %s", e.until.UTC().Format(time.RFC3339))
}

// FailureClass is that of too many requests.
func (e *quotaError) FailureClass() syncer.Class { return syncer.ClassRateLimited }

// RetryAt is when the owner takes requests again.
func (e *quotaError) RetryAt() time.Time { return e.until }

// pass waits until a request may be sent, or fails at once if that would take
// longer than most. Every request that passed has to be answered or spared.
func (g *gate) pass(ctx context.Context, most time.Duration) (uint64, error) {
	for {
		g.mu.Lock()
		now := time.Now()
		wait, sure := g.closed(now)
		if wait <= 0 {
			defer g.mu.Unlock()
			g.sent++
			g.underway++
			if g.known {
				g.left -= g.price()
			}
			return g.sent, nil
		}
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()
		if sure && wait > most {
			return 0, &quotaError{now.Add(wait)}
		}
		if sure {
			g.waits(wait)
		}
		if err := sleep(ctx, wait, changed); err != nil {
			return 0, err
		}
	}
}

func sleep(ctx context.Context, wait time.Duration, changed <-chan struct{}) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// closed is how long the gate stays closed, and whether that is sure: answers
// that are under way may yet tell of more.
func (g *gate) closed(now time.Time) (wait time.Duration, sure bool) {
	if wait := g.shut.Sub(now); wait > 0 {
		return wait, true
	}
	if g.known && !now.Before(g.opens) {
		g.known, g.slow = false, told{}
	}
	if !g.known {
		return 0, true
	}
	if g.restore > 0 {
		g.left += g.restore * now.Sub(g.spared).Seconds()
		g.spared = now
	}
	lacks := g.price() - g.left
	if lacks <= 0 {
		return 0, true
	}
	wait = g.opens.Sub(now)
	if g.restore > 0 {
		wait = min(wait, bounded(lacks/g.restore))
	}
	return wait, g.underway == 0
}

func (g *gate) price() float64 {
	if g.cost > 0 {
		return g.cost
	}
	return 1
}

// open reports whether a request that passed may still be sent.
func (g *gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !time.Now().Before(g.shut)
}

// answered says that a request that passed is under way no more.
func (g *gate) answered() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.underway--
	g.wake()
}

// spare says that a request that passed is not sent: what it would have taken
// remains.
func (g *gate) spare() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.underway--
	if g.known {
		g.left += g.price()
	}
	g.wake()
}

func (g *gate) wake() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// rest leaves the owner alone for a while.
func (g *gate) rest(wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(min(wait, longestRetryAfter)); until.After(g.shut) {
		g.shut = until
	}
}

// hear takes what the answer to a request tells. The request is still under
// way.
func (g *gate) hear(request uint64, t told) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.cost > 0 {
		g.cost = t.cost
	}
	if !t.counts || t.restore <= 0 && t.wait <= 0 {
		return // until when it counts is not known, or past
	}
	now := time.Now()
	left := t.left - float64(g.underway-1)*g.price()
	if g.known && request <= g.heard {
		// Requests overtake each other: the owner may have seen this one first.
		g.left = min(g.left, left)
		if !g.slow.counts || t.left < g.slow.left {
			g.slow = t
		}
		return
	}
	if g.known && g.slow.counts {
		left -= max(0, t.left-g.slow.left)
	}
	g.slow = told{}
	g.heard, g.known, g.left, g.spared, g.restore = g.sent, true, left, now, t.restore
	g.opens = now.Add(t.wait)
	if t.restore > 0 {
		g.opens = now.Add(longestRetryAfter)
	}
	g.wake()
}

// bounded is a number of seconds, within what an owner can make us wait.
func bounded(seconds float64) time.Duration {
	return min(inSeconds(seconds), longestRetryAfter)
}

// lacking is how long it takes until there is as much as a request costs, where
// an answer that refuses one tells.
func (g *gate) lacking(t told) (time.Duration, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case t.counts && t.restore > 0:
		return bounded((g.price() - t.left) / t.restore), true
	case t.wait > 0:
		return t.wait, true
	}
	return 0, false
}
