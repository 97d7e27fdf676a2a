package sources

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// note is what a Resume keeps in its Cursor: where the paging style goes on,
// and what of the walk is not to change when it does. A note that holds nothing
// but a style's place is written as that place.
type note struct {
	At string `json:"at,omitempty"`
	// Parts is the digest of the parts of a resync that the walk was asked by.
	Parts string `json:"parts,omitempty"`
	// Until is what {until} stands for in every request of the walk, and Behind
	// how far the owner's clock was past it when the walk began, once it was
	// Heard.
	Until  string        `json:"until,omitempty"`
	Behind time.Duration `json:"behind,omitempty"`
	Heard  bool          `json:"heard,omitempty"`
	Epoch  string        `json:"epoch,omitempty"`
	// Windows is set in walks that are cut into windows.
	Windows *windowsNote `json:"windows,omitempty"`
}

// noteMark begins a note that is more than a place: no token, which is JSON,
// and no URL begins with it.
const noteMark = "~"

func (n note) String() string {
	if n == (note{At: n.At}) && !strings.HasPrefix(n.At, noteMark) {
		return n.At
	}
	text, err := json.Marshal(n)
	if err != nil {
		return "" // texts and numbers do marshal
	}
	return noteMark + string(text)
}

func readNote(cursor string) (note, error) {
	rest, more := strings.CutPrefix(cursor, noteMark)
	if !more {
		return note{At: cursor}, nil
	}
	var n note
	return n, json.Unmarshal([]byte(rest), &n)
}

// takeUp reads the walk's note, and puts the place that the style wrote where
// the note stood. A walk whose parts were edited meanwhile asks for something
// else now: it cannot go on.
func (k *walk) takeUp() error {
	r := k.w.From.Resume
	if r == nil {
		return nil
	}
	n, err := readNote(r.Cursor)
	if err != nil || n.Parts != k.parts || n.Windows != nil && k.spec.Watermark.Window <= 0 {
		return fmt.Errorf("read where the walk stood: %w", syncer.ErrNotResumable)
	}
	plain := *r
	plain.Cursor, k.note = n.At, n
	k.w.From.Resume = &plain
	return nil
}

// digest tells one set of parts from another. What only bounds a walk, or how
// much a page holds, is left out: a place is good whatever they are.
func (r Resync) digest() string {
	var format, ask string
	if r.Watermark != nil {
		w := *r.Watermark
		format, ask = fingerprint(w.Format), fingerprint(w.Ask)
		w.Format, w.Ask, w.Slices = nil, nil, 0
		r.Watermark = &w
	}
	if r.Paging != nil {
		p := *r.Paging
		p.Size, p.MaxPages, p.MaxTime = 0, 0, 0
		r.Paging = &p
	}
	text, err := json.Marshal(r)
	if err != nil {
		return "?" // plain data does marshal
	}
	sum := sha256.Sum256([]byte(string(text) + "\n" + format + "\n" + ask))
	return hex.EncodeToString(sum[:8])
}

// fingerprint tells formats apart, zones included, by what they write.
func fingerprint(f *row.Format) string {
	if f == nil {
		return ""
	}
	text := fmt.Sprint(f.Counts(), f.Unit())
	for _, at := range []time.Time{
		time.Date(2031, 1, 23, 17, 48, 59, 123_456_789, time.UTC), time.Date(2032, 7, 5, 9, 30, 45, 0, time.UTC),
	} {
		text += "|" + f.Render(row.StampAt(at))
	}
	return text
}
