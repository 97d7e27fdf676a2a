package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/sources/feedtest"
	"github.com/larder-sync/larder/syncer"
)

// The issues of two repositories on GitHub: pull requests stand in the same
// list, pages are led to by Link headers and move while they are read, and what
// is deleted is told nowhere, so that an audit of the keys finds it.
func TestExampleGitHubIssues(t *testing.T) {
	clock := newOwnersClock()
	hello := &feedtest.GitHub{Store: feedtest.Store{Clock: clock.now}, Pulls: []string{"2", "5"}, Closed: []string{"3"}}
	example := &feedtest.GitHub{Store: feedtest.Store{Clock: clock.now}}
	mux := http.NewServeMux()
	mux.Handle("/repos/octocat/Hello-World/issues", hello)
	mux.Handle("/repos/golang/example/issues", example)
	d := &door{owner: mux, clock: clock, wants: bearer("GITHUB_TOKEN")}
	e := newExample(t, "github-issues", d)
	rows := func() []string {
		return append(issueRows("Hello-World", hello), issueRows("example", example)...)
	}
	holds := func(when string, want []string) {
		t.Helper()
		e.holds(when, `select id, repo, number, title, state, updated_at from issues`, want)
	}
	hello.Put("new", ids(1, 10)...)
	example.Put("new", ids(101, 104)...)
	clock.pass(time.Hour)
	e.poll(syncer.Resync, syncer.Resync)
	holds("first poll", rows())

	hello.Put("edited", ids(1, 8)...)
	example.Put("opened", "105")
	clock.pass(10 * time.Minute)
	d.ahead(once(2, func() { hello.Put("edited again", "1") })) // to the front, which was read
	e.poll(syncer.Changes, syncer.Changes)
	d.ahead(nil)
	clock.pass(time.Second)
	e.poll(syncer.Changes, syncer.Changes)
	holds("edited while it is read", rows())

	clock.pass(-30 * time.Second)
	hello.Put("edited late", "4") // stamped before what was polled, and seen behind it
	clock.pass(30 * time.Second)
	e.poll(syncer.Changes, syncer.Changes)
	holds("seen late", rows())

	hello.Pulls = slices.DeleteFunc(hello.Pulls, func(id string) bool { return id == "5" })
	hello.Put("no pull request any more", "5")
	hello.Pulls = append(hello.Pulls, "6")
	hello.Put("a pull request by now", "6")
	clock.pass(time.Second)
	e.poll(syncer.Changes, syncer.Changes)
	holds("taken in and turned down", rows())

	before := rows()
	hello.Delete("7", "8")
	example.Delete("101")
	clock.pass(time.Hour)
	e.poll(syncer.Changes, syncer.Changes)
	holds("deleted unseen", before)
	a := e.audit(4)
	if a.Extra != 3 || a.Missing != 0 || a.Repaired != 3 {
		t.Errorf("audit %+v", a)
	}
	holds("audited", rows())
}

func issueRows(repo string, g *feedtest.GitHub) []string {
	numbers := map[string]int{}
	var all []string
	for i, c := range g.Log() {
		if numbers[c.ID] == 0 {
			numbers[c.ID] = i + 1
		}
	}
	for _, c := range g.Live() {
		state := "open"
		if slices.Contains(g.Closed, c.ID) {
			state = "closed"
		}
		if !slices.Contains(g.Pulls, c.ID) {
			all = append(all, fmt.Sprintf("%s|%s|%d|%s|%s|%s", c.ID, repo, numbers[c.ID], c.Value, state, stamp(c.At)))
		}
	}
	return all
}

// The accounts of Salesforce: two lists of ids of what was updated and deleted,
// each telling how far it reaches, rows fetched by id, and everything by a query
// of pages. A deletion that the owner forgets is found by the audit of the keys.
func TestExampleSalesforceAccounts(t *testing.T) {
	clock := newOwnersClock()
	s := &feedtest.Salesforce{Store: feedtest.Store{Clock: clock.now}}
	d := &door{owner: s, clock: clock}
	e := newExample(t, "salesforce-accounts", d)
	rows := func() []string {
		return live(&s.Store, func(c feedtest.Change) string { return c.ID + "|" + c.Value + "|" + stamp(c.At) })
	}
	holds := func(when string, want []string) {
		t.Helper()
		e.holds(when, `select id, name, modified from accounts`, want)
	}
	s.Put("old", "001a", "001b", "001c", "001d", "001e")
	clock.pass(time.Hour)
	e.poll(syncer.Resync)
	holds("first poll, by query", rows())

	clock.pass(10 * time.Minute)
	s.Put("new", "001d", "001e", "001f", "001g")
	s.Delete("001a")
	clock.pass(10 * time.Minute)
	e.poll(syncer.Changes)
	holds("changes", rows())

	// Stamped first and committed last: neither list reaches so far.
	commit := s.Begin("late", "001b")
	clock.pass(time.Minute)
	for range 3 {
		s.Put("other", "001c")
		clock.pass(10 * time.Minute)
		e.poll(syncer.Changes)
	}
	commit()
	clock.pass(2 * time.Minute)
	e.poll(syncer.Changes)
	holds("committed late", rows())

	// An account that goes away between the list and its fetch stays until the
	// deletion is told.
	s.Put("newer", "001d")
	want := rows()
	clock.pass(10 * time.Minute)
	d.ahead(once(3, func() { s.Delete("001d") }))
	e.poll(syncer.Changes)
	d.ahead(nil)
	want = slices.DeleteFunc(want, func(row string) bool { return strings.HasPrefix(row, "001d|") })
	if got, err := query(e.file, `select name from accounts where id = '001d'`); err != nil || got != "new" {
		t.Errorf("an account that is fetched as null is %q: %v", got, err)
	}
	clock.pass(10 * time.Minute)
	e.poll(syncer.Changes)
	holds("the deletion is told", want)

	e.alter(`insert into accounts select '001z', name, modified from accounts where id = '001b'`)
	clock.pass(10 * time.Minute)
	e.poll(syncer.Changes)
	if a := e.audit(2); a.Extra != 1 || a.Repaired != 1 {
		t.Errorf("audit %+v", a)
	}
	holds("audited", rows())
}

// The forecast of Open-Meteo for three cities: parallel arrays become rows,
// hours that leave the forecast stay, a poll of the same model writes nothing,
// and what is refused leaves the copy as it is.
func TestExampleOpenMeteo(t *testing.T) {
	clock := newOwnersClock()
	o := &feedtest.OpenMeteo{Store: feedtest.Store{Clock: clock.now}, Hours: 8}
	e := newExample(t, "open-meteo", &door{owner: http.StripPrefix("/v1", o), clock: clock})
	cities := map[string]string{"Berlin": "52.52", "Lisbon": "38.72", "Oslo": "59.91"}
	want := map[string]string{}
	told := func() {
		for city, lat := range cities {
			for at, degrees := range o.Forecast(lat) {
				want[city+"|"+at] = degrees
			}
		}
	}
	holds := func(when string) {
		t.Helper()
		e.holds(when, `select city, strftime('%s', time), temperature, wind from weather`, weatherRows(want))
	}
	every := []syncer.WalkKind{syncer.Snapshot, syncer.Snapshot, syncer.Snapshot}
	told()
	e.poll(every...)
	holds("first poll")
	for _, r := range e.poll(every...) {
		if r.Tables[0].Applied != (syncer.Applied{Unchanged: 8}) {
			t.Errorf("the same forecast again: %+v", r.Tables[0].Applied)
		}
	}

	clock.pass(26 * time.Hour)
	o.Model = 1
	yesterday := maps.Clone(want)
	if told(); len(want) != 2*len(yesterday) {
		t.Fatalf("%d hours are known behind %d", len(want), len(yesterday))
	}
	e.poll(every...)
	holds("a day later")

	for _, c := range []struct {
		reason string
		status int
		class  syncer.Class
	}{
		{"Minutely API request limit exceeded. Please try again in one minute.", 0, syncer.ClassRateLimited},
		{"Cannot initialize WeatherVariable", 0, syncer.ClassHTTP4xx},
		{"Data is out of allowed range", http.StatusOK, syncer.ClassAnswer},
	} {
		o.Reason, o.Status = c.reason, c.status
		for _, r := range e.tryPoll() {
			if r.Failure == nil || r.Failure.Class != c.class {
				t.Errorf("%s: %+v, want class %q", c.reason, r.Failure, c.class)
			}
		}
		holds(c.reason)
	}
	o.Reason, o.Status, o.Model = "", 0, 2
	told()
	e.poll(every...)
	holds("after it")
}

func weatherRows(forecast map[string]string) []string {
	var all []string
	for place, degrees := range forecast {
		var at int64
		_, hour, _ := strings.Cut(place, "|")
		fmt.Sscan(hour, &at)
		all = append(all, place+"|"+realText(degrees)+"|"+realText(fmt.Sprint(float64(at/3600%24)/2)))
	}
	return all
}

// realText is a number as SQLite writes one.
func realText(text string) string {
	if !strings.Contains(text, ".") {
		return text + ".0"
	}
	return text
}
