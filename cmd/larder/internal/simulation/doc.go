// Package simulation lives drawn histories of one feed, from an owner's commit
// log to the rows of two tables, and judges after each step whether what the
// tables claim is true. It puts the real chain together: the hostile owner
// behind a transport, the HTTP source, the feed with its lanes and audits, and
// tables in memory, SQLite or Postgres; only time is fake. Only tests use it.
package simulation
