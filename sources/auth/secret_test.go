package auth_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources/auth"
)

// place is where a secret stands: it gives what it was told to, one after the
// other, and the last for good.
type place struct {
	mu    sync.Mutex
	texts []string
	reads int
}

func (p *place) put(texts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.texts = texts
}

func (p *place) read() (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	text := p.texts[0]
	if len(p.texts) > 1 {
		p.texts = p.texts[1:]
	}
	if text == "unreadable" {
		return "", errors.New("permission denied")
	}
	return text, nil
}

func (p *place) secret(value string) auth.Secret { return auth.Secret{Value: value, Again: p.read} }

// applied is a request with credentials, and their number.
func applied(t *testing.T, who auth.Authenticator) (*http.Request, int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://owner.example/a?b=c", nil)
	if err != nil {
		t.Fatal(err)
	}
	number, err := who.Apply(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r, number
}

// Whatever kind it is of, a secret that was replaced is read again when the
// owner refuses the one before, and both are hidden.
func TestRefusedSecretsAreReadAgain(t *testing.T) {
	at := &place{texts: []string{"first-canary"}}
	secret := at.secret("first-canary")
	signature := auth.Text{{Name: "signature"}}
	for name, who := range map[string]auth.Authenticator{
		"bearer": auth.Bearer("Bearer", secret),
		"basic":  auth.Basic(auth.Literal("user"), secret),
		"header": auth.Header(auth.Pair{Name: "X-Key", Value: secret}),
		"query":  auth.Query(auth.Pair{Name: "key", Value: secret}),
		"hmac": auth.HMAC(auth.HMACOptions{Secret: secret, Algorithm: "sha256", Sign: auth.Text{{Name: "path"}},
			Headers: []auth.Field{{Name: "X-Signature", Value: signature}}}),
		"sigv4": auth.SigV4(auth.SigV4Options{Region: "r", Service: "s", AccessKey: auth.Literal("AKID"), SecretKey: secret}),
	} {
		t.Run(name, func(t *testing.T) {
			at.put("first-canary")
			first, number := applied(t, who)
			if others, err := who.Refused(t.Context(), number); others || err != nil || number != 0 {
				t.Fatalf("nothing has changed, and there are others than %d: %v, %v", number, others, err)
			}
			at.put("second-canary")
			if others, err := who.Refused(t.Context(), number); !others || err != nil {
				t.Fatalf("the secret has changed: %v, %v", others, err)
			}
			second, now := applied(t, who)
			if sent(first) == sent(second) || now != 1 {
				t.Errorf("number %d sends %s, as before", now, sent(second))
			}
			at.put("third-canary")
			if others, err := who.Refused(t.Context(), number); !others || err != nil {
				t.Errorf("told late: %v, %v", others, err)
			}
			if again, now := applied(t, who); sent(again) != sent(second) || now != 1 {
				t.Errorf("told late, it sends %s with number %d", sent(again), now)
			}
			for _, hidden := range []string{"first-canary", "second-canary"} {
				if !slices.Contains(who.Secrets(), hidden) {
					t.Errorf("%q is not among the secrets", hidden)
				}
			}
		})
	}
}

// sent is all of a request that credentials may be in, but for what is only a time.
func sent(r *http.Request) string {
	header := r.Header.Clone()
	header.Del("X-Amz-Date")
	return fmt.Sprint(r.URL.RawQuery, header)
}

func TestOneReadingForAll(t *testing.T) {
	at := &place{texts: []string{"second"}}
	who := auth.Bearer("Bearer", at.secret("first"))
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if others, err := who.Refused(t.Context(), 0); !others || err != nil {
				t.Errorf("%v, %v", others, err)
			}
		})
	}
	group.Wait()
	if r, number := applied(t, who); r.Header.Get("Authorization") != "Bearer second" || number != 1 || at.reads > 2 {
		t.Errorf("number %d sends %q after %d readings", number, r.Header.Get("Authorization"), at.reads)
	}
}

// A file that is just being written is read until it stands still; one that
// never does, or cannot be read, leaves the secret as it was until the next time.
func TestSecretThatIsBeingWritten(t *testing.T) {
	for name, test := range map[string]struct {
		texts  []string
		others bool
		err    string
	}{
		"emptied, then written": {[]string{"", "", "second"}, true, ""},
		"half written":          {[]string{"se", "seco", "second"}, true, ""},
		"gone for a moment":     {[]string{"unreadable", "second"}, true, ""},
		"written back":          {[]string{"", "first"}, false, ""},
		"empty for good":        {[]string{""}, false, "read credentials again: it is empty"},
		"unreadable":            {[]string{"unreadable"}, false, "read credentials again: permission denied"},
		"never still":           {strings.Split("abcdefghijklmnop", ""), false, "read credentials again: they do not stand still"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at := &place{texts: test.texts}
				who := auth.Bearer("Bearer", at.secret("first"))
				start := time.Now()
				others, err := who.Refused(t.Context(), 0)
				if others != test.others || fmt.Sprint(err) != fmt.Sprint(errOrNil(test.err)) || time.Since(start) > time.Second {
					t.Errorf("others %v, %v after %v", others, err, time.Since(start))
				}
				at.put("third")
				r, number := applied(t, who)
				if want := map[bool]string{true: "Bearer second", false: "Bearer first"}[test.others]; r.Header.Get("Authorization") != want {
					t.Errorf("it sends %q", r.Header.Get("Authorization"))
				}
				if others, err := who.Refused(t.Context(), number); !others || err != nil {
					t.Errorf("written at last: %v, %v", others, err)
				}
			})
		})
	}
}

func errOrNil(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

func TestSecretPrintsNothing(t *testing.T) {
	for _, holder := range []any{auth.Literal("canary"), &auth.Pair{Value: auth.Literal("canary")}, []auth.Secret{auth.Literal("canary")}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if text := fmt.Sprintf(verb, holder); strings.Contains(text, "canary") || strings.Contains(text, "63616e617279") {
				t.Errorf("%s of %T: %s", verb, holder, text)
			}
		}
	}
}
