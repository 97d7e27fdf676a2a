package sources_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// overheard writes down what an Observer is told.
type overheard struct {
	mu  sync.Mutex
	all []string
}

func (o *overheard) add(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, fmt.Sprintf(format, args...))
}

func (o *overheard) Requested(source string, status int, _ time.Duration) {
	o.add("%s asked: %d", source, status)
}

func (o *overheard) Retried(source string, why syncer.Class) { o.add("%s again: %s", source, why) }

// TestObserverHearsEachRequest: those that fail and those that are sent again,
// with the source that they were for; what is not sent again is not told as if.
func TestObserverHearsEachRequest(t *testing.T) {
	for name, test := range map[string]struct {
		fault func(n int, r *http.Request) *sourcetest.Fault
		want  []string
	}{
		"a 503, then a page": {func(n int, _ *http.Request) *sourcetest.Fault {
			if n == 1 {
				return sourcetest.Status(503)
			}
			return nil
		}, []string{"users asked: 503", "users again: http_5xx", "users asked: 200"}},
		"what is not tried again": {always(sourcetest.Status(404)), []string{"users asked: 404"}},
		"too often": {always(sourcetest.Status(429)), []string{
			"users asked: 429", "users again: rate_limited", "users asked: 429", "users again: rate_limited", "users asked: 429"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, owner := faulty(test.fault)
				heard := &overheard{}
				owner.Observer, owner.Retry = heard, sources.Retry{Attempts: 3}
				for _, err := range source(t, owner, users(t, sources.None)).Walk(t.Context(), resync()) {
					if err != nil {
						break
					}
				}
				if diff := cmp.Diff(test.want, heard.all); diff != "" {
					t.Errorf("heard (-want +got):\n%s", diff)
				}
			})
		})
	}
}

type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) {
	time.Sleep(time.Second) // of the bubble
	return nil, fmt.Errorf("connection breaks")
}

func TestObserverHearsThatThereIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := &overheard{}
		_, owner := faulty(nil)
		owner.Observer, owner.Retry, owner.Transport = heard, sources.Retry{Attempts: 2}, broken{}
		for range source(t, owner, users(t, sources.None)).Walk(t.Context(), resync()) {
			continue
		}
		want := []string{"users asked: 0", "users again: connect", "users asked: 0"}
		if diff := cmp.Diff(want, heard.all); diff != "" {
			t.Errorf("heard (-want +got):\n%s", diff)
		}
	})
}

// locked has no credentials to give.
type locked struct{ auth.Authenticator }

func (locked) Apply(*http.Request, http.RoundTripper) (int, error) {
	return 0, &auth.TokenError{Cause: fmt.Errorf("file is not there")}
}

func (locked) Secrets() []string { return nil }

// TestObserverHearsNothingOfWhatIsNotSent: nobody asked the owner.
func TestObserverHearsNothingOfWhatIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := &overheard{}
		o, owner := faulty(nil)
		owner.Observer, owner.Retry, owner.Auth = heard, sources.Retry{Attempts: 1}, locked{}
		for _, err := range source(t, owner, users(t, sources.None)).Walk(t.Context(), resync()) {
			if err == nil {
				t.Error("a request without credentials is answered")
			}
		}
		if len(heard.all) != 0 || len(o.Requests()) != 0 {
			t.Errorf("heard %q of %d requests", heard.all, len(o.Requests()))
		}
	})
}

// TestObserverHearsOfRefusedCredentials: a request that is sent once more with
// others is two requests of the owner, and one of them a 401.
func TestObserverHearsOfRefusedCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := 0
		owner := scripted(func(_ int, w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/v1/login":
				sessions++
				fmt.Fprintf(w, `{"token":"session-%d"}`, sessions)
			case sessions < 2:
				w.WriteHeader(http.StatusUnauthorized)
			default:
				fmt.Fprint(w, `{"data":[{"id":1}]}`)
			}
		})
		heard := &overheard{}
		owner.Observer = heard
		owner.Auth = auth.Login(auth.LoginOptions{URL: "https://owner.example/v1/login", Header: "X-Session",
			Token: auth.Place{Steps: []auth.Step{{Name: "token", Index: -1}}}})
		complete(t, source(t, owner, list(sources.Paging{})), snapshot())
		login, refused, page := "list asked: 200", "list asked: 401", "list asked: 200"
		if diff := cmp.Diff([]string{login, refused, login, page}, heard.all); diff != "" {
			t.Errorf("heard (-want +got):\n%s", diff)
		}
	})
}
