package sources

import (
	"slices"
	"strconv"
	"time"

	"github.com/larder-sync/larder/syncer/row"
)

// look finds what a placeholder stands for at the walk's step, as JSON text;
// nil where it has no value.
func (k *walk) look(p Part) []byte {
	switch p.Placeholder {
	case "since":
		if k.spec.Paging.By == Since && k.step.cursor != nil {
			return k.step.cursor
		}
		return k.mark.spec.json(k.mark.sinceText)
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

// now is this machine's time in the owner's shape. Nothing is concluded from
// what the owner makes of it.
func (k *walk) now() []byte {
	f := k.mark.spec.Format
	if f == nil {
		return nil
	}
	return k.mark.spec.json(f.RenderLike(row.StampAt(time.Now()), k.mark.fromText))
}
