package decode

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// As is how records stand in an answer.
type As string

const (
	// Array: the elements of an array are the records.
	Array As = ""
	// Map: the values of an object's members are the records. They are
	// objects, or anything but null where a path is empty.
	Map As = "map"
	// One: an object is the only record.
	One As = "one"
	// Columns: the members of an object are parallel arrays. The first name
	// of a path leads to an array, whose element i belongs to record i; what
	// follows leads into the element. An array that is not there leaves its
	// slots absent, and members that no path names are not looked at.
	Columns As = "columns"
	// Value: the elements of an array are texts, numbers and booleans. The
	// empty path is the value.
	Value As = "value"
)

// holder is what the records stand in.
func (a As) holder() jsontext.Kind {
	if a == Array || a == Value {
		return '['
	}
	return '{'
}

func (a As) misfit() error {
	if a.holder() == '[' {
		return ErrNotArray
	}
	return ErrNotMap
}

// check refuses layouts that contradict themselves.
func (l *Layout) check() error {
	switch l.As {
	case Array, Map, One, Columns, Value:
	default:
		return fmt.Errorf("unknown form of records %q", l.As)
	}
	for _, slot := range l.Names {
		if l.As != Map || slot < 0 || slot >= len(l.Record) || l.Record[slot] != nil {
			return fmt.Errorf("slot %d holds no name: only records of a map have one", slot)
		}
	}
	if l.Format.Bare && (l.As != Array || len(l.At) > 0 || len(l.Body) > 0) {
		return fmt.Errorf("%s holds records only: the layout has places outside the records, or does not list them", l.Format.Name)
	}
	nested := func(p Path) bool { return p != nil && len(p) != 1 }
	if i := slices.IndexFunc(l.Record, nested); l.Format.Texts && i >= 0 {
		return fmt.Errorf("a field of %s is a column, and path %q leads elsewhere", l.Format.Name, l.Record[i])
	}
	named := slices.ContainsFunc(l.Record, func(p Path) bool { return p != nil && len(p) == 0 })
	if l.As == Columns && named {
		return fmt.Errorf("a record of columns is no value: a path must name an array")
	}
	return nil
}

// shaped reads what holds the records, and those places of the body that lie
// inside it.
func (w *reading) shaped(n *node) error {
	if w.as.holder() == '[' {
		return w.records(n)
	}
	look := w.one
	switch w.as {
	case Map:
		look = w.mapped
	case Columns:
		look = w.zip
	}
	if n.members == nil {
		return look()
	}
	raw, err := w.json.ReadValue()
	if err != nil {
		return err
	}
	if err := w.again(raw, look); err != nil {
		return err
	}
	return w.again(raw, func() error { return w.members(n) })
}

// mapped reads the members of an object as records.
func (w *reading) mapped() error {
	return w.each(func(raw []byte) error {
		if err := w.room(); err != nil {
			return err
		}
		w.called = append(w.called[:0], raw...)
		if _, err := w.unquote(raw); err != nil {
			return err
		}
		return w.one()
	})
}

// named keeps the name of the member that is being read.
func (w *reading) named() {
	start := len(w.arena)
	w.arena = append(w.arena, w.called...)
	for _, slot := range w.names {
		w.into[slot] = span{start, len(w.arena)}
	}
}

// each reads an object and has f read the value of each member. raw is its
// name as it is written, good until f reads on.
func (w *reading) each(f func(raw []byte) error) error {
	if _, err := w.json.ReadToken(); err != nil {
		return err
	}
	for w.json.PeekKind() != '}' {
		raw, err := w.json.ReadValue()
		if err != nil {
			return err
		}
		if err := f(raw); err != nil {
			return err
		}
	}
	_, err := w.json.ReadToken()
	return err
}

// zip reads parallel arrays: the first one that is named makes the records,
// and all others must be as long.
func (w *reading) zip() error {
	lengths := make([]int, 0, len(w.columns))
	var found []string
	err := w.each(func(raw []byte) error {
		name, err := w.unquote(raw)
		if err != nil {
			return err
		}
		n := w.record.members[string(name)]
		if n == nil {
			return w.looseColumn(name)
		}
		column, untold := w.columns[slices.Index(w.columns, string(name))], w.untold(name)
		if kind := w.json.PeekKind(); kind != '[' {
			if kind != jsontext.KindInvalid {
				w.note(w.where(fmt.Errorf("%w: %q is no array", ErrUneven, column)))
			}
			return w.json.SkipValue()
		}
		read := w.column
		if untold {
			read = w.bothWays(column)
		}
		length, err := read(n, len(found) == 0)
		found, lengths = append(found, column), append(lengths, length)
		return err
	})
	if err != nil {
		return err
	}
	if w.tells {
		w.pair()
	}
	if uneven := slices.ContainsFunc(lengths, func(n int) bool { return n != lengths[0] }); uneven {
		w.note(w.where(fmt.Errorf("%w: %s", ErrUneven, told(found, lengths))))
	}
	if len(found) == 0 && len(w.columns) > 0 {
		w.note(w.where(fmt.Errorf("%w: none of %s is there", ErrUneven, strings.Join(quoted(w.columns), ", "))))
	}
	return nil
}

// column reads one array and returns its length. The first one makes the
// records; what the records have no room for is only counted.
func (w *reading) column(n *node, first bool) (int, error) {
	if _, err := w.json.ReadToken(); err != nil {
		return 0, err
	}
	defer func() { w.into = w.places }()
	i := 0
	for ; w.json.PeekKind() != ']'; i++ {
		var err error
		switch {
		case first:
			if err = w.room(); err == nil {
				w.into = w.grow()
				err = w.value(n)
			}
		case i < w.count:
			w.into = w.cells[i*w.slots : (i+1)*w.slots]
			err = w.value(n)
		default:
			err = w.json.SkipValue()
		}
		if err != nil {
			return i, err
		}
	}
	_, err := w.json.ReadToken()
	return i, err
}

// told writes which column has how many elements.
func told(columns []string, lengths []int) string {
	var all []string
	for i, name := range quoted(columns) {
		all = append(all, fmt.Sprintf("%s has %d", name, lengths[i]))
	}
	return strings.Join(all, ", ")
}

func quoted(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, fmt.Sprintf("%q", name))
	}
	return all
}
