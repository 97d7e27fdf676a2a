package simulation_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/larder-sync/larder/cmd/larder/internal/simulation"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// plant is a bug that is made on purpose, and what the oracle has to say to it.
type plant struct {
	bug string
	// fit, if set, tells whether the bug can show in a drawn history, or makes it
	// one in which it can. The history keeps its contract: a life without the bug
	// passes in it, too.
	fit func(*simulation.History) bool
	of  func(*scene) simulation.Seams
	// given is what lets the bug show, and is no bug: there with it and without.
	given given
	// shows are the objections that see this bug, and no other.
	shows []objection
}

// objection is one kind of what the oracle says.
type objection string

// The objections.
const (
	lost      objection = "lost row"
	stale     objection = "stale row"
	undeleted objection = "deleted row held"
	future    objection = "age from the future"
	moved     objection = "position moved"
	unequal   objection = "never equal"
	miscount  objection = "audit miscounts"
	fenced    objection = "wrote without the lease"
	backward  objection = "row goes back"
	wiped     objection = "wiped"
	other     objection = "other"
)

// objectionIn tells which kind a violation is of.
func objectionIn(err error) objection {
	var v *simulation.Violation
	if !errors.As(err, &v) {
		return other
	}
	for _, of := range []struct {
		says string
		objection
	}{
		{"quiet polls", unequal},
		{"goes back", backward},
		{"is wiped", wiped},
		{"claims deletes as of", undeleted},
		{"but has no key", lost},
		{"but holds key", stale},
		{"before they have come", future},
		{"though nothing settled", moved},
		{"moves back", moved},
		{"an audit", miscount},
		{"without the lease", fenced},
	} {
		if strings.Contains(v.What, of.says) {
			return of.objection
		}
	}
	return other
}

// lived is what becomes of the history of a seed with the bug, and without it.
// fits is false where the bug cannot show in it.
func (p plant) lived(t *testing.T, seed int, bug bool) (err error, fits bool) {
	h := simulation.Draw(seed)
	if p.fit != nil && !p.fit(&h) {
		return nil, false
	}
	sc, seams := &scene{}, simulation.Seams{}
	if bug {
		seams = sc.watch(p.of(sc))
	}
	return simulation.Live(t, h, simulation.Memory, p.given.under(seams)), true
}

// given is how the source is configured, and how its tables are.
type given struct {
	spec  func(*sources.Spec)
	table func(syncer.Table) syncer.Table
}

// under is seams in what is given.
func (g given) under(s simulation.Seams) simulation.Seams {
	if spec := s.Spec; g.spec != nil {
		s.Spec = func(to *sources.Spec) {
			if g.spec(to); spec != nil {
				spec(to)
			}
		}
	}
	if table := s.Table; g.table != nil {
		s.Table = func(t syncertest.Table) syncer.Table {
			if table == nil {
				return g.table(t)
			}
			return g.table(table(t))
		}
	}
	return s
}

// TestPlantedBugsAreCaught: every bug of the list is caught in the histories of
// the three seeds that README.md names, by objections of the kinds that it
// names, and without the bug the same histories pass.
func TestPlantedBugsAreCaught(t *testing.T) {
	held := heldLines(t)
	if mode := os.Getenv("LARDER_PLANT"); mode != "" {
		search(t, held, mode)
		return
	}
	if len(held) != len(plants) {
		t.Errorf("README.md has %d planted bugs, and there are %d", len(held), len(plants))
	}
	for _, p := range plants {
		t.Run(p.bug, func(t *testing.T) {
			t.Parallel()
			if err := p.holds(t, held[p.bug]); err != nil {
				t.Errorf("%v\nif what is drawn has changed, look for new seeds: see README.md", err)
			}
		})
	}
}

// tries is how often a history is lived: what happens at the very same instant
// may happen in either order. Those count that are caught in each of them, and
// then it is enough that one is.
const tries = 5

// caught counts in how many lives in a row the bug is caught in the history of a
// seed, and tells what the last one objected to.
func (p plant) caught(t *testing.T, seed, lives int) (n int, says error) {
	for ; n < lives; n++ {
		err, fits := p.lived(t, seed, true)
		if !fits || err == nil || !slices.Contains(p.shows, objectionIn(err)) {
			return n, err
		}
		says = err
	}
	return n, says
}

// holds checks a line of the table.
func (p plant) holds(t *testing.T, l line) error {
	if len(l.seeds) < 3 {
		return errors.New("three seeds are not named")
	}
	for _, says := range strings.Split(l.says, ", ") {
		if !slices.Contains(p.shows, objection(says)) {
			return fmt.Errorf("%q is no objection to it", says)
		}
	}
	for _, seed := range l.seeds {
		caught, says := 0, error(nil)
		for again := 0; again < tries && caught == 0; again++ {
			if caught, says = p.caught(t, seed, 1); says == nil {
				says = errors.New("nothing")
			}
		}
		if caught == 0 {
			return fmt.Errorf("seed %d: the oracle says %w", seed, says)
		}
		if err, _ := p.lived(t, seed, false); err != nil {
			return fmt.Errorf("seed %d without the bug: %w", seed, err)
		}
	}
	return nil
}
