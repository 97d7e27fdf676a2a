package owners

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"time"
)

// past is how far back the stamps of the first records reach.
const past = 30 * 24 * time.Hour

// table is the records of one service in the order of their last commits:
// a change stamps its record anew and moves it to the end. So the slice is
// at once the feed, and a reader under the lock sees whole commits only.
type table[R any] struct {
	kind kind[R]

	mu     sync.Mutex
	rng    *rand.Rand
	rows   []row[R]  // stamps rise strictly
	last   time.Time // the newest stamp
	nextID int64
	live   int
	frozen bool
}

// row is a record and its standing. A deleted row never changes again.
type row[R any] struct {
	id     int64
	stamp  time.Time // UTC, whole ticks
	gone   bool
	record R
}

// kind is what a table needs to know of its records.
type kind[R any] struct {
	tick    time.Duration // the feed writes stamps this finely
	size    int           // records at the start
	make    func(rng *rand.Rand, id int64) R
	alter   func(rng *rand.Rand, id int64, old R) R
	columns func(row[R]) Row
}

// newTable makes a table with its first records, committed in random order
// during the past.
func newTable[R any](k kind[R], rng *rand.Rand) *table[R] {
	t := &table[R]{kind: k, rng: rng, last: time.Now().UTC().Add(-past).Truncate(k.tick)}
	pause := int64(past / k.tick / time.Duration(k.size))
	for _, n := range rng.Perm(k.size) {
		t.last = t.last.Add(k.tick * time.Duration(1+rng.Int64N(pause)))
		id := int64(n + 1)
		t.rows = append(t.rows, row[R]{id: id, stamp: t.last, record: k.make(rng, id)})
	}
	t.live, t.nextID = k.size, int64(k.size)+1
	return t
}

// change makes n changes, all visible at once.
func (t *table[R]) change(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for range n {
		t.changeLocked()
	}
}

// drift makes one change, unless frozen.
func (t *table[R]) drift() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.frozen {
		t.changeLocked()
	}
	return !t.frozen
}

func (t *table[R]) freeze() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.frozen = true
}

// changeLocked commits an update, or now and then an insert or a delete. The
// live records stay between half and twice the first size, and at least one.
// Tombstones are kept for ever and only add up.
func (t *table[R]) changeLocked() {
	switch dice := t.rng.IntN(100); {
	case dice < 15 && t.live < 2*t.kind.size:
		t.commitLocked(row[R]{id: t.nextID, record: t.kind.make(t.rng, t.nextID)})
		t.nextID++
		t.live++
	case dice >= 85 && t.live > 1 && t.live > t.kind.size/2:
		r := t.takeLocked()
		r.gone = true
		t.commitLocked(r)
		t.live--
	default:
		r := t.takeLocked()
		r.record = t.kind.alter(t.rng, r.id, r.record)
		t.commitLocked(r)
	}
}

// takeLocked removes a random live row, to be committed anew.
func (t *table[R]) takeLocked() row[R] {
	skip := t.rng.IntN(t.live)
	at := slices.IndexFunc(t.rows, func(r row[R]) bool {
		if r.gone {
			return false
		}
		skip--
		return skip < 0
	})
	r := t.rows[at]
	t.rows = slices.Delete(t.rows, at, at+1)
	return r
}

// commitLocked stamps a row and appends it. Stamps rise by a tick at least,
// whatever the clock does, so no two commits of a service share one.
func (t *table[R]) commitLocked(r row[R]) {
	r.stamp = time.Now().UTC().Truncate(t.kind.tick)
	if !r.stamp.After(t.last) {
		r.stamp = t.last.Add(t.kind.tick)
	}
	t.last = r.stamp
	t.rows = append(t.rows, r)
}

// mark is a place in a feed: just behind the row with this stamp and id.
// Ids begin at 1, so a mark with id 0 lies before all rows of its stamp.
type mark struct {
	stamp time.Time
	id    int64
}

func (m mark) compare(stamp time.Time, id int64) int {
	return cmp.Or(m.stamp.Compare(stamp), cmp.Compare(m.id, id))
}

// oldest is a page of the rows behind a mark, oldest change first, and
// whether more follow.
func (t *table[R]) oldest(after mark, limit int) (page []row[R], more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := t.rows[t.behindLocked(after):]
	n := min(limit, len(rest))
	return slices.Clone(rest[:n]), n < len(rest)
}

// newest is a page of the rows changed since then, that instant included,
// newest change first, and how many there are in all.
func (t *table[R]) newest(since time.Time, offset, limit int) (page []row[R], total int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.rows[t.behindLocked(mark{stamp: since}):]
	end := len(all) - min(offset, len(all))
	page = slices.Clone(all[max(0, end-limit):end])
	slices.Reverse(page)
	return page, len(all)
}

func (t *table[R]) behindLocked(after mark) int {
	return sort.Search(len(t.rows), func(i int) bool {
		return after.compare(t.rows[i].stamp, t.rows[i].id) < 0
	})
}

func (t *table[R]) truth() []Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	live := make([]row[R], 0, t.live)
	for _, r := range t.rows {
		if !r.gone {
			live = append(live, r)
		}
	}
	slices.SortFunc(live, func(a, b row[R]) int { return cmp.Compare(a.id, b.id) })
	rows := make([]Row, len(live))
	for i, r := range live {
		rows[i] = t.kind.columns(r)
	}
	return rows
}

// behind is the mark behind the last row of a page that is not empty.
func behind[R any](page []row[R]) mark {
	last := page[len(page)-1]
	return mark{last.stamp, last.id}
}
