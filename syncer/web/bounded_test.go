package web

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
)

// pipes is a listener to which there is always somebody.
type pipes struct{ net.Listener }

func (pipes) Accept() (net.Conn, error) {
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	return ours, nil
}

func (pipes) Close() error { return nil }

func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bounded{Listener: pipes{}, places: make(chan struct{}, 2), closed: make(chan struct{})}
		accepted := make(chan net.Conn)
		ended := make(chan error, 1)
		go func() {
			for {
				c, err := b.Accept()
				if err != nil {
					ended <- err
					return
				}
				accepted <- c
			}
		}()
		first, second := <-accepted, <-accepted
		more := func() bool {
			synctest.Wait()
			select {
			case c := <-accepted:
				defer func() { _ = c.Close() }()
				return true
			default:
				return false
			}
		}
		if more() {
			t.Fatal("a third connection is accepted beside two")
		}
		_ = first.Close()
		_ = first.Close() // the server may close twice
		third := <-accepted
		if more() {
			t.Error("a connection that is closed twice makes two places")
		}
		_ = b.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept ends with %v", err)
		}
		_, _ = second.Close(), third.Close()
	})
}
