package sources

import (
	"errors"
	"fmt"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// begin sets a walk up: by the parts of its kind, from nothing or from where it
// stood.
func (s *Source) begin(w syncer.Walk) (*walk, error) {
	s = s.forKind(w.Kind)
	if w.Kind == syncer.Audit {
		w.From = syncer.Position{Resume: w.From.Resume} // it asks since nothing
	}
	k := &walk{Source: s, w: w, started: time.Now(), each: map[int][]byte{}}
	err := k.takeUp()
	if err != nil {
		return nil, err
	}
	w, k.epoch = k.w, k.note.Epoch
	if k.begun, err = s.first(w); err != nil {
		return nil, err
	}
	k.step = k.begun
	if k.w.Sent.IsZero() {
		k.w.Sent = k.started
	}
	k.guard = k.newGuard()
	for slot, name := range s.constants {
		k.each[slot] = w.Partition.Value(name)
	}
	if r := w.From.Resume; r != nil && r.Cursor != "" {
		at, err := s.style.read(r.Cursor)
		if err != nil {
			return nil, fmt.Errorf("read cursor: %w", syncer.ErrNotResumable)
		}
		k.step = at
	}
	if k.mark, err = newMark(&s.watermark, w); err == nil {
		err = k.confine()
	}
	if err == nil {
		k.unbroken, err = k.newUnbroken()
	}
	if err != nil && k.resumed() && !errors.Is(err, syncer.ErrExpired) {
		err = fmt.Errorf("read where the walk stood: %w", syncer.ErrNotResumable)
	}
	return k, err
}

// newGuard watches over the pages of the walk, or of one of its slices.
func (k *walk) newGuard() *guard {
	g := newGuard(k.identity(), k.paging.total.set(), k.spec.Watermark.Order == Descending)
	by := k.spec.Paging.By
	g.blind = k.bounded && !g.counted && (by == Page || by == Offset)
	return g
}

func (k *walk) resumed() bool { return k.w.From.Resume != nil }
