package syncer

import (
	"context"
	"time"
)

// OrderKind is what an operator asks of a table.
type OrderKind string

const (
	OrderPoll            OrderKind = "poll"
	OrderResync          OrderKind = "resync"
	OrderAccept          OrderKind = "accept"
	OrderPause           OrderKind = "pause"
	OrderResume          OrderKind = "resume"
	OrderQuarantineRetry OrderKind = "quarantine-retry"
	OrderQuarantineDrop  OrderKind = "quarantine-drop"
	// OrderAudit compares the table with its owner; OrderRepair puts right what
	// the audit finds, too.
	OrderAudit  OrderKind = "audit"
	OrderRepair OrderKind = "audit-repair"
	// OrderForget is for a table that is in no configuration any more.
	OrderForget OrderKind = "forget"
)

// Order is a command to one table. A command line that finds the lease held
// leaves it in the consumer's database for the daemon to carry out.
type Order struct {
	// ID names a stored order; "" for one that is carried out on the spot.
	ID   string
	Kind OrderKind
	// Table is the target's name as the configuration writes it.
	Table string
	// Deletes is how many deletions an accept lets pass.
	Deletes int
	// Key limits a quarantine order to one record; "" for all.
	Key string
}

// Keeper carries out what is not polling: it is the side of a table that the
// Runner needs when it takes over a consumer, and that operators talk to.
type Keeper interface {
	// Prepare creates the table, or adopts the one that is there if it fits,
	// and refreshes deadlines after a change of budgets. It needs the lease.
	Prepare(ctx context.Context) error
	// Obey carries out an order in fenced transactions and says in one line
	// what it did. OrderPoll and OrderForget are none of its business.
	Obey(ctx context.Context, o Order) (string, error)
	// Repartition states which partitions there are, of a table whose
	// partitions are not fixed: new ones are noted, and the rows of those that
	// are no more are deleted under the guard. asked is the moment before they
	// were asked for: the list of them is as old as that. It needs the lease.
	Repartition(ctx context.Context, parts []Partition, asked time.Time) error
}

// Forgetter retires tables of a consumer's database.
type Forgetter interface {
	// Forget removes all that larder remembers of a table, in one fenced
	// transaction, leaves the table itself as it is, and says in one line what
	// it did. An order to forget the table that still waits is kept for its
	// answer. A table that the database does not know is an error.
	Forget(ctx context.Context, target string) (string, error)
}

// Inbox holds the orders that wait in a consumer's database.
type Inbox interface {
	// Orders returns the waiting orders, oldest first.
	Orders(ctx context.Context) ([]Order, error)
	// Answer closes an order with its outcome; err nil means it was carried
	// out.
	Answer(ctx context.Context, o Order, outcome string, err error) error
}
