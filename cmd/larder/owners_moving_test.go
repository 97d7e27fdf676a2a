//go:build owners

package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// PocketBase asked for what changed, by keyset. The filter compares text, so
// its watermark must go back as it came, with a space for the T.
const pocketbaseKeyset = `
consumer.app.database = %q
owner.pb.url = %q
[source.items]
schedule  = "@every 1h"
paging    = { by = "keyset", size = 25 }
records   = { at = "items", key = "id" }
watermark = { from = "updated", initial = "1970-01-01 00:00:00.000Z", overlap = "2s" }
audit     = { schedule = "@daily", compare = "keys" }
[source.items.request]
path  = "/api/collections/items/records"
query = { sort = "updated,id", filter = '(updated>="{since}")', perPage = "{size}", skipTotal = 1 }
later = { query = { filter = '(updated>"{last.updated}" || (updated="{last.updated}" && id>"{last.id}"))' } }
[source.items.resync]
paging = { by = "keyset", size = 500 }
[source.items.resync.request]
path  = "/api/collections/items/records"
query = { sort = "id", perPage = "{size}", skipTotal = 1 }
later = { query = { filter = '(id>"{last.id}")' } }
` + pocketbaseTable

// PocketBase asked for what changed, by page numbers. The list asks for pages
// larger than the owner makes them.
const pocketbasePages = `
consumer.app.database = %q
owner.pb.url = %q
[source.items]
schedule  = "@every 1h"
paging    = { by = "page", size = 25, total = "totalItems", pages = "totalPages" }
records   = { at = "items", key = "id" }
watermark = { from = "updated", initial = "1970-01-01 00:00:00.000Z", overlap = "2s" }
audit     = { schedule = "@daily", compare = "keys" }
[source.items.request]
path  = "/api/collections/items/records"
query = { sort = "updated,id", filter = '(updated>="{since}")', page = "{page}", perPage = "{size}" }
[source.items.resync]
paging = { by = "page", size = 2000, total = "totalItems" }
[source.items.resync.request]
path  = "/api/collections/items/records"
query = { sort = "id", page = "{page}", perPage = "{size}" }
` + pocketbaseTable

const pocketbaseTable = `
[[table]]
source  = "items"
budget  = "3h"
confirm = 1
columns = { id = "text", sku = "text", name = "text", qty = "numeric", status = "text", created = "timestamptz", updated = "timestamptz" }
`

// PostGraphile asked by GraphQL. Without {since} the document's own default asks
// for everything. Its longest write transaction takes 2 s. Its JSON comes as
// text, which the copy reads as the JSON that it holds. Purchases are asked for
// in edges.
const postgraphileConfig = `
consumer.app.database = %q
owner.shop.url = %q
[source.purchase]
schedule  = "@every 1h"
paging    = { size = 50 }
records   = { key = "id", unwrap = "node" }
watermark = { from = "updatedAt", overlap = "4s", order = "ascending" }
audit     = "@daily"
[source.purchase.request]
connection = "data.allPurchases"
variables  = { n = "{size}", c = "{cursor}", s = "{since}" }
graphql    = '''
query($n: Int!, $c: Cursor, $s: Datetime = "1970-01-01T00:00:00Z") {
  allPurchases(first: $n, after: $c, orderBy: [UPDATED_AT_ASC, ID_ASC], filter: { updatedAt: { greaterThanOrEqualTo: $s } }) {
    pageInfo { hasNextPage endCursor } edges { node { id customerId sku qty price totalCents updatedAt } } } }'''
[source.customer]
schedule  = "@every 1h"
paging    = { size = 50 }
records   = { key = "id" }
watermark = { from = "updatedAt", overlap = "4s" }
audit     = "@daily"
[source.customer.request]
connection = "data.allCustomers"
variables  = { n = "{size}", c = "{cursor}", s = "{since}" }
graphql    = '''
query($n: Int!, $c: Cursor, $s: Datetime = "1970-01-01T00:00:00Z") {
  allCustomers(first: $n, after: $c, orderBy: [UPDATED_AT_ASC, ID_ASC], filter: { updatedAt: { greaterThanOrEqualTo: $s } }) {
    pageInfo { hasNextPage endCursor } nodes { id name credit active meta updatedAt } } }'''
[[table]]
source = "purchase"
budget = "3h"
[table.columns]
id = "bigint"
customer_id = { from = "customerId", type = "uuid" }
sku = "text"
qty = "integer"
price = "numeric(20,6)"
total_cents = { from = "totalCents", type = "bigint" }
updated_at = { from = "updatedAt", type = "timestamptz" }
[[table]]
source = "customer"
budget = "3h"
[table.columns]
id = "uuid"
name = "text"
credit = "numeric(12,2)"
active = "boolean"
meta = { type = "json", as = "json" }
updated_at = { from = "updatedAt", type = "timestamptz" }
`

// The copies of PostGraphile's tables, printed as truth.sh does.
const (
	purchaseSQLite = `select json_object('id',id,'customer_id',customer_id,'sku',sku,'qty',qty,'price',json(price),
		'total_cents',total_cents,'updated_at',updated_at) from purchase`
	customerSQLite = `select json_object('id',id,'name',name,'credit',json(credit),'active',json(iif(active,'true','false')),
		'meta',json(meta),'updated_at',updated_at) from customer`
	purchasePostgres = `select to_json(p)::text from purchase p`
	customerPostgres = `select json_build_object('id',id,'name',name,'credit',credit,'active',active,
		'meta',meta,'updated_at',updated_at)::text from customer`
)

func TestPocketBaseChangesWithKeysAudit(t *testing.T) {
	s := startServer(t, "pocketbase")
	s.run("seed.sh", "3000")
	for paging, config := range map[string]string{"keyset": pocketbaseKeyset, "pages": pocketbasePages} {
		for _, c := range consumers(t, config, s.url, pocketbaseSQLite, pocketbasePostgres) {
			t.Run(paging+" "+c.name, func(t *testing.T) { auditsKeepUp(t, s, c) })
		}
	}
}

// auditsKeepUp lets audits find the deletions that no poll sees: after the
// first poll, five rounds of changes, and changes in the midst of a poll and of
// an audit. That polls alone bring all else is asked before each audit.
func auditsKeepUp(t *testing.T, s server, c ownersConsumer) {
	c.poll(t)
	c.equals(t, s, "after seed")
	for round := range 5 {
		when := fmt.Sprintf("round %d", round+1)
		s.run("mutate.sh")
		c.poll(t)
		if c.holds(t, s, "polled in "+when) == 0 {
			t.Errorf("%s: the owner deleted nothing unseen", when)
		}
		c.audit(t)
		c.equals(t, s, "audited in "+when)
	}
	mutate := func() { s.run("mutate.sh") }
	mutate() // so that the poll has several pages
	list := func(asked string) bool { return strings.Contains(asked, "sort=id") }
	happened := s.during(2, func(asked string) bool { return !list(asked) }, mutate)
	c.tryPoll(t) // pages that move may fail it
	happened()
	c.poll(t)
	c.holds(t, s, "after changes during a poll")
	c.audit(t)
	c.equals(t, s, "audited after changes during a poll")

	happened = s.during(1, list, mutate)
	c.tryAudit(t)
	happened()
	c.poll(t)
	c.holds(t, s, "after changes during an audit")
	c.audit(t)
	c.equals(t, s, "audited after changes during an audit")
}

func TestPostgraphileByGraphQL(t *testing.T) {
	s := startServer(t, "postgraphile")
	s.run("seed.sh", "2000")
	customers := consumers(t, postgraphileConfig, s.url, customerSQLite, customerPostgres)
	for i, c := range consumers(t, postgraphileConfig, s.url, purchaseSQLite, purchasePostgres) {
		customer := c
		customer.query, customer.truth = customers[i].query, []string{"customer"}
		t.Run(c.name, func(t *testing.T) { losesNothingLate(t, s, c, customer) })
	}
}

// losesNothingLate polls while transactions are open whose stamps it has
// passed when they commit, and lets audits find what was deleted.
func losesNothingLate(t *testing.T, s server, purchase, customer ownersConsumer) {
	both := func(ask func(c ownersConsumer, t *testing.T, s server, when string), when string) {
		t.Helper()
		ask(purchase, t, s, when)
		ask(customer, t, s, when)
	}
	holds := func(c ownersConsumer, t *testing.T, s server, when string) {
		t.Helper()
		if c.holds(t, s, when) == 0 {
			t.Errorf("%s: the owner deleted nothing unseen", when)
		}
	}
	purchase.poll(t)
	both(ownersConsumer.equals, "after seed")
	for round := range 5 {
		when := fmt.Sprintf("round %d", round+1)
		if polls := purchase.pollsWhile(t, func() { s.run("mutate.sh") }); polls < 2 {
			t.Errorf("%s: %d polls while a late commit was open", when, polls)
		}
		purchase.poll(t)
		both(holds, "polled in "+when)
		purchase.audit(t)
		both(ownersConsumer.equals, "audited in "+when)
	}
	mutate := func() { s.run("mutate.sh") }
	happened := s.during(1, isChanges, mutate)
	purchase.poll(t)
	happened()
	purchase.poll(t)
	both(holds, "after changes during a poll")

	mutated := make(chan struct{})
	happened = s.during(3, func(asked string) bool { return !isChanges(asked) }, func() {
		go func() {
			defer close(mutated)
			mutate()
		}()
	})
	purchase.tryAudit(t)
	happened()
	<-mutated
	purchase.poll(t)
	purchase.audit(t)
	both(ownersConsumer.equals, "audited after changes during an audit")
}

// isChanges tells requests for what changed from those for everything.
func isChanges(asked string) bool { return strings.Contains(asked, `"s":`) }

// pollsWhile polls until do has come to its end, and says how often.
func (c ownersConsumer) pollsWhile(t *testing.T, do func()) (polls int) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	for {
		select {
		case <-done:
			return polls
		default:
			c.poll(t)
			polls++
		}
	}
}

func (c ownersConsumer) tryAudit(t *testing.T) (string, int) {
	var out bytes.Buffer
	code := run(t.Context(), []string{"audit", "--repair", "-c", c.config}, &out, &out)
	return out.String(), code
}

// audit has all tables proven equal to what their owner has.
func (c ownersConsumer) audit(t *testing.T) {
	t.Helper()
	out, code := c.tryAudit(t)
	if code != 0 {
		t.Fatalf("audit exits %d: %s", code, out)
	}
	t.Log(out)
}
