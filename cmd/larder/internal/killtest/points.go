package killtest

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Kills is the environment variable that says which kill points are struck:
// "all", "FIRST/STEP", as a run logs it, or how many kills there have to be on
// each database, spread over all points. Without it a share of them is struck,
// drawn anew each time, so that over many runs all are.
const Kills = "LARDER_KILLS"

// Share is which kill points are struck: those from First on, Step apart.
type Share struct {
	First, Step int
	// AtLeast is how many kills there have to be on each database; 0: what one
	// pass over the points brings.
	AtLeast int
}

// Shared reads which points are struck. step is how far apart they lie where
// nobody says.
func Shared(tb testing.TB, step int) Share {
	tb.Helper()
	kills := os.Getenv(Kills)
	if n, err := strconv.Atoi(kills); err == nil && n > 0 {
		return Share{First: 1, Step: 1, AtLeast: n}
	}
	s := Share{First: 1 + rand.IntN(step), Step: step}
	switch kills {
	case "":
	case "all":
		s.First, s.Step = 1, 1
	default:
		if _, err := fmt.Sscanf(kills, "%d/%d", &s.First, &s.Step); err != nil || s.First < 1 || s.Step < 1 {
			tb.Fatalf("%s=%q: want all, FIRST/STEP or a number", Kills, kills)
		}
	}
	return s
}

// Whole reports whether every point is struck.
func (s Share) Whole() bool { return s.Step == 1 }

// Points are the kill points of a test of its own, without an end: the test
// stops where nothing is left to strike.
func Points(tb testing.TB, step int) iter.Seq[int] {
	tb.Helper()
	s := Shared(tb, step)
	tb.Logf("struck at points %d, %d, %d, … (%s=%d/%d)", s.First, s.First+s.Step, s.First+2*s.Step, Kills, s.First, s.Step)
	return func(yield func(int) bool) {
		for n := s.First; yield(n); n += s.Step {
		}
	}
}
