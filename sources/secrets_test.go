package sources_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

// secret is a template of a text that came from outside the configuration.
func secret(s string) sources.Template {
	return sources.Template{{Literal: s, Secret: true}}
}

// TestSecretsInOwnersWords: what an owner says is shown without any secret that
// it was sent, however it writes it.
func TestSecretsInOwnersWords(t *testing.T) {
	for name, body := range map[string]string{
		"a slash as PHP writes it":  `{"errors":[{"message":"token s3cr3t\/+abcd is bad"}]}`,
		"without a message":         `{"errors":[{"detail":"token s3cr3t\/+abcd is bad"}]}`,
		"a plus as Go writes it":    `{"errors":[{"detail":"token s3cr3t/\u002babcd is bad"}]}`,
		"every letter escaped":      `{"errors":[{"detail":"\u0073\u0033\u0063\u0072\u0033\u0074/+abcd"}]}`,
		"the name of a member":      `{"errors":[{"s3cr3t\/+abcd":1}]}`,
		"deep":                      `{"errors":{"a":[{"b":["s3cr3t\/+abcd"]}]}}`,
		"JSON in a text":            `{"errors":"{\"x\":\"s3cr3t\\\/+abcd\"}"}`,
		"Go's JSON in a text":       `{"errors":"{\"x\":\"s3cr3t/\\u002babcd\"}"}`,
		"a URL":                     `{"errors":"GET /?k=s3cr3t%2F%2Babcd and ?k=s3cr3t%2f%2babcd"}`,
		"a long text":               `{"errors":[{"message":"` + strings.Repeat("s3cr3t/+abcd", 80_000) + `"}]}`,
		"more than is read":         `{"errors":[{"message":"` + strings.Repeat("x", 1<<20) + `s3cr3t/+abcd"}]}`,
		"a header of the owner":     `{"errors":"tenant c4n4ry-tenant"}`,
		"a header of the source":    `{"errors":"c4n4ry-header"}`,
		"a header that says so":     `{"errors":"c4n4ry-literal-1"}`,
		"a parameter":               `{"errors":"c4n4ry-param"}`,
		"a parameter that says so":  `{"errors":"c4n4ry-literal-2"}`,
		"a variable":                `{"errors":[{"message":"Variable $token got invalid value \"c4n4ry-variable\""}]}`,
		"with quotes":               `{"errors":[{"message":"got \"c4n4ry-\\\"quoted\\\"\""}]}`,
		"with quotes, in JSON":      `{"errors":[{"message":"got {\"a\":\"c4n4ry-\\\"quoted\\\"\"}"}]}`,
		"of what is gone":           `{"errors":"c4n4ry-gone"}`,
		"of what is fetched":        `{"errors":"c4n4ry-fetched"}`,
		"of what is asked ahead":    `{"errors":"c4n4ry-before"}`,
		"of a request for an epoch": `{"errors":"c4n4ry-epoch"}`,
		"of a resync":               `{"errors":"c4n4ry-resync"}`,
	} {
		t.Run(name, func(t *testing.T) {
			owner := pages(body)
			owner.Auth = auth.Bearer("Bearer", auth.Literal("s3cr3t/+abcd"))
			owner.Headers = map[string]string{"X-Tenant": "c4n4ry-tenant"}
			spec := connection()
			r := &spec.Request
			r.Headers = []sources.Header{{Name: "X-Any", Value: secret("c4n4ry-header")}, {Name: "X-Api-Key", Value: text("c4n4ry-literal-1")}}
			r.Query = []sources.Param{{Name: "any", Values: []sources.Value{sources.TextValue(secret("c4n4ry-param"))}}, param("api_key", "c4n4ry-literal-2")}
			variables := &r.Body.Members[1].Value
			variables.Members = append(variables.Members, sources.Member{Name: "token", Value: sources.TextValue(secret("c4n4ry-variable"))},
				sources.Member{Name: "list", Value: sources.Value{Kind: sources.List, Items: []sources.Value{sources.TextValue(secret(`c4n4ry-"quoted"`))}}})
			client, err := sources.NewClient(owner)
			if err != nil {
				t.Fatal(err)
			}
			// Secrets of one source are hidden in what another is told.
			other := users(t, sources.None)
			keyed := func(value string) sources.Request {
				return sources.Request{Path: text("/x"), Headers: []sources.Header{{Name: "X-Any", Value: secret(value)}}}
			}
			again, epoch, before := keyed("c4n4ry-resync"), keyed("c4n4ry-epoch"), keyed("c4n4ry-before")
			other.Records.Deleted = ""
			other.Records.DeletedAsk = &sources.DeletedAsk{Request: keyed("c4n4ry-gone"), At: "gone"}
			fetched := keyed("c4n4ry-fetched")
			fetched.Path = text("/x/{keys}")
			other.Records.Hydrate = &sources.Hydrate{Request: fetched, Batch: 1}
			other.Epoch = sources.Epoch{Request: &epoch, At: "epoch"}
			other.Resync = sources.Resync{Known: true, Request: &again, Before: &before}
			_, _ = sources.New(client, other) // whether it makes sense is another question
			s, err := sources.New(client, spec)
			if err != nil {
				t.Fatal(err)
			}
			_, err = walk(t, s, snapshot())
			if err == nil || !strings.Contains(err.Error(), "answer has something") {
				t.Fatalf("fails with %v", err)
			}
			for _, part := range []string{"s3cr3t", "c4n4ry"} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("shown: %v", err)
				}
			}
		})
	}
}

// TestShortSecretsAreNoNoise: what is shorter than four characters is not looked
// for, because hardly a word would be left to read.
func TestShortSecretsAreNoNoise(t *testing.T) {
	owner := pages(`{"errors":"a token of 4abc is bad"}`)
	owner.Auth = auth.Bearer("Bearer", auth.Literal("a"))
	owner.Headers = map[string]string{"X-Version": "4", "X-Of": "of ", "X-Four": "4abc", "User-Agent": "token"}
	_, err := walk(t, source(t, owner, connection()), snapshot())
	if err == nil || !strings.Contains(err.Error(), `"a token of [secret] is bad"`) {
		t.Error(err)
	}
}

// TestSecretsInLinks: a secret that the owner repeats in its links is sent back
// to the owner, but not kept with the place where a walk stands.
func TestSecretsInLinks(t *testing.T) {
	var asked []string
	fail := true
	owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Host+r.URL.RequestURI())
		switch r.URL.Path {
		case "/v1/list":
			fmt.Fprint(w, `{"data":[{"id":1}],"next":"/v1/2?key=c4n4ry%2Fx&key=other&size=7&by=c4n4ry/x"}`)
		case "/v1/2":
			if fail {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			fmt.Fprint(w, `{"data":[{"id":2}],"next":"https://files.example/3?key=c4n4ry/x&a=b"}`)
		case "/3":
			w.Header().Set("Location", "https://files.example/4?a=b&%6bey=c4n4ry%2fx")
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			fmt.Fprint(w, `{"data":[{"id":3}]}`)
		}
	})
	owner.Hosts = []sources.Host{{Host: "files.example"}}
	spec := list(sources.Paging{By: sources.NextURL, Next: "next"})
	spec.Request.Query = []sources.Param{{Name: "key", Values: []sources.Value{sources.TextValue(secret("c4n4ry/x"))}}}
	s := source(t, owner, spec)
	batches, err := walk(t, s, snapshot())
	if err == nil || len(batches) != 1 || strings.Contains(batches[0].Resume.Cursor, "key=c4n4ry") {
		t.Fatalf("%d batches, %+v, %v", len(batches), batches[0].Resume, err)
	}
	fail = false
	w := snapshot()
	w.From.Resume = batches[0].Resume
	complete(t, s, w)
	want := "owner.example/v1/list?key=c4n4ry%2Fx, owner.example/v1/2?key=c4n4ry%2Fx&key=other&size=7&by=c4n4ry/x, " +
		"owner.example/v1/2?key=c4n4ry%2Fx&key=other&size=7&by=c4n4ry/x, files.example/3?a=b, files.example/4?a=b"
	if got := strings.Join(asked, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestSecretsInHostsOfLinks: nor is one shown that stands where a host is cut.
func TestSecretsInHostsOfLinks(t *testing.T) {
	owner := pages(`{"data":[{"id":1}],"next":"https://` + strings.Repeat("x", 72) + `canary-1234567.example/"}`)
	owner.Headers = map[string]string{"X-Any": "canary-1234567"}
	err := fails(t, source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"})), snapshot(), syncer.ClassBlockedURL)
	if strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
}
