package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/larder-sync/larder/config"
)

// What a header may lack is what nothing but a default stands for.
func TestWhatAHeaderMayLack(t *testing.T) {
	const table = `
[[table]]
source  = "users"
name    = "NAME"
budget  = "1h"
columns = { COLUMNS }
`
	two := func(first, second string) string {
		text := listFeed[:strings.Index(listFeed, "[[table]]")]
		for name, columns := range map[string]string{"one": first, "two": second} {
			text += strings.NewReplacer("NAME", name, "COLUMNS", columns).Replace(table)
		}
		return text
	}
	withDefault, without := `id = "text", plan = { type = "text", default = "free" }`, `id = "text", rank = { type = "text", from = ["level", "plan"] }`
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"no default":             {two(without, `id = "text"`), nil},
		"a default":              {two(withDefault, `id = "text"`), []string{"plan"}},
		"another table has none": {two(withDefault, without), nil},
	} {
		cs := parse(t, c.text)
		s, set := cs.Sources[0], pathSet{index: make(map[string]int)}
		tables := tablesOf(cs, s)
		for _, b := range tables {
			if err := b.fill(s, plan{}, &set); err != nil {
				t.Fatal(err)
			}
		}
		got := optionalPaths(s, tables, set.texts)
		if got = slices.Sorted(slices.Values(got)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		s.Records.Partial = true
		if got := optionalPaths(s, tables, set.texts); !slices.Equal(got, set.texts) {
			t.Errorf("%s, partial: %q, want all of %q", name, got, set.texts)
		}
	}
}

// Errors of GraphQL stand behind the data: its answers are read whole, whatever asks.
func TestGraphQLAnswersAreReadWhole(t *testing.T) {
	for request, want := range map[string]bool{`path = "/users"`: false, `graphql = "query { users { id } }"`: true} {
		text := strings.Replace(listFeed, `path = "/users"`, request, 1)
		if want {
			text = strings.Replace(text, `key = "id"`, `at = "data.users", key = "id"`, 1)
		}
		spec, err := sourceOf(parse(t, text).Sources[0])
		if err != nil || spec.Request.Whole != want {
			t.Errorf("%s: whole %t, %v", request, spec.Request.Whole, err)
		}
	}
	if q := (&config.Request{}); q.IsGraphQL() {
		t.Error("no document")
	}
}
