package sourcetest

import "maps"

// knob is one way to be hostile that is counted when it takes effect.
type knob uint8

// The knobs, by the file that has their effect.
const (
	hidden knob = iota // history
	reborn
	restored
	tombstone
	purged
	partition
	withheld
	misfit // wire
	nullStamp
	extraFields
	beyondFloat
	nulCharacter
	invalidUTF8
	stampCut
	stampRoundedUp
	stampEpoch
	stampZoned
	exclusive
	untilInclusive
	packed
	descending // paging
	byID
	shuffled
	unsorted
	capped
	pageAfterPage
	endNull
	endMissing
	endText
	endMore
	endEmpty
	endShort
	totals
	drift
	emptyPage
	recordAgain
	cycleOne
	cycleTwo
	ignored
	fullTie
	tokenUsed // sequence
	replayed
	gapped
	compacted
	trimmed
	skewed // clock
	noDate
	nodeClock
	replicaLag
	lagGrows
	lagShrinks
	slowly
	unchanged // cache
	aged
	asksFresh
	quotaSpent // quota
	quotaTold
	cursorExpired // memory
	tokenExpired
	badToken
	wroteBetween // serve
	knobs
)

// names are what Hits says.
func names() [knobs]string {
	return [knobs]string{
		hidden: "change not visible yet", reborn: "id reused", restored: "backup restored", tombstone: "tombstone",
		purged: "tombstone purged", partition: "partition asked for", withheld: "record withheld",
		misfit: "misfit value", nullStamp: "null stamp", extraFields: "extra fields", beyondFloat: "number beyond 2^53",
		nulCharacter: "NUL character", invalidUTF8: "invalid UTF-8", stampCut: "stamp cut", stampRoundedUp: "stamp rounded up",
		stampEpoch: "stamp as epoch", stampZoned: "stamp in a zone", exclusive: "exclusive bound", untilInclusive: "inclusive until", packed: "gzip",
		descending: "order descending", byID: "order by id", shuffled: "order shuffled", unsorted: "order unsorted",
		capped: "page size capped", pageAfterPage: "another page follows",
		endNull: "end by null", endMissing: "end by missing next", endText: "end by empty text", endMore: "end by more",
		endEmpty: "end by empty page", endShort: "end by short page",
		totals: "totals told", drift: "totals drift", emptyPage: "empty page between", recordAgain: "record on the next page again",
		cycleOne: "cycle of one", cycleTwo: "cycle of two", ignored: "parameter ignored", fullTie: "page full of one stamp",
		tokenUsed: "delta token used", replayed: "old item replayed", gapped: "number given early", compacted: "event compacted",
		trimmed: "event trimmed",
		skewed:  "clock skew", noDate: "no Date", nodeClock: "node clock", replicaLag: "replica lag", lagGrows: "lag grows between requests",
		lagShrinks: "lag shrinks between requests", slowly: "slow answer",
		unchanged: "not modified", aged: "answer from a cache", asksFresh: "cache passed by", quotaSpent: "quota spent", quotaTold: "quota told",
		cursorExpired: "cursor expired", tokenExpired: "token expired", badToken: "token refused", wroteBetween: "write between requests",
	}
}

// counts is how often each knob took effect, and each fault by its name.
type counts struct {
	knobs  [knobs]int
	faults map[string]int
}

func (c *counts) add(k knob) { c.knobs[k]++ }

// when counts a knob if it took effect.
func (c *counts) when(took bool, k knob) {
	if took {
		c.knobs[k]++
	}
}

func (c *counts) all(marks []knob) {
	for _, k := range marks {
		c.knobs[k]++
	}
}

func (c *counts) fault(name string) {
	if c.faults == nil {
		c.faults = map[string]int{}
	}
	c.faults[name]++
}

// Hits is how often each knob took effect, by name: it changed an answer. That
// it is set counts nothing. Faults count by their own names. What never took
// effect is left out.
func (o *Owner) Hits() map[string]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := maps.Clone(o.hits.faults)
	if all == nil {
		all = map[string]int{}
	}
	for k, name := range names() {
		if n := o.hits.knobs[k]; n > 0 {
			all[name] = n
		}
	}
	return all
}

// Knobs are all names that Hits may hold, but for those of faults that the
// caller made up.
func Knobs() []string {
	all := names()
	return append(all[:], faultNames()...)
}
