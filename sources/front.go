package sources

import (
	"context"
	"net/http"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// fronts is how often the front of a newest-first feed is read again before
// the feed is taken for one that changes faster than it can be read.
const fronts = 10

// drifts reports whether a pass may have missed a record that moved. In a feed
// that comes newest first, a record that changes before its page is read jumps
// to the front, behind the walk, whether pages are found by position, token or
// the last stamp: neither its old nor its new version is seen, though the old
// one was there when the walk began. One page is read at one instant and cannot
// drift.
func (k *walk) drifts() bool {
	return k.spec.Watermark.Order == Descending && k.spec.Paging.By != None && (k.pages > 1 || k.resumed())
}

// slips reports whether the record with this index on the page tells that the
// pass may have missed another one. Where pages are counted, and the order is
// not newest first, a record that was read and then changes moves behind: all
// that lie between close up, and one of them crosses to a page that was read.
// It shows by a key that comes again with a stamp of after the walk's start. A
// key that comes again with an old stamp was only pushed on.
func (k *walk) slips(i int, stamp row.Stamp) bool {
	counted := k.counted
	switch k.paging.spec.By {
	case Page, Offset:
		counted = true
	}
	if f := k.spec.Watermark.Format; f != nil {
		if from, length := f.Twice(stamp); row.Compare(stamp, from.Add(length)) < 0 {
			stamp = stamp.Add(length) // as it may be read, too
		}
	}
	return counted && k.guard.again[i] && !stamp.IsZero() && k.spec.Watermark.Order != Descending && !k.mark.start.after(stamp)
}

// front reads the feed again from its newest record down to the newest that the
// pass before had seen, until that takes a single page or brings nothing newer:
// then nothing has moved unseen. It hands out all pages but the last, which it
// returns.
func (k *walk) front(ctx context.Context) (*syncer.Batch, http.Header, error) {
	for range fronts {
		k.guard.restart()
		k.passed, k.until, k.step = false, k.mark.high, k.begun
		for pages := 1; ; pages++ {
			p, err := k.fetch(ctx)
			if err != nil {
				return nil, nil, err
			}
			k.pages++
			b, next, err := k.page(p)
			if err != nil {
				return nil, nil, err
			}
			if next == nil && (pages == 1 || row.Compare(k.mark.high, k.until) == 0) {
				return b, p.header, nil
			}
			if err := k.hand(b); err != nil {
				return nil, nil, err
			}
			if next == nil {
				break
			}
			k.step = *next
		}
	}
	return nil, nil, pagingError("feed changes faster than it can be read newest first: its front takes several pages, %d times in a row", fronts)
}
