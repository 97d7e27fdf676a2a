package simulation_test

import (
	"github.com/larder-sync/larder/cmd/larder/internal/simulation"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// incremental, snapshot and paged leave the drawn histories of a kind.
func incremental(h *simulation.History) bool { return h.Mode == sources.Incremental }
func snapshot(h *simulation.History) bool    { return h.Mode == sources.SnapshotAll }

// untoldDeletes are of owners who tell of no deletion.
func untoldDeletes(h *simulation.History) bool {
	h.Tombstones = false
	return h.Mode == sources.Incremental
}

// plants are the bugs. Their names are the first column of README.md's table.
var plants = []plant{
	// What is asked.
	{"nothing is asked again: overlap zero", incremental, noOverlap, []objection{lost, stale, undeleted}},
	{"the watermark passes the walk's start", incremental, uncapped, []objection{lost, stale, undeleted}},
	{"the watermark is our own clock's time", incremental, ownClock, []objection{lost, stale, undeleted}},
	{"since is rounded up to a second", incremental, roundsUp, []objection{lost, stale, undeleted}},
	{"an offset moves by the size that was asked", nil, sizeAsked, []objection{lost, stale, undeleted, unequal}},
	{"a partition asks from where another stands", nil, another, []objection{lost, stale, undeleted}},
	{"the token is taken behind the list, not before", nil, tokenLast, []objection{lost, stale, undeleted}},

	// What is taken for the end.
	{"a list that breaks off is taken for a whole one", nil, brokenList, []objection{lost, stale}},
	{"changes that break off are taken for all", nil, brokenChanges, []objection{lost, stale, undeleted}},
	{"a walk that cannot go on is taken for its end", nil, refusedResume, []objection{lost, stale, undeleted}},
	{"an expired watermark is taken for no changes", nil, expiredIsEmpty, []objection{lost, stale, undeleted}},
	{"an expired watermark is tried for ever", nil, expiredIsTransient, []objection{unequal}},
	{"a short page is taken for the last", nil, shortIsTheEnd, []objection{lost, stale, undeleted}},
	{"an empty page with a next one is taken for the last", nil, emptyIsTheEnd, []objection{lost, stale, undeleted}},
	{"an error body is taken for an empty list", nil, errorIsEmpty, []objection{lost, stale, undeleted}},
	{"a login page is taken for an empty list", nil, pageIsEmpty, []objection{lost, stale, undeleted}},
	{"too many requests is taken for an empty list", nil, throttledIsEmpty, []objection{lost, stale, undeleted}},
	{"a failing owner is taken for an empty list", nil, failedIsEmpty, []objection{lost, stale, undeleted}},
	{"lines that are cut off are taken for all", nil, cutIsWhole, []objection{lost, stale, undeleted}},
	{"not modified is believed of what has changed", nil, alwaysUnchanged, []objection{lost, stale, undeleted}},
	{"a list is unchanged if its first page is", nil, samePage, []objection{lost, stale, undeleted}},

	// What is made of records.
	{"ties across a page boundary are dropped", incremental, dropsTies, []objection{lost, stale, undeleted}},
	{"keys are folded page by page", nil, firstPageWins, []objection{lost, stale, undeleted}},
	{"an older version overwrites a newer", incremental, unversioned, []objection{lost, stale, undeleted}},
	{"what was deleted is not remembered", incremental, forgetful, []objection{lost, stale, undeleted}},
	{"a tombstone is applied without a guard", incremental, bareTombstones, []objection{lost, stale, undeleted}},
	{"tombstones are passed over", incremental, noTombstones, []objection{lost, stale, undeleted}},
	{"a record that does not fit counts as written", nil, misfitsPass, []objection{lost, stale}},

	// What is written, and when.
	{"the position moves on a failed walk", incremental, movesOnFailure, []objection{moved, lost, stale}},
	{"the watermark moves by page without an order", incremental, movesByPage, []objection{moved, lost, stale}},
	{"the position is written before the rows", nil, positionFirst, []objection{moved, lost, stale, undeleted}},
	{"a write does not check the lease's generation", nil, unfenced, []objection{fenced}},

	// What is claimed.
	{"as-of counts from the walk's end", nil, asOfEnd, []objection{lost, stale, undeleted}},
	{"as-of counts from the first answer", nil, asOfAnswer, []objection{lost, stale, undeleted}},
	{"as-of is the newest stamp", incremental, asOfNewest, []objection{lost, stale, undeleted, future}},
	{"as-of is told by the owner's clock", nil, asOfOwner, []objection{lost, stale, undeleted, future}},
	{"as-of leaves out the owner's lag", nil, noLag, []objection{lost, stale, undeleted}},
	{"as-of leaves out a cache's Age", nil, asIfFresh, []objection{lost, stale, undeleted}},
	{"as-of leaves out what an answer did not cover", nil, ageless, []objection{lost, stale, undeleted}},
	{"a resumed walk forgets its first start", nil, restarted, []objection{lost, stale, undeleted}},
	{"a partition's as-of is that of the best", nil, latestPart, []objection{lost, stale, undeleted}},
	{"all copies are taken for equally old", nil, alike, []objection{lost, stale, undeleted}},

	// Lists, sweeps and audits.
	{"a validator is kept while a sweep waits", snapshot, keptValidator, []objection{unequal}},
	{"lost notes of a list are not noticed", nil, lostNotes, []objection{lost, stale}},
	{"an ordered resync is forgotten", nil, unordered, []objection{unequal, lost}},
	{"changes do not note what they touch", beside, untold, []objection{lost, stale}},
	{"a resync overwrites what changes have told", beside, overwrites, []objection{stale, undeleted}},
	{"an end of changes empties a list's notes", beside, closesNotes, []objection{lost, stale}},
	{"an end of changes proves deletes", untoldDeletes, provesDeletes(syncer.Changes), []objection{undeleted}},
	{"a resync proves deletes as of its changes", untoldDeletes, provesDeletes(syncer.Resync), []objection{undeleted}},
	{"an audit proves deletes that it left", untoldDeletes, provesDeletes(syncer.Audit), []objection{undeleted}},
	{"an audit repairs what no other confirms", nil, repairsAtOnce, []objection{stale, lost, miscount, undeleted}},
}
