package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// pass lets time pass for an owner and for the copy.
func (e *example) pass(o *sourcetest.Owner, d time.Duration) {
	e.t.Helper()
	o.Clock.Skew += d
	var set []string
	for _, c := range []string{"as_of", "deletes_as_of", "first_seen", "warn_at", "critical_at", "last_poll", "next_poll", "newest_at"} {
		set = append(set, fmt.Sprintf("%s = %s - %f", c, c, d.Seconds()))
	}
	e.alter(`update larder_watermark set ` + strings.Join(set, ", "))
}

// tells fails unless the view tells such a level and reason.
func (e *example) tells(when, level, reason string) {
	e.t.Helper()
	got, err := query(e.file, `select level, coalesce(reason, '') from larder_freshness`)
	if err != nil || !strings.HasPrefix(got, level+"|"+reason) || reason == "" && got != level+"|" {
		e.t.Errorf("%s the view tells %q, want %s, %q: %v", when, got, level, reason, err)
	}
}

// Polls that bring no row for longer than usual are complete answers: the copy
// is as of each of them, and fresh. That the owner's newest record is old is
// another matter: the budget newest tells of it, until something new comes.
func TestEmptyPollsAreFreshAndTellOfAStuckOwner(t *testing.T) {
	o := stampedOwner()
	text := strings.Replace(stampedFeed, `budget  = "1h"`, "budget  = \"1h\"\nnewest  = \"150m\"", 1)
	e := newRun(t, text, &door{owner: o})
	o.Put("new", 1, 2, 3)
	e.poll(syncer.Resync)
	e.tells("after the first poll", "fresh", "")

	o.Fault = func(int, *http.Request) *sourcetest.Fault { return sourcetest.EmptyList() }
	for hour, want := range []string{"fresh", "fresh", "warn", "warn"} {
		when := fmt.Sprintf("%d hours later", hour+1)
		e.pass(o, time.Hour+time.Minute)
		e.tells(when+" without a poll", "critical", "no complete poll since")
		e.poll(syncer.Changes)
		if want == "fresh" {
			e.tells(when, want, "")
			continue
		}
		e.tells(when, want, "newest record is from ")
		if got, err := query(e.file, `select staleness < 60 from larder_freshness`); got != "1" {
			t.Errorf("%s the copy itself is stale: %v", when, err)
		}
	}
	e.holds("all the while", usersRows, truthOf(o))

	o.Fault = nil
	o.Put("at last", 4)
	e.poll(syncer.Changes)
	e.tells("once something comes", "fresh", "")
	e.holds("once something comes", usersRows, truthOf(o))
}

// An answer of 304 is a complete poll: the copy is as of it and fresh, and no
// row is written, which a trigger of the consumer's would see.
func TestNotModifiedIsFreshAndWritesNoRow(t *testing.T) {
	o := stampedOwner()
	o.Style, o.Tombstones, o.Cache.ETags = sourcetest.Whole, false, true
	text := strings.NewReplacer(`query = { since = "{since}", cursor = "{cursor}", size = "{size}" }`, `conditional = true`,
		`paging    = { next = "meta.next_cursor", size = 3 }`, `mode = "snapshot"`, `, deleted = "deleted_at"`, "",
		`watermark = { from = "updated_at", overlap = "2m" }`, "").Replace(stampedFeed)
	e := newRun(t, text, &door{owner: o})
	o.Put("new", 1, 2, 3)
	e.poll(syncer.Snapshot)
	for _, verb := range []string{"insert", "update", "delete"} {
		e.alter(fmt.Sprintf(`create trigger no_%s before %s on users begin select raise(abort, 'a row is written'); end`, verb, verb))
	}
	for range 3 {
		e.pass(o, 61*time.Minute)
		e.tells("without a poll", "critical", "no complete poll since")
		if r := e.poll(syncer.Snapshot); r[0].Records != 0 {
			t.Errorf("%d records come", r[0].Records)
		}
		e.tells("not modified", "fresh", "")
	}
	o.Put("another", 2)
	if r := e.tryPoll(); r[0].OK() || !strings.Contains(fmt.Sprint(r[0].Tables[0].Failure), "a row is written") {
		t.Errorf("a row that changes is not written: %+v", r)
	}
}
