package main

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

const listFeed = `
consumer.app.database = "sqlite:app.db"
owner.app.url         = "https://app.internal"
[source.users]
mode    = "snapshot"
request = { path = "/users" }
records = { key = "id" }
[[table]]
source  = "users"
budget  = "1h"
columns = { id = "text", doc = "json" }
`

// How values are read shapes the copies once it is said, and not before.
func TestShapeOfFormatsAndTexts(t *testing.T) {
	shape := func(text string) string {
		p, err := build(parse(t, text), zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		return p.feeds[0].copies[0].spec.Shape
	}
	plain := shape(listFeed)
	for _, x := range []struct {
		from, to string
		shapes   bool
	}{
		{`key = "id" }`, `key = "id", format = "json" }`, false},
		{`key = "id" }`, `key = "id", format = "ndjson" }`, false},
		{`key = "id" }`, `key = "id", format = "csv" }`, true},
		{`budget `, "text = \"reject\"\nbudget ", false},
		{`budget `, "text = \"strip\"\nbudget ", true},
		{`doc = "json"`, `doc = { type = "json" }`, false},
		{`doc = "json"`, `doc = { type = "json", as = "json" }`, true},
	} {
		if got := shape(strings.Replace(listFeed, x.from, x.to, 1)) != plain; got != x.shapes {
			t.Errorf("%s: shapes the copy: %t, want %t", x.to, got, x.shapes)
		}
	}
	csv := strings.Replace(listFeed, `key = "id" }`, `key = "id", format = "csv" }`, 1)
	if shape(strings.Replace(csv, `"csv"`, `"csv", separator = ","`, 1)) != shape(csv) || shape(strings.Replace(csv, `"csv"`, `"csv", separator = ";"`, 1)) == shape(csv) {
		t.Error("a separator shapes the copy unless it is a comma")
	}
}
