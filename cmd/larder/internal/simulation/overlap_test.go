package simulation_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/simulation"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
)

// How long an overlap has to be, measured: a tick is ten seconds, and an owner takes up
// to longest ticks from a stamp to the moment at which readers see the change,
// hidden of which lie behind the commit.
const (
	tick    = 10 * time.Second
	hidden  = 2
	longest = 6 // D
)

// setting is a line of README.md's table of overlaps.
type setting struct {
	feed     string
	order    sourcetest.Order
	overlap  time.Duration
	cut      time.Duration // stamps are cut down to it
	uncapped bool
	// breaks says that some histories have to break: without it, none may. Rare
	// ones are not looked for in a share.
	breaks, rare bool
}

var settings = []setting{
	{feed: "in order of stamps, capped, w = D", order: sourcetest.ByStamp, overlap: longest * tick},
	{feed: "in order of stamps, capped, w = D − 3", order: sourcetest.ByStamp, overlap: (longest - 3) * tick, breaks: true, rare: true},
	{feed: "in order of stamps, capped, w = 0", order: sourcetest.ByStamp, breaks: true},
	{feed: "in order of stamps, **uncapped**, w = D", order: sourcetest.ByStamp, overlap: longest * tick, uncapped: true, breaks: true, rare: true},
	{feed: "in order of ids, capped, w = D", order: sourcetest.ByID, overlap: longest * tick},
	{feed: "in order of ids, **uncapped**, w = D", order: sourcetest.ByID, overlap: longest * tick, uncapped: true, breaks: true, rare: true},
	{feed: "in order of ids, capped, w = 0", order: sourcetest.ByID, breaks: true},
	{feed: "stamps cut down by 10 ticks, capped, w = D", order: sourcetest.ByStamp, cut: 10 * tick, overlap: longest * tick, breaks: true},
	{feed: "stamps cut down by 10 ticks, capped, w = D + 9", order: sourcetest.ByStamp, cut: 10 * tick, overlap: (longest + 9) * tick},
}

// history is the one of a seed: pages by keyset, nothing fails.
func (s setting) history(seed int) simulation.History {
	r := rand.New(rand.NewPCG(uint64(seed), 4))
	ticks := func(most int) time.Duration { return time.Duration(r.IntN(most+1)) * tick }
	h := simulation.History{Contract: simulation.Contract{
		Mode: sources.Incremental, By: sources.Keyset, Order: s.order,
		Page: 1 + r.IntN(5), Takes: tick, Granule: time.Second, Tombstones: true,
		Overlap: s.overlap, Lag: hidden * tick, Parts: 1, Attempts: 1, Shared: true, Confirm: 1, Gather: 1,
	}}
	now := time.Duration(0)
	last := map[int]simulation.Change{}
	for range 36 {
		now += ticks(3)
		key := 1 + r.IntN(12)
		before, known := last[key]
		begun := max(now, before.Commit) // a writer waits for the one before it on the same row
		c := simulation.Change{Key: key, Gone: r.IntN(6) == 0 && known && !before.Gone, Stamp: begun}
		if r.IntN(3) == 0 {
			c.Commit = begun + ticks(longest-hidden)
			c.Visible = c.Commit + ticks(hidden)
		} else {
			c.Commit, c.Visible = begun, begun
		}
		c.Visible = max(c.Visible, before.Visible)
		if s.cut > 0 {
			c.Stamp = c.Stamp.Truncate(s.cut)
		}
		last[key] = c
		h.Log = append(h.Log, c)
	}
	for range 10 {
		h.Polls = append(h.Polls, simulation.Poll{Wait: ticks(5) + 7*time.Millisecond, Fault: simulation.Fault{Kind: simulation.None}})
	}
	return h
}

// seams is where a watermark that passes a walk's start is planted.
func (s setting) seams() simulation.Seams {
	sc := &scene{}
	if s.uncapped {
		return sc.watch(uncapped(sc))
	}
	return simulation.Seams{}
}

// lives is what became of histories.
type lives struct {
	broke, lost int
	first       error
}

// live lives some histories of a setting. Of those that break it finds out
// whether what was missed is missed for good: an owner with a lag of a day lets
// nothing be claimed, so that only the end counts.
func (s setting) live(t *testing.T, histories int) (out lives) {
	for seed := range histories {
		h := s.history(seed)
		err := simulation.Live(t, h, simulation.Memory, s.seams())
		if err == nil {
			continue
		}
		out.broke++
		out.first = cmp.Or(out.first, err)
		h.Lag = 24 * time.Hour
		if simulation.Live(t, h, simulation.Memory, s.seams()) != nil {
			out.lost++
		}
	}
	return out
}

// TestOverlap: an overlap as long as the longest time from a stamp to its being
// seen, with the watermark capped, never breaks a claim, in whatever order
// records come; a shorter one, or a watermark without the cap, does. It lives a
// share of the histories; LARDER_OVERLAP=all lives all, and writes what came of
// them into README.md.
func TestOverlap(t *testing.T) {
	histories, all := 60, os.Getenv("LARDER_OVERLAP") == "all"
	if all {
		histories = 1500
	}
	rows := make([]string, len(settings))
	t.Run("settings", func(t *testing.T) {
		for i, s := range settings {
			t.Run(s.feed, func(t *testing.T) {
				t.Parallel()
				got := s.live(t, histories)
				if s.breaks != (got.broke > 0) && (all || !s.rare) {
					t.Errorf("%d of %d histories break: %v", got.broke, histories, got.first)
				}
				rows[i] = fmt.Sprintf("| %s | %d | %d |", s.feed, got.broke, got.lost)
				t.Log(rows[i])
			})
		}
	})
	if all && !t.Failed() {
		overlaps.write(t, rows)
		return
	}
	held := overlaps.read(t)
	for i, s := range settings {
		if i >= len(held) || held[i][0] != s.feed || (held[i][1] == "0") == s.breaks {
			t.Errorf("README.md does not have %q, or another figure for it", s.feed)
		}
	}
}
