package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// epoch is a compiled Epoch.
type epoch struct {
	at place
	// asker and decoder are of a request of its own; nil: at is in every page.
	asker   *asker
	decoder *decode.Decoder
	ordered []*row.Format // in which a falling epoch is compared
}

func (s *Source) compileEpoch(set *pathSet) (err error) {
	e := &s.spec.Epoch
	w := &s.spec.Watermark
	switch {
	case e.At == "" && (e.Request != nil || e.Falling):
		return errors.New("epoch needs a place")
	case e.Contiguous && (s.spec.Mode == SnapshotAll || w.Format == nil || !w.Format.Counts() || w.Place != ""):
		return errors.New("contiguous needs a watermark of records that is an integer")
	}
	for _, name := range []string{"integer", "rfc3339"} {
		f, err := row.ParseFormat(name, nil)
		if err != nil {
			return err
		}
		s.epochs.ordered = append(s.epochs.ordered, f)
	}
	if e.Request == nil {
		s.epochs.at, err = set.body.add(e.At)
		return err
	}
	var own places
	if s.epochs.at, err = own.add(e.At); err != nil {
		return err
	}
	if s.epochs.asker, err = newAsker(s.client, *e.Request); err != nil {
		return fmt.Errorf("read epoch: %w", err)
	}
	o := &s.client.owner
	s.epochs.decoder, err = decode.Layout{Body: own, MaxDepth: o.MaxDepth, MaxBytes: o.MaxBody}.Compile()
	return err
}

// askEpoch asks for the epoch ahead of the walk. An audit concludes nothing
// from it.
func (k *walk) askEpoch(ctx context.Context) error {
	e := &k.epochs
	if e.asker == nil || k.w.Kind == syncer.Audit {
		return nil
	}
	a, err := k.askAhead(ctx, e.asker, e.decoder)
	if err != nil {
		return err
	}
	return k.hearEpoch(e.at.in(a.header, a.body))
}

// askAhead asks for something that stands beside the list.
func (k *walk) askAhead(ctx context.Context, with *asker, decoder *decode.Decoder) (*answer, error) {
	at := k.step
	k.step = step{first: true}
	r, err := k.ask(ctx, with)
	k.step = at
	if err != nil {
		return nil, err
	}
	if err := refuseText(r.header, r.body); err != nil {
		return nil, err
	}
	decoded, err := decoder.Page(bytes.NewReader(r.body))
	if err != nil && !decode.Sound(err) {
		return nil, unreadable(err) // it need not be a list
	}
	return &answer{header: r.header, url: r.url, body: decoded.Body}, nil
}

// fallingPages reports whether each page has an epoch that falls only where the
// history starts again: pages that come in another order than they were
// answered in would be taken for that.
func (s *Source) fallingPages() bool {
	return s.spec.Epoch.Falling && s.epochs.asker == nil
}

// headerEpoch takes the epoch from an answer without a body, which need not
// repeat every header.
func (k *walk) headerEpoch(h http.Header) error {
	at := &k.epochs.at
	if at.header == "" || k.epochs.asker != nil || h.Get(at.header) == "" {
		return nil
	}
	return k.hearEpoch(at.in(h, nil))
}

// pageEpoch takes the epoch from a page, where every page has it.
func (k *walk) pageEpoch(a *answer) error {
	if !k.epochs.at.set() || k.epochs.asker != nil {
		return nil
	}
	return k.hearEpoch(k.epochs.at.in(a.header, a.body))
}

func (k *walk) hearEpoch(raw []byte) error {
	text, ok, err := textOf(raw)
	switch {
	case err != nil || !ok || text == "":
		return answerError("answer has no epoch at %q", k.epochs.at)
	case len(text) > longestValidator:
		return answerError("%q is longer than %d bytes", k.epochs.at, longestValidator)
	}
	return k.joinEpoch(text)
}

// joinEpoch compares an epoch with the one that the watermark belongs to, and
// then with what the walk heard before.
func (k *walk) joinEpoch(text string) error {
	held := k.epoch
	if held == "" && k.w.Kind == syncer.Changes {
		held = k.w.From.Epoch
	}
	if text == "" {
		return nil
	}
	if text == held {
		k.epoch = text
		return nil
	}
	another := held != ""
	if k.spec.Epoch.Falling {
		order, err := k.epochs.compare(text, held)
		if err != nil {
			return err
		}
		if another = order < 0; !another {
			held = text
		}
	} else {
		held = text
	}
	switch {
	case !another:
		k.epoch = held
		return nil
	case k.w.Kind == syncer.Changes:
		return fmt.Errorf("compare epochs: owner's history started again: %w", syncer.ErrExpired)
	case k.resumed() && k.pages <= 1:
		return fmt.Errorf("compare epochs: owner's history started again: %w", syncer.ErrNotResumable)
	}
	return answerError("owner's history starts again while it is read")
}

// compare orders two values of a falling epoch; nothing is less than any.
func (e *epoch) compare(a, b string) (int, error) {
	for _, f := range e.ordered {
		at, err := f.ParseText(a)
		if err != nil {
			continue
		}
		before, err := f.ParseText(b)
		if b == "" || err == nil {
			return row.Compare(at, before), nil
		}
	}
	return 0, answerError("epoch at %q is neither an integer nor a time, or not always the same", e.at)
}

// unbroken follows a watermark of integers that leaves none out, record by
// record where they come in order.
type unbroken struct {
	from    row.Stamp // what was held when the walk began
	reached row.Stamp // so far, where records come in order
	lowest  row.Stamp
}

func (k *walk) newUnbroken() (unbroken, error) {
	m := &k.mark
	u := unbroken{from: m.from, reached: m.from}
	if !k.spec.Epoch.Contiguous || k.w.Kind != syncer.Changes {
		return u, nil
	}
	var err error
	if m.fromText != "" {
		if u.from, err = m.spec.Format.ParseText(m.fromText); err != nil {
			return u, err
		}
		u.reached = u.from
	}
	if m.highText == "" {
		return u, nil
	}
	high, err := m.spec.Format.ParseText(m.highText)
	if err == nil && row.Compare(high, u.reached) > 0 {
		u.reached = high
	}
	return u, err
}

// inOrder says that records come with ascending watermarks.
func (k *walk) inOrder() bool {
	return k.spec.Watermark.Order == Ascending || k.spec.Watermark.Last != ""
}

// leavesNone notes a record's watermark, and fails if there is a gap before it.
func (k *walk) leavesNone(record [][]byte, stamp row.Stamp) error {
	if !k.spec.Epoch.Contiguous || k.w.Kind != syncer.Changes {
		return nil
	}
	if edge := k.mark.spec.edge; len(edge) > 0 {
		var err error
		if stamp, err = k.mark.spec.Format.Parse(record[edge[0]]); err != nil {
			return decodeError("watermark of a record: %v", err)
		}
	}
	if stamp.IsZero() {
		return nil
	}
	u := &k.unbroken
	if u.lowest.IsZero() || row.Compare(stamp, u.lowest) < 0 {
		u.lowest = stamp
	}
	if !k.inOrder() {
		return nil
	}
	if !u.reached.IsZero() && row.Compare(stamp, u.reached.AddInt(1)) > 0 {
		return errGap()
	}
	if row.Compare(stamp, u.reached) > 0 {
		u.reached = stamp
	}
	return nil
}

// leftNone is the same for records in any order: of a complete walk the lowest
// must be no further than next to what was held.
func (k *walk) leftNone() error {
	u := &k.unbroken
	if k.inOrder() || u.from.IsZero() || u.lowest.IsZero() || !k.spec.Epoch.Contiguous || k.w.Kind != syncer.Changes {
		return nil
	}
	if row.Compare(u.lowest, u.from.AddInt(1)) > 0 {
		return errGap()
	}
	return nil
}

func errGap() error {
	return fmt.Errorf("a gap in the watermarks says that records are lost: %w", syncer.ErrExpired)
}
