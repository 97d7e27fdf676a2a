package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/feedtest"
	"github.com/larder-sync/larder/syncer"
)

func names(from, to int) []string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, fmt.Sprintf("k%02d", i))
	}
	return all
}

func graphUsers() sources.Spec {
	return sources.Spec{
		Name: "users", Mode: sources.Delta,
		Request:   sources.Request{Path: text("/users/delta"), Query: []sources.Param{param("$select", "id,displayName")}},
		Paging:    sources.Paging{By: sources.NextURL, Next: `"@odata.nextLink"`},
		Records:   sources.Records{At: "value", Key: []string{"id"}, Deleted: `"@removed"`},
		Watermark: sources.Watermark{Place: `body:"@odata.deltaLink"`, Opaque: sources.URL},
		Expired: sources.Expired{Status: []int{410, 400}, At: "error.code",
			Equals: []string{`"syncStateNotFound"`, `"resyncRequired"`}},
		Resync: sources.Resync{Known: true},
		Paths:  []string{"id", "displayName"},
	}
}

// TestFeedMicrosoftGraph: pages without items, items that come again, a delta
// link on the last page only, @removed, and links that get too old, told by 410
// or by a code with 400, at the first request or in mid-walk.
func TestFeedMicrosoftGraph(t *testing.T) {
	for _, code := range []string{"", "syncStateNotFound"} {
		t.Run("refuses with "+code, func(t *testing.T) {
			g := &feedtest.Graph{Code: code}
			g.Put("new", names(1, 9)...)
			s := newShelf(t, g, graphUsers())
			s.poll(syncer.Resync)
			s.holds("first poll", g.Truth())

			g.Put("changed", names(2, 4)...)
			g.Delete(names(5, 7)...)
			g.Put("new", names(20, 21)...)
			s.poll(syncer.Changes)
			s.holds("changes", g.Truth())
			if q := g.Asked()[len(g.Asked())-1].Query(); q.Has("$select") || !q.Has("$skiptoken") {
				t.Errorf("the last page is asked by %v, want the link as it was given", q)
			}
			before := s.standing().Position.Watermark
			if r := s.poll(syncer.Changes); r.Batches != 1 || r.Records != 0 || !strings.Contains(before, "deltatoken") {
				t.Errorf("quiet poll %+v from %q", r, before)
			}

			g.Delete(names(1, 2)...)
			g.Expire()
			s.poll(syncer.Resync)
			s.holds("expired", g.Truth())

			g.Put("changed again", names(3, 12)...)
			at := s.asked
			s.between = func(n int) {
				if n == at+4 {
					g.Delete(names(8, 9)...)
					g.Expire()
				}
			}
			s.poll(syncer.Resync)
			s.holds("expired in mid-walk", g.Truth())
			s.between = nil
			g.Put("after", "k08")
			s.poll(syncer.Changes)
			s.holds("changes after an expiry", g.Truth())
		})
	}
}

func calendarEvents() sources.Spec {
	return sources.Spec{
		Name: "events", Mode: sources.Delta,
		Request: sources.Request{Path: text("/calendars/primary/events"), Query: []sources.Param{
			param("syncToken", "{since}"), param("pageToken", "{cursor}"), param("maxResults", "{size}"),
		}},
		Paging:    sources.Paging{By: sources.Cursor, Next: "nextPageToken", Size: 3},
		Records:   sources.Records{At: "items", Key: []string{"id"}, Deleted: "status", DeletedEquals: []string{`"cancelled"`}},
		Watermark: sources.Watermark{Place: "body:nextSyncToken", Opaque: sources.Token},
		Expired:   sources.Expired{Status: []int{410}},
		Resync:    sources.Resync{Known: true},
		Paths:     []string{"id", "summary"},
	}
}

// TestFeedGoogleCalendar: the sync token stands on the last page only, every
// page repeats the first one's parameters, what is cancelled goes away, an
// empty answer hands out the same token again, and 410 means to start over.
func TestFeedGoogleCalendar(t *testing.T) {
	c := &feedtest.Calendar{}
	c.Put("meeting", names(1, 10)...)
	s := newShelf(t, c, calendarEvents())
	s.poll(syncer.Resync)
	s.holds("first poll", c.Truth())

	// What is cancelled while the pages are read comes with the next token.
	c.Put("moved", names(1, 7)...)
	at := s.asked
	s.between = func(n int) {
		if n == at+2 {
			c.Delete("k01")
		}
	}
	s.poll(syncer.Changes)
	s.between = nil
	s.poll(syncer.Changes)
	s.holds("changes", c.Truth())
	for _, u := range c.Asked()[at:] {
		if !u.Query().Has("syncToken") {
			t.Errorf("asks changes by %v, want the sync token with every page", u)
		}
	}
	before := s.standing().Position.Watermark
	if s.poll(syncer.Changes); s.standing().Position.Watermark != before {
		t.Errorf("a quiet poll moves the token from %q to %q", before, s.standing().Position.Watermark)
	}

	c.Delete(names(2, 4)...)
	c.Expire()
	s.poll(syncer.Resync)
	s.holds("expired", c.Truth())
	c.Put("moved again", "k05")
	s.poll(syncer.Changes)
	s.holds("changes after an expiry", c.Truth())
}

// TestFeedZendesk: after_url stands on every page, end_of_stream ends, and what
// was written within the last minute comes with a later poll.
func TestFeedZendesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := &feedtest.Zendesk{}
		z.Put("broken", names(1, 8)...)
		time.Sleep(time.Hour)
		s := newShelf(t, z, sources.Spec{
			Name: "tickets", Mode: sources.Delta,
			Request: sources.Request{Path: text("/api/v2/incremental/tickets/cursor.json"),
				Query: []sources.Param{param("start_time", "0"), param("per_page", "{size}")}},
			Paging: sources.Paging{By: sources.NextURL, Next: "after_url", Size: 3,
				More: sources.Test{At: "end_of_stream", Equals: []string{"false"}}},
			Records:   sources.Records{At: "tickets", Key: []string{"id"}, Deleted: "status", DeletedEquals: []string{`"deleted"`}},
			Watermark: sources.Watermark{Place: "body:after_url", Opaque: sources.URL},
			Resync:    sources.Resync{Known: true},
			Paths:     []string{"id", "subject"},
		})
		s.Lag = time.Minute
		s.poll(syncer.Resync)
		s.holds("first poll", z.Truth())
		before := z.Truth()
		z.Put("mended", names(1, 5)...)
		z.Delete("k08")
		s.poll(syncer.Changes)
		s.holds("within the minute", before)
		time.Sleep(time.Minute)
		s.poll(syncer.Changes)
		s.holds("changes", z.Truth())
		if q := lastAsked(z.Asked()); q.Has("start_time") || !q.Has("cursor") {
			t.Errorf("asks by %v, want the cursor alone", q)
		}
		if err := order(t, s); err != nil {
			t.Fatal(err)
		}
		z.Put("again", "k01")
		time.Sleep(time.Hour)
		s.poll(syncer.Resync)
		s.holds("a resync that was ordered", z.Truth())
		z.Delete("k02")
		time.Sleep(time.Hour)
		s.poll(syncer.Changes)
		s.holds("changes after it", z.Truth())
	})
}

// order orders a resync.
func order(t *testing.T, s *shelf) error {
	_, err := s.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderResync})
	return err
}

// TestFeedCouchDB: an opaque sequence moves page by page, changes from before
// it come again, and an empty page is the end.
func TestFeedCouchDB(t *testing.T) {
	c := &feedtest.Couch{}
	c.Put("old", names(1, 10)...)
	c.Delete("k10")
	s := newShelf(t, c, sources.Spec{
		Name: "docs", Mode: sources.Delta,
		Request: sources.Request{Path: text("/db/_changes"), Query: []sources.Param{
			param("since", "{since}"), param("limit", "{size}"), param("include_docs", "true")}},
		Paging:    sources.Paging{By: sources.Since, Size: 3},
		Records:   sources.Records{At: "results", Key: []string{"id"}, Deleted: "deleted"},
		Watermark: sources.Watermark{Place: "last_seq", Opaque: sources.Token},
		Resync:    sources.Resync{Known: true},
		Paths:     []string{"id", "doc.name"},
	})
	s.poll(syncer.Resync)
	s.holds("first poll", c.Truth())
	c.Put("new", names(3, 8)...)
	c.Delete("k01")
	at := s.asked
	s.between = func(n int) {
		if n == at+3 { // a document that was seen in this walk changes again: no new key
			c.Put("hot", "k03", "k04", "k05", "k06")
		}
	}
	s.poll(syncer.Changes)
	s.holds("changes", c.Truth())
	s.between = nil
	before := s.standing().Position.Watermark
	if r := s.poll(syncer.Changes); r.Records != 0 || s.standing().Position.Watermark != before {
		t.Errorf("quiet poll %+v", r)
	}
	if err := order(t, s); err != nil {
		t.Fatal(err)
	}
	c.Put("newer", "k02")
	s.poll(syncer.Resync)
	s.holds("a resync that was ordered", c.Truth())
}

func httpFeed() sources.Spec {
	return sources.Spec{
		Name: "products", Mode: sources.Log,
		Request:   sources.Request{Path: text("/inventory"), Query: []sources.Param{param("lastEventId", "{since}"), param("timeout", "5000")}},
		Paging:    sources.Paging{By: sources.Since},
		Records:   sources.Records{Key: []string{"subject"}, Deleted: "method", DeletedEquals: []string{`"DELETE"`}},
		Watermark: sources.Watermark{Last: "id", Opaque: sources.Token},
		Expired:   sources.Expired{Status: []int{410}},
		Resync:    sources.Resync{Known: true},
		Paths:     []string{"subject", "data.name"},
	}
}

// TestFeedHTTPFeeds: CloudEvents in append order by the last id, many of one
// subject, DELETE, and compaction that drops the very event we stand at.
func TestFeedHTTPFeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &feedtest.HTTPFeed{}
		for range 8 { // whole pages bring no new subject
			f.Put("old", names(1, 2)...)
		}
		f.Put("new", names(3, 5)...)
		f.Delete("k02")
		s := newShelf(t, f, httpFeed())
		s.poll(syncer.Resync)
		s.holds("first poll", f.Truth())
		held := s.standing().Position.Watermark
		began := time.Now()
		if r := s.poll(syncer.Changes); r.Records != 0 || time.Since(began) < 5*time.Second {
			t.Errorf("quiet poll %+v takes %s, want a request that is held open", r, time.Since(began))
		}
		if now := s.standing().Position.Watermark; now != held {
			t.Errorf("a quiet poll moves the position from %q to %q", held, now)
		}
		f.Put("back", "k02")
		f.Delete("k03")
		f.Compact = true // the event we stand at is one of k02
		s.poll(syncer.Changes)
		s.holds("compacted", f.Truth())
		if q := f.Asked()[len(f.Asked())-2].Query(); q.Get("lastEventId") != held {
			t.Errorf("asks since %q, want the dropped id %q", q.Get("lastEventId"), held)
		}
	})
}

// TestFeedHTTPFeedsLongPoll: an event that comes while the request is held open
// comes at once; an owner that holds it longer than an attempt may take fails
// it by name.
func TestFeedHTTPFeedsLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &feedtest.HTTPFeed{}
		f.Put("old", "k01")
		s := newShelf(t, f, httpFeed())
		s.poll(syncer.Resync)
		time.AfterFunc(2*time.Second, func() { f.Put("new", "k01") })
		began := time.Now()
		r := s.poll(syncer.Changes)
		s.holds("while it waits", f.Truth())
		if r.Took < 7*time.Second || r.Took > 8*time.Second { // 2s for the event, 5s for the end
			t.Errorf("takes %s", r.Took)
		}
		if st := s.standing(); !st.AsOf.Equal(began) {
			t.Errorf("as of %s, want the start %s", st.AsOf, began)
		}
		f.Hold = time.Hour
		r = s.Poll(t.Context(), time.Time{})[0]
		if r.Failure == nil || r.Failure.Class != syncer.ClassTimeout || r.Took != 30*time.Second {
			t.Errorf("held for ever: %+v after %s, want a timeout after an attempt's 30s", r.Failure, r.Took)
		}
	})
}

// TestFeedHTTPFeedsExpired: a replay of a log that begins later proves nothing
// about what it has dropped; a list of its own does, and changes go on from the
// id that the list came with.
func TestFeedHTTPFeedsExpired(t *testing.T) {
	for _, items := range []bool{false, true} {
		t.Run(fmt.Sprint("items ", items), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &feedtest.HTTPFeed{Items: items}
				f.Put("old", names(1, 5)...)
				spec := httpFeed()
				if items {
					spec.Resync = sources.Resync{
						Request:   &sources.Request{Path: text("/items")},
						Paging:    &sources.Paging{By: sources.None},
						Watermark: &sources.Watermark{Place: "header:Last-Event-Id", Opaque: sources.Token},
					}
				}
				s := newShelf(t, f, spec)
				s.poll(syncer.Resync)
				s.holds("first poll", f.Truth())
				f.Delete("k01")
				f.Expire()
				f.Put("new", "k02")
				s.poll(syncer.Resync)
				want := f.Truth()
				if !items { // the deletion has been dropped, too
					want["k01"] = "old"
				}
				s.holds("expired", want)
				f.Delete("k03")
				s.poll(syncer.Changes)
				delete(want, "k03")
				s.holds("changes after it", want)
			})
		})
	}
}

func stripeEvents() sources.Spec {
	path := text("/v1/events")
	return sources.Spec{
		Name: "events", Mode: sources.Log,
		Request:   sources.Request{Path: path, Query: []sources.Param{param("ending_before", "{since}"), param("limit", "{size}")}},
		Paging:    sources.Paging{By: sources.Since, Size: 3, More: sources.Test{At: "has_more"}},
		Records:   sources.Records{At: "data", Key: []string{"id"}},
		Watermark: sources.Watermark{First: "id", Opaque: sources.Token},
		Expired:   sources.Expired{Status: []int{400, 404}, At: "error.code", Equals: []string{`"resource_missing"`}},
		Resync: sources.Resync{
			Request: &sources.Request{Path: path, Query: []sources.Param{param("starting_after", "{last.id}"), param("limit", "{size}")}},
			Paging:  &sources.Paging{By: sources.Keyset, Size: 3, More: sources.Test{At: "has_more"}},
		},
		Paths: []string{"id", "data.object.name"},
	}
}

// TestFeedStripeEvents: newest first. The first poll walks from the newest to
// the oldest and goes on from the first id of its first page; changes come page
// by page ahead of the held id, and an id that is older than 30 days is
// unknown, told by a code with 400.
func TestFeedStripeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &feedtest.Stripe{}
		o.Put("v1", names(1, 8)...)
		s := newShelf(t, o, stripeEvents())
		s.between = func(n int) {
			if n == 2 { // while the list is read
				o.Put("late", "k99")
			}
		}
		s.poll(syncer.Resync)
		if got := s.standing().Position.Watermark; got != "evt_8" {
			t.Errorf("stands at %q, want at the first id of the first page", got)
		}
		s.poll(syncer.Changes)
		s.holds("first polls", o.Events())
		o.Put("v2", names(1, 10)...)
		at := s.asked
		if r := s.poll(syncer.Changes); r.Records != 10 || s.asked-at != 4 {
			t.Errorf("%d records in %d requests, want 10 in 4", r.Records, s.asked-at)
		}
		s.holds("changes", o.Events())
		if r := s.poll(syncer.Changes); r.Records != 0 || s.standing().Position.Watermark != "evt_19" {
			t.Errorf("quiet poll %+v stands at %q", r, s.standing().Position.Watermark)
		}
		time.Sleep(31 * 24 * time.Hour)
		o.Put("v3", names(1, 4)...)
		s.poll(syncer.Resync)
		s.holds("expired", o.Events()) // what has left the list stays
		o.Put("v4", "k01")
		s.poll(syncer.Changes)
		s.holds("changes after an expiry", o.Events())
	})
}

// A bad request that is not about the watermark is a failure and no resync.
func TestFeedStripeOtherRefusals(t *testing.T) {
	o := &feedtest.Stripe{}
	o.Put("v1", names(1, 3)...)
	spec := stripeEvents()
	spec.Request.Query = append(spec.Request.Query, param("starting_after", "evt_1"))
	s := newShelf(t, o, spec)
	s.poll(syncer.Resync)
	r := s.Poll(t.Context(), time.Time{})[0]
	if r.Failure == nil || r.Failure.Class != syncer.ClassHTTP4xx || r.Kind != syncer.Changes {
		t.Errorf("poll of kind %s: %+v, want a refused request", r.Kind, r.Failure)
	}
	if !strings.Contains(fmt.Sprint(r.Failure), http.StatusText(http.StatusBadRequest)) {
		t.Errorf("failure %+v", r.Failure)
	}
}
