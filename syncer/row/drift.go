package row

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/larder-sync/larder/syncer"
)

const (
	// MostAdded is how many columns are added to one table, and MostNoted how
	// many fields are noted of it.
	MostAdded, MostNoted = 100, 100
	// mostFound bounds the fields that one Fold tells of.
	mostFound = 1000
	// longestName is the longest name of a column in Postgres, in bytes.
	longestName = 63
)

// untold is why a record does not fit that has more fields than its source
// tells, where all of them are to be kept.
const untold = reason("has more fields that nobody named than are read of one record")

// Unnamed is a field that nobody named, as records have it.
type Unnamed struct {
	Name string
	// Type is what a column for it takes, by its first value that is not null;
	// Typed says that there was one.
	Type  Type
	Typed bool
}

// Added is a column that was added for a field that nobody named. It bears the
// field's name.
type Added struct {
	Name string
	Type Type
}

// With is the spec with columns that were added behind its own, by name: their
// order is the same in every process, as digests and fingerprints of rows need
// it. A copy made without them is not complete under its Shape.
func (s Spec) With(added []Added) Spec {
	s.Columns = slices.Clone(s.Columns)
	added = slices.SortedFunc(slices.Values(added), func(a, b Added) int { return strings.Compare(a.Name, b.Name) })
	var digests []string
	for _, a := range added {
		s.Columns = append(s.Columns, Column{Name: a.Name, Type: a.Type, Added: true})
		digests = append(digests, a.digest())
	}
	s.Shape = syncer.ShapeWith(s.Shape, digests...)
	return s
}

// digest is what an added column adds to the shape of a table.
func (a Added) digest() string {
	sum := sha256.Sum256([]byte(a.Name + "\x00" + a.Type.String()))
	return "+" + hex.EncodeToString(sum[:8])
}

// Lost parts what is known of fields by whether their columns are among those
// that the table has: one that its consumer dropped is as if it had never been
// added, and comes back with the owner's next record. fold is Target.Fold.
func Lost(known []Known, columns []string, fold func(string) string) (stays []Known, lost []Added) {
	for _, k := range known {
		there := slices.ContainsFunc(columns, func(c string) bool { return fold(c) == fold(k.Name) })
		if k.Column && !there {
			lost = append(lost, k.Added)
		} else {
			stays = append(stays, k)
		}
	}
	return stays, lost
}

// ShapeWithout is the shape of a copy that has lost columns that were added.
func ShapeWithout(shape string, lost []Added) string {
	var digests []string
	for _, a := range lost {
		digests = append(digests, a.digest())
	}
	return syncer.ShapeWithout(shape, digests...)
}

// WalkShape is the shape that an unfinished walk is stored under. One that began
// before columns were to be added did not look for what to add: it begins again.
func (s *Spec) WalkShape() string {
	if s.Drift == DriftAdd {
		return syncer.ShapeWith(s.Shape, "+")
	}
	return s.Shape
}

// Known is what a table's bookkeeping has of a field.
type Known struct {
	Added
	// Column says that there is a column for it, of the type; Why, why there is
	// none.
	Column bool
	Why    string
}

// Recall is what stays of what is known of fields, as the table is configured:
// names that the table itself reads are its configuration's, and what any table
// reads is not news. fold is Target.Fold.
func (s *Spec) Recall(known []Known, fold func(string) string) (stays []Known, forget []string) {
	for _, k := range known {
		mapped := slices.ContainsFunc(s.Columns, func(c Column) bool { return !c.Added && fold(c.Name) == fold(k.Name) })
		mapped = mapped || s.Mark != "" && fold(s.Mark) == fold(k.Name)
		named := slices.ContainsFunc(s.Named, func(name string) bool { return Label(name) == k.Name })
		theirs := k.Column && slices.Contains(s.Others, k.Name)
		silent := !k.Column && s.Drift != DriftNote && s.Drift != DriftAdd
		if k.Column && mapped || named && !theirs || silent {
			forget = append(forget, k.Name)
		} else {
			stays = append(stays, k)
		}
	}
	return stays, forget
}

// Kept are the columns that are kept of those that were added: all, or none
// where none is to be.
func (s *Spec) Kept(known []Known) (added []Added) {
	for _, k := range known {
		if k.Column && s.Drift == DriftAdd {
			added = append(added, k.Added)
		}
	}
	return added
}

// Note is a field that is noted, and why no column was added for it.
type Note struct{ Name, Why string }

// Target is the table in its database.
type Target struct {
	// Made says that larder made it: no other table is altered.
	Made bool
	// Columns are the names of all columns that it has, Reserved those that its
	// database keeps for itself.
	Columns, Reserved []string
	// Fold brings names that the database calls equal to one form.
	Fold func(name string) string
	// Add is the statement that adds a column.
	Add func(Added) string
}

// Follow decides what becomes of fields that nobody named, under DriftNote and
// DriftAdd: which columns are added, and which fields are noted. What is known
// so already is in neither.
func (s *Spec) Follow(found []Unnamed, known []Known, target Target) (add []Added, notes []Note) {
	columns, noted := 0, 0
	for _, k := range known {
		if k.Column {
			columns++
		} else {
			noted++
		}
	}
	target.Columns = slices.Clone(target.Columns)
	for _, f := range found {
		i := slices.IndexFunc(known, func(k Known) bool { return k.Name == Label(f.Name) })
		if i >= 0 && known[i].Column || s.Drift == DriftAdd && !f.Typed {
			continue
		}
		why := ""
		if s.Drift == DriftAdd {
			column := Added{f.Name, f.Type}
			if why = target.refuses(column, columns); why == "" {
				add, columns = append(add, column), columns+1
				target.Columns = append(target.Columns, f.Name)
				continue
			}
		}
		switch {
		case i >= 0 && known[i].Why == why:
		case i >= 0:
			notes = append(notes, Note{known[i].Name, why})
		case noted < MostNoted:
			notes, noted = append(notes, Note{Label(f.Name), why}), noted+1
		}
	}
	return add, notes
}

// Refused is notes with those of columns that the database would not add, where
// that is not known already. They are tried again by a later walk.
func Refused(known []Known, notes, refused []Note) []Note {
	noted := len(notes)
	for _, k := range known {
		if !k.Column {
			noted++
		}
	}
	for _, n := range refused {
		i := slices.IndexFunc(known, func(k Known) bool { return k.Name == n.Name })
		switch {
		case i >= 0 && known[i].Why == n.Why:
		case i >= 0:
			notes = append(notes, n)
		case noted < MostNoted:
			notes, noted = append(notes, n), noted+1
		}
	}
	return notes
}

// refuses says why a column is not added behind so many that were; "" if it is.
func (t *Target) refuses(c Added, columns int) string {
	same := func(name string) bool { return t.Fold(name) == t.Fold(c.Name) }
	switch why := unnameable(c.Name); {
	case why != "":
		return why
	case slices.ContainsFunc(t.Columns, same):
		return "the table has another column of that name; map it in columns, under that name or another"
	case slices.ContainsFunc(t.Reserved, same):
		return "the database keeps that name for itself; map it in columns under another"
	case !t.Made:
		return "the table is not larder's own: " + t.Add(c) + ", and map it in columns"
	case columns >= MostAdded:
		return fmt.Sprintf("%d columns were added already, and more are not; map it in columns", MostAdded)
	}
	return ""
}

// unnameable says why no column can bear a field's name; "" if one can. What
// quarantine writes behind and before names would be taken for it.
func unnameable(name string) string {
	marked := strings.HasPrefix(name, ":") || strings.HasSuffix(name, markBase64) || strings.HasSuffix(name, markCut)
	switch {
	case name == "":
		return "its name is empty"
	case len(name) > longestName:
		return fmt.Sprintf("its name is longer than the %d bytes that a column's can have; map it in columns under another", longestName)
	case marked || Label(name) != name:
		return "no column can bear its name; map it in columns under another"
	}
	return ""
}

// Label is how a field's name is written down: cut where it is long, and with
// what can be shown alone.
func Label(name string) string {
	const limit = 100 // bytes
	out := make([]byte, 0, min(len(name), 4*limit))
	for n, r := range name { // ends at the limit, however long the name is
		if n >= limit {
			return string(out) + "…"
		}
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

// finding collects what nobody named while records are folded.
type finding struct {
	// column is where the value of an added column goes.
	column map[string]int
	// named fields are nobody's news; at has those that are found.
	named map[string]bool
	at    map[string]int
	found []Unnamed
	more  bool
}

// newFinding is nil where nobody asks.
func newFinding(s *Spec) *finding {
	if s.Drift == DriftIgnore {
		return nil
	}
	f := &finding{column: map[string]int{}, named: map[string]bool{}, at: map[string]int{}}
	for i, c := range s.Columns {
		if c.Added {
			f.column[c.Name] = i
		}
	}
	for _, name := range s.Named {
		f.named[name] = true
	}
	return f
}

// look notes what is new in a record, and fills the added columns.
func (f *finding) look(r *syncer.Record, raws [][]byte) {
	if f == nil || r.Gone {
		return
	}
	f.more = f.more || r.Untold
	for _, field := range r.Unnamed {
		if i, added := f.column[field.Name]; added {
			raws[i] = trim(field.Raw)
			continue
		}
		if f.named[field.Name] {
			continue
		}
		i, known := f.at[field.Name]
		if !known {
			if len(f.found) == mostFound {
				f.more = true
				continue
			}
			i = len(f.found)
			f.at[field.Name] = i
			f.found = append(f.found, Unnamed{Name: field.Name})
		}
		if !f.found[i].Typed {
			f.found[i].Type, f.found[i].Typed = typeOf(trim(field.Raw))
		}
	}
}

// typeOf is the type of a column that holds such values without loss; false for
// null, and for what is no JSON.
func typeOf(raw []byte) (Type, bool) {
	switch kindOf(raw) {
	case aString:
		return Type{Kind: Text}, true
	case aBoolean:
		return Type{Kind: Boolean}, true
	case aNumber:
		return Type{Kind: Numeric}, true
	case anObject, anArray:
		return Type{Kind: JSON}, true
	}
	return Type{}, false
}

// Drifted is the failure of a poll whose records have fields that nobody named,
// under DriftFail; nil if they have none.
func (s *Spec) Drifted(f Folded) error {
	if s.Drift != DriftFail || len(f.Unnamed) == 0 {
		return nil
	}
	e := &syncer.DriftError{More: f.Untold}
	for _, u := range f.Unnamed {
		e.Names = append(e.Names, Label(u.Name))
	}
	return e
}
