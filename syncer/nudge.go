package syncer

import "errors"

// ErrNotPolled says that none of a source's tables is polled by this process at
// the moment: another daemon holds the lease, or the databases are down.
var ErrNotPolled = errors.New("source is not polled here")

// Nudge hints that something changed at the owner: an ordinary poll is due at
// once, or behind the one that is running, and another one once the owner's lag
// is over. Hints that come together cost one poll. A nudge does not make a poll
// run earlier than the owner asked for, and while polls fail it is tried no
// sooner than a first failure is. It is forgotten when the process ends: the
// schedule makes good for it. It may be called at any time, by several at once.
func (s *Scheduled) Nudge() error {
	s.mu.Lock()
	nudged := s.nudged
	s.mu.Unlock()
	if nudged == nil || !s.anyReady() {
		return ErrNotPolled
	}
	signal(nudged)
	return nil
}
