package postgres_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between a daemon and its database. It writes down the
// statements, and can break a connection at any message of the client.
type proxy struct {
	t        *testing.T
	listener net.Listener
	server   string
	dsn      string // through the proxy

	mu         sync.Mutex
	countdown  int  // messages until the break; 0: none is due
	after      bool // break after the message has done its work, not before
	blip       bool // only that connection breaks; new ones are welcome
	refuse     bool // nothing breaks: the server refuses the statement
	down       bool
	broke      string // the message at the break
	statements []string
}

// through starts a proxy to the database of a DSN.
func through(t *testing.T, dsn string) *proxy {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, listener: listener, server: u.Host}
	u.Host = listener.Addr().String()
	p.dsn = u.String() + "&default_query_exec_mode=exec" // every statement in full
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() { _ = listener.Close() })
	return p
}

// arm makes the n-th message from now on break its connection; 0 none.
func (p *proxy) arm(n int, after, blip bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.countdown, p.after, p.blip, p.refuse, p.down, p.broke, p.statements = n, after, blip, false, false, "", nil
}

// armRefusal makes the server refuse the n-th statement from now on.
func (p *proxy) armRefusal(n int) {
	p.arm(n, false, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = true
}

// disarm lets everything pass again and returns the message at which the
// connection broke, "" if it did not.
func (p *proxy) disarm() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.countdown, p.down = 0, false
	return p.broke
}

// said returns the statements since the proxy was last armed.
func (p *proxy) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.statements
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	p.mu.Lock()
	down := p.down
	p.mu.Unlock()
	if down {
		return
	}
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	answered := make(chan struct{})
	var mute atomic.Bool
	go func() {
		defer close(answered)
		defer client.Close()
		answer := make([]byte, 32<<10)
		for {
			n, err := server.Read(answer)
			if n > 0 && !mute.Load() {
				_, _ = client.Write(answer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	in := bufio.NewReader(client)
	for starting := true; ; starting = false {
		message, err := readMessage(in, starting)
		if err != nil {
			return
		}
		if breaks, after := p.meet(message, starting); breaks {
			if p.refuses() {
				message = nonsense(message)
				breaks = false
			}
			if after {
				mute.Store(true)
				_, _ = server.Write(message)
				_ = server.(*net.TCPConn).CloseWrite()
				<-answered
			}
			if breaks {
				return
			}
		}
		if _, err := server.Write(message); err != nil {
			return
		}
	}
}

func readMessage(in *bufio.Reader, starting bool) ([]byte, error) {
	head := 5
	if starting {
		head = 4
	}
	message := make([]byte, head)
	if _, err := io.ReadFull(in, message); err != nil {
		return nil, err
	}
	rest := make([]byte, binary.BigEndian.Uint32(message[head-4:])-4)
	_, err := io.ReadFull(in, rest)
	return append(message, rest...), err
}

// meet writes the message down and says whether the connection breaks at it.
func (p *proxy) meet(message []byte, starting bool) (breaks, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what := "startup"
	if !starting {
		what = string(message[0])
		switch message[0] {
		case 'P':
			parts := bytes.SplitN(message[5:], []byte{0}, 3)
			what += " " + string(parts[1])
			p.statements = append(p.statements, string(parts[1]))
		case 'Q':
			what += " " + string(bytes.TrimRight(message[5:], "\x00"))
			p.statements = append(p.statements, what[2:])
		}
	}
	// The server acts on these; what lies between is as good as not sent.
	acted := "QSc"
	if !p.after {
		acted = "PQScd"
	}
	if p.refuse {
		acted, starting = "PQ", false
	}
	if p.countdown == 0 || !starting && !strings.ContainsRune(acted, rune(message[0])) {
		return false, false
	}
	if p.countdown--; p.countdown > 0 {
		return false, false
	}
	p.broke, p.down = short(what), !p.blip
	return true, p.after
}

// short is the start of a statement in one line.
func short(statement string) string {
	s := strings.Join(strings.Fields(statement), " ")
	return s[:min(len(s), 70)]
}

func (p *proxy) refuses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refuse
}

// nonsense is a statement's message with a text that no server understands.
func nonsense(message []byte) []byte {
	text := message[5:]
	if message[0] == 'P' {
		text = text[bytes.IndexByte(text, 0)+1:]
	}
	said := text[:bytes.IndexByte(text, 0)]
	for i := range said {
		said[i] = '!'
	}
	return message
}
