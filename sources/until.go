package sources

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// bound is where a walk that asks {until} stops: the owner's time when the walk
// began, less what the watermark settles. It is the same in every request of
// the walk.
//
// The owner's time is that of its last answer, carried on. Before there was
// one, it is this machine's, which may be wrong by any amount: then it bounds
// what is asked for and nothing else. Either way the walk's own first answer
// tells how far the bound lies behind the owner's clock, and as-of is set back
// by as much. An owner that tells no date can therefore not be asked so.
type bound struct {
	text string // as it is asked
	at   row.Stamp
	// known says that the owner's clock had been heard when the bound was set.
	known bool

	mu     sync.Mutex
	behind time.Duration
	heard  bool
}

// dateUnit is how far a Date header may lie behind the clock that wrote it.
const dateUnit = time.Second

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
	if !b.heard {
		b.set(date.Add(age(h)))
	}
}

func (b *bound) set(owner time.Time) {
	at, _ := b.at.Time()
	b.behind, b.heard = max(owner.Add(dateUnit).Sub(at), 0), true
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
func (b *bound) note() (string, time.Duration) {
	if b == nil {
		return "", 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text, b.behind
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

// asksNothing is the end of a walk that begins where it is to stop: the owner
// has nothing to tell of it. Where its clock is not known, it is asked.
func (k *walk) asksNothing() (*syncer.End, error) {
	if k.bound == nil || k.resumed() || !k.bound.known {
		return nil, nil
	}
	since, _, err := textOf(k.mark.spec.asked(k.mark.sinceText))
	if err != nil || since == "" {
		return nil, err
	}
	start, err := k.mark.spec.written.ParseText(since)
	if err != nil || row.Compare(start, k.bound.at) < 0 {
		return nil, err
	}
	now, _ := k.client.clock.now()
	k.bound.set(now)
	return &syncer.End{Watermark: k.w.From.Watermark, Age: k.bound.behind, Epoch: k.w.From.Epoch}, nil
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
	f := k.mark.spec.written
	if k.note.Until != "" {
		at, err := f.ParseText(k.note.Until)
		b := &bound{text: k.note.Until, at: at, behind: k.note.Behind, heard: k.note.Behind > 0}
		return b, err
	}
	now, known := k.client.clock.now()
	b := &bound{known: known}
	b.text = f.RenderLike(row.StampAt(now.Add(-k.spec.Watermark.Settle)), since)
	var err error
	if b.at, err = f.ParseText(b.text); err != nil || known || since == "" {
		return b, err
	}
	// This machine's clock may be far behind. To ask too much is harmless, to
	// ask nothing would prove nothing.
	start, err := f.ParseText(since)
	if err == nil && row.Compare(b.at, start) <= 0 {
		b.text = f.RenderLike(start.Add(max(k.spec.Watermark.Window, 24*time.Hour, 2*f.Unit())), since)
		b.at, err = f.ParseText(b.text)
	}
	return b, err
}
