package simulation_test

import (
	"github.com/larder-sync/larder/syncer"
)

// claims are the objections to an as-of or a delete as-of that is not true.
var claims = []objection{lost, stale, undeleted}

// forGood are those to what is lost, and stays so.
var forGood = []objection{lost, stale, undeleted, unequal}

// plants are the bugs. Their names are the first column of README.md's table.
var plants = []plant{
	// What is asked.
	{bug: "nothing is asked again: overlap zero", fit: incremental, of: noOverlap, shows: claims},
	{bug: "the watermark passes the walk's start", fit: incremental, of: uncapped, shows: claims},
	{bug: "the watermark is our own clock's time", fit: incremental, of: ownClock, shows: claims},
	{bug: "since is rounded up to ten seconds", fit: sinceOnce, of: roundsUp, shows: forGood},
	{bug: "an offset moves by the size that was asked", fit: offset, given: given{spec: asksMore}, of: sizeAsked, shows: forGood},
	{bug: "a partition asks from where another stands", of: another, shows: claims},
	{bug: "the token is taken behind the list, not before", fit: logs, of: tokenLast, shows: forGood},
	{bug: "the overlap leaves out what is cut off a stamp", fit: incremental, of: noGranule, shows: claims},
	{bug: "a restored owner goes unnoticed", of: noEpoch, shows: []objection{unequal}},
	{bug: "an outage past what the owner remembers goes unnoticed", fit: forgets, of: noRetention, shows: claims},

	// What is taken for the end.
	{bug: "a list that breaks off is taken for a whole one", of: brokenList, shows: []objection{lost, stale}},
	{bug: "changes that break off are taken for all", of: brokenChanges, shows: claims},
	{bug: "a walk that cannot go on is taken for its end", of: refusedResume, shows: claims},
	{bug: "an expired watermark is taken for no changes", of: expiredIsEmpty, shows: claims},
	{bug: "an expired watermark is tried for ever", of: expiredIsTransient, shows: []objection{unequal}},
	{bug: "a short page is taken for the last", fit: endless, given: given{spec: asksMore}, of: shortIsTheEnd, shows: forGood},
	{bug: "an empty page with a next one is taken for the last", of: emptyIsTheEnd, shows: claims},
	{bug: "an error body is taken for an empty list", of: errorIsEmpty, shows: claims},
	{bug: "a login page is taken for an empty list", of: pageIsEmpty, shows: claims},
	{bug: "too many requests is taken for an empty list", of: throttledIsEmpty, shows: claims},
	{bug: "a failing owner is taken for an empty list", of: failedIsEmpty, shows: claims},
	{bug: "lines that are cut off are taken for all", fit: cutLines, of: cutIsWhole, shows: claims},
	{bug: "not modified is believed of what has changed", of: alwaysUnchanged, shows: claims},
	{bug: "a list is unchanged if its first page is", of: samePage, shows: claims},

	// What is made of records.
	{bug: "ties across a page boundary are dropped", fit: incremental, of: dropsTies, shows: claims},
	{bug: "keys are folded page by page", fit: logs, of: firstPageWins, shows: claims},
	{bug: "an older version overwrites a newer", fit: behind, of: unversioned, shows: []objection{backward}},
	{bug: "what was deleted is not remembered", fit: behind, of: forgetful, shows: []objection{backward}},
	{bug: "a tombstone is applied without a guard", fit: behind, of: bareTombstones, shows: []objection{backward}},
	{bug: "tombstones are passed over", fit: incremental, of: noTombstones, shows: claims},
	{bug: "a record that does not fit counts as written", of: misfitsPass, shows: []objection{lost, stale}},

	// What is written, and when.
	{bug: "the position moves on a failed walk", fit: incremental, of: movesOnFailure, shows: []objection{moved, lost, stale}},
	{bug: "the watermark moves by page without an order", fit: incremental, of: movesByPage, shows: []objection{moved, lost, stale}},
	{bug: "the position is written before the rows", of: positionFirst, shows: []objection{moved, lost, stale, undeleted}},
	{bug: "a write does not check the lease's generation", of: unfenced, shows: []objection{fenced}},

	// What is claimed.
	{bug: "as-of counts from the walk's end", of: asOfEnd, shows: claims},
	{bug: "as-of counts from the first answer", of: asOfAnswer, shows: claims},
	{bug: "as-of is the newest stamp", fit: incremental, of: asOfNewest, shows: []objection{lost, stale, undeleted, future}},
	{bug: "as-of is told by the owner's clock", of: asOfOwner, shows: []objection{lost, stale, undeleted, future}},
	{bug: "as-of leaves out the owner's lag", of: noLag, shows: claims},
	{bug: "as-of leaves out a cache's Age", of: asIfFresh, shows: claims},
	{bug: "as-of leaves out what an answer did not cover", of: ageless, shows: claims},
	{bug: "a resumed walk forgets its first start", of: laterStart, shows: claims},
	{bug: "a partition's as-of is that of the best", of: latestPart, shows: claims},
	{bug: "all copies are taken for equally old", of: alike, shows: claims},

	// Lists, sweeps and audits.
	{bug: "a validator is kept while a sweep waits", fit: snapshot, of: keptValidator, shows: []objection{unequal}},
	{bug: "an empty list may empty the table", fit: emptied, of: unguarded, shows: []objection{wiped}},
	{bug: "lost notes of a list are not noticed", fit: brokenOff, of: lostNotes, shows: []objection{lost, stale}},
	{bug: "an ordered resync is forgotten", of: forgetsOrders, shows: []objection{unequal, lost}},
	{bug: "changes do not note what they touch", fit: beside, of: untold, shows: []objection{lost, stale}},
	{bug: "a resync overwrites what changes have told", fit: beside, given: given{table: slowLists}, of: overwrites, shows: claims},
	{bug: "an end of changes empties a list's notes", fit: beside, of: closesNotes, shows: []objection{lost, stale}},
	{bug: "an end of changes proves deletes", fit: untoldDeletes, of: provesDeletes(syncer.Changes), shows: []objection{undeleted}},
	{bug: "a resync proves deletes as of its changes", fit: untoldDeletes, of: provesDeletes(syncer.Resync), shows: []objection{undeleted}},
	{bug: "an audit proves deletes that it left", fit: untoldDeletes, of: provesDeletes(syncer.Audit), shows: []objection{undeleted}},
	{bug: "an audit repairs what no other confirms", of: repairsAtOnce, shows: []objection{stale, lost, miscount, undeleted}},
}
