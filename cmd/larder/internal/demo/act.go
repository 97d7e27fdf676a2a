package demo

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// tight is the copy with the budget that an outage passes, and loose one of the
// same source with a budget that no outage of the story passes.
const (
	tight = "notification." + owners.Users
	loose = "leaderboard." + owners.Users
)

const (
	// longest is one act of a demo without an end.
	longest = 75 * time.Second
	// leastDown is longer than the tight budget, and mostDown shorter than every
	// other one but longer than the critical one of the tight copy.
	leastDown, mostDown = 4200 * time.Millisecond, 25 * time.Second
	// leastLost is longer than the schedule's interval, so that the worst that
	// can be without events is among what is measured.
	leastLost, mostLost = 2200 * time.Millisecond, 10 * time.Second
)

// beats are how long the parts of an act are. What is awaited in between may
// make it longer.
type beats struct {
	events, lost, down time.Duration
	// all is the act, with what comes after the outage.
	all time.Duration
}

// beatsOf divides a span.
func beatsOf(span time.Duration) beats {
	down := min(max(leastDown, span*3/10), mostDown)
	rest := span - down
	return beats{events: rest / 5, lost: min(max(leastLost, rest/4), mostLost), down: down, all: span}
}

// act is calm, then events that are lost, then an outage of the users service,
// and then calm.
func (s *stage) act(ctx context.Context, b beats) error {
	end := time.Now().Add(b.all)
	if err := s.withEvents(ctx, b.events); err != nil {
		return err
	}
	if err := s.withoutEvents(ctx, b.lost); err != nil {
		return err
	}
	counted, err := s.outage(ctx, b.down)
	if err != nil {
		return err
	}
	up := time.Now()
	s.out.tell("users is back; meanwhile the consumers read %d times, %s\nwithout local copies, calls in a chain would have failed %d of %d times",
		counted.reads, failures(counted.failedReads), counted.failedCalls, counted.calls)
	if err := s.catchUp(ctx, up); err != nil {
		return err
	}
	if err := s.await(ctx, false); err != nil {
		return err
	}
	return s.watch(ctx, time.Until(end))
}

// withEvents shows how fresh the emails are while larder hears of each change.
func (s *stage) withEvents(ctx context.Context, span time.Duration) error {
	a, err := s.measure(ctx, func() error { return s.watch(ctx, span) })
	if err != nil {
		return err
	}
	s.out.tell("notification reads a new email %s", a)
	return nil
}

// withoutEvents shows how fresh they are by the schedule alone.
func (s *stage) withoutEvents(ctx context.Context, span time.Duration) error {
	users := s.fleet.Service(owners.Users)
	users.LoseEvents(true)
	s.out.tell("every event is lost on its way, which leaves the schedule: a poll every 2s")
	a, err := s.measure(ctx, func() error { return wait(ctx, span) })
	users.LoseEvents(false)
	if err != nil {
		return err
	}
	copies, err := s.status(ctx)
	if err != nil {
		return err
	}
	for _, c := range copies {
		if c.Name != tight {
			continue
		}
		s.out.tell("notification reads a new email %s;\nits budget is %s. Events arrive again", a, c.Warn)
		if a.worst > c.Warn && s.late == nil {
			s.late = fmt.Errorf("without events, notification read a change %s late; its budget is %s", a.worst, c.Warn)
		}
	}
	return nil
}

// watch shows the copies, now and then and at the end of the span.
func (s *stage) watch(ctx context.Context, span time.Duration) error {
	steps := max(1, int(math.Round(float64(span)/float64(tableEvery))))
	end := time.Now().Add(span)
	for left := steps; left > 0; left-- {
		if err := wait(ctx, time.Until(end)/time.Duration(left)); err != nil {
			return err
		}
		copies, err := s.status(ctx)
		if err != nil {
			return err
		}
		n := s.reads.now()
		s.out.tell("%d reads so far, %s\n%s", n.reads, failures(n.failedReads), table(copies))
	}
	return nil
}

// outage takes the users service down for a while, until the one on call has
// been told, and counts what that does.
func (s *stage) outage(ctx context.Context, span time.Duration) (counts, error) {
	users := s.fleet.Service(owners.Users)
	s.polls.down(users.Name())
	if err := users.Down(true); err != nil {
		return counts{}, err
	}
	s.out.tell("users goes down: its port refuses connections, and its data go on changing")
	before := s.reads.now()
	err := s.watch(ctx, span)
	if err == nil {
		err = s.await(ctx, true)
	}
	counted := s.reads.now().minus(before)
	for patient := 0; err == nil; patient++ {
		// Another program may have taken the port for a moment.
		down := users.Down(false)
		if down == nil {
			break
		}
		if patient == 20 {
			return counted, down
		}
		err = wait(ctx, lookEvery)
	}
	s.polls.up()
	return counted, err
}

// catchUp waits until the copies of users are younger than the owner's return.
func (s *stage) catchUp(ctx context.Context, up time.Time) error {
	for end := up.Add(patience); time.Now().Before(end); {
		copies, err := s.status(ctx)
		if err != nil {
			return err
		}
		fresh := true
		for _, c := range copies {
			if strings.HasSuffix(c.Name, "."+owners.Users) && (c.AsOf.IsZero() || c.Staleness > time.Since(up)) {
				fresh = false
			}
		}
		if fresh {
			s.out.tell("its copies have caught up, %s after it came back", seconds(time.Since(up)))
			return nil
		}
		if err := wait(ctx, lookEvery); err != nil {
			return err
		}
	}
	s.out.tell("its copies have not caught up yet")
	return nil
}

// await waits until the last that the one on call was told of the tight copy is
// that it is stale, or that it is fresh again.
func (s *stage) await(ctx context.Context, stale bool) error {
	for end := time.Now().Add(patience); ; {
		fired, resolved := s.onCall.told(tight)
		if fired > resolved == stale {
			return nil
		}
		if time.Now().After(end) {
			what := map[bool]string{true: "stale", false: "fresh again"}[stale]
			return fmt.Errorf("wait for an alert: the one on call is not told that %s is %s; the log tells why: %s", tight, what, s.folder.file(logFile))
		}
		if err := wait(ctx, lookEvery); err != nil {
			return err
		}
	}
}
