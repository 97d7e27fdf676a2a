package sources_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

// visit is what a host was shown: its URL, and what of ours came with it.
type visit struct{ URL, Ours string }

// ours are the things that a request carries to the owner's origin.
func ours(r *http.Request) string {
	var all []string
	for name, values := range r.Header {
		if strings.Contains(strings.Join(values, ""), "canary") || name == "Referer" || name == "Cookie" {
			all = append(all, name)
		}
	}
	if strings.Contains(r.URL.RawQuery, "canary") {
		all = append(all, "query")
	}
	if r.Header.Get("User-Agent") != "app" {
		all = append(all, "another agent")
	}
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprint(len(all)) // four: bearer or key, two headers, or query
}

// travelling is an owner whose answers lead from one place to the next, by next
// links or by redirects, and what each was shown.
func travelling(redirect bool, who auth.Authenticator, hosts []sources.Host, to ...string) (sources.Owner, *[]visit) {
	var visits []visit
	owner := scripted(func(n int, w http.ResponseWriter, r *http.Request) {
		visits = append(visits, visit{r.URL.Scheme + "://" + r.URL.Host + r.URL.Path, ours(r)})
		switch {
		case n > len(to):
			fmt.Fprintf(w, `{"data":[{"id":%d}]}`, n)
		case redirect:
			w.Header().Set("Location", to[n-1])
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			fmt.Fprintf(w, `{"data":[{"id":%d}],"next":%q}`, n, to[n-1])
		}
	})
	owner.Auth, owner.Hosts = who, hosts
	owner.Headers = map[string]string{"X-Tenant": "canary-tenant", "User-Agent": "app"}
	return owner, &visits
}

func travel(t *testing.T, owner sources.Owner) error {
	t.Helper()
	spec := list(sources.Paging{By: sources.NextURL, Next: "next"})
	spec.Request.Headers = []sources.Header{{Name: "X-Of-Source", Value: text("canary-source")}}
	_, err := walk(t, source(t, owner, spec), snapshot())
	return err
}

// TestAllowedHosts: links and redirects lead where they may, and what is the
// owner's stays with it unless the configuration says otherwise.
func TestAllowedHosts(t *testing.T) {
	stranger := []sources.Host{{Host: "files.example"}}
	trusted := []sources.Host{{Host: "FILES.example", Credentials: true}}
	const home, away = "https://owner.example/v1/list", "https://files.example/2"
	key := auth.Header(auth.Pair{Name: "X-Api-Key", Value: auth.Secret{Value: "canary"}})
	for name, c := range map[string]struct {
		who   auth.Authenticator
		hosts []sources.Host
		to    []string
		want  []visit
	}{
		"a stranger sees nothing": {key, stranger, []string{away}, []visit{{home, "3"}, {away, ""}}},
		"nor a bearer":            {auth.Bearer("Bearer", auth.Secret{Value: "canary"}), stranger, []string{away}, []visit{{home, "3"}, {away, ""}}},
		"nor what the owner repeats in a link": {auth.Query(auth.Pair{Name: "key", Value: auth.Secret{Value: "canary"}}), stranger, []string{away + "?key=canary&x=1"},
			[]visit{{home, "3"}, {away, ""}}},
		"who is trusted sees all":       {key, trusted, []string{away}, []visit{{home, "3"}, {away, "3"}}},
		"the default port, written out": {key, stranger, []string{"https://files.example:443/2"}, []visit{{home, "3"}, {"https://files.example:443/2", ""}}},
		"a port of its own": {key, []sources.Host{{Host: "files.example:8443"}}, []string{"https://files.example:8443/2"},
			[]visit{{home, "3"}, {"https://files.example:8443/2", ""}}},
		"two hosts": {key, []sources.Host{{Host: "files.example"}, {Host: "more.example", Credentials: true}}, []string{away, "https://more.example/3"},
			[]visit{{home, "3"}, {away, ""}, {"https://more.example/3", ""}}},
		"what a stranger leads to is the stranger's": {key, stranger, []string{away, "https://owner.example/3#x", "/4"},
			[]visit{{home, "3"}, {away, ""}, {"https://owner.example/3", ""}, {"https://owner.example/4", ""}}},
		"and what one who is trusted leads to is the owner's": {key, trusted, []string{away, "https://owner.example/3#stranger"},
			[]visit{{home, "3"}, {away, "3"}, {"https://owner.example/3", "3"}}},
	} {
		for _, redirect := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s redirect=%v", name, redirect), func(t *testing.T) {
				owner, visits := travelling(redirect, c.who, c.hosts, c.to...)
				if err := travel(t, owner); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, *visits); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// TestNotAllowedHosts: nobody is asked where no host is allowed, where https
// would end, or where a user is named.
func TestNotAllowedHosts(t *testing.T) {
	hosts := []sources.Host{{Host: "files.example"}, {Host: "more.example", Credentials: true}}
	for _, link := range []string{
		"http://files.example/2", "http://more.example/2", "https://files.example:8443/2", "https://sub.files.example/", "https://files.example.evil.example/",
		"https://files.example@evil.example/", "https://user@files.example/", "ftp://files.example/", "//evil.example/", "http://owner.example/v1/list",
	} {
		for _, redirect := range []bool{false, true} {
			owner, visits := travelling(redirect, nil, hosts, link)
			if err := travel(t, owner); syncer.Classify(err) != syncer.ClassBlockedURL || len(*visits) != 1 {
				t.Errorf("%s redirect=%v: %d requests, %v", link, redirect, len(*visits), err)
			}
			owner, visits = travelling(redirect, nil, hosts, "https://files.example/2", link)
			if err := travel(t, owner); syncer.Classify(err) != syncer.ClassBlockedURL || len(*visits) != 2 {
				t.Errorf("%s behind an allowed host, redirect=%v: %d requests, %v", link, redirect, len(*visits), err)
			}
		}
	}
}

// TestPlainOwnersLeadUp: from http a link may lead to https, and not back.
func TestPlainOwnersLeadUp(t *testing.T) {
	for _, c := range []struct {
		to   []string
		want int
	}{{[]string{"https://files.example/2"}, 0}, {[]string{"http://files.example/2"}, 0}, {[]string{"https://files.example/2", "http://owner.example/3"}, 2}} {
		owner, visits := travelling(false, nil, []sources.Host{{Host: "files.example"}}, c.to...)
		owner.URL = "http://owner.example/v1"
		if err := travel(t, owner); (err != nil) != (c.want > 0) || c.want > 0 && len(*visits) != c.want {
			t.Errorf("%v: %d requests, %v", c.to, len(*visits), err)
		}
	}
}

// TestBodiesStayHome: what a request asks in its body may be as secret as a
// header.
func TestBodiesStayHome(t *testing.T) {
	for _, credentials := range []bool{false, true} {
		for _, redirect := range []bool{false, true} {
			owner, visits := travelling(redirect, nil, []sources.Host{{Host: "files.example", Credentials: credentials}}, "https://files.example/2")
			spec := list(sources.Paging{By: sources.NextURL, Next: "next"})
			spec.Request.Method, spec.Request.Body = http.MethodPost, &sources.Value{Kind: sources.Object}
			_, err := walk(t, source(t, owner, spec), snapshot())
			switch {
			case credentials && err != nil:
				t.Error(err)
			case !credentials && (syncer.Classify(err) != syncer.ClassBlockedURL || len(*visits) != 1):
				t.Errorf("%d requests, %v", len(*visits), err)
			}
		}
	}
}

// TestStrangersTellNoQuota: what another host has left says nothing of the
// owner's.
func TestStrangersTellNoQuota(t *testing.T) {
	for _, credentials := range []bool{false, true} {
		owner := scripted(func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 1 {
				fmt.Fprint(w, `{"data":[],"next":"https://files.example/2"}`)
				return
			}
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", "600")
			fmt.Fprint(w, `{"data":[]}`)
		})
		owner.Hosts = []sources.Host{{Host: "files.example", Credentials: credentials}}
		s := source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"}))
		complete(t, s, snapshot())
		if _, err := walk(t, s, snapshot()); (err != nil) != credentials {
			t.Error(err)
		}
	}
}

// TestNamesThatLeadToMetadata: an allowed host is judged by the address that is
// dialled, whatever it is called.
func TestNamesThatLeadToMetadata(t *testing.T) {
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "100.100.100.200", "[fd00:ec2::254]"} {
		server := httptest.NewServer(http.RedirectHandler("http://"+host+"/latest/meta-data/", http.StatusTemporaryRedirect))
		owner := at(server.URL)
		owner.Hosts = []sources.Host{{Host: strings.Trim(host, "[]"), Credentials: true}}
		err := fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassBlockedURL)
		if err != nil && !strings.Contains(err.Error(), "link-local") {
			t.Errorf("%s: %v", host, err)
		}
		server.Close()
	}
}

// TestAllowedHostOverSockets: two real servers; the key reaches the second only
// where it may.
func TestAllowedHostOverSockets(t *testing.T) {
	var key string
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key = r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"data":[{"id":1}]}`)
	}))
	defer second.Close()
	first := httptest.NewServer(http.RedirectHandler(second.URL, http.StatusTemporaryRedirect))
	defer first.Close()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(second.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for credentials, want := range map[bool]string{false: "", true: "Bearer canary"} {
		owner := at(first.URL)
		owner.Auth = auth.Bearer("Bearer", auth.Secret{Value: "canary"})
		owner.Hosts = []sources.Host{{Host: "127.0.0.1:" + port, Credentials: credentials}}
		complete(t, source(t, owner, list(sources.Paging{})), snapshot())
		if key != want {
			t.Errorf("credentials=%v: the second was shown %q", credentials, key)
		}
	}
}
