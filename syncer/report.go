package syncer

import (
	"context"
	"time"
)

// Report tells what one walk of a feed did. It is what poll history keeps. One
// without a Walk tells what kept its tables from taking part in any.
type Report struct {
	Source    string
	Partition string
	// Walk and Kind are those of the walk; a walk that had to be started again
	// within a poll reports its last start.
	Walk string
	Kind WalkKind
	// Resumed says that the walk went on where an earlier poll stood.
	Resumed bool
	Started time.Time
	// Sent is when the walk's first request was sent. See Walk.Sent.
	Sent time.Time
	Took time.Duration
	// Batches, Records and Bytes are what the owner sent.
	Batches, Records int
	Bytes            int64
	// Unchanged says that the owner answered "not modified".
	Unchanged bool
	// Expired says that the owner could not tell what changed: everything is
	// asked for in a walk of its own, and this one is no failure.
	Expired bool
	// Absent are the fields that no record of a complete list has: perhaps
	// their names are wrong.
	Absent []string
	// Failure is why the walk did not reach the feed's end; nil if it did.
	Failure *Failure
	// Tables are the outcomes, one for each table that took part.
	Tables []TableReport
	// RetryAt is when the owner wishes to be asked again; zero: it did not say.
	RetryAt time.Time
}

// TableReport tells what a walk did to one table.
type TableReport struct {
	Table   string
	Kind    WalkKind
	Applied Applied
	Settled Settled
	// Failure is why the table did not settle; nil if it did.
	Failure *Failure
}

// OK reports whether the walk completed and every table settled.
func (r Report) OK() bool {
	if r.Failure != nil {
		return false
	}
	for _, t := range r.Tables {
		if t.Failure != nil {
			return false
		}
	}
	return true
}

// History remembers reports. The Runner writes to it and goes on without it. Its
// calls come one at a time.
type History interface {
	Record(ctx context.Context, r Report) error
}
