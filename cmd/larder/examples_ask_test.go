package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/sources/feedtest"
	"github.com/larder-sync/larder/syncer"
)

// The issues of a repository on GitHub, by GraphQL: what goes wrong comes with
// 200, cursors are of their ordering, an empty page has none, and what is
// deleted is told nowhere.
func TestExampleGitHubGraphQL(t *testing.T) {
	clock := newOwnersClock()
	g := &feedtest.GitHubQL{Store: feedtest.Store{Clock: clock.now}, Owner: "octocat", Name: "Hello-World", Closed: []string{"3"}}
	d := &door{owner: g, clock: clock, wants: bearer("GITHUB_TOKEN")}
	e := newExample(t, "github-graphql", d)
	rows := func() []string {
		numbers := map[string]int{}
		for _, c := range slices.Backward(g.Log()) {
			numbers[c.ID] = c.Seq
		}
		return live(&g.Store, func(c feedtest.Change) string {
			state := "OPEN"
			if slices.Contains(g.Closed, c.ID) {
				state = "CLOSED"
			}
			return fmt.Sprintf("I_%s|%d|%s|%s|%s", c.ID, numbers[c.ID], c.Value, state, stamp(c.At))
		})
	}
	holds := func(when string, want []string) {
		t.Helper()
		e.holds(when, `select id, number, title, state, updated_at from issues`, want)
	}
	e.poll(syncer.Resync) // nothing, and no cursor
	holds("before the first issue", nil)
	g.Put("new", ids(1, 10)...)
	clock.pass(time.Hour)
	e.poll(syncer.Resync) // there is no watermark yet
	holds("first issues", rows())

	for round := range 5 {
		g.Closed = append(g.Closed, fmt.Sprint(round+4))
		g.Put(fmt.Sprintf("round %d", round), ids(round+1, round+8)...)
		clock.pass(10 * time.Minute)
		d.ahead(once(2, func() { g.Put("edited while it is read", "1") }))
		e.poll(syncer.Changes)
		d.ahead(nil)
		clock.pass(time.Second)
		e.poll(syncer.Changes)
		holds(fmt.Sprintf("round %d", round), rows())
	}

	clock.pass(-30 * time.Second)
	g.Put("late", "4") // stamped before what was polled, and seen behind it
	clock.pass(30 * time.Second)
	e.poll(syncer.Changes)
	holds("seen late", rows())

	clock.pass(10 * time.Minute)
	before := rows()
	g.Put("newer", ids(1, 10)...)
	clock.pass(10 * time.Minute)
	g.Broken = "2" // null beside an error: nothing of that page is taken
	failsBy(t, e, syncer.ClassAnswer, "Something went wrong while executing your query.")
	holds("null beside an error", before)
	g.Broken = ""

	// The walk is cut at its third page, refused there in an answer of status
	// 200, and goes on there.
	g.Left = new(2)
	failsBy(t, e, syncer.ClassRateLimited, "quota is used up")
	g.Left = new(0)
	failsBy(t, e, syncer.ClassRateLimited, "API rate limit exceeded")
	g.Left = nil
	asked := len(g.Asked())
	e.poll(syncer.Changes)
	if n := len(g.Asked()) - asked; n != 2 {
		t.Errorf("the rest of 10 issues, of which 6 were read, takes %d queries", n)
	}
	holds("cut and resumed", rows())

	before = rows()
	g.Delete("7", "8")
	clock.pass(time.Hour)
	e.poll(syncer.Changes)
	holds("deleted unseen", before)
	if a := e.audit(2); a.Extra != 2 || a.Missing != 0 || a.Repaired != 2 {
		t.Errorf("audit %+v", a)
	}
	holds("audited", rows())

	g.Name = "renamed"
	failsBy(t, e, syncer.ClassAnswer, "Could not resolve to a Repository")
	holds("not found", rows())
}

// failsBy polls once, and asks that it fails for this reason.
func failsBy(t *testing.T, e *example, class syncer.Class, says string) {
	t.Helper()
	f := e.tryPoll()[0].Failure
	if f == nil || f.Class != class || !strings.Contains(f.Text, says) {
		t.Errorf("failure %+v, want class %q and %q", f, class, says)
	}
}
