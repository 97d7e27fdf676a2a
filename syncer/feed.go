package syncer

import (
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// Feed is one source kept in one or several tables. The owner is asked once a
// poll, and every table of the feed applies the answer.
type Feed struct {
	// Name is the source's.
	Name   string
	Source Source
	// Snapshot feeds list everything at each poll.
	Snapshot bool
	// Partitions has at least one, unless Ask is set; a source without parts has
	// the zero one.
	Partitions []Partition
	Copies     []*Copy
	// Fields names the slots of the source's records, as far as they are the
	// tables'; a complete list tells which of them no record has.
	Fields []string
	// Either has, for a slot that only columns read which take the first field
	// that is there, the slots of their other fields.
	Either map[int][]int
	// Lag is how long the owner itself may take to show a commit.
	Lag time.Duration
	// Retention is how long the owner can tell what changed; 0: for ever. A
	// copy whose as-of is older is resynced.
	Retention time.Duration
	// Ask tells which partitions there are, at every poll, where they are not
	// fixed; nil: they are Partitions.
	Ask func(context.Context) ([]Partition, error)
	// Concurrency is how many partitions are walked at one time; 0: one.
	Concurrency int
	// Apart says that changes can be asked for while a table is resynced or
	// audited. A record of a change must be whole, and need no other before it.
	// And either records have versions, or the watermark that a list leaves is
	// no newer than the list's first page: of a key that a change wrote
	// meanwhile, a list is believed only if it is newer by version, so that
	// without one what it says has to be told again as a change.
	Apart bool
	// FromOwn says that a table is asked for from its own watermark only, however
	// far behind another table is: of events it takes each once only, and behind
	// an older token the owner leaves out what came and went since.
	FromOwn bool
	// Audit is when and how tables are compared with the owner; nil: only when
	// somebody asks for it, by CompareAll.
	Audit *AuditPlan
	// Persist is how long a difference must last to count: overlap and lag.
	Persist time.Duration
	// Gather bounds what one transaction applies at once.
	Gather Gather
	// Progress, if set, is told after every transaction how far the walk is, of
	// one walk at a time. It must return quickly.
	Progress func(Report)
	// Waits, if set, is told when an audit waits to look again at differences of
	// a partition, and until when. It must return quickly, and may be called by
	// several at once.
	Waits func(p Partition, suspects int, until time.Time)

	mu sync.Mutex
	// lanes are those of the partitions, by name.
	lanes map[string]*lanes
	// asked are the partitions that Ask last told, and names their names.
	asked []Partition
	names map[string]bool
	// asking is held by who asks.
	asking chan struct{}
	// next is when the following poll is due.
	next  time.Time
	turns turns
	// telling is held while Progress is told.
	telling sync.Mutex
}

// Gather bounds how many waiting batches one transaction applies together.
type Gather struct {
	Records int
	Bytes   int64
}

// newWalkID names a walk. It is random so that two daemons never agree on one.
func newWalkID() string { return rand.Text() }
