package syncer

import "time"

// Compare is what an audit compares.
type Compare string

const (
	// CompareAll compares every mapped column of every row.
	CompareAll Compare = "all"
	// CompareKeys compares which rows there are.
	CompareKeys Compare = "keys"
	// CompareSample compares every mapped column of some of the rows: each
	// audit of others, so that after as many audits as there are samples all
	// were compared.
	CompareSample Compare = "sample"
)

// Comparison says how one audit compares a table with its owner, and what it
// does about what it finds.
//
// What differs is a suspect first, because the copy is never as new as the
// list: it counts once it is found again, unchanged on both sides, Persist
// after it was first found. A key that a walk for changes wrote in between is
// a suspect no more.
type Comparison struct {
	Compare Compare
	// Sample is which of Samples parts of the keys a sample compares.
	Sample, Samples int
	// Persist is how long a difference must last to count: overlap and lag.
	Persist time.Duration
	// Repair writes what counts: rows that are missing or different, whatever
	// their version, and deletes extra ones under the guard.
	Repair bool
}

// AuditPlan is when and how the tables of a feed are compared with the owner.
type AuditPlan struct {
	Schedule Schedule
	// Jitter is how long after each tick the audit begins.
	Jitter  time.Duration
	Compare Compare
	// Samples is in how many parts a sample divides the keys.
	Samples int
	Repair  bool
}

// Audited is what one audit found in one partition.
type Audited struct {
	// Compared is how many records of the owner were held against rows.
	Compared int
	// Missing, Extra and Different count the differences that count: rows that
	// only the owner has, that only the copy has, and that are not equal.
	Missing, Extra, Different int
	// Repaired is how many of those were put right; Held how many extra rows
	// the guard keeps.
	Repaired, Held int
	// Suspects are differences that have not lasted long enough yet.
	Suspects int
	// Quarantined is how many of the partition's records are set aside: their
	// rows, if there are any, are compared with nothing.
	Quarantined int
	// Keys says that keys alone were compared; the feed sets it.
	Keys bool
	// Proven is the instant up to which the copy was found complete: when the
	// audit was sent less lag, if it left no difference; zero if it left any,
	// or compared only a sample.
	Proven time.Time
}

// Found is how many differences count.
func (a Audited) Found() int { return a.Missing + a.Extra + a.Different }

// Left is how many of them were not put right.
func (a Audited) Left() int { return a.Found() - a.Repaired }
