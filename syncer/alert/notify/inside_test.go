package notify

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"testing"

	gomail "github.com/wneessen/go-mail"
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
		if blocked(netip.MustParseAddr(at)) {
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
