package syncer_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
)

// A shape covers another exactly if the source is the same and no column of the
// other is unknown to it, in whatever order they are written.
func TestShapeCovers(t *testing.T) {
	columns := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"c1", "c2", "c3", "c11"}), 1, 4, rapid.ID[string])
	rapid.Check(t, func(rt *rapid.T) {
		source := rapid.SampledFrom([]string{"s1", "s2"})
		heldSource, wantedSource := source.Draw(rt, "held"), source.Draw(rt, "wanted")
		held, wanted := columns.Draw(rt, "held columns"), columns.Draw(rt, "wanted columns")
		want := heldSource == wantedSource
		for _, c := range wanted {
			want = want && slices.Contains(held, c)
		}
		h, w := syncer.Shape(heldSource, held), syncer.Shape(wantedSource, wanted)
		if got := syncer.ShapeCovers(h, w); got != want {
			rt.Errorf("%q covers %q: %t, want %t", h, w, got, want)
		}
	})
	columnsOnly := syncer.Shape("s", []string{"c1"})
	open, closed := syncer.Shape("s", []string{"c1"}, "open"), syncer.Shape("s", []string{"c1"}, "closed")
	for _, changed := range [][2]string{{columnsOnly, open}, {open, columnsOnly}, {open, closed}} {
		if syncer.ShapeCovers(changed[0], changed[1]) || !syncer.SameSource(changed[0], changed[1]) {
			t.Errorf("of a choice that changes: %q covers %q, or has another source", changed[0], changed[1])
		}
	}
	if !syncer.ShapeCovers(syncer.Shape("s", []string{"c1", "c2"}, "open"), open) {
		t.Error("a column that went away voids")
	}
	if syncer.ShapeCovers("", "") || syncer.ShapeCovers("", "s/c") {
		t.Error("a copy without a shape covers something")
	}
}

// The guard holds what a broken owner would take away; more missing rows never
// pass where fewer are held.
func TestGuardHolds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := syncer.Guard{
			Share: rapid.Float64Range(0, 1).Draw(rt, "share"), Floor: rapid.IntRange(0, 20).Draw(rt, "floor"),
			Rows: rapid.IntRange(0, 50).Draw(rt, "rows"), All: rapid.Bool().Draw(rt, "all"),
		}
		rows := rapid.IntRange(1, 100).Draw(rt, "of")
		missing := rapid.IntRange(0, rows).Draw(rt, "missing")
		held := g.Holds(missing, rows)
		switch {
		case missing == 0 && held:
			rt.Error("nothing is held")
		case missing == rows && !g.All && !held:
			rt.Error("an empty answer empties the table")
		case g.Rows > 0 && missing > g.Rows && !held:
			rt.Error("more than rows pass")
		case missing > g.Floor && float64(missing) > g.Share*float64(rows) && !held:
			rt.Error("more than share pass")
		case held && missing < rows && missing <= g.Floor && (g.Rows == 0 || missing <= g.Rows):
			rt.Error("no more than floor are held")
		case held && missing < rows && !g.Holds(missing+1, rows) && (missing+1 < rows || !g.All):
			rt.Error("one more would pass")
		}
	})
}
