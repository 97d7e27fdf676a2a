package alerttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// Subject is a Store as the suite uses it.
type Subject struct {
	Store alert.Store
	// Reopen closes the Store and opens it again, as a process does that is
	// started again; nil: it cannot be.
	Reopen func(t *testing.T) alert.Store
	// Silence adds a silence as a person does.
	Silence func(ctx context.Context, s alert.Silence) error
	// Wipe deletes the Store behind its back; nil: it cannot be.
	Wipe func(t *testing.T)
}

// ConformStore runs what every Store has to do. open makes a new, empty one for
// each test; times are those of the machine.
func ConformStore(t *testing.T, open func(t *testing.T) *Subject) {
	for _, test := range []struct {
		name string
		run  func(*Subject, *testing.T)
	}{
		{"an empty store has nothing", (*Subject).empty},
		{"what is saved is loaded, every field of it", (*Subject).whole},
		{"a later change puts itself in the place of an earlier one", (*Subject).replace},
		{"messages keep the order in which they were first saved", (*Subject).order},
		{"what is done is not loaded, and done twice is no error", (*Subject).done},
		{"an episode is loaded until all are told its end and an hour is over", (*Subject).kept},
		{"a change that cannot be saved leaves nothing", (*Subject).atomic},
		{"silences that are not over", (*Subject).silences},
		{"a store that is deleted says so once and goes on", (*Subject).anew},
		{"a thousand episodes in one change", (*Subject).thousand},
		{"text that is hostile", (*Subject).hostile},
		{"a store that is new says so, and not to the next process", (*Subject).fresh},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(open(t), t) })
	}
}

func (s *Subject) empty(t *testing.T) {
	s.wantMemory(t, alert.Memory{})
	if err := s.Store.Save(t.Context(), alert.Change{}); err != nil {
		t.Errorf("save an empty change: %v", err)
	}
	s.wantMemory(t, alert.Memory{})
}

func (s *Subject) whole(t *testing.T) {
	c := Sample(time.Now(), 1)
	s.save(t, c)
	want := alert.Memory{Episodes: c.Episodes, Told: c.Told, Messages: c.Messages, Reaches: c.Reaches}
	s.wantMemory(t, want)
	if s.Reopen != nil {
		s.Store = s.Reopen(t)
		s.wantMemory(t, want)
	}
}

func (s *Subject) replace(t *testing.T) {
	now := time.Now()
	c := Sample(now, 1)
	s.save(t, c)
	e, told, m := c.Episodes[0], c.Told[0], c.Messages[0]
	e.Level, e.Escalated, e.Recovering, e.Last = syncer.Critical, now, now, alert.Facts{Level: syncer.Never}
	told.Sequence, told.Reminders, told.Level = 7, 5, syncer.Critical
	m.Sealed, m.Attempts, m.Tried, m.Failed, m.Cause, m.Alerts, m.Unsure = true, 3, now, "refused", "", m.Alerts[:1], false
	s.save(t, alert.Change{Episodes: []alert.Episode{e}, Told: []alert.Told{told}, Messages: []alert.Message{m}, Reaches: []alert.Reach{{Receiver: "oncall"}, {Receiver: "mail", Trouble: alert.Refuses, Since: now}}})
	s.wantMemory(t, alert.Memory{Episodes: []alert.Episode{e}, Told: []alert.Told{told, c.Told[1]}, Messages: []alert.Message{m}, Reaches: []alert.Reach{{Receiver: "mail", Trouble: alert.Refuses, Since: now}}})
}

func (s *Subject) order(t *testing.T) {
	now := time.Now()
	var ids []string
	for _, id := range []string{"z", "a", "m", "b"} {
		m := Sample(now, 1).Messages[0]
		m.ID = id
		// The order is that of saving, whatever the clock says.
		now = now.Add(-time.Minute)
		m.Begun = now
		s.save(t, alert.Change{Messages: []alert.Message{m}})
		ids = append(ids, id)
	}
	again := Sample(now, 1).Messages[0]
	again.ID, again.Attempts = "a", 9
	s.save(t, alert.Change{Messages: []alert.Message{again}})
	if s.Reopen != nil {
		s.Store = s.Reopen(t)
	}
	var got []string
	for _, m := range s.load(t).Messages {
		got = append(got, m.ID)
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("order of messages (-want +got):\n%s", diff)
	}
}

func (s *Subject) done(t *testing.T) {
	c := Sample(time.Now(), 1)
	s.save(t, c)
	id := c.Messages[0].ID
	for range 2 {
		s.save(t, alert.Change{Done: []string{id, "never heard of"}})
		s.wantMemory(t, alert.Memory{Episodes: c.Episodes, Told: c.Told, Reaches: c.Reaches})
	}
}

func (s *Subject) kept(t *testing.T) {
	now := time.Now()
	var c alert.Change
	var want []string
	for name, e := range map[string]struct {
		closed   time.Duration // ago; 0: open
		resolved bool
		kept     bool
	}{
		"open": {0, false, true}, "open and told": {0, true, true},
		"over for 10m": {10 * time.Minute, true, true}, "over for 2h": {2 * time.Hour, true, false},
		"over for 2h, end not told": {2 * time.Hour, false, true},
	} {
		one := Sample(now, 1)
		episode, told := one.Episodes[0], one.Told[0]
		episode.ID, told.Episode, told.Resolved = name, name, e.resolved
		if e.closed > 0 {
			episode.Closed, episode.Ending = now.Add(-e.closed), alert.Recovered
		}
		c.Episodes, c.Told = append(c.Episodes, episode), append(c.Told, told)
		if e.kept {
			want = append(want, name)
		}
	}
	s.save(t, c)
	m := s.load(t)
	var got, told []string
	for _, e := range m.Episodes {
		got = append(got, e.ID)
	}
	for _, x := range m.Told {
		told = append(told, x.Episode)
	}
	slices.Sort(want)
	slices.Sort(got)
	slices.Sort(told)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("episodes loaded (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("what was told, loaded (-want +got):\n%s", diff)
	}
}

func (s *Subject) atomic(t *testing.T) {
	c := Sample(time.Now(), 1)
	s.save(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Store.Save(ctx, Sample(time.Now(), 2)); err != nil {
		s.wantMemory(t, alert.Memory{Episodes: c.Episodes, Told: c.Told, Messages: c.Messages, Reaches: c.Reaches})
	}
}

func (s *Subject) silences(t *testing.T) {
	now := time.Now().Truncate(time.Millisecond)
	live := alert.Silence{ID: "s1", Tables: []string{"shop.*", "users"}, From: now.Add(-time.Hour), Until: now.Add(time.Hour), Reason: "move", Author: "ann"}
	coming := alert.Silence{ID: "s2", Tables: []string{"*"}, From: now.Add(time.Hour), Until: now.Add(2 * time.Hour)}
	over := alert.Silence{ID: "s3", Tables: []string{"*"}, From: now.Add(-2 * time.Hour), Until: now.Add(-time.Hour)}
	for _, n := range []alert.Silence{live, coming, over} {
		if err := s.Silence(t.Context(), n); err != nil {
			t.Fatalf("add a silence: %v", err)
		}
	}
	got, err := s.Store.Silences(t.Context())
	if err != nil {
		t.Fatalf("list silences: %v", err)
	}
	slices.SortFunc(got, func(a, b alert.Silence) int { return strings.Compare(a.ID, b.ID) })
	if diff := cmp.Diff([]alert.Silence{live, coming}, got, instants()); diff != "" {
		t.Errorf("silences (-want +got):\n%s", diff)
	}
}

func (s *Subject) anew(t *testing.T) {
	if s.Wipe == nil {
		t.Skip("the store cannot be deleted")
	}
	s.save(t, Sample(time.Now(), 1))
	s.Wipe(t)
	c := Sample(time.Now(), 2)
	err := s.Store.Save(t.Context(), c)
	var anew interface{ Anew() bool }
	if !errors.As(err, &anew) || !anew.Anew() {
		t.Fatalf("save after the store was deleted: %v, want an error that says Anew", err)
	}
	s.save(t, c)
	s.wantMemory(t, alert.Memory{Episodes: c.Episodes, Told: c.Told, Messages: c.Messages, Reaches: c.Reaches})
}

func (s *Subject) thousand(t *testing.T) {
	c := Sample(time.Now(), 1000)
	s.save(t, c)
	s.wantMemory(t, alert.Memory{Episodes: c.Episodes, Told: c.Told, Messages: c.Messages, Reaches: c.Reaches})
}

func (s *Subject) hostile(t *testing.T) {
	c := Sample(time.Now(), 1)
	e := &c.Episodes[0]
	e.Last.Reason = "'); drop table episode; -- \u202e \U0001F4A3 \" \\ </script>"
	e.Last.Failure = &syncer.Failure{Class: syncer.ClassAnswer, Text: strings.Repeat("\u00e9", 500)}
	c.Messages[0].Failed = e.Last.Reason
	s.save(t, c)
	s.wantMemory(t, alert.Memory{Episodes: c.Episodes, Told: c.Told, Messages: c.Messages, Reaches: c.Reaches})
}

func (s *Subject) fresh(t *testing.T) {
	if !s.load(t).New {
		t.Error("a store that was never loaded does not say so")
	}
	if s.Reopen == nil {
		return
	}
	s.Store = s.Reopen(t)
	for range 2 {
		if s.load(t).New {
			t.Error("a store that was loaded says that it is new")
		}
	}
	if s.Wipe == nil {
		return
	}
	// What takes the place of one that is deleted is told all there is.
	s.Wipe(t)
	_ = s.Store.Save(t.Context(), Sample(time.Now(), 1))
	s.save(t, Sample(time.Now(), 1))
	s.Store = s.Reopen(t)
	if s.load(t).New {
		t.Error("a store that was deleted and written anew says that it is new")
	}
}

func (s *Subject) save(t *testing.T, c alert.Change) {
	t.Helper()
	if err := s.Store.Save(t.Context(), c); err != nil {
		t.Fatalf("save: %v", err)
	}
}

func (s *Subject) load(t *testing.T) alert.Memory {
	t.Helper()
	m, err := s.Store.Load(t.Context())
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return m
}

// wantMemory compares what the Store has; only messages have an order.
func (s *Subject) wantMemory(t *testing.T, want alert.Memory) {
	t.Helper()
	if diff := cmp.Diff(want, s.load(t), instants(), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(alert.Memory{}, "New"),
		cmpopts.SortSlices(func(a, b alert.Episode) bool { return a.ID < b.ID }),
		cmpopts.SortSlices(func(a, b alert.Told) bool {
			return a.Episode+"\n"+a.Notifier < b.Episode+"\n"+b.Notifier
		})); diff != "" {
		t.Errorf("memory (-want +got):\n%s", diff)
	}
}

// instants compares times to the microsecond and in any zone: a Store may keep
// no more.
func instants() cmp.Option {
	return cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() < time.Microsecond })
}
