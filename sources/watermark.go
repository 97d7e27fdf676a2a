package sources

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// markSpec is a compiled Watermark.
type markSpec struct {
	Watermark
	slots   []int // of From
	at      place // of Place
	edge    []int // of Last or First: one slot, or none
	initial row.Stamp
	number  bool // the format writes JSON numbers
	blank   bool // an empty text is none
	// written is how times are asked: Ask, or else Format.
	written       *row.Format
	writtenNumber bool
	// first says that the first text that a walk sees is the one that counts.
	first bool
	// link resolves an owner's link against the URL it came from.
	link func(from *url.URL, link string) (*url.URL, error)
}

// newMarkSpec compiles a watermark. Its place is one of body.
func newMarkSpec(w Watermark, set *pathSet, body *places) (markSpec, error) {
	m := markSpec{Watermark: w}
	err := w.check()
	if err != nil {
		return m, err
	}
	if m.slots, err = set.findAll(w.From); err != nil {
		return m, err
	}
	if m.at, err = body.add(w.Place); err != nil {
		return m, err
	}
	if edge := cmp.Or(w.Last, w.First); edge != "" {
		if m.edge, err = set.findAll([]string{edge}); err != nil {
			return m, err
		}
	}
	m.written = cmp.Or(w.Ask, w.Format)
	m.writtenNumber = m.written != nil && writesNumbers(m.written)
	if w.Format == nil {
		return m, nil
	}
	m.number = writesNumbers(w.Format)
	if w.Initial != "" {
		m.initial, err = w.Format.ParseText(w.Initial)
	}
	return m, err
}

func writesNumbers(f *row.Format) bool {
	return f.Counts() || f.Render(row.StampAt(time.Unix(0, 0))) == "0"
}

// check refuses what contradicts itself.
func (w *Watermark) check() error {
	given := 0
	for _, is := range []bool{len(w.From) > 0, w.Place != "", w.Last != "", w.First != "", w.Start} {
		if is {
			given++
		}
	}
	edge := w.Last != "" || w.First != ""
	switch {
	case given != 1:
		return errors.New("watermark needs exactly one of from, place, last, first and start")
	case (w.Format == nil) == (w.Opaque == ""):
		return errors.New("watermark needs a format, or to be opaque")
	case w.Opaque != "" && w.Opaque != Token && w.Opaque != URL:
		return fmt.Errorf("unknown watermark %q", w.Opaque)
	case w.Opaque != "" && w.Place == "" && !edge:
		return errors.New("an opaque watermark has no maximum: it needs a place, last or first")
	case w.Opaque == URL && edge:
		return errors.New("records hold no link to go on from: a watermark that is a URL needs a place")
	case w.Ask != nil && (w.Ask.Counts() || w.Format != nil && w.Format.Counts()):
		return errors.New("only times can be asked in another format than they come in")
	case w.Format != nil && edge && !w.Format.Counts():
		return errors.New("last and first are ids: a token, or a format that counts")
	}
	return nil
}

// mark follows the watermark through one walk.
type mark struct {
	spec *markSpec
	// from is the watermark that the walk started from; zero for none.
	from     row.Stamp
	fromText string
	// since is what the owner is asked for; "" for everything.
	since      row.Stamp
	sinceText  string
	high, last row.Stamp
	highText   string
	start      ownerStart
	// until is what the walk asks up to; zero: no bound.
	until row.Stamp
	// covers is how far a list of what is gone reaches; zero: no bound.
	covers     row.Stamp
	coversText string
}

// newMark takes up a walk where w stands.
func newMark(spec *markSpec, w syncer.Walk) (mark, error) {
	m := mark{spec: spec}
	if spec.opaque() {
		return m, m.takeUp(w)
	}
	if w.Kind == syncer.Snapshot || spec.Format == nil {
		return m, m.resume(w.From.Resume)
	}
	if w.From.Watermark != "" {
		var err error
		if m.from, err = spec.Format.ParseText(w.From.Watermark); err != nil {
			return m, errUnfit(err)
		}
		m.fromText = w.From.Watermark
	}
	base, baseText := m.from, m.fromText
	if r := w.From.Resume; r != nil {
		if err := m.resume(r); err != nil {
			return m, err
		}
		if r.Cursor == "" {
			base, baseText = m.high, m.highText
		}
	}
	m.ask(base, baseText)
	return m, nil
}

// errUnfit says that a watermark that is held can be asked for no more, as if
// it were too old.
func errUnfit(err error) error {
	return fmt.Errorf("watermark does not fit its format (%v): %w", err, syncer.ErrExpired)
}

func (m *mark) resume(r *syncer.Resume) (err error) {
	if r == nil {
		return nil
	}
	if m.spec.opaque() {
		m.highText = r.High
	} else if r.High != "" && m.spec.Format != nil {
		if m.high, err = m.spec.Format.ParseText(r.High); err != nil {
			return err
		}
		m.highText = r.High
	}
	if r.Cursor != "" {
		m.last = m.high // the order goes on where it was
	}
	m.start, err = parseOwnerStart(r.OwnerStart)
	return err
}

// ask sets what the owner is asked for: the base less the overlap, in the
// base's own shape, and never before the initial watermark. Where that is in a
// stretch that the owner's clock shows twice, it is asked from before it: the text
// of what comes later may be an earlier one, and whoever reads ours may take it
// for either instant.
func (m *mark) ask(base row.Stamp, text string) {
	if base.IsZero() {
		m.since, m.sinceText = m.spec.initial, m.spec.Initial
		return
	}
	m.since = base.Add(-m.spec.Overlap).AddInt(-m.spec.OverlapCount)
	for _, f := range []*row.Format{m.spec.Format, m.spec.written} {
		if from, length := f.Twice(m.since); length > 0 {
			m.since = from.Add(-1)
		}
	}
	m.sinceText = m.spec.Format.RenderLike(m.since, text)
	if m.since == base {
		m.sinceText = text
	}
	if row.Compare(m.since, m.spec.initial) < 0 {
		m.since, m.sinceText = m.spec.initial, m.spec.Initial
	}
}

// json is a watermark's text as JSON.
func (s *markSpec) json(text string) []byte {
	switch {
	case text == "":
		return nil
	case s.number:
		return []byte(text)
	}
	return quote(text)
}

// errSkip says that a record is to be left out.
var errSkip = errors.New("record has no watermark")

// see takes note of a record's stamp; the zero stamp is of a record that has
// none.
func (m *mark) see(record [][]byte) (row.Stamp, error) {
	if len(m.spec.slots) == 0 {
		return row.Stamp{}, nil
	}
	raw := m.spec.rawOf(record)
	if raw == nil {
		switch m.spec.Null {
		case NullSkip:
			return row.Stamp{}, errSkip
		case NullInclude:
			return row.Stamp{}, nil
		}
		return row.Stamp{}, decodeError("a record has no %q", m.spec.From[0])
	}
	stamp, err := m.spec.Format.Parse(raw)
	if err != nil {
		return stamp, decodeError("%q of a record: %v", m.spec.From[0], err)
	}
	if m.spec.Order == Ascending && row.Compare(stamp, m.last) < 0 {
		return stamp, pagingError("records are not in ascending order of %q", m.spec.From[0])
	}
	m.last = stamp
	m.raise(stamp, raw)
	return stamp, nil
}

// rawOf is a record's stamp as the owner wrote it: the first field that has one;
// nil if none has.
func (s *markSpec) rawOf(record [][]byte) []byte {
	for _, slot := range s.slots {
		if v := record[slot]; v != nil && string(v) != "null" && !(s.blank && string(v) == `""`) {
			return v
		}
	}
	return nil
}

func (m *mark) raise(stamp row.Stamp, raw []byte) {
	if row.Compare(stamp, m.high) > 0 {
		text, _, _ := decode.Text(raw)
		m.high, m.highText = stamp, text
	}
}

// place reads a watermark that stands in the response; the first one counts,
// because it covers the least.
func (m *mark) place(a *answer) error {
	if !m.spec.at.set() || !m.high.IsZero() {
		return nil
	}
	raw := m.spec.at.in(a.header, a.body)
	if m.spec.opaque() {
		return m.hold(raw, a.url)
	}
	if empty(raw) && !(m.spec.Format.Counts() && string(raw) == "0") { // an integer counts from 0
		return answerError("answer has no watermark at %q", m.spec.at)
	}
	stamp, err := m.spec.Format.Parse(raw)
	if err != nil {
		return decodeError("watermark at %q: %v", m.spec.at, err)
	}
	m.raise(stamp, raw)
	return nil
}

// end is the watermark that a complete walk proves: what was seen, but never
// past the owner's time at the walk's start, and never back.
func (m *mark) end() (string, error) {
	if m.spec.opaque() {
		return m.held()
	}
	if m.spec.Format == nil {
		return "", nil
	}
	high, text := m.high, m.highText
	limit, known := m.start.stamp()
	limit = limit.Add(-m.spec.Settle)
	if !m.until.IsZero() && row.Compare(m.until, limit) < 0 {
		limit = m.until
	}
	switch {
	case m.spec.Start && !m.start.told:
		return "", answerError("answer has no Date header, which a watermark from start needs")
	case m.spec.Start:
		high, text = limit, m.spec.Format.RenderLike(limit, m.fromText)
	case m.spec.Format.Counts():
	case !known:
		return m.fromText, nil
	case row.Compare(high, limit) > 0:
		high, text = limit, m.spec.Format.RenderLike(limit, text)
	}
	if !m.covers.IsZero() && row.Compare(m.covers, high) < 0 {
		high, text = m.covers, m.coversText
	}
	if row.Compare(high, m.from) <= 0 {
		return m.fromText, nil
	}
	return text, nil
}

// late is how far a stamp lies before the watermark that the walk started from.
func (m *mark) late(stamp row.Stamp) time.Duration {
	from, ok := m.from.Time()
	at, dated := stamp.Time()
	if !ok || !dated {
		return 0
	}
	return max(from.Sub(at), 0)
}

// passed reports whether a descending feed has come to records that are older
// than what was asked for.
func (m *mark) passed(stamp row.Stamp) bool {
	return m.spec.Order == Descending && !m.since.IsZero() && !stamp.IsZero() && row.Compare(stamp, m.since) < 0
}
