package sources_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

// TestNextLinksAreFollowed as they are given, resolved against the URL of the
// page that holds them.
func TestNextLinksAreFollowed(t *testing.T) {
	for link, want := range map[string]string{
		"https://owner.example/v1/list?page=2":     "https://owner.example/v1/list?page=2",
		"https://owner.example:443/v1/list?page=2": "https://owner.example:443/v1/list?page=2",
		"HTTPS://Owner.Example/v1/list?page=2":     "https://Owner.Example/v1/list?page=2",
		"/v1/list?page=2":                          "https://owner.example/v1/list?page=2",
		"?page=2":                                  "https://owner.example/v1/list?page=2",
		"list/page/2":                              "https://owner.example/v1/list/page/2",
		"page-2.json":                              "https://owner.example/v1/page-2.json",
		"//owner.example/v1/list?page=2":           "https://owner.example/v1/list?page=2",
		"/v1/list?since=2024-01-01T00%3A00%3A00%2B02%3A00&x=a%20b": "https://owner.example/v1/list?since=2024-01-01T00%3A00%3A00%2B02%3A00&x=a%20b",
		"/v1/list?a=1&a=2&size=9":                                  "https://owner.example/v1/list?a=1&a=2&size=9",
		"/v1/list?q=münchen&t=a/+b=":                               "https://owner.example/v1/list?q=m%C3%BCnchen&t=a/+b=",
		"/v1/li%2Fst?page=2#part":                                  "https://owner.example/v1/li%2Fst?page=2",
	} {
		for _, p := range []sources.Paging{{By: sources.NextURL, Next: "next"}, {By: sources.Link}} {
			t.Run(string(p.By)+" "+link, func(t *testing.T) {
				var got string
				owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
					if n == 1 {
						w.Header().Set("Link", `<`+link+`>; rel=next`)
						fmt.Fprintf(w, `{"data":[],"next":%q}`, link)
						return
					}
					got = r.URL.String()
					fmt.Fprint(w, `{"data":[]}`)
				})
				complete(t, source(t, owner, list(p, param("size", "5"), param("a", "0"))), snapshot())
				if got != want {
					t.Errorf("asked %q, want %q", got, want)
				}
			})
		}
	}
}

// TestNextLinksStayAtHome: a link that leads elsewhere is an error, and nobody
// is asked there.
func TestNextLinksStayAtHome(t *testing.T) {
	for _, link := range []string{
		"https://elsewhere.example/v1/list?page=2",
		"http://owner.example/v1/list?page=2",
		"https://owner.example:8443/v1/list",
		"https://owner.example.elsewhere.example/",
		"//elsewhere.example/v1/list",
		"https://owner.example@elsewhere.example/",
		"https://user:pass@owner.example/v1/list",
		"http://169.254.169.254/latest/meta-data/",
		"file:///etc/passwd",
		"javascript:alert(1)",
		"https:owner.example/v1",
		"https://owner.example/%zz",
		"https://[::1",
		"?" + strings.Repeat("x", 9<<10),
	} {
		for _, p := range []sources.Paging{{By: sources.NextURL, Next: "next"}, {By: sources.Link}} {
			asked := 0
			owner := scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
				asked = n
				w.Header().Set("Link", `<`+link+`>; rel="next"`)
				fmt.Fprintf(w, `{"data":[{"id":1}],"next":%q}`, link)
			})
			owner.Auth = auth.Header(auth.Pair{Name: "X-Api-Key", Value: auth.Literal("canary")})
			fails(t, source(t, owner, list(p)), snapshot(), syncer.ClassBlockedURL)
			if asked != 1 {
				t.Errorf("%s %q: asked %d times", p.By, link, asked)
			}
		}
	}
}

// TestRedirects stay with the origin, end soon, keep the method, and carry
// credentials on every hop but no Referer.
func TestRedirects(t *testing.T) {
	type hop struct{ url, key, referer string }
	run := func(t *testing.T, status int, to ...string) ([]hop, error) {
		t.Helper()
		var hops []hop
		owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
			hops = append(hops, hop{r.URL.String(), r.Header.Get("X-Api-Key"), r.Header.Get("Referer")})
			if n <= len(to) {
				w.Header().Set("Location", to[n-1])
				w.WriteHeader(status)
				return
			}
			fmt.Fprint(w, `{"data":[{"id":1}]}`)
		})
		owner.Auth = auth.Header(auth.Pair{Name: "X-Api-Key", Value: auth.Literal("canary")})
		spec := list(sources.Paging{})
		if status == 302 {
			spec.Request.Method, spec.Request.Body = http.MethodPost, &sources.Value{Kind: sources.Object}
		}
		_, err := walk(t, source(t, owner, spec), snapshot())
		return hops, err
	}
	t.Run("home", func(t *testing.T) {
		hops, err := run(t, 307, "/v2/list", "https://owner.example/v3/list")
		want := []hop{{"https://owner.example/v1/list", "canary", ""}, {"https://owner.example/v2/list", "canary", ""}, {"https://owner.example/v3/list", "canary", ""}}
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, hops, cmp.AllowUnexported(hop{})); diff != "" {
			t.Error(diff)
		}
	})
	for name, to := range map[string][]string{
		"another host":  {"https://elsewhere.example/"},
		"another port":  {"https://owner.example:8443/"},
		"http":          {"http://owner.example/v1/list"},
		"home and away": {"/v2", "https://elsewhere.example/"},
		"a user":        {"https://a:b@owner.example/"},
		"for ever":      {"/1", "/2", "/3", "/4", "/5"},
		"metadata":      {"http://169.254.169.254/"},
	} {
		t.Run(name, func(t *testing.T) {
			hops, err := run(t, 307, to...)
			if syncer.Classify(err) != syncer.ClassBlockedURL || len(hops) > 4 {
				t.Errorf("%d hops, %v", len(hops), err)
			}
			for _, h := range hops {
				if !strings.HasPrefix(h.url, "https://owner.example/") {
					t.Errorf("asked %q", h.url)
				}
			}
		})
	}
	t.Run("a method that changes", func(t *testing.T) {
		if hops, err := run(t, 302, "/v2"); syncer.Classify(err) != syncer.ClassBlockedURL || len(hops) != 1 {
			t.Errorf("%d hops, %v", len(hops), err)
		}
	})
}

// TestLinksAreResolvedAgainstTheRedirectedURL, which is where the page came from.
func TestLinksAreResolvedAgainstTheRedirectedURL(t *testing.T) {
	var asked []string
	owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		switch n {
		case 1:
			http.Redirect(w, r, "/v2/lists/first", http.StatusTemporaryRedirect)
		case 2:
			fmt.Fprint(w, `{"data":[{"id":1}],"next":"second"}`)
		default:
			fmt.Fprint(w, `{"data":[{"id":2}]}`)
		}
	})
	complete(t, source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"})), snapshot())
	if diff := cmp.Diff([]string{"/v1/list", "/v2/lists/first", "/v2/lists/second"}, asked); diff != "" {
		t.Error(diff)
	}
}

// TestLoginRedirectIsNoAnswer: the usual end of a session.
func TestLoginRedirectIsNoAnswer(t *testing.T) {
	owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			http.Redirect(w, r, "/login", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html>")
	})
	fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassAnswer)
}

// TestOwnerURLs that no owner can have. The error never repeats them.
func TestOwnerURLs(t *testing.T) {
	for _, url := range []string{"", "owner.example", "ftp://owner.example", "https://", "https://user:canary@owner.example", "https://owner.example?key=canary", "https://owner.example#canary", "https://canary\x7f/"} {
		_, err := sources.NewClient(sources.Owner{Name: "shop", URL: url})
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestSameHostAnotherPort: two real servers; the key must not reach the second.
func TestSameHostAnotherPort(t *testing.T) {
	reached := false
	second := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer second.Close()
	first := httptest.NewServer(http.RedirectHandler(second.URL, http.StatusTemporaryRedirect))
	defer first.Close()
	owner := at(first.URL)
	owner.Auth = auth.Bearer("Bearer", auth.Literal("canary"))
	fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassBlockedURL)
	if reached {
		t.Error("the second server was asked")
	}
}
