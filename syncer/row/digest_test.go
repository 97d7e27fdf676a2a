package row_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer/row"
)

func wide(n int) *row.Spec { return &row.Spec{Columns: make([]row.Column, n)} }

func TestDigestTellsValuesApart(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 6000, time.UTC)
	rows := [][]any{
		{nil, nil}, {"", nil}, {nil, ""}, {"", ""}, {"a", ""}, {"", "a"}, {"0", nil}, {"null", nil},
		{int64(0), nil}, {int64(1), nil}, {float64(0), nil}, {float64(1), nil}, {row.Decimal("0"), nil}, {row.Decimal("1"), nil},
		{true, nil}, {false, nil}, {"true", nil}, {[]byte{}, nil}, {[]byte("a"), nil}, {row.Document(`"a"`), nil}, {row.Document("null"), nil},
		{row.Document("[]"), nil}, {row.Document("{}"), nil}, {row.Document("[[1],2]"), nil}, {row.Document("[1,[2]]"), nil}, {row.Document(`{"a":1}`), nil},
		{row.Document(`{"a":"1"}`), nil}, {row.Document("9007199254740993"), nil}, {row.Document("9007199254740992"), nil},
		{row.Day("2024-01-02"), nil}, {"2024-01-02", nil}, {at, nil}, {at.Add(time.Microsecond), nil}, {at.AddDate(-2000, 0, 0), nil},
	}
	known := map[string]int{}
	for i, values := range rows {
		digest := wide(2).Digest(row.Row{Values: values})
		if j, ok := known[digest]; ok || len(digest) != 22 {
			t.Errorf("%#v and %#v have one digest %q", rows[j], values, digest)
		}
		known[digest] = i
	}
}

func TestDigestOfEqualValues(t *testing.T) {
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, pair := range [][2]any{
		{row.Decimal("1.50"), row.Decimal("1.5")},
		{row.Decimal("0.0"), row.Decimal("0")},
		{math.Copysign(0, -1), float64(0)},
		{at, at.In(time.FixedZone("", 3600))},
		{row.Document(`{"a":1.0,"b":[true,null]}`), row.Document(`{"b": [true, null], "a": 1}`)},
		{row.Document(`"\u0041"`), row.Document(`"A"`)},
		{row.Document(`1e2`), row.Document(`100`)},
	} {
		a, b := wide(1).Digest(row.Row{Values: []any{pair[0]}}), wide(1).Digest(row.Row{Values: []any{pair[1]}})
		if a != b {
			t.Errorf("%#v and %#v have digests %q and %q", pair[0], pair[1], a, b)
		}
	}
}

// TestDigestIsStable holds digests against those that databases already keep.
func TestDigestIsStable(t *testing.T) {
	values := []any{int64(7), "é", nil, 1.5, row.Decimal("2.50"), row.Document(`{"b":1,"a":[]}`), row.Day("2024-01-02"), true, []byte{1}, time.Unix(1, 0)}
	if got, want := wide(len(values)).Digest(row.Row{Values: values}), "Q9FOrfyK4PEMXhYkicb5KQ"; got != want {
		t.Errorf("digest %q, want %q", got, want)
	}
}

func TestSamplesDivideTheKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, of := rapid.String().Draw(t, "key"), rapid.IntRange(1, 50).Draw(t, "of")
		in := 0
		for nth := range of {
			if row.InSample(key, nth, of) {
				in++
				if !row.InSample(key, nth+of, of) || !row.InSample(key, nth-of, of) {
					t.Errorf("sample %d of %d is not that of the next round", nth, of)
				}
			}
		}
		if in != 1 {
			t.Errorf("key %q is in %d of %d samples", key, in, of)
		}
		if !row.InSample(key, 3, 0) || !row.InSample(key, 3, -1) {
			t.Errorf("key %q is not in the only sample", key)
		}
	})
	for _, of := range []int{2, 7, 10, 64} {
		sizes := make([]int, of)
		const keys = 20_000
		for i := range keys {
			for nth := range of {
				if row.InSample(fmt.Sprintf("[%d]", i), nth, of) {
					sizes[nth]++
				}
			}
		}
		for nth, size := range sizes {
			if mean := keys / of; size < mean*3/4 || size > mean*5/4 {
				t.Errorf("sample %d of %d has %d of %d keys", nth, of, size, keys)
			}
		}
	}
}
