package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/larder-sync/larder/syncer/alert"
)

// EmailOptions say by which mail server whom is written to.
type EmailOptions struct {
	// SMTP is the server's HOST or HOST:PORT. Port 465 speaks TLS from the
	// first byte, as ImplicitTLS does on any port; elsewhere STARTTLS is
	// demanded. Without a port it is 587. Only this machine may be spoken to
	// readably, and is where it offers no STARTTLS.
	SMTP        string
	ImplicitTLS bool
	// User and Password log in; both "": nobody does.
	User, Password string
	// From is one address, To are one or several, as "larder <larder@shop.example>".
	From string
	To   []string
	// TLS is how the server is known; nil: by the system's roots. TLS 1.2 is the
	// least in any case.
	TLS *tls.Config
}

// Email writes mails in plain text, one to each recipient, so that one who is
// refused keeps nobody else from being written to. The Message-ID is that of
// the message, so that one that comes twice is seen to be the same.
type Email struct {
	*hider
	o          EmailOptions
	host       string
	port       int
	from       *mail.Address
	to         []*mail.Address
	tls        *tls.Config
	implicit   bool
	onLoopback bool
}

// NewEmail checks the options. It sends nothing.
func NewEmail(o EmailOptions) (*Email, error) {
	e := &Email{o: o, hider: newHider(o.Password), implicit: o.ImplicitTLS}
	if err := e.parseServer(); err != nil {
		return nil, err
	}
	var err error
	if e.from, err = mail.ParseAddress(o.From); err != nil {
		return nil, errors.New("from must be an address")
	}
	if len(o.To) == 0 {
		return nil, errors.New("to is missing")
	}
	for i, to := range o.To {
		address, err := mail.ParseAddress(to)
		if err != nil {
			return nil, fmt.Errorf("to: address %d is none", i+1)
		}
		e.to = append(e.to, address)
	}
	if (o.User == "") != (o.Password == "") {
		return nil, errors.New("user and password belong together")
	}
	e.tls = &tls.Config{}
	if o.TLS != nil {
		e.tls = o.TLS.Clone()
	}
	e.tls.MinVersion = max(e.tls.MinVersion, tls.VersionTLS12)
	if e.tls.ServerName == "" {
		e.tls.ServerName = e.host
	}
	return e, nil
}

// parseServer reads HOST or HOST:PORT.
func (e *Email) parseServer() error {
	host, port, err := net.SplitHostPort(e.o.SMTP)
	if err != nil {
		host, port = strings.Trim(e.o.SMTP, "[]"), "587"
	}
	if e.port, err = strconv.Atoi(port); err != nil || e.port < 1 || e.port > 65535 || host == "" || strings.ContainsAny(host, "/@ ") {
		return errors.New("smtp must be HOST or HOST:PORT")
	}
	if ip, err := netip.ParseAddr(host); err == nil && blocked(ip) {
		return fmt.Errorf("smtp %w", errBlocked)
	}
	e.host, e.onLoopback = host, onThisMachine(host)
	e.implicit = e.implicit || e.port == 465
	return nil
}

// Notify implements [alert.Notifier]. It is enough that one recipient's mail is
// taken where the others' never will be; the answer names those.
func (e *Email) Notify(ctx context.Context, m alert.Message) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	mails, err := e.mails(m)
	if err != nil {
		return "", &Error{text: "write mail: " + e.line(err.Error()), reason: "other", permanent: true, cause: err}
	}
	failed := e.send(ctx, mails)
	var answer string
	var errs []error
	var texts []string
	for i, one := range mails {
		if one.IsDelivered() {
			answer = e.line(strings.TrimSpace("250 " + one.ServerResponse()))
			continue
		}
		err := e.ofSMTP(ctx, one, failed)
		errs, texts = append(errs, err), append(texts, e.to[i].Address+": "+err.Error())
	}
	if len(errs) == 0 {
		return answer, nil
	}
	all := joined(alert.Plain(strings.Join(texts, "; "), mostAnswer), errs)
	if all.permanent && len(errs) < len(mails) {
		return answer + "; not taken for " + all.text, nil
	}
	if all.text == "" || failed != nil && len(errs) == len(mails) && e.carriage(failed) {
		all.text = errs[0].Error() // the same for everybody
	}
	return "", all
}

// carriage reports whether a failure is that of the connection.
func (e *Email) carriage(err error) bool {
	var sent *gomail.SendError
	return !errors.As(err, &sent)
}

func (e *Email) mails(m alert.Message) ([]*gomail.Msg, error) {
	_, domain, _ := strings.Cut(e.from.Address, "@")
	var out []*gomail.Msg
	for _, to := range e.to {
		one := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
		one.FromMailAddress(e.from)
		one.ToMailAddress(to)
		one.Subject("[larder] " + m.Title())
		one.SetMessageIDWithValue(messageID(m.ID) + "@" + domain)
		one.SetDateWithValue(time.Now())
		one.SetGenHeader("Auto-Submitted", "auto-generated")
		if gravityOf(m) == bad {
			one.SetImportance(gomail.ImportanceHigh)
		}
		one.SetBodyString(gomail.TypeTextPlain, m.Title()+"\n\n"+strings.Join(m.Lines(), "\n")+"\n")
		if _, err := one.GetSender(false); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// messageID is what of a message's ID may stand in a Message-ID.
func messageID(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_", r) {
			return r
		}
		return '-'
	}, "larder."+id)
}

// send dials once, and sends all mails. The connection ends with the context,
// whatever the server does.
func (e *Email) send(ctx context.Context, mails []*gomail.Msg) error {
	release := func() bool { return true }
	defer func() { release() }()
	client, err := gomail.NewClient(e.host, append(e.options(), gomail.WithDialContextFunc(func(ctxDial context.Context, network, address string) (net.Conn, error) {
		conn, err := e.dial(ctxDial, network, address)
		if err == nil {
			release = context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	}))...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, mails...)
}

func (e *Email) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !e.implicit {
		return newDialer().DialContext(ctx, network, address)
	}
	dialer := tls.Dialer{NetDialer: newDialer(), Config: e.tls}
	return dialer.DialContext(ctx, network, address)
}

func (e *Email) options() []gomail.Option {
	policy := gomail.TLSMandatory
	if e.onLoopback {
		policy = gomail.TLSOpportunistic
	}
	out := []gomail.Option{gomail.WithPort(e.port), gomail.WithTimeout(attemptTime), gomail.WithTLSConfig(e.tls), gomail.WithTLSPolicy(policy), gomail.WithoutNoop()}
	if e.implicit {
		out = append(out, gomail.WithSSL())
	}
	if e.o.User == "" {
		return out
	}
	ways := []gomail.SMTPAuthType{gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5}
	if e.onLoopback && !e.implicit {
		// Nobody else listens there.
		ways = []gomail.SMTPAuthType{gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc, gomail.SMTPAuthCramMD5}
	}
	return append(out, gomail.WithUsername(e.o.User), gomail.WithPassword(e.o.Password), gomail.WithOpportunisticSMTPAuth(ways...))
}

// ofSMTP is why one mail was not taken: by what the server said of it, or by
// what became of the connection.
func (e *Email) ofSMTP(ctx context.Context, one *gomail.Msg, failed error) error {
	code, cause := 0, failed
	var sent *gomail.SendError
	var said *textproto.Error
	switch {
	case one.HasSendError() && errors.As(one.SendError(), &sent):
		code, cause = sent.ErrorCode(), error(sent)
	case errors.As(failed, &said):
		code = said.Code
	}
	if code == 0 || cause == nil {
		if ctx.Err() != nil {
			cause = ctx.Err() // the connection was closed by us
		}
		if cause == nil {
			cause = errors.New("not sent")
		}
		return e.ofCarriage("send mail", cause)
	}
	out := &Error{text: "server answered " + e.line(saidBy(cause)), permanent: code >= 500, reason: "server", cause: cause}
	switch {
	case code == 530, code == 534, code == 535:
		out.reason = "auth"
	case code >= 500:
		out.reason = "client"
	}
	return out
}

// saidBy is the server's own words.
func saidBy(err error) string {
	var said *textproto.Error
	if errors.As(err, &said) {
		return said.Error()
	}
	text, _, _ := strings.Cut(err.Error(), ", affected recipient(s)")
	text, _, _ = strings.Cut(text, ", affected message ID")
	return text
}
