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
// the tables are kept. Contracts can be compared.
type Contract struct {
	Mode sources.Mode
	// By is how pages follow each other; Delta and Log have their own. Lines are
	// one body of a record a line. Links are deltas whose token is a URL.
	By           sources.Style
	Lines, Links bool
	// Told is what tells the end of paging besides what the style needs, End the
	// form that the owner gives it where pages are led to.
	Told  Told
	End   sourcetest.End
	Order sourcetest.Order
	// Page is the most records of one, Takes how long one takes.
	Page  int
	Takes time.Duration
	// Asks is how many records more than that the source asks for.
	Asks int
	// EmptyEvery and Again are those of sourcetest.Paging.
	EmptyEvery, Again int
	// Granule is what stamps are cut down to, or up with RoundUp. Exclusive
	// owners leave out what has the very stamp that they are asked since.
	Granule            time.Duration
	RoundUp, Exclusive bool
	Gzip, Zoned        bool
	// Tombstones tell of deletions. Where they do not, records are just gone.
	Tombstones bool
	// Conditional owners answer "not modified".
	Conditional bool
	// NoDate owners do not tell their clock, which is Skew ahead of ours.
	NoDate bool
	Skew   time.Duration
	// Replica is how far every other node is behind, and NodeSkew how far its
	// clock is ahead. Cached is how old every third answer is, and says.
	Replica, NodeSkew, Cached time.Duration
	// Forget is how long cursors and tokens last, and tombstones and events are
	// told. Retention is what the source is set to; 0: the owner is to say it.
	Forget, Retention time.Duration
	Compact           bool
	Replay            int
	// Resyncs by a list of its own; of a log and of bounded requests.
	Listed bool
	// Overlap, Lag and Settle are the source's settings; the last with Until.
	Overlap, Lag, Settle time.Duration
	Until                bool
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

// Told is what the source takes for the end of paging.
type Told string

// The ways to tell it.
const (
	Plain     Told = "plain"      // no next token or link, or an empty page
	ShortPage Told = "short page" // fewer records than asked for
	Total     Told = "total"
	Pages     Told = "pages"
	More      Told = "more"
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
	// Restored is an owner that goes back to a backup, from half-way through its
	// history so far.
	Restored Before = "owner restored"
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
	// Refuse makes the owner refuse to go on with an unfinished walk.
	Refuse FaultKind = "resume refused"
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
