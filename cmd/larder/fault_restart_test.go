//go:build unix

package main_test

import (
	"fmt"
	"testing"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// writePlaces are messages of a poll by which it writes.
var writePlaces = []string{
	`Query begin`,
	`Execute SELECT 1 FROM "larder"."lease"`,
	`CopyData`,
	`UPDATE "larder"."watermark"`,
	`Query commit`,
}

// restarts is a server that crashes, or is shut down, in the middle of what a
// daemon writes, stays away for as long as it takes the daemon to say so, and
// comes back.
func restarts(name string, stop func(*postgrestest.Server, testing.TB)) faultStory {
	return func(t *testing.T, program string) {
		server := postgrestest.Start(t)
		dsn := server.Database(t)
		r := newRig(t)
		r.consumer, r.larder = killtest.OpenPostgres(t, dsn), killtest.Configure(t, program, r.owner, dsn)
		proxy := killtest.NewProxy(t, dsn)
		f := r.run(killtest.Configure(t, program, r.owner, proxy.URL()))
		for _, place := range faults(t, writePlaces...) {
			for _, forward := range faults(t, false, true) {
				when := fmt.Sprintf("the server %s at %q, which it got: %v", name, place, forward)
				f.strike(proxy, killtest.Strike{Match: place, Forward: forward, Cut: true, Do: func() { stop(server, t) }})
				f.says(`"class":"db"`)
				if l := f.status(when); l.Level != "unknown" || l.Reason == "" {
					t.Errorf("%s: status says %+v", when, l)
				}
				server.Restart(t)
				f.consumer = killtest.OpenPostgres(t, dsn)
				f.recovers(when)
			}
		}
	}
}

// connectionsAreCut breaks all connections to the server, which goes on: at any
// message, or between a commit and its answer.
func connectionsAreCut(t *testing.T, program string) {
	r, dsn := newPostgresRig(t, program)
	proxy := killtest.NewProxy(t, dsn)
	f := r.run(killtest.Configure(t, program, r.owner, proxy.URL()))
	for _, place := range faults(t, writePlaces...) {
		for _, forward := range []bool{false, true} {
			when := fmt.Sprintf("the connections are cut at %q, which the server got: %v", place, forward)
			f.strike(proxy, killtest.Strike{Match: place, Forward: forward, Cut: true})
			f.recovers(when)
		}
	}
}

// strike waits until the proxy has struck.
func (f *faulty) strike(proxy *killtest.Proxy, s killtest.Strike) {
	f.Helper()
	f.listens()
	struck, do := make(chan struct{}), s.Do
	s.Do = func() {
		if do != nil {
			do()
		}
		close(struck)
	}
	proxy.Rearm(s)
	f.await(struck, "message "+s.Match)
}
