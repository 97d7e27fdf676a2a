package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// crowd is a server that has so many connections, and clients that say something
// each and then no more.
type crowd struct {
	t       *testing.T
	bounded *bounded
	clients []net.Conn
}

func newCrowd(t *testing.T, most int) *crowd {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{t: t, bounded: &bounded{Listener: l, most: most}}
	server := &http.Server{ConnState: c.bounded.state, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	})}
	go func() { _ = server.Serve(c.bounded) }()
	t.Cleanup(func() {
		for _, one := range c.clients {
			_ = one.Close()
		}
		_ = server.Close()
	})
	return c
}

// says connects and says that, and waits until the server has seen as much.
func (c *crowd) says(text string, seen func(*placed) bool) net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.bounded.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	c.clients = append(c.clients, conn)
	if _, err := io.WriteString(conn, text); err != nil {
		c.t.Fatal(err)
	}
	c.until(conn, seen)
	return conn
}

// until waits for something to be true of a connection at the server.
func (c *crowd) until(conn net.Conn, seen func(*placed) bool) {
	c.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		c.bounded.mu.Lock()
		done := false
		for p := range c.bounded.open {
			done = done || p.RemoteAddr().String() == conn.LocalAddr().String() && seen(p)
		}
		c.bounded.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			c.t.Fatal("server does not see what a client does")
		}
	}
}

func entered(*placed) bool { return true }
func works(p *placed) bool { return !p.waits }
func waits(p *placed) bool { return p.waits }

func (c *crowd) count() int {
	c.bounded.mu.Lock()
	defer c.bounded.mu.Unlock()
	return len(c.bounded.open)
}

// answers reports whether a client is answered that asks now, over a connection
// of its own or an old one.
func (c *crowd) answers(conn net.Conn) bool {
	c.t.Helper()
	if conn == nil {
		conn = c.says("", entered)
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return false
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

func TestWhoSaysNothingMakesRoom(t *testing.T) {
	const body = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
	for name, stranger := range map[string]func(*crowd){
		"nothing said":  func(c *crowd) { c.says("", entered) },
		"half a header": func(c *crowd) { c.says("GET / HTTP/1.1\r\nHo", entered) },
		"half a body":   func(c *crowd) { c.says(body+"four", works) },
		"kept alive": func(c *crowd) {
			conn := c.says("", entered)
			if !c.answers(conn) {
				c.t.Error("stranger is not answered")
			}
			c.until(conn, waits)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, 3)
			for range 5 {
				stranger(c)
			}
			if n := c.count(); n != 3 {
				t.Errorf("%d connections are open, want 3", n)
			}
			if !c.answers(nil) {
				t.Error("nobody else is answered")
			}
		})
	}
}

// TestWhoWaitedTheLongestMakesRoom has one connection at work and two that wait.
func TestWhoWaitedTheLongestMakesRoom(t *testing.T) {
	c := newCrowd(t, 3)
	busy := c.says("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nfour", works)
	first, second := c.says("", entered), c.says("", entered)
	if !c.answers(first) { // so that second has waited longer
		t.Fatal("first is not answered")
	}
	if !c.answers(nil) || !c.answers(first) || c.answers(second) {
		t.Error("it was not the second that made room")
	}
	if _, err := fmt.Fprint(busy, "+five"); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(busy), nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("who was at work hears %v, %v", resp, err)
	}
}

func TestConnectionGivesItsPlaceBackOnce(t *testing.T) {
	c := newCrowd(t, 2)
	c.says("", entered)
	c.says("", entered)
	c.bounded.mu.Lock()
	var all []*placed
	for p := range c.bounded.open {
		all = append(all, p)
	}
	c.bounded.mu.Unlock()
	_, _ = all[0].Close(), all[0].Close() // the server may close twice
	if n := c.count(); n != 1 {
		t.Errorf("%d connections are counted, want 1", n)
	}
}
