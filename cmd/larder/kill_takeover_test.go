//go:build unix

package main_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
)

// mostMessages is how many messages a daemon that polls each second sends until
// it has polled once more, and a few of the next round.
const mostMessages = 60

// takeoversOf is how many daemons are killed where nobody says how many.
func takeoversOf(s killtest.Share) int {
	if s.Whole() {
		return mostMessages
	}
	return 2
}

// takeovers kills one daemon after the other while it polls. The one that stands
// by goes on, and the next one stands by. The lease is ended as time would end
// it.
func takeovers(t *testing.T, program string, count *tally, kills int) {
	if testing.Short() {
		t.Skip("the race detector does not see the daemons")
	}
	r := &rig{T: t, owner: newOwner(t), command: "run", tally: count}
	var kill func(p *killtest.Process, i, n int) string
	connect := func(int) {}
	var larders [2]killtest.Larder
	if count.database == "Postgres" {
		dsn := r.onPostgres(program)
		var proxies [2]*killtest.Proxy
		for i := range larders {
			proxies[i] = killtest.NewProxy(t, dsn)
			larders[i] = killtest.Configure(t, program, r.owner, proxies[i].URL())
		}
		connect = func(i int) { proxies[i].Arm(killtest.Strike{}) }
		kill = func(p *killtest.Process, i, n int) string { return r.killAtMessage(proxies[i], p, n) }
	} else {
		file := r.onSQLite(program)
		for i := range larders {
			larders[i] = killtest.Configure(t, program, r.owner, "sqlite:"+file)
		}
		kill = func(p *killtest.Process, _, _ int) string { return r.killWithin(p, 1100*time.Millisecond) }
	}
	count.points = mostMessages
	writer := r.writer(larders[0])
	for n := range kills {
		i := n % 2
		connect(1 - i)
		r.larder = larders[1-i]
		next := r.standby(writer.ID())
		r.owner.Mutate(manyChanges)
		label := kill(writer, i, 1+n%mostMessages)
		count.kills++
		r.state(label)
		r.succeeds(writer.ID(), next.ID())
		r.follows(patience)
		writer = next
	}
}

// succeeds ends the lease of a process that was killed until another one holds
// it: what the killed one has sent, a renewal among it, may come late.
func (r *rig) succeeds(killed, next int) {
	r.Helper()
	_, err := killtest.Eventually(r.within(patience), 50*time.Millisecond, func() (bool, error) {
		holder, err := r.consumer.Holder(r.Context())
		if err == nil && strings.Contains(holder, process(killed)) {
			end := "update larder.lease set expires_at = now()"
			if r.tally.database == "SQLite" {
				end = "update larder_lease set expires_at = 0"
			}
			return false, r.consumer.Exec(r.Context(), end)
		}
		return err == nil && strings.Contains(holder, process(next)), nil
	})
	if err != nil {
		r.Fatalf("lease does not go to %s: %v", process(next), err)
	}
}

// killAtMessage kills a daemon at the n-th message from here.
func (r *rig) killAtMessage(proxy *killtest.Proxy, p *killtest.Process, n int) string {
	r.Helper()
	struck := make(chan struct{})
	proxy.Rearm(killtest.Strike{At: n, Forward: n%2 == 0, Do: func() {
		p.Kill()
		close(struck)
	}})
	r.await(struck, "daemon has sent as many messages")
	label, _ := proxy.Hit()
	return fmt.Sprintf("daemon killed at message %d, %s", n, label)
}

// killWithin kills a daemon at an instant that is drawn.
func (r *rig) killWithin(p *killtest.Process, d time.Duration) string {
	at := rand.N(d)
	<-time.After(at)
	p.Kill()
	return fmt.Sprintf("daemon killed after %s", at)
}
