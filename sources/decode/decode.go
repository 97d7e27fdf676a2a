// Package decode cuts an owner's answers down to the places somebody asked for,
// in one pass, inside fixed bounds, and without changing a byte of what it
// keeps. It touches nothing but the reader it is given.
//
// What it keeps is JSON text, whatever the format: see Formats for those there
// are. Each is one value, made in one file.
//
// Numbers are never parsed and text is never repaired: a slot holds what the
// owner wrote, so an integer above 2^53, a 40-digit decimal and a broken
// surrogate all reach the place that knows the column's type. What can only be
// judged for a whole body is judged here: it must be one sound JSON value that
// ends where the body ends, without a member named twice. One mark of UTF-8 at
// the very beginning of a body is left out.
package decode

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
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
	// Format is how a body holds records; the zero Format is JSON.
	Format Format
	// Separator stands between the fields of CSV; 0: a comma.
	Separator byte
	// Must lists slots of fields that CSV's header has to name.
	Must []int
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
	// read; in windows it bounds one of them. 1 to 2^40.
	MaxBytes int64
}

// Page is what was kept of one answer, or of one window of it. It shares
// no memory with anything but its own records.
type Page struct {
	// Records holds, for each record in the owner's order, the JSON text of
	// each slot as the owner wrote it. Nil is absent; JSON null is "null". With
	// Layout.Unnamed more may stand behind the slots: see Split.
	Records [][][]byte
	// Body holds the JSON text found at each of the layout's body places; in a
	// window, those found so far.
	Body [][]byte
	// Size is how many bytes were read for the page.
	Size int64
	// Held is how many bytes of memory the page keeps, about.
	Held int64
}

// Decoder reads answers of one Layout. It is safe for concurrent use.
type Decoder struct {
	format       Format
	separator    byte
	must         []int
	fields       map[string][]int // of CSV: which slots a column fills
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
	windowed     bool     // of JSON: it can be read in windows
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
	if l.Format.page == nil {
		l.Format = JSON()
	}
	if err := l.check(); err != nil {
		return nil, err
	}
	d := &Decoder{
		format: l.Format, separator: cmp.Or(l.Separator, ','), must: slices.Clone(l.Must),
		body: new(node), record: new(node),
		slots: len(l.Record), places: len(l.Body),
		top: len(l.At) == 0, at: l.At.String(),
		as: l.As, names: slices.Clone(l.Names), scalars: l.As == Value, blanks: l.Blanks,
		maxDepth: l.MaxDepth, maxBytes: l.MaxBytes,
		// Broken text inside a value is one record's trouble, not the page's.
		options: []jsontext.Options{jsontext.AllowInvalidUTF8(true)},
	}
	d.windowed = l.windowed()
	d.body.descend(l.At).records = true
	for i, path := range l.Body {
		n := d.body.descend(path)
		n.slots = append(n.slots, i)
	}
	d.fields = map[string][]int{}
	for i, path := range l.Record {
		if path == nil {
			continue
		}
		if len(path) == 1 {
			d.fields[path[0]] = append(d.fields[path[0]], i)
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
func (d *Decoder) Page(r io.Reader) (Page, error) { return d.format.page(d, r) }

// Window is how much of a body is handed out at once. Zero fields leave only the
// layout's MaxBytes.
type Window struct {
	// Records is the most records of a window.
	Records int
	// Bytes is the most bytes of a window, line ends included, but for JSON,
	// where the last record may reach beyond it. A single record that is longer
	// is a window of its own.
	Bytes int64
}

// Windows reads an answer while it arrives and yields its records in windows;
// Size and the slots of a window are its own. The sequence ends with the body,
// or with one error, which Page describes: the records of the window that it
// falls into are not yielded, and of an error that is Sound comes what the body
// has. A body without records may yield nothing.
//
// Windows stand for nothing before the sequence has ended without an error.
// See Format.Bare for what a reader has to do.
func (d *Decoder) Windows(r io.Reader, w Window) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if !d.Streams() {
			yield(Page{}, errNoStream)
			return
		}
		page, err := d.format.windows(d, r, w, func(p Page) bool { return yield(p, nil) })
		if err != nil && !errors.Is(err, errEnough) {
			yield(page, err)
		}
	}
}

var (
	// errNoStream: what holds the records, or a place around them, is whole or
	// nothing.
	errNoStream = errors.New("read windows: the layout has records that only a whole body shows")
	// errEnough says that whoever ranges over the windows has enough.
	errEnough = errors.New("has enough")
)

// Streams reports whether Windows can be asked for.
func (d *Decoder) Streams() bool { return d.format.Bare || d.windowed }

// where says at which place err was met.
func (d *Decoder) where(err error) error {
	if d.top {
		return fmt.Errorf("%w at the top of the body", err)
	}
	return fmt.Errorf("%w at %q", err, d.at)
}
