package row_test

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// users is a table with a key, a version and a bounded value.
func users() row.Spec {
	return row.Spec{
		Columns: []row.Column{
			{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}},
			{Name: "rev", Type: row.Type{Kind: row.Integer}, Slots: []int{1, 3}},
			{Name: "age", Type: row.Type{Kind: row.Integer}, Slots: []int{2}},
		},
		Key: []int{0}, Version: 1,
	}
}

func tombstone(texts ...string) syncer.Record {
	r := record(texts...)
	r.Gone = true
	return r
}

func batch(records ...syncer.Record) []*syncer.Batch { return []*syncer.Batch{{Records: records}} }

// told writes down what a Fold came to: one word a change.
func told(f row.Folded) string {
	var words []string
	for _, r := range f.Upserts {
		words = append(words, fmt.Sprintf("%s=%v@%v", r.Key, r.Values[2], r.Values[1]))
	}
	for _, r := range f.Deletes {
		words = append(words, fmt.Sprintf("-%s@%v", r.Key, r.Values[1]))
	}
	for _, m := range f.Misfits {
		if m.Readable {
			words = append(words, "!"+m.Record)
		} else {
			words = append(words, fmt.Sprintf("!%.7s", m.Key))
		}
	}
	return strings.Join(words, " ")
}

func TestFold(t *testing.T) {
	tests := []struct {
		name    string
		records []syncer.Record
		want    string
	}{
		{"later of equal version", []syncer.Record{record("1", "5", "10"), record("1", "5", "11")}, "[1]=11@5"},
		{"older version loses", []syncer.Record{record("1", "5", "10"), record("1", "4", "11")}, "[1]=10@5"},
		{"null is oldest", []syncer.Record{record("1", "5", "10"), record("1", "null", "11")}, "[1]=10@5"},
		{"first version that is not null", []syncer.Record{record("1", "null", "10", "7"), record("1", "6", "11")}, "[1]=10@7"},
		{"keys alike by value", []syncer.Record{record("1", "1", "10"), record(`"1.0"`, "2", "11"), record("1e0", "3", "12")}, "[1]=12@3"},
		{"tombstone wins by version", []syncer.Record{record("1", "5", "10"), tombstone("1", "5")}, "-[1]@5"},
		{"tombstone loses by version", []syncer.Record{record("1", "5", "10"), tombstone("1", "4")}, "[1]=10@5"},
		{"tombstone without version wins", []syncer.Record{record("1", "5", "10"), tombstone("1")}, "-[1]@<nil>"},
		{"everything replaces it", []syncer.Record{tombstone("1"), record("1", "", "10")}, "[1]=10@<nil>"},
		{"record after tombstone", []syncer.Record{tombstone("1", "5"), record("1", "6", "10")}, "[1]=10@6"},
		{"tombstone needs a key only", []syncer.Record{tombstone("1", `"x"`, `"x"`), tombstone("2", "7", "1.5")}, "-[1]@<nil> -[2]@7"},
		{"tombstone without key", []syncer.Record{tombstone("null", "5")}, "!sha256:"},
		{"sorted by key", []syncer.Record{record("2", "1", "1"), record("10", "1", "1"), tombstone("3"), tombstone("1")}, "[10]=1@1 [2]=1@1 -[1]@<nil> -[3]@<nil>"},
		{"misfit keeps the good one", []syncer.Record{record("1", "5", "10"), record("1", "6", "1.5")}, `[1]=10@5 !{"id":1,"rev":6,"age":1.5}`},
		{"older misfit is void", []syncer.Record{record("1", "5", "10"), record("1", "4", "1.5")}, "[1]=10@5"},
		{"newer good voids a misfit", []syncer.Record{record("1", "5", "1.5"), record("1", "6", "10")}, "[1]=10@6"},
		{"older good does not", []syncer.Record{record("1", "5", "1.5"), record("1", "4", "10")}, `[1]=10@4 !{"id":1,"rev":5,"age":1.5}`},
		{"tombstone voids a misfit", []syncer.Record{record("1", "5", "1.5"), tombstone("1")}, "-[1]@<nil>"},
		{"misfit after it was void", []syncer.Record{record("1", "5", "1.5"), record("1", "6", "1"), record("1", "7", "2.5")}, `[1]=1@6 !{"id":1,"rev":7,"age":2.5}`},
		{"one misfit a key", []syncer.Record{record("1", "5", "1.5"), record("1", "4", "2.5"), record("null"), record("null")}, `!{"id":1,"rev":5,"age":1.5} !sha256:`},
		{"no slots at all", []syncer.Record{{}}, "!sha256:"},
	}
	for _, test := range tests {
		s := users()
		got := s.Fold(batch(test.records...), false)
		if told(got) != test.want || got.Records != len(test.records) {
			t.Errorf("%s: got %s of %d records, want %s", test.name, told(got), got.Records, test.want)
		}
	}
}

func TestFoldSaysWhatDoesNotFit(t *testing.T) {
	s := users()
	got := s.Fold(batch(record("7", "5", "1.5"), tombstone("1.5", "5"), record("8", "5", "9", "\"\xff\"")), false).Misfits
	want := []row.Misfit{
		{Key: "[7]", Readable: true, KeyValues: []any{int64(7)}, Column: "age", Reason: `is not an integer: it has a fraction: "1.5"`, Record: `{"id":7,"rev":5,"age":1.5}`},
		{Key: got[1].Key, Column: "id", Reason: `is not an integer: it has a fraction: "1.5"`, Record: `{":deleted":true,"id":1.5,"rev":5}`},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("misfits differ (-want +got):\n%s", diff)
	}
	if _, _, err := s.Retry(got[1].Record); err != row.ErrTombstone {
		t.Errorf("got %v, want %v", err, row.ErrTombstone)
	}
	wider := users()
	wider.Columns[2].Type.Kind = row.Numeric
	back, misfit, err := wider.Retry(got[0].Record)
	if diff := gocmp.Diff(row.Row{Key: "[7]", Values: []any{int64(7), int64(5), row.Decimal("1.5")}}, back); misfit != nil || err != nil || diff != "" {
		t.Errorf("got %+v, %v and row (-want +got):\n%s", misfit, err, diff)
	}
	for _, broken := range []string{"", "[]", "{", `{"id":1} x`, `{"id":}`, `{"id:base64":"?"}`} {
		if r, m, err := s.Retry(broken); err == nil {
			t.Errorf("record %q: got %+v, %+v without an error", broken, r, m)
		}
	}
}

func TestLongRecordIsCut(t *testing.T) {
	s := users()
	for i := range 400 {
		s.Columns = append(s.Columns, row.Column{Name: fmt.Sprintf("c%d", i), Slots: []int{4}})
	}
	for _, long := range []string{`"` + strings.Repeat("é", 5000) + `"`, "\"" + strings.Repeat("\xff", 10000) + "\"", `"` + strings.Repeat("x", 60) + `"`} {
		m := s.Fold(batch(record("1", "5", "1.5", "", long)), false).Misfits[0]
		_, _, err := s.Retry(m.Record)
		if len(m.Record) > 16<<10 || err != row.ErrCut || !strings.HasPrefix(m.Record, `{"id":1,"rev":5,"age":1.5,`) {
			t.Errorf("%.10s: got %d bytes, %v: %.200s", long, len(m.Record), err, m.Record)
		}
	}
}

// TestSlots: a column takes the first slot that is there, a version the first
// that is not null; a tombstone's version is the owner's or none.
func TestSlots(t *testing.T) {
	s := row.Spec{Key: []int{0}, Version: 1, VersionFormat: format(t, "integer", ""), Columns: []row.Column{
		{Name: "id", Slots: []int{0}},
		{Name: "rev", Slots: []int{1, 2}, Default: []byte(`"0"`)},
		{Name: "name", Slots: []int{9, 1, 2}},
	}}
	values := func(r syncer.Record) []any {
		f := s.Fold(batch(r), false)
		return append(f.Upserts, f.Deletes...)[0].Values
	}
	for _, test := range []struct {
		record syncer.Record
		want   []any
	}{
		{record("1", "null", "7"), []any{"1", "7", nil}},
		{record("1", "", "7"), []any{"1", "7", "7"}},
		{record("1", "null"), []any{"1", nil, nil}},
		{record("1"), []any{"1", "0", nil}},
		{tombstone("1", "null"), []any{"1", nil, nil}},
		{tombstone("1"), []any{"1", nil, nil}},
		{tombstone("1", "null", "7"), []any{"1", "7", nil}},
	} {
		if diff := gocmp.Diff(test.want, values(test.record)); diff != "" {
			t.Errorf("%s: values differ (-want +got):\n%s", test.record.Slots, diff)
		}
	}
}

func TestKey(t *testing.T) {
	s := row.Spec{Version: -1}
	raws := []string{`"a\"\u00e9<"`, `"7"`, `1.500`, `"2024-01-02T03:04:05+02:00"`, `true`, `-0.0`, `"AA=="`, `"2024-01-02"`, `"A0EEBC999C0B4EF8BB6D6BB9BD380A11"`}
	for i, kind := range []row.Kind{row.Text, row.Bigint, row.Numeric, row.Timestamptz, row.Boolean, row.Double, row.Bytes, row.Date, row.UUID} {
		s.Columns = append(s.Columns, row.Column{Name: kind.String(), Type: row.Type{Kind: kind}, Slots: []int{i}})
		s.Key = append(s.Key, i)
	}
	const want = `["a\"é<",7,1.5,"2024-01-02T01:04:05.000000Z",true,0,"AA==","2024-01-02","a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]`
	if got := s.Fold(batch(record(raws...)), false); len(got.Upserts) != 1 || got.Upserts[0].Key != want {
		t.Errorf("got %+v, want key %s", got, want)
	}
	raws[0] = `"` + strings.Repeat("x", 2048) + `"`
	got := s.Fold(batch(record(raws...)), false)
	if len(got.Misfits) != 1 || got.Misfits[0].Readable || !strings.Contains(got.Misfits[0].Reason, "longer than 2048 bytes") {
		t.Errorf("got %+v, want a misfit for its long key", got)
	}
}

func TestPartitionValues(t *testing.T) {
	s := users()
	s.Columns = append(s.Columns, row.Column{Name: "city", Each: "name", NotNull: true}, row.Column{Name: "lat", Type: row.Type{Kind: row.Numeric}, Each: "lat"})
	p := syncer.Partition{Values: []syncer.PartitionValue{{Name: "lat", JSON: []byte("52.50")}, {Name: "name", JSON: []byte(`"Berlin"`)}}}
	columns, values, err := s.PartitionValues(p)
	if diff := gocmp.Diff([]any{"Berlin", row.Decimal("52.50")}, values); diff != "" || err != nil || !slices.Equal(columns, []int{3, 4}) {
		t.Errorf("got columns %v, %v, values (-want +got):\n%s", columns, err, diff)
	}
	if _, _, err := s.PartitionValues(syncer.Partition{}); err == nil || !strings.Contains(err.Error(), `partition value "name" for column "city": it is missing`) {
		t.Errorf("got %v", err)
	}
}

// event is a record as the oracle sees it; rev 0 stands for none.
type event struct {
	key, rev, age int
	gone, misfit  bool
}

func (e event) record() syncer.Record {
	texts := []string{fmt.Sprint(e.key), "", fmt.Sprint(e.age)}
	if e.rev > 0 {
		texts[1] = fmt.Sprint(e.rev)
	}
	if e.misfit {
		texts[2] += ".5"
	}
	r := record(texts...)
	r.Gone = e.gone
	return r
}

// stored is the event's record as quarantine holds it.
func (e event) stored() string {
	if e.rev == 0 {
		return fmt.Sprintf(`{"id":%d,"age":%d.5}`, e.key, e.age)
	}
	return fmt.Sprintf(`{"id":%d,"rev":%d,"age":%d.5}`, e.key, e.rev, e.age)
}

// oracle goes through the events one by one and keeps for each key the last
// word and the misfit, by the sentences of Fold's documentation.
func oracle(events []event) string {
	var words []string
	for key := 1; key <= 3; key++ {
		var held, bad *event
		for _, e := range events {
			switch {
			case e.key != key:
			case e.misfit && !e.gone:
				stale := held != nil && held.rev > 0 && e.rev > 0 && e.rev < held.rev
				if !stale && (bad == nil || e.rev >= bad.rev) {
					bad = &e
				}
			case held == nil, e.gone && e.rev == 0, held.gone && held.rev == 0, e.rev >= held.rev:
				held = &e
				if bad != nil && (e.gone && e.rev == 0 || e.rev >= bad.rev) {
					bad = nil
				}
			}
		}
		rev := func(e *event) any {
			if e.rev == 0 {
				return nil
			}
			return e.rev
		}
		if held != nil && held.gone {
			words = append(words, fmt.Sprintf("1-[%d]@%v", key, rev(held)))
		} else if held != nil {
			words = append(words, fmt.Sprintf("0[%d]=%d@%v", key, held.age, rev(held)))
		}
		if bad != nil {
			words = append(words, "2!"+bad.stored())
		}
	}
	slices.SortStableFunc(words, func(a, b string) int { return cmp.Compare(a[:1], b[:1]) })
	for i := range words {
		words[i] = words[i][1:]
	}
	return strings.Join(words, " ")
}

func TestFoldEqualsOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
			return event{
				key: rapid.IntRange(1, 3).Draw(t, "key"), rev: rapid.IntRange(0, 4).Draw(t, "rev"), age: rapid.IntRange(0, 99).Draw(t, "age"),
				gone: rapid.IntRange(0, 3).Draw(t, "gone") == 0, misfit: rapid.IntRange(0, 4).Draw(t, "misfit") == 0,
			}
		}), 0, 12).Draw(t, "events")
		batches := []*syncer.Batch{{}}
		for _, e := range events {
			if rapid.Bool().Draw(t, "cut") {
				batches = append(batches, &syncer.Batch{})
			}
			last := batches[len(batches)-1]
			last.Records = append(last.Records, e.record())
		}
		s := users()
		if got, want := told(s.Fold(batches, false)), oracle(events); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

func TestLateIsThatOfWhatSurvives(t *testing.T) {
	s := users()
	early, late := record("1", "5", "10"), record("1", "6", "11")
	early.Late, late.Late = time.Minute, time.Second
	if got := s.Fold(batch(early, late), false).Upserts[0].Late; got != time.Second {
		t.Errorf("got %v", got)
	}
	if got := s.Fold(batch(late, early), false).Upserts[0].Late; got != time.Second {
		t.Errorf("got %v", got)
	}
}

// versions draws two values of a version column and how they compare.
func versions(t *rapid.T, kind row.Kind) (a, b any, want int) {
	switch kind {
	case row.Numeric:
		x, y := rapid.StringMatching(`-?[0-9]{1,3}(\.[0-9]{1,3})?`).Draw(t, "a"), rapid.StringMatching(`-?[0-9]{1,3}(\.[0-9]{1,3})?`).Draw(t, "b")
		rx, _ := new(big.Rat).SetString(x)
		ry, _ := new(big.Rat).SetString(y)
		return converted(x, kind), converted(y, kind), rx.Cmp(ry)
	case row.Timestamptz:
		x, y := time.UnixMicro(rapid.Int64Range(-9, 9).Draw(t, "a")).UTC(), time.UnixMicro(rapid.Int64Range(-9, 9).Draw(t, "b")).UTC()
		return x, y, x.Compare(y)
	case row.Double:
		x, y := rapid.Float64().Draw(t, "a"), rapid.Float64().Draw(t, "b")
		return x, y, cmp.Compare(x, y)
	case row.Date:
		x, y := fmt.Sprintf("2024-01-%02d", rapid.IntRange(1, 31).Draw(t, "a")), fmt.Sprintf("2024-01-%02d", rapid.IntRange(1, 31).Draw(t, "b"))
		return row.Day(x), row.Day(y), cmp.Compare(x, y)
	case row.Text:
		x, y := rapid.IntRange(-100, 1000).Draw(t, "a"), rapid.IntRange(-100, 1000).Draw(t, "b")
		return fmt.Sprint(x), fmt.Sprint(y), cmp.Compare(x, y)
	}
	x, y := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
	return x, y, cmp.Compare(x, y)
}

func converted(text string, kind row.Kind) any {
	v, reason := convert(column(kind), `"`+text+`"`)
	if reason != "" {
		panic(reason)
	}
	return v
}

func TestVersionsCompareAndRoundTrip(t *testing.T) {
	counter := format(t, "integer", "")
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]row.Kind{row.Integer, row.Bigint, row.Double, row.Numeric, row.Timestamptz, row.Date, row.Text}).Draw(t, "kind")
		s := row.Spec{Columns: []row.Column{{Type: row.Type{Kind: kind}}}, VersionFormat: counter}
		a, b, want := versions(t, kind)
		if s.Compare(a, b) != want || s.Compare(b, a) != -want || s.Compare(a, nil) != 1 || s.Compare(nil, b) != -1 || s.Compare(nil, nil) != 0 {
			t.Fatalf("%s: %v against %v: got %d, want %d", kind, a, b, s.Compare(a, b), want)
		}
		for _, v := range []any{a, b, nil} {
			if back := s.DecodeVersion(row.EncodeVersion(v)); !gocmp.Equal(back, v) {
				t.Fatalf("%s: %#v comes back as %#v", kind, v, back)
			}
		}
	})
}

func TestVersionThatCanNotBeRead(t *testing.T) {
	s := row.Spec{Columns: []row.Column{{}}, VersionFormat: format(t, "rfc3339", "")}
	if s.Compare("soon", "2024-01-01T00:00:00Z") != -1 || s.Compare("soon", nil) != 0 || s.Compare("soon", "later") != 0 {
		t.Error("text that is no time is not the oldest")
	}
	if s.Compare("2024-01-01T00:00:00.10Z", "2024-01-01T01:00:00.1+01:00") != 0 {
		t.Error("the same instant, written twice, differs")
	}
	if got := s.DecodeVersion(row.EncodeVersion("")); got != "" {
		t.Errorf("empty text comes back as %#v", got)
	}
	s.Columns[0].Type.Kind = row.Bigint
	if got := s.DecodeVersion("=5"); got != nil || s.Compare("5", int64(1)) != -1 {
		t.Errorf("got %#v: a version of another type is not nil", got)
	}
	none := row.Spec{Version: -1}
	if none.Compare(int64(1), int64(2)) != 0 || none.DecodeVersion("1") != nil {
		t.Error("without a version column something is newer")
	}
}

// TestFoldLeavesTheBatchAlone: values do not change with the owner's bytes.
func TestFoldLeavesTheBatchAlone(t *testing.T) {
	s := row.Spec{Key: []int{0}, Version: -1}
	raw := [][]byte{[]byte(`"key"`), []byte(`1.50`), []byte(`{"a":1}`), []byte(`"AAAA"`)}
	for i, kind := range []row.Kind{row.Text, row.Numeric, row.JSON, row.Bytes} {
		s.Columns = append(s.Columns, row.Column{Type: row.Type{Kind: kind}, Slots: []int{i}})
	}
	f := s.Fold(batch(syncer.Record{Slots: raw}), false)
	for _, b := range raw {
		for i := range b {
			b[i] = 'x'
		}
	}
	want := []any{"key", row.Decimal("1.50"), row.Document(`{"a":1}`), []byte{0, 0, 0}}
	if diff := gocmp.Diff(want, f.Upserts[0].Values); diff != "" {
		t.Errorf("values differ (-want +got):\n%s", diff)
	}
}

// BenchmarkFold folds a page of 1,000 records with nine columns.
func BenchmarkFold(b *testing.B) {
	kinds := []row.Kind{row.Bigint, row.Text, row.Text, row.Boolean, row.Numeric, row.Timestamptz, row.JSON, row.UUID, row.Text}
	s := row.Spec{Key: []int{0}, Version: 5}
	for i, kind := range kinds {
		s.Columns = append(s.Columns, row.Column{Name: kind.String(), Type: row.Type{Kind: kind}, Slots: []int{i}})
	}
	var records []syncer.Record
	for i := range 1000 {
		records = append(records, record(fmt.Sprint(1_000_000+i), fmt.Sprintf(`"user %d"`, i), fmt.Sprintf(`"user%d@example.com"`, i), "true",
			fmt.Sprintf("%d.50", i), fmt.Sprintf(`"2024-01-02T03:%02d:%02d.123456Z"`, i/60%60, i%60), fmt.Sprintf(`{"a": %d, "b": ["x", null]}`, i),
			fmt.Sprintf(`"a0eebc99-9c0b-4ef8-bb6d-6bb9bd38%04x"`, i), `"active"`))
	}
	batches := batch(records...)
	b.ReportAllocs()
	for b.Loop() {
		if f := s.Fold(batches, false); len(f.Upserts) != len(records) {
			b.Fatal(f.Misfits)
		}
	}
}
