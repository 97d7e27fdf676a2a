// Package syncer keeps tables in step with their sources: it knows how to walk,
// apply and settle, how old a copy is, and when to poll next. It names no
// technology; sources and databases are behind the interfaces declared here.
//
// The nouns, in the order in which they meet:
//
//	Source     one changed-since feed of an owner
//	Walk       the pages of one poll, from a position to the feed's true end
//	Batch      one page, or one window of a streamed body
//	Table      a consumer's local copy of one source
//	Position   the durable standing of one table and partition
//	Settlement what a walk came to: proven complete, or failed and why
//	Freshness  how stale a copy is, at which level, and for which reason
//	Feed       one source kept in one or several tables; Poll is its algorithm
//	Lanes      the two ways in which a partition is walked side by side: for
//	           changes, and for everything
//	Runner     keeps feeds in step until its context ends
//
// Times in memory are of this process's clock. A Table keeps them on its
// database's clock and translates at its border (see Table).
package syncer
