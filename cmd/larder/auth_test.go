package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
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

// gates are an owner's ways to let somebody in, by what stands in auth.
var gates = map[string]struct {
	auth  string
	enter func(r *http.Request, body string) bool
}{
	"bearer": {`{ bearer = "canary-secret", scheme = "Token" }`, func(r *http.Request, _ string) bool {
		return r.Header.Get("Authorization") == "Token canary-secret"
	}},
	"basic": {`{ basic = { user = "me", password = "canary-secret" } }`, func(r *http.Request, _ string) bool {
		user, password, _ := r.BasicAuth()
		return user == "me" && password == "canary-secret"
	}},
	"header": {`{ header = { X-Key = "canary-secret" } }`, func(r *http.Request, _ string) bool {
		return r.Header.Get("X-Key") == "canary-secret"
	}},
	"query": {`{ query = { key = "canary-secret" } }`, func(r *http.Request, _ string) bool {
		return r.URL.Query().Get("key") == "canary-secret"
	}},
	"oauth2": {`{ oauth2 = { token_url = "URL/token", client_id = "me", client_secret = "canary-secret" } }`, func(r *http.Request, _ string) bool {
		return r.Header.Get("Authorization") == "Bearer canary-token"
	}},
	"login": {`{ login = { path = "/login", headers = { X-App = "canary-app" }, body = { user = "me", password = "canary-secret", ` +
		`device = { ids = [1, "canary-device"], trusted = true } }, token = "data.0.token", expires = "1h", header = "X-Session" } }`, func(r *http.Request, _ string) bool {
		return r.Header.Get("X-Session") == "canary-token"
	}},
	"login by form": {`{ login = { path = "/form", form = { user = "me", password = "canary-secret&=" }, token = "cookie:sid" } }`, func(r *http.Request, _ string) bool {
		c, err := r.Cookie("sid")
		return err == nil && c.Value == "canary-token"
	}},
	"hmac": {`{ hmac = { secret = "canary-secret", key = "canary-key", sign = "{method}\n{target}\n{body}\n{header.X-Time}", ` +
		`header = { Authorization = "Signed {key}:{signature}", X-Time = "{timestamp}", X-App = "${APP}" } } }`, func(r *http.Request, body string) bool {
		mac := hmac.New(sha256.New, []byte("canary-secret"))
		fmt.Fprintf(mac, "%s\n%s\n%s\n%s", r.Method, r.RequestURI, body, r.Header.Get("X-Time"))
		return r.Header.Get("Authorization") == "Signed canary-key:"+hex.EncodeToString(mac.Sum(nil)) && r.Header.Get("X-App") == "canary-app{}"
	}},
	"sigv4": {`{ sigv4 = { region = "eu-central-1", service = "execute-api", access_key = "canary-id", secret_key = "canary-secret", session_token = "canary-session" } }`, func(r *http.Request, _ string) bool {
		return strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=canary-id/") &&
			strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/execute-api/aws4_request, ") && r.Header.Get("X-Amz-Security-Token") == "canary-session"
	}},
}

// gated is an owner behind one of the gates, which answers refusals with the
// credentials it got.
func gated(enter func(*http.Request, string) bool, shut *atomic.Int32) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if id, secret, _ := r.BasicAuth(); id != "me" || secret != "canary-secret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprint(w, `{"access_token": "canary-token", "token_type": "Bearer", "expires_in": 3600}`)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"user":"me","password":"canary-secret","device":{"ids":[1,"canary-device"],"trusted":true}}` || r.Header.Get("X-App") != "canary-app" {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprint(w, `{"data": [{"token": "canary-token"}]}`)
	})
	mux.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("password") == "canary-secret&=" && r.PostFormValue("user") == "me" {
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: "canary-token"})
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("/users", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case shut.Load() != 0:
			w.WriteHeader(int(shut.Load()))
			fmt.Fprintf(w, `{"error": %q}`, fmt.Sprint("canary ", r.URL, r.Header))
		case !enter(r, string(body)):
			w.WriteHeader(http.StatusUnauthorized)
		default:
			fmt.Fprint(w, `{"data": [{"id": 1}]}`)
		}
	})
	return mux
}

const gatedConfig = `
consumer.app.database = "sqlite:DIR/app.db"
larder.log = { format = "json", level = "trace" }
[owner.users]
url   = "URL"
auth  = AUTH
retry = { attempts = 2, min = "1ms", max = "1ms" }
[source.users]
mode    = "snapshot"
request = { method = "POST", path = "/users", body = { all = true }, query = { a = "b c" } }
records = { at = "data", key = "id" }
[[table]]
source  = "users"
budget  = "1h"
columns = { id = "bigint" }
`

// Every kind of auth that the configuration names gets in, and its secrets are
// in no output, log, error or database, whatever the owner answers.
func TestCanariesShowNowhere(t *testing.T) {
	t.Setenv("APP", "canary-app{}")
	for name, gate := range gates {
		t.Run(name, func(t *testing.T) {
			var shut atomic.Int32
			owner := httptest.NewServer(gated(gate.enter, &shut))
			t.Cleanup(owner.Close)
			dir := t.TempDir()
			file := filepath.Join(dir, "larder.toml")
			text := strings.NewReplacer("AUTH", gate.auth, "DIR", dir).Replace(gatedConfig)
			if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "URL", owner.URL)), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			command := commanding(t, file, &out)
			command(0, "validate")
			command(0, "plan")
			command(0, "poll")
			command(0, "plan", "--json")
			for _, status := range []int32{401, 403, 404, 500, 301} {
				shut.Store(status)
				command(1, "poll")
			}
			command(0, "status")
			command(0, "status", "--json")
			if strings.Contains(out.String(), "canary") {
				at := strings.Index(out.String(), "canary")
				t.Errorf("shown: %s", out.String()[max(0, at-200):at+40])
			}
			files, err := filepath.Glob(filepath.Join(dir, "*.db*"))
			if err != nil || len(files) < 2 {
				t.Fatalf("databases %v, %v", files, err)
			}
			for _, f := range files {
				if held, err := os.ReadFile(f); err != nil || bytes.Contains(held, []byte("canary")) {
					t.Errorf("%s holds a secret, or cannot be read: %v", filepath.Base(f), err)
				}
			}
		})
	}
}
