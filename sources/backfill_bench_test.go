package sources_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// latency is what each request of the benchmarks takes at the owner.
const latency = 50 * time.Millisecond

// distant is a real server that answers after the latency.
func distant(b *testing.B, o *sourcetest.Owner, spec sources.Spec) *sources.Source {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(latency)
		defer timer.Stop()
		select {
		case <-timer.C:
			o.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	b.Cleanup(server.Close)
	return source(b, sources.Owner{Name: "distant", URL: server.URL, Log: zerolog.Nop(), Concurrency: 8,
		Retry: sources.Retry{Attempts: 1}}, spec)
}

// walkTime walks once and returns how long that takes.
func walkTime(b *testing.B, s *sources.Source, kind syncer.WalkKind, want int) time.Duration {
	started := time.Now()
	records := 0
	for batch, err := range s.Walk(b.Context(), syncer.Walk{ID: "w", Kind: kind, Sent: started}) {
		if err != nil {
			b.Fatal(err)
		}
		records += len(batch.Records)
	}
	if records < want {
		b.Fatalf("%d records came of %d", records, want)
	}
	return time.Since(started)
}

// BenchmarkBackfill is 64 windows of two pages, at 50 ms a request, walked one
// after the other and eight at one time. Its metric "speedup" is the ratio.
func BenchmarkBackfill(b *testing.B) {
	const days = 64
	o := &sourcetest.Owner{Style: sourcetest.Cursor, PageSize: 3, Tombstones: true}
	start := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -days+1)
	for day := range days {
		for i := range 6 {
			at := start.AddDate(0, 0, day).Add(time.Duration(i) * time.Second)
			o.Commit(sourcetest.Change{ID: int64(day*6 + i), Name: "n", Stamp: at, Commit: at, Visible: at})
		}
	}
	spec := windowed(b, start, 24*time.Hour)
	var one, eight time.Duration
	for b.Loop() {
		for _, c := range []struct {
			slices int
			took   *time.Duration
		}{{1, &one}, {8, &eight}} {
			spec.Watermark.Slices = c.slices
			*c.took += walkTime(b, distant(b, o, spec), syncer.Resync, days*6)
		}
	}
	b.ReportMetric(one.Seconds()/eight.Seconds(), "speedup")
}

// BenchmarkPagesAhead is a list of 64 counted pages at 50 ms a request, walked
// one after the other, because nothing tells how many there are, and ahead.
func BenchmarkPagesAhead(b *testing.B) {
	o := &sourcetest.Owner{Style: sourcetest.Page, PageSize: 3, Paging: sourcetest.Paging{Totals: true}, Order: sourcetest.ByID}
	o.Put("n", sequence(1, 64*3)...)
	spec := users(b, sources.Page)
	counted := spec
	counted.Paging.Total = "meta.total"
	var one, ahead time.Duration
	for b.Loop() {
		one += walkTime(b, distant(b, o, spec), syncer.Resync, 64*3)
		ahead += walkTime(b, distant(b, o, counted), syncer.Resync, 64*3)
	}
	b.ReportMetric(one.Seconds()/ahead.Seconds(), "speedup")
}
