package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
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
