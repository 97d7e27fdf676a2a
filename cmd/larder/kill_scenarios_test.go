//go:build unix

package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// scenario is work at which larder is killed, again and again.
type scenario struct {
	name    string
	shape   func() killtest.Shape
	command string // "": poll
	// first says that the database is each time as it was before larder first
	// came.
	first bool
	// changes is what the owner commits before each time.
	changes int
	// pages are the sizes and times of pages with which the points are gone
	// through, one after the other.
	pages []pages
	// quiet says that the owner commits nothing while it is walked.
	quiet bool
	// wreck is what else happens before each time.
	wreck func(*rig)
	// instants and after say at which points larder is killed; neither: before
	// each message or write. After is when Postgres has got the message.
	instants, after bool
}

// pages are how long an owner's pages are, and how long it takes for one.
type pages struct {
	size int
	time time.Duration
}

func (p pages) String() string { return fmt.Sprintf("pages of %d in %s", p.size, p.time) }

// Each page has a transaction of its own if it takes its time, and several share
// one if it does not.
func mixedPages() []pages {
	return []pages{{killPageSize, killPageTime}, {7, 2 * time.Millisecond}, {60, 0}, {killPageSize, 0}, {15, killPageTime}}
}

func scenarios() []scenario {
	some := []pages{{60, killPageTime}, {40, 0}, {killPageSize, killPageTime}}
	return []scenario{
		{name: "first copy", shape: killtest.Tokens, first: true, changes: fewChanges, pages: some},
		{name: "changes, by token", shape: killtest.Tokens, changes: manyChanges, pages: mixedPages()},
		{name: "changes, gathered", shape: killtest.Tokens, changes: manyChanges, pages: []pages{{10, 0}, {5, 0}, {18, time.Millisecond}}},
		{name: "changes, by keyset", shape: killtest.Keyset, changes: manyChanges, pages: mixedPages()},
		{name: "changes, numbered pages", shape: killtest.Numbered, changes: manyChanges, pages: mixedPages()},
		{name: "changes, partitions", shape: killtest.Partitioned, changes: manyChanges, pages: mixedPages()},
		{name: "snapshot and sweep", shape: killtest.Snapshot, changes: fewChanges, pages: some},
		{name: "resync and sweep", shape: killtest.Tokens, command: "resync users", changes: fewChanges, pages: some,
			wreck: func(r *rig) { r.owner.Vanish(2) }},
		{name: "audit and repair", shape: killtest.Prompt, command: "audit users --repair", changes: fewChanges, pages: some, quiet: true, wreck: (*rig).drift},
		{name: "changes, after the message", shape: killtest.Tokens, changes: manyChanges, pages: mixedPages(), after: true},
		{name: "changes, any instant", shape: killtest.Tokens, changes: manyChanges, pages: mixedPages(), instants: true},
	}
}

// drift is what somebody else does to the table: a row is written over, one is
// deleted and one made up.
func (r *rig) drift() {
	r.Helper()
	truth := r.owner.Truth()
	changed, gone := truth[rand.IntN(len(truth))].ID, truth[rand.IntN(len(truth))].ID
	const strange = 1_000_001
	err := r.consumer.Exec(r.Context(), fmt.Sprintf(`update users set name = 'not so' where id = %d; delete from users where id = %d;
		insert into users (id, name, amount, updated_at) select %d, 'nobody', amount, updated_at from users where id = (select min(id) from users)`, changed, gone, strange))
	if err != nil {
		r.Fatal(err)
	}
	r.excused = []int64{changed, gone, strange}
}

// prepare makes what the next command has to bring, and makes the owner go on
// committing while it is walked.
func (s scenario) prepare(r *rig) {
	r.Helper()
	if s.first {
		r.wipe()
	}
	r.owner.Mutate(s.changes)
	if s.wreck != nil {
		s.wreck(r)
	}
	r.owner.OnPage(func(page int) {
		if page == 1 && !s.quiet {
			r.owner.Touch(2)
		}
	})
}

// recover judges what a kill left, runs the command once undisturbed, and judges
// again.
func (r *rig) recover(killed string) {
	r.Helper()
	r.state(killed)
	r.endLease()
	r.redo(killed)
}

// redo polls, runs the command and demands an equal copy.
func (r *rig) redo(after string) {
	r.Helper()
	r.owner.OnPage(nil)
	commands := []string{"poll"}
	if r.command != "poll" {
		commands = append(commands, r.command)
	}
	for _, c := range commands {
		if err := r.larder.Start(r.T, c).Wait(); err != nil {
			r.Fatalf("%s: %s after it: %v", after, c, err)
		}
	}
	r.excused = nil
	r.equal(after + ", and one more " + r.command)
}

// equal demands that the copy is what its owner holds.
func (r *rig) equal(when string) {
	r.Helper()
	s := r.state(when)
	r.excused = nil
	if err := r.owner.Equal(s); err != nil {
		r.tally.object(err)
		r.Fatalf("%s: %v", when, err)
	}
}

// within is the test's context with a deadline.
func (r *rig) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(r.Context(), d)
	r.Cleanup(cancel)
	return ctx
}
