package killtest

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"testing"
)

// Kills is the environment variable that says which kill points are struck:
// "all", or "FIRST/STEP", as a run logs it. Without it a share of them is,
// drawn anew each time, so that over many runs all are struck.
const Kills = "LARDER_KILLS"

// Points are the kill points of a test, counted from 1, without an end: the
// test stops where nothing is left to strike. step is how far the points of a
// share lie apart.
func Points(tb testing.TB, step int) iter.Seq[int] {
	tb.Helper()
	first := 1 + rand.IntN(step)
	switch kills := os.Getenv(Kills); kills {
	case "":
	case "all":
		first, step = 1, 1
	default:
		if _, err := fmt.Sscanf(kills, "%d/%d", &first, &step); err != nil || first < 1 || step < 1 {
			tb.Fatalf("%s=%q: want all or FIRST/STEP", Kills, kills)
		}
	}
	tb.Logf("struck at points %d, %d, %d, … (%s=%d/%d)", first, first+step, first+2*step, Kills, first, step)
	return func(yield func(int) bool) {
		for n := first; yield(n); n += step {
		}
	}
}

// Rounds are how many of all rounds a test plays whose kills fall at random:
// all of them if all kills are asked for, else every step-th.
func Rounds(all, step int) int {
	if os.Getenv(Kills) == "all" {
		return all
	}
	return max(1, all/step)
}
