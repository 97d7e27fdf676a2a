package row_test

import (
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// convert reads one JSON text into one column.
func convert(c row.Column, raw string) (any, string) {
	c.Name, c.Slots = "c", []int{1}
	s := row.Spec{
		Columns: []row.Column{{Name: "id", Type: row.Type{Kind: row.Bigint}, Slots: []int{0}}, c},
		Key:     []int{0}, Version: -1,
	}
	f := s.Fold([]*syncer.Batch{{Records: []syncer.Record{record("1", raw)}}}, false)
	if len(f.Misfits) == 1 {
		return nil, f.Misfits[0].Reason
	}
	return f.Upserts[0].Values[1], ""
}

// record has one slot a text; "" is a slot that is not there.
func record(texts ...string) syncer.Record {
	r := syncer.Record{Slots: make([][]byte, len(texts))}
	for i, text := range texts {
		if text != "" {
			r.Slots[i] = []byte(text)
		}
	}
	return r
}

func column(kind row.Kind) row.Column { return row.Column{Type: row.Type{Kind: kind}} }

func numeric(p, s int) row.Column {
	return row.Column{Type: row.Type{Kind: row.Numeric, Precision: p, Scale: s}}
}

func as(t *testing.T, kind row.Kind, name, zone string) row.Column {
	return row.Column{Type: row.Type{Kind: kind}, As: format(t, name, zone)}
}

func format(t testing.TB, name, zone string) *row.Format {
	t.Helper()
	var loc *time.Location
	if zone != "" {
		var err error
		if loc, err = time.LoadLocation(zone); err != nil {
			t.Fatal(err)
		}
	}
	f, err := row.ParseFormat(name, loc)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func utc(s string) time.Time {
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return v.UTC()
}

func TestConvert(t *testing.T) {
	notNull, byDefault := column(row.Text), column(row.Integer)
	notNull.NotNull = true
	byDefault.Default = []byte("7")
	strict := byDefault
	strict.NotNull = true
	tests := []struct {
		column row.Column
		raw    string
		want   any
		reason string // a part of it
	}{
		{column(row.Text), `"a\u00e9\ud83d\ude00\\u0000"`, "aé😀\\u0000", ""},
		{column(row.Text), `""`, "", ""},
		{column(row.Text), `12.50`, "12.50", ""},
		{column(row.Text), `1e400000`, "1e400000", ""},
		{column(row.Text), `true`, "true", ""},
		{column(row.Text), `null`, nil, ""},
		{column(row.Text), ``, nil, ""},
		{column(row.Text), `{"a":1}`, nil, "is an object where text is wanted"},
		{column(row.Text), `[]`, nil, "is an array where text is wanted"},
		{column(row.Text), `"a\u0000"`, nil, "U+0000"},
		{column(row.Text), `"\ud800"`, nil, "lone surrogate"},
		{column(row.Text), `"\ude00\ud83d"`, nil, "lone surrogate"},
		{column(row.Text), `"\\\ud83dx"`, nil, "lone surrogate"},
		{column(row.Text), "\"a\xff\"", nil, "not valid UTF-8"},
		{column(row.Text), "\"\xed\xa0\x80\"", nil, "not valid UTF-8"},
		{column(row.Text), "\"a\nb\"", nil, "not JSON"},
		{column(row.Text), `"\q"`, nil, "not JSON"},
		{column(row.Text), `tru`, nil, "not JSON"},
		{column(row.Text), `01`, nil, "not JSON"},
		{column(row.Text), ` `, nil, "not JSON"},
		{notNull, ` null `, nil, "is null"},
		{notNull, `null`, nil, "is null"},
		{notNull, ``, nil, "is missing"},
		{byDefault, ``, int64(7), ""},
		{byDefault, `null`, nil, ""},
		{strict, `null`, int64(7), ""},

		{column(row.Boolean), `true`, true, ""},
		{column(row.Boolean), `"false"`, false, ""},
		{column(row.Boolean), `1`, true, ""},
		{column(row.Boolean), `2`, nil, "not a boolean"},
		{column(row.Boolean), `"yes"`, nil, "not a boolean"},

		{column(row.Integer), `2147483647`, int64(2147483647), ""},
		{column(row.Integer), `2147483648`, nil, "out of range"},
		{column(row.Integer), `-2147483648`, int64(-2147483648), ""},
		{column(row.Bigint), `"9007199254740993"`, int64(9007199254740993), ""},
		{column(row.Bigint), `9223372036854775807`, int64(9223372036854775807), ""},
		{column(row.Bigint), `9223372036854775808`, nil, "out of range"},
		{column(row.Bigint), `-9223372036854775808`, int64(-9223372036854775808), ""},
		{column(row.Bigint), `1e3`, int64(1000), ""},
		{column(row.Bigint), `"1.0"`, int64(1), ""},
		{column(row.Bigint), `1234.5e1`, int64(12345), ""},
		{column(row.Bigint), `1000e-3`, int64(1), ""},
		{column(row.Bigint), `-0`, int64(0), ""},
		{column(row.Bigint), " 12\n", int64(12), ""},
		{column(row.Bigint), `" 12"`, nil, "is not an integer"},
		{column(row.Bigint), `999999999999999999`, int64(999999999999999999), ""},
		{column(row.Bigint), `007`, nil, "not JSON"},
		{column(row.Bigint), `0e999999999999`, int64(0), ""},
		{column(row.Bigint), `1.5`, nil, `it has a fraction: "1.5"`},
		{column(row.Bigint), `1e-400000`, nil, "it has a fraction"},
		{column(row.Bigint), `1e400000`, nil, "out of range"},
		{column(row.Bigint), `1e99999999999999999999`, nil, "out of range"},
		{column(row.Bigint), `"twelve"`, nil, `is not an integer: "twelve"`},
		{column(row.Bigint), `""`, nil, "is not an integer"},
		{column(row.Bigint), `true`, nil, "is a boolean where bigint is wanted"},

		{column(row.Double), `0.1`, 0.1, ""},
		{column(row.Double), `"-1.5e300"`, -1.5e300, ""},
		{column(row.Double), `-0.0`, 0.0, ""},
		{column(row.Double), `1e400`, nil, "out of range"},
		{column(row.Double), `1e-400`, nil, "out of range"},
		{column(row.Double), `"NaN"`, nil, "not a number"},
		{column(row.Double), `"Infinity"`, nil, "not a number"},
		{column(row.Double), `"0x10"`, nil, "not a number"},
		{column(row.Double), `"1_000"`, nil, "not a number"},

		{column(row.Numeric), `100.50`, row.Decimal("100.50"), ""},
		{column(row.Numeric), `"+007.10"`, row.Decimal("7.10"), ""},
		{column(row.Numeric), `-0.00`, row.Decimal("0.00"), ""},
		{column(row.Numeric), `1.50e1`, row.Decimal("15.0"), ""},
		{column(row.Numeric), `-1e-3`, row.Decimal("-0.001"), ""},
		{column(row.Numeric), `1e3`, row.Decimal("1000"), ""},
		{column(row.Numeric), `12345678901234567890123456789012345678.90`, row.Decimal("12345678901234567890123456789012345678.90"), ""},
		{column(row.Numeric), `1e131071`, row.Decimal("1" + strings.Repeat("0", 131071)), ""},
		{column(row.Numeric), `1e131072`, nil, "out of range"},
		{column(row.Numeric), `1e-16383`, row.Decimal("0." + strings.Repeat("0", 16382) + "1"), ""},
		{column(row.Numeric), `1e-16384`, nil, "out of range"},
		{column(row.Numeric), `1e400000`, nil, "out of range"},
		{column(row.Numeric), `"NaN"`, nil, "not a number"},
		{numeric(10, 2), `19.9`, row.Decimal("19.90"), ""},
		{numeric(10, 2), `19.9000`, row.Decimal("19.90"), ""},
		{numeric(10, 2), `19.901`, nil, `has more digits than numeric(10,2) holds: "19.901"`},
		{numeric(10, 2), `123456789`, nil, "has more digits than numeric(10,2) holds"},
		{numeric(10, 2), `12345678`, row.Decimal("12345678.00"), ""},
		{numeric(3, 0), `1e2`, row.Decimal("100"), ""},
		{numeric(2, 2), `-0.5`, row.Decimal("-0.50"), ""},

		{column(row.Timestamptz), `"2024-02-29T23:59:59.123456789+05:30"`, utc("2024-02-29T18:29:59.123456Z"), ""},
		{column(row.Timestamptz), `"1969-12-31 23:59:59.9999999z"`, utc("1969-12-31T23:59:59.999999Z"), ""},
		{column(row.Timestamptz), `"2024-01-02t03:04:05-0100"`, utc("2024-01-02T04:04:05Z"), ""},
		{column(row.Timestamptz), `"2024-01-02T03:04:05"`, nil, "has no offset"},
		{column(row.Timestamptz), `"2024-01-02"`, nil, `as = "date"`},
		{column(row.Timestamptz), `"2023-02-29T00:00:00Z"`, nil, "not an RFC 3339 time"},
		{column(row.Timestamptz), `"2024-01-02T24:00:00Z"`, nil, "not an RFC 3339 time"},
		{column(row.Timestamptz), `"0000-01-01T00:00:00Z"`, nil, "out of range"},
		{column(row.Timestamptz), `1700000000`, nil, `as = "unix"`},
		{column(row.Timestamptz), `true`, nil, "not a time"},
		{as(t, row.Timestamptz, "unix", ""), `1700000000.1234567`, utc("2023-11-14T22:13:20.123456Z"), ""},
		{as(t, row.Timestamptz, "unix", ""), `-0.0000001`, utc("1969-12-31T23:59:59.999999Z"), ""},
		{as(t, row.Timestamptz, "unix", ""), `"1.7e9"`, utc("2023-11-14T22:13:20Z"), ""},
		{as(t, row.Timestamptz, "unix", ""), `1e15`, nil, "out of range"},
		{as(t, row.Timestamptz, "unix_ms", ""), `1700000000123`, utc("2023-11-14T22:13:20.123Z"), ""},
		{as(t, row.Timestamptz, "unix_ms", ""), `-1`, utc("1969-12-31T23:59:59.999Z"), ""},
		{as(t, row.Timestamptz, "date", "Europe/Berlin"), `"2024-07-01"`, utc("2024-06-30T22:00:00Z"), ""},
		{as(t, row.Timestamptz, "2006-01-02 15:04", "Europe/Berlin"), `"2024-10-27 02:30"`, utc("2024-10-27T00:30:00Z"), ""},
		{as(t, row.Timestamptz, "20060102150405", "UTC"), `20240102030405`, utc("2024-01-02T03:04:05Z"), ""},
		{as(t, row.Timestamptz, "integer", ""), `5`, nil, "not a time"},

		{column(row.Date), `"2024-02-29"`, row.Day("2024-02-29"), ""},
		{column(row.Date), `"2023-02-29"`, nil, "not a date"},
		{column(row.Date), `"0000-01-01"`, nil, "out of range"},
		{column(row.Date), `"2024-02-29T00:00:00Z"`, nil, "not a date"},
		{column(row.Date), `20240229`, nil, "not a date"},
		{as(t, row.Date, "rfc3339", ""), `"2024-03-01T00:30:00+02:00"`, row.Day("2024-03-01"), ""},
		{as(t, row.Date, "rfc3339", "UTC"), `"2024-03-01T00:30:00+02:00"`, row.Day("2024-02-29"), ""},
		{as(t, row.Date, "unix", "Asia/Tokyo"), `1700000000`, row.Day("2023-11-15"), ""},

		{column(row.UUID), `"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"`, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", ""},
		{column(row.UUID), `"a0eebc999c0b4ef8bb6d6bb9bd380a11"`, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", ""},
		{column(row.UUID), `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"`, nil, "not a uuid"},
		{column(row.UUID), `"g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`, nil, "not a uuid"},
		{column(row.UUID), `12345678901234567890123456789012`, nil, "is a number where uuid is wanted"},

		{column(row.JSON), ` {"b" : [1, 2.50, 1E5], "a":"\u00e9"}`, row.Document(`{"b":[1,2.50,1E5],"a":"é"}`), ""},
		{column(row.JSON), `9007199254740993`, row.Document(`9007199254740993`), ""},
		{column(row.JSON), `"\\u0000"`, row.Document(`"\\u0000"`), ""},
		{column(row.JSON), `null`, nil, ""},
		{column(row.JSON), `{"a":[{"b":"x\u0000"}]}`, nil, "U+0000"},
		{column(row.JSON), `{"\u0000":1}`, nil, "U+0000"},
		{column(row.JSON), `["\udc00"]`, nil, "lone surrogate"},
		{column(row.JSON), "[\"\xff\"]", nil, "not valid UTF-8"},
		{column(row.JSON), `{"a":1,"\u0061":2}`, nil, "member name twice"},
		{column(row.JSON), `[1e400000]`, nil, "number out of range"},
		{column(row.JSON), `[1,]`, nil, "not JSON"},
		{column(row.JSON), strings.Repeat("[", 1000) + strings.Repeat("]", 1000), row.Document(strings.Repeat("[", 1000) + strings.Repeat("]", 1000)), ""},
		{column(row.JSON), strings.Repeat("[", 1001) + strings.Repeat("]", 1001), nil, "nested too deep"},

		{column(row.Bytes), `"AAEC/w=="`, []byte{0, 1, 2, 255}, ""},
		{column(row.Bytes), `""`, []byte{}, ""},
		{column(row.Bytes), `"AAEC/w"`, nil, "not base64"},
		{column(row.Bytes), `"AAEC_w=="`, nil, "not base64"},
		{column(row.Bytes), `"AAEC/x=="`, nil, "not base64"},
	}
	for _, test := range tests {
		got, reason := convert(test.column, test.raw)
		name := fmt.Sprintf("%s from %.60s", test.column.Type, test.raw)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: value differs (-want +got), reason %q:\n%.300s", name, reason, diff)
		}
		if !strings.Contains(reason, test.reason) || (reason == "") != (test.reason == "") {
			t.Errorf("%s: got reason %q, want %q", name, reason, test.reason)
		}
	}
}

// TestExponentsCostNothing: a few bytes of an owner do not become gigabytes.
func TestExponentsCostNothing(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, raw := range []string{"1e999999999", "1e-999999999", "0e999999999", "[1e999999999]"} {
		for kind := row.Text; kind <= row.Bytes; kind++ {
			convert(column(kind), raw)
		}
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("got %d bytes allocated", took)
	}
}

func TestReasonShowsOnlyAShortSafeExcerpt(t *testing.T) {
	_, reason := convert(column(row.Bigint), `"`+strings.Repeat(`\u001b[31mé`, 100)+`"`)
	if len(reason) > 120 || strings.ContainsRune(reason, 0x1b) || !utf8.ValidString(reason) {
		t.Errorf("got reason %q of %d bytes", reason, len(reason))
	}
}

func TestParseType(t *testing.T) {
	for text, want := range map[string]row.Type{
		"text": {}, "numeric": {Kind: row.Numeric}, "bytes": {Kind: row.Bytes},
		"numeric(10,2)": {Kind: row.Numeric, Precision: 10, Scale: 2}, "numeric(5)": {Kind: row.Numeric, Precision: 5},
	} {
		got, err := row.ParseType(text)
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", text, got, err, want)
		}
		if back, err := row.ParseType(got.String()); err != nil || back != got {
			t.Errorf("%q: %q does not read as itself: %+v, %v", text, got.String(), back, err)
		}
	}
	for text, advice := range map[string]string{
		"bigitn": `did you mean "bigint"?`, "varchar(20)": `did you mean "text"?`, "jsonb": `did you mean "json"?`,
		"Text": `did you mean "text"?`, "geometry": "known: text, boolean", "": "known: text", "text(5)": "takes no bounds",
		"numeric(2,3)": "want numeric(", "numeric(10,2": "want numeric(", "numeric()": "want numeric(", "numeric(1001)": "want numeric(",
		"numeric(3,-1)": "want numeric(",
	} {
		if _, err := row.ParseType(text); err == nil || !strings.Contains(err.Error(), advice) {
			t.Errorf("%q: got %v, want %q", text, err, advice)
		}
	}
}

// FuzzConvert reads any bytes into a column of every kind: what fits is text
// that databases take, what does not has a reason and can be stored and tried
// again with the same outcome.
func FuzzConvert(f *testing.F) {
	for _, seed := range []string{`1`, `"a"`, `-1.5e-3`, `{"a":["\u0000"]}`, "\"\xff\"", `"\ud800\udc00"`, `[[`, "", "\x00", `"2024-01-02T03:04:05Z"`, `1e999`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for kind := row.Text; kind <= row.Bytes; kind++ {
			c := column(kind)
			c.Name, c.Slots = "c", []int{1}
			s := row.Spec{Columns: []row.Column{{Name: "id", Type: row.Type{Kind: row.Bigint}}, c}, Key: []int{0}, Version: -1}
			s.Columns[0].Slots = []int{0}
			f := s.Fold([]*syncer.Batch{{Records: []syncer.Record{{Slots: [][]byte{[]byte("1"), raw}}}}}, false)
			for _, m := range f.Misfits {
				if !utf8.ValidString(m.Record) || strings.Contains(m.Record+m.Reason, "\x00") || !utf8.ValidString(m.Reason) || len(m.Record) > 16<<10 {
					t.Fatalf("%s from %q: misfit can not be stored: %+v", kind, raw, m)
				}
				_, again, err := s.Retry(m.Record)
				if err == nil && (again == nil || again.Reason != m.Reason || again.Key != m.Key) || err != nil && len(raw) < 1000 {
					t.Fatalf("%s from %q: got %+v, %v from record %s", kind, raw, again, err, m.Record)
				}
			}
			for _, u := range f.Upserts {
				checkValue(t, kind, raw, u.Values[1])
			}
		}
	})
}

func checkValue(t *testing.T, kind row.Kind, raw []byte, v any) {
	text := fmt.Sprint(v)
	switch v := v.(type) {
	case []byte, nil:
		return
	case int64:
		want, ok := new(big.Rat).SetString(strings.Trim(strings.TrimSpace(string(raw)), `"`))
		if !ok || want.Cmp(new(big.Rat).SetInt64(v)) != 0 {
			if !strings.ContainsRune(string(raw), '\\') {
				t.Fatalf("%s from %q: got %d", kind, raw, v)
			}
		}
	case row.Decimal:
		if _, ok := new(big.Rat).SetString(string(v)); !ok || strings.ContainsAny(string(v), "eE+") {
			t.Fatalf("%s from %q: got %q", kind, raw, v)
		}
	}
	if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		t.Fatalf("%s from %q: got %q", kind, raw, text)
	}
}
