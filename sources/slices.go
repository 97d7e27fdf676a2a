package sources

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// sliced is a walk that is cut into windows, several of which are walked at
// one time. Each is walked as if it were a walk of its own, with all its
// guards; what it brings is handed on as it comes, and which slices are done
// is noted with it. Only the end of all of them moves the watermark.
//
// Slices come in any order. That is sound where a row's newest version wins
// whatever comes first, and no epoch has to rise from page to page; otherwise
// one slice is walked after the other.
type sliced struct {
	*walk
	asked   windowsNote
	slices  doneSet // that are done
	windows *windows
	turn    sync.Mutex // over windows and slices
	handed  chan handedPage
}

// handedPage is a batch of a slice, and what is known of the walk by then.
type handedPage struct {
	batch *syncer.Batch
	err   error
	index int
	last  bool
	mark  mark
	old   cached
	epoch string
}

// newSliced prepares a walk that is cut into windows; nil for one that is not: it is
// no longer than one window, or began uncut.
func (k *walk) newSliced(since string) (*sliced, error) {
	w := &k.spec.Watermark
	if w.Window <= 0 || since == "" || k.resumed() && k.note.Windows == nil {
		return nil, nil
	}
	f := k.mark.spec.written
	s := &sliced{walk: k, asked: windowsNote{Since: since, Each: w.Window, Format: fingerprint(f)}}
	if k.note.Windows != nil {
		s.asked = *k.note.Windows
	}
	var err error
	if s.slices, err = readDone(s.asked.Done); err != nil {
		return nil, err
	}
	if s.windows, err = newWindows(f, s.asked.Since, k.bound.text, s.asked.Each); err != nil || s.asked.Format != fingerprint(f) || s.asked.Each <= 0 {
		return nil, fmt.Errorf("read the windows of the walk: %w", syncer.ErrNotResumable)
	}
	probe := *s.windows
	probe.next()
	if _, several := probe.next(); !several && k.note.Windows == nil {
		return nil, nil
	}
	return s, nil
}

// atOnce is how many slices are walked at one time.
func (s *sliced) atOnce() int {
	n := s.client.owner.Concurrency
	if s.spec.Watermark.Slices > 0 {
		n = min(n, s.spec.Watermark.Slices)
	}
	if !s.spec.Versioned || s.fallingPages() {
		n = 1
	}
	return n
}

// walkAll walks all slices that are not done. At most two pages for each slice
// that is walked wait to be handed on. The first error ends the walk.
func (s *sliced) walkAll(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	s.handed = make(chan handedPage, s.atOnce())
	alike := *s.walk // of which every slice is walked, while this one moves on
	var walkers sync.WaitGroup
	for range s.atOnce() {
		walkers.Go(func() { s.walkSome(ctx, alike) })
	}
	go func() { walkers.Wait(); close(s.handed) }()
	defer func() {
		cancel()
		for range s.handed {
		}
	}()
	for p := range s.handed {
		if p.err != nil {
			return p.err
		}
		if err := s.handOn(p); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	end, err := s.end(nil)
	if err != nil && s.resumed() && s.pages == 0 && !errors.Is(err, syncer.ErrExpired) {
		// Nothing was left to ask, so that what is missing could never come.
		return fmt.Errorf("end a walk of which all windows are done (%v): %w", err, syncer.ErrNotResumable)
	}
	if err != nil {
		return err
	}
	return s.hand(&syncer.Batch{End: end})
}

// handOn hands a page of a slice on. What was handed on before it is applied no
// later than it is, so that the slices that are noted with it are.
func (s *sliced) handOn(p handedPage) error {
	s.mark.join(&p.mark)
	s.old.join(p.old)
	s.pages++
	if err := s.joinEpoch(p.epoch); err != nil {
		return err
	}
	n := s.asked
	n.Done = s.doneWith(p)
	p.batch.Resume = s.resumeAt(note{Windows: &n})
	return s.hand(p.batch)
}

// walkSome walks one slice after the other until none is left.
func (s *sliced) walkSome(ctx context.Context, alike walk) {
	for {
		w, ok := s.take()
		if !ok || ctx.Err() != nil {
			return
		}
		if err := s.walkOne(ctx, alike, w); err != nil {
			s.send(ctx, handedPage{err: fmt.Errorf("walk window %d from %s: %w", w.index+1, w.since, err)})
			return
		}
	}
}

// walkOne walks one slice as a walk of its own.
func (s *sliced) walkOne(ctx context.Context, alike walk, w window) error {
	c := alike
	c.slice, c.guard = &w, c.newGuard()
	var err error
	if c.mark.since, err = c.mark.spec.written.ParseText(w.since); err != nil {
		return &failure{class: syncer.ClassInternal, text: "read the border of a window", cause: err}
	}
	c.mark.sinceText, c.mark.high, c.mark.highText, c.mark.last = w.since, row.Stamp{}, "", row.Stamp{}
	c.pages, c.step = 0, c.begun
	c.yield = func(b *syncer.Batch, _ error) bool {
		return s.send(ctx, handedPage{batch: b, index: w.index, last: c.last, mark: c.mark, old: c.old, epoch: c.epoch})
	}
	return c.passes(ctx)
}

// doneWith is the slices that are done once p is handed on.
func (s *sliced) doneWith(p handedPage) string {
	s.turn.Lock()
	defer s.turn.Unlock()
	if p.last {
		s.slices.add(p.index)
	}
	return s.slices.String()
}

// take is the next slice that is not done, and that something can lie in.
func (s *sliced) take() (window, bool) {
	s.turn.Lock()
	defer s.turn.Unlock()
	for {
		if s.bound.beyond(s.windows.at) {
			return window{}, false
		}
		w, ok := s.windows.next()
		if !ok || !s.slices.has(w.index) {
			return w, ok
		}
	}
}

func (s *sliced) send(ctx context.Context, p handedPage) bool {
	select {
	case s.handed <- p:
		return true
	case <-ctx.Done():
		return false
	}
}

// join takes up what a slice has seen.
func (m *mark) join(o *mark) {
	if row.Compare(o.high, m.high) > 0 {
		m.high, m.highText = o.high, o.highText
	}
	if !m.start.told && (o.start.told || o.start.at.After(m.start.at)) {
		m.start = o.start
	}
}
