package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/larder-sync/larder/syncer"
)

// targetFeed is a snapshot in pages; what it lacks are the columns, which are
// the last line.
const targetFeed = `
consumer.app.database = "postgres://app@db/app"
[owner.app]
url = "https://owner.example"
[source.things]
mode    = "snapshot"
request = { path = "/things", query = { page = "{page}" } }
records = { at = "data", key = "id", version = "rev" }
[[table]]
source  = "things"
budget  = "1h"
confirm = 1
name    = "orderLines"
`

// newTarget is a copy of records that pages hold, one text a page.
func newTarget(t *testing.T, columns string, pages *[]string) *example {
	return newRun(t, targetFeed+"columns = { "+columns+" }\n", &door{owner: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var page int
		if _, err := fmt.Sscan(r.URL.Query().Get("page"), &page); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		records := ""
		if page >= 1 && page <= len(*pages) {
			records = (*pages)[page-1]
		}
		fmt.Fprintf(w, `{"data":[%s]}`, records)
	})})
}

// told compares rows as SQL tells them, and what was set aside.
func (e *example) told(when, rows string, want []string, aside string) {
	e.t.Helper()
	e.holds(when, rows, want)
	if got, err := query(e.file, `select "key", reason from larder_quarantine order by 1`); err != nil || !strings.Contains(got, aside) || (got == "") != (aside == "") {
		e.t.Errorf("%s: set aside is %q, want %q: %v", when, got, aside, err)
	}
}

// One key several times, on one page and on two, is one row: that of the newest
// version. What comes again for a row that is there is an update of it. A record
// whose key the owner changes is another row, and the one before is gone.
func TestTargetKeys(t *testing.T) {
	const rows = `select id, name from orderLines`
	pages := []string{
		`{"id":1,"rev":2,"name":"new"},{"id":1,"rev":1,"name":"old"},{"id":2,"rev":1,"name":"old"}`,
		`{"id":2,"rev":3,"name":"new"},{"id":2,"rev":2,"name":"old"},{"id":3,"rev":1,"name":"alone"}`,
	}
	e := newTarget(t, `id = "bigint", rev = "bigint", name = "text"`, &pages)
	e.poll(syncer.Snapshot)
	e.told("one key several times", rows, []string{"1|new", "2|new", "3|alone"}, "")

	pages = []string{`{"id":1,"rev":3,"name":"updated"},{"id":22,"rev":4,"name":"has another key"},{"id":3,"rev":1,"name":"alone"}`}
	e.poll(syncer.Snapshot)
	e.told("updates", rows, []string{"1|updated", "22|has another key", "3|alone"}, "")
}

// A record without its key, or with null for it, is set aside and stops no
// other; a field that is missing is null, or the column's default; what the
// consumer's own table requires is set aside where it is missing.
func TestTargetMissingFields(t *testing.T) {
	const columns = `id = "bigint", rev = "bigint", name = "text", note = "text", state = { type = "text", default = "new" }`
	pages := []string{`{"id":1,"rev":1,"name":"whole","note":"n","state":"old"},{"rev":1,"name":"no key"},{"id":2,"rev":1,"name":"no more"}`,
		`{"id":null,"rev":1,"name":"null key"},{"id":3,"rev":1,"name":null,"state":null}`}
	e := newTarget(t, columns, &pages)
	e.poll(syncer.Snapshot)
	e.told("in a table that larder makes", `select id, rev, name, note, state from orderLines`, []string{"1|1|whole|n|old", "2|1|no more||new", "3|1|||"}, "null")

	e = newTarget(t, columns, &pages)
	e.alter(`create table orderLines (id integer primary key, rev integer, name text not null, note text, state text)`)
	e.poll(syncer.Snapshot)
	e.told("in one that requires a name", `select id, name from orderLines`, []string{"1|whole", "2|no more"}, "[3]")
}

// There is no message with a schema: columns are those of the configuration
// from the first page on. A field whose type changes between two pages is set
// aside by its record; one that comes new is a column from there on if the table
// says so, and the rows before it get theirs; one that goes is null.
func TestTargetSchemaChanges(t *testing.T) {
	const rows = `select id, size from orderLines`
	pages := []string{`{"id":1,"rev":1,"size":1}`, `{"id":2,"rev":1,"size":"two"},{"id":3,"rev":1,"size":3,"colour":"red"},{"id":4,"rev":1}`}
	e := newTarget(t, `id = "bigint", rev = "bigint", size = "integer"`, &pages)
	e.config += "drift = \"add\"\n"
	e.poll(syncer.Snapshot)
	e.told("in mid walk", rows, []string{"1|1", "3|3", "4|"}, "[2]")
	e.holds("the column that came", `select id, colour from orderLines`, []string{"1|", "3|red", "4|"})

	pages = []string{`{"id":1,"rev":2,"size":1,"colour":"blue"},{"id":2,"rev":2,"size":2,"colour":"black"}`, `{"id":3,"rev":2,"colour":7},{"id":4,"rev":2,"size":4}`}
	e.poll(syncer.Snapshot)
	e.told("the next walk", `select id, size, colour from orderLines`, []string{"1|1|blue", "2|2|black", "3||7", "4|4|"}, "")
}

// Names are the owner's, in camel case, reserved or with signs; texts come out
// of their encoding once and no further; arrays are JSON, or an element of them.
func TestTargetNamesAndValues(t *testing.T) {
	pages := []string{`{"id":1,"rev":1,"firstName":"Ada","first-name":"other","select":"s","group by":"g","a.b":"dotted","a":{"b":"nested","ZipCode":"0123"},` +
		`"@type":"user","text":"\u00e9 \ud83e\udd55 \\n \"q\" \/ 'x' %20 &amp; eyJhIjoxfQ== {\"n\":1}\n\t","tags":["x",["y",null],{"z":1.50}],"none":[]}`}
	e := newTarget(t, strings.Join([]string{
		`id = "bigint", rev = "bigint", firstName = "text", "first-name" = "text", select = "text", "group by" = "text", "@type" = "text"`,
		`dotted = { from = '"a.b"', type = "text" }, nested = { from = "a.b", type = "text" }, zipCode = { from = "a.ZipCode", type = "text" }`,
		`text = "text", tags = "json", none = "json", first = { from = "tags.0", type = "text" }, deep = { from = "tags.2.z", type = "numeric" }`,
	}, ", "), &pages)
	for range 2 {
		e.poll(syncer.Snapshot)
		e.told("names", `select firstName, "first-name", "select", "group by", "@type", dotted, nested, zipCode from "orderLines"`,
			[]string{"Ada|other|s|g|user|dotted|nested|0123"}, "")
		e.holds("names of the columns", `select name from pragma_table_info('orderLines')`,
			strings.Split("id,rev,firstName,first-name,select,group by,@type,dotted,nested,zipCode,text,tags,none,first,deep", ","))
		e.holds("texts", `select hex(text) from orderLines`, []string{fmt.Sprintf("%X", "é 🥕 \\n \"q\" / 'x' %20 &amp; eyJhIjoxfQ== {\"n\":1}\n\t")})
		e.holds("arrays", `select json_type(tags), json_array_length(tags), tags ->> '$[1][0]', tags -> '$[2].z', none, first, deep from orderLines`,
			[]string{"array|3|y|1.50|[]|x|1.50"})
	}
}
