package sources_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/feedtest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// TestFeedMicrosoftGraphPartial: a changed item has only what changed, and what
// it leaves out stays as it is; a new one, and all of a resync, are whole.
func TestFeedMicrosoftGraphPartial(t *testing.T) {
	for _, partial := range []bool{true, false} {
		g := &feedtest.Graph{}
		g.Put("new", names(1, 6)...)
		s := newShelfOf(t, g, graphUsers(), func(l *row.Spec) { l.Partial = partial })
		s.poll(syncer.Resync)
		g.Put("new", "k01", "k02") // not the name
		g.Put("changed", "k03")
		g.Put("added", "k07")
		s.poll(syncer.Changes)
		want := g.Truth()
		if !partial { // what such a table would lose
			want["k01"], want["k02"] = "NULL", "NULL"
		}
		s.holds("partial changes", want)
		g.Put("later", "k02")
		g.Expire()
		s.poll(syncer.Resync)
		s.holds("whole again", g.Truth())
	}
}

// TestFeedMicrosoftGraphRemoved: what is removed goes away whatever the reason;
// what had only left the query comes back as a whole.
func TestFeedMicrosoftGraphRemoved(t *testing.T) {
	g := &feedtest.Graph{Leaves: []string{"k02"}}
	g.Put("new", names(1, 4)...)
	s := newShelfOf(t, g, graphUsers(), func(l *row.Spec) { l.Partial = true })
	s.poll(syncer.Resync)
	g.Delete("k01", "k02")
	s.poll(syncer.Changes)
	s.holds("removed", g.Truth())
	g.Put("new", "k02")
	s.poll(syncer.Changes)
	s.holds("back", g.Truth())
}

// TestFeedGoogleCalendarClash: what narrows a full list is refused beside a
// sync token. That is a mistake of the request and no reason to start over; in
// a resync of its own it does no harm.
func TestFeedGoogleCalendarClash(t *testing.T) {
	c := &feedtest.Calendar{}
	c.Put("meeting", names(1, 7)...)
	spec := calendarEvents()
	narrow := spec.Request
	narrow.Query = append([]sources.Param{param("updatedMin", "2026-01-01T00:00:00Z")}, narrow.Query...)
	clashing := spec
	clashing.Request = narrow
	s := newShelf(t, c, clashing)
	s.poll(syncer.Resync)
	c.Put("moved", "k01")
	r := s.Poll(t.Context(), time.Time{})[0]
	if r.Failure == nil || r.Failure.Class != syncer.ClassHTTP4xx || r.Kind != syncer.Changes {
		t.Errorf("poll of kind %s: %+v, want a refused request", r.Kind, r.Failure)
	}

	spec.Resync.Request = &narrow
	s = newShelf(t, c, spec)
	s.poll(syncer.Resync)
	c.Put("moved again", "k01", "k02")
	c.Delete("k03")
	s.poll(syncer.Changes)
	s.holds("changes", c.Truth())
}

// TestFeedStripeByCreation: an event never changes, so that since its creation
// is enough: newest first, page by page behind the last id, with the overlap.
func TestFeedStripeByCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &feedtest.Stripe{}
		o.Put("v1", names(1, 8)...)
		time.Sleep(time.Hour)
		s := newShelfOf(t, o, sources.Spec{
			Name: "events", Mode: sources.Incremental,
			Request: sources.Request{Path: text("/v1/events"), Query: []sources.Param{
				param("created[gte]", "{since}"), param("starting_after", "{last.id}"), param("limit", "{size}")}},
			Paging:    sources.Paging{By: sources.Keyset, Size: 3, More: sources.Test{At: "has_more"}},
			Records:   sources.Records{At: "data", Key: []string{"id"}, Error: "error"},
			Watermark: sources.Watermark{From: []string{"created"}, Format: format(t, "unix"), Overlap: 5 * time.Minute},
			Paths:     []string{"id", "data.object.name"},
		}, func(l *row.Spec) { l.Keep = true })
		s.poll(syncer.Resync)
		s.holds("first poll", o.Events())
		o.Put("v2", names(1, 10)...)
		at := s.asked
		s.between = func(n int) {
			if n == at+2 {
				o.Put("v3", "k99") // ahead of what was read
			}
		}
		s.poll(syncer.Changes)
		s.between = nil
		s.poll(syncer.Changes)
		s.holds("changes", o.Events())
		time.Sleep(31 * 24 * time.Hour)
		o.Put("v4", "k01")
		s.poll(syncer.Changes)
		s.holds("what has left the list stays", o.Events())
		if err := order(t, s); err != nil {
			t.Fatal(err)
		}
		s.poll(syncer.Resync)
		s.holds("after a resync, too", o.Events())
	})
}
