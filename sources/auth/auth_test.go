package auth_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/larder-sync/larder/sources/auth"
)

const secret = "s3cret+/ =&%"

func TestCredentialsArrive(t *testing.T) {
	for name, c := range map[string]struct {
		who  auth.Authenticator
		have func(*http.Request) string
	}{
		"bearer": {auth.Bearer("Token", auth.Literal(secret)), func(r *http.Request) string { return r.Header.Get("Authorization")[len("Token "):] }},
		"basic":  {auth.Basic(auth.Literal("user:"), auth.Literal(secret)), func(r *http.Request) string { _, p, _ := r.BasicAuth(); return p[1:] }},
		"header": {auth.Header(auth.Pair{Name: "x-api-key", Value: auth.Literal(secret)}), func(r *http.Request) string { return r.Header.Get("X-Api-Key") }},
		"query":  {auth.Query(auth.Pair{Name: "a key", Value: auth.Literal(secret)}), func(r *http.Request) string { return r.URL.Query().Get("a key") }},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodGet, "https://owner.example/?x=1%2B1&a+key=old", nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if number, err := c.who.Apply(r, nil); err != nil || number != 0 {
					t.Fatal(number, err)
				}
			}
			if got := c.have(r); got != secret {
				t.Errorf("got %q", got)
			}
			if got := r.URL.Query(); got.Get("x") != "1+1" || len(got["a key"]) != 1 {
				t.Errorf("query %v", got)
			}
			if !slices.Contains(c.who.Secrets(), secret) {
				t.Error("the secret is not listed")
			}
			if others, err := c.who.Refused(t.Context(), 0); others || err != nil {
				t.Errorf("others than the literal one: %v, %v", others, err)
			}
		})
	}
}

func TestStripLeavesTheRestAsItIs(t *testing.T) {
	who := auth.Query(auth.Pair{Name: "key", Value: auth.Literal(secret)})
	for query, want := range map[string]string{
		"":                           "",
		"a=b%20c&d":                  "a=b%20c&d",
		"key=x":                      "",
		"a=1&key=x&b=2&key=y&k%65y=": "a=1&b=2",
		"keys=1&%zz=2&Key=3":         "keys=1&%zz=2&Key=3",
	} {
		u := &url.URL{RawQuery: query}
		if who.Strip(u); u.RawQuery != want {
			t.Errorf("%q: %q, want %q", query, u.RawQuery, want)
		}
	}
}
