package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources/auth"
)

// pieces are literals, and names that begin with a colon.
func pieces(all ...string) auth.Text {
	var t auth.Text
	for _, p := range all {
		if name, ok := strings.CutPrefix(p, ":"); ok {
			t = append(t, auth.Piece{Name: name})
		} else {
			t = append(t, auth.Piece{Literal: p})
		}
	}
	return t
}

// The signatures are those of RFC 2202 and RFC 4231 (test case 2), of GitHub's
// page about webhooks, and of Binance's about signed requests.
func TestHMACExamples(t *testing.T) {
	const jefe, what = "Jefe", "what do ya want for nothing?"
	b64 := func(hexed string) string {
		b, _ := hex.DecodeString(hexed)
		return base64.StdEncoding.EncodeToString(b)
	}
	const jefe256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
	for name, test := range map[string]struct {
		options auth.HMACOptions
		body    string
		want    string
	}{
		"sha1":          {auth.HMACOptions{Secret: auth.Literal(jefe), Algorithm: "sha1"}, what, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		"sha256":        {auth.HMACOptions{Secret: auth.Literal(jefe), Algorithm: "sha256"}, what, jefe256},
		"sha384":        {auth.HMACOptions{Secret: auth.Literal(jefe), Algorithm: "sha384"}, what, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
		"sha512":        {auth.HMACOptions{Secret: auth.Literal(jefe), Algorithm: "sha512"}, what, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
		"base64":        {auth.HMACOptions{Secret: auth.Literal(jefe), Algorithm: "sha256", Encoding: "base64"}, what, b64(jefe256)},
		"hex secret":    {auth.HMACOptions{Secret: auth.Literal("4a656665"), SecretAs: "hex", Algorithm: "sha256"}, what, jefe256},
		"base64 secret": {auth.HMACOptions{Secret: auth.Literal("SmVmZQ=="), SecretAs: "base64", Algorithm: "sha256"}, what, jefe256},
		"GitHub":        {auth.HMACOptions{Secret: auth.Literal("It's a Secret to Everybody"), Algorithm: "sha256"}, "Hello, World!", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
	} {
		test.options.Sign = pieces(":body")
		test.options.Headers = []auth.Field{{Name: "X-Hub-Signature-256", Value: pieces("sha256=", ":signature")}}
		r, err := http.NewRequest(http.MethodPost, "https://owner.example/", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := auth.HMAC(test.options).Apply(r, nil); err != nil {
			t.Fatal(err)
		}
		if got := r.Header.Get("X-Hub-Signature-256"); got != "sha256="+test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		if sent, err := io.ReadAll(r.Body); string(sent) != test.body || err != nil {
			t.Errorf("%s: body %q, %v", name, sent, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.UnixMilli(1499827319559)))
		who := auth.HMAC(auth.HMACOptions{
			Secret: auth.Literal("NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"), Algorithm: "sha256", Sign: pieces(":query"),
			Query: []auth.Field{{Name: "signature", Value: pieces(":signature")}, {Name: "timestamp", Value: pieces(":timestamp_ms")}},
		})
		const asked = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
		r, _ := http.NewRequest(http.MethodGet, "https://api.binance.com/api?"+asked, nil)
		for range 2 {
			if _, err := who.Apply(r, nil); err != nil {
				t.Fatal(err)
			}
		}
		want := asked + "&timestamp=1499827319559&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
		if r.URL.RawQuery != want {
			t.Errorf("query %s, want %s", r.URL.RawQuery, want)
		}
		if who.Strip(r.URL); r.URL.RawQuery != asked {
			t.Errorf("stripped %s", r.URL.RawQuery)
		}
	})
}

// lavish signs with most placeholders, a line each.
func lavish() auth.Authenticator {
	var sign []string
	for i, name := range []string{"method", "host", "path", "query", "target", "url", "body_sha256", "body_sha256_base64", "body", "key", "timestamp", "nonce", "timestamp_http", "header.X-Region"} {
		if i > 0 {
			sign = append(sign, "\n")
		}
		sign = append(sign, ":"+name)
	}
	region := auth.Literal("eu{1}")
	return auth.HMAC(auth.HMACOptions{
		Secret: auth.Literal(secret), Key: auth.Literal("key-7"), Algorithm: "sha256", Sign: pieces(sign...),
		Headers: []auth.Field{
			{Name: "X-Signature", Value: pieces(":key", "/", ":signature")}, {Name: "X-Key", Value: pieces(":key")},
			{Name: "X-Time", Value: pieces(":timestamp")}, {Name: "X-Nonce", Value: pieces(":nonce")},
			{Name: "Date", Value: pieces(":timestamp_http")}, {Name: "X-Region", Secret: &region},
		},
	})
}

// A service that computes signatures from what it receives takes each attempt
// once, and only while it is new.
func TestHMACIsVerified(t *testing.T) {
	seen := map[string]bool{}
	var verdict error
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sum := sha256.Sum256(body)
		h := r.Header
		_, query, _ := strings.Cut(r.RequestURI, "?")
		path, _, _ := strings.Cut(r.RequestURI, "?")
		signed := strings.Join([]string{r.Method, r.Host, path, query, r.RequestURI, "http://" + r.Host + r.RequestURI, hex.EncodeToString(sum[:]),
			base64.StdEncoding.EncodeToString(sum[:]), string(body), h.Get("X-Key"), h.Get("X-Time"), h.Get("X-Nonce"), h.Get("Date"), h.Get("X-Region")}, "\n")
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(signed))
		seconds, err := strconv.ParseInt(h.Get("X-Time"), 10, 64)
		switch {
		case h.Get("X-Signature") != "key-7/"+hex.EncodeToString(mac.Sum(nil)):
			verdict = errors.New("another signature than of " + signed)
		case err != nil || time.Since(time.Unix(seconds, 0)).Abs() > time.Minute || seen[h.Get("X-Nonce")] || len(h.Get("X-Nonce")) < 20:
			verdict = errors.New("old: " + signed)
		default:
			verdict = nil
		}
		seen[h.Get("X-Nonce")] = true
	}))
	t.Cleanup(server.Close)
	who := lavish()
	for _, target := range []string{"", "/a%20b/%2F?x=1+%2B&y", "/?"} {
		for _, body := range []string{"", `{"a":"é"}`} {
			r, err := http.NewRequest(http.MethodPost, server.URL+target, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
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
				t.Errorf("%q with %q: %v", target, body, verdict)
			}
		}
	}
}

// What cannot be signed is not sent, and the error shows no secret.
func TestHMACThatCannotBe(t *testing.T) {
	for want, o := range map[string]auth.HMACOptions{
		`unknown placeholder {since}`: {Secret: auth.Literal("canary"), Algorithm: "sha256", Sign: pieces(":since")},
		`unknown algorithm "md5"`:     {Secret: auth.Literal("canary"), Algorithm: "md5"},
		`secret is no hex`:            {Secret: auth.Literal("canary"), SecretAs: "hex", Algorithm: "sha256"},
	} {
		r, _ := http.NewRequest(http.MethodGet, "https://owner.example/", nil)
		_, err := auth.HMAC(o).Apply(r, nil)
		failed, ok := errors.AsType[*auth.TokenError](err)
		if !ok || failed.Temporary() || err.Error() != "compute signature: "+want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
