// Package row turns an owner's records into rows: column types and lossless
// conversion, in one place for all databases, and why a record does not fit.
// It touches no network and no database.
package row

import (
	"time"

	"github.com/larder-sync/larder/syncer"
)

// Spec is all that a Table implementation must know of one table.
type Spec struct {
	// Name is what the table is called in logs and bookkeeping: CONSUMER.name.
	Name string
	// Target is the table's name in its database as the configuration writes
	// it; in Postgres it may carry a schema ("sales.users").
	Target string
	// Source is the name of the source it copies.
	Source string
	// Columns are the mapped columns, in the order of the configuration.
	Columns []Column
	// Key lists the indexes into Columns that identify a row.
	Key []int
	// Version is the index into Columns by which newer is told from older; -1
	// where rows carry none and the last one asked for wins.
	Version int
	// VersionFormat is how the text of a text version column is read; nil for
	// columns whose type has an order of its own.
	VersionFormat *Format
	// Partitions are those the source has, at least one. Prepare notes when it
	// first sees each of them.
	Partitions []syncer.Partition
	// Changing says that Partitions are not fixed: Repartition states them.
	Changing bool
	// Keep says that rows are never deleted: not by a deletion that the owner
	// tells of, and not because they are absent.
	Keep bool
	// Mark is the column that a deletion stamps in place of deleting the row, a
	// timestamptz that is no mapped column; "": rows are deleted. A marked row is
	// gone in all that follows: sweeps, audits and counts do not see it, and a
	// record that comes back clears the mark. Never with Keep.
	Mark string
	// Notify is the channel on which each transaction that changed rows tells it;
	// "": none. Postgres only.
	Notify string
	// Drift is what becomes of fields that nobody named.
	Drift Drift
	// Named are the fields that somebody named: the source, or any table of it.
	// Others are those of them that only other tables name: a column that was
	// added for one stays filled, while one that the table itself names is its
	// configuration's from then on.
	Named, Others []string
	// Broken is what becomes of text that is no text.
	Broken Broken
	// Partial says that a change may carry only what changed: of a row that is
	// there, columns whose slots are all absent stay as they are. Records of one
	// key have to come in order then: an older one that comes late is dropped,
	// though it may tell what the newer does not.
	Partial bool
	// Where, if set, says which records the table takes. One that it no longer
	// takes leaves the copy. Not for Partial: what a change leaves out is null
	// to it, which would take the row out.
	Where Condition
	// Shape identifies what shapes the table's contents. See syncer.Shape.
	Shape string
	// Budget is the staleness the table may reach.
	Budget syncer.Budget
	// Guard and Confirm bound what a sweep deletes: Confirm is how many
	// complete walks in succession a row must be absent from.
	Guard   syncer.Guard
	Confirm int
	// MisfitFails makes a record that does not fit fail the poll instead of
	// going to quarantine.
	MisfitFails bool
	// Remember is how long the version of a deleted key is kept, so that a
	// late old version does not bring the row back: overlap + lag.
	Remember time.Duration
}

// Column is one mapped column of a table.
type Column struct {
	Name    string
	Type    Type
	NotNull bool
	// Slots are the record slots it is read from: the first that is there (for
	// a version, the first that is not null).
	Slots []int
	// As is how the owner writes an instant in this field; nil: RFC 3339 for
	// timestamptz, a plain date for date.
	As *Format
	// Inner says of a JSON column that a text is read as the JSON that it holds.
	Inner bool
	// Blank says that the owner's values are all texts: the empty one is null but
	// in a Text column.
	Blank bool
	// Default is the JSON text used where no slot is there; nil: null.
	Default []byte
	// Each names the partition value that the column holds; "" for none. Such
	// columns tell the rows of one partition from those of another.
	Each string
	// Computed, if set, is what the column is computed by, in place of Slots.
	Computed Expression
	// Added says that larder added the column for the field of its name, which
	// nobody named. It has no Slots. See With.
	Added bool
	// Discover says that Type is not known yet: it is that of the table's own
	// column, which Prepare finds. A table that is not there is refused then.
	Discover bool
}

// Expression computes a column. It may be asked concurrently.
type Expression interface {
	// Value is JSON text, computed from the slots of a record; a path that is
	// absent is null. Its error says why it cannot be computed: the record does
	// not fit the table.
	Value(slots [][]byte) ([]byte, error)
}

// Drift is what becomes of the fields of a record that no column is read from.
type Drift string

// The ways to follow an owner that adds fields: not at all; to say so in the
// table's status; to add a nullable column; to fail the poll.
const (
	DriftIgnore Drift = ""
	DriftNote   Drift = "note"
	DriftAdd    Drift = "add"
	DriftFail   Drift = "fail"
)

// Broken is what becomes of U+0000, of bytes that are no UTF-8 and of half
// surrogate pairs in a record's texts.
type Broken string

// The ways to take broken text: the record does not fit; what is broken is left
// out; U+FFFD takes its place. Keys are never mended: two would become one.
const (
	BrokenReject  Broken = ""
	BrokenStrip   Broken = "strip"
	BrokenReplace Broken = "replace"
)

// Condition says which records a table takes. It may be asked concurrently.
type Condition interface {
	// Holds judges the slots of a record; a path that is absent is null. Its
	// error says why a record cannot be judged: it does not fit the table.
	Holds(slots [][]byte) (bool, error)
}
