package config_test

import (
	"cmp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/config"
)

const graphqlFile = `
consumer.shop.database = "sqlite:shop.db"
owner.shop.url         = "https://shop.internal/graphql"
[source.users]
mode    = "snapshot"
records = { RECORDS key = "id" }
paging  = { PAGING }
[source.users.request]
connection = "data.shop.users"
variables  = { n = "{size}", after = "{cursor}", deep = { list = [1, "x"] } }
graphql    = 'query($n: Int!, $after: String) { shop { users(first: $n, after: $after) { x: f(a: "{since}") } } }'
[[table]]
source  = "users"
budget  = "15m"
columns = { id = "bigint" }
`

func graphqlSource(t *testing.T, records, paging string) *config.Source {
	t.Helper()
	text := strings.NewReplacer("RECORDS", records, "PAGING", paging).Replace(graphqlFile)
	c, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	return c.Sources[0]
}

// A document is taken as it is; its variables are values with placeholders; both are a body of JSON.
func TestGraphQLIsABody(t *testing.T) {
	q := graphqlSource(t, "", "size = 10").Request
	if q.Method != "POST" || q.ContentType != "application/json" || q.Conditional || q.IsForm() {
		t.Errorf("sent by %s as %q", q.Method, q.ContentType)
	}
	document, plain := q.Body.Members[0].Value.Text.Literal()
	if want := `query($n: Int!, $after: String) { shop { users(first: $n, after: $after) { x: f(a: "{since}") } } }`; document != want || !plain || q.Uses("since") {
		t.Errorf("document %q, without placeholders: %v", document, plain)
	}
	if v := q.Body.Members[1]; v.Name != "variables" || len(v.Value.Members) != 3 || !q.Uses("cursor") || !q.Uses("size") {
		t.Errorf("variables %v", v)
	}
}

// A connection says where pages, records and errors are, but for what is said.
func TestConnectionFillsPlaces(t *testing.T) {
	for name, c := range map[string]struct {
		records, paging        string
		at, next, more, errors string
	}{
		"nodes":        {at: "data.shop.users.nodes"},
		"edges":        {records: `unwrap = "node",`, at: "data.shop.users.edges"},
		"deeper":       {records: `unwrap = "node.user",`, at: "data.shop.users.edges"},
		"unwrapped":    {records: `unwrap = "user",`, at: "data.shop.users.nodes"},
		"said":         {records: `at = "data.shop.users.edges", unwrap = "node", error = "problems",`, paging: `, next = "n", more = { at = "m", equals = 1 }`, at: "data.shop.users.edges", next: "n", more: "m", errors: "problems"},
		"by is cursor": {paging: `, by = "cursor"`, at: "data.shop.users.nodes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphqlSource(t, c.records, "size = 10"+c.paging)
			got := []string{s.Records.At.Text, s.Paging.Next.String(), s.Paging.More.At.String(), s.Records.Error.String(), string(s.Paging.By)}
			want := []string{c.at, cmp.Or(c.next, "data.shop.users.pageInfo.endCursor"), cmp.Or(c.more, "data.shop.users.pageInfo.hasNextPage"), cmp.Or(c.errors, "errors"), "cursor"}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The connection of a resync goes before what its source says, and gives way to what the resync says.
func TestConnectionOfAResync(t *testing.T) {
	const file = `
consumer.shop.database = "sqlite:shop.db"
owner.shop.url         = "https://shop.internal"
[source.users]
request   = { path = "/changes", query = { since = "{since}", page = "{page}" } }
records   = { at = "data", key = "id", deleted = { at = "gone" } }
watermark = "at"
[source.users.resync]
ADDED
[source.users.resync.request]
connection = "data.users"
variables  = { after = "{cursor}" }
graphql    = "query"
[[table]]
source  = "users"
budget  = "15m"
columns = { id = "bigint" }
`
	for added, want := range map[string][]string{
		"": {"data.users.nodes", "data.users.pageInfo.endCursor", "errors"},
		"records = { unwrap = 'node', error = 'e', key = 'id' }\npaging.next = 'n'": {"data.users.edges", "n", "e"},
	} {
		c, err := config.Parse("larder.toml", []byte(strings.Replace(file, "ADDED", added, 1)), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		s := c.Sources[0]
		y := s.Resync
		got := []string{y.Records.At.Text, y.Paging.Next.String(), y.Records.Error.String()}
		if diff := gocmp.Diff(want, got); diff != "" || y.Paging.By != config.PagingCursor || y.Records.Deleted.List != nil {
			t.Errorf("%s: paging by %q %s", added, y.Paging.By, diff)
		}
		if s.Paging.By != config.PagingPage || s.Records.At.Text != "data" || s.Records.Deleted.List == nil || !s.Records.Error.IsZero() {
			t.Errorf("the source itself pages by %q from %q", s.Paging.By, s.Records.At)
		}
	}
}
