package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// BenchmarkApply writes 5,000 rows a transaction: as new ones, in a walk that
// notes keys, and once more without any change.
func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		name string
		kind syncer.WalkKind
		same bool
	}{{"new rows", syncer.Changes, false}, {"new rows with notes", syncer.Resync, false}, {"unchanged rows", syncer.Changes, true}} {
		b.Run(c.name, func(b *testing.B) {
			db := open(b, filepath.Join(b.TempDir(), "consumer.db"), "bench")
			table := db.Table(people())
			if err := db.Acquire(b.Context()); err != nil {
				b.Fatal(err)
			}
			if err := table.Prepare(b.Context()); err != nil {
				b.Fatal(err)
			}
			w := syncer.Walk{ID: "w", Kind: c.kind, Sent: time.Now()}
			const rows = 5000
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

// people is the table that most tests use; slots 0 to 2 are id, name and
// updated_at.
func people() row.Spec {
	return row.Spec{
		Name: "test.people", Target: "people", Source: "people", Partitions: []syncer.Partition{{}},
		Columns: []row.Column{
			{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}},
			{Name: "name", Type: row.Type{Kind: row.Text}, Slots: []int{1}},
			{Name: "updated_at", Type: row.Type{Kind: row.Timestamptz}, Slots: []int{2}},
		},
		Key: []int{0}, Version: 2, Shape: syncer.Shape("source", []string{"id", "name", "updated_at"}),
		Budget: syncer.Budget{Warn: 5 * time.Minute, Critical: 15 * time.Minute},
		Guard:  syncer.Guard{Share: 0.2, Floor: 10}, Confirm: 1, Remember: 2 * time.Minute,
	}
}

func person(id int, name, at string) syncer.Record {
	return syncer.Record{Slots: [][]byte{fmt.Append(nil, id), fmt.Appendf(nil, "%q", name), fmt.Appendf(nil, `"2026-11-23T%s:00Z"`, at)}}
}
