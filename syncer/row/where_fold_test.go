package row_test

import (
	"errors"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// grown takes records whose age, in slot 2, has two digits, and cannot judge a
// string.
type grown struct{}

func (grown) Holds(slots [][]byte) (bool, error) {
	age := ""
	if len(slots) > 2 {
		age = string(slots[2])
	}
	if strings.HasPrefix(age, `"`) {
		return false, errors.New("where: age is a string")
	}
	return len(age) == 2, nil
}

func TestFoldByCondition(t *testing.T) {
	for _, test := range []struct {
		name             string
		records          []syncer.Record
		changes, listing string
	}{
		{"takes", []syncer.Record{record("1", "5", "10")}, "[1]=10@5", "[1]=10@5"},
		{"turns down", []syncer.Record{record("1", "5", "9")}, "-[1]@5?", ""},
		{"what does not fit anyway", []syncer.Record{record("1", "5", "1.5")}, "-[1]@5?", ""},
		{"without a key", []syncer.Record{record("null", "5", "9")}, "!sha256:", ""},
		{"newer is turned down", []syncer.Record{record("1", "5", "10"), record("1", "6", "9")}, "-[1]@6?", ""},
		{"older is turned down", []syncer.Record{record("1", "5", "10"), record("1", "4", "9")}, "[1]=10@5", "[1]=10@5"},
		{"one without version is older", []syncer.Record{record("1", "5", "10"), record("1", "", "9")}, "[1]=10@5", "[1]=10@5"},
		{"newer is taken", []syncer.Record{record("1", "5", "9"), record("1", "6", "10")}, "[1]=10@6", "[1]=10@6"},
		{"tombstone is not judged", []syncer.Record{tombstone("1", "5", `"x"`)}, "-[1]@5", "-[1]@5"},
		{"cannot be judged", []syncer.Record{record("1", "5", `"x"`)}, `!{":unjudged":true,"id":1,"rev":5,"age":"x"}`, `!{":unjudged":true,"id":1,"rev":5,"age":"x"}`},
		{"nor its key read", []syncer.Record{record("null", "5", `"x"`)}, "!sha256:", "!sha256:"},
		{"voids a misfit", []syncer.Record{record("1", "5", `"x"`), record("1", "6", "9")}, "-[1]@6?", ""},
	} {
		s := users()
		s.Where = grown{}
		for listing, want := range map[bool]string{false: test.changes, true: test.listing} {
			got := s.Fold(batch(test.records...), listing)
			words := told(got)
			if len(got.Deletes) == 1 && got.Deletes[0].Turned {
				words += "?"
			}
			if words != want || got.Records != len(test.records) {
				t.Errorf("%s, listing %v: got %q of %d records, want %q", test.name, listing, words, got.Records, want)
			}
		}
	}
}

func TestUnjudgedRecordIsNoRow(t *testing.T) {
	s := users()
	s.Where = grown{}
	m := s.Fold(batch(record("1", "5", `"x"`)), false).Misfits[0]
	want := row.Misfit{Key: "[1]", Readable: true, KeyValues: []any{int64(1)}, Reason: "where: age is a string", Record: m.Record}
	if diff := gocmp.Diff(want, m); diff != "" || m.Why() != "where: age is a string" {
		t.Errorf("%s; misfit (-want +got):\n%s", m.Why(), diff)
	}
	s.Columns[2].Type.Kind = row.Text
	if _, _, err := s.Retry(m.Record); !errors.Is(err, row.ErrUnjudged) {
		t.Errorf("got %v, want %v", err, row.ErrUnjudged)
	}
}

func TestFoldKeeps(t *testing.T) {
	s := users()
	s.Keep, s.Where = true, grown{}
	records := []syncer.Record{record("1", "5", "10"), tombstone("1", "6"), tombstone("2"), tombstone("null"), record("3", "5", "9"), record("4", "1", "20")}
	for _, listing := range []bool{false, true} {
		if got := s.Fold(batch(records...), listing); told(got) != "[1]=10@5 [4]=20@1" || got.Records != 6 {
			t.Errorf("listing %v: got %q of %d records", listing, told(got), got.Records)
		}
	}
}

func TestFoldOfPartialRecords(t *testing.T) {
	for _, test := range []struct {
		name    string
		records []syncer.Record
		want    []any
		absent  []bool
	}{
		{"whole", []syncer.Record{record("1", "5", "10", `"a"`)}, []any{int64(1), int64(5), int64(10), "a"}, nil},
		{"null is told", []syncer.Record{record("1", "5", "null", `"a"`)}, []any{int64(1), int64(5), nil, "a"}, nil},
		{"absent", []syncer.Record{record("1", "5", "", `"a"`)}, []any{int64(1), int64(5), nil, "a"}, []bool{false, false, true, false}},
		{"not null may be absent", []syncer.Record{record("1", "5", "10")}, []any{int64(1), int64(5), int64(10), nil}, []bool{false, false, false, true}},
		{"add up", []syncer.Record{record("1", "5", "10", ""), record("1", "6", "", `"a"`)}, []any{int64(1), int64(6), int64(10), "a"}, nil},
		{"later wins", []syncer.Record{record("1", "5", "10", `"a"`), record("1", "6", "11")}, []any{int64(1), int64(6), int64(11), "a"}, nil},
		{"older loses", []syncer.Record{record("1", "5", "", `"a"`), record("1", "4", "11")}, []any{int64(1), int64(5), nil, "a"}, []bool{false, false, true, false}},
		{"without version", []syncer.Record{record("1", "5", "", `"a"`), record("1", "", "11")}, []any{int64(1), int64(5), int64(11), "a"}, nil},
		{"both absent", []syncer.Record{record("1", "5"), record("1", "6")}, []any{int64(1), int64(6), nil, nil}, []bool{false, false, true, true}},
		{"as new as the delete", []syncer.Record{record("1", "5", "10", `"a"`), tombstone("1", "6"), record("1", "", "", `"b"`)}, []any{int64(1), int64(6), nil, "b"}, nil},
		{"after a delete", []syncer.Record{record("1", "5", "10", `"a"`), tombstone("1", "6"), record("1", "7", "", `"b"`)}, []any{int64(1), int64(7), nil, "b"}, nil},
	} {
		s := users()
		s.Partial = true
		s.Columns[1].Slots = []int{1}
		s.Columns = append(s.Columns, row.Column{Name: "name", NotNull: true, Slots: []int{3}})
		got := s.Fold(batch(test.records...), false)
		if len(got.Upserts) != 1 || len(got.Misfits) != 0 {
			t.Errorf("%s: got %+v", test.name, got)
			continue
		}
		if diff := gocmp.Diff(row.Row{Key: "[1]", Values: test.want, Absent: test.absent}, got.Upserts[0]); diff != "" {
			t.Errorf("%s: row differs (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestListedRecordsAreWhole(t *testing.T) {
	s := users()
	s.Partial = true
	s.Columns[2].NotNull = true
	if got := s.Fold(batch(record("1", "5")), true); len(got.Misfits) != 1 || got.Misfits[0].Reason != "is missing" {
		t.Errorf("got %+v, want a misfit", got)
	}
	s.Columns[2].Default = []byte("7")
	if got := s.Fold(batch(record("1", "5")), false); len(got.Upserts) != 1 || got.Upserts[0].Absent != nil || got.Upserts[0].Values[2] != int64(7) {
		t.Errorf("got %+v, want the default", got)
	}
	s.Columns[2].Default = nil
	r, misfit, err := s.Retry(`{"id":1,"rev":5}`)
	if diff := gocmp.Diff([]bool{false, false, true}, r.Absent); misfit != nil || err != nil || diff != "" {
		t.Errorf("got %+v, %v and absent columns (-want +got):\n%s", misfit, err, diff)
	}
}
