package notify_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// mailed is a mail that came in.
type mailed struct {
	from, to string
	text     string
	// readable says that it came without TLS.
	readable bool
	// user logged in; "": nobody did.
	user string
}

// postOffice is a mail server on this machine.
type postOffice struct {
	listener net.Listener
	tls      *tls.Config
	// implicit speaks TLS from the first byte, startTLS offers it.
	implicit, startTLS bool
	// says is what a command is answered by in place of what is usual; "hang"
	// never answers, "close" ends the connection, "talk" answers without an end,
	// and "babble" so in one line. The key is the command with its
	// argument, or its first word.
	says map[string]string

	mu   sync.Mutex
	said int // bytes of an answer without an end that could be sent
	all  []mailed
	open []net.Conn
}

func (p *postOffice) start(t testing.TB) *postOffice {
	t.Helper()
	// The certificate of httptest is for 127.0.0.1 and example.com.
	https := httptest.NewTLSServer(nil)
	t.Cleanup(https.Close)
	p.tls = &tls.Config{Certificates: https.TLS.Certificates}
	var err error
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.open = append(p.open, conn)
			p.mu.Unlock()
			all.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.mu.Lock()
		for _, conn := range p.open {
			_ = conn.Close()
		}
		p.mu.Unlock()
		all.Wait()
	})
	return p
}

func (p *postOffice) mails() []mailed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]mailed(nil), p.all...)
}

// session is one connection.
type session struct {
	*postOffice
	conn  net.Conn
	lines *bufio.Reader
	now   mailed
}

func (p *postOffice) serve(conn net.Conn) {
	s := &session{postOffice: p, conn: conn, now: mailed{readable: true}}
	if p.implicit {
		s.encrypt()
	}
	s.lines = bufio.NewReader(s.conn)
	defer func() { _ = s.conn.Close() }()
	if !s.say("greeting", "220 post office") {
		return
	}
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil || !s.obey(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

func (s *session) encrypt() {
	s.conn = tls.Server(s.conn, s.tls)
	s.lines, s.now.readable = bufio.NewReader(s.conn), false
}

// say answers a command, and reports whether the session goes on.
func (s *session) say(command, usual string) bool {
	word, _, _ := strings.Cut(command, " ")
	for _, key := range []string{command, word} {
		if other, odd := s.says[key]; odd {
			usual = other
			break
		}
	}
	switch usual {
	case "close":
		return false
	case "hang":
		_, _ = s.lines.ReadString(0) // until the other side ends
		return false
	case "talk":
		return s.talk("220-and furthermore\r\n")
	case "babble":
		return s.talk("and furthermore ")
	}
	_, err := fmt.Fprintf(s.conn, "%s\r\n", usual)
	return err == nil
}

// mostTalk bounds what is said without an end, for the sake of this machine.
const mostTalk = 64 << 20

func (s *session) talk(text string) bool {
	text = strings.Repeat(text, 1000)
	for sent := 0; sent < mostTalk; sent += len(text) {
		if _, err := io.WriteString(s.conn, text); err != nil {
			return false
		}
		s.mu.Lock()
		s.said += len(text)
		s.mu.Unlock()
	}
	return false
}

func (s *session) obey(line string) bool {
	word, rest, _ := strings.Cut(line, " ")
	switch strings.ToUpper(word) {
	case "EHLO":
		offers := "250-post office\r\n250-AUTH PLAIN LOGIN\r\n"
		if s.startTLS && s.now.readable {
			offers += "250-STARTTLS\r\n"
		}
		return s.say(word, offers+"250 8BITMIME")
	case "STARTTLS":
		goesOn := s.say(word, "220 go ahead")
		s.encrypt()
		return goesOn
	case "AUTH":
		if answer, plain := strings.CutPrefix(rest, "PLAIN "); plain {
			text, _ := base64.StdEncoding.DecodeString(answer)
			s.now.user = strings.ReplaceAll(string(text), "\x00", "/")
		}
		return s.say(word, "235 welcome")
	case "MAIL":
		s.now.from = rest
		return s.say(word, "250 ok")
	case "RCPT":
		s.now.to = rest
		return s.say(line, "250 ok")
	case "DATA":
		return s.say(word, "354 go ahead") && s.data()
	case "QUIT":
		s.say(word, "221 bye")
		return false
	}
	return s.say(word, "250 ok")
}

func (s *session) data() bool {
	if s.says["DATA"] != "" {
		return true
	}
	var text strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(line)
	}
	if s.says["."] == "" {
		s.mu.Lock()
		s.now.text = text.String()
		s.all = append(s.all, s.now)
		s.mu.Unlock()
	}
	return s.say(".", "250 queued as 7")
}
