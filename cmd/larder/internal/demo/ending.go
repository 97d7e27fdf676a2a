package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// shown is how many differences of a copy are printed.
const shown = 3

// settle freezes the owners, polls once more and compares everything.
func (s *stage) settle(ctx context.Context) error {
	s.fleet.Freeze()
	s.out.tell("the owners are frozen; larder polls once more")
	if err := s.engine.Poll(ctx); err != nil {
		return fmt.Errorf("poll the frozen owners: %w", err)
	}
	s.out.tell("each owner's memory against plain SQL, column by column")
	unequal := 0
	for _, c := range s.consumers {
		for _, t := range c.copies {
			rows, differences, err := c.compare(ctx, t, s.fleet.Service(t.owner))
			if err != nil {
				return err
			}
			if len(differences) == 0 {
				s.out.add("%s.%s: %d rows equal", c.name, t.table, rows)
				continue
			}
			unequal++
			s.out.add("%s.%s: %d rows, %s", c.name, t.table, rows, count(len(differences), "difference"))
			for _, d := range differences[:min(shown, len(differences))] {
				s.out.add("  %s", d)
			}
		}
	}
	err := s.sumUp()
	if unequal > 0 {
		err = errors.Join(differ(unequal), err)
	}
	return err
}

// sumUp tells what all reads, polls and alerts came to, and fails for any that
// failed without a reason, and for an alert that nobody should have had.
func (s *stage) sumUp() error {
	n := s.reads.now()
	polls, excused, err := s.polls.sum()
	s.out.tell("the consumers read %d times, %s", n.reads, failures(n.failedReads))
	s.out.add("without local copies, calls in a chain would have failed %d of %d times", n.failedCalls, n.calls)
	s.out.add("larder polled %d times; %s failed while their owner was down", polls, count(excused, "poll"))
	events := s.fleet.Service(owners.Users).Events()
	s.out.add("users sent %s of its changes; %d more were lost", count(events.Sent, "event"), events.Lost)
	fired, resolved := s.onCall.told(tight)
	s.out.add("the one on call was told %s that %s is stale, %s that it is fresh again,", times(fired), tight, times(resolved))
	fired, _ = s.onCall.told(loose)
	s.out.add("and %s of %s: the same outage is within its budget", times(fired), loose)
	return errors.Join(s.reads.err(), err, s.late, s.onCall.err(tight))
}

func differ(copies int) error {
	if copies == 1 {
		return errors.New("1 copy differs from its owner")
	}
	return fmt.Errorf("%d copies differ from their owners", copies)
}
