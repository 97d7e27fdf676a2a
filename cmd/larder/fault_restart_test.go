//go:build unix

package main_test

import (
	"fmt"
	"testing"

	"github.com/larder-sync/larder/cmd/larder/internal/killtest"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// restartPlaces are messages of a poll at which the database goes away.
var restartPlaces = []string{
	`Query begin`,
	`Execute SELECT 1 FROM "larder"."lease"`,
	`CopyData`,
	`UPDATE "larder"."watermark"`,
	`Query commit`,
}

// The server of the copy crashes, or is shut down, in the middle of what a
// daemon writes, stays away for as long as it takes the daemon to say so, and
// comes back: the same daemon goes on.
func TestPostgresRestartsUnderADaemon(t *testing.T) {
	t.Parallel()
	program := killtest.Build(t)
	for name, stop := range map[string]func(*postgrestest.Server, testing.TB){
		"crashes": (*postgrestest.Server).Stop, "is shut down": (*postgrestest.Server).Shut,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := postgrestest.Start(t)
			dsn := server.Database(t)
			r := newRig(t)
			r.consumer, r.larder = killtest.OpenPostgres(t, dsn), killtest.Configure(t, program, r.owner, dsn)
			proxy := killtest.NewProxy(t, dsn)
			f := r.run(killtest.Configure(t, program, r.owner, proxy.URL()))
			for _, place := range faults(t, restartPlaces...) {
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
		})
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
