package demo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// sightings is when changes were first read: how old a change is once a
// consumer that reads its rows at its usual pace meets it, by plain SQL. A
// change that a later one of the same record overtakes is never met.
type sightings struct {
	mu     sync.Mutex
	newest time.Time // of what was read
	from   time.Time // changes before are not counted; zero: none are
	ages   []sighting
}

type sighting struct {
	committed time.Time
	age       time.Duration
}

// begin counts from here on, and forgets what was counted before.
func (s *sightings) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from, s.ages = time.Now(), nil
}

// saw takes rows that were read, those with the newest changes first.
func (s *sightings) saw(rows []owners.Row, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.newest
	for _, r := range rows {
		committed, err := time.Parse(time.RFC3339, r["updated_at"])
		if err != nil || !committed.After(before) {
			break
		}
		if committed.After(s.newest) {
			s.newest = committed
		}
		if !s.from.IsZero() && !committed.Before(s.from) {
			s.ages = append(s.ages, sighting{committed, now.Sub(committed)})
		}
	}
}

// reached reports whether all that was committed up to then has been read.
func (s *sightings) reached(then time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.newest.Before(then)
}

// end counts no longer. It is how old the changes up to then were when they
// were read.
func (s *sightings) end(then time.Time) ages {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []time.Duration
	for _, one := range s.ages {
		if !one.committed.After(then) {
			all = append(all, one.age)
		}
	}
	s.from, s.ages = time.Time{}, nil
	if len(all) == 0 {
		return ages{}
	}
	slices.Sort(all)
	return ages{changes: len(all), median: all[(len(all)-1)/2], worst: all[len(all)-1]}
}

// ages sums up how long changes took to be read.
type ages struct {
	changes       int
	median, worst time.Duration
}

func (a ages) String() string {
	return fmt.Sprintf("%s after its change (median of %d; worst %s)", fine(a.median), a.changes, fine(a.worst))
}

// measure is how long it takes until notification reads a change of users. It
// goes on until all changes made meanwhile were read.
func (s *stage) measure(ctx context.Context, meanwhile func() error) (ages, error) {
	s.emails.begin()
	if err := meanwhile(); err != nil {
		return ages{}, err
	}
	last := newestOf(s.fleet.Service(owners.Users).Truth())
	for end := time.Now().Add(patience); !s.emails.reached(last) && time.Now().Before(end); {
		if err := wait(ctx, lookEvery); err != nil {
			return ages{}, err
		}
	}
	if !s.emails.reached(last) {
		return ages{}, fmt.Errorf("wait for a change of users: notification has not read it after %s", patience)
	}
	return s.emails.end(last), nil
}

// newestOf is when the youngest of the rows was committed.
func newestOf(rows []owners.Row) (newest time.Time) {
	for _, r := range rows {
		if at, err := time.Parse(time.RFC3339, r["updated_at"]); err == nil && at.After(newest) {
			newest = at
		}
	}
	return newest
}
