package postgres_test

import (
	"fmt"
	"testing"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// BenchmarkApply writes 20,000 rows a transaction: as new ones, in a walk that
// notes keys, and once more without any change.
func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		name string
		kind syncer.WalkKind
		same bool
	}{{"new rows", syncer.Changes, false}, {"new rows with notes", syncer.Resync, false}, {"unchanged rows", syncer.Changes, true}} {
		b.Run(c.name, func(b *testing.B) {
			db := open(b, postgrestest.Database(b), "bench")
			table := db.Table(people())
			if err := db.Acquire(b.Context()); err != nil {
				b.Fatal(err)
			}
			if err := table.Prepare(b.Context()); err != nil {
				b.Fatal(err)
			}
			w := walk(c.kind, "w")
			const rows = 20_000
			for i := 0; b.Loop(); i++ {
				first := i * rows
				if c.same {
					first = 0
				}
				batch := &syncer.Batch{Records: make([]syncer.Record, rows)}
				for j := range batch.Records {
					batch.Records[j] = person(first+j, fmt.Sprintf("name %d", first+j), "00:05")
				}
				if _, err := table.Apply(b.Context(), w, []*syncer.Batch{batch}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
