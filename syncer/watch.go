package syncer

import "time"

// Watch hears how all copies stand, at least once a second and at once when one
// of them passes a budget, from the one goroutine that judges them apart from
// the polls. It must not block: the next judgement waits for it. It may keep
// what it is given and must not change it: each round makes another.
type Watch interface {
	Judged(now time.Time, all []Judged)
}

// Judged is how one copy stands, with what somebody who is told of it asks
// next. It is made from what this process knows, so that a database or an owner
// that hangs cannot silence it. Where the copy has several partitions, it is the
// judgement of the loudest, or where none alarms, of the worst: no two are mixed.
type Judged struct {
	Freshness
	Source, Consumer string
	// Alarm is how loud it is: Fresh, Warn or Critical. A copy that never was
	// complete, or of which nothing can be told, becomes loud when it has been
	// so for longer than its budget.
	Alarm Level
	// Since is when Alarm's budget was passed; zero: it was not.
	Since time.Time
	// Limit is the budget that Alarm stands for, or critical where nothing
	// alarms; Measure what that bounds, and Age how much of it there is: of
	// MeasureStaleness it is Staleness, or how long nothing was known.
	Limit   time.Duration
	Measure Measure
	Age     time.Duration
	// Due is the tick of the schedule whose poll has not come, and Grace how late
	// it may be, where the budget that was passed counts from ticks: Limit is the
	// age that this comes to for the copy as it is. Zero: it is a plain age.
	Due   time.Time
	Grace time.Duration
	// Digest is another text whenever the copy's budget is another one.
	Digest string
	// Failure is why the last poll or resync failed, and FailingSince when the
	// first of an unbroken row of such began, in this process or in one before
	// it; nil and zero if it did not. Where another partition alarms than fails, it is nil. While the
	// database cannot be reached at all, that is the failure.
	Failure      *Failure
	FailingSince time.Time
	// Watched is since when this process has judged the copy without a gap: since
	// it began, since another daemon gave the copy up, or since the process went
	// on after it had stood still for longer than a lease lasts (stopped, or on a
	// machine that was suspended). Who waits after a start before telling waits
	// from here again.
	Watched time.Time
	// NextPoll is when it is polled next; zero: not known.
	NextPoll time.Time
	// Polled is when a poll last ended since Watched, well or not; zero: none
	// did. A poll of a table that has to be asked for everything ends with that
	// list.
	Polled time.Time
	// LastRows are the rows that the last complete poll of this process wrote or
	// deleted, LastQuarantined the records that its last poll set aside, complete
	// or not, and Held the rows that its last list would have deleted but for the
	// guard, which nobody has accepted since.
	LastRows, LastQuarantined, Held int64
	// Newest is how new the newest record is, as its owner says, in the partition
	// where that is oldest; zero: nothing tells it. Watermark is what was asked
	// from last; "" if there was none, or one for each of several partitions.
	Newest    time.Time
	Watermark string
	// Paused copies are not polled because somebody said so. Standby says that
	// another daemon holds the lease: that one judges and tells.
	Paused, Standby bool
}
