// Package decode cuts an owner's JSON down to the places somebody asked for,
// in one pass, inside fixed bounds, and without changing a byte of what it
// keeps. It touches nothing but the reader it is given.
//
// Numbers are never parsed and text is never repaired: a slot holds what the
// owner wrote, so an integer above 2^53, a 40-digit decimal and a broken
// surrogate all reach the place that knows the column's type. What can only be
// judged for a whole body is judged here: it must be one sound JSON value that
// ends where the body ends, without a member named twice.
package decode

import (
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// deepest is the nesting that jsontext itself refuses to go beyond.
	deepest = 10_000
	// largest keeps sums of sizes far from overflow.
	largest = 1 << 40
)

// Layout says which places of an owner's answers are wanted. The same place
// may be asked for more than once, and one place may lie inside another.
type Layout struct {
	// At is what holds the records. Nil: the body itself does.
	At Path
	// As is how the records stand there.
	As As
	// Record lists places inside a record; place i fills slot i of every
	// record. The empty path is the whole record; a nil one is looked for
	// nowhere, and its slot stays absent.
	Record []Path
	// Names lists slots that hold the name of a map's member, as the JSON text
	// it was written as. Their paths are nil.
	Names []int
	// Blanks lets nulls stand among the records of an array. They are left
	// out.
	Blanks bool
	// Unnamed, if set, has those members of each record told that nobody named,
	// at most 1,000 of one record. See Split.
	Unnamed *Unnamed
	// Body lists places of the whole body, such as the next page's cursor.
	// They may lie anywhere, before, after and inside the records.
	Body []Path
	// MaxDepth is how many objects and arrays may lie in one another, the
	// body's own included: 1 to 10,000.
	MaxDepth int
	// MaxBytes bounds one page, counted in decompressed bytes as they are
	// read; for lines it bounds one window. 1 to 2^40.
	MaxBytes int64
}

// Page is what was kept of one answer, or of one window of lines. It shares
// no memory with anything but its own records.
type Page struct {
	// Records holds, for each record in the owner's order, the JSON text of
	// each slot as the owner wrote it. Nil is absent; JSON null is "null". With
	// Layout.Unnamed more may stand behind the slots: see Split.
	Records [][][]byte
	// Body holds the JSON text found at each of the layout's body places.
	Body [][]byte
	// Size is how many bytes were read for the page.
	Size int64
	// Held is how many bytes of memory the page keeps, about.
	Held int64
}

// Decoder reads answers of one Layout. It is safe for concurrent use.
type Decoder struct {
	body, record *node
	slots        int // of a record
	places       int // of the body
	top          bool
	at           string
	as           As
	names        []int
	scalars      bool     // records may be anything but null
	blanks       bool     // nulls among the records are left out
	tells        bool     // what nobody named
	columns      []string // which arrays are zipped
	maxDepth     int
	maxBytes     int64
	options      []jsontext.Options
	idle         sync.Pool // of *reading
}

// Compile turns the layout's paths into the form that bodies are read by.
// Later changes to the layout do not reach the Decoder.
func (l Layout) Compile() (*Decoder, error) {
	if l.MaxDepth < 1 || l.MaxDepth > deepest {
		return nil, fmt.Errorf("bound the nesting to %d: must be 1 to %d", l.MaxDepth, deepest)
	}
	if l.MaxBytes < 1 || l.MaxBytes > largest {
		return nil, fmt.Errorf("bound the size to %d bytes: must be 1 to 2^40", l.MaxBytes)
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	d := &Decoder{
		body: new(node), record: new(node),
		slots: len(l.Record), places: len(l.Body),
		top: len(l.At) == 0, at: l.At.String(),
		as: l.As, names: slices.Clone(l.Names), scalars: l.As == Value, blanks: l.Blanks,
		maxDepth: l.MaxDepth, maxBytes: l.MaxBytes,
		// Broken text inside a value is one record's trouble, not the page's.
		options: []jsontext.Options{jsontext.AllowInvalidUTF8(true)},
	}
	d.body.descend(l.At).records = true
	for i, path := range l.Body {
		n := d.body.descend(path)
		n.slots = append(n.slots, i)
	}
	for i, path := range l.Record {
		if path == nil {
			continue
		}
		n := d.record.descend(path)
		n.slots = append(n.slots, i)
		d.scalars = d.scalars || l.As == Map && len(path) == 0
		if l.As == Columns && !slices.Contains(d.columns, path[0]) {
			d.columns = append(d.columns, path[0])
		}
	}
	l.unnamed(d)
	return d, nil
}

// Page reads a whole answer, to the end of r.
//
// The answer stands only if err is nil. ErrNoArray, ErrNotArray, ErrNotMap,
// ErrNotObject, ErrNotValue and ErrUneven are told only of a body that is sound
// to its end (see Sound); the Page that comes with them has no records but its Body, because the owner often says
// there what went wrong. With any other error the Page is empty: ErrSyntax (a
// *SyntaxError), ErrTooLarge, ErrTooDeep, or what r itself failed with.
func (d *Decoder) Page(r io.Reader) (Page, error) {
	w := d.open()
	defer d.release(w)
	w.guard = guard{r: r, left: d.maxBytes, max: d.maxBytes, nesting: nesting{max: d.maxDepth}}
	w.json.Reset(&w.guard, d.options...)

	if err := w.value(d.body); err != nil {
		return Page{}, w.explain(err)
	}
	if err := w.end(); err != nil {
		return Page{}, w.explain(err)
	}
	if !w.found && w.misfit == nil {
		w.misfit = d.where(ErrNoArray)
	}
	page := w.cut(w.guard.read)
	if w.misfit != nil {
		page.Records = nil
	}
	return page, w.misfit
}

// where says at which place err was met.
func (d *Decoder) where(err error) error {
	if d.top {
		return fmt.Errorf("%w at the top of the body", err)
	}
	return fmt.Errorf("%w at %q", err, d.at)
}
