package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources/auth"
)

// The signatures are those of AWS's documentation: its test suite for
// Signature Version 4, and the examples for Amazon S3.
func TestSigV4Examples(t *testing.T) {
	suite := auth.SigV4Options{Region: "us-east-1", Service: "service", AccessKey: auth.Literal("AKIDEXAMPLE"), SecretKey: auth.Literal("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")}
	s3 := auth.SigV4Options{Region: "us-east-1", Service: "s3", AccessKey: auth.Literal("AKIAIOSFODNN7EXAMPLE"), SecretKey: auth.Literal("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")}
	suiteTime, s3Time := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC), time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		options     auth.SigV4Options
		at          time.Time
		method, url string
		header      http.Header
		want        string
	}{
		"get-vanilla":               {suite, suiteTime, "GET", "https://example.amazonaws.com/", nil, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		"get-vanilla-query-order":   {suite, suiteTime, "GET", "https://example.amazonaws.com/?Param2=value2&Param1=value1", nil, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		"post-vanilla":              {suite, suiteTime, "POST", "https://example.amazonaws.com/", nil, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		"get-unreserved":            {suite, suiteTime, "GET", "https://example.amazonaws.com/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", nil, "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		"S3: get an object":         {s3, s3Time, "GET", "https://examplebucket.s3.amazonaws.com/test.txt", http.Header{"Range": {"bytes=0-9"}}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		"S3: a query without value": {s3, s3Time, "GET", "https://examplebucket.s3.amazonaws.com/?lifecycle", nil, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		"S3: list objects":          {s3, s3Time, "GET", "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", nil, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(test.at))
				r, err := http.NewRequest(test.method, test.url, nil)
				if err != nil {
					t.Fatal(err)
				}
				for key, values := range test.header {
					r.Header[key] = values
				}
				if _, err := auth.SigV4(test.options).Apply(r, nil); err != nil {
					t.Fatal(err)
				}
				if _, got, _ := strings.Cut(r.Header.Get("Authorization"), "Signature="); got != test.want {
					t.Errorf("signature %s, want %s\n%v", got, test.want, r.Header)
				}
			})
		})
	}
}

// verifySigV4 computes a signature anew, from what has arrived.
func verifySigV4(r *http.Request, body []byte, secret string) error {
	given := r.Header.Get("Authorization")
	scopeOf, rest, _ := strings.Cut(strings.TrimPrefix(given, "AWS4-HMAC-SHA256 Credential=AKID/"), ", SignedHeaders=")
	names, signature, _ := strings.Cut(rest, ", Signature=")
	scope := strings.Split(scopeOf, "/")
	if len(scope) != 4 || !strings.HasPrefix(r.Header.Get("X-Amz-Date"), scope[0]) {
		return fmt.Errorf("scope %q", scopeOf)
	}
	path, err := url.PathUnescape(r.URL.EscapedPath())
	if err != nil {
		return err
	}
	if path = strictly(path, "/"); scope[2] != "s3" {
		path = strictly(r.URL.EscapedPath(), "/")
	}
	var query []string
	for key, values := range r.URL.Query() {
		for _, value := range values {
			query = append(query, strictly(key, "")+"="+strictly(value, ""))
		}
	}
	slices.Sort(query)
	canonical := r.Method + "\n" + path + "\n" + strings.Join(query, "&") + "\n"
	for _, name := range strings.Split(names, ";") {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		canonical += name + ":" + value + "\n"
	}
	hash := func(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }
	canonical += "\n" + names + "\n" + hash(body)
	key := []byte("AWS4" + secret)
	for _, part := range append(scope, "AWS4-HMAC-SHA256\n"+r.Header.Get("X-Amz-Date")+"\n"+scopeOf+"\n"+hash([]byte(canonical))) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if want := hex.EncodeToString(key); signature != want {
		return fmt.Errorf("signature %q, want %s of\n%s", signature, want, canonical)
	}
	return nil
}

// strictly escapes all but unreserved characters and those kept.
func strictly(s, kept string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"+kept, c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

// A service that computes signatures from what it receives takes ours, whatever
// is in path, query and body, and refuses what was changed on the way.
func TestSigV4IsVerified(t *testing.T) {
	secretNow := secret
	var verdict error
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		verdict = verifySigV4(r, body, secretNow)
		if verdict == nil && verifySigV4(r, append(body, ' '), secretNow) == nil {
			verdict = fmt.Errorf("another body has the same signature")
		}
	}))
	t.Cleanup(server.Close)
	at := &place{texts: []string{secret}}
	for _, service := range []string{"execute-api", "s3"} {
		at.put(secret)
		secretNow = secret
		who := auth.SigV4(auth.SigV4Options{Region: "eu-central-1", Service: service, AccessKey: auth.Literal("AKID"), SecretKey: at.secret(secret), SessionToken: auth.Literal("session-canary")})
		send := func(method, target, body string) {
			t.Helper()
			r, err := http.NewRequest(method, server.URL+target, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Odd", "a b")
			for range 2 { // as where the owner refuses the first
				if _, err := who.Apply(r, nil); err != nil {
					t.Fatal(err)
				}
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if verdict != nil {
				t.Errorf("%s: %s %s: %v", service, method, target, verdict)
			}
		}
		for _, target := range []string{"", "/", "/a/b", "/a%20b/c:d@e+f,g;h=(i)!*'$&", "/%C3%A9/%2F/100%25", "/x?b=2&a=1&a=0", "/x?q=a+b%2Bc%20d&e=%2F:~*'()&f&=g"} {
			send(http.MethodGet, target, "")
			send(http.MethodPost, target, `{"a":"é"}`)
		}
		at.put("another")
		if others, err := who.Refused(t.Context(), 0); !others || err != nil {
			t.Fatal(others, err)
		}
		secretNow = "another"
		send(http.MethodGet, "/after-rotation", "")
		for _, hidden := range []string{secret, "another", "session-canary"} {
			if !slices.Contains(who.Secrets(), hidden) {
				t.Errorf("%q is not among the secrets", hidden)
			}
		}
	}
}
