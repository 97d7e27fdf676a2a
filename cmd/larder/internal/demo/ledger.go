package demo

import (
	"fmt"
	"sync"
	"time"
)

// ledger sorts the polls: completed, failed because their owner was down, and
// failed for no good reason.
type ledger struct {
	mu      sync.Mutex
	owner   string // the owner that is taken down
	outages []outage
	from    time.Time // failures of polls that began before are not held against anybody
	polls   int
	excused int
	first   error // the first poll that failed for no good reason
	closed  bool
}

// outage is a time in which the owner was down; a zero end has not come yet.
type outage struct{ from, to time.Time }

// note counts a poll that has ended. After close nothing counts: a poll that
// is cut short by the end of the daemon did not fail.
func (l *ledger) note(p Poll) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.polls++
	switch {
	case p.Failure == "", l.from.IsZero(), p.Started.Before(l.from):
	case l.excusedLocked(p):
		l.excused++
	case l.first == nil:
		l.first = fmt.Errorf("a poll of %s failed while its owner was up: %s", p.Source, p.Failure)
	}
}

// begin says that all copies are complete. Until then a poll may fail because a
// slow machine has not opened all databases yet: it is only made again.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.from = time.Now()
}

func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// down begins an outage of the owner, and up ends it.
func (l *ledger) down(owner string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owner = owner
	l.outages = append(l.outages, outage{from: time.Now()})
}

func (l *ledger) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outages[len(l.outages)-1].to = time.Now()
}

// sum is how many polls there were, how many failed because of an outage, and
// an error for any other that failed.
func (l *ledger) sum() (polls, excused int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.polls, l.excused, l.first
}

// excusedLocked reports whether the poll's owner was down at any time of it.
func (l *ledger) excusedLocked(p Poll) bool {
	if p.Source != l.owner {
		return false
	}
	ended := p.Started.Add(p.Took)
	for _, o := range l.outages {
		if !ended.Before(o.from) && (o.to.IsZero() || !p.Started.After(o.to)) {
			return true
		}
	}
	return false
}
