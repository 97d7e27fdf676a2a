//go:build unix

package main_test

import "github.com/larder-sync/larder/cmd/larder/internal/killtest"

// messages strikes at the messages that a command sends to Postgres.
type messages struct {
	*rig
	proxy *killtest.Proxy
	// larder is a configuration that leads through the proxy.
	larder killtest.Larder
	// forward says that the server gets the message that is the last one.
	forward bool
}

// strike runs the command, kills it at the n-th message, and returns which one
// that was, "" if it came to its end, and how many it sent.
func (m messages) strike(n int) (label string, count int) {
	m.Helper()
	started := make(chan *killtest.Process, 1)
	m.proxy.Arm(killtest.Strike{At: n, Forward: m.forward, Do: func() {
		p := <-started
		p.Kill()
		started <- p
	}})
	p := m.larder.Start(m.T, m.command)
	started <- p
	err := p.Wait()
	label, count = m.proxy.Hit()
	switch {
	case label == "" && err != nil:
		m.Fatalf("%s of %d messages that nobody killed: %v", m.command, count, err)
	case label == "":
		m.redo("a command that nobody killed")
	case err == nil && label == "Terminate":
		// Who takes leave waits for no answer: the process may have ended before
		// it was struck, and then its poll was complete.
		return label, count
	case !p.Killed():
		m.Fatalf("%s ended by itself at message %d, %s: %v", m.command, count, label, err)
	default:
		m.tally.kills++
	}
	return label, count
}
