//go:build unix

package main_test

import (
	"fmt"
	"testing"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// A poll is killed at the messages that it sends to Postgres, every one of them
// over many runs. Whatever was left, one more poll makes the copy equal to its
// owner.
func TestKilledAtEveryMessageToPostgres(t *testing.T) {
	t.Parallel()
	program := killtest.Build(t)
	for _, test := range []struct {
		name    string
		first   bool // the database is as it was before larder first came
		forward bool // the server gets the message that is the last one
	}{
		{"a first poll, before the message", true, false},
		{"a later poll, before the message", false, false},
		{"a later poll, after the message", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, dsn := newPostgresRig(t, program)
			proxy := killtest.NewProxy(t, dsn)
			struck := killtest.Configure(t, program, r.owner, proxy.URL())
			if test.first {
				r.owner.Pages(2*killPageSize, killPageTime)
			} else {
				r.fill()
			}
			hits := make(killtest.Tally)
			messages := 0
			for n := range killtest.Points(t, share()) {
				changes := manyChanges
				if test.first {
					r.wipe()
					changes = fewChanges
				}
				r.change(changes)
				label, count := r.strike(proxy, struck, killtest.Strike{At: n, Forward: test.forward})
				hits.Add(label)
				if label == "" {
					messages = count
					break
				}
				r.recover(fmt.Sprintf("killed at message %d, %s", n, label))
			}
			if messages < 20 {
				t.Errorf("a poll of only %d messages", messages)
			}
			t.Logf("killed at %d of %d messages:\n%s", hits.Total(), messages, hits)
		})
	}
}

// strike polls through the proxy and returns the message at which the poll was
// killed, "" if it came to its end, and how many it sent.
func (r *rig) strike(proxy *killtest.Proxy, l killtest.Larder, s killtest.Strike) (label string, count int) {
	r.Helper()
	started := make(chan *killtest.Process, 1)
	s.Do = func() {
		p := <-started
		p.Kill()
		started <- p
	}
	proxy.Arm(s)
	p := l.Start(r.T, "poll")
	started <- p
	err := p.Wait()
	label, count = proxy.Hit()
	switch {
	case label == "" && err != nil:
		r.Fatalf("poll of %d messages that nobody killed: %v", count, err)
	case label == "":
		r.equal("a poll that nobody killed")
	case err == nil && label == "Terminate":
		// Who takes leave waits for no answer: the process may have ended before
		// it was struck, and then its poll was complete.
		r.equal("a poll that ended as it was struck")
	case !p.Killed():
		r.Fatalf("poll ended by itself at message %d, %s: %v", count, label, err)
	}
	return label, count
}

// share is how far apart the kill points lie that are struck where not all
// are. The race detector, for which CI says -short, does not see the process
// that is killed.
func share() int {
	if testing.Short() {
		return 25
	}
	return 8
}
