package sources_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// shelf is one feed of a fake owner in one table: slot 0 is the key, slot 1 the
// value.
type shelf struct {
	*syncer.Feed
	t      *testing.T
	memory *syncertest.Memory
	table  *syncertest.MemoryTable
	// between, if set, is called before the n-th request, from 1.
	between func(n int)
	turn    sync.Mutex
	asked   int
	daemon  *syncertest.Daemon
}

func newShelf(t *testing.T, owner http.Handler, spec sources.Spec) *shelf {
	t.Helper()
	return newShelfOf(t, owner, spec, func(*row.Spec) {})
}

// newShelfOf is newShelf of a table that table has had its way with.
func newShelfOf(t *testing.T, owner http.Handler, spec sources.Spec, table func(*row.Spec)) *shelf {
	t.Helper()
	s := &shelf{t: t, memory: &syncertest.Memory{}}
	carrier := sourcetest.Transport(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.turn.Lock()
		s.asked++
		if s.between != nil {
			s.between(s.asked)
		}
		s.turn.Unlock()
		owner.ServeHTTP(w, r)
	}))
	from := source(t, sources.Owner{Name: "fake", URL: "https://owner.example", Transport: carrier, Log: zerolog.Nop(),
		Retry: sources.Retry{Attempts: 1}}, spec)
	d := s.memory.NewDaemon("us")
	if err := d.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.daemon = d
	layout := row.Spec{Name: "c.copy", Target: "copy", Source: spec.Name, Key: []int{0}, Version: -1,
		Columns: []row.Column{
			{Name: "id", Type: row.Type{Kind: row.Text}, NotNull: true, Slots: []int{0}},
			{Name: "value", Type: row.Type{Kind: row.Text}, Slots: []int{1}},
		},
		Partitions: []syncer.Partition{{}}, Shape: syncer.Shape(spec.Name, []string{"id", "value"}),
		Confirm: 1, Guard: syncer.Guard{Share: 1, All: true},
	}
	table(&layout)
	s.table = d.Table(layout)
	if err := s.table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Feed = &syncer.Feed{Name: spec.Name, Source: from, Snapshot: spec.Mode == sources.SnapshotAll, Partitions: layout.Partitions,
		Copies: []*syncer.Copy{{Name: "c.copy", Table: s.table, Keeper: s.table}},
		Gather: syncer.Gather{Records: 1, Bytes: 1}}
	return s
}

// poll polls once, well, as kind.
func (s *shelf) poll(kind syncer.WalkKind) syncer.Report {
	s.t.Helper()
	r := s.Poll(s.t.Context(), time.Time{})[0]
	if !r.OK() {
		s.t.Fatalf("poll fails: %+v, tables %+v", r.Failure, r.Tables)
	}
	if r.Kind != kind {
		s.t.Errorf("poll is of kind %s, want %s", r.Kind, kind)
	}
	return r
}

// holds compares the copy with what the owner has.
func (s *shelf) holds(what string, want map[string]string) {
	s.t.Helper()
	got := map[string]string{}
	for _, r := range s.memory.Rows("copy", []string{"id", "value"}) {
		got[r[0]] = r[1]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("%s (-owner +copy):\n%s", what, diff)
	}
}

// aside is the keys that were set aside, each with why.
func (s *shelf) aside() map[string]string {
	s.t.Helper()
	all, err := s.daemon.Quarantine(s.t.Context(), "copy", 100)
	if err != nil {
		s.t.Fatal(err)
	}
	reasons := map[string]string{}
	for _, q := range all {
		reasons[q.Key] = q.Reason
	}
	return reasons
}

func (s *shelf) standing() syncer.Standing {
	s.t.Helper()
	st, err := s.table.Standing(s.t.Context(), syncer.Partition{})
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// lastAsked is the query of the last request.
func lastAsked(all []*url.URL) url.Values { return all[len(all)-1].Query() }
