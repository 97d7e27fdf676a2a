// Package sources asks owning services for records over HTTP: it knows how a
// feed is requested, how its pages follow each other, what counts as an answer,
// and how to be a good neighbour. It touches the network and no database.
//
// A Client speaks to one owner; all sources of that owner share it, and with it
// one rate, one bound on concurrency and one set of connections. A Source is
// one feed; its Walk yields batches until the feed's proven end, or fails by
// name. Nothing that an owner sends is trusted: bodies, depth, links, tokens,
// waits and times are bounded, and no error or log line carries a credential, a
// query or a piece of a body.
package sources
