package sources

import (
	"cmp"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer/row"
)

// bound is where a walk that asks {until} stops: the owner's time when the walk
// began, less what the watermark settles. It is the same in every request of
// the walk.
//
// The owner's time is that of its last answer, carried on; before there was one
// it is this machine's. Either may be wrong by any amount, and bounds what is
// asked for and nothing else: the walk's own first answer tells how far the
// bound lies behind the owner's clock, and as-of is set back by as much. An
// owner that tells no date can therefore not be asked so.
type bound struct {
	text   string // as it is asked
	at     row.Stamp
	settle time.Duration

	mu     sync.Mutex
	behind time.Duration
	heard  bool
	// owner is the owner's clock as the walk's first answer told it; zero in a
	// walk that does not know.
	owner time.Time
}

// dateUnit is how far a Date header may lie behind the clock that wrote it.
const dateUnit = time.Second

// farAhead is further than the clocks of two honest machines are apart, and
// than one of them moves on in a walk.
const farAhead = 24 * time.Hour

// hear takes from an answer how far the bound lies behind the owner's clock,
// or a little more. The first date counts.
func (b *bound) hear(h http.Header) {
	if b == nil {
		return
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.heard {
		return
	}
	b.owner, b.heard = date.Add(age(h)), true
	at, _ := b.at.Time()
	// What is younger than the settle time may not be all there, however far
	// ahead of it the walk asks.
	b.behind = max(b.owner.Add(dateUnit).Sub(at), b.settle)
}

// beyond reports whether nothing can lie behind an instant yet: it is well
// ahead of this machine's clock and of the owner's. A single wrong date would
// else have an owner asked for a century.
func (b *bound) beyond(at row.Stamp) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	latest := b.owner
	if latest.IsZero() {
		return false
	}
	if now := time.Now(); now.After(latest) {
		latest = now
	}
	return row.Compare(at, row.StampAt(latest.Add(farAhead))) > 0
}

// age is how far back of its start a walk that is bounded is complete.
func (b *bound) age() (time.Duration, error) {
	if b == nil {
		return 0, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.heard {
		return 0, answerError("answer has no Date header, which {until} needs: it tells how far the walk came")
	}
	return b.behind, nil
}

// note is what a resumed walk has to know of the bound.
func (b *bound) note(n *note) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n.Until, n.Behind, n.Heard = b.text, b.behind, b.heard
}

// confine sets where the walk stops, and cuts it into windows.
func (k *walk) confine() (err error) {
	if !k.untils {
		return nil
	}
	since, _, err := textOf(k.mark.spec.asked(k.mark.sinceText))
	if err != nil {
		return err
	}
	if k.bound, err = k.newBound(since); err != nil {
		return err
	}
	k.mark.until = k.bound.at
	k.cut, err = k.newSliced(since)
	return err
}

// checkBound refuses requests with {until} for which there is no time.
func (s *Source) checkBound() error {
	w := &s.spec.Watermark
	s.bounded = s.spec.Request.uses("until")
	ask := s.spec.Records.DeletedAsk
	s.untils = s.bounded || ask != nil && ask.Request.uses("until")
	f := s.watermark.written
	switch {
	case s.untils && (f == nil || f.Counts()):
		return errors.New("{until} needs a watermark that is a time, or one that is asked as a time")
	case w.Settle < 0 || w.Window < 0 || w.Slices < 0:
		return errors.New("settle, window and the number of windows at one time cannot be negative")
	case w.Settle > 0 && !s.bounded:
		return errors.New("settle needs {until} in the request")
	case w.Settle > 0 && (w.Format == nil || w.Format.Counts()):
		return errors.New("settle needs a watermark that is a time")
	case w.Window > 0:
		return s.checkWindow()
	}
	return nil
}

// checkWindow refuses windows of feeds that cannot be cut.
func (s *Source) checkWindow() error {
	w := &s.spec.Watermark
	switch {
	case !s.bounded || !s.spec.Request.uses("since") || w.Initial == "":
		return errors.New("window needs {since}, {until} and initial")
	case len(w.From) == 0 && !w.Start:
		return errors.New("window needs a watermark from the records' fields, or from start: any other is of one request only")
	case w.Format == nil || w.Format.Counts():
		return errors.New("window needs a watermark that is a time")
	case s.spec.Request.Conditional:
		return errors.New("window makes several requests: they cannot be conditional")
	}
	return nil
}

// uses reports whether the request has a placeholder.
func (r *Request) uses(placeholder string) bool {
	found := false
	r.templates(func(t Template) {
		for _, p := range t {
			found = found || p.Placeholder == placeholder
		}
	})
	return found
}

// asked is a watermark's text as it is asked, where that is another format
// than its own: never of a later instant.
func (s *markSpec) asked(text string) []byte {
	if s.Ask == nil || s.opaque() || text == "" {
		return s.json(text)
	}
	stamp, err := s.Format.ParseText(text)
	if err != nil {
		return nil // only what was read in this format comes here
	}
	return s.asText(s.Ask.Render(stamp))
}

// askedPage is the same of the watermark by which a page asks for the next.
func (s *markSpec) askedPage(raw []byte) []byte {
	if s.Ask == nil || s.opaque() {
		return raw
	}
	text, _, err := decode.Text(raw)
	if err != nil {
		return nil
	}
	return s.asked(text)
}

// asText is a text in the format in which times are asked as JSON.
func (s *markSpec) asText(text string) []byte {
	if text == "" {
		return nil
	}
	if s.writtenNumber {
		return []byte(text)
	}
	return quote(text)
}

// newBound sets the walk's bound, or takes up the one of its note. since is
// where the walk starts, as it is asked.
func (k *walk) newBound(since string) (*bound, error) {
	f, w := k.mark.spec.written, &k.spec.Watermark
	b := &bound{settle: w.Settle}
	if k.note.Until != "" {
		b.text, b.behind, b.heard = k.note.Until, k.note.Behind, k.note.Heard
		if k.mark.start.told {
			b.owner = k.mark.start.at
		}
		return b, b.parse(f)
	}
	b.text = f.RenderLike(row.StampAt(k.client.clock.now().Add(-w.Settle)), since)
	if err := b.parse(f); err != nil || since == "" {
		return b, err
	}
	// To ask nothing would prove nothing, whatever the clock says: not even
	// that there is an owner. To ask too much is harmless.
	start, err := f.ParseText(since)
	if err == nil && row.Compare(b.at, start) <= 0 {
		b.text = f.RenderLike(start.Add(max(cmp.Or(w.Window, 24*time.Hour), 2*f.Unit())), since)
		err = b.parse(f)
	}
	return b, err
}

func (b *bound) parse(f *row.Format) (err error) {
	b.at, err = f.ParseText(b.text)
	return err
}
