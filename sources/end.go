package sources

import (
	"cmp"
	"net/http"

	"github.com/larder-sync/larder/syncer"
)

// resume notes where the walk can go on after a batch: at next, unless that is a
// number, or, where records come in order, by asking since the highest watermark.
// What was read so far was as old as the oldest answer when the walk began.
func (k *walk) resume(next step) *syncer.Resume {
	if k.slice != nil {
		return nil // it is noted when the page is handed on
	}
	cursor := k.style.note(next)
	if k.counted {
		cursor = "" // pages move
	}
	if len(k.paging.fronts) > 0 {
		return nil // its first record is not noted
	}
	if cursor == "" && (k.mark.spec.Order != Ascending || k.mark.high.IsZero()) {
		return nil
	}
	return k.resumeAt(note{At: cursor})
}

func (k *walk) resumeAt(n note) *syncer.Resume {
	if k.asksRemoved() {
		return nil // how far the deletions reach is not noted
	}
	n.Parts, n.Epoch = k.parts, k.epoch
	k.bound.note(&n)
	return &syncer.Resume{
		Walk: k.w.ID, Kind: k.w.Kind, From: k.w.From.Watermark, Sent: k.w.Sent.Add(-k.old.age),
		OwnerStart: k.mark.start.String(), Cursor: n.String(), High: k.mark.highText,
	}
}

// end is what the walk proves once it is complete.
func (k *walk) end(header http.Header) (*syncer.End, error) {
	watermark, err := k.mark.end()
	if err == nil {
		err = k.leftNone()
	}
	if err != nil {
		return nil, err
	}
	behind, err := k.bound.age()
	if err != nil {
		return nil, err
	}
	listed := k.listed()
	return &syncer.End{
		Watermark: watermark,
		Validator: k.validator(header),
		Listed:    listed,
		Floor:     k.floorOf(listed),
		Age:       max(k.old.age+behind, k.uncovered),
		Epoch:     k.epoch,
	}, nil
}

// listed reports whether a complete walk has seen every record that there is.
// One that is bounded has not: what changed behind the bound is left out.
func (k *walk) listed() bool {
	switch k.w.Kind {
	case syncer.Snapshot:
		return true
	case syncer.Resync, syncer.Audit:
		return k.lists && !k.bounded
	}
	return false
}

// floorOf is where the list of a walk begins; nil: at the beginning, or there is
// no list.
func (k *walk) floorOf(listed bool) []byte {
	if !listed || k.w.Kind == syncer.Snapshot {
		return nil
	}
	return k.floor()
}

// unchanged hands on the whole of a walk that was answered "not modified": it
// is complete as far as the answer was that is still good.
func (k *walk) unchanged(header http.Header) error {
	if err := k.headerEpoch(header); err != nil {
		return err
	}
	behind, err := k.bound.age()
	if err != nil {
		return err
	}
	return k.hand(&syncer.Batch{End: &syncer.End{
		Watermark: k.w.From.Watermark,
		Validator: k.w.From.Validator,
		Unchanged: true,
		Age:       k.old.age + behind,
		Epoch:     cmp.Or(k.epoch, k.w.From.Epoch),
	}})
}
