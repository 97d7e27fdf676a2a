package notify_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/notify"
)

// writer writes mails by a post office, to one recipient unless more are named.
func (p *postOffice) writer(t testing.TB, change func(*notify.EmailOptions)) *notify.Email {
	t.Helper()
	roots := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(p.tls.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(leaf)
	o := notify.EmailOptions{
		SMTP: p.listener.Addr().String(), ImplicitTLS: p.implicit, From: "larder <larder@shop.example>", To: []string{"on call <oncall@shop.example>"},
		TLS: &tls.Config{RootCAs: roots},
	}
	if change != nil {
		change(&o)
	}
	return must[*notify.Email](t)(notify.NewEmail(o))
}

func TestEmail(t *testing.T) {
	p := (&postOffice{startTLS: true}).start(t)
	m := firing()
	m.Instance = "larder"
	answer, err := p.writer(t, func(o *notify.EmailOptions) { o.User, o.Password = "larder", canary }).Notify(t.Context(), m)
	if err != nil || answer != "taken: 2.0.0 queued as 7" && !strings.Contains(answer, "queued as 7") {
		t.Fatalf("answer %q, error %v", answer, err)
	}
	if len(p.mails()) != 1 {
		t.Fatalf("%d mails came in, want 1", len(p.mails()))
	}
	came := p.mails()[0]
	if came.readable || came.user != "/larder/"+canary || !strings.HasPrefix(came.from, "FROM:<larder@shop.example>") || came.to != "TO:<oncall@shop.example>" {
		t.Errorf("came as %+v", came)
	}
	read, err := mail.ReadMessage(strings.NewReader(came.text))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{
		"subject": subject, "id": read.Header.Get("Message-ID"), "to": read.Header.Get("To"), "from": read.Header.Get("From"),
		"automatic": read.Header.Get("Auto-Submitted"), "type": read.Header.Get("Content-Type"),
	}
	want := map[string]string{
		"subject": "[larder] CRITICAL shop.users is 23m stale, budget 15m", "id": "<larder.m1@shop.example>",
		"to": `"on call" <oncall@shop.example>`, "from": `"larder" <larder@shop.example>`, "automatic": "auto-generated", "type": "text/plain; charset=UTF-8",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(read.Body))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(strings.ReplaceAll(string(body), "\r\n", "\n"))
	if diff := cmp.Diff(m.Title()+"\n\n"+strings.Join(m.Lines(), "\n"), text); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

// TestEmailIsEncrypted has servers that offer less than they should.
func TestEmailIsEncrypted(t *testing.T) {
	for _, test := range []struct {
		name     string
		office   *postOffice
		change   func(*notify.EmailOptions)
		readable bool
		wrong    string // "": it is sent
	}{
		{"by STARTTLS", &postOffice{startTLS: true}, nil, false, ""},
		{"from the first byte", &postOffice{implicit: true}, nil, false, ""},
		{"from the first byte, logged in", &postOffice{implicit: true}, func(o *notify.EmailOptions) { o.User, o.Password = "larder", canary }, false, ""},
		{"not at all, on this machine", &postOffice{}, func(o *notify.EmailOptions) { o.User, o.Password = "larder", canary }, true, ""},
		{"by a certificate that nobody vouches for", &postOffice{startTLS: true}, func(o *notify.EmailOptions) { o.TLS = nil }, false, "certificate"},
		{"by a certificate of another", &postOffice{implicit: true}, func(o *notify.EmailOptions) { o.TLS.ServerName = "other.example" }, false, "certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := test.office.start(t)
			_, err := p.writer(t, test.change).Notify(t.Context(), firing())
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) || behaviourOf(t, err) != (behaviour{}) || len(p.mails()) > 0 {
					t.Errorf("error %v, %d mails", err, len(p.mails()))
				}
				return
			}
			if err != nil || len(p.mails()) != 1 || p.mails()[0].readable != test.readable {
				t.Errorf("error %v, mails %+v", err, p.mails())
			}
		})
	}
}

func TestEmailReadsWhatTheServerSays(t *testing.T) {
	for _, test := range []struct {
		name string
		says map[string]string
		want behaviour
		text string
	}{
		{"greeting", map[string]string{"greeting": "421 too busy"}, behaviour{}, "421"},
		{"never for anybody", map[string]string{"greeting": "554 go away"}, behaviour{permanent: true}, "554"},
		{"password", map[string]string{"AUTH": "535 5.7.8 bad password " + canary}, behaviour{permanent: true}, "535"},
		{"later", map[string]string{"MAIL": "451 later"}, behaviour{}, "451"},
		{"sender", map[string]string{"MAIL": "550 who are you"}, behaviour{permanent: true}, "550"},
		{"recipient", map[string]string{"RCPT": "550 no such user \x1b[31m" + canary}, behaviour{permanent: true}, "oncall@shop.example: server answered"},
		{"recipient later", map[string]string{"RCPT": "450 greylisted"}, behaviour{}, "450"},
		{"data", map[string]string{"DATA": "452 disk is full"}, behaviour{}, "452"},
		{"mail", map[string]string{".": "554 spam"}, behaviour{permanent: true}, "554"},
		{"the connection ends", map[string]string{"DATA": "close"}, behaviour{}, "send mail: "},
		{"the connection ends at once", map[string]string{"greeting": "close"}, behaviour{}, "send mail: "},
		{"no mail server", map[string]string{"greeting": "HTTP/1.1 400 Bad Request"}, behaviour{}, "send mail: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := (&postOffice{startTLS: true, says: test.says}).start(t)
			_, err := p.writer(t, func(o *notify.EmailOptions) { o.User, o.Password = "larder", canary }).Notify(t.Context(), firing())
			if err == nil || !strings.Contains(err.Error(), test.text) || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("error %v, want one with %q", err, test.text)
			}
			shows(t, "error", err.Error())
			if got := behaviourOf(t, err); got != test.want {
				t.Errorf("%v behaves like %+v, want %+v", err, got, test.want)
			}
		})
	}
}

// TestMailThatIsTakenIsNotSentAgain: what the server does behind that is its own
// affair.
func TestMailThatIsTakenIsNotSentAgain(t *testing.T) {
	for name, says := range map[string]map[string]string{
		"reset": {"RSET": "close"}, "quit": {"QUIT": "close"}, "refused reset": {"RSET": "500 what"},
	} {
		p := (&postOffice{startTLS: true, says: says}).start(t)
		if _, err := p.writer(t, nil).Notify(t.Context(), firing()); err != nil || len(p.mails()) != 1 {
			t.Errorf("%s: error %v, %d mails", name, err, len(p.mails()))
		}
	}
}

// TestOneRecipientKeepsNoOtherFromBeingTold refuses one of three.
func TestOneRecipientKeepsNoOtherFromBeingTold(t *testing.T) {
	three := func(o *notify.EmailOptions) { o.To = []string{"a@shop.example", "b@shop.example", "c@shop.example"} }
	p := (&postOffice{startTLS: true, says: map[string]string{"RCPT TO:<b@shop.example>": "550 left"}}).start(t)
	answer, err := p.writer(t, three).Notify(t.Context(), firing())
	if err != nil || len(p.mails()) != 2 || !strings.Contains(answer, "not taken for b@shop.example: server answered") {
		t.Errorf("answer %q, error %v, mails %+v", answer, err, p.mails())
	}
	p = (&postOffice{startTLS: true, says: map[string]string{"RCPT TO:<b@shop.example>": "450 later"}}).start(t)
	if _, err = p.writer(t, three).Notify(t.Context(), firing()); err == nil || behaviourOf(t, err) != (behaviour{}) || len(p.mails()) != 2 {
		t.Errorf("error %v, %d mails", err, len(p.mails()))
	}
	ids := map[string]bool{}
	for _, m := range p.mails() {
		read, err := mail.ReadMessage(strings.NewReader(m.text))
		if err != nil {
			t.Fatal(err)
		}
		ids[read.Header.Get("Message-ID")] = true
	}
	if len(ids) != 1 {
		t.Errorf("identifiers %v, want one", ids)
	}
}

// TestEmailOfAHangingServerEnds stops what hangs at each step.
func TestEmailOfAHangingServerEnds(t *testing.T) {
	for _, step := range []string{"greeting", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "."} {
		p := (&postOffice{startTLS: true, says: map[string]string{step: "hang"}}).start(t)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := p.writer(t, nil).Notify(ctx, firing())
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || behaviourOf(t, err) != (behaviour{}) {
			t.Errorf("hanging at %s: %v", step, err)
		}
	}
}

// TestOwnersCannotWriteHeaders puts line breaks where a subject is made of.
func TestOwnersCannotWriteHeaders(t *testing.T) {
	p := (&postOffice{startTLS: true}).start(t)
	two := message(alert.Firing, stale("shop.a"), stale("shop.b"))
	two.Cause = hostile + "\r\nBcc: everybody@shop.example\r\n\r\nHello"
	two.Alerts[0].Failure = &syncer.Failure{Class: syncer.ClassAnswer, Text: "\r\n.\r\nQUIT\r\n"}
	two.ID = "m1\r\nX-Injected: yes"
	if _, err := p.writer(t, nil).Notify(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	read, err := mail.ReadMessage(strings.NewReader(p.mails()[0].text))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Injected", "Bcc", "X-Injected"} {
		if value := read.Header.Get(name); value != "" {
			t.Errorf("header %s: %s", name, value)
		}
	}
}

func TestEmailOptions(t *testing.T) {
	sound := notify.EmailOptions{SMTP: "mail.shop.example:587", From: "a@shop.example", To: []string{"b@shop.example"}}
	for name, change := range map[string]func(*notify.EmailOptions){
		"no server":           func(o *notify.EmailOptions) { o.SMTP = "" },
		"an address":          func(o *notify.EmailOptions) { o.SMTP = "smtp://mail.shop.example" },
		"a port of words":     func(o *notify.EmailOptions) { o.SMTP = "mail.shop.example:smtp" },
		"a cloud's keys":      func(o *notify.EmailOptions) { o.SMTP = "169.254.169.254:25" },
		"no sender":           func(o *notify.EmailOptions) { o.From = "larder" },
		"no recipient":        func(o *notify.EmailOptions) { o.To = nil },
		"half a recipient":    func(o *notify.EmailOptions) { o.To = []string{"b@shop.example", "c@"} },
		"a password alone":    func(o *notify.EmailOptions) { o.Password = canary },
		"a user alone":        func(o *notify.EmailOptions) { o.User = "larder" },
		"header in recipient": func(o *notify.EmailOptions) { o.To = []string{"b@shop.example\r\nBcc: c@shop.example"} },
	} {
		o := sound
		change(&o)
		if _, err := notify.NewEmail(o); err == nil {
			t.Errorf("%s is taken", name)
		} else {
			shows(t, name, err.Error())
		}
	}
	for _, server := range []string{"mail.shop.example", "mail.shop.example:465", "[::1]:25", "::1", "localhost"} {
		o := sound
		o.SMTP = server
		if _, err := notify.NewEmail(o); err != nil {
			t.Errorf("%s: %v", server, err)
		}
	}
}

// TestMailServerMayNotTalkWithoutEnd: who answers in the server's place, before
// TLS or by a certificate of its own, must not fill our memory.
func TestMailServerMayNotTalkWithoutEnd(t *testing.T) {
	for _, how := range []string{"talk", "babble"} {
		for _, step := range []string{"greeting", "EHLO", "MAIL", "."} {
			for _, implicit := range []bool{false, true} {
				p := (&postOffice{implicit: implicit, startTLS: !implicit, says: map[string]string{step: how}}).start(t)
				_, err := p.writer(t, nil).Notify(t.Context(), firing())
				if err == nil || behaviourOf(t, err) != (behaviour{}) || len(err.Error()) > 1000 {
					t.Errorf("%s at %s: error %.200v behaves like %+v", how, step, err, behaviourOf(t, err))
				}
				p.mu.Lock()
				if p.said > 16<<20 { // buffers of the system included
					t.Errorf("%s at %s: %d MiB were taken", how, step, p.said>>20)
				}
				p.mu.Unlock()
			}
		}
	}
}
