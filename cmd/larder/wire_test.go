package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

const wireConfig = `
consumer.app.database = "sqlite:%s"
owner.o.url = %q
[source.s]
each = { values = [ { v = %s } ] }
%s
[[table]]
source = "s"
budget = "1h"
columns = { id = "text" }
`

// wired is what an owner reads of a request, byte by byte.
type wired struct{ uri, body, contentType string }

// TestWhatIsOnTheWire shows, for each rule of encoding, what a configuration
// makes of a request, as a real server reads it. Where an API's documentation
// shows the request, the name says whose it is.
func TestWhatIsOnTheWire(t *testing.T) {
	const list = "\nmode = \"snapshot\"\nrecords = { key = [\"id\", \"each.v\"] }"
	since := func(watermark string) string {
		return "\nrecords = { key = [\"id\", \"each.v\"], deleted = \"never\" }\nwatermark = { from = \"at\", " + watermark + " }"
	}
	const form = `content_type = "application/x-www-form-urlencoded"`
	for name, c := range map[string]struct {
		v, source string
		want      wired
	}{
		"a plus in a value":               {`"a+b"`, `request = { path = "/x", query = { q = "{each.v}" } }` + list, wired{uri: "/x?q=a%2Bb"}},
		"a space in a value":              {`"a b"`, `request = { path = "/x", query = { q = "{each.v}" } }` + list, wired{uri: "/x?q=a%20b"}},
		"a space as a plus":               {`"a b+c"`, `request = { path = "/x", query = { q = "{each.v}" }, space = "+" }` + list, wired{uri: "/x?q=a+b%2Bc"}},
		"a space that is said to be %20":  {`"a b"`, `request = { path = "/x", query = { q = "{each.v}" }, space = "%20" }` + list, wired{uri: "/x?q=a%20b"}},
		"brackets in a name: Stripe":      {`1`, `request = { path = "/charges", query = { "created[gte]" = "{since}" } }` + since(`format = "unix", initial = "1700000000", overlap = "0s"`), wired{uri: "/charges?created%5Bgte%5D=1700000000"}},
		"a dollar in a name: OData":       {`"x"`, `request = { path = "/Orders", query = { "$filter" = "ModifiedAt ge {since} and Name eq 'O''Neil'", "$orderby" = "ModifiedAt" } }` + since(`initial = "2024-01-01T00:00:00Z", overlap = "0s"`), wired{uri: "/Orders?%24filter=ModifiedAt%20ge%202024-01-01T00%3A00%3A00Z%20and%20Name%20eq%20%27O%27%27Neil%27&%24orderby=ModifiedAt"}},
		"a sum in a value: PostgREST":     {`"x"`, `request = { path = "/users", query = { updated_at = "gte.{since}", select = "id,at" } }` + since(`initial = "2024-01-01T00:00:00.000001+00:00", overlap = "0s"`), wired{uri: "/users?updated_at=gte.2024-01-01T00%3A00%3A00.000001%2B00%3A00&select=id%2Cat"}},
		"a prefix in a value: FHIR":       {`"x"`, `request = { path = "/Patient", query = { _lastUpdated = "ge{since}", _sort = "_lastUpdated" } }` + since(`initial = "2024-01-01T00:00:00Z", overlap = "0s"`), wired{uri: "/Patient?_lastUpdated=ge2024-01-01T00%3A00%3A00Z&_sort=_lastUpdated"}},
		"a query language: SOQL":          {`"x"`, `request = { path = "/query", query = { q = "SELECT Id, Name FROM Account WHERE SystemModstamp >= {since}" }, space = "+" }` + since(`initial = "2024-01-01T00:00:00Z", overlap = "0s"`), wired{uri: "/query?q=SELECT+Id%2C+Name+FROM+Account+WHERE+SystemModstamp+%3E%3D+2024-01-01T00%3A00%3A00Z"}},
		"a token: Google":                 {`"CPDAlvWDx70CEPDAlvWDx70CGAU=%/+&#"`, `request = { path = "/events", query = { syncToken = "{each.v}" } }` + list, wired{uri: "/events?syncToken=CPDAlvWDx70CEPDAlvWDx70CGAU%3D%25%2F%2B%26%23"}},
		"a colon, a comma, an at sign":    {`"a:b,c@d;e"`, `request = { path = "/x", query = { q = "{each.v}" } }` + list, wired{uri: "/x?q=a%3Ab%2Cc%40d%3Be"}},
		"letters of the world":            {`"ü東 "`, `request = { path = "/straße/{each.v}", query = { "größe" = "{each.v}" } }` + list, wired{uri: "/stra%C3%9Fe/%C3%BC%E6%9D%B1%20?gr%C3%B6%C3%9Fe=%C3%BC%E6%9D%B1%20"}},
		"a percent in a literal path":     {`"x"`, `request = { path = "/a%2Fb/c%20d" }` + list, wired{uri: "/a%2Fb/c%20d"}},
		"a space in a literal path":       {`"x"`, `request = { path = "/a b" }` + list, wired{uri: "/a%20b"}},
		"a slash in a value of a path":    {`"a/b?c%"`, `request = { path = "/x/{each.v}/y" }` + list, wired{uri: "/x/a%2Fb%3Fc%25/y"}},
		"literal braces":                  {`"x"`, `request = { path = "/x", query = { q = "{{a}}" } }` + list, wired{uri: "/x?q=%7Ba%7D"}},
		"an array is a repeated one":      {`"2"`, `request = { path = "/x", query = { "id[]" = [1, "{each.v}"], empty = [] } }` + list, wired{uri: "/x?id%5B%5D=1&id%5B%5D=2"}},
		"a table is JSON":                 {`"a\"b"`, `request = { path = "/x", query = { where = { a = { "$gt" = 1.50 }, b = ["{each.v}", true] } } }` + list, wired{uri: "/x?where=%7B%22a%22%3A%7B%22%24gt%22%3A1.50%7D%2C%22b%22%3A%5B%22a%5C%22b%22%2Ctrue%5D%7D"}},
		"an empty value":                  {`""`, `request = { path = "/x", query = { a = "", b = "{each.v}" } }` + list, wired{uri: "/x?a=&b="}},
		"numbers and flags":               {`9007199254740993`, `request = { path = "/x", query = { a = "{each.v}", b = 1.50, c = true } }` + list, wired{uri: "/x?a=9007199254740993&b=1.50&c=true"}},
		"a query language in JSON: Jira":  {`"x"`, `request = { path = "/search/jql", body = { jql = "project = \"A&B\" AND updated >= {since} ORDER BY updated ASC", fields = ["updated"] } }` + since(`format = "rfc3339", ask = "unix_ms", initial = "2024-01-01T00:00:00Z", overlap = "0s"`), wired{uri: "/search/jql", body: `{"jql":"project = \"A&B\" AND updated >= 1704067200000 ORDER BY updated ASC","fields":["updated"]}`, contentType: "application/json"}},
		"a number keeps its type in JSON": {`9007199254740993`, `request = { path = "/x", body = { n = "{each.v}", t = "no {each.v}" } }` + list, wired{uri: "/x", body: `{"n":9007199254740993,"t":"no 9007199254740993"}`, contentType: "application/json"}},
		"a body as it is":                 {`"a b&c"`, `request = { path = "/x", body = "q={each.v}", content_type = "text/plain" }` + list, wired{uri: "/x", body: "q=a b&c", contentType: "text/plain"}},
		"a form":                          {`"a b+c"`, `request = { path = "/x", body = { "expand[]" = ["data.customer", "{each.v}"], meta = { a = 1 }, n = 2, empty = "" }, ` + form + ` }` + list, wired{"/x", "expand%5B%5D=data.customer&expand%5B%5D=a%20b%2Bc&meta=%7B%22a%22%3A1%7D&n=2&empty=", "application/x-www-form-urlencoded"}},
		"a form with pluses":              {`"a b+c"`, `request = { path = "/x", body = { "a b" = "{each.v}" }, space = "+", ` + form + ` }` + list, wired{"/x", "a+b=a+b%2Bc", "application/x-www-form-urlencoded"}},
		"a form without values":           {`"x"`, `request = { path = "/x", body = { since = "{since}" }, ` + form + ` }` + since(`overlap = "0s"`), wired{"/x", "", "application/x-www-form-urlencoded"}},
		"GraphQL": {`7`, `request = { graphql = 'query($n: Int, $s: String) { a(x: "{since}") { b } }', variables = { n = "{each.v}", s = "{since}", f = { deep = ["{each.v}"] } } }` + since(`overlap = "0s"`), wired{uri: "/",
			body: `{"query":"query($n: Int, $s: String) { a(x: \"{since}\") { b } }","variables":{"n":7,"f":{"deep":[7]}}}`, contentType: "application/json"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := onTheWire(t, c.v, c.source); got != c.want {
				t.Errorf("owner reads\n%q\nwant\n%q", got, c.want)
			}
		})
	}
}

// onTheWire polls once by a configuration, of an owner that has nothing.
func onTheWire(t *testing.T, value, source string) wired {
	t.Helper()
	var got wired
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = wired{r.RequestURI, string(body), r.Header.Get("Content-Type")}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `[]`)
	}))
	defer server.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "larder.toml")
	if err := os.WriteFile(file, fmt.Appendf(nil, wireConfig, filepath.Join(dir, "copy.db"), server.URL, value, source), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"poll", "-c", file}, &out, &out); code != 0 {
		t.Fatalf("poll exits %d: %s", code, &out)
	}
	return got
}
