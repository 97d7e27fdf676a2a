package row_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// mending is a table of a key, a text, a document and one inside a text.
func mending(b row.Broken) *row.Spec {
	return &row.Spec{
		Name: "app.t", Version: -1, Key: []int{0}, Broken: b,
		Columns: []row.Column{
			{Name: "id", Slots: []int{0}},
			{Name: "name", Slots: []int{1}},
			{Name: "doc", Type: row.Type{Kind: row.JSON}, Slots: []int{2}},
			{Name: "inner", Type: row.Type{Kind: row.JSON}, Slots: []int{3}, Inner: true},
		},
	}
}

func foldOne(s *row.Spec, slots ...string) row.Folded {
	raw := make([][]byte, len(slots))
	for i, text := range slots {
		if text != "" {
			raw[i] = []byte(text)
		}
	}
	return s.Fold([]*syncer.Batch{{Records: []syncer.Record{{Slots: raw}}}}, false)
}

func TestBrokenTextIsMended(t *testing.T) {
	for name, c := range map[string]struct{ raw, strip, replace string }{
		"U+0000":                 {`"a\u0000b"`, "ab", "a\ufffdb"},
		"U+0000 alone":           {`"\u0000"`, "", "\ufffd"},
		"a high half":            {`"a\ud83db"`, "ab", "a\ufffdb"},
		"a low half":             {`"\uDE00"`, "", "\ufffd"},
		"a pair":                 {`"\ud83d\ude00"`, "😀", "😀"},
		"a high half and a pair": {`"\ud83d\ud83d\ude00"`, "😀", "\ufffd😀"},
		"halves around U+0000":   {`"\ud83d\u0000\ude00"`, "", "\ufffd\ufffd\ufffd"},
		"halves around a byte":   {"\"\\ud83d\xff\\ude00\"", "", "\ufffd\ufffd\ufffd"},
		"a byte":                 {"\"a\xffb\"", "ab", "a\ufffdb"},
		"a character cut short":  {"\"\xe2\x82\"", "", "\ufffd\ufffd"},
		"bytes around a byte":    {"\"\xe2\xff\x82\xac\"", "", "\ufffd\ufffd\ufffd\ufffd"},
		"a half in UTF-8":        {"\"\xed\xa0\x80\"", "", "\ufffd\ufffd\ufffd"},
		"what looks like it":     {`"\\u0000 \\ud800"`, `\u0000 \ud800`, `\u0000 \ud800`},
		"U+FFFD of the owner":    {`"\ufffd�"`, "��", "��"},
	} {
		for policy, want := range map[row.Broken]string{row.BrokenStrip: c.strip, row.BrokenReplace: c.replace} {
			f := foldOne(mending(policy), `"k"`, c.raw, `{"a":[`+c.raw+`]}`, "")
			if len(f.Upserts) != 1 {
				t.Errorf("%s, %s: %+v", name, policy, f.Misfits)
				continue
			}
			if got := f.Upserts[0].Values[1]; got != want {
				t.Errorf("%s, %s: %q, want %q", name, policy, got, want)
			}
			if doc := string(f.Upserts[0].Values[2].(row.Document)); policy == row.BrokenStrip && want == "" && doc != `{"a":[""]}` {
				t.Errorf("%s: in a document %q", name, doc)
			}
		}
	}
}

// Keys and versions are never mended, nor what is no text.
func TestWhatIsNotMended(t *testing.T) {
	for _, policy := range []row.Broken{row.BrokenReject, row.BrokenStrip, row.BrokenReplace} {
		if f := foldOne(mending(policy), `"k\u0000"`, `"a"`, "1", ""); len(f.Misfits) != 1 || f.Misfits[0].Column != "id" || f.Misfits[0].Readable {
			t.Errorf("%s: a broken key: %+v", policy, f)
		}
		s := mending(policy)
		format, err := row.ParseFormat("rfc3339", nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Version, s.VersionFormat = 1, format
		if f := foldOne(s, `"k"`, `"2024-01-02T00:00:00Z\u0000"`, "1", ""); len(f.Misfits) != 1 || f.Misfits[0].Column != "name" {
			t.Errorf("%s: a broken version: %+v", policy, f)
		}
		s = mending(policy)
		s.Columns[1].Type.Kind = row.Timestamptz
		if f := foldOne(s, `"k"`, `"2024-01-02T00:00:00Z\u0000"`, "1", ""); len(f.Misfits) != 1 {
			t.Errorf("%s: a broken time: %+v", policy, f)
		}
	}
	if f := foldOne(mending(row.BrokenStrip), `"k"`, `"a"`, `{"a":1,"a\u0000":2}`, ""); len(f.Misfits) != 1 || f.Misfits[0].Column != "doc" {
		t.Errorf("two members became one: %+v", f)
	}
}

// A record that was set aside is mended when it is tried again by a table that
// mends.
func TestRetryMends(t *testing.T) {
	f := foldOne(mending(row.BrokenReject), `"k"`, "\"a\xff\\u0000\"", `["\ud800"]`, "")
	if len(f.Misfits) != 1 {
		t.Fatalf("%+v", f)
	}
	got, misfit, err := mending(row.BrokenReplace).Retry(f.Misfits[0].Record)
	if err != nil || misfit != nil {
		t.Fatalf("%+v, %v", misfit, err)
	}
	if diff := cmp.Diff([]any{"k", "a\ufffd\ufffd", row.Document("[\"\ufffd\"]"), nil}, got.Values); diff != "" {
		t.Error(diff)
	}
}

func TestJSONInsideText(t *testing.T) {
	for raw, want := range map[string]any{
		`"{\"a\": [1.50]}"`:             row.Document(`{"a":[1.50]}`),
		`{"a": 1}`:                      row.Document(`{"a":1}`),
		`"\"x\""`:                       row.Document(`"x"`),
		`"null"`:                        nil,
		`" 7 "`:                         row.Document(`7`),
		`null`:                          nil,
		`"{\"a\":\"b\\u0000\\ud800\"}"`: row.Document(`{"a":"b"}`),
	} {
		f := foldOne(mending(row.BrokenStrip), `"k"`, "", "", raw)
		if len(f.Upserts) != 1 || !cmp.Equal(f.Upserts[0].Values[3], want) {
			t.Errorf("%s: %+v", raw, f)
		}
	}
	for _, raw := range []string{`""`, `" "`, `"x"`, `"{"`, `"{}{}"`, `"{\"a\":1,\"a\":2}"`} {
		if f := foldOne(mending(row.BrokenReject), `"k"`, "", "", raw); len(f.Misfits) != 1 || f.Misfits[0].Column != "inner" {
			t.Errorf("%s: %+v", raw, f)
		}
	}
}

// Every type takes the text that stands in CSV, and an empty one is no value but
// of a text.
func TestTextsOfEveryType(t *testing.T) {
	for _, c := range []struct {
		typ, raw string
		want     any
	}{
		{"text", `""`, ""}, {"text", `"true"`, "true"}, {"boolean", `"true"`, true}, {"boolean", `"1"`, true}, {"boolean", `"false"`, false}, {"boolean", `"0"`, false},
		{"integer", `"-7"`, int64(-7)}, {"bigint", `"9007199254740993"`, int64(9007199254740993)}, {"double", `"1.5"`, 1.5},
		{"numeric", `"12.50"`, row.Decimal("12.50")}, {"numeric(4,2)", `"12.5"`, nil}, {"date", `"2024-02-29"`, row.Day("2024-02-29")},
		{"json", `"{\"a\": 1}"`, row.Document(`{"a":1}`)}, {"uuid", `"00000000-0000-0000-0000-00000000000A"`, "00000000-0000-0000-0000-00000000000a"},
		{"bytes", `"AQI="`, []byte{1, 2}},
	} {
		typ, err := row.ParseType(c.typ)
		if err != nil {
			t.Fatal(err)
		}
		s := mending(row.BrokenReject)
		s.Columns[1] = row.Column{Name: "v", Type: typ, Slots: []int{1}, Blank: true, Inner: typ.Kind == row.JSON}
		f := foldOne(s, `"k"`, c.raw, "", "")
		if c.want != nil && (len(f.Upserts) != 1 || !cmp.Equal(f.Upserts[0].Values[1], c.want)) || len(f.Misfits) > 0 {
			t.Errorf("%s %s: %+v", c.typ, c.raw, f)
		}
		f = foldOne(s, `"k"`, `""`, "", "")
		if empty := f.Upserts; len(empty) != 1 || typ.Kind != row.Text && empty[0].Values[1] != nil {
			t.Errorf("%s of nothing: %+v", c.typ, f)
		}
	}
}

var fragments = rapid.SampledFrom([]string{
	"a", "é", "😀", " ", `\n`, `\\`, `\"`, `\/`, `\u00e9`, `\u0000`, `\ud83d`, `\ude00`, `\uD83D\uDE00`, `\\u0000`, "\xff", "\xe2\x82", "\xac", "\xed\xa0\x80", "\ufffd",
})

// Whatever a string holds, what comes of it is text; and one without trouble is
// what it is without a policy.
func TestMendedTextIsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := `"` + strings.Join(rapid.SliceOfN(fragments, 0, 12).Draw(t, "text"), "") + `"`
		doc := `{"k` + raw[1:] + `:[` + raw + `]}`
		plain := foldOne(mending(row.BrokenReject), `"k"`, raw, doc, "")
		for _, policy := range []row.Broken{row.BrokenStrip, row.BrokenReplace} {
			f := foldOne(mending(policy), `"k"`, raw, doc, "")
			if len(f.Upserts) != 1 {
				t.Fatalf("%s of %q: %+v", policy, raw, f.Misfits)
			}
			for _, v := range f.Upserts[0].Values[1:3] {
				text, _ := v.(string)
				if d, ok := v.(row.Document); ok {
					if text = string(d); strings.Contains(strings.ReplaceAll(text, `\\`, ""), `\u0000`) {
						t.Fatalf("%s of %q: %q", policy, raw, text)
					}
				}
				if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
					t.Fatalf("%s of %q: %q", policy, raw, text)
				}
				if strings.Contains(text, "\ufffd") && policy == row.BrokenStrip && !strings.Contains(raw, "\ufffd") {
					t.Fatalf("%s of %q: %q", policy, raw, text)
				}
			}
			if len(plain.Upserts) == 1 && !cmp.Equal(plain.Upserts[0].Values, f.Upserts[0].Values) {
				t.Fatalf("%s changes %q to %v", policy, raw, f.Upserts[0].Values)
			}
		}
	})
}
