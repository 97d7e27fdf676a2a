package decode

import "slices"

// mostUnnamed is how many members are told of one record.
const mostUnnamed = 1000

// Unnamed asks for the members of a record that nobody named.
type Unnamed struct {
	// In is the object inside the record whose members are meant; empty: the
	// record itself.
	In Path
	// Named are the names of those that are not told.
	Named []string
}

// rest is the compiled form: the names that are not told.
type rest map[string]bool

// loose is a member that is told, of the record with that number.
type loose struct {
	record      int
	name, value span
}

// Member is a member of a record that nobody named.
type Member struct {
	Name string
	Raw  []byte
}

// Split parts a record of a layout with Unnamed into its slots, of which it has
// width, and what stands behind them: the members that nobody named. more says
// that the record has further ones, which are not told.
func Split(record [][]byte, width int) (slots [][]byte, members []Member, more bool) {
	if len(record) <= width {
		return record, nil, false
	}
	slots, tail := record[:width:width], record[width:]
	members = make([]Member, 0, len(tail)/2)
	for pair := range slices.Chunk(tail, 2) {
		if len(pair) < 2 {
			return slots, members, true
		}
		members = append(members, Member{string(pair[0]), pair[1]})
	}
	return slots, members, false
}

// unnamed compiles what is asked for.
func (l *Layout) unnamed(d *Decoder) {
	if l.Unnamed == nil {
		return
	}
	named := make(rest, len(l.Unnamed.Named))
	for _, name := range l.Unnamed.Named {
		named[name] = true
	}
	d.record.descend(l.Unnamed.In).rest = named
	d.tells = true
}

// tell reads an object of which the members are told that nobody named. It
// stands beside members, so that layouts which ask for none pay nothing.
func (w *reading) tell(n *node) error {
	told := 0
	return w.each(func(raw []byte) error {
		name, err := w.unquote(raw)
		if err != nil {
			return err
		}
		child := n.members[string(name)]
		if n.rest[string(name)] {
			return w.value(child)
		}
		if told++; told > mostUnnamed {
			if told == mostUnnamed+1 {
				w.loose = append(w.loose, loose{record: w.count - 1})
			}
			return w.value(child)
		}
		return w.loosen(w.count-1, w.copied(name), child)
	})
}

// loosen reads the next value as a member that nobody named; somebody may want
// it, or something inside it, all the same.
func (w *reading) loosen(record int, name span, child *node) error {
	raw, err := w.json.ReadValue()
	if err != nil {
		return err
	}
	w.loose = append(w.loose, loose{record, name, w.copied(raw)})
	if child == nil {
		return nil
	}
	return w.again(raw, func() error { return w.value(child) })
}

// copied keeps a text in the arena. An empty one ends where it starts.
func (w *reading) copied(text []byte) span {
	start := len(w.arena)
	w.arena = append(w.arena, text...)
	return span{start, len(w.arena)}
}

// untold reports whether a parallel array is to be told.
func (w *reading) untold(name []byte) bool { return w.tells && !w.record.rest[string(name)] }

// looseColumn reads a parallel array that nobody named. What is no array, or
// one of another length than the records, is no field of theirs; that shows in
// the end.
func (w *reading) looseColumn(name []byte) error {
	if !w.untold(name) {
		return w.json.SkipValue()
	}
	called, from := w.copied(name), len(w.loose)
	if w.json.PeekKind() != '[' {
		return w.json.SkipValue()
	}
	if _, err := w.json.ReadToken(); err != nil {
		return err
	}
	i := 0
	for ; w.json.PeekKind() != ']'; i++ {
		if w.crowded() {
			return w.room()
		}
		if err := w.loosen(i, called, nil); err != nil {
			return err
		}
	}
	w.arrays = append(w.arrays, array{from, i})
	_, err := w.json.ReadToken()
	return err
}

// bothWays reads a parallel array that somebody wants, and that is told all the
// same.
func (w *reading) bothWays(name string) func(*node, bool) (int, error) {
	return func(n *node, first bool) (length int, err error) {
		raw, err := w.json.ReadValue()
		if err != nil {
			return 0, err
		}
		if err := w.again(raw, func() (err error) { length, err = w.column(n, first); return err }); err != nil {
			return 0, err
		}
		return length, w.again(raw, func() error { return w.looseColumn([]byte(name)) })
	}
}

// array is a parallel array that nobody named: where its elements begin among
// the loose members, and how many it has.
type array struct{ from, length int }

// pair leaves of the arrays that nobody named those that are as long as the
// others, and brings their elements to the order of the records.
func (w *reading) pair() {
	kept := w.loose[:0]
	for n, a := range w.arrays {
		if a.length == w.count && n < mostUnnamed {
			kept = append(kept, w.loose[a.from:a.from+a.length]...)
		}
	}
	if len(w.arrays) > mostUnnamed {
		for i := range w.count {
			kept = append(kept, loose{record: i})
		}
	}
	w.loose, w.arrays = kept, w.arrays[:0]
	slices.SortStableFunc(w.loose, func(a, b loose) int { return a.record - b.record })
}

// spread hands the slots out with the loose members behind them: name and
// value, and a last one that stands alone where there were more.
func (w *reading) spread(arena []byte) [][][]byte {
	all := make([][]byte, 0, len(w.cells)+2*len(w.loose))
	records := make([][][]byte, w.count)
	left := w.loose
	for i := range records {
		from := len(all)
		for _, s := range w.cells[i*w.slots : (i+1)*w.slots] {
			all = append(all, s.of(arena))
		}
		for ; len(left) > 0 && left[0].record == i; left = left[1:] {
			l := left[0]
			if l.value.end == 0 {
				all = append(all, nil)
				continue
			}
			all = append(all, arena[l.name.start:l.name.end:l.name.end], l.value.of(arena))
		}
		records[i] = all[from:len(all):len(all)]
	}
	return records
}
