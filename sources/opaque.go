package sources

import (
	"cmp"
	"fmt"
	"net/url"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
)

// An opaque mark is the owner's own text: a token, a link, or the id of an
// event. Nothing is concluded from it but whether it is the same as another.

// opaque reports whether the watermark is a text that is never compared.
func (s *markSpec) opaque() bool { return s.Opaque != "" || len(s.edge) > 0 }

// takeUp starts an opaque mark where w stands. A link is asked, not asked for:
// it is no {since}.
func (m *mark) takeUp(w syncer.Walk) error {
	m.fromText = w.From.Watermark
	if f := m.spec.Format; f != nil && m.fromText != "" {
		if _, err := f.ParseText(m.fromText); err != nil {
			return errUnfit(err)
		}
	}
	if m.spec.Opaque != URL {
		m.sinceText = cmp.Or(m.fromText, m.spec.Initial)
	}
	return m.resume(w.From.Resume)
}

// moves reports whether it is the owner who moves the watermark, by what stands
// in each of its answers.
func (m *mark) moves() bool { return m.spec.opaque() && m.spec.at.set() }

// hold takes an opaque watermark from a place; there may be none. from is the
// URL that was asked.
func (m *mark) hold(raw []byte, from *url.URL) error {
	if m.spec.first && m.highText != "" {
		return nil
	}
	text, ok, err := textOf(raw)
	switch {
	case err != nil:
		return answerError("%q holds no token: %v", m.spec.at, err)
	case !ok || text == "":
		return nil
	case len(text) > longestToken:
		return answerError("%q is longer than %d bytes", m.spec.at, longestToken)
	}
	if m.spec.Opaque == URL {
		link, err := m.spec.link(from, text)
		if err != nil {
			return fmt.Errorf("read watermark at %q: %w", m.spec.at, err)
		}
		text = link.String()
	}
	m.highText = text
	return nil
}

// edge takes the id of a page's last or first record.
func (m *mark) edge(records [][][]byte) error {
	if len(m.spec.edge) == 0 || len(records) == 0 || m.spec.first && m.highText != "" {
		return nil
	}
	record, field := records[len(records)-1], m.spec.Last
	if m.spec.First != "" {
		record, field = records[0], m.spec.First
	}
	raw := record[m.spec.edge[0]]
	text, ok, err := decode.Text(raw)
	switch {
	case err != nil:
		return decodeError("%q of a record is no id: %v", field, err)
	case !ok || text == "":
		return decodeError("a record has no %q to go on from", field)
	case len(text) > longestToken:
		return decodeError("%q of a record is longer than %d bytes", field, longestToken)
	}
	if m.spec.Format != nil {
		if _, err := m.spec.Format.Parse(raw); err != nil {
			return decodeError("%q of a record: %v", field, err)
		}
	}
	m.highText = text
	return nil
}

// held is the opaque watermark at a walk's end. A log that brought nothing
// leaves it where it was; an owner that hands one out must have done so.
func (m *mark) held() (string, error) {
	if m.highText == "" && m.spec.at.set() {
		return "", answerError("walk ends without a watermark at %q", m.spec.at)
	}
	return cmp.Or(m.highText, m.fromText), nil
}

// first is where a walk begins: at the link that is its watermark, or where its
// style does. A link that leads elsewhere was handed out when the owner had
// another address: it is of no use here.
func (s *Source) first(w syncer.Walk) (step, error) {
	at := s.style.first()
	if s.watermark.Opaque != URL || w.From.Watermark == "" {
		return at, nil
	}
	u, err := s.follow(&url.URL{}, w.From.Watermark)
	if err != nil {
		return at, fmt.Errorf("go on from the watermark (%v): %w", err, syncer.ErrExpired)
	}
	at.url = u
	return at, nil
}

// identity is the slots that tell one record of a walk from another: the key,
// and in a log the event's id, because events may be of the same key.
func (s *Source) identity() []int {
	return append(append([]int(nil), s.keys...), s.watermark.edge...)
}
