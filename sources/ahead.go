package sources

import (
	"context"
	"sync"

	"github.com/larder-sync/larder/syncer"
)

// ahead fetches the pages that follow the first one, several at a time, where
// the first one tells how many there are. The walk takes them in order, and
// whatever it finds of one page decides, as ever, where the next one is: a page
// that was fetched for another place is thrown away.
//
// Pages that are fetched at one time may come from another sequence of instants
// than that of their numbers, which hides what the guards of a walk look for: a
// record that moves behind, or others that come in front. Then keys are missing
// from the total. So only feeds with a total are fetched ahead, in an order
// that promises nothing, from their beginning; and a pass that has to be walked
// again is walked page by page, and one of which each page has an epoch that
// only rises.
//
// All pages ahead together hold no more bytes than one body may: each has its
// share of them. Where one is larger, it and those behind it are asked for one
// after the other, when their turn comes.
type ahead struct {
	running sync.WaitGroup
	// fetched holds the pages that were asked for, by number.
	fetched map[int64]fetching
	most    int
	share   int64 // of one page, in bytes
	// What is to be asked for next, up to last, stride apart.
	next, last, stride int64
}

// fetching is a page on its way. It is to be stopped, whether it came or not.
type fetching struct {
	got  chan fetchedPage
	stop context.CancelFunc
}

// fetchedPage is a page that came, or why it did not: one of several is never
// "not modified".
type fetchedPage struct {
	response *response
	page     *page
	err      error
	large    bool // it does not fit into its share
}

// lookAhead begins to fetch ahead once the first page has told how many there
// are: next follows it.
func (k *walk) lookAhead(next step, first *page) {
	by := k.spec.Paging.By
	if by != Page && by != Offset || !k.paging.total.set() || k.spec.Watermark.Order == Ascending || k.spec.Watermark.Order == Descending ||
		k.fallingPages() || k.slice != nil || k.resumed() || k.repeated || k.guard.pages != 1 || len(first.records) == 0 || k.client.owner.Concurrency < 2 {
		return
	}
	limit := k.client.owner.MaxBody
	// Pages of about the size of the first one have to fit into their shares.
	most := min(int64(k.client.owner.Concurrency), limit/max(2*int64(k.size), 2*first.size, 1))
	if most == 0 {
		return
	}
	size := int64(len(first.records))
	pages := (k.guard.total + size - 1) / size
	a := &ahead{fetched: map[int64]fetching{}, most: int(most), share: limit / most, next: next.number, stride: 1}
	a.last = int64(k.spec.Paging.First) + pages - 1
	if by == Offset {
		a.stride, a.last = size, k.guard.total-1
	}
	if most := int64(k.spec.Paging.MaxPages); most > 0 {
		a.last = min(a.last, next.number+(most-2)*a.stride)
	}
	k.ahead = a
}

// stop lets go of everything that is fetched ahead.
func (a *ahead) stop() {
	if a == nil {
		return
	}
	for _, f := range a.fetched {
		f.stop()
	}
	a.running.Wait()
}

// fetchAhead is the page of the walk's step if it is fetched ahead; false if it
// is not, and then nothing is any more.
func (k *walk) fetchAhead(ctx context.Context) (fetchedPage, bool) {
	a := k.ahead
	if a == nil {
		return fetchedPage{}, false
	}
	for a.next <= a.last && len(a.fetched) < a.most {
		k.start(ctx, a)
	}
	waiting, ok := a.fetched[k.step.number]
	if !ok {
		a.stop()
		k.ahead = nil
		return fetchedPage{}, false
	}
	delete(a.fetched, k.step.number)
	defer waiting.stop()
	select {
	case p := <-waiting.got:
		if !p.large {
			return p, true
		}
		a.stop()
		k.ahead = nil
		return fetchedPage{}, false
	case <-ctx.Done():
		return fetchedPage{err: ctx.Err()}, true
	}
}

// start asks for the next page ahead.
func (k *walk) start(ctx context.Context, a *ahead) {
	ctx, stop := context.WithCancel(ctx)
	got := make(chan fetchedPage, 1)
	a.fetched[a.next] = fetching{got, stop}
	q, _, err := k.question(k.asker, step{number: a.next})
	a.next += a.stride
	q.most = a.share
	if err != nil {
		got <- fetchedPage{err: err}
		return
	}
	a.running.Go(func() {
		var p fetchedPage
		if p.response, p.err = k.send(ctx, q, false); p.err == nil {
			p.page, p.err = k.read(p.response)
		}
		if p.page != nil {
			p.response.body = nil // the page holds what it needs of it
		}
		p.large = syncer.Classify(p.err) == syncer.ClassTooLarge || p.page != nil && p.page.size > a.share
		got <- p
	})
}
