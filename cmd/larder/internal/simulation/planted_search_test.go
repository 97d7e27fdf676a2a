package simulation_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-sync/larder/cmd/larder/internal/simulation"
)

// line is a line of README.md's table of planted bugs.
type line struct {
	seeds []int
	says  string
	lived int // histories, until the third seed was found
}

func (l line) String() string {
	return fmt.Sprintf("%s | %s | %d", l.says, strings.Trim(fmt.Sprint(l.seeds), "[]"), l.lived)
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
		for _, text := range strings.Fields(cells[2] + " " + cells[3]) {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			l.seeds = append(l.seeds, n)
		}
		last := len(l.seeds) - 1
		l.seeds, l.lived = l.seeds[:last], l.seeds[last]
		out[cells[0]] = l
	}
	return out
}

// search looks for new seeds of those bugs whose own do not hold any more, or of
// all, and writes the table.
func search(t *testing.T, held map[string]line, mode string) {
	if mode != "search" && mode != "all" {
		t.Fatalf("LARDER_PLANT=%q is neither search nor all", mode)
	}
	rows := make([]string, len(plants))
	t.Run("search", func(t *testing.T) {
		for i, p := range plants {
			t.Run(p.bug, func(t *testing.T) {
				t.Parallel()
				l := held[p.bug]
				if mode == "all" || p.holds(t, l) != nil {
					l = p.find(t)
				}
				rows[i] = fmt.Sprintf("| %s | %s |", p.bug, l)
				t.Log(rows[i])
			})
		}
	})
	if !t.Failed() {
		seeds.write(t, rows)
	}
}

// most is how many histories a bug is looked for in: one that hides in more
// should be drawn more often.
const most = 5000

// find looks for three seeds that catch a bug.
func (p plant) find(t *testing.T) (l line) {
	t.Helper()
	var saw []string
	for seed := 0; l.lived < most && seed < 10*most && len(l.seeds) < 3; seed++ {
		if h := simulation.Draw(seed); p.fit != nil && !p.fit(&h) {
			continue
		}
		l.lived++
		n, says := p.caught(t, seed, tries)
		if n < tries {
			continue
		}
		if err, _ := p.lived(t, seed, false); err != nil {
			what, _, _ := strings.Cut(err.Error(), "\n")
			t.Errorf("seed %d fails without the bug: %s", seed, what)
			continue
		}
		saw, l.seeds = append(saw, string(objectionIn(says))), append(l.seeds, seed)
	}
	slices.Sort(saw)
	l.says = strings.Join(slices.Compact(saw), ", ")
	if len(l.seeds) < 3 {
		t.Errorf("caught %d times in %d histories", len(l.seeds), l.lived)
	}
	return l
}
