package sources

import (
	"time"

	"github.com/larder-sync/larder/syncer/row"
)

// Spec says how one source is asked, paged and read. Paths are dotted, as
// decode.ParsePath reads them; a place is a path in the response body, with or
// without "body:", or "header:NAME". The zero value of a field means that it
// was not given.
type Spec struct {
	Name    string
	Mode    Mode
	Request Request
	Paging  Paging
	Records Records
	// Watermark is not used by a snapshot.
	Watermark Watermark
	Expired   Expired
	Resync    Resync
	Epoch     Epoch
	// Newest is not looked for unless it has a format.
	Newest Newest
	// Versioned says that a record is in the feed once, as it is, and that tables
	// keep the newest version of a row in whatever order versions come. Without
	// it, as in a feed of events, windows are walked one after the other: a
	// deletion that came before an older event would be forgotten.
	Versioned bool
	// Unnamed has the fields of records told that nobody named: neither a path
	// begins with them, nor anything else here. Open are fields that are told
	// though a path of Paths begins with them, unless the source itself reads
	// them: not all of its tables do.
	Unnamed bool
	Open    []string
	// Floored says that every table can tell its rows that lie before
	// Watermark.Initial from the others: a list that is asked from there is
	// complete for the others. See syncer.End.
	Floored bool
	// Paths is the path set: path i fills slot i of every record. "each.NAME"
	// is a value of the partition. Records may hold further slots behind
	// these, which the source needs for itself.
	Paths []string
	// Optional are those of Paths that the header of a format with a header may
	// lack. Without any other, or a field that the source reads for itself, the
	// body is refused: each of its records would lose the field.
	Optional []string
}

// Mode is what a poll asks for.
type Mode string

// The modes: changes since a watermark that we hold, the whole list each time,
// changes since a token or link that the owner hands us, or events in the order
// in which they were appended.
const (
	Incremental Mode = "incremental"
	SnapshotAll Mode = "snapshot"
	Delta       Mode = "delta"
	Log         Mode = "log"
)

// Request is how a source asks.
type Request struct {
	Method  string // GET unless said
	Path    Template
	Query   []Param
	Headers []Header
	// Body: a text is sent as it is, everything else as JSON; but an object whose
	// ContentType is that of a form is sent as one. nil: none.
	Body        *Value
	ContentType string // of the body; "": application/json
	// Plus writes a space in a query or a form as a plus, in place of %20.
	Plus bool
	// Conditional sends the validator of the last answer back.
	Conditional bool
	// Whole has answers read whole, however long: an error behind the records
	// may say, as in GraphQL, that some of their nulls are none.
	Whole bool
	// Later changes the request for every page after the first.
	Later Later
}

// Later replaces first-level keys of a request for every page after the first.
type Later struct {
	// Query replaces the parameters of the same name, and adds those of a new
	// one; a parameter without values goes away.
	Query []Param
	// Body does the same to the members of a body that is an object.
	Body []Member
	// Without names members of the body that go away.
	Without []string
}

// Param is a query parameter. Several values repeat it; a list or an object is
// sent as JSON text.
type Param struct {
	Name   string
	Values []Value
}

// Header is a request header.
type Header struct {
	Name  string
	Value Template
}

// Paging is how the pages of a walk follow each other and when they end.
type Paging struct {
	By Style
	// Assumed says that By is None because nothing tells of pages, not because
	// somebody wants one answer only: then one that says that more follows fails.
	Assumed   bool
	Next      string // a place
	First     int    // the number of the first page
	Size      int    // 0: not said
	More      Test
	Total     string // a place
	Pages     string // a place
	ShortPage bool   // a page of fewer records than Size is the last
	MaxPages  int    // 0: no bound
	MaxTime   time.Duration
}

// Style is one way that pages follow each other.
type Style string

// The paging styles.
const (
	None    Style = "none"
	Cursor  Style = "cursor"
	NextURL Style = "next_url"
	Link    Style = "link"
	Page    Style = "page"
	Offset  Style = "offset"
	Keyset  Style = "keyset"
	Since   Style = "since" // each page moves {since} to the watermark so far
)

// Test is a place and what it must hold.
type Test struct {
	At string
	// Equals lists the JSON values that it may hold. None: it must be there
	// and be neither null nor false.
	Equals []string
}

// Records is where the records are in a response and what they say of
// themselves.
type Records struct {
	At     string // path of what holds the records; "": the body does
	As     As
	Format Format
	// Separator stands between the fields of CSV; "": a comma.
	Separator string
	// AbsentEmpty takes an answer without At for one without records. It needs
	// Require, which tells such an answer from one of another kind.
	AbsentEmpty bool
	// Unwrap is the path of the record inside its envelope. "event:PATH" is
	// then a path of the envelope, in which Key, Deleted, Version and the
	// watermark are looked for first. An event with nothing there has to be a
	// deletion.
	Unwrap string
	Key    []string // may name each.NAME
	// Version lists the fields by which newer is told from older. It is needed
	// with Unwrap only.
	Version []string
	// Deleted is the field that marks a record as gone: present, neither null
	// nor false, or, with DeletedEquals, one of those JSON values.
	Deleted       string
	DeletedEquals []string
	// DeletedList and DeletedAsk list what is gone apart from what has changed:
	// in the same answer, or at an endpoint of their own.
	DeletedList DeletedList
	DeletedAsk  *DeletedAsk
	// Hydrate says that the records hold no more than which ones changed, and
	// how these are fetched.
	Hydrate *Hydrate
	Error   string // a place which, when there and not empty, makes a 200 a failure
	Require Test   // that must hold
}

// As is how records stand in a body.
type As string

// The forms of records: the elements of an array; the values of an object,
// whose names are "event:key" and which may be scalars where the path "" asks
// for them; a single object; parallel arrays, zipped, of which a path's first
// name is one; scalars, which their key's path or "" reads.
const (
	AsArray   As = ""
	AsMap     As = "map"
	AsOne     As = "one"
	AsColumns As = "columns"
	AsValue   As = "value"
)

// DeletedList is a list of what is gone, in the answer that holds the changes.
// It is taken before them. Where it is absent or null, nothing is gone.
type DeletedList struct {
	At  string // path of the array
	Key string // path in its elements; "": they are keys
}

// DeletedAsk is an endpoint of what is gone: one answer. It is asked ahead of
// every walk for changes, with the same {since} and {until}; such a walk cannot
// be resumed.
type DeletedAsk struct {
	Request Request
	At      string // path of the array, which must be there, or be null
	Key     string // path in its elements; "": they are keys
	// From is the place of how far the answer reaches, in the watermark's
	// format: the lesser of the two counts as the watermark.
	From string
	// Earliest is the place of how far back the owner can tell, in the same
	// format: what is asked since before then has expired.
	Earliest string
}

// Hydrate is how the records of a feed that carries ids only are fetched: as a
// batch, where Request holds {keys}, else one by one, by {record.FIELD}. These
// and {each.NAME} are its only placeholders.
//
// A record that is asked for and not answered goes to quarantine under its key,
// and its row stays. So does every record that an answer leaves out for one
// that was not asked for, which is dropped.
//
// A page is the least step of such a walk: one that is broken off inside a page
// fetches it from its first record on the next time. An owner whose quota is
// less than the requests of one page can therefore not be copied so.
type Hydrate struct {
	Request Request
	Batch   int    // keys in one request; 100
	Join    string // between the keys in a text; ","
	At      string // path of the array of records, or of the single one; "": the body
	// Deleted is the field that marks a fetched record as gone: present,
	// neither null nor false. A single record is gone by status 404 and 410,
	// too.
	Deleted string
	// MissingDeleted takes what a batch is not answered with for gone.
	MissingDeleted bool
}

// Format is how a body holds records: the name of one of decode.Formats.
type Format string

// The formats of bodies.
const (
	JSON   Format = "json"
	NDJSON Format = "ndjson" // one record a line
	CSV    Format = "csv"    // a header, and one record a line
)

// Watermark is what a source is asked for next and where that comes from:
// exactly one of From, Place, Last, First and Start.
type Watermark struct {
	From  []string // of records: the maximum of the first that is not null
	Place string   // of the first response; of an opaque one, of the last that has it
	Last  string   // path in the last record of the walk
	// First is a path in the first record of the walk's first page, for feeds
	// that come newest first; paged by Since, of each page. It turns the
	// records of a page round, so that they are applied oldest first.
	First string
	Start bool // the owner's time at the walk's start
	// Exactly one of Opaque and Format is given. Last and First with a Format
	// need one that counts.
	Opaque       Opaque
	Format       *row.Format
	Overlap      time.Duration // of times: what is asked again each walk
	OverlapCount int64         // of integers
	// Ask is how {since}, {until} and {now} are written; nil: as Format does.
	// An opaque watermark is asked as it came.
	Ask *row.Format
	// Settle keeps {until}, and with it the watermark and as-of, this far behind
	// the owner's time at the walk's start.
	Settle time.Duration
	// Window cuts a walk that covers more than it into slices [since, until) of
	// this length, Slices of which are walked at one time; 0: no slices. Slices
	// 0 is the owner's concurrency, which it never exceeds.
	Window  time.Duration
	Slices  int
	Initial string // where the first walk starts, in Format; "": the beginning
	Order   Order
	Null    Null
}

// Opaque is what a watermark is that only its owner can read: it is handed
// back as it came. It has no overlap, no bound by time and no lateness.
type Opaque string

// The opaque watermarks: a text for {since}, or the next walk's first request,
// of the owner's origin; a walk without one asks by the source's own request.
const (
	Token Opaque = "token"
	URL   Opaque = "url"
)

// Expired is how an owner tells that it cannot say any more what changed since
// the watermark: by a status, and where At is given, by what stands there.
type Expired struct {
	Status []int
	At     string // a place; of a success, too, if Status holds it
	Equals []string
}

// Resync is how everything is asked for where that differs from how changes
// are: a part that is given replaces the source's.
type Resync struct {
	// Known says that there is a way to ask for everything. Of a delta without
	// a part here, asking without a watermark is that way.
	Known     bool
	Request   *Request
	Paging    *Paging
	Records   *Records
	Watermark *Watermark
	// Before is asked before the list; the watermark's Place is in its answer.
	// Without it, the Place of a list asked by Request is in its first page.
	Before *Request
}

// Epoch is how an owner tells that its history started again, so that no
// watermark of before is good.
type Epoch struct {
	// Request is asked ahead of each walk; nil: At is in every page.
	Request *Request
	At      string // a place; "": nothing names the history
	// Falling says that only a smaller value is another history. Values are
	// integers or RFC 3339 times.
	Falling bool
	// Contiguous says that a watermark of integers leaves none out: a gap
	// behind what was asked, or between records that come ascending, is another
	// history.
	Contiguous bool
}

// Order is what the owner promises about the sequence of records.
type Order string

// The orders. Unordered is the default.
const (
	Unordered  Order = "none"
	Ascending  Order = "ascending"
	Descending Order = "descending"
)

// Null is what happens to records without a watermark.
type Null string

// The policies. NullFail is the default.
const (
	NullFail    Null = "fail"
	NullInclude Null = "include"
	NullSkip    Null = "skip"
)
