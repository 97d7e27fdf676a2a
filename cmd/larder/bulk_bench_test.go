package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

const (
	// rowsVariable sets how many rows the benchmark copies.
	rowsVariable = "LARDER_BENCH_ROWS"
	// heapBound is what a poll may take of the Go heap, whatever the number of
	// rows. The memory of SQLite's pages is outside of it.
	heapBound = 64 << 20
)

// bulkConfig lacks the consumer's database, the owner's URL, and what else is
// said of paging.
const bulkConfig = `
consumer.app.database = %q
owner.bulk.url        = %q
[source.people]
schedule  = "@every 1h"
request   = { path = "/people", query = { updated_since = "{since}", cursor = "{cursor}" } }
paging    = { next = "meta.next_cursor"%s }
records   = { at = "data", key = "id", deleted = "deleted_at" }
watermark = "updated_at"
[[table]]
source    = "people"
budget    = "3h"
[table.columns]
id         = "bigint"
name       = "text"
email      = "text"
city       = "text"
balance    = "numeric"
active     = "boolean"
avatar     = { from = "profile.avatar", type = "text" }
updated_at = "timestamptz"
`

// bulkTotal has the walk held against the owner's total, for which it remembers
// every key.
const bulkTotal = `, total = "meta.total"`

// plain is a consumer's database as its driver reaches it, without larder.
type plain interface {
	// insert makes an empty table and writes the rows into it.
	insert(b *testing.B, rows int)
	// totals reads what the copy comes to.
	totals(b *testing.B) (count, ids int64)
}

// BenchmarkMillionRows copies a million rows through a cursor feed over HTTP
// into an empty table, and asks for all of them a second time, as an overlap
// does. The owner is another process, so that the heap is larder's alone.
//
//	peak-heap-MiB  most bytes of heap objects at any time, garbage included
//	peak-live-MiB  most bytes that a garbage collection found in use
//	rows/s         of the first poll
//	again-rows/s   of the second poll, which changes nothing
//	plain-rows/s   of the driver alone, given the same rows from memory
//	of-plain       rows/s as a share of plain-rows/s
//
// What the source alone takes, without a table, is measured apart.
func BenchmarkMillionRows(b *testing.B) {
	if os.Getenv(bulkOwnerVariable) != "" {
		serveBulk(b)
		return
	}
	b.Run("source", benchmarkBulkSource)
	b.Run("sqlite", func(b *testing.B) { benchmarkBulk(b, "", freshSQLite) })
	b.Run("sqlite with a total", func(b *testing.B) { benchmarkBulk(b, bulkTotal, freshSQLite) })
	b.Run("postgres", func(b *testing.B) { benchmarkBulk(b, "", freshPostgres) })
}

func freshSQLite(b *testing.B) (dsn string, db plain) {
	file := filepath.Join(b.TempDir(), "app.db")
	return "sqlite:" + file, plainSQLite{file}
}

func freshPostgres(b *testing.B) (dsn string, db plain) {
	dsn = postgrestest.Database(b)
	return dsn, plainPostgres{dsn}
}

// benchmarkBulk measures on databases that fresh makes. paging is added to the
// source's.
func benchmarkBulk(b *testing.B, paging string, fresh func(*testing.B) (dsn string, db plain)) {
	rows := bulkRows(b)
	url := startBulkOwner(b, rows)
	var first, again, alone time.Duration
	var most heap
	for b.Loop() {
		b.StopTimer()
		dsn, db := fresh(b)
		p := bulkParts(b, fmt.Sprintf(bulkConfig, dsn, url, paging))
		peak := watchHeap(b)
		b.StartTimer()
		filled := pollBulk(b, p)
		b.StopTimer()
		repeated := pollBulk(b, p)
		most.raise(peak())
		p.close()
		first, again = first+filled.Took, again+repeated.Took
		checkBulk(b, db, rows, filled.Tables[0].Applied, repeated.Tables[0].Applied)
		_, db = fresh(b)
		start := time.Now()
		db.insert(b, rows)
		alone += time.Since(start)
		b.StartTimer()
	}
	rate := func(took time.Duration) float64 { return float64(rows) * float64(b.N) / took.Seconds() }
	b.ReportMetric(0, "ns/op") // what it comes to is told by rows/s
	b.ReportMetric(float64(most.objects)/(1<<20), "peak-heap-MiB")
	b.ReportMetric(float64(most.live)/(1<<20), "peak-live-MiB")
	b.ReportMetric(rate(first), "rows/s")
	b.ReportMetric(rate(again), "again-rows/s")
	b.ReportMetric(rate(alone), "plain-rows/s")
	b.ReportMetric(rate(first)/rate(alone), "of-plain")
	if most.objects > heapBound {
		b.Fatalf("a poll of %d rows takes %d bytes of heap, more than %d", rows, most.objects, heapBound)
	}
}

// benchmarkBulkSource walks the source and drops what comes.
func benchmarkBulkSource(b *testing.B) {
	rows := bulkRows(b)
	unused := "sqlite:" + filepath.Join(b.TempDir(), "app.db")
	p := bulkParts(b, fmt.Sprintf(bulkConfig, unused, startBulkOwner(b, rows), ""))
	feed := p.feeds[0]
	b.ReportAllocs()
	for b.Loop() {
		read := 0
		w := syncer.Walk{ID: "bench", Kind: syncer.Changes, Partition: feed.Partitions[0], Sent: time.Now()}
		for batch, err := range feed.Source.Walk(b.Context(), w) {
			if err != nil {
				b.Fatal(err)
			}
			read += len(batch.Records)
		}
		if read != rows {
			b.Fatalf("the walk came to %d records, want %d", read, rows)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func bulkRows(b *testing.B) int {
	text := os.Getenv(rowsVariable)
	if text == "" {
		return 1_000_000
	}
	rows, err := strconv.Atoi(text)
	if err != nil || rows < 1 {
		b.Fatalf("%s is %q, want a number of rows", rowsVariable, text)
	}
	return rows
}

// bulkParts builds what a command would build.
func bulkParts(b *testing.B, text string) *parts {
	b.Helper()
	c, err := config.Parse(filepath.Join(b.TempDir(), "larder.toml"), []byte(text), os.LookupEnv)
	if err != nil {
		b.Fatal(err)
	}
	p, err := build(c, zerolog.Nop())
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// pollBulk polls the one feed as the command does.
func pollBulk(b *testing.B, p *parts) (report syncer.Report) {
	b.Helper()
	_, err := hold(b.Context(), p.consumers, func(ctx context.Context) error {
		reports := p.feeds[0].Poll(ctx, time.Time{})
		report = reports[0]
		_, err := syncer.Outcome(reports)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return report
}

// checkBulk makes sure that the polls did what is measured.
func checkBulk(b *testing.B, db plain, rows int, filled, repeated syncer.Applied) {
	b.Helper()
	if filled.Inserted != rows || repeated.Unchanged != rows {
		b.Fatalf("the polls came to %+v and %+v, want %d rows inserted, then as many unchanged", filled, repeated, rows)
	}
	n := int64(rows)
	if count, ids := db.totals(b); count != n || ids != n*(n-1)/2 {
		b.Fatalf("the copy has %d rows, their ids add up to %d; want %d and %d", count, ids, n, n*(n-1)/2)
	}
}

// heap is what a process holds, in bytes.
type heap struct {
	objects uint64 // in use, or garbage that is not yet swept
	live    uint64 // as the last garbage collection left it
}

func (h *heap) raise(to heap) {
	h.objects, h.live = max(h.objects, to.objects), max(h.live, to.live)
}

// watchHeap looks at the heap every two milliseconds until peak is called,
// once.
func watchHeap(b *testing.B) (peak func() heap) {
	runtime.GC()
	done, result := make(chan struct{}), make(chan heap)
	go func() {
		var most heap
		samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}}
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(samples)
			most.raise(heap{samples[0].Value.Uint64(), samples[1].Value.Uint64()})
			select {
			case <-tick.C:
			case <-done:
				result <- most
				return
			}
		}
	}()
	stop := context.AfterFunc(b.Context(), func() { close(done) })
	return func() heap {
		if stop() {
			close(done)
		}
		return <-result
	}
}
