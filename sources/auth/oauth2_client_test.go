package auth_test

import (
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources/auth"
)

// A client's secret that was replaced is read again when the endpoint refuses it.
func TestClientIsReadAgain(t *testing.T) {
	for name, form := range map[string]bool{"in the header": false, "in the form": true} {
		i := &issuer{form: form}
		server := httptest.NewServer(i)
		t.Cleanup(server.Close)
		at := &place{texts: []string{secret}}
		who := auth.OAuth2(auth.OAuth2Options{TokenURL: server.URL, ClientID: auth.Literal("client"), ClientSecret: at.secret("canary-old")})
		if got := signed(t, who); got != "Bearer at1" || at.reads == 0 {
			t.Errorf("%s: %q after %d readings", name, got, at.reads)
		}
		for _, hidden := range []string{secret, "canary-old"} {
			if !slices.Contains(who.Secrets(), hidden) {
				t.Errorf("%s: %q is not among the secrets", name, hidden)
			}
		}
	}
}

// So is a refresh token, which begins a line of its own.
func TestConsentIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{rotate: true, refresh: "rt0"}
		kept := &store{tokens: map[string]string{}}
		at := &place{texts: []string{"fresh"}}
		who := auth.OAuth2(auth.OAuth2Options{TokenURL: "https://issuer.example", Client: handled(i), ClientID: auth.Literal("client"), ClientSecret: auth.Literal(secret), RefreshToken: at.secret("rt0"), Store: kept})
		if got := signed(t, who); got != "Bearer at1" {
			t.Errorf("got %q", got)
		}
		i.mu.Lock()
		i.refresh = "fresh" // the line has ended: somebody consented anew
		i.mu.Unlock()
		if got := renewed(t, who); got != "Bearer at2" || len(kept.tokens) != 2 {
			t.Errorf("with a new consent: %q, %d kept", got, len(kept.tokens))
		}
		at.put("unreadable")
		i.mu.Lock()
		i.refresh = "nobody's"
		i.mu.Unlock()
		time.Sleep(time.Minute)
		if others, err := who.Refused(t.Context(), 2); !others || err == nil {
			t.Errorf("others than number 2: %v, %v", others, err)
		}
		_, err := sign(t.Context(), who)
		if want := "fetch token: endpoint answers 400: invalid_grant; read credentials again: permission denied"; err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	})
}
