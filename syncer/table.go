package syncer

import (
	"context"
	"time"
)

// Table is a consumer's local copy of one source, with its positions. All
// implementations pass the conformance suite in syncertest.
//
// Every write is one transaction of the consumer's database that first checks
// the lease generation; ErrFenced is returned where another daemon holds the
// lease. Instants are kept on the database's clock: a Table writes
// now() − Age(instant) and reads back time.Now() − (now() − stored), so that
// clocks are never compared with each other. Where the database's clock is set
// back, the daemon that holds the lease moves what is stored with it (see Clock);
// while none does, all looks younger by as much. Methods may be called
// concurrently for different partitions.
type Table interface {
	// Standing reads where the table stands. A partition that was never polled
	// has the zero Position. If the table's shape is not covered by the stored
	// one, Resync is set, and if the source is another one, the Position is
	// zero: of a column that was added, changes can go on to be asked for.
	Standing(ctx context.Context, p Partition) (Standing, error)

	// Apply writes the records of all batches, in order, and the last batch's
	// Resume, in one fenced transaction. Keys are folded by version over all
	// batches; a row older than the table's is left alone; an unchanged row is
	// not rewritten; a record that does not fit goes to quarantine. In a
	// listing walk every key is noted as seen; the notes of another walk are
	// thrown away first. The watermark does not move.
	//
	// Walks for changes go on beside a listing walk of the same partition. A
	// key that one of them wrote while the listing walk is under way belongs to
	// it: it counts as seen, and what the list says of it is left alone, because
	// what the list has may be older, and what is newer will be told as a change.
	// Where these keys are lost with the notes, Apply is ErrListLost if it can
	// tell: nothing is written and the walk starts again, as after Settle.
	//
	// An audit writes nothing but what it repairs. See Comparison.
	Apply(ctx context.Context, w Walk, batches []*Batch) (Applied, error)

	// Settle writes what a walk came to, in one fenced transaction: the sweep
	// of a listing walk, watermark, as-of and deadlines, or the failure, which
	// moves nothing. ErrListLost says that the notes of a listing walk are not
	// whole any more: nothing is swept and the walk starts again. An end is
	// settled once: what becomes of a settlement whose commit is in doubt, the
	// next poll finds out.
	Settle(ctx context.Context, w Walk, s Settlement) (Settled, error)
}

// Standing is where a table stands, as Standing reads it.
type Standing struct {
	Position Position
	// AsOf is the instant up to which the partition is complete, zero: never.
	AsOf time.Time
	// DeletesAsOf is the same for deletions: older than AsOf while a sweep is
	// held or unconfirmed.
	DeletesAsOf time.Time
	// ProvenAsOf is the instant up to which the last audit that left no
	// difference found the copy complete; zero: none did.
	ProvenAsOf time.Time
	// Audited is when the last complete audit was sent; zero: none was.
	Audited time.Time
	// Listing is where inside an unfinished snapshot, resync or audit the
	// partition stands; nil: none.
	Listing *Resume
	// FirstSeen is when larder first knew of the partition.
	FirstSeen time.Time
	// Newest is the greatest End.Newest since the last list, which starts over;
	// zero: nothing told it.
	Newest time.Time
	// LastPoll is when a walk last ended, well or not; zero: never.
	LastPoll time.Time
	// FailingSince is when the first of an unbroken row of failed polls began;
	// zero: the last one did not fail.
	FailingSince time.Time
	// Paused tables are not polled.
	Paused bool
	// Resync asks for the next walk to start from zero.
	Resync bool
}

// Applied counts what one Apply did.
type Applied struct {
	Inserted, Updated, Deleted, Unchanged int
	// Quarantined counts records set aside because they do not fit.
	Quarantined int
	// Late is the greatest Record.Late among rows that were inserted or
	// updated.
	Late time.Duration
}

// Add adds b to a.
func (a *Applied) Add(b Applied) {
	a.Inserted += b.Inserted
	a.Updated += b.Updated
	a.Deleted += b.Deleted
	a.Unchanged += b.Unchanged
	a.Quarantined += b.Quarantined
	a.Late = max(a.Late, b.Late)
}

// Settlement is what a walk came to. Exactly one of End and Failure is set.
type Settlement struct {
	End     *End
	Failure *Failure
	// Lag is how long the owner itself may take to show a commit; it shifts
	// as-of back, as End.Age does.
	Lag time.Duration
	// Late is the greatest lateness seen in this walk, 0 for none.
	Late time.Duration
	// Began is when the poll began: a failure is dated by it, because what is
	// wrong was wrong then. Zero: this moment.
	Began time.Time
	// Next is when the next poll is due; zero: not known.
	Next time.Time
	// KeepPosition says that a resync's End leaves the watermark, its epoch, the
	// validator and the place in a walk for changes as they are, because those
	// that the changes lane has reached are newer, and the owner may have
	// forgotten the End's. Shape, as-of and all else move as ever.
	KeepPosition bool
}

// Settled is what Settle did.
type Settled struct {
	AsOf, DeletesAsOf time.Time
	// Swept rows were deleted; Held ones would have been but for the guard;
	// Waiting ones need another complete walk to confirm.
	Swept, Held, Waiting int
	// Audit is what an audit found; nil after walks of other kinds.
	Audit *Audited
}

// Guard is how much a sweep may delete at once.
type Guard struct {
	// Share of the partition's rows, 0 to 1, and Floor, the number of rows
	// below which Share is not looked at.
	Share float64
	Floor int
	// Rows, if not 0, is a bound by itself.
	Rows int
	// All lets an empty answer empty the table.
	All bool
}

// Holds reports whether a sweep of missing out of rows is held back.
func (g Guard) Holds(missing, rows int) bool {
	switch {
	case missing == 0:
		return false
	case missing >= rows && !g.All:
		return true
	case g.Rows > 0 && missing > g.Rows:
		return true
	}
	return missing > g.Floor && float64(missing) > g.Share*float64(rows)
}
