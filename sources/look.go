package sources

import (
	"slices"
	"strconv"

	"github.com/larder-sync/larder/syncer/row"
)

// look finds what a placeholder stands for at the walk's step, as JSON text;
// nil where it has no value.
func (k *walk) look(p Part) []byte {
	switch p.Placeholder {
	case "since":
		if k.spec.Paging.By == Since && k.step.cursor != nil {
			return k.mark.spec.askedPage(k.step.cursor)
		}
		if k.slice != nil {
			return k.mark.spec.asText(k.slice.since)
		}
		return k.mark.spec.asked(k.mark.sinceText)
	case "until":
		if k.slice != nil {
			return k.mark.spec.asText(k.slice.until)
		}
		if k.bound != nil {
			return k.mark.spec.asText(k.bound.text)
		}
	case "now":
		return k.now()
	case "cursor":
		return k.step.cursor
	case "page":
		if k.spec.Paging.By == Page {
			return strconv.AppendInt(nil, k.step.number, 10)
		}
	case "offset":
		if k.spec.Paging.By == Offset {
			return strconv.AppendInt(nil, k.step.number, 10)
		}
	case "size":
		if k.spec.Paging.Size > 0 {
			return strconv.AppendInt(nil, int64(k.spec.Paging.Size), 10)
		}
	case "last":
		if i := slices.Index(k.paging.fields, p.Field); i >= 0 && i < len(k.step.last) {
			return k.step.last[i]
		}
	case "first":
		if i := slices.Index(k.paging.fronts, p.Field); i >= 0 && i < len(k.heads) {
			return k.heads[i]
		}
	case "each":
		return k.w.Partition.Value(p.Field)
	}
	return nil
}

// now is the owner's time in the owner's shape, or this machine's where none
// was heard. Nothing is concluded from what the owner makes of it.
func (k *walk) now() []byte {
	f := k.mark.spec.written
	if f == nil {
		return nil
	}
	sample := ""
	if k.mark.spec.Ask == nil {
		sample = k.mark.fromText
	}
	return k.mark.spec.asText(f.RenderLike(row.StampAt(k.client.clock.now()), sample))
}
