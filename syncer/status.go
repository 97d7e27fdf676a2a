package syncer

import "time"

// Status is one line of what a consumer's database says about a copy: the
// freshness view, translated to this process's clock. It is true while no
// daemon runs.
type Status struct {
	Freshness
	// Table in Freshness is the target's name in its database.
	Source string
	// Rows the copy holds, and records set aside in quarantine.
	Rows, Quarantined int64
	// LastPoll is when a walk last ended; NextPoll when the next one is due.
	LastPoll, NextPoll time.Time
	// Class and Error are those of the last poll, "" if it completed;
	// FailingSince is when the first of an unbroken row of failed polls began.
	Class        Class
	Error        string
	FailingSince time.Time
	// Held rows would be deleted but for the guard.
	Held   int64
	Paused bool
	// DeletesAsOf and ProvenAsOf are the oldest over the partitions; zero: not
	// known of all of them. See Standing.
	DeletesAsOf, ProvenAsOf time.Time
	// Newest is the time of the newest record, the oldest over the partitions
	// that have one; zero: nothing tells it.
	Newest time.Time
	// Found and Left are the differences that the last audits counted, and
	// those of them that were not put right; AuditError is why the last audit
	// did not come to its end.
	Found, Left int64
	AuditError  string
	// Unnamed are fields that the owner sends and nobody named, Added the columns
	// that larder added for such, the oldest first. There may be more of the
	// former than are kept.
	Unnamed []Unnamed
	Added   []AddedColumn
	// Late is the greatest lateness of a commit that was ever observed.
	Late time.Duration
}

// Quarantined is one record that does not fit its table.
type Quarantined struct {
	Table, Partition string
	// Key is the canonical JSON array of the key, or a digest of the record
	// where the key itself does not fit.
	Key string
	// Column and Reason say what does not fit and why.
	Column, Reason string
	// Record is a JSON object of the mapped fields, by column.
	Record string
	Since  time.Time
}
