package syncer

import "time"

// Watch hears how all copies stand, once a second, from the one goroutine that
// judges them apart from the polls. It must not block: the next judgement
// waits for it.
type Watch interface {
	Judged(now time.Time, all []Judged)
}

// Judged is how one copy stands, with what somebody who is told of it asks
// next. It is made from what this process knows, so that a database or an owner
// that hangs cannot silence it.
type Judged struct {
	Freshness
	Source, Consumer string
	// Alarm is how loud it is: Fresh, Warn or Critical. A copy that never was
	// complete, or of which nothing can be told, becomes loud when it has been
	// so for longer than its budget.
	Alarm Level
	// Since is when Alarm's budget was passed; zero: it was not.
	Since time.Time
	// Limit is the budget that Alarm stands for, or of critical where nothing
	// alarms; Digest is another text whenever the copy's budget is another one.
	Limit  time.Duration
	Digest string
	// Failure is why the last poll or resync failed, and FailingSince when the
	// first of an unbroken row of such began; nil and zero if it did not.
	Failure      *Failure
	FailingSince time.Time
	// NextPoll is when it is polled next; zero: not known.
	NextPoll time.Time
	// Polled is when a poll last ended in this process, well or not; zero: none
	// did.
	Polled time.Time
	// LastRows are the rows that the last complete poll wrote or deleted,
	// Quarantined the records set aside in this process's sight.
	LastRows, Quarantined int64
	// Paused copies are not polled because somebody said so. Standby says that
	// another daemon holds the lease: that one judges and tells.
	Paused, Standby bool
}
