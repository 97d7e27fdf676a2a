package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

const (
	// lookEvery is how often something awaited is looked for.
	lookEvery = 50 * time.Millisecond
	// changeEvery is the time between two changes of one owner.
	changeEvery = 200 * time.Millisecond
	// tableEvery is about the time between two tables.
	tableEvery = 10 * time.Second
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
	s.out.tell("somebody on call is told by signed webhooks when a copy is staler than its budget")
	s.out.add("%-12s  %s", "receiver", s.onCall.url())
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
	s.polls.begin()
	living, stop := context.WithCancel(ctx)
	var life sync.WaitGroup
	for _, c := range s.consumers {
		if c.name == "notification" {
			c.saw = s.emails.saw
		}
		life.Go(func() { c.work(living, s.fleet.Service(owners.Users), &s.reads) })
	}
	life.Go(func() { s.change(living) })
	defer life.Wait()
	defer stop()
	s.out.tell("from here on the owners' data keep changing, %d times a second each,", time.Second/changeEvery)
	s.out.add("and each consumer reads its own tables %d times a second;", time.Second/readEvery)
	s.out.add("users sends larder a signed event of each change, and is polled within a second")
	if s.span > 0 {
		// A slow start leaves most of the time for the rest.
		return s.act(ctx, beatsOf(max(s.span-time.Since(s.out.began), s.span*3/4)))
	}
	for {
		if err := s.act(ctx, beatsOf(longest)); err != nil {
			return err
		}
	}
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
