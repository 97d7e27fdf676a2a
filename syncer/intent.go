package syncer

// Intent is what a table would do about itself if it were used as it is
// configured: it is read, and nothing is written.
type Intent struct {
	// DDL are the statements that Prepare would run, in order.
	DDL []string
	// Unfit is why Prepare would refuse the table; "" if it would not.
	Unfit string
	// Partitions are those of the configuration and those that are kept.
	Partitions []PartitionIntent
}

// PartitionIntent is what would become of one partition.
type PartitionIntent struct {
	Partition Partition
	// Standing is where it stands as it is configured; zero if it is new.
	Standing Standing
	// Kept says that it was known before.
	Kept bool
	// Void says why its position cannot be used any more; "" if it can.
	Void string
	// Rows is how many rows it has.
	Rows int64
	// Retired says that the configuration has it no more: its rows would be
	// deleted, or, if Held, wait to be accepted.
	Retired, Held bool
}
