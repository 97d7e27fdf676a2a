package syncer

import (
	"errors"
	"fmt"
	"slices"
)

// ErrNotPolled says that none of a source's tables is polled by this process at
// the moment. With ErrFenced, another daemon holds the lease and polls; without
// it, the databases are down, or nobody has asked them yet.
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
	switch {
	case nudged != nil && s.anyReady():
	case slices.ContainsFunc(s.Copies, func(c *Copy) bool { return errors.Is(c.Ready(), ErrFenced) }):
		return fmt.Errorf("%w: %w", ErrNotPolled, ErrFenced)
	default:
		return ErrNotPolled
	}
	signal(nudged)
	return nil
}
