package sourcetest

// Style is how the owner pages.
type Style string

// The styles. All but Delta and Log filter by ?since= and ?until=; all take
// ?part= and ?size=.
const (
	Whole   Style = "whole"  // one array, no paging
	Cursor  Style = "cursor" // meta.next_cursor, sent back as ?cursor=
	NextURL Style = "next"   // links.next, a relative URL
	Link    Style = "link"   // Link header with page numbers
	Page    Style = "page"   // ?page= from 1
	Offset  Style = "offset" // ?offset=
	Keyset  Style = "keyset" // ?after_stamp= and ?after_id=, or ?after_id= alone
	Since   Style = "since"  // nothing but ?since=, which the asker moves
	Lines   Style = "ndjson" // one record a line
	Delta   Style = "delta"  // ?token=, an opaque one; see Sequence
	Log     Style = "log"    // ?after=, the number of an event; see Sequence
)

// Order is the order of the records.
type Order string

// The orders. ByStamp is the default; ties go by id. Records without a stamp
// are older than all others.
const (
	ByStamp     Order = "stamp"
	ByStampDesc Order = "stamp desc"
	ByID        Order = "id"
	// Shuffled cuts pages by id, and shuffles the records of each. The last
	// record of a page is then no place to go on from.
	Shuffled Order = "shuffled"
	// Unsorted shuffles the whole list for each request, so that numbered pages
	// overlap and leave records out.
	Unsorted Order = "unsorted"
)

// tokened reports whether a page leads to the next by a token.
func (s Style) tokened() bool { return s == Cursor || s == NextURL || s == Delta }
