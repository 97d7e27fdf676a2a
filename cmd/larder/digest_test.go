package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
)

const tokenFeed = `
consumer.app.database = "sqlite:app.db"
owner.app.url         = "https://app.internal"
[source.users]
request   = { path = "/users", query = { token = "{since}" } }
records   = { key = "id", deleted = "gone" }
watermark = { from = "body:sync", format = "token" }
resync    = { request = { path = "/all" }, records = { at = "items" } }
[[table]]
source  = "users"
budget  = "1h"
columns = { id = "text" }
`

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// How long an owner can tell what changed is the feed's to know.
func TestRetentionReachesTheFeed(t *testing.T) {
	p, err := build(parse(t, strings.Replace(tokenFeed, "resync ", "retention = \"7d\"\nresync ", 1)), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if got := p.feeds[0].Retention; got != 7*24*time.Hour {
		t.Errorf("the feed's retention is %v", got)
	}
}

// What shapes the answer voids the watermark; how everything is asked for does
// not, because the next resync does.
func TestDigest(t *testing.T) {
	const text = tokenFeed
	shape := func(text string) string { return sourceDigest(parse(t, text).Sources[0]) }
	for _, x := range []struct {
		from, to string
		shapes   bool
	}{
		{`"body:sync", format = "token"`, `"body:delta", format = "token"`, true},
		{`"body:sync", format = "token"`, `"last:id", format = "token"`, true},
		{`"body:sync", format = "token"`, `"body:sync"`, true},
		{`path = "/users"`, `path = "/people"`, true},
		{`path = "/all"`, `path = "/everything"`, false},
		{`, records = { at = "items" }`, `, records = { at = "users" }`, false},
		{`resync `, "retention = \"7d\"\nresync ", false},
		{`resync `, "expired = { status = 404 }\nresync ", false},
	} {
		other := strings.Replace(text, x.from, x.to, 1)
		if strings.Contains(x.to, "last:") {
			other = strings.Replace(other, `at = "items" }`, `at = "items" }, watermark = "body:sync"`, 1)
		}
		if x.to == `"body:sync"` {
			other = strings.Replace(other, "resync ", "# resync ", 1)
		}
		if other == text {
			t.Fatalf("nothing is replaced by %s", x.to)
		}
		if (shape(other) != shape(text)) != x.shapes {
			t.Errorf("%s for %s: voids the watermark: %v, want %v", x.to, x.from, !x.shapes, x.shapes)
		}
	}
	last, first := strings.Replace(text, "resync ", "# resync ", 1), ""
	last = strings.Replace(last, "body:sync", "last:id", 1)
	first = strings.Replace(last, "last:id", "first:id", 1)
	if shape(last) == shape(first) {
		t.Error("from the last or the first event: the same")
	}
	asURL := parse(t, text).Sources[0]
	asURL.Watermark.Opaque = config.URL
	if sourceDigest(asURL) == shape(text) {
		t.Error("a token or a URL: the same")
	}
}

// How a table chooses among its source's records is its own: tables beside it
// are not asked for again, and the position stays good for changes.
func TestChoicesShapeTheirTableAlone(t *testing.T) {
	const text = tokenFeed + `
[[table]]
source  = "users"
name    = "others"
budget  = "1h"
columns = { id = "text" }
`
	shapes := func(choice string) (string, string) {
		p, err := build(parse(t, strings.Replace(text, "source  = \"users\"\n", "source  = \"users\"\n"+choice+"\n", 1)), zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		return p.feeds[0].copies[0].spec.Shape, p.feeds[0].copies[1].spec.Shape
	}
	all, _ := shapes("")
	choices := []string{`where = 'id != "1"'`, `where = 'id != "2"'`, `on_delete = "keep"`, `where = 'id != "1"'` + "\non_delete = \"keep\""}
	held := []string{all}
	for _, c := range choices {
		own, other := shapes(c)
		if other != all {
			t.Errorf("%s shapes the table beside it", c)
		}
		for _, h := range held {
			if syncer.ShapeCovers(h, own) || syncer.ShapeCovers(own, h) || !syncer.SameSource(h, own) {
				t.Errorf("%s: %q covers %q, or its changes cannot go on", c, h, own)
			}
		}
		held = append(held, own)
	}
}

// What was added to the words of a source shapes its answers where it is used.
func TestReadingIsInTheDigest(t *testing.T) {
	shape := func(records string) string {
		return sourceDigest(parse(t, strings.Replace(tokenFeed, `{ key = "id", deleted = "gone" }`, records, 1)).Sources[0])
	}
	seen := map[string]string{}
	for _, records := range []string{
		`{ key = "id", deleted = "gone" }`,
		`{ key = "id", deleted = "gone", unwrap = "item" }`,
		`{ key = "id", deleted = "gone", unwrap = "record" }`,
		`{ key = "id", deleted = "gone", at = { at = "users", as = "map" } }`,
		`{ key = "id", deleted = "gone", at = "users" }`,
		`{ key = "id", deleted = "gone", partial = true }`,
		`{ key = "id", deleted = "gone", hydrate = { request = { path = "/users", query = { ids = "{keys}" } } } }`,
		`{ key = "id", deleted = "gone", hydrate = { request = { path = "/all", query = { ids = "{keys}" } } } }`,
	} {
		s := shape(records)
		if other, ok := seen[s]; ok {
			t.Errorf("%s shapes what %s does", records, other)
		}
		seen[s] = records
	}
	if shape(`{ key = "id", deleted = "gone" }`) != shape(`{ key = "id", deleted = { at = "gone", key = "id" } }`) {
		t.Error("how deletions are told voids the watermark")
	}
}

// What only a build can tell reaches the feed and its tables.
func TestPlansReachTheFeed(t *testing.T) {
	text := strings.NewReplacer(`"AUDIT"`, `{ schedule = "@daily", compare = "sample", share = "30%", repair = false }`,
		"DELETED", `, deleted = "gone"`, "DELETES", "", `schedule  = "@every 1m"`, "schedule = \"@every 1m\"\neach = { query = \"select 1 as n\", concurrency = 9 }").Replace(audited)
	text = strings.Replace(text, `{ since = "{since}" }`, `{ since = "{since}", n = "{each.n}" }`, 1)
	text = strings.Replace(text, `columns = { id = "bigint" }`, `columns = { id = "bigint", n = { from = "each.n", type = "bigint" } }`, 1)
	text = strings.Replace(text, `key = "id"`, `key = ["each.n", "id"]`, 1)
	p, err := build(parse(t, text), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	f, spec := p.feeds[0], p.feeds[0].copies[0].spec
	if f.Persist != 4*time.Minute || !f.Apart || f.Concurrency != 2 || f.Ask == nil || len(f.Partitions) != 0 {
		t.Errorf("the feed is %+v", f.Feed)
	}
	if a := f.Audit; a == nil || a.Samples != 4 || a.Compare != syncer.CompareSample || a.Repair || a.Schedule == nil {
		t.Errorf("its audit is %+v", a)
	}
	if !spec.Changing || len(spec.Partitions) != 0 || spec.Budget.Deletes != 0 {
		t.Errorf("its table is %+v", spec)
	}
}

// Changes are asked for beside a list only where it loses none of them: a list's
// watermark that counts may be newer than its first page, and without a version
// nothing tells which record is.
func TestChangesBesideAListNeedAVersionWhereWatermarksCount(t *testing.T) {
	counts := config.Watermark{Fields: []config.Path{{}}, Format: config.Format{Name: config.FormatInteger}}
	times := config.Watermark{Fields: []config.Path{{}}, Format: config.Format{Name: "rfc3339"}}
	for _, test := range []struct {
		name                   string
		source                 config.Source
		versioned, unversioned bool
	}{
		{"times", config.Source{Mode: config.Incremental, Watermark: &times}, true, true},
		{"a count", config.Source{Mode: config.Incremental, Watermark: &counts}, true, false},
		{"a token", config.Source{Mode: config.Delta, Watermark: &config.Watermark{Opaque: config.Token}}, true, true},
		{"a link", config.Source{Mode: config.Delta, Watermark: &config.Watermark{Opaque: config.URL}}, true, true},
		{"a log", config.Source{Mode: config.EventLog, Watermark: &counts}, false, false},
		{"parts of records", config.Source{Mode: config.Incremental, Watermark: &times, Records: config.Records{Partial: true}}, false, false},
	} {
		if got := [2]bool{apart(&test.source, true), apart(&test.source, false)}; got != [2]bool{test.versioned, test.unversioned} {
			t.Errorf("%s: with a version %t, without %t", test.name, got[0], got[1])
		}
	}
}

// How a request is written shapes the answer only where it is not the plain
// way, and a document and its variables do wherever they stand.
func TestWritingIsInTheDigest(t *testing.T) {
	const text = `
consumer.app.database = "sqlite:app.db"
owner.app.url         = "https://app.internal"
[source.users]
REQUEST
records   = { at = "data", key = "id", deleted = "gone" }
watermark = "at"
[[table]]
source  = "users"
budget  = "1h"
columns = { id = "text" }
`
	shape := func(request string) string {
		return sourceDigest(parse(t, strings.Replace(text, "REQUEST", "request = "+request, 1)).Sources[0])
	}
	seen := map[string]string{}
	for _, request := range []string{
		`{ query = { since = "{since}" } }`,
		`{ query = { since = "{since}" }, space = "+" }`,
		`{ body = { since = "{since}" } }`,
		`{ body = { since = "{since}" }, content_type = "application/x-www-form-urlencoded" }`,
		`{ graphql = "query A", variables = { since = "{since}" } }`,
		`{ graphql = "query B", variables = { since = "{since}" } }`,
		`{ graphql = "query B", variables = { since = "{since}", n = 1 } }`,
	} {
		if other, known := seen[shape(request)]; known {
			t.Errorf("%s and %s have one shape", request, other)
		}
		seen[shape(request)] = request
	}
	for _, same := range [][2]string{
		{`{ query = { since = "{since}" } }`, `{ query = { since = "{since}" }, space = "%20" }`},
		{`{ body = { since = "{since}" } }`, `{ body = { since = "{since}" }, content_type = "application/vnd.api+json" }`},
	} {
		if shape(same[0]) != shape(same[1]) {
			t.Errorf("%s and %s have two shapes", same[0], same[1])
		}
	}
}
