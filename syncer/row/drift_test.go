package row_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

func unnamed(names ...string) []row.Unnamed {
	var out []row.Unnamed
	for _, name := range names {
		out = append(out, row.Unnamed{Name: name, Type: row.Type{Kind: row.Text}, Typed: true})
	}
	return out
}

func target(made bool, columns ...string) row.Target {
	return row.Target{Made: made, Columns: columns, Reserved: []string{"oid"}, Fold: strings.ToLower,
		Add: func(a row.Added) string { return "ADD " + a.Name + " " + a.Type.String() }}
}

func TestFollowDecidesOnce(t *testing.T) {
	add := row.Spec{Drift: row.DriftAdd}
	columns, notes := add.Follow(append(unnamed("Age", "age", "id", "OID", "late"), row.Unnamed{Name: "null"}),
		[]row.Known{{Added: row.Added{Name: "late"}, Why: "another reason"}}, target(true, "ID"))
	if diff := gocmp.Diff([]row.Added{{Name: "Age"}, {Name: "late"}}, columns); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	var names []string
	for _, n := range notes {
		names = append(names, n.Name)
	}
	if diff := gocmp.Diff([]string{"age", "id", "OID"}, names); diff != "" {
		t.Errorf("noted (-want +got):\n%s", diff)
	}
	var known []row.Known
	for _, c := range columns {
		known = append(known, row.Known{Added: c, Column: true})
	}
	for _, n := range notes {
		known = append(known, row.Known{Added: row.Added{Name: n.Name}, Why: n.Why})
	}
	columns, notes = add.Follow(unnamed("Age", "age", "id", "OID", "late"), known, target(true, "ID", "Age", "late"))
	if len(columns)+len(notes) > 0 {
		t.Errorf("the same again: %v, %v", columns, notes)
	}
	if _, notes = add.Follow(unnamed("x"), nil, target(false)); len(notes) != 1 || !strings.Contains(notes[0].Why, "ADD x text") {
		t.Errorf("of a table that is not larder's: %v", notes)
	}
}

// TestFollowKeepsItsBounds: whatever owners call their fields, names are written
// down once, short, and as they can be shown, and columns can bear theirs.
func TestFollowKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.OneOf(rapid.String(), rapid.StringN(1, 100, 300), rapid.Map(rapid.IntRange(0, 300), func(n int) string { return fmt.Sprint("f", n) })),
			func(s string) string { return s }).Draw(t, "names")
		spec := row.Spec{Drift: rapid.SampledFrom([]row.Drift{row.DriftNote, row.DriftAdd}).Draw(t, "drift")}
		columns, notes := spec.Follow(unnamed(names...), nil, target(true, "id"))
		if len(columns) > row.MostAdded || len(notes) > row.MostNoted {
			t.Fatalf("%d columns, %d notes", len(columns), len(notes))
		}
		seen := map[string]bool{"id": true, "oid": true}
		for _, c := range columns {
			if seen[strings.ToLower(c.Name)] || c.Name == "" || len(c.Name) > 63 || row.Label(c.Name) != c.Name {
				t.Fatalf("column %q", c.Name)
			}
			seen[strings.ToLower(c.Name)] = true
		}
		for _, n := range notes {
			if len(n.Name) > 110 || !utf8.ValidString(n.Name) || strings.ContainsFunc(n.Name, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("note %q", n.Name)
			}
		}
	})
}

func TestRecallKeepsWhatIsStillSo(t *testing.T) {
	known := []row.Known{{Added: row.Added{Name: "column"}, Column: true}, {Added: row.Added{Name: "mine"}, Column: true},
		{Added: row.Added{Name: "named"}, Column: true}, {Added: row.Added{Name: "theirs"}, Column: true}, {Added: row.Added{Name: "noted"}}, {Added: row.Added{Name: "theirs too"}}}
	spec := row.Spec{Columns: []row.Column{{Name: "MINE"}}, Named: []string{"named", "theirs", "theirs too"}, Others: []string{"theirs", "theirs too"}}
	for drift, want := range map[row.Drift]string{row.DriftAdd: "column theirs noted", row.DriftNote: "column theirs noted", row.DriftIgnore: "column theirs", row.DriftFail: "column theirs"} {
		spec.Drift = drift
		stays, forget := spec.Recall(known, strings.ToLower)
		var names []string
		for _, k := range stays {
			names = append(names, k.Name)
		}
		if got := strings.Join(names, " "); got != want || len(stays)+len(forget) != len(known) {
			t.Errorf("%q keeps %q and forgets %q, want %q", drift, got, forget, want)
		}
		if kept := spec.Kept(stays); (drift == row.DriftAdd) != (len(kept) == 2) {
			t.Errorf("%q fills %v", drift, kept)
		}
	}
}

// TestAddedColumnsShape: a copy that lacks a column that was added is not
// complete, and one that has more is.
func TestAddedColumnsShape(t *testing.T) {
	spec := row.Spec{Shape: syncer.Shape("source", []string{"a", "b"}, "choice"), Drift: row.DriftAdd}
	one := spec.With([]row.Added{{Name: "x"}})
	two := spec.With([]row.Added{{Name: "y", Type: row.Type{Kind: row.JSON}}, {Name: "x"}})
	for _, c := range []struct {
		held, wanted string
		covers       bool
	}{{spec.Shape, one.Shape, false}, {one.Shape, spec.Shape, true}, {two.Shape, one.Shape, true}, {one.Shape, two.Shape, false},
		{spec.Shape, spec.WalkShape(), false}, {spec.WalkShape(), spec.Shape, true}, {one.WalkShape(), one.WalkShape(), true}} {
		if syncer.ShapeCovers(c.held, c.wanted) != c.covers || !syncer.SameSource(c.held, c.wanted) {
			t.Errorf("%q covers %q: %t", c.held, c.wanted, !c.covers)
		}
	}
	if len(spec.Columns) != 0 || len(two.Columns) != 2 {
		t.Errorf("columns: %v, %v", spec.Columns, two.Columns)
	}
	spec.Drift = row.DriftIgnore
	if spec.WalkShape() != spec.Shape {
		t.Errorf("walks are stored under %q", spec.WalkShape())
	}
}
