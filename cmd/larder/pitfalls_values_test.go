package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/larder-sync/larder/syncer"
)

// valuesFeed is a snapshot of what a test answers; what it lacks are the columns
// and what else the table says.
const valuesFeed = `
consumer.app.database = "postgres://app@db/app"
[owner.app]
url = "https://owner.example"
[source.things]
mode    = "snapshot"
request = { path = "/things" }
records = { at = "data", key = "id" }
[[table]]
source  = "things"
budget  = "1h"
confirm = 1
`

// spoken is an owner that answers with a text.
func spoken(text *string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, *text)
	})
}

const setAsideBySQLite, setAsideByPostgres = `select count(*) from larder_quarantine`, `select count(*)::text from larder.quarantine`

// Numbers come out of both databases as the owner wrote them: those beyond 2^53
// as keys and as values, alone and inside JSON, in a text as in a bigint; what a
// column cannot hold without a loss is set aside, and two keys stay two.
func TestNumbersKeepEveryDigit(t *testing.T) {
	body := ""
	w := newTwin(t, valuesFeed+`columns = { id = "bigint", n = "numeric", d = "double", t = "text", doc = "json" }`+"\n", spoken(&body))
	var records, want []string
	keep := func(id, n, told string) {
		records = append(records, fmt.Sprintf(`{"id":%s,"n":%s,"d":0.1,"t":%s,"doc":{"n":%s}}`, id, n, n, n))
		want = append(want, strings.Join([]string{strings.Trim(id, `"`), told, "0.1", n, told}, "|"))
	}
	keep("-9007199254740993", "1", "1")
	for i, n := range []string{"9007199254740991", "9007199254740992", "9007199254740993", "9223372036854775808", "-9223372036854775809", "0.1",
		"12345678901234567890.123456789"} {
		keep(fmt.Sprint(9007199254740991+int64(i)), n, n)
	}
	keep(`"9007199254741993"`, "0", "0")
	keep("9223372036854775807", "1e400", "1"+strings.Repeat("0", 400))
	for _, beyond := range []string{"9223372036854775808", "1e400", "9007199254740993.5"} {
		records = append(records, fmt.Sprintf(`{"id":%s}`, beyond))
	}
	records = append(records, `{"id":1,"n":1,"d":1e400}`)
	body = `{"data":[` + strings.Join(records, ",") + `]}`
	for _, when := range []string{"first poll", "the same again"} {
		for _, r := range w.poll(syncer.Snapshot)[0].Tables {
			if r.Applied.Updated > 0 || when != "first poll" && r.Applied.Inserted > 0 || r.Applied.Quarantined != 4 {
				t.Errorf("%s: %+v", when, r)
			}
		}
		// SQLite keeps JSON as it came, Postgres as it stands for.
		w.both(when, `select id, n, d, t, case doc -> '$.n' when '1e400' then n else doc -> '$.n' end from things order by id`,
			`select concat_ws('|', id, n, d, t, doc ->> 'n') from things order by things.id`, want...)
		w.both(when, setAsideBySQLite, setAsideByPostgres, "4")
	}
}

// Text that is none is set aside by its record, or mended where the table says
// so, wherever in the record it stands, and stops no other; in a key it is never
// mended, so that two keys stay two.
func TestBrokenTextStopsNoOther(t *testing.T) {
	texts := []string{`a\u0000b`, "a\xffb", "a\xe2\x82b", `a\ud800b`, `a\udc00b`}
	for policy, mended := range map[string]string{"reject": "", "strip": "ab", "replace": "a\ufffdb"} {
		t.Run(policy, func(t *testing.T) {
			body := ""
			w := newTwin(t, valuesFeed+"text = \""+policy+"\"\ncolumns = { id = \"text\", name = \"text\", doc = \"json\" }\n", spoken(&body))
			records := []string{"{\"id\":\"good\",\"name\":\"\ufeff😀\\ud83d\\ude00 \\ufffd\",\"doc\":{}}"}
			var rows [4][]string // of a kind each
			rows[0] = []string{"good|\ufeff😀😀 \ufffd|{}"}
			for i, text := range texts {
				records = append(records, fmt.Sprintf(`{"id":"key%s","name":"n","doc":null}`, text),
					fmt.Sprintf(`{"id":"v%d","name":"%s","doc":[]}`, i, text), fmt.Sprintf(`{"id":"w%d","name":"n","doc":{"in":[{"deep":"%s"}]}}`, i, text),
					fmt.Sprintf(`{"id":"x%d","name":"n","doc":{"%s":1}}`, i, text))
				whole := mended
				if policy == "replace" && i == 2 {
					whole = "a\ufffd\ufffdb" // two bytes of three
				}
				rows[1] = append(rows[1], fmt.Sprintf(`v%d|%s|[]`, i, whole))
				rows[2] = append(rows[2], fmt.Sprintf(`w%d|n|{"in":[{"deep":"%s"}]}`, i, whole))
				rows[3] = append(rows[3], fmt.Sprintf(`x%d|n|{"%s":1}`, i, whole))
			}
			want, aside := slices.Concat(rows[:]...), len(texts)
			if policy == "reject" {
				want, aside = rows[0], 4*len(texts)
			}
			for i := range map[bool]int{true: 2000}[policy == "reject"] { // so that those which do not fit are few
				records = append(records, fmt.Sprintf(`{"id":"z%d"}`, i))
			}
			body = `{"data":[` + strings.Join(records, ",") + `]}`
			for range 2 {
				w.poll(syncer.Snapshot)
				w.both("rows", `select id, name, doc from things where id < 'z' order by id`,
					`select concat_ws('|', id, name, replace(doc::text, ': ', ':')) from things where id collate "C" < 'z' order by id collate "C"`, want...)
				w.both("set aside", setAsideBySQLite, setAsideByPostgres, fmt.Sprint(aside))
			}
		})
	}
}
