package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/sources/feedtest"
	"github.com/larder-sync/larder/syncer"
)

// ids are numbers as ids.
func ids(from, to int) []string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

// live writes down what lives.
func live(s *feedtest.Store, line func(feedtest.Change) string) []string {
	var all []string
	for _, c := range s.Live() {
		all = append(all, line(c))
	}
	return all
}

// stamp is an instant as a copy in SQLite has it.
func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000Z") }

// The users of Microsoft Graph: pages without items, items that come again,
// changed items that have only what changed, removals that are none, and links
// that are too old.
func TestExampleGraphUsers(t *testing.T) {
	g := &feedtest.Graph{Leaves: []string{"u7"}}
	d := &door{owner: g, clock: newOwnersClock()}
	e := newExample(t, "graph-users", d)
	holds := func(when string) {
		t.Helper()
		e.holds(when, `select id, display_name, mail, enabled from users`, live(&g.Store, func(c feedtest.Change) string {
			return fmt.Sprintf("%s|%s|%s@example.org|1", c.ID, c.Value, c.ID)
		}))
	}
	g.Put("new", "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9")
	e.poll(syncer.Resync)
	holds("first poll")

	g.Put("new", "u1") // something else than what is selected has changed
	g.Put("renamed", "u2", "u3", "u4")
	g.Delete("u5", "u6", "u7")
	g.Put("new", "u20", "u21")
	d.ahead(once(1, d.revoke))
	e.poll(syncer.Changes)
	d.ahead(nil)
	holds("changes")
	if n := len(d.granted()); n != 3 || d.granted()[0].Get("grant_type") != "client_credentials" || d.granted()[0].Get("scope") == "" {
		t.Errorf("tokens were asked for by %v", d.granted())
	}
	g.Put("new", "u7") // had only left what the query sees
	e.poll(syncer.Changes)
	holds("back")

	for _, g.Code = range []string{"", "syncStateNotFound"} { // 410, and 400 with a code
		g.Delete(g.Live()[0].ID)
		g.Expire()
		e.poll(syncer.Resync)
		e.poll(syncer.Resync) // a sweep behind pages is confirmed
		holds("expired " + g.Code)
	}
	g.Put("after", "u8")
	e.poll(syncer.Changes)
	holds("changes after it")
}

// The events of two calendars: what is cancelled goes away by its id alone, one
// id stands in both, and an expired token of one of them is no matter of the
// other.
func TestExampleGoogleCalendar(t *testing.T) {
	primary, team := &feedtest.Calendar{}, &feedtest.Calendar{}
	mux := http.NewServeMux()
	mux.Handle("/calendar/v3/calendars/primary/events", primary)
	mux.Handle("/calendar/v3/calendars/team@example.com/events", team)
	d := &door{owner: mux, clock: newOwnersClock()}
	e := newExample(t, "google-calendar", d)
	holds := func(when string) {
		t.Helper()
		e.holds(when, `select calendar, id, summary, starts, starts_d, ends, updated from events`,
			append(calendarRows("primary", primary), calendarRows("team@example.com", team)...))
	}
	primary.Put("meeting", "invitation", "a1", "a2", "a3", "a4")
	primary.Put("day off", "a5")
	team.Put("meeting", "invitation", "b1", "b2", "b3")
	e.poll(syncer.Resync, syncer.Resync)
	holds("first poll")
	if grant := d.granted()[0]; grant.Get("grant_type") != "refresh_token" || grant.Get("refresh_token") != secretOf("GOOGLE_REFRESH_TOKEN") {
		t.Errorf("tokens were asked for by %v", grant)
	}

	primary.Delete("invitation")
	primary.Put("moved", "a1", "a2", "a3", "a5")
	team.Put("day out", "b1")
	e.poll(syncer.Changes, syncer.Changes)
	holds("changes")

	primary.Delete("a4")
	primary.Expire()
	team.Put("moved", "b2")
	e.poll(syncer.Resync, syncer.Changes)
	holds("one of them has expired")
	primary.Put("back", "invitation")
	e.poll(syncer.Changes, syncer.Changes)
	holds("changes after it")
}

func calendarRows(name string, c *feedtest.Calendar) []string {
	return live(&c.Store, func(c feedtest.Change) string {
		starts, day, ends := "2026-03-02T09:00:00.000000Z", "", "2026-03-02T10:30:00.000000Z"
		if strings.HasPrefix(c.Value, "day") {
			starts, day, ends = "", "2026-03-02", ""
		}
		return strings.Join([]string{name, c.ID, c.Value, starts, day, ends, stamp(c.At)}, "|")
	})
}

// The tickets of Zendesk: after_url stands on every page and end_of_stream ends,
// the last minute is withheld, changes of the system leave updated_at alone, and
// what is lost without a word is found by the audit.
func TestExampleZendeskTickets(t *testing.T) {
	clock := newOwnersClock()
	z := &feedtest.Zendesk{Store: feedtest.Store{Clock: clock.now}}
	e := newExample(t, "zendesk-tickets", &door{owner: z, clock: clock, wants: basic("ZENDESK_USER", "ZENDESK_TOKEN")})
	rows := func() []string {
		return live(&z.Store, func(c feedtest.Change) string {
			return fmt.Sprintf("%s|%s|open|%s|%d", c.ID, c.Value, stamp(z.Since(c)), c.Seq)
		})
	}
	holds := func(when string, want []string) {
		t.Helper()
		e.holds(when, `select id, subject, status, updated_at, generated_timestamp from tickets`, want)
	}
	z.Put("broken", ids(1, 8)...)
	clock.pass(time.Hour)
	e.poll(syncer.Resync)
	holds("first poll", rows())

	before := rows()
	z.Put("mended", ids(2, 5)...)
	z.Put("broken", "6") // by the system
	z.Delete("8")
	clock.pass(30 * time.Second)
	e.poll(syncer.Changes)
	holds("within the minute", before)
	clock.pass(time.Minute)
	e.poll(syncer.Changes)
	holds("changes", rows())

	e.alter(`delete from tickets where id = 1; update tickets set subject = 'lost' where id = 2`)
	e.poll(syncer.Changes)
	if a := e.audit(2); a.Missing != 1 || a.Different != 1 || a.Repaired != 2 {
		t.Errorf("audit %+v", a)
	}
	holds("audited", rows())
}

// The events of Stripe: newest first, page by page behind the last id; they stay
// when they leave the list after 30 days, and a copy that was not polled for as
// long asks for everything.
func TestExampleStripeEvents(t *testing.T) {
	clock := newOwnersClock()
	s := &feedtest.Stripe{Store: feedtest.Store{Clock: clock.now}}
	d := &door{owner: s, clock: clock, wants: bearer("STRIPE_KEY")}
	e := newExample(t, "stripe-events", d)
	var all []string
	put := func(value string, ids ...string) {
		first := len(all) + 1
		s.Put(value, ids...)
		for i := range ids {
			all = append(all, fmt.Sprintf("evt_%d|customer.updated|%s|%s", first+i, stamp(clock.now().Truncate(time.Second)), value))
		}
	}
	holds := func(when string) {
		t.Helper()
		e.holds(when, `select id, type, created, json_extract(object, '$.name') from stripe_events`, slices.Clone(all))
	}
	put("v1", ids(1, 8)...)
	e.poll(syncer.Resync)
	holds("first poll")
	clock.pass(25 * 24 * time.Hour)
	put("v2", ids(1, 10)...)
	d.ahead(once(2, func() { put("v3", "99") })) // ahead of what was read
	e.poll(syncer.Changes)
	d.ahead(nil)
	e.poll(syncer.Changes)
	holds("changes")
	clock.pass(-2 * time.Minute)
	put("v4", "98") // stamped before what was polled, and seen behind it
	clock.pass(2 * time.Minute)
	e.poll(syncer.Changes)
	holds("seen late")
	clock.pass(10 * 24 * time.Hour)
	put("v5", "1")
	e.poll(syncer.Changes)
	holds("what has left the list stays")
	e.alter(`update larder_watermark set as_of = as_of - 86400 * 31, deletes_as_of = deletes_as_of - 86400 * 31`)
	put("v6", "2")
	e.poll(syncer.Resync)
	holds("asleep for longer than events are kept")
}

// A feed of http-feeds.org: many events of one subject, deletions, compaction
// that drops the very event the copy stands at, and a request that the owner
// holds open until there is something to tell.
func TestExampleHTTPFeeds(t *testing.T) {
	clock := newOwnersClock()
	f := &feedtest.HTTPFeed{Store: feedtest.Store{Clock: clock.now}}
	d := &door{owner: f, clock: clock, wants: bearer("INVENTORY_TOKEN")}
	e := newExample(t, "http-feeds", d)
	holds := func(when string) {
		t.Helper()
		e.holds(when, `select sku, on_hand, changed from products`, live(&f.Store, func(c feedtest.Change) string {
			return c.ID + "|" + c.Value + "|" + stamp(c.At)
		}))
	}
	for range 8 { // whole pages bring no new subject
		f.Put("7", "a", "b")
	}
	f.Put("5", "c", "d", "e")
	f.Delete("b")
	e.poll(syncer.Resync)
	holds("first poll")

	f.Put("4", "b")
	f.Delete("c")
	e.poll(syncer.Changes)
	holds("changes")
	f.Put("3", "b")
	f.Delete("a")
	f.Put("2", "a", "c")
	f.Compact = true // the event that the copy stands at is one of c
	e.poll(syncer.Changes)
	holds("compacted")

	f.Hold = 300 * time.Millisecond
	d.ahead(once(1, func() {
		time.AfterFunc(100*time.Millisecond, func() { f.Put("1", "d") })
	}))
	e.poll(syncer.Changes)
	holds("told while the request is held open")
}
