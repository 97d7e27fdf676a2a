package row_test

import (
	"errors"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// sent computes what stands in slot 3, and fails on a boolean.
type sent struct{}

func (sent) Value(slots [][]byte) ([]byte, error) {
	switch {
	case len(slots) < 4 || len(slots[3]) == 0:
		return []byte("null"), nil
	case string(slots[3]) == "true":
		return nil, errors.New("is not computed: is true")
	}
	return slots[3], nil
}

func computing() row.Spec {
	s := users()
	s.Columns = append(s.Columns, row.Column{Name: "sum", Type: row.Type{Kind: row.Bigint}, Computed: sent{}})
	return s
}

func TestFoldComputes(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*row.Column)
		record syncer.Record
		want   any
		misfit string
		kept   string
	}{
		{"computed", nil, record("1", "5", "10", "7"), int64(7), "", ""},
		{"null", nil, record("1", "5", "10"), nil, "", ""},
		{"default for null", func(c *row.Column) { c.Default = []byte("3") }, record("1", "5", "10", "null"), int64(3), "", ""},
		{"not null", func(c *row.Column) { c.NotNull = true }, record("1", "5", "10"), nil, `column "sum" is null`, `{"id":1,"rev":5,"age":10,"sum":null}`},
		{"does not fit", nil, record("1", "5", "10", "1.5"), nil, `column "sum" is not an integer: it has a fraction: "1.5"`, `{"id":1,"rev":5,"age":10,"sum":1.5}`},
		{"fails", nil, record("1", "5", "10", "true"), nil, `column "sum" is not computed: is true`, `{":uncomputed":true,"id":1,"rev":5,"age":10}`},
		{"another column does not fit", nil, record("1", "5", "{}", "7"), nil, `column "age" is an object where integer is wanted`, `{"id":1,"rev":5,"age":{},"sum":7}`},
		{"and it fails besides", nil, record("1", "5", "{}", "true"), nil, `column "age" is an object where integer is wanted`, `{":uncomputed":true,"id":1,"rev":5,"age":{}}`},
	} {
		s := computing()
		if test.change != nil {
			test.change(&s.Columns[len(s.Columns)-1])
		}
		// The record before leaves nothing behind.
		got := s.Fold(batch(record("0", "1", "1", "99"), test.record), false)
		if test.misfit != "" {
			if len(got.Misfits) != 1 || got.Misfits[0].Why() != test.misfit || got.Misfits[0].Record != test.kept {
				t.Errorf("%s: got %+v, want %s of %s", test.name, got.Misfits, test.misfit, test.kept)
			}
			continue
		}
		if len(got.Upserts) != 2 || len(got.Misfits) != 0 {
			t.Errorf("%s: got %+v", test.name, got)
			continue
		}
		if diff := gocmp.Diff(test.want, got.Upserts[1].Values[3]); diff != "" {
			t.Errorf("%s: value (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestTombstonesAreNotComputed(t *testing.T) {
	s := computing()
	if got := s.Fold(batch(tombstone("1", "5", "", "true")), false); len(got.Deletes) != 1 || len(got.Misfits) != 0 {
		t.Errorf("got %+v", got)
	}
}

// Quarantine keeps what was computed, for its fields are not kept.
func TestRetryOfComputed(t *testing.T) {
	s := computing()
	kept := s.Fold(batch(record("1", "5", "{}", "7")), false).Misfits[0].Record
	s.Columns[2].Type.Kind = row.JSON
	r, misfit, err := s.Retry(kept)
	if misfit != nil || err != nil || r.Values[3] != int64(7) {
		t.Errorf("got %+v, %+v, %v", r, misfit, err)
	}
	if back := s.Record(r.Values); back != kept {
		t.Errorf("a row is kept as %s, want %s", back, kept)
	}
	kept = s.Fold(batch(record("1", "5", "1", "true")), false).Misfits[0].Record
	if _, _, err := s.Retry(kept); !errors.Is(err, row.ErrUncomputed) {
		t.Errorf("got %v, want %v", err, row.ErrUncomputed)
	}
}

// A partial record tells of a computed column, which is computed of what every
// record has.
func TestPartialRecordsCompute(t *testing.T) {
	s := computing()
	s.Partial = true
	got := s.Fold(batch(record("1", "5", "", "7")), false).Upserts[0]
	if diff := gocmp.Diff([]bool{false, false, true, false}, got.Absent); diff != "" || got.Values[3] != int64(7) {
		t.Errorf("got %+v; absent (-want +got):\n%s", got, diff)
	}
}

// Broken text is mended before anything is computed of it.
func TestComputesOfMendedText(t *testing.T) {
	s := computing()
	s.Columns[3].Type.Kind, s.Broken = row.Text, row.BrokenStrip
	got := s.Fold(batch(record("1", "5", "1", "\"a\xff\"")), false)
	if len(got.Upserts) != 1 || got.Upserts[0].Values[3] != "a" {
		t.Errorf("got %+v", got)
	}
}
