package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// echoing is an owner that says back whatever it was sent, in each of the ways
// in which owners say something.
func echoing(way *atomic.Value, elsewhere string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said := fmt.Sprint(r.URL, r.Header, string(body))
		quoted, _ := json.Marshal(said)
		w.Header().Set("Content-Type", "application/json")
		list := fmt.Sprintf(`{"data":{"users":{"nodes":[{"id":1}],"pageInfo":{"hasNextPage":true,"endCursor":"c"}}},"data2":[{"id":1}],"next":"%s/next?%s"}`,
			"http://"+r.Host, r.URL.RawQuery)
		switch way.Load() {
		case "errors":
			fmt.Fprintf(w, `{"errors":[{"message":%s}]}`, quoted)
		case "errors without a message":
			fmt.Fprintf(w, `{"errors":[{"sent":%s}],"error":[{"sent":%s}]}`, bytes.ReplaceAll(quoted, []byte("/"), []byte(`\/`)), quoted)
		case "400", "401", "403", "404", "429", "500":
			w.Header().Set("X-Error", strings.ReplaceAll(said, "\n", " "))
			w.WriteHeader(map[string]int{"400": 400, "401": 401, "403": 403, "404": 404, "429": 429, "500": 500}[way.Load().(string)])
			fmt.Fprintf(w, `{"errors":[{"message":%s}],"error":%s}`, quoted, quoted)
		case "redirect":
			w.Header().Set("Location", elsewhere+"/moved?"+r.URL.RawQuery+"&h="+strings.Join(r.Header.Values("X-Of-Source"), ""))
			w.WriteHeader(http.StatusTemporaryRedirect)
		case "redirect away":
			w.Header().Set("Location", "https://"+r.Header.Get("X-Tenant")+".invalid/?"+r.URL.RawQuery)
			w.WriteHeader(http.StatusTemporaryRedirect)
		case "link away":
			fmt.Fprintf(w, `{"data2":[{"id":1}],"next":"https://%s.invalid/"}`, r.Header.Get("X-Tenant"))
		case "not JSON":
			fmt.Fprint(w, said)
		default: // links that hold what was sent, of which the second fails
			if strings.HasPrefix(r.URL.Path, "/next") {
				w.WriteHeader(http.StatusBadGateway)
			}
			fmt.Fprint(w, list)
		}
	})
}

const echoedConfig = `
consumer.app.database = "sqlite:DIR/app.db"
larder.log = { format = "json", level = "trace" }
[owner.users]
url         = "URL"
headers     = { X-Tenant = "canary-tenant" }
allow_hosts = "ELSEWHERE"
retry       = { attempts = 1 }
[source.graph]
owner   = "users"
mode    = "snapshot"
request = { path = "/graphql", headers = { X-Of-Source = "${CANARY_HEADER}" }, query = { k = "${CANARY_QUERY}" }, graphql = "{ users }", variables = { after = "{cursor}", token = "${CANARY_VARIABLE}", all = ["${CANARY_ITEM}"] }, connection = "data.users" }
records = { key = "id" }
[source.form]
owner   = "users"
mode    = "snapshot"
request = { method = "POST", path = "/form", body = { password = { file = "canary.txt" } }, content_type = "application/x-www-form-urlencoded" }
records = { at = "data2", key = "id", error = "error" }
[source.list]
owner   = "users"
mode    = "snapshot"
request = { path = "/list", headers = { X-Of-Source = "${CANARY_HEADER}" }, query = { k = "${CANARY_QUERY}" } }
paging  = { by = "next_url", next = "next" }
records = { at = "data2", key = "id", error = "errors" }
`

// TestCanariesOfRequestsShowNowhere: what requests hold that came from outside
// the file is in no output, log, error or database, and with no other host,
// whatever the owner makes of it.
func TestCanariesOfRequestsShowNowhere(t *testing.T) {
	for _, name := range []string{"HEADER", "QUERY", "VARIABLE", "ITEM"} {
		t.Setenv("CANARY_"+name, "canary/+"+strings.ToLower(name))
	}
	var leaked atomic.Value
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text := fmt.Sprint(r.URL.Query(), r.Header); strings.Contains(strings.ReplaceAll(text, "h:[canary", ""), "canary") {
			leaked.Store(text)
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(elsewhere.Close)
	var way atomic.Value
	owner := httptest.NewServer(echoing(&way, elsewhere.URL))
	t.Cleanup(owner.Close)
	dir := t.TempDir()
	text := strings.NewReplacer("DIR", dir, "URL", owner.URL, "ELSEWHERE", strings.TrimPrefix(elsewhere.URL, "http://")).Replace(echoedConfig)
	for _, source := range []string{"graph", "form", "list"} {
		text += fmt.Sprintf("[[table]]\nname = %q\nsource = %q\nbudget = \"1h\"\ncolumns = { id = \"bigint\" }\n", source, source)
	}
	file := filepath.Join(dir, "larder.toml")
	for name, content := range map[string]string{"larder.toml": text, "canary.txt": "canary&=\\form\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	command := commanding(t, file, &out)
	command(0, "validate")
	command(0, "plan")
	command(0, "plan", "--json")
	for _, w := range []string{"links", "errors", "errors without a message", "400", "401", "403", "404", "429", "500", "redirect", "redirect away", "link away", "not JSON"} {
		way.Store(w)
		before := out.Len()
		command(1, "poll")
		if shown := out.String()[before:]; strings.Contains(shown, "canary") {
			t.Errorf("%s: shown: %s", w, shown)
		} else if w == "errors" && !strings.Contains(shown, "[secret]") {
			t.Errorf("the owner's words are not shown: %s", shown)
		}
	}
	command(0, "status")
	command(0, "status", "--json")
	if at := strings.Index(out.String(), "canary"); at >= 0 {
		t.Errorf("shown: %s", out.String()[max(0, at-200):at+40])
	}
	if text := leaked.Load(); text != nil {
		t.Errorf("another host sees %s", text)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.db*"))
	if err != nil || len(files) < 1 {
		t.Fatalf("databases %v, %v", files, err)
	}
	for _, f := range files {
		held, err := os.ReadFile(f)
		if at := bytes.Index(held, []byte("canary")); err != nil || at >= 0 {
			t.Errorf("%s holds a secret, or cannot be read: %q, %v", filepath.Base(f), held[max(0, at-100):at+60], err)
		}
	}
}

// commanding runs commands on the config at file and gathers what they print. Each
// has to exit by what is wanted.
func commanding(t *testing.T, file string, out *bytes.Buffer) func(want int, args ...string) {
	return func(want int, args ...string) {
		t.Helper()
		before := out.Len()
		if code := run(t.Context(), append(args, "-c", file), out, out); code != want {
			t.Errorf("%v exits %d, want %d: %s", args, code, want, out.String()[before:])
		}
	}
}
