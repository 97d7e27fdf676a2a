package row_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer/row"
)

// What Record writes, Retry reads as the same row, of every type.
func TestRecordIsReadAgain(t *testing.T) {
	unix, err := row.ParseFormat("unix", nil)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 4, 5, 6, 789_012_000, time.UTC)
	values := []any{int64(7), `"quoted" and ünï`, true, int64(-3), 0.1, row.Decimal("12345678901234567890.50"), at, at.Truncate(time.Second),
		row.Day("2024-02-29"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", row.Document(`{"a":[1,2.50]}`), []byte{0, 255}, nil}
	kinds := []row.Kind{row.Bigint, row.Text, row.Boolean, row.Integer, row.Double, row.Numeric, row.Timestamptz, row.Timestamptz,
		row.Date, row.UUID, row.JSON, row.Bytes, row.Text}
	s := &row.Spec{Key: []int{0}, Version: -1}
	for i, k := range kinds {
		s.Columns = append(s.Columns, row.Column{Name: string(rune('a' + i)), Type: row.Type{Kind: k}, Slots: []int{i}})
	}
	s.Columns[7].As = unix
	got, misfit, err := s.Retry(s.Record(values))
	if err != nil || misfit != nil {
		t.Fatalf("retry of %s: %v, %v", s.Record(values), misfit, err)
	}
	if diff := cmp.Diff(values, got.Values); diff != "" {
		t.Errorf("values differ (-want +got):\n%s", diff)
	}
}
