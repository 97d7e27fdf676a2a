package demo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// The beat of a demo without an end.
const (
	quietFirst = 20 * time.Second
	quietDown  = 25 * time.Second
	quietAfter = 20 * time.Second
)

const (
	// lookEvery is how often something awaited is looked for.
	lookEvery = 50 * time.Millisecond
	// changeEvery is the time between two changes of one owner.
	changeEvery = 200 * time.Millisecond
	// tableEvery is the longest time between two tables.
	tableEvery = 5 * time.Second
)

// introduce says who plays.
func (s *stage) introduce() {
	engine := "SQLite"
	if s.postgres {
		engine = "Postgres"
	}
	s.out.tell("five owners serve their APIs on loopback")
	for _, o := range s.fleet.Services() {
		s.out.add("%-12s  %s", o.Name(), o.URL())
	}
	s.out.tell("four consumers, each with its own %s database, read copies and call nobody", engine)
	for _, c := range s.consumers {
		var tables []string
		for _, t := range c.copies {
			tables = append(tables, t.table)
		}
		s.out.add("%-12s  %s: %s", c.name, c.does, strings.Join(tables, ", "))
	}
	s.out.tell("larder runs between them")
	s.out.add("%-12s  %s", "config", s.folder.file(configFile))
	s.out.add("%-12s  %s", "log", s.folder.file(logFile))
	if s.folder.stays {
		s.out.add("%-12s  . %s && larder status -c %s", "look inside", s.folder.file(settingsFile), s.folder.file(configFile))
		s.out.add("%-12s  (%s holds the credentials; only you can read it)", "", settingsFile)
	}
}

// play runs the daemon through the story, and then compares.
func (s *stage) play(ctx context.Context) error {
	err := s.withDaemon(ctx, s.story)
	if ctx.Err() != nil {
		s.out.tell("interrupted")
		s.sumUp()
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	return s.settle(ctx)
}

// withDaemon runs do while the daemon runs. A daemon that ends by itself ends
// do.
func (s *stage) withDaemon(ctx context.Context, do func(context.Context) error) error {
	running, stop := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		err := s.engine.Run(running, s.polls.note)
		if err == nil && running.Err() == nil {
			err = errors.New("it ended by itself")
		}
		if err != nil {
			err = fmt.Errorf("run the daemon: %w", err)
		}
		stop(err)
		ended <- err
	}()
	err := do(running)
	s.polls.close()
	stop(nil)
	return errors.Join(<-ended, err)
}

// story is what is seen while the daemon runs.
func (s *stage) story(ctx context.Context) error {
	if err := s.fill(ctx); err != nil {
		return err
	}
	living, stop := context.WithCancel(ctx)
	var life sync.WaitGroup
	for _, c := range s.consumers {
		life.Go(func() { c.work(living, s.fleet.Service(owners.Users), &s.reads) })
	}
	life.Go(func() { s.change(living) })
	defer life.Wait()
	defer stop()
	s.out.tell("from here on the owners' data keep changing, %d times a second each,", time.Second/changeEvery)
	s.out.add("and each consumer reads its own tables %d times a second", time.Second/readEvery)
	if s.span == 0 {
		return s.forever(ctx)
	}
	// A slow start leaves most of the time for the rest.
	third := max(s.span-time.Since(s.out.began), s.span*3/4) / 3
	return s.act(ctx, third, third, third)
}

// change changes the data of every owner until ctx ends. It begins only once
// the copies are complete: a list by offset that moves faster than it is walked
// has no end, which larder rightly calls a failed poll, and a busy machine can
// be that slow.
func (s *stage) change(ctx context.Context) {
	for wait(ctx, changeEvery) == nil {
		for _, o := range s.fleet.Services() {
			if o.Name() != owners.Weather { // which has a pace of its own
				o.Change(1)
			}
		}
	}
}

func (s *stage) forever(ctx context.Context) error {
	for {
		if err := s.act(ctx, quietFirst, quietDown, quietAfter); err != nil {
			return err
		}
	}
}

// act is one outage of the users service, with calm before and after it.
func (s *stage) act(ctx context.Context, before, during, after time.Duration) error {
	every := min(tableEvery, max(before/2, time.Second))
	if err := s.watch(ctx, before, every); err != nil {
		return err
	}
	counted, err := s.outage(ctx, during, every)
	if err != nil {
		return err
	}
	up := time.Now()
	s.out.tell("users is back; meanwhile the consumers read %d times, %s", counted.reads, failures(counted.failedReads))
	s.out.add("calls in a chain would have failed %d of %d times", counted.failedCalls, counted.calls)
	if err := s.catchUp(ctx, up, up.Add(after)); err != nil {
		return err
	}
	return s.watch(ctx, after-time.Since(up), every)
}

// watch shows the copies, about every so often and at the end of the span.
func (s *stage) watch(ctx context.Context, span, every time.Duration) error {
	steps := max(1, int(math.Round(float64(span)/float64(every))))
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
		s.out.tell("%d reads so far, %s", n.reads, failures(n.failedReads))
		s.out.table(copies)
	}
	return nil
}

// outage takes the users service down for a while and counts what that does.
func (s *stage) outage(ctx context.Context, span, every time.Duration) (counts, error) {
	users := s.fleet.Service(owners.Users)
	s.polls.down(users.Name())
	if err := users.Down(true); err != nil {
		return counts{}, err
	}
	s.out.tell("users goes down: its port refuses connections, and its data go on changing")
	before := s.reads.now()
	err := s.watch(ctx, span, every)
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
func (s *stage) catchUp(ctx context.Context, up, deadline time.Time) error {
	for time.Now().Before(deadline) {
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
		if err := wait(ctx, 2*lookEvery); err != nil {
			return err
		}
	}
	s.out.tell("its copies have not caught up yet")
	return nil
}

// status is the standing of every copy, in the order of the consumers.
func (s *stage) status(ctx context.Context) ([]Copy, error) {
	all, err := s.engine.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the status: %w", err)
	}
	known := make(map[string]Copy)
	for _, c := range all {
		known[c.Name] = c
	}
	var out []Copy
	for _, c := range s.consumers {
		for _, t := range c.copies {
			name := c.name + "." + t.table
			found, ok := known[name]
			if !ok {
				return nil, fmt.Errorf("ask for the status: %s is missing", name)
			}
			out = append(out, found)
		}
	}
	return out, nil
}

// wait returns early, with the reason, when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
