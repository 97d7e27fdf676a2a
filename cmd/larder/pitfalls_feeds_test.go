package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// One key several times, updated and deleted in any order, on one page or on
// several whose batches are written by one transaction, is what its newest
// version says, and without versions what came last; in both databases.
func TestOneKeyInOneTransaction(t *testing.T) {
	orders := [][3]int{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}}
	for _, versioned := range []bool{true, false} {
		var records, want []string
		for at := range 3 {
			for key, o := range orders { // key 1X ends as it is updated, 2X as it is deleted
				for kind, deleted := range map[string]int{"1": 2, "2": 3} {
					id, v := kind+fmt.Sprint(key), o[at]
					records = append(records, fmt.Sprintf(`{"id":%s,"v":%d,"name":"v%d","gone":%t}`, id, v, v, v == deleted))
				}
			}
		}
		for _, kind := range []string{"1", "2"} {
			for key, o := range orders {
				last := map[bool]int{true: 3, false: o[2]}[versioned]
				if deleted := map[string]int{"1": 2, "2": 3}[kind]; last != deleted {
					want = append(want, fmt.Sprintf("%s%d|v%d", kind, key, last))
				}
			}
		}
		for _, size := range []int{1, 5, len(records)} {
			t.Run(fmt.Sprintf("versions %v, %d a page", versioned, size), func(t *testing.T) {
				text := strings.Replace(valuesFeed, `request = { path = "/things" }`, `request = { path = "/things", query = { cursor = "{cursor}" } }
paging  = { next = "next" }`, 1)
				text = strings.Replace(text, `key = "id"`, `key = "id", deleted = "gone"`+map[bool]string{true: `, version = "v"`}[versioned], 1)
				w := newTwin(t, text+`columns = { id = "bigint", v = "bigint", name = "text" }`+"\n", paged(records, size))
				w.with(func(ctx context.Context, f *feed) []syncer.Report {
					walk := syncer.Walk{ID: "w1", Kind: syncer.Snapshot, Sent: time.Now()}
					var batches []*syncer.Batch
					for b, err := range f.Source.Walk(ctx, walk) {
						if err != nil {
							t.Fatal(err)
						}
						batches = append(batches, b)
					}
					for _, c := range f.Copies {
						if _, err := c.Table.Apply(ctx, walk, batches); err != nil {
							t.Error(err)
						}
					}
					return nil
				})
				w.both("one transaction", `select id, name from things order by id`, `select concat_ws('|', id, name) from things order by id`, want...)
			})
		}
	}
}

// paged is an owner of records, so many a page.
func paged(records []string, size int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := 0
		_, _ = fmt.Sscan(r.URL.Query().Get("cursor"), &from)
		to, next := min(from+size, len(records)), "null"
		if to < len(records) {
			next = fmt.Sprint(to)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"data":[%s],"next":%s}`, strings.Join(records[from:to], ","), next)
	})
}

// A child that comes before its parent, and a parent that goes before its child,
// are set aside where the consumer's own table enforces that they belong
// together; no other record waits for them, the walk goes on, and once the
// other feed has come they are as the owner has them.
func TestParentsAndChildrenComeApart(t *testing.T) {
	children := stampedOwner()
	w := newTwin(t, stampedFeed, children)
	w.postgres(`create table parents (id bigint primary key)`)
	w.postgres(`create table users (id bigint primary key references parents, name text, updated_at timestamptz)`)
	children.Put("child", 1, 2, 3)
	w.postgres(`insert into parents values (1)`)
	w.poll(syncer.Resync)
	const rows = `select concat_ws('|', id, name) from users order by id`
	told := func(when string, want ...string) {
		t.Helper()
		if got := w.postgres(rows); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	told("children first", "1|child")
	w.holds("without the constraint", usersRows, []string{"1|child", "2|child", "3|child"})
	w.postgres(`insert into parents values (2), (3)`)
	w.retry()
	told("the parents came", "1|child", "2|child", "3|child")

	w.postgres(`create table grandchildren (id bigint primary key references users)`)
	w.postgres(`insert into grandchildren values (1)`)
	children.Clock.Skew += time.Hour
	children.Delete(1, 2)
	children.Put("later", 3)
	w.poll(syncer.Changes)
	told("parents go first", "1|child", "3|later")
	w.holds("without the constraint", usersRows, []string{"3|later"})
	if aside := w.postgres(setAsideByPostgres); aside[0] != "1" {
		t.Errorf("%s are set aside, want the deletion that is refused", aside)
	}
	w.postgres(`delete from grandchildren`)
	w.retry()
	told("the grandchildren went", "3|later")
}

// retry tries what was set aside again.
func (w *twin) retry() {
	w.t.Helper()
	w.with(func(ctx context.Context, f *feed) []syncer.Report {
		for _, c := range f.copies {
			if _, err := c.Keeper.Obey(ctx, syncer.Order{Kind: syncer.OrderQuarantineRetry, Table: c.target}); err != nil {
				w.t.Error(err)
			}
		}
		return nil
	})
}

// A request, a field or a filter that is changed under a watermark asks for
// everything again: old rows get the new column, and those that the filter had
// kept away come, though nothing of them has changed.
func TestEditedFeedsAreFilledAgain(t *testing.T) {
	o := stampedOwner()
	e := newRun(t, strings.Replace(stampedFeed, `columns = {`, `where   = 'name != "hidden"'`+"\ncolumns = {", 1), &door{owner: o})
	o.Put("old", 1, 2, 3)
	o.Put("hidden", 4)
	e.poll(syncer.Resync)
	e.holds("filtered", usersRows, []string{"1|old", "2|old", "3|old"})
	o.Clock.Skew += 12 * time.Hour
	o.Put("new", 3)
	e.poll(syncer.Changes)

	e.config = strings.Replace(e.config, `name = "text" }`, `name = "text", updated_at = "timestamptz" }`, 1)
	e.tryPoll()
	e.holds("a column more", `select id from users where updated_at is null`, nil)
	e.config = strings.Replace(e.config, `where   = 'name != "hidden"'`+"\n", "", 1)
	e.tryPoll()
	e.holds("a filter less", usersRows, truthOf(o))
	e.config = strings.Replace(e.config, `path = "/users"`, `path = "/users/all"`, 1)
	e.poll(syncer.Resync)
	o.Clock.Skew += time.Hour
	o.Put("newer", 1)
	e.poll(syncer.Changes)
	e.holds("another request", usersRows, truthOf(o))
}

// What a wider or narrower permission shows or hides has no new stamp: no poll
// brings it, and an audit finds it and puts it right.
func TestPermissionsThatChange(t *testing.T) {
	o, all := stampedOwner(), []int64{1, 2, 3, 4}
	seen := stampedOwner()
	shown := func(ids ...int64) { // another view of the same, with the same stamps
		seen = stampedOwner()
		seen.Clock = o.Clock
		for _, id := range ids {
			seen.Commit(sourcetest.Change{ID: id, Name: "row", Stamp: o.Now().Add(-time.Hour), Commit: o.Now(), Visible: o.Now()})
		}
	}
	text := strings.Replace(stampedFeed, `records   = {`, "audit     = { schedule = \"@daily\", repair = true }\nrecords   = {", 1)
	e := newRun(t, text, &door{owner: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen.ServeHTTP(w, r) })})
	shown(all[:2]...)
	e.poll(syncer.Resync)
	o.Clock.Skew += 12 * time.Hour
	seen.Clock = o.Clock
	seen.Put("newest", 1)
	e.poll(syncer.Changes)
	wide := seen
	wide.Clock.Skew -= 6 * time.Hour // older than the overlap reaches
	wide.Put("old", 3, 4)
	wide.Clock.Skew += 6 * time.Hour
	e.poll(syncer.Changes)
	e.holds("a wider view, polled", usersRows, []string{"1|newest", "2|row"})
	if got := e.audit(2); got.Repaired != 2 || got.Missing != 2 {
		t.Errorf("the audit of a wider view: %+v", got)
	}
	e.holds("a wider view, audited", usersRows, truthOf(wide))

	shown(all[1:]...)
	e.poll(syncer.Changes)
	e.holds("a narrower view, polled", usersRows, truthOf(wide))
	if got := e.audit(2); got.Extra != 1 || got.Repaired+got.Held == 0 {
		t.Errorf("the audit of a narrower view: %+v", got)
	}
}
