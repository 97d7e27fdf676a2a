package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/sources/feedtest"
	"github.com/larder-sync/larder/syncer"
)

// The issues of Jira Cloud: a query language in JSON, exact to the millisecond
// where a date would be read to the minute in another zone, an index that runs
// behind, and deletions that are told nowhere.
func TestExampleJiraIssues(t *testing.T) {
	clock := newOwnersClock()
	j := &feedtest.Jira{Store: feedtest.Store{Clock: clock.now}, Zone: time.FixedZone("", -5*3600), Behind: 90 * time.Second, Done: []string{"10002"}}
	d := &door{owner: j, clock: clock, wants: basic("JIRA_USER", "JIRA_TOKEN")}
	e := newExample(t, "jira-issues", d)
	rows := func() []string {
		return live(&j.Store, func(c feedtest.Change) string {
			status := "To Do"
			if slices.Contains(j.Done, c.ID) {
				status = "Done"
			}
			return fmt.Sprintf("%s|APP-%s|%s|%s|%s", c.ID, c.ID, c.Value, status, stamp(c.At))
		})
	}
	holds := func(when string, want []string) {
		t.Helper()
		e.holds(when, `select id, key, summary, status, updated from issues`, want)
	}
	j.Put("new", ids(10001, 10010)...)
	clock.pass(time.Hour)
	e.poll(syncer.Resync)
	holds("first poll", rows())

	for round := range 5 {
		clock.pass(37*time.Second + 123*time.Millisecond)
		j.Put(fmt.Sprintf("round %d", round), ids(10001+round, 10004+round)...)
		j.Done = append(j.Done, fmt.Sprint(10001+round))
		clock.pass(30 * time.Second)
		e.poll(syncer.Changes) // the index does not have it yet
		clock.pass(60 * time.Second)
		d.ahead(once(1, func() { j.Put("edited while it is read", "10009") }))
		e.poll(syncer.Changes)
		d.ahead(nil)
		clock.pass(2 * time.Minute)
		e.poll(syncer.Changes)
		holds(fmt.Sprintf("round %d", round), rows())
	}

	// The walk is cut at its second page and goes on there.
	j.Put("cut", ids(10001, 10010)...)
	clock.pass(10 * time.Minute)
	d.put(failing(j, 2))
	if r := e.tryPoll()[0]; r.Failure == nil {
		t.Error("the second page does not fail")
	}
	d.put(j)
	asked := len(j.Asked())
	e.poll(syncer.Changes)
	if n := len(j.Asked()) - asked; n != 3 {
		t.Errorf("the rest of 10 issues, of which 3 were read, takes %d queries", n)
	}
	holds("cut and resumed", rows())

	clock.pass(10 * time.Minute)
	j.Put("newer", "10009")
	clock.pass(10 * time.Minute)
	e.poll(syncer.Changes)
	before := rows()
	j.Delete("10007", "10008")
	e.alter(`delete from issues where id = 10003`)
	clock.pass(time.Hour)
	e.poll(syncer.Changes)
	holds("deleted unseen", slices.DeleteFunc(before, func(row string) bool { return strings.HasPrefix(row, "10003|") }))
	if a := e.audit(2); a.Extra != 2 || a.Missing != 1 || a.Repaired != 3 {
		t.Errorf("audit %+v", a)
	}
	holds("audited", rows())
}

// failing is an owner that breaks off its n-th answer from here, and each one
// behind it.
func failing(owner http.Handler, n int) http.Handler {
	var asked int
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked >= n {
			panic(http.ErrAbortHandler)
		}
		owner.ServeHTTP(w, r)
	})
}
