package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A refresh token that its endpoint replaces is kept at home, so that the next
// command goes on with the new one; neither is ever shown.
func TestRenewedTokensOutliveTheCommand(t *testing.T) {
	valid := "first-refresh"
	granted := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("refresh_token") != valid || r.FormValue("audience") != "users" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error": "invalid_grant"}`)
			return
		}
		granted++
		valid = fmt.Sprintf("refresh-%d", granted)
		fmt.Fprintf(w, `{"access_token": "access-%d", "token_type": "Bearer", "expires_in": 3600, "refresh_token": %q}`, granted, valid)
	})
	mux.HandleFunc("/users", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != fmt.Sprintf("Bearer access-%d", granted) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `[{"id": 1}]`)
	})
	owner := httptest.NewServer(mux)
	defer owner.Close()
	dir := t.TempDir()
	text := strings.ReplaceAll(`
consumer.app.database = "sqlite:DIR/app.db"
[owner.users]
url  = "URL"
auth = { oauth2 = { token_url = "URL/token", client_id = "me", client_secret = "my-secret", refresh_token = "first-refresh", params = { audience = "users" } } }
[source.users]
mode    = "snapshot"
request = { path = "/users" }
records = { key = "id" }
[[table]]
source  = "users"
budget  = "1h"
columns = { id = "bigint" }
`, "URL", owner.URL)
	file := filepath.Join(dir, "larder.toml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		var out bytes.Buffer
		if code := run(t.Context(), []string{"poll", "-c", file}, &out, &out); code != 0 || granted != n+1 {
			t.Fatalf("poll %d exits %d after %d tokens: %s", n+1, code, granted, out.String())
		}
		for _, secret := range []string{"refresh-", "access-", "my-secret"} {
			if strings.Contains(out.String(), secret) {
				t.Errorf("poll %d shows a secret: %s", n+1, out.String())
			}
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "larder.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("home is %v, %v", info, err)
	}
}
