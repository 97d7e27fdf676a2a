package simulation

import (
	"net/http"
	"testing"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// Place makes a fresh, empty database for copies to live in. It is called in
// the bubble of a history, once or twice.
type Place func(t testing.TB) syncertest.Harness

// Memory is the place that costs nothing.
func Memory(testing.TB) syncertest.Harness { return syncertest.MemoryHarness() }

// Seams are where a mistake can be planted. Nil fields change nothing. History
// is called first, once; the others each time that a daemon starts.
type Seams struct {
	// History breaks a contract, or a setting that should fit it.
	History func(*History)
	Spec    func(*sources.Spec)
	Row     func(*row.Spec)
	// Transport stands between the client and the network, where faults are.
	Transport func(http.RoundTripper) http.RoundTripper
	Source    func(syncer.Source) syncer.Source
	// Table stands between the feed and what counts and strikes its writes.
	Table func(syncertest.Table) syncer.Table
}
