package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/mail"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/metadata"
)

// EmailOptions say by which mail server whom is written to.
type EmailOptions struct {
	// SMTP is the server's HOST or HOST:PORT. Port 465 speaks TLS from the
	// first byte, as ImplicitTLS does on any port; elsewhere STARTTLS is
	// demanded. Without a port it is 587, or 465 by ImplicitTLS. Only this
	// machine may be spoken to readably, and is where it offers no STARTTLS.
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

const (
	// mostHeard is how many bytes a server may send in an attempt, those of TLS
	// included, and mostHeardOfMail how many more for each mail: the client keeps
	// an answer to its end, however long it is, and anybody may give the first
	// one, before TLS.
	mostHeard       = 256 << 10
	mostHeardOfMail = 2 << 10
)

// errTalks ends a connection on which the server says too much.
var errTalks = errors.New("server says too much")

// hearing is a connection that ends when so much was read from it.
type hearing struct {
	net.Conn
	left int
}

func (h *hearing) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, errTalks
	}
	n, err := h.Conn.Read(p[:min(len(p), h.left)])
	h.left -= n
	return n, err
}

// NewEmail checks the options. It sends nothing.
func NewEmail(o EmailOptions) (*Email, error) {
	e := &Email{o: o, hider: newHider(o.Password, "\x00"+o.User+"\x00"+o.Password), implicit: o.ImplicitTLS}
	if err := e.parseServer(); err != nil {
		return nil, err
	}
	var err error
	if e.from, err = mail.ParseAddress(o.From); err != nil {
		return nil, wrong("from", "must be an address")
	}
	if len(o.To) == 0 {
		return nil, wrong("to", "is missing")
	}
	for i, to := range o.To {
		address, err := mail.ParseAddress(to)
		if err != nil {
			return nil, wrongOf("to", i, errors.New("is no address"))
		}
		e.to = append(e.to, address)
	}
	if (o.User == "") != (o.Password == "") {
		return nil, wrong("smtp", "holds one of user and password, which belong together")
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
		if e.implicit {
			port = "465"
		}
	}
	if e.port, err = strconv.Atoi(port); err != nil || e.port < 1 || e.port > 65535 || host == "" || strings.ContainsAny(host, "/@ ") {
		return wrong("smtp", "must name a host, and a port from 1 to 65535 or none")
	}
	if ip, err := netip.ParseAddr(host); err == nil && metadata.Holds(ip) {
		return &OptionError{"smtp", -1, errBlocked}
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
	mails := e.mails(m)
	failed := e.send(ctx, mails)
	answer := ""
	var errs []error
	var texts []string
	for i, one := range mails {
		if one.IsDelivered() {
			answer = e.line("taken: " + one.ServerResponse())
			continue
		}
		if !one.HasSendError() && answer == "" {
			return "", e.ofSMTP(ctx, failed) // the connection failed: nobody was refused
		}
		err := e.ofSMTP(ctx, one.SendError())
		errs, texts = append(errs, err), append(texts, e.to[i].Address+": "+err.Error())
	}
	if len(errs) == 0 {
		return answer, nil
	}
	all := joined(alert.Plain(strings.Join(texts, "; "), mostAnswer), errs)
	if answer != "" && all.permanent {
		return answer + "; not taken for " + all.text, nil
	}
	return "", unsure(all, answer != "")
}

func (e *Email) mails(m alert.Message) []*gomail.Msg {
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
		out = append(out, one)
	}
	return out
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
	left := mostHeard + len(mails)*mostHeardOfMail
	end := func() {}
	defer func() { end() }()
	client, err := gomail.NewClient(e.host, append(e.options(), gomail.WithDialContextFunc(func(ctxDial context.Context, network, address string) (net.Conn, error) {
		conn, err := newDialer().DialContext(ctxDial, network, address)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		end = func() {
			stop()
			_ = conn.Close()
		}
		return e.encrypted(ctxDial, &hearing{Conn: conn, left: left})
	}))...)
	if err != nil {
		return err
	}
	return client.DialAndSendWithContext(ctx, mails...)
}

// encrypted speaks TLS where the server does from the first byte.
func (e *Email) encrypted(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if !e.implicit {
		return conn, nil
	}
	secure := tls.Client(conn, e.tls)
	return secure, secure.HandshakeContext(ctx)
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

// ofSMTP is why a mail was not taken: by what the server said, or else by what
// became of the connection.
func (e *Email) ofSMTP(ctx context.Context, err error) error {
	code, said := 0, ""
	var sent *gomail.SendError
	var answer *textproto.Error
	switch {
	case errors.As(err, &answer):
		code, said = answer.Code, answer.Error()
	case errors.As(err, &sent):
		code = sent.ErrorCode()
		// What follows are the recipients, and we say ourselves who they are.
		said, _, _ = strings.Cut(sent.Error(), ", affected recipient(s)")
		said, _, _ = strings.Cut(said, ", affected message ID")
	}
	switch {
	case code != 0:
		return &Error{text: "server answered " + e.line(said), permanent: code >= 500, notTaken: true, cause: err}
	case ctx.Err() != nil:
		err = ctx.Err() // the connection broke because we closed it
	case err == nil:
		err = errors.New("connection ended")
	}
	out := e.ofCarriage("send mail", err)
	var dial *net.OpError
	out.notTaken = errors.As(err, &dial) && dial.Op == "dial"
	return out
}
