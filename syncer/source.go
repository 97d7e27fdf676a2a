package syncer

import (
	"context"
	"iter"
	"time"
)

// Source is one changed-since feed of an owner. The Poll consumes it.
type Source interface {
	// Walk asks the owner page by page and yields batches in the order in
	// which they must be applied. The sequence ends with a batch whose End is
	// set, or with an error; it yields nothing after either. A walk that can
	// not go on from where w.From.Resume stands yields ErrNotResumable before
	// any batch; ErrExpired says, before or behind any page, that everything
	// has to be asked for. Stopping the iteration, or ending the context,
	// releases everything the walk holds. One Source serves one walk for
	// changes and one listing walk at a time for each partition.
	Walk(ctx context.Context, w Walk) iter.Seq2[*Batch, error]
}

// WalkKind says what a walk is for.
type WalkKind string

const (
	// Changes asks for what changed since the watermark.
	Changes WalkKind = "changes"
	// Snapshot reads the whole list, as every poll of a snapshot source does.
	Snapshot WalkKind = "snapshot"
	// Resync reads everything from zero and replaces the copy without
	// emptying it first.
	Resync WalkKind = "resync"
	// Audit reads everything to compare it with the copy.
	Audit WalkKind = "audit"
)

// Listing reports whether a complete walk of this kind notes every key it
// sees, so that what it has not seen can be swept.
func (k WalkKind) Listing() bool { return k == Snapshot || k == Resync || k == Audit }

// Walk is one way through a source: from a position to the feed's true end.
type Walk struct {
	// ID names the walk. A resumed walk keeps its ID.
	ID   string
	Kind WalkKind
	// Partition is the one that is walked.
	Partition Partition
	// From is where the walk starts, or, with From.Resume, goes on.
	From Position
	// Sent is when the walk's first request was sent, or a moment before: the
	// instant that as-of is measured from. It carries a monotonic reading. A
	// resumed walk keeps its first start.
	Sent time.Time
	// Audit says how an audit compares; nil in walks of other kinds.
	Audit *Comparison
}

// Batch is a response of the owner, or a window of a streamed one.
type Batch struct {
	Records []Record
	// Resume is where the walk can go on after this batch; nil where it
	// cannot (streamed walks, and those by page, offset or links that count,
	// start again).
	Resume *Resume
	// End is set on the last batch of a complete walk, and only there.
	End *End
	// Size is how many bytes of memory the batch holds, about.
	Size int64
	// Shows is the latest moment at which the owner itself can have given the
	// oldest answer of the walk so far, where a cache handed one out (HTTP Age).
	// Zero: none did.
	Shows time.Time
}

// Record is one item as the owner sends it, cut down to the paths the source
// was compiled with.
type Record struct {
	// Slots holds, for each path of the source's path set, the JSON text found
	// there, exactly as sent; nil where the path is absent.
	Slots [][]byte
	// Gone says that the owner reports the record as deleted. Key and version
	// slots are then all that matters.
	Gone bool
	// Lacking says why the owner did not hand the record out though it told
	// that the record changed; "" where it did. It follows the record's name in
	// a sentence. Only the key slots matter then: the record is set aside, and
	// the row of its key stays as it is.
	Lacking string
	// Late is how far the record's stamp lies before the watermark that the
	// walk asked from; 0 if it does not. For a row that is new to the table it
	// is the observed lateness of the owner's commits.
	Late time.Duration
	// Unnamed are the fields of the record, not deeper ones, that no path of the
	// source begins with, in the owner's order, and those that only other tables
	// of the source name. Empty unless the source was asked to tell them.
	Unnamed []Field
	// Untold says that there are more of them than a source tells of one record.
	Untold bool
}

// Field is a member of a record that nobody named.
type Field struct {
	Name string
	// Raw is the JSON text of the value.
	Raw []byte
}

// End is what a complete walk proves.
type End struct {
	// Watermark is what to ask for next, in the owner's own text.
	Watermark string
	// Validator is the ETag or date of a one-page answer; "" for none.
	Validator string
	// Listed says that the walk saw every record that the owner has (of this
	// partition), so that what it did not see is missing.
	Listed bool
	// Floor, with Listed, is the version that the list begins at, as JSON text in
	// the owner's own form: rows that are older, or have no version, were not
	// asked for and are not missing. Nil: the list has everything.
	Floor []byte
	// Newest is the stamp of the newest record that the walk saw, put on our
	// clock: as long before Walk.Sent as it lay before the owner's clock then.
	// Zero: nothing tells.
	Newest time.Time
	// Unchanged says that the owner answered "not modified": everything held
	// is as it was.
	Unchanged bool
	// Age is how old the answer already was when it was sent (HTTP Age).
	Age time.Duration
	// Epoch names the owner's history that the watermark belongs to; "" where
	// the owner does not tell.
	Epoch string
}
