package simulation_test

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
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
	if only, search := strings.CutPrefix(os.Getenv("LARDER_PLANT"), "search"); search {
		searchAll(t, strings.TrimPrefix(only, ":"))
		return
	}
	held := heldLines(t)
	if len(held) != len(plants) {
		t.Errorf("README.md has %d planted bugs, and there are %d", len(held), len(plants))
	}
	for _, p := range plants {
		t.Run(p.bug, func(t *testing.T) {
			t.Parallel()
			line, there := held[p.bug]
			if !there || len(line.seeds) < 3 {
				t.Fatal("README.md does not tell three seeds")
			}
			for _, says := range strings.Split(line.says, ", ") {
				if !slices.Contains(p.shows, objection(says)) {
					t.Errorf("README.md has it caught as %q", says)
				}
			}
			for _, seed := range line.seeds {
				err, fits := p.lived(t, seed, true)
				if !fits || err == nil || !slices.Contains(p.shows, objectionIn(err)) {
					t.Errorf("seed %d: it fits %v, and the oracle says %v; if what is drawn has changed, look for new seeds: see README.md", seed, fits, err)
				}
				if err, _ := p.lived(t, seed, false); err != nil {
					t.Errorf("seed %d without the bug: %v", seed, err)
				}
			}
		})
	}
}

// sayings are objections as the table lists them.
func sayings(of []objection) string {
	var out []string
	for _, o := range of {
		out = append(out, string(o))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// line is a line of the table.
type line struct {
	seeds []int
	says  string
	lived int // histories, until the third seed was found
}

func (l line) String() string {
	return fmt.Sprintf("%s | %s | %d", l.says, strings.Trim(fmt.Sprint(l.seeds), "[]"), l.lived)
}

// most is how many histories a bug is looked for in.
func most(t *testing.T) int {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("LARDER_PLANT_MOST"), "5000"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// find looks for three seeds that catch a bug.
func (p plant) find(t *testing.T) (line, bool) {
	var l line
	var saw []objection
	misses := map[objection]int{}
	for seed := 0; seed < most(t); seed++ {
		err, fits := p.lived(t, seed, true)
		if !fits {
			continue
		}
		l.lived++
		if err == nil {
			continue
		}
		is := objectionIn(err)
		if !slices.Contains(p.shows, is) {
			if misses[is]++; misses[is] <= 2 {
				what, _, _ := strings.Cut(err.Error(), "\n")
				t.Logf("seed %d is caught for another reason: %s: %s", seed, is, what)
			}
			continue
		}
		if err, _ := p.lived(t, seed, false); err != nil {
			what, _, _ := strings.Cut(err.Error(), "\n")
			t.Logf("seed %d fails without the bug: %s", seed, what)
			continue
		}
		if !slices.Contains(saw, is) {
			saw = append(saw, is)
		}
		if l.seeds = append(l.seeds, seed); len(l.seeds) == 3 {
			break
		}
	}
	l.says = sayings(saw)
	t.Logf("| %s | %s | misses %v", p.bug, l, misses)
	return l, len(l.seeds) == 3
}

// searchAll finds seeds anew and writes them into README.md.
func searchAll(t *testing.T, only string) {
	lines := make([]line, len(plants))
	t.Run("plants", func(t *testing.T) {
		for i, p := range plants {
			if !strings.Contains(p.bug, only) {
				continue
			}
			t.Run(p.bug, func(t *testing.T) {
				t.Parallel()
				var ok bool
				if lines[i], ok = p.find(t); !ok {
					t.Errorf("caught %d times in %d histories", len(lines[i].seeds), lines[i].lived)
				}
			})
		}
	})
	if only != "" || t.Failed() {
		return
	}
	var rows []string
	for i, p := range plants {
		rows = append(rows, fmt.Sprintf("| %s | %s |", p.bug, lines[i]))
	}
	seeds.write(t, rows)
}

// heldLines is what README.md says, by bug.
func heldLines(t *testing.T) map[string]line {
	t.Helper()
	out := map[string]line{}
	for _, cells := range seeds.read(t) {
		if len(cells) != 4 {
			t.Fatalf("README.md: %q is no line of the table", cells)
		}
		l := line{says: cells[1]}
		for _, seed := range strings.Fields(cells[2]) {
			n, err := strconv.Atoi(seed)
			if err != nil {
				t.Fatal(err)
			}
			l.seeds = append(l.seeds, n)
		}
		out[cells[0]] = l
	}
	return out
}
