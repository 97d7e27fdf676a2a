package syncer

import (
	"slices"
	"strings"
	"time"
)

// Position is the durable standing of one table and partition.
type Position struct {
	// Shape identifies what shaped the answers that the position stems from
	// (see Shape). A table that is shaped otherwise has to be resynced.
	Shape string
	// Watermark is what the table asks its owner for next, in the owner's own
	// text; "" asks from the beginning. It moves only when a walk settles.
	Watermark string
	// Validator makes a one-page answer conditional; "" for none.
	Validator string
	// Epoch names the owner's history that the watermark belongs to: where the
	// owner tells of another one, the watermark is void. "": it does not tell.
	Epoch string
	// Resume is where inside an unfinished walk for changes the table stands;
	// nil: none. That of a listing walk is Standing.Listing.
	Resume *Resume
}

// Resume is a place inside an unfinished walk from which it can go on.
type Resume struct {
	// Walk and Kind are those of the walk.
	Walk string
	Kind WalkKind
	// From is the watermark that the walk started from.
	From string
	// Sent is when the walk's first request was sent. See Walk.Sent.
	Sent time.Time
	// OwnerStart is the owner's clock when the walk began, in the form the
	// source writes it; it bounds the watermark.
	OwnerStart string
	// Cursor is the source's own note of where to ask next.
	Cursor string
	// High is the highest watermark that the walk has seen so far.
	High string
}

// same reports whether two tables stand at the same place of the same walk.
func (r *Resume) same(o *Resume) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.Walk == o.Walk && r.Cursor == o.Cursor && r.High == o.High && r.From == o.From
}

// Shape writes down what shapes a table's contents: a digest of the source's
// request and reading, one digest for each column, and one for each choice of
// which records become rows and stay them.
func Shape(source string, columns []string, choices ...string) string {
	sorted := slices.Clone(columns)
	for _, c := range choices {
		sorted = append(sorted, choice+c)
	}
	slices.Sort(sorted)
	return source + "/" + strings.Join(sorted, ",")
}

// ShapeWith is a shape with columns that the configuration does not know: a
// digest of each. A copy made under the shape without them lacks them.
func ShapeWith(shape string, columns ...string) string {
	if len(columns) == 0 {
		return shape
	}
	source, held, _ := strings.Cut(shape, "/")
	all := append(strings.Split(held, ","), columns...)
	all = slices.DeleteFunc(all, func(c string) bool { return c == "" })
	slices.Sort(all)
	return source + "/" + strings.Join(all, ",")
}

// ShapeWithout is a shape without columns that ShapeWith gave it.
func ShapeWithout(shape string, columns ...string) string {
	source, held, ok := strings.Cut(shape, "/")
	if !ok {
		return shape
	}
	all := slices.DeleteFunc(strings.Split(held, ","), func(c string) bool { return slices.Contains(columns, c) })
	return source + "/" + strings.Join(all, ",")
}

// choice begins the digest of a choice, which no digest of a column does.
const choice = "?"

// SameSource reports whether two shapes are of the same source, so that a
// watermark of one is good for the other, whatever their columns are.
func SameSource(held, wanted string) bool {
	heldSource, _, ok := strings.Cut(held, "/")
	source, _, _ := strings.Cut(wanted, "/")
	return ok && source == heldSource
}

// ShapeCovers reports whether a copy made under the held shape is complete
// under the wanted one: the same source and choices, and no column that held
// does not know. A column that went away voids nothing; a choice that did lets
// in what the copy lacks.
func ShapeCovers(held, wanted string) bool {
	columns, choices := ShapeChanges(held, wanted)
	return SameSource(held, wanted) && columns == 0 && !choices
}

// ShapeChanges says what keeps a copy made under the held shape from being
// complete under the wanted one of the same source: how many columns it lacks,
// and whether other choices were made.
func ShapeChanges(held, wanted string) (columns int, choices bool) {
	_, heldColumns, _ := strings.Cut(held, "/")
	_, wantedColumns, _ := strings.Cut(wanted, "/")
	known, asked := strings.Split(heldColumns, ","), strings.Split(wantedColumns, ",")
	for _, c := range asked {
		switch {
		case slices.Contains(known, c):
		case strings.HasPrefix(c, choice):
			choices = true
		default:
			columns++
		}
	}
	for _, c := range known {
		choices = choices || strings.HasPrefix(c, choice) && !slices.Contains(asked, c)
	}
	return columns, choices
}

// ShapeChoices are the choices of a shape, as Shape was told them.
func ShapeChoices(shape string) []string {
	var out []string
	_, all, _ := strings.Cut(shape, "/")
	for c := range strings.SplitSeq(all, ",") {
		if one, ok := strings.CutPrefix(c, choice); ok {
			out = append(out, one)
		}
	}
	return out
}

// Age is how long ago sent was: the greater of wall and monotonic time, and
// never negative, so that neither a clock that was set back nor a suspended
// machine makes an answer look younger than it is.
func Age(sent, now time.Time) time.Duration {
	return max(now.Sub(sent), now.Round(0).Sub(sent.Round(0)), 0)
}
