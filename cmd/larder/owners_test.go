//go:build owners

// These tests run larder against real servers that others wrote. They need
// LARDER_OWNERS, the folder of those servers, each with start.sh, seed.sh,
// mutate.sh and truth.sh. Truth and copy are compared by plain SQL, never by
// larder's own reading.
package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const pocketbaseConfig = `
consumer.app.database = %q
owner.pb.url = %q
[source.items]
schedule = "@every 1h"
mode     = "snapshot"
paging   = { by = "keyset", size = 500 }
records  = { at = "items", key = "id", version = "updated" }
[source.items.request]
path  = "/api/collections/items/records"
query = { sort = "id", perPage = "{size}", skipTotal = 1 }
later = { query = { filter = 'id>"{last.id}"' } }
[[table]]
source  = "items"
budget  = "3h"
columns = { id = "text", sku = "text", name = "text", qty = "numeric", status = "text", created = "timestamptz", updated = "timestamptz" }
`

const nginxConfig = `
consumer.app.database = %q
owner.files.url = %q
[source.items]
schedule = "@every 1h"
mode     = "snapshot"
request  = { path = "/feed/FILE" }
records  = { format = "FORMAT", key = "id", version = "updated_at" }
[[table]]
source  = "items"
budget  = "3h"
columns = { id = "bigint", name = "text", qty = "bigint", updated_at = "timestamptz" }
`

// The copies, printed as their owners print the truth.
const (
	pocketbaseSQLite = `select json_object('id',id,'sku',sku,'name',name,'qty',json(qty),'status',status,
		'created',replace(substr(created,1,23),'T',' ')||'Z','updated',replace(substr(updated,1,23),'T',' ')||'Z') from items order by id`
	pocketbasePostgres = `select json_build_object('id',id,'sku',sku,'name',name,'qty',qty,'status',status,
		'created',to_char(created at time zone 'UTC','YYYY-MM-DD HH24:MI:SS.MS')||'Z',
		'updated',to_char(updated at time zone 'UTC','YYYY-MM-DD HH24:MI:SS.MS')||'Z')::text from items order by id collate "C"`
	nginxSQLite   = `select json_object('id',id,'name',name,'qty',qty,'updated_at',substr(updated_at,1,23)||'Z') from items order by id`
	nginxPostgres = `select json_build_object('id',id,'name',name,'qty',qty,
		'updated_at',to_char(updated_at at time zone 'UTC','YYYY-MM-DD"T"HH24:MI:SS.MS')||'Z')::text from items order by id`
)

func TestPocketBaseSnapshotByKeyset(t *testing.T) {
	s := startServer(t, "pocketbase")
	s.run("seed.sh", "20000")
	for _, c := range consumers(t, pocketbaseConfig, s.url, pocketbaseSQLite, pocketbasePostgres) {
		t.Run(c.name, func(t *testing.T) { keepsUp(t, s, c) })
	}
}

func TestNginxStreamedSnapshot(t *testing.T) { nginxSnapshot(t, "all.jsonl", "ndjson") }

func TestNginxCSVSnapshot(t *testing.T) { nginxSnapshot(t, "all.csv", "csv") }

// nginxSnapshot copies one of the forms in which nginx serves the same rows.
func nginxSnapshot(t *testing.T, file, format string) {
	s := startServer(t, "nginx")
	s.run("seed.sh", "2000")
	config := strings.NewReplacer("FILE", file, "FORMAT", format).Replace(nginxConfig)
	for _, c := range consumers(t, config, s.url, nginxSQLite, nginxPostgres) {
		t.Run(c.name, func(t *testing.T) {
			keepsUp(t, s, c)
			unchangedIsOneRequest(t, s, c)
		})
	}
}

// keepsUp compares after the first poll, after five rounds of changes, and
// after changes that fell into a poll.
func keepsUp(t *testing.T, s server, c ownersConsumer) {
	c.poll(t)
	c.equals(t, s, "after seed")
	for round := range 5 {
		s.run("mutate.sh")
		c.poll(t)
		c.equals(t, s, fmt.Sprintf("after round %d", round+1))
	}
	mutating := make(chan struct{})
	go func() {
		defer close(mutating)
		s.run("mutate.sh")
	}()
	c.tryPoll(t) // may fail: the owner publishes in between
	<-mutating
	c.poll(t)
	c.equals(t, s, "after changes during a poll")
}

// unchangedIsOneRequest polls what has not changed and counts what the owner
// was asked, and what was written.
func unchangedIsOneRequest(t *testing.T, s server, c ownersConsumer) {
	c.watchWrites(t)
	s.answers.Store(nil)
	c.poll(t)
	if asked := s.answers.Load(); asked == nil || !slices.Equal(*asked, []int{http.StatusNotModified}) {
		t.Errorf("an unchanged poll is answered %v, want one 304", asked)
	}
	if got := c.lines(t, `select what || ' ' || count(*) from writes group by what`); !slices.Equal(got, []string{"bookkeeping 1"}) {
		t.Errorf("an unchanged poll writes %v, want one update of the bookkeeping", got)
	}
}
