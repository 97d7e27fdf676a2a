package web

import (
	"net"
	"net/http"
	"sync"
)

// bounded is a listener that has so many connections open at one time. Where one
// more comes, another one has to go: that which has waited the longest for its
// next request, or if none waits, that whose request has taken the longest. So
// nobody keeps others out by what he does not say.
type bounded struct {
	net.Listener
	most int

	mu   sync.Mutex
	open map[*placed]struct{}
	last uint64 // moment
}

func (b *bounded) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	p := &placed{Conn: c, of: b, waits: true}
	if other := b.enter(p); other != nil {
		_ = other.Close()
	}
	return p, nil
}

// enter returns which connection has to go.
func (b *bounded) enter(p *placed) (other *placed) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		b.open = make(map[*placed]struct{})
	}
	if len(b.open) >= b.most {
		for o := range b.open {
			if other == nil || o.goesBefore(other) {
				other = o
			}
		}
		delete(b.open, other)
	}
	b.open[p] = struct{}{}
	b.last++
	p.moment = b.last
	return other
}

// state hears of a connection from the server. One whose headers have not all
// come waits still.
func (b *bounded) state(c net.Conn, s http.ConnState) {
	p, ok := c.(*placed)
	if !ok {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	p.moment, p.waits = b.last, s == http.StateNew || s == http.StateIdle
}

// placed is a connection of a bounded listener, which guards it.
type placed struct {
	net.Conn
	of     *bounded
	waits  bool   // for a request
	moment uint64 // since which it does, or does not
}

func (p *placed) goesBefore(o *placed) bool {
	return p.waits && !o.waits || p.waits == o.waits && p.moment < o.moment
}

func (p *placed) Close() error {
	p.of.mu.Lock()
	delete(p.of.open, p)
	p.of.mu.Unlock()
	return p.Conn.Close()
}
