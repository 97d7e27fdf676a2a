package killtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Proxy stands between a program and a Postgres server and counts the messages
// that the program sends, over all its connections. At a chosen one it strikes.
type Proxy struct {
	listener net.Listener
	server   string
	dsn      url.URL

	mu    sync.Mutex
	count int
	rule  Strike
	hit   string
	dead  bool
	mute  string
	conns map[net.Conn]bool
	all   sync.WaitGroup
}

// Strike says at which message something happens, and what.
type Strike struct {
	// At counts from 1; 0 never strikes. Match, if there, stands in for it: the
	// first message whose label contains it.
	At    int
	Match string
	// Forward lets the message through before Do is called.
	Forward bool
	// Do is called once. The proxy forwards nothing more unless GoOn is set.
	Do   func()
	GoOn bool
	// Cut breaks all connections after Do. New ones are served.
	Cut bool
}

// NewProxy starts a proxy to the server of a postgres:// URL. The test stops it.
func NewProxy(tb testing.TB, dsn string) *Proxy {
	tb.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal("read the URL of the test's Postgres")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{listener: l, server: u.Host, dsn: *u, conns: make(map[net.Conn]bool)}
	p.all.Go(p.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		p.hangUp()
		p.all.Wait()
	})
	return p
}

// URL is the DSN through the proxy. It turns encryption off, or nothing could
// be counted.
func (p *Proxy) URL() string {
	u := p.dsn
	u.Host = p.listener.Addr().String()
	query := u.Query()
	query.Set("sslmode", "disable")
	u.RawQuery = query.Encode()
	return u.String()
}

// Arm hangs up on everybody, begins to count at 0 and strikes by the rule.
func (p *Proxy) Arm(s Strike) {
	p.hangUp()
	p.Rearm(s)
}

// Rearm is Arm for a program that keeps its connections.
func (p *Proxy) Rearm(s Strike) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count, p.rule, p.hit, p.dead = 0, s, "", false
}

// Mute leaves every connection without a word to the server from its first
// message on whose label contains match.
func (p *Proxy) Mute(match string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = match
}

// Hit is the message that was struck, "" if none was, and how many there were.
func (p *Proxy) Hit() (label string, count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit, p.count
}

func (p *Proxy) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	p.cut()
}

func (p *Proxy) cut() {
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

func (p *Proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.all.Go(func() { p.serve(c) })
	}
}

// serve carries one connection until either side ends it. A program that was
// killed is gone for the server too.
func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	first, err := readMessage(client, false)
	if err != nil {
		return
	}
	labels := newLabels()
	server, ok := p.enter(client, labels, first)
	if server == nil {
		return
	}
	defer p.leave(client, server)
	p.all.Go(func() {
		_, _ = io.Copy(client, server) // ends when either side does
		_ = client.Close()
	})
	for ok {
		m, err := readMessage(client, true)
		ok = err == nil && p.pass(server, labels, m)
	}
	_ = server.Close()
}

// enter connects to the server and passes the first message on, both at once: a
// server that is stopped meanwhile would wait for a client that says nothing.
func (p *Proxy) enter(client net.Conn, labels *labels, first message) (net.Conn, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return nil, false
	}
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return nil, false
	}
	p.conns[client], p.conns[server] = true, true
	return server, p.carry(server, labels, first)
}

func (p *Proxy) leave(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// pass counts a message and forwards it, unless the program is struck first.
// Messages of all connections pass one after the other, so that none slips
// through behind the one that is struck.
func (p *Proxy) pass(server net.Conn, labels *labels, m message) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.carry(server, labels, m)
}

func (p *Proxy) carry(server net.Conn, labels *labels, m message) bool {
	if p.dead {
		return false
	}
	p.count++
	label := labels.of(m)
	if labels.muted = labels.muted || p.mute != "" && strings.Contains(label, p.mute); labels.muted {
		return true
	}
	struck := p.hit == "" && p.rule.Do != nil &&
		(p.count == p.rule.At || p.rule.Match != "" && strings.Contains(label, p.rule.Match))
	if struck {
		p.hit = label
	}
	if struck && !p.rule.Forward && !p.strike() {
		return false
	}
	_, err := server.Write(m.bytes)
	return (!struck || !p.rule.Forward || p.strike()) && err == nil
}

// strike carries the rule out and reports whether the connection goes on.
func (p *Proxy) strike() bool {
	p.rule.Do()
	if p.rule.Cut {
		p.cut()
		return false
	}
	p.dead = !p.rule.GoOn
	return !p.dead
}

// message is one of the frontend's; its type is 0 for the first one of a
// connection, which has none.
type message struct {
	kind  byte
	body  []byte
	bytes []byte
}

var errMessage = errors.New("message of an impossible length")

func readMessage(r io.Reader, typed bool) (message, error) {
	head := make([]byte, 4, 5)
	if typed {
		head = head[:5]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return message{}, err
	}
	size := int(binary.BigEndian.Uint32(head[len(head)-4:]))
	if size < 4 || size > 1<<28 {
		return message{}, fmt.Errorf("%w: %d", errMessage, size)
	}
	m := message{bytes: append(head, make([]byte, size-4)...)}
	m.body = m.bytes[len(head):]
	if typed {
		m.kind = head[0]
	}
	_, err := io.ReadFull(r, m.body)
	return m, err
}
