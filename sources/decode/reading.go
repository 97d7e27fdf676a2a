package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// header is what a slot or a record costs besides its bytes: a slice.
	header = 24
	// roomy is the memory for slots that even a tiny MaxBytes allows.
	roomy = 1 << 20
	// reusable is the largest page, in bytes read and in slots' memory, whose
	// working memory is kept for the next one.
	reusable = 1 << 20
)

// span is a piece of the arena. The zero span is absent: a JSON value has at
// least one byte, so that a kept one never ends at 0.
type span struct{ start, end int }

// reading is the working memory of one page or of one stream of lines.
type reading struct {
	*Decoder
	json  *jsontext.Decoder
	inner []*jsontext.Decoder // for values that are kept and also looked into
	level int                 // of inner in use
	base  int64               // offset in the body of json's first byte
	guard guard

	arena  []byte
	cells  []span // slots of all records, back to back
	count  int    // of records
	places []span // of the body
	into   []span // the slots being filled: one record's, or places
	name   []byte // scratch for a member name with escapes
	called []byte // the member of a map that is being read, as it is written

	loose  []loose // members that nobody named, in the order of the records
	arrays []array // parallel arrays that nobody named

	flow   *flow // of a body that is handed out in windows; nil: it is not
	found  bool  // the array of the records was there
	misfit error // the first thing that sound JSON did wrong
}

func (d *Decoder) open() *reading {
	w, _ := d.idle.Get().(*reading)
	if w == nil {
		w = &reading{Decoder: d, json: new(jsontext.Decoder), places: make([]span, d.places)}
	}
	w.base, w.level, w.found, w.misfit, w.flow = 0, 0, false, nil, nil
	w.clear()
	return w
}

// clear forgets the records and places read so far.
func (w *reading) clear() {
	w.arena, w.cells, w.count = w.arena[:0], w.cells[:0], 0
	w.loose, w.arrays = w.loose[:0], w.arrays[:0]
	clear(w.places)
	w.into = w.places
}

// release lets the next page use the working memory, unless one unusual page
// made it so large that it had better go.
func (d *Decoder) release(w *reading) {
	if w.guard.read > reusable || (cap(w.cells)+2*cap(w.loose))*header > reusable {
		return
	}
	w.guard = guard{} // does not hold on to the caller's reader
	d.idle.Put(w)
}

// value reads the next value, for whoever wants it or something inside it.
func (w *reading) value(n *node) error {
	switch {
	case n == nil:
		return w.json.SkipValue()
	case len(n.slots) == 0:
		return w.inside(n)
	}
	raw, err := w.json.ReadValue()
	if err != nil {
		return err
	}
	w.keep(n, raw)
	if n.leaf() {
		return nil
	}
	return w.again(raw, func() error { return w.inside(n) })
}

// inside reads the next value for the places below n.
func (w *reading) inside(n *node) error {
	kind := w.json.PeekKind()
	if n.records {
		w.found = true
		if kind == w.as.holder() {
			return w.shaped(n)
		}
		w.note(w.where(w.as.misfit()))
	}
	switch {
	case kind == '{' && n.rest != nil:
		return w.tell(n)
	case kind == '{' && !n.leaf():
		return w.members(n)
	case kind == '[' && n.elements != nil:
		return w.elements(n)
	}
	return w.json.SkipValue()
}

// members reads an object. It is written out, not by each: a call for every
// field of every record costs a tenth of the time.
func (w *reading) members(n *node) error {
	if _, err := w.json.ReadToken(); err != nil {
		return err
	}
	for w.json.PeekKind() != '}' {
		raw, err := w.json.ReadValue()
		if err != nil {
			return err
		}
		name, err := w.unquote(raw)
		if err != nil {
			return err
		}
		if err := w.value(n.members[string(name)]); err != nil {
			return err
		}
	}
	_, err := w.json.ReadToken()
	return err
}

func (w *reading) elements(n *node) error {
	if _, err := w.json.ReadToken(); err != nil {
		return err
	}
	for i := 0; w.json.PeekKind() != ']'; i++ {
		if err := w.value(n.elements[i]); err != nil {
			return err
		}
	}
	_, err := w.json.ReadToken()
	return err
}

// records reads the array of the records, and those places of the body that
// lie inside it.
func (w *reading) records(n *node) error {
	if _, err := w.json.ReadToken(); err != nil {
		return err
	}
	for i := 0; w.json.PeekKind() != ']'; i++ {
		if err := w.between(); err != nil {
			return err
		}
		if w.blanks && w.json.PeekKind() == 'n' {
			if err := w.value(n.elements[i]); err != nil {
				return err
			}
			continue
		}
		if err := w.room(); err != nil {
			return err
		}
		if err := w.element(n.elements[i]); err != nil {
			return err
		}
	}
	if err := w.between(); err != nil {
		return err
	}
	_, err := w.json.ReadToken()
	return err
}

// element reads a record in which the places below n, if any, belong to the
// body.
func (w *reading) element(n *node) error {
	if n == nil {
		return w.one()
	}
	raw, err := w.json.ReadValue()
	if err != nil {
		return err
	}
	if err := w.again(raw, w.one); err != nil {
		return err
	}
	return w.again(raw, func() error { return w.value(n) })
}

// one reads the next value as a record.
func (w *reading) one() error {
	if misfit := w.unfit(w.json.PeekKind()); misfit != nil {
		w.note(fmt.Errorf("record %d: %w", w.flow.before()+w.count, misfit))
	}
	w.into = w.grow()
	if len(w.names) > 0 {
		w.named()
	}
	err := w.value(w.record)
	w.into = w.places
	return err
}

// unfit says why a value of a kind is no record.
func (w *reading) unfit(kind jsontext.Kind) error {
	switch {
	case kind == jsontext.KindInvalid, kind == '{' && w.as != Value:
	case !w.scalars:
		return ErrNotObject
	case kind == 'n', w.as == Value && (kind == '[' || kind == '{'):
		return ErrNotValue
	}
	return nil
}

// grow adds one record, and returns its slots.
func (w *reading) grow() []span {
	start := len(w.cells)
	w.cells = slices.Grow(w.cells, w.slots)[:start+w.slots]
	clear(w.cells[start:])
	w.count++
	return w.cells[start:]
}

// again has look read a value a second time, from memory.
func (w *reading) again(raw []byte, look func() error) error {
	outer, base := w.json, w.base
	w.base += outer.InputOffset() - int64(len(raw))
	if w.level == len(w.inner) {
		w.inner = append(w.inner, new(jsontext.Decoder))
	}
	w.json = w.inner[w.level]
	w.json.Reset(bytes.NewBuffer(raw), w.options...)
	w.level++
	err := look()
	w.level--
	w.json, w.base = outer, base
	return err
}

// keep copies a value into the arena, for all slots of its place.
func (w *reading) keep(n *node, raw []byte) {
	start := len(w.arena)
	w.arena = append(w.arena, raw...)
	for _, slot := range n.slots {
		w.into[slot] = span{start, len(w.arena)}
	}
}

// unquote returns the member name written as raw. A name must be sound text:
// with the broken parts replaced, two names could become one.
func (w *reading) unquote(raw []byte) ([]byte, error) {
	name := raw[1 : len(raw)-1]
	if bytes.IndexByte(name, '\\') < 0 && utf8.Valid(name) {
		return name, nil
	}
	var err error
	if w.name, err = jsontext.AppendUnquote(w.name[:0], raw); err != nil {
		at := w.base + w.json.InputOffset() - int64(len(raw))
		return nil, &SyntaxError{Offset: at, Why: "a member name is broken text"}
	}
	return w.name, nil
}

// note remembers the first misfit of a body that may yet prove unsound.
func (w *reading) note(misfit error) {
	if w.misfit == nil {
		w.misfit = misfit
	}
}

// crowded reports whether one more record could let the slots outgrow their
// bytes by far, as a body of nothing but {},{},{} would.
func (w *reading) crowded() bool {
	return (int64(w.count+1)*int64(w.slots+1)+2*int64(len(w.loose)))*header > max(4*w.maxBytes, roomy)
}

// room fails where crowded says so.
func (w *reading) room() error {
	if w.crowded() {
		return fmt.Errorf("%w: %d records of %d slots in one page", ErrTooLarge, w.count, w.slots)
	}
	return nil
}

// end makes sure that nothing follows the value.
func (w *reading) end() error {
	_, err := w.json.ReadToken()
	switch {
	case err == io.EOF:
		return nil
	case w.guard.failed(err):
		return err
	}
	return &SyntaxError{Offset: w.base + w.json.InputOffset(), Why: "more follows the value"}
}

// explain turns what jsontext says into an error of ours that carries nothing
// of the body.
func (w *reading) explain(err error) error {
	if w.guard.failed(err) {
		return w.guard.err
	}
	if err == io.EOF {
		return &SyntaxError{Offset: w.base, Why: "cut off"}
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return err
	}
	why := "malformed"
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		why = "cut off"
	case errors.Is(err, jsontext.ErrDuplicateName):
		why = "a member is named twice"
	}
	return &SyntaxError{Offset: w.base + syntax.ByteOffset, Why: why}
}

// cut hands out what was read as a page that shares no memory with w.
func (w *reading) cut(size int64) Page {
	arena := w.arena
	if len(arena) > reusable {
		w.arena = nil
	} else {
		arena = bytes.Clone(arena)
	}
	slots := make([][]byte, len(w.cells)+len(w.places))
	for i, s := range w.cells {
		slots[i] = s.of(arena)
	}
	body := slots[len(w.cells):]
	for i, s := range w.places {
		body[i] = s.of(arena)
	}
	records := make([][][]byte, w.count)
	for i := range records {
		end := (i + 1) * w.slots
		records[i] = slots[end-w.slots : end : end]
	}
	if len(w.loose) > 0 {
		records = w.spread(arena)
	}
	held := len(arena) + header*(len(slots)+len(records)+2*len(w.loose))
	return Page{Records: records, Body: body, Size: size, Held: int64(held)}
}

func (s span) of(arena []byte) []byte {
	if s.end == 0 {
		return nil
	}
	return arena[s.start:s.end:s.end]
}
