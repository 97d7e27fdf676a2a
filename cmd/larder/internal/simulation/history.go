package simulation

import (
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
)

// History is one life of a feed that is kept in two tables: what its owner
// promises, what it writes, when it is polled, and what goes wrong. It is plain
// data, so that it can be drawn, shrunk, printed and lived again. Its times
// count from the start of the history.
type History struct {
	Contract
	Log   []Change
	Polls []Poll
}

// Contract is what the owner promises, how the source is set to that, and how
// the tables are kept.
type Contract struct {
	Mode sources.Mode
	// By is how pages follow each other, End how their end is told, Order that
	// of the records, Page the most records of one and Takes how long one takes.
	By    sources.Style
	End   End
	Order sourcetest.Order
	Page  int
	Takes time.Duration
	// Granule is what stamps are cut down to. Exclusive owners leave out what has
	// the very stamp that they are asked since.
	Granule   time.Duration
	Exclusive bool
	// Tombstones tell of deletions. Where they do not, records are just gone.
	Tombstones bool
	// Conditional owners answer "not modified".
	Conditional bool
	// NoDate owners do not tell their clock, which is Skew ahead of ours.
	NoDate bool
	Skew   time.Duration
	// Overlap, Lag and Settle are the source's settings.
	Overlap, Lag, Settle time.Duration
	// Parts is the number of partitions.
	Parts int
	// Attempts is how often the client tries a request.
	Attempts int

	// Shared keeps both tables in one database.
	Shared bool
	// Confirm is the tables' row.Spec.Confirm.
	Confirm int
	// Slow is how long a write takes, Gather how many records one may hold.
	Slow   time.Duration
	Gather int
}

// End is how the end of paging is told, besides by what the style needs.
type End string

// The ends.
const (
	Plain     End = "plain"      // no next token or link, or an empty page
	ShortPage End = "short page" // fewer records than asked for
	Total     End = "total"
	Pages     End = "pages"
	More      End = "more"
)

// Change is one entry of the owner's commit log.
type Change struct {
	Part, Key int
	Gone      bool
	// Misfit records do not fit the tables.
	Misfit bool
	// Stamp is what the record carries, before it is cut down to the granule;
	// Commit is when the change holds, Visible when the owner's readers first see
	// it.
	Stamp, Commit, Visible time.Duration
}

// Poll is a poll of a history, after Wait and after what happened Before it.
type Poll struct {
	Wait   time.Duration
	Before Before
	// Table is the one that Before is about.
	Table int
	Fault Fault
	// Beside is how many more polls begin while the poll is under way.
	Beside int
	// Audit, if set, is an audit of all tables beside the poll; polls go on as
	// long as it does.
	Audit Audit
}

// Before is what happens between two polls.
type Before string

// What may happen.
const (
	Quiet Before = "quiet"
	// NotesLost is a crash of a database that takes the notes of seen keys.
	NotesLost Before = "notes lost"
	// Resynced is an operator's order.
	Resynced Before = "resync ordered"
	// Restarted is an end of the daemon between two polls.
	Restarted Before = "restarted"
)

// Audit is what an audit in a history does.
type Audit string

// The audits.
const (
	Unaudited Audit = ""
	Looks     Audit = "looks"
	Repairs   Audit = "repairs"
)

// FaultKind is what goes wrong in a poll.
type FaultKind string

// The faults.
const (
	None FaultKind = "nothing"
	// Kill ends the daemon at write At of Table, at Step of it; KillAsking at
	// request At, before it is sent or after it is answered, as Step says.
	Kill       FaultKind = "kill"
	KillAsking FaultKind = "kill while asking"
	// Answer makes the owner answer request At in another way, named by Step.
	Answer FaultKind = "answer"
	// TableFails makes Table's writes fail from write At on.
	TableFails FaultKind = "table fails"
	// LeaseLost hands the lease of Table's database to another daemon.
	LeaseLost FaultKind = "lease lost"
	// Stop ends the poll's context at request At.
	Stop FaultKind = "stop"
)

// Fault is what goes wrong in one poll, and where.
type Fault struct {
	Kind  FaultKind
	Table int
	At    int
	Step  string
}
