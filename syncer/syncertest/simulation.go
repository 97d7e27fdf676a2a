package syncertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Change is one write of a simulated owner, as its commit log has it. Its
// times count from the start of the history.
type Change struct {
	Key  int
	Gone bool
	// Stamp is what the record carries, in whole seconds; Commit is when the
	// change holds, Visible when the owner's readers first see it.
	Stamp, Commit, Visible time.Duration
}

// Feed says how a simulated owner offers its records.
type Feed struct {
	// Snapshot feeds list what lives; others send tombstones.
	Snapshot bool
	// ByKey pages in the order of keys, not in that of stamps.
	ByKey bool
	// Resumable pages carry a place to go on from.
	Resumable bool
	// Page is the number of records in one, and Takes how long one takes.
	Page  int
	Takes time.Duration
	// Overlap is how far before the watermark the source asks.
	Overlap time.Duration
	// Invisible deletions are told by no feed: the record is not there any more.
	Invisible bool
}

var (
	errKilled = errors.New("killed")
	errOwner  = errors.New("owner hangs up")
)

// owner keeps a commit log and is the syncer.Source that reads it.
type owner struct {
	Feed
	log   []Change
	start time.Time

	mu sync.Mutex
	// failAt is the page of a walk that fails with why, and with then before
	// it does; refuse makes walks refuse to be resumed.
	failAt int
	why    error
	then   func()
	refuse bool
	// walks and pages count the work of one poll; ended says that a walk of it
	// was complete.
	walks, pages int
	ended        bool
}

func (o *owner) clock() time.Duration { return time.Since(o.start) }

// quiet makes the owner serve one poll well, and forget the work of the last.
func (o *owner) quiet() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failAt, o.why, o.then, o.refuse, o.walks, o.pages, o.ended = 0, errOwner, nil, false, 0, 0, false
}

// visible returns the last change of each key that readers see at an instant,
// with its number in the log.
func (o *owner) visible(at time.Duration) map[int]int {
	return latest(o.log, func(c Change) bool { return c.Visible <= at })
}

// latest returns for each key the number of its last change that holds is true
// of. Changes of one key commit and become visible in the order of the log.
func latest(log []Change, holds func(Change) bool) map[int]int {
	out := make(map[int]int)
	for i, c := range log {
		if holds(c) {
			out[c.Key] = i
		}
	}
	return out
}

// lister is one walk of the owner.
type lister struct {
	*owner
	walk         syncer.Walk
	lower, began time.Duration
	high         time.Duration
	// stamp and key are the cursor, once the walk has moved.
	stamp time.Duration
	key   int
	moved bool
}

// Walk implements syncer.Source.
func (o *owner) Walk(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
	return func(yield func(*syncer.Batch, error) bool) {
		o.mu.Lock()
		o.walks++
		refused := o.refuse && w.From.Resume != nil
		o.mu.Unlock()
		if refused {
			yield(nil, syncer.ErrNotResumable)
			return
		}
		l := o.begin(w)
		for page := 1; ; page++ {
			b, err := l.request(ctx, page)
			if !yield(b, err) || err != nil || b.End != nil {
				return
			}
		}
	}
}

func (o *owner) begin(w syncer.Walk) *lister {
	l := &lister{owner: o, walk: w, lower: -1, began: o.clock().Truncate(time.Second)}
	if w.From.Watermark != "" {
		l.lower = parse(w.From.Watermark) - o.Overlap
	}
	if r := w.From.Resume; r != nil {
		l.began, l.high, l.moved = parse(r.OwnerStart), parse(r.High), true
		fmt.Sscan(r.Cursor, &l.stamp, &l.key)
	}
	return l
}

// request reads a page half-way through the time it takes.
func (l *lister) request(ctx context.Context, page int) (*syncer.Batch, error) {
	if err := pass(ctx, l.Takes/2); err != nil {
		return nil, err
	}
	b, err := l.answer(page)
	if err != nil {
		return nil, err
	}
	return b, pass(ctx, l.Takes/2)
}

func (l *lister) answer(page int) (*syncer.Batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages++
	if page == l.failAt {
		if l.then != nil {
			l.then()
		}
		if errors.Is(l.why, syncer.ErrExpired) {
			l.failAt = 0 // what has expired once is not asked for again
		}
		return nil, l.why
	}
	b := l.read(l.clock())
	l.ended = l.ended || b.End != nil
	return b, nil
}

// read is the owner's answer at an instant.
func (l *lister) read(at time.Duration) *syncer.Batch {
	var found []int
	for _, i := range l.visible(at) {
		c := l.log[i]
		if (l.Snapshot || l.Invisible) && c.Gone || c.Stamp < l.lower || l.moved && !l.behind(c) {
			continue
		}
		found = append(found, i)
	}
	slices.SortFunc(found, func(a, b int) int { return l.order(l.log[a], l.log[b]) })
	b := &syncer.Batch{}
	if len(found) <= l.Page {
		b.End = &syncer.End{Listed: l.walk.Kind.Listing()}
		if l.Snapshot && !l.moved { // a one-page answer
			b.End.Validator = fmt.Sprint(found)
			if b.End.Unchanged = b.End.Validator == l.walk.From.Validator; b.End.Unchanged {
				return b
			}
		}
	}
	for _, i := range found[:min(l.Page, len(found))] {
		c := l.log[i]
		b.Records = append(b.Records, l.record(i))
		l.stamp, l.key, l.moved = c.Stamp, c.Key, true
		l.high = max(l.high, c.Stamp)
	}
	b.Size = int64(100 * len(b.Records))
	switch {
	case b.End != nil && !l.Snapshot:
		b.End.Watermark = l.watermark()
	case b.End == nil && l.Resumable:
		b.Resume = &syncer.Resume{Walk: l.walk.ID, Kind: l.walk.Kind, From: l.walk.From.Watermark, Sent: l.walk.Sent,
			OwnerStart: l.began.String(), Cursor: fmt.Sprint(int64(l.stamp), l.key), High: l.high.String()}
	}
	return b
}

// watermark never passes the owner's clock at the walk's start: what it shows
// later may still be joined by an earlier stamp. It never moves back.
func (l *lister) watermark() string {
	w := min(l.high, l.began)
	if from := l.walk.From.Watermark; from != "" {
		w = max(w, parse(from))
	}
	return w.String()
}

func (l *lister) behind(c Change) bool {
	return l.order(Change{Stamp: l.stamp, Key: l.key}, c) < 0
}

func (l *lister) order(a, b Change) int {
	if l.ByKey {
		return cmp.Compare(a.Key, b.Key)
	}
	return cmp.Or(cmp.Compare(a.Stamp, b.Stamp), cmp.Compare(a.Key, b.Key))
}

// record writes change i as the owner sends it: key, its number in the log, stamp.
func (l *lister) record(i int) syncer.Record {
	c := l.log[i]
	r := syncer.Record{Gone: c.Gone, Slots: [][]byte{
		[]byte(strconv.Itoa(c.Key)), []byte(strconv.Itoa(i)),
		[]byte(`"` + l.start.Add(c.Stamp).UTC().Format(time.RFC3339) + `"`),
	}}
	if from := l.walk.From.Watermark; from != "" {
		r.Late = max(0, parse(from)-c.Stamp)
	}
	return r
}

// parse reads a watermark or a clock as the owner writes it.
func parse(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(fmt.Sprintf("%q is no text of the simulated owner", s))
	}
	return d
}

// pass lets time go by, or until ctx ends.
func pass(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
