package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer/row"
)

const driftingFeed = `
consumer.app.database   = "sqlite:app.db"
consumer.other.database = "sqlite:other.db"
owner.app.url           = "https://app.internal"
[source.users]
request   = { path = "/users", query = { since = "{since}" } }
records   = { key = "id", deleted = "gone" }
watermark = "at"
[[table]]
source   = "users"
consumer = "app"
budget   = "1h"
columns  = { id = "text", city = { from = "address.city", type = "text" } }
where    = 'vip'
drift    = "add"
[[table]]
source   = "users"
consumer = "other"
budget   = "1h"
columns  = { id = "text", email = "text" }
drift    = "note"
`

func builtTables(t *testing.T, c *config.Config) []*builtTable {
	t.Helper()
	client, err := sources.NewClient(ownerOf(c.Owners[0], nil, zerolog.Nop()))
	if err != nil {
		t.Fatal(err)
	}
	tables := tablesOf(c, c.Sources[0])
	if _, err := buildFeed(c.Sources[0], tables, client, plan{}, nil); err != nil {
		t.Fatal(err)
	}
	return tables
}

// What any table of a source names is no news to the others; a column that was added for what only another one names
// goes on.
func TestTablesOfOneSourceNameFieldsForEachOther(t *testing.T) {
	for i, b := range builtTables(t, parse(t, driftingFeed)) {
		named, others := slices.Compact(slices.Sorted(slices.Values(b.spec.Named))), slices.Sorted(slices.Values(b.spec.Others))
		if diff := cmp.Diff([]string{"address", "at", "email", "gone", "id", "vip"}, named); diff != "" {
			t.Errorf("table %d: named (-want +got):\n%s", i, diff)
		}
		if want := [][]string{{"email"}, {"address", "vip"}}[i]; !slices.Equal(others, want) {
			t.Errorf("table %d: others name %q, want %q", i, others, want)
		}
	}
	told, open := unnamed(builtTables(t, parse(t, driftingFeed)), []string{"id", "address.city", "vip", "email", "event:x", "each.y"})
	if !told || !slices.Equal(open, []string{"email"}) {
		t.Errorf("told: %t, open are %q", told, open)
	}
	quiet := strings.NewReplacer(`"add"`, `"ignore"`, `"note"`, `"ignore"`).Replace(driftingFeed)
	if told, open := unnamed(builtTables(t, parse(t, quiet)), []string{"id"}); told || open != nil {
		t.Errorf("ignored: told: %t, open are %q", told, open)
	}
}

// drift changes no answer: no copy is asked for again because of it.
func TestDriftShapesNothing(t *testing.T) {
	before := builtTables(t, parse(t, driftingFeed))
	for i, b := range builtTables(t, parse(t, strings.NewReplacer(`"add"`, `"ignore"`, `"note"`, `"fail"`).Replace(driftingFeed))) {
		if b.spec.Shape != before[i].spec.Shape {
			t.Errorf("table %d: shape %q, before %q", i, b.spec.Shape, before[i].spec.Shape)
		}
		if want := []row.Drift{row.DriftIgnore, row.DriftFail}[i]; b.spec.Drift != want {
			t.Errorf("table %d: drift %q, want %q", i, b.spec.Drift, want)
		}
	}
}
