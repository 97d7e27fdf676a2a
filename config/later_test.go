package config_test

import (
	"testing"

	"github.com/larder-sync/larder/config"
)

// A keyset in the middle of a filter has no value on the first page: later
// says it for the pages that have one.
func TestLaterPagesAskOtherwise(t *testing.T) {
	c, err := config.Parse("larder.toml", []byte(`
consumer.shop.database = "sqlite:shop.db"
owner.users.url        = "https://users.internal/v1"
[source.users]
mode    = "snapshot"
records = { at = "items", key = "id" }
[source.users.request]
method = "POST"
query  = { sort = "id", total = 1 }
body   = { filter = "id>0", first = true }
later  = { query = { filter = 'id>"{last.id}"', total = false }, body = { filter = 'id>{last.id}', first = false } }
[[table]]
source  = "users"
budget  = "15m"
columns = { id = "bigint" }
`), func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	s := c.Sources[0]
	later := s.Request.Later
	if s.Paging.By != config.PagingKeyset {
		t.Errorf("paging is by %q", s.Paging.By)
	}
	if len(later.Query) != 2 || later.Query[0].Values[0].Text.String() != `id>"{last.id}"` || later.Query[1].Name != "total" || len(later.Query[1].Values) != 0 {
		t.Errorf("query of later pages: %v", later.Query)
	}
	if len(later.Body) != 1 || later.Body[0].Name != "filter" || len(later.Without) != 1 || later.Without[0] != "first" {
		t.Errorf("body of later pages: %v without %v", later.Body, later.Without)
	}
}
