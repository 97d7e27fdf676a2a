package decode

import (
	"io"
	"slices"
)

// JSON is one value a body, in which the records lie at the layout's At. An
// array of them can be read in windows.
func JSON() Format {
	return Format{Name: "json", Accept: "application/json", page: (*Decoder).whole, windows: (*Decoder).array}
}

// windowed reports whether a body can be read in windows: an array can, that no
// place has to be kept around. Of a map the names would all have to be kept, to
// find one that comes twice.
func (l *Layout) windowed() bool {
	around := func(p Path) bool { return len(p) <= len(l.At) && slices.Equal(p, l.At[:len(p)]) }
	return (l.As == Array || l.As == Value) && !slices.ContainsFunc(l.Body, around)
}

// whole reads a body as one page.
func (d *Decoder) whole(r io.Reader) (Page, error) {
	w := d.open()
	defer d.release(w)
	return w.document(r)
}

// document reads a body to its end.
func (w *reading) document(r io.Reader) (Page, error) {
	w.guard = guard{r: r, left: w.maxBytes, max: w.maxBytes, windowed: w.flow != nil, nesting: nesting{max: w.maxDepth}}
	var err error
	if w.base, err = w.guard.unmark(); err != nil {
		return Page{}, err
	}
	w.json.Reset(&w.guard, w.options...)
	if err := w.value(w.body); err != nil {
		return Page{}, w.explain(err)
	}
	if err := w.end(); err != nil {
		return Page{}, w.explain(err)
	}
	if !w.found && w.misfit == nil {
		w.misfit = w.where(ErrNoArray)
	}
	page := w.cut(w.guard.read - w.flow.read())
	if w.misfit != nil {
		page.Records = nil
	}
	return page, w.misfit
}

// flow is what a body that is handed out in windows has come to.
type flow struct {
	window  Window
	yield   func(Page) bool
	records int   // handed out, and forgotten behind a misfit
	start   int64 // of the window, in the body
	body    [][]byte
}

func (f *flow) before() int {
	if f == nil {
		return 0
	}
	return f.records
}

func (f *flow) read() int64 {
	if f == nil {
		return 0
	}
	return f.start
}

// array reads a body in windows of the array of its records. The last one may
// be empty: it shows what the whole body holds beside them.
func (d *Decoder) array(r io.Reader, window Window, yield func(Page) bool) (Page, error) {
	w := d.open()
	w.flow = &flow{window: window, yield: yield, body: make([][]byte, d.places)}
	defer func() { w.flow = nil; d.release(w) }()
	page, err := w.document(r)
	if err == nil || Sound(err) {
		page.Body = w.flow.join(page.Body)
	}
	if err == nil && !yield(page) {
		err = errEnough
	}
	return page, err
}

// between hands out a window where another record would not belong to it. The
// bound on bytes begins anew with each record: it is more than a window has.
func (w *reading) between() error {
	f := w.flow
	if f == nil {
		return nil
	}
	w.guard.left = w.guard.max
	read := w.base + w.json.InputOffset() - f.start
	limit := w.maxBytes
	if f.window.Bytes > 0 {
		limit = min(limit, f.window.Bytes)
	}
	if w.count == 0 || read < limit && !w.crowded() && (f.window.Records <= 0 || w.count < f.window.Records) {
		return nil
	}
	page := w.cut(read)
	page.Body = f.join(page.Body)
	f.records, f.start = f.records+w.count, f.start+read
	w.clear()
	// Nothing behind a misfit counts, but whether the body is sound, and what it
	// says beside the records.
	if w.misfit == nil && !f.yield(page) {
		return errEnough
	}
	return nil
}

// join adds the places that a window has found to those of the windows before,
// and returns all of them.
func (f *flow) join(found [][]byte) [][]byte {
	for i, raw := range found {
		if raw != nil {
			f.body[i] = slices.Clone(raw) // it would keep its window in memory
		}
	}
	return slices.Clone(f.body)
}
