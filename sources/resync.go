package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
)

// before is the question for the watermark, asked ahead of a list: what changes
// while the list is read, changes after it.
type before struct {
	places  places
	asker   *asker
	decoder *decode.Decoder
}

// forKind is the source as a walk of a kind asks it.
func (s *Source) forKind(kind syncer.WalkKind) *Source {
	if (kind == syncer.Resync || kind == syncer.Audit) && s.everything != nil {
		return s.everything
	}
	return s
}

// compileResync makes of the parts of a resync a source of its own. Its path
// set is the same, so that tables read its records as they read changes.
func (s *Source) compileResync() error {
	r := s.spec.Resync
	s.lists = s.listsAll(r.Known, false)
	if r.Request == nil && r.Paging == nil && r.Records == nil && r.Watermark == nil && r.Before == nil {
		return nil
	}
	if s.spec.Mode == SnapshotAll {
		return errors.New("a snapshot asks for everything each time: it has no resync")
	}
	spec := s.spec
	spec.Request = *cmp.Or(r.Request, &spec.Request)
	spec.Paging = *cmp.Or(r.Paging, &spec.Paging)
	spec.Records = *cmp.Or(r.Records, &spec.Records)
	spec.Watermark = *cmp.Or(r.Watermark, &spec.Watermark)
	if spec.Records.Hydrate != nil {
		spec.Request.Conditional = false // it may be that of the changes
	}
	if spec.Watermark.Opaque != s.spec.Watermark.Opaque {
		return errors.New("read resync: its watermark is of another kind than the one that changes go on from")
	}
	all := newSource(s.client, spec)
	all.claimed = s.claimed
	all.parts = r.digest()
	if r.Before != nil {
		if spec.Watermark.Place == "" {
			return errors.New("read resync: a watermark that is asked for ahead of the list needs a place")
		}
		all.before = &before{}
	}
	if err := all.compile(); err != nil {
		return fmt.Errorf("read resync: %w", err)
	}
	all.watermark.first = all.watermark.first || r.Request != nil && spec.Watermark.Place != ""
	all.lists, all.whole = all.listsAll(true, r.Request != nil), r.Request != nil
	s.everything = all
	return all.compileBefore()
}

// listsAll reports whether a complete resync sees every record that there is.
// known says that there is a way to ask for everything, own that it is a
// request of its own. A log from its beginning is not such a list, because
// what it has dropped may have been a deletion; and a list of which the
// watermark is an event's id is a log.
func (s *Source) listsAll(known, own bool) bool {
	w := &s.spec.Watermark
	all := own || w.Initial == "" || s.spec.Mode == Incremental && s.spec.Floored
	switch s.spec.Mode {
	case Delta:
		return known && all
	case Log:
		return known && own && w.Last == "" && w.First == ""
	}
	return all && w.Null != NullSkip
}

// floor is the version at which what the source lists begins; nil: it lists
// everything.
func (s *Source) floor() []byte {
	if s.whole || s.spec.Mode != Incremental {
		return nil
	}
	return s.spec.Watermark.Floor()
}

// Floor is Initial as JSON text, in the owner's own form; nil without Initial,
// or where it is the owner's own word.
func (w *Watermark) Floor() []byte {
	if w.Initial == "" || w.Format == nil {
		return nil
	}
	return (&markSpec{number: writesNumbers(w.Format)}).json(w.Initial)
}

// watermarkPlaces is where the watermark's place belongs: to the pages, or to
// the answer that comes ahead of them.
func (s *Source) watermarkPlaces(set *pathSet) *places {
	if s.before != nil {
		return &s.before.places
	}
	return &set.body
}

func (s *Source) compileBefore() (err error) {
	if s.before == nil {
		return nil
	}
	o := &s.client.owner
	if s.before.asker, err = newAsker(s.client, *s.spec.Resync.Before); err != nil {
		return fmt.Errorf("read resync: %w", err)
	}
	s.before.decoder, err = decode.Layout{Body: s.before.places, MaxDepth: o.MaxDepth, MaxBytes: o.MaxBody}.Compile()
	return err
}

// askBefore asks for the watermark ahead of a list. A resumed walk has it.
func (k *walk) askBefore(ctx context.Context) error {
	if k.before == nil || k.resumed() {
		return nil
	}
	a, err := k.askAhead(ctx, k.before.asker, k.before.decoder)
	if err != nil {
		return err
	}
	if err := k.mark.place(a); err != nil {
		return err
	}
	if k.mark.highText == "" {
		return answerError("answer has no watermark at %q", k.mark.spec.at)
	}
	return nil
}
