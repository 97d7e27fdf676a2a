package sources

import (
	"encoding/binary"
	"hash/maphash"
	"strconv"
)

const (
	// barrenPages is how many successive pages may come without a new key.
	barrenPages = 1000
	// knownKeys bounds how many keys a walk remembers to tell new ones: it
	// forgets them then, and begins to remember anew. max_time bounds such a
	// walk. countedKeys is the same for a walk that has a total: a key that
	// comes again behind so many others is counted twice.
	knownKeys, countedKeys = 1 << 18, 1 << 23
	// knownSteps bounds how many pages a walk remembers to find loops.
	knownSteps = 1 << 20
	// repeats is how often a walk whose counts do not agree is walked again.
	repeats = 3
)

// guard notices that a pass through the pages does not come to an end, or
// comes to one without having seen everything.
type guard struct {
	seed  maphash.Seed
	keys  map[keyHash]struct{}
	steps map[uint64]struct{}
	slots []int
	// counted walks remember many keys, because there is a total to compare
	// their number with, which is that of keys and of forgotten.
	counted   bool
	most      int // keys that are remembered
	forgotten int64
	// newestFirst feeds put what is added behind the walk: of those, what was
	// told first as total is all that the walk can see.
	newestFirst bool
	// blind walks are bounded and counted by nothing: a record that changes
	// leaves the pages, those behind it close up, and nothing tells. They are
	// read until two passes bring the same.
	blind    bool
	sum      uint64 // of this pass
	before   uint64 // of the one before
	pages    int
	barren   int
	news     bool   // the last page had a key that is new
	again    []bool // which records of the last page have keys of earlier ones
	moved    bool   // a record was read, changed, and came again
	gap      bool   // a page by since begins behind the end of the one before
	full     bool   // the last page by since had as many records as were asked
	received int64  // records
	wanted   int64  // of the total
	total    int64
	told     bool // the owner has told a total
	fell     bool
}

// keyHash is the hash of a key. As bytes it takes about half the room in a set
// that an integer does, which is aligned.
type keyHash [8]byte

func newGuard(slots []int, counted, newestFirst bool) *guard {
	g := &guard{seed: maphash.MakeSeed(), slots: slots, counted: counted, most: knownKeys, newestFirst: newestFirst}
	if counted {
		g.most = countedKeys
	}
	g.restart()
	return g
}

// restart forgets everything, for another pass.
func (g *guard) restart() {
	g.before, g.sum = g.sum, 0
	g.keys, g.steps = map[keyHash]struct{}{}, map[uint64]struct{}{}
	g.pages, g.barren, g.received, g.wanted, g.total, g.forgotten = 0, 0, 0, 0, 0, 0
	g.told, g.fell, g.moved, g.gap, g.full = false, false, false, false, false
}

// page takes note of a page, and fails if the walk goes round in a circle.
func (g *guard) page(s step, records [][][]byte) error {
	g.pages++
	var h maphash.Hash
	h.SetSeed(g.seed)
	s.hash(&h)
	for _, record := range records {
		hashField(&h, nil)
		for _, slot := range record {
			hashField(&h, slot)
		}
	}
	sum := h.Sum64()
	g.sum = g.sum*31 + sum
	if _, again := g.steps[sum]; again {
		return pagingError("the same page comes again for the same request: the pages go round in a circle")
	}
	if len(g.steps) >= knownSteps {
		clear(g.steps)
	}
	g.steps[sum] = struct{}{}

	if g.news = g.fresh(records); g.news {
		g.barren = 0
	} else if g.barren++; g.barren >= barrenPages {
		return pagingError("%d successive pages bring no new key", barrenPages)
	}
	return nil
}

// fresh remembers the keys of a page and reports whether any is new.
func (g *guard) fresh(records [][][]byte) bool {
	fresh := false
	if len(g.keys) >= g.most {
		g.forgotten += int64(len(g.keys))
		clear(g.keys)
	}
	g.again = append(g.again[:0], make([]bool, len(records))...)
	for i, record := range records {
		var h maphash.Hash
		h.SetSeed(g.seed)
		for _, slot := range g.slots {
			hashField(&h, record[slot])
		}
		var sum keyHash
		binary.NativeEndian.PutUint64(sum[:], h.Sum64())
		if _, known := g.keys[sum]; known {
			g.again[i] = true
			continue
		}
		fresh = true
		g.keys[sum] = struct{}{}
	}
	return fresh
}

// count takes note of the owner's total.
func (g *guard) count(total int64) {
	g.fell = g.fell || total < g.total
	g.total = total
	if !g.newestFirst || !g.told {
		g.wanted = total
	}
	g.told = true
}

// seen is how many keys the pass has seen.
func (g *guard) seen() int64 { return g.forgotten + int64(len(g.keys)) }

// unfinished says why a pass that came to its end has not seen everything; ""
// if nothing says so. A resumed pass does not know the keys before it.
func (g *guard) unfinished(resumed bool) string {
	switch {
	case g.fell:
		return "the total fell on the way"
	case g.gap:
		return "a page does not begin with the record that the one before ended with, so that others of its stamp may lie between; " +
			"the owner's since has to include the moment that is asked for"
	case g.moved:
		return "a record that was read changed, and its place on the pages with it, so that another may have slipped by; " +
			"order = \"descending\", a total or a cursor would tell"
	case g.blind && g.pages > 1 && g.sum != g.before:
		return "a record that changes leaves what is asked for, and others may have slipped by; a total or a cursor would tell"
	case !resumed && g.seen() < g.wanted:
		return strconv.FormatInt(g.seen(), 10) + " keys came of a total of " + strconv.FormatInt(g.wanted, 10)
	}
	return ""
}

// hash writes down what tells one request of a walk from another.
func (s step) hash(h *maphash.Hash) {
	if s.url != nil {
		hashField(h, []byte(s.url.String()))
	}
	hashField(h, s.cursor)
	maphash.WriteComparable(h, s.number)
	maphash.WriteComparable(h, len(s.last))
	for _, v := range s.last {
		hashField(h, v)
	}
}

// hashField adds one field so that its neighbours cannot run into it.
func hashField(h *maphash.Hash, b []byte) {
	size := len(b)
	if b == nil {
		size = -1
	}
	maphash.WriteComparable(h, size)
	_, _ = h.Write(b)
}
