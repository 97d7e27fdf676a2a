package sources

import (
	"slices"

	"github.com/larder-sync/larder/syncer/row"
)

// bySince asks each page since the watermark that the pages so far have given.
// Its token is that watermark. It counts its steps, because to ask for the same
// again is no circle here: a page without news is the end.
type bySince struct{ byCursor }

func (p bySince) next(s step, a *answer) (*step, error) {
	v, err := p.judge(a)
	if err != nil || v == ends {
		return nil, err
	}
	full := p.spec.Size > 0 && len(a.records) >= p.spec.Size
	switch {
	case !a.news && full:
		return nil, pagingError("a full page brings nothing new: more records share one watermark than fit in a page")
	case !a.news && v == goesOn:
		return nil, pagingError("%q says that more follows, and the page brings nothing new", p.more.at)
	case a.receding && (full || v == goesOn):
		return nil, pagingError("more follows a page that does not end with its newest record: what is older would never be asked for")
	case !a.news, len(a.records) == 0 && v != goesOn:
		return nil, nil
	case a.since == nil:
		return nil, pagingError("no record has a watermark to go on from")
	}
	return &step{cursor: a.since, number: s.number + 1}, nil
}

// parted reports whether records may lie unseen between a page and the one
// before. By since, a page asks for the stamp that the one before ended with,
// from, and that includes its last record, unless it has changed meanwhile, or
// the owner leaves the moment itself out: then records that share the stamp are
// lost. Numbers of a sequence are shared by nobody. That nothing at all comes
// tells the same only behind a page that was full.
func (k *walk) parted(records [][][]byte, from row.Stamp) bool {
	m := k.mark.spec
	byTime := k.paging.spec.By == Since && m.Opaque == "" && m.Format != nil && !m.Format.Counts()
	full := k.guard.full
	k.guard.full = k.paging.spec.Size > 0 && len(records) >= k.paging.spec.Size
	switch {
	case !byTime || k.step.first:
		return false
	case len(records) == 0:
		return full
	case len(m.slots) == 0 || from.IsZero():
		return !slices.Contains(k.guard.again, true)
	}
	return !slices.ContainsFunc(records, func(record [][]byte) bool {
		at, err := m.Format.Parse(m.rawOf(record))
		return err == nil && row.Compare(at, from) == 0
	})
}
