package simulation

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// drain bounds how long the server may take to end a session whose client has
// gone, in real time: it may wait for a lock before it looks.
const drain = 10 * time.Second

// lines are the connections of one daemon to its database.
type lines struct {
	*postgresDatabase

	mu   sync.Mutex
	open map[*line]bool
	dead bool
}

// session is a connection that no daemon has, and how its server greeted.
type session struct {
	net.Conn
	greeting []byte
}

// dial is a postgres.Options.Dial. Sessions that daemons have ended while they
// did nothing go on with the next daemon, all that they knew forgotten: to
// start one costs more than most have to do.
func (l *lines) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return nil, errKilled
	}
	c := &line{of: l}
	if s, ok := l.spare(); ok {
		c.Conn, c.greeting = s.Conn, s.greeting
	} else {
		conn, err := l.connect(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c.Conn, c.due = conn, 1
	}
	l.open[c] = true
	return c, nil
}

// connect connects by the server's socket, if that is known.
func (l *lines) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if l.socket != "" {
		network, address = "unix", l.socket
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// spare is a session that was given back, empty.
func (d *postgresDatabase) spare() (session, bool) {
	for {
		d.mu.Lock()
		n := len(d.spares)
		if n == 0 {
			d.mu.Unlock()
			return session{}, false
		}
		s := d.spares[n-1]
		d.spares = d.spares[:n-1]
		d.mu.Unlock()
		if s.discard() == nil {
			return s, true
		}
		_ = s.Close()
	}
}

var errRefused = errors.New("the server refuses to forget a session")

// discard makes the server forget what the session has.
func (s session) discard() error {
	_ = s.SetDeadline(time.Now().Add(drain))
	defer s.SetDeadline(time.Time{})
	if _, err := s.Write(query("DISCARD ALL")); err != nil {
		return err
	}
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(s, head); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, s, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil {
			return err
		}
		switch head[0] {
		case 'E':
			return errRefused
		case 'Z':
			return nil
		}
	}
}

// greets reports whether a message is of the greeting that every session gets:
// what the server asks to know us stays out.
func (*lines) greets(kind byte, body []byte) bool {
	return kind != 'R' || binary.BigEndian.Uint32(body) == 0
}

// kill ends all connections, and lets nobody make new ones.
func (l *lines) kill() {
	l.mu.Lock()
	l.dead = true
	var open []*line
	for c := range l.open {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		c.mu.Lock()
		c.drop()
		c.mu.Unlock()
	}
}

// drop ends the connection as the end of its process would, and returns when
// the server has rolled back what was open. Nothing is where it is idle: its
// session is given back. mu is held.
func (c *line) drop() {
	if c.idle() {
		_ = c.close()
		return
	}
	_ = c.SetDeadline(time.Now().Add(drain))
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.Copy(io.Discard, c.Conn)
	}
	c.of.forget(c)
	_ = c.Conn.Close()
}

// Close implements net.Conn.
func (c *line) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.close()
}

// close gives the session back if it is idle. mu is held.
func (c *line) close() error {
	if !c.of.forget(c) {
		return net.ErrClosed
	}
	if !c.idle() {
		return c.Conn.Close()
	}
	c.gone = true
	_ = c.SetDeadline(time.Time{})
	d := c.of.postgresDatabase
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spares = append(d.spares, session{c.Conn, c.greeting})
	return nil
}

// forget reports whether the connection was open.
func (l *lines) forget(c *line) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := l.open[c]
	delete(l.open, c)
	return open
}
