// Package alerttest stands in for what the desk works with: a Store in memory
// whose calls can be made to fail, receivers that keep what they are told, and
// the suite that every Store runs. Only tests import it.
package alerttest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer/alert"
)

// ErrFails is what a Store that is told to fail fails by.
var ErrFails = errors.New("store fails")

// anewError says that the store was deleted behind its user's back.
type anewError struct{}

func (anewError) Error() string { return "store was deleted" }

// Anew reports that nothing is left of what was saved.
func (anewError) Anew() bool { return true }

// Store is an alert.Store in memory. The zero value is empty and works.
type Store struct {
	// Before and After are called by each Save and Load, before it has its
	// effect and after; an error is returned in place of going on. They name
	// what is called: "load", "save", "silences". They may block.
	Before, After func(ctx context.Context, call string) error

	mu       sync.Mutex
	fails    error
	wiped    bool
	loaded   bool
	saves    int
	episodes map[string]alert.Episode
	told     map[toldKey]alert.Told
	messages map[string]alert.Message
	order    []string
	silences []alert.Silence
	reaches  map[string]alert.Reach
}

type toldKey struct{ episode, notifier string }

var _ alert.Store = (*Store)(nil)

// Fail makes every call fail by err until it is called with nil.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = err
}

// Wipe deletes everything but the silences; the next Save fails and says so.
func (s *Store) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.episodes, s.told, s.messages, s.order, s.reaches, s.wiped = nil, nil, nil, nil, nil, true
}

// Saves counts the calls of Save that had their effect.
func (s *Store) Saves() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saves
}

// Silence adds a silence, or puts it in the place of the one of its ID.
func (s *Store) Silence(_ context.Context, n alert.Silence) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silences = slices.DeleteFunc(s.silences, func(old alert.Silence) bool { return old.ID == n.ID })
	s.silences = append(s.silences, n)
	return nil
}

// Load returns what was saved and is not over.
func (s *Store) Load(ctx context.Context) (alert.Memory, error) {
	if err := s.enter(ctx, s.Before, "load"); err != nil {
		return alert.Memory{}, err
	}
	s.mu.Lock()
	m := alert.Memory{New: !s.loaded}
	for _, e := range s.episodes {
		if s.kept(e) {
			m.Episodes = append(m.Episodes, e)
		}
	}
	slices.SortFunc(m.Episodes, func(a, b alert.Episode) int { return a.Opened.Compare(b.Opened) })
	for _, e := range m.Episodes {
		for k, t := range s.told {
			if k.episode == e.ID {
				m.Told = append(m.Told, t)
			}
		}
	}
	for _, id := range s.order {
		m.Messages = append(m.Messages, cloned(s.messages[id]))
	}
	m.Reaches = slices.SortedFunc(maps.Values(s.reaches), func(a, b alert.Reach) int { return strings.Compare(a.Receiver, b.Receiver) })
	s.mu.Unlock()
	bare(&m)
	err := s.leave(ctx, "load")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded = s.loaded || err == nil
	return m, err
}

// bare takes the monotonic readings out of what is loaded, as a file does.
func bare(m *alert.Memory) {
	strip := func(all ...*time.Time) {
		for _, t := range all {
			*t = t.Round(0)
		}
	}
	for i := range m.Episodes {
		e := &m.Episodes[i]
		strip(&e.Opened, &e.StaleSince, &e.Escalated, &e.Recovering, &e.Closed, &e.Last.AsOf, &e.Last.Since, &e.Last.NextPoll)
	}
	for i := range m.Told {
		strip(&m.Told[i].At)
	}
	for i := range m.Messages {
		strip(&m.Messages[i].Begun, &m.Messages[i].Due, &m.Messages[i].Tried)
		for j := range m.Messages[i].Alerts {
			a := &m.Messages[i].Alerts[j]
			strip(&a.Opened, &a.StaleSince, &a.Closed, &a.AsOf, &a.Since, &a.NextPoll)
		}
	}
}

// kept says whether an episode is to be loaded.
func (s *Store) kept(e alert.Episode) bool {
	if e.Closed.IsZero() || time.Since(e.Closed) < time.Hour {
		return true
	}
	for k, t := range s.told {
		if k.episode == e.ID && !t.Resolved {
			return true
		}
	}
	return false
}

// Save puts a change into effect, wholly or not at all.
func (s *Store) Save(ctx context.Context, c alert.Change) error {
	if err := s.enter(ctx, s.Before, "save"); err != nil {
		return err
	}
	s.mu.Lock()
	if s.wiped {
		s.wiped = false
		s.mu.Unlock()
		return anewError{}
	}
	if s.episodes == nil {
		s.episodes, s.told, s.messages = map[string]alert.Episode{}, map[toldKey]alert.Told{}, map[string]alert.Message{}
	}
	for _, e := range c.Episodes {
		s.episodes[e.ID] = e
	}
	for _, t := range c.Told {
		s.told[toldKey{t.Episode, t.Notifier}] = t
	}
	for _, m := range c.Messages {
		if _, known := s.messages[m.ID]; !known {
			s.order = append(s.order, m.ID)
		}
		s.messages[m.ID] = cloned(m)
	}
	for _, r := range c.Reaches {
		if s.reaches == nil {
			s.reaches = map[string]alert.Reach{}
		}
		s.reaches[r.Receiver] = r
		if r.Trouble == "" {
			delete(s.reaches, r.Receiver)
		}
	}
	for _, id := range c.Done {
		delete(s.messages, id)
		s.order = slices.DeleteFunc(s.order, func(o string) bool { return o == id })
	}
	s.saves++
	s.mu.Unlock()
	return s.leave(ctx, "save")
}

// Silences returns those that are not over.
func (s *Store) Silences(ctx context.Context) ([]alert.Silence, error) {
	if err := s.enter(ctx, s.Before, "silences"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []alert.Silence
	for _, n := range s.silences {
		if n.Until.After(time.Now()) {
			all = append(all, n)
		}
	}
	return all, nil
}

func (s *Store) enter(ctx context.Context, hook func(context.Context, string) error, call string) error {
	s.mu.Lock()
	fails := s.fails
	s.mu.Unlock()
	if fails != nil {
		return fails
	}
	if hook == nil {
		return nil
	}
	return hook(ctx, call)
}

func (s *Store) leave(ctx context.Context, call string) error {
	if s.After == nil {
		return nil
	}
	return s.After(ctx, call)
}

func cloned(m alert.Message) alert.Message {
	m.Alerts = slices.Clone(m.Alerts)
	return m
}
