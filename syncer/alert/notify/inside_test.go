package notify

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/metadata"
)

// TestDialerReachesNoAddressOfACloudsKeys asks below the names, where any name
// ends.
func TestDialerReachesNoAddressOfACloudsKeys(t *testing.T) {
	for _, at := range []string{"169.254.169.254:80", "[fd00:ec2::254]:80", "100.100.100.200:80", "168.63.129.16:80"} {
		conn, err := newDialer().DialContext(t.Context(), "tcp", at)
		if err == nil {
			_ = conn.Close()
		}
		if !errors.Is(err, errBlocked) {
			t.Errorf("%s: %v", at, err)
		}
	}
	for _, at := range []string{"127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "8.8.8.8"} {
		if metadata.Holds(netip.MustParseAddr(at)) {
			t.Errorf("%s is blocked", at)
		}
	}
}

func TestCarrierSpeaksNoOldTLS(t *testing.T) {
	if least := newCarrier().TLSClientConfig.MinVersion; least < tls.VersionTLS12 {
		t.Errorf("takes TLS %x", least)
	}
	e, err := NewEmail(EmailOptions{SMTP: "mail.shop.example", From: "a@shop.example", To: []string{"b@shop.example"}, TLS: &tls.Config{MinVersion: tls.VersionTLS10}})
	if err != nil {
		t.Fatal(err)
	}
	if least := e.tls.MinVersion; least < tls.VersionTLS12 {
		t.Errorf("takes TLS %x", least)
	}
}

// TestMailElsewhereMustBeEncrypted: only this machine may be spoken to readably.
func TestMailElsewhereMustBeEncrypted(t *testing.T) {
	for server, want := range map[string]string{
		"mail.shop.example": "TLSMandatory", "10.0.0.1:25": "TLSMandatory", "localhost.example:25": "TLSMandatory",
		"127.0.0.1:25": "TLSOpportunistic", "localhost:25": "TLSOpportunistic", "[::1]:25": "TLSOpportunistic",
	} {
		e, err := NewEmail(EmailOptions{SMTP: server, From: "a@shop.example", To: []string{"b@shop.example"}})
		if err != nil {
			t.Fatal(err)
		}
		client, err := gomail.NewClient(e.host, e.options()...)
		if err != nil {
			t.Fatal(err)
		}
		if implicit, err := NewEmail(EmailOptions{SMTP: "mail.shop.example", ImplicitTLS: true, From: "a@shop.example", To: []string{"b@shop.example"}}); err != nil || implicit.port != 465 {
			t.Errorf("TLS from the first byte goes to port %d, want 465; %v", implicit.port, err)
		}
		if got := client.TLSPolicy(); got != want {
			t.Errorf("%s: %s, want %s", server, got, want)
		}
	}
}

// TestFittedTextIsWhole fits anything into little: what comes out is never more,
// and holds no half of an escape.
func TestFittedTextIsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab<&@😀ü *:/")))
		var alerts []alert.Alert
		for range rapid.IntRange(1, 30).Draw(t, "alerts") {
			alerts = append(alerts, alert.Alert{Event: alert.Firing, Level: syncer.Warn, Table: text.Draw(t, "table"), Facts: alert.Facts{Reason: text.Draw(t, "reason")}})
		}
		m := alert.Message{Event: alert.Firing, Alerts: alerts, Cause: text.Draw(t, "cause")}
		most := rapid.IntRange(60, 3000).Draw(t, "most")
		escape := func(s string) string { return strings.NewReplacer("<", "[less]", "&", "[and]").Replace(s) }
		got := fitted(m, most, escape)
		whole := strings.NewReplacer("[less]", "", "[and]", "").Replace(got)
		if len(got) > most || !utf8.ValidString(got) || strings.ContainsAny(whole, "[]<&") {
			t.Fatalf("%d bytes of %d: %q", len(got), most, got)
		}
	})
}

// FuzzRetryAfter reads what receivers may say: never less than nothing, never
// more than a year.
func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"", "1", "-1", "1e400", "NaN", "+Inf", "0x10", "Sun, 01 Mar 2026 03:22:00 GMT", "99999999999999999999"} {
		f.Add(text, "Sun, 01 Mar 2026 03:20:00 GMT")
	}
	f.Fuzz(func(t *testing.T, text, date string) {
		got := retryAfter(http.Header{"Retry-After": {text, "x"}, "Date": {date}})
		if got < 0 || got > 366*24*time.Hour {
			t.Errorf("%q makes %v", text, got)
		}
	})
}
