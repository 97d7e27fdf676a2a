package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

const stampedFeed = `
consumer.app.database = "postgres://app@db/app"
[owner.app]
url = "https://owner.example"
[source.users]
request   = { path = "/users", query = { since = "{since}", cursor = "{cursor}", size = "{size}" } }
paging    = { next = "meta.next_cursor", size = 3 }
records   = { at = "data", key = "id", deleted = "deleted_at" }
watermark = { from = "updated_at", overlap = "2m" }
[[table]]
source  = "users"
budget  = "1h"
columns = { id = "bigint", name = "text" }
`

const usersRows = `select id, name from users`

// stampedOwner is an owner of records with stamps, whose clock is moved by Skew:
// it begins in the past, so that it is never ahead of this machine.
func stampedOwner() *sourcetest.Owner {
	return &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Tombstones: true, Clock: sourcetest.Clock{Skew: -24 * time.Hour}}
}

// truthOf is what an owner has, as a query of the copy tells it.
func truthOf(o *sourcetest.Owner) []string {
	var all []string
	for _, r := range o.Truth() {
		all = append(all, fmt.Sprintf("%d|%s", r.ID, r.Name))
	}
	return all
}

// More records share one stamp than fit on several pages, and grow from poll to
// poll: none is lost.
func TestTiesFillPages(t *testing.T) {
	o := stampedOwner()
	e := newRun(t, stampedFeed, &door{owner: o})
	tie, id := o.Now(), int64(0)
	kind := syncer.Resync
	for round := range 3 {
		for range 10 {
			id++
			o.Commit(sourcetest.Change{ID: id, Name: "tie", Stamp: tie, Commit: o.Now(), Visible: o.Now()})
		}
		e.poll(kind)
		e.holds(fmt.Sprintf("round %d", round+1), usersRows, truthOf(o))
		kind = syncer.Changes
	}
	o.Clock.Skew += time.Hour
	o.Put("newer", 1, 2, 3, 4)
	e.poll(syncer.Changes)
	e.holds("newer ones", usersRows, truthOf(o))
}

// A row that becomes visible behind the watermark, and a second row in the very
// second that was polled, come with the next poll: the overlap asks for both.
func TestLateRowsComeWithTheOverlap(t *testing.T) {
	o := stampedOwner()
	o.Wire.Layout = time.RFC3339
	e := newRun(t, stampedFeed, &door{owner: o})
	o.Put("new", 1, 2, 3, 4, 5)
	stamped := o.Now()
	o.Clock.Skew += time.Minute
	o.Put("newest", 6)
	e.poll(syncer.Resync)
	e.holds("first poll", usersRows, truthOf(o))

	o.Commit(sourcetest.Change{ID: 7, Name: "committed late", Stamp: stamped, Commit: o.Now(), Visible: o.Now()})
	o.Put("the same second", 6, 8)
	e.poll(syncer.Changes)
	e.holds("seen late", usersRows, truthOf(o))
}

// An owner that answers 200 with an empty list while it is down deletes nothing:
// not by a poll, not by a resync, and not by a snapshot.
func TestEmptyListSweepsNothing(t *testing.T) {
	snapshot := strings.NewReplacer(`since = "{since}", `, "", `watermark = { from = "updated_at", overlap = "2m" }`, `mode = "snapshot"`).Replace(stampedFeed)
	for name, feed := range map[string]string{"incremental": stampedFeed, "snapshot": snapshot} {
		t.Run(name, func(t *testing.T) {
			o := stampedOwner()
			e := newRun(t, feed, &door{owner: o})
			o.Put("new", 1, 2, 3, 4, 5)
			e.tryPoll()
			want := truthOf(o)
			e.holds("first poll", usersRows, want)
			o.Fault = func(int, *http.Request) *sourcetest.Fault { return sourcetest.EmptyList() }
			for range 2 {
				e.tryPoll()
				e.resync()
			}
			e.holds("down", usersRows, want)
			if got, err := query(e.file, `select held from larder_watermark`); err != nil || got != "5" {
				t.Errorf("%s rows are held: %v", got, err)
			}
			o.Fault = nil
			o.Put("back", 1)
			e.resync()
			e.holds("back", usersRows, truthOf(o))
			if got, err := query(e.file, `select held from larder_watermark`); err != nil || got != "0" {
				t.Errorf("%s rows are still held: %v", got, err)
			}
		})
	}
}

// A copy whose watermark is of another field, or that was thrown away, asks for
// everything; one whose initial has moved goes on where it stands, and a resync
// takes the new one.
func TestWatermarkOfAnotherField(t *testing.T) {
	o := stampedOwner()
	e := newRun(t, stampedFeed, &door{owner: o})
	o.Put("new", 1, 2, 3, 4)
	e.poll(syncer.Resync)
	o.Clock.Skew += time.Hour
	o.Put("changed", 2)
	e.poll(syncer.Changes)

	e.config = strings.Replace(e.config, `overlap = "2m"`, `overlap = "2m", initial = "2020-01-01T00:00:00Z"`, 1)
	e.poll(syncer.Changes)
	if got := sinceOf(o); got < "2021" {
		t.Errorf("asks since %s, before what the copy holds", got)
	}
	e.config = strings.Replace(e.config, `from = "updated_at"`, `from = ["updated_at", "created_at"]`, 1)
	e.poll(syncer.Resync)
	if got := sinceOf(o); got != "2020-01-01T00:00:00Z" {
		t.Errorf("begins anew at %s, want at initial", got)
	}
	e.holds("another field", usersRows, truthOf(o))
	o.Clock.Skew += time.Hour
	o.Put("changed again", 3)
	e.poll(syncer.Changes)
	e.holds("changes by it", usersRows, truthOf(o))

	e.alter(`delete from users where id = 1`) // lost with a backup, say
	e.resync()
	e.holds("asked for again", usersRows, truthOf(o))
}

// sinceOf is since when an owner was last asked.
func sinceOf(o *sourcetest.Owner) string {
	all := o.Requests()
	return all[len(all)-1].URL.Query().Get("since")
}

// resync orders a resync and polls.
func (e *example) resync() []syncer.Report {
	e.t.Helper()
	return e.with(func(ctx context.Context, f *feed) []syncer.Report {
		if _, err := f.copies[0].Keeper.Obey(ctx, syncer.Order{Kind: syncer.OrderResync, Table: f.copies[0].target}); err != nil {
			e.t.Fatal(err)
		}
		return f.Poll(ctx, time.Time{})
	})
}

const partedFeed = `
consumer.app.database = "postgres://app@db/app"
[owner.app]
url = "https://owner.example"
[source.users]
each      = { query = "select name as team from teams order by id" }
request   = { path = "/{each.team}/users", query = { since = "{since}", cursor = "{cursor}", size = "{size}" } }
paging    = { next = "meta.next_cursor", size = 3 }
records   = { at = "data", key = ["each.team", "id"], deleted = "deleted_at" }
watermark = { from = "updated_at", overlap = "0s", initial = "2020-01-01T00:00:00Z" }
[[table]]
source  = "users"
budget  = "1h"
columns = { team = { from = "each.team", type = "text" }, id = "bigint", name = "text" }
`

// teams are owners of one partition each.
type teams map[string]*sourcetest.Owner

func (a teams) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	team, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if o := a[team]; o != nil {
		o.ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}

func (a teams) truth(names ...string) []string {
	var all []string
	for _, name := range names {
		for _, row := range truthOf(a[name]) {
			all = append(all, name+"|"+row)
		}
	}
	return all
}

// since is since when each team was last asked.
func (a teams) since() map[string]string {
	all := map[string]string{}
	for name, o := range a {
		if len(o.Requests()) > 0 {
			all[name] = sinceOf(o)
		}
	}
	return all
}

// Each partition has a watermark of its own. One without any begins at initial,
// whatever the others have reached; one that the query tells twice is walked
// once; one that fails keeps its watermark and holds no other back; a row
// without the value fails the poll, in which those that are known go on; and no
// rows at all empty nothing.
func TestPartitionsStandAlone(t *testing.T) {
	all := teams{"red": stampedOwner(), "blue": stampedOwner(), "green": stampedOwner()}
	e := newRun(t, partedFeed, &door{owner: all})
	const rows, initial = `select team, id, name from users`, "2020-01-01T00:00:00Z"
	asked := func(when string, begin ...string) {
		t.Helper()
		got := map[string]bool{}
		for team, since := range all.since() {
			got[team] = since == initial
		}
		want := map[string]bool{}
		for team := range got {
			want[team] = false
		}
		for _, team := range begin {
			want[team] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: who begins at initial (-want +got):\n%s", when, diff)
		}
	}
	pass := func() {
		for _, o := range all {
			o.Clock.Skew += time.Hour
		}
	}
	for team, o := range all {
		o.Put(team, 1, 2, 3, 4)
	}
	e.alter(`create table teams (id integer primary key, name text)`)
	e.poll("") // nobody to ask
	e.alter(`insert into teams (name) values ('red'), ('blue'), ('red')`)
	e.poll(syncer.Resync, syncer.Resync)
	e.holds("two teams, one of them twice", rows, all.truth("red", "blue"))
	asked("first poll", "red", "blue")

	pass()
	all["red"].Put("changed", 1)
	all["red"].Put("new", 5)
	e.alter(`insert into teams (name) values ('green')`)
	e.poll(syncer.Changes, syncer.Changes, syncer.Resync)
	e.holds("a third team", rows, all.truth("red", "blue", "green"))
	asked("a third team", "green")

	pass()
	want := all.truth("blue")
	for _, o := range all {
		o.Put("changed again", 1, 2)
	}
	all["blue"].Fault = func(int, *http.Request) *sourcetest.Fault { return sourcetest.Status(http.StatusNotFound) }
	failed := 0
	for _, r := range e.tryPoll() {
		if !r.OK() {
			failed++
		}
	}
	if e.holds("one fails", rows, append(want, all.truth("red", "green")...)); failed != 1 {
		t.Errorf("%d partitions fail", failed)
	}
	before := all.since()["blue"]
	all["blue"].Fault = nil
	pass()
	e.poll(syncer.Changes, syncer.Changes, syncer.Changes)
	if got := all.since()["blue"]; got != before {
		t.Errorf("asks since %s after a failure, want %s", got, before)
	}
	e.holds("it is back", rows, all.truth("red", "blue", "green"))

	pass()
	reports := e.with(func(ctx context.Context, f *feed) []syncer.Report {
		f.Poll(ctx, time.Time{})
		all["red"].Put("beside a bad row", 1)
		e.alter(`insert into teams (name) values (null)`)
		return f.Poll(ctx, time.Time{})
	})
	if len(reports) != 4 || reports[0].OK() || !reports[1].OK() || !reports[2].OK() || !reports[3].OK() {
		t.Errorf("a row without the value: %+v", reports)
	}
	want = all.truth("red", "blue", "green")
	e.holds("a row without the value", rows, want)
	e.alter(`delete from teams`)
	e.poll("")
	e.holds("no rows at all", rows, want)
}
