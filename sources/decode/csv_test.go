package decode_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/decode"
)

func csvLayout() decode.Layout {
	return decode.Layout{Format: decode.CSV(), Record: []decode.Path{{"id"}, {"name"}, {"a.b"}}, Must: []int{0}, MaxDepth: 5, MaxBytes: 1000}
}

// cells writes each record as its slots; one that is absent is a dash.
func cells(pages ...decode.Page) []string {
	all := []string{}
	for _, page := range pages {
		for _, record := range page.Records {
			var b strings.Builder
			for _, slot := range record {
				if slot == nil {
					slot = []byte("-")
				}
				fmt.Fprintf(&b, "%s ", slot)
			}
			all = append(all, strings.TrimSpace(b.String()))
		}
	}
	return all
}

func TestCSV(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"plain":                     {"id,name\n1,a\n2,b\n", []string{`"1" "a" -`, `"2" "b" -`}},
		"no end of the last line":   {"id,name\n1,a\n2,b", []string{`"1" "a" -`, `"2" "b" -`}},
		"CRLF":                      {"id,name\r\n1,a\r\n2,b\r\n", []string{`"1" "a" -`, `"2" "b" -`}},
		"a mark of UTF-8":           {"\ufeffid,name\n1,a\n", []string{`"1" "a" -`}},
		"another order, more":       {"x,name,id,a.b\nn,a,1,2\n", []string{`"1" "a" "2"`}},
		"empty and empty in quotes": {"id,name,a.b\n1,,\"\"\n", []string{`"1" null ""`}},
		"quotes":                    {"\"id\",\"name\"\n\"1\",\"say \"\"a, b\"\"\"\n2,\"\"\"\"\n", []string{`"1" "say \"a, b\"" -`, `"2" "\"" -`}},
		"breaks in quotes, kept":    {"id,name\n1,\"a\nb\"\n2,\"c\r\nd\n\n\"\n", []string{`"1" "a\u000ab" -`, `"2" "c\u000d\u000ad\u000a\u000a" -`}},
		"blank lines":               {"\n\r\nid,name\n\n1,a\n\r\n\n", []string{`"1" "a" -`}},
		"a header alone":            {"id,name\n", []string{}},
		"columns without a name":    {"id,,\n1,2,3\n", []string{`"1" - -`}},
		"odd characters":            {"id,name\n1,\\ü\t\x00\xff'\n", []string{`"1" "\\ü\u0009\u0000` + "\xff" + `'" -`}},
		"spaces are kept":           {"id,name\n 1 , a\n", []string{`" 1 " " a" -`}},
	} {
		t.Run(name, func(t *testing.T) {
			d := compile(t, csvLayout())
			page, err := d.Page(strings.NewReader(c.body))
			if diff := cmp.Diff(c.want, cells(page)); diff != "" || err != nil {
				t.Fatalf("%v (-want +got):\n%s", err, diff)
			}
			if strings.HasPrefix(c.body, "id") && len(c.want) > 0 && page.Size != int64(len(c.body)) {
				t.Errorf("%d bytes of %d", page.Size, len(c.body))
			}
			pages, err := windows(d, iotest.OneByteReader(strings.NewReader(c.body)), decode.Window{Records: 1})
			if diff := cmp.Diff(c.want, cells(pages...)); diff != "" || err != nil || len(pages) != len(c.want) {
				t.Fatalf("in %d windows: %v (-want +got):\n%s", len(pages), err, diff)
			}
		})
	}
}

func TestCSVThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		is   error
		says string
	}{
		"an empty body":             {"", decode.ErrNoHeader, "the body is empty"},
		"blank lines alone":         {"\n\r\n", decode.ErrNoHeader, "the body is empty"},
		"no header at all":          {"1,a\n2,b\n", decode.ErrNoHeader, `read line 1: no header: none of its 2 columns is called "id"`},
		"another separator":         {"id;name\n1;a\n", decode.ErrNoHeader, `none of its 1 columns is called "id"`},
		"a name twice":              {"id,name,name\n", decode.ErrNoHeader, "column 3 has the name of one before it"},
		"a name that is no text":    {"id,\xff\n", decode.ErrNoHeader, "the name of column 2 is no text"},
		"UTF-16":                    {"\xff\xfei\x00d\x00\n\x00", decode.ErrNoHeader, "no text in UTF-8"},
		"fewer fields":              {"id,name\n1,a\n2\n", decode.ErrSyntax, "read line 3: unsound CSV after byte 12: a record of 1 fields under a header of 2"},
		"more fields":               {"id,name\n1,a,\n", decode.ErrSyntax, "read line 2: unsound CSV after byte 8: a record of 3 fields under a header of 2"},
		"a quote inside a field":    {"id,name\n1,a\"b\n2,b\n", decode.ErrSyntax, "read line 2: unsound CSV after byte 10: a quote in a field without quotes"},
		"a quote that is not ended": {"id,name\n1,\"a\n2,b\n", decode.ErrSyntax, "read line 2: unsound CSV after byte 10: a quote is not closed"},
		"text behind a quote":       {"id,name\n1,\"a\"b\n", decode.ErrSyntax, "read line 2: unsound CSV after byte 13: text behind a closing quote"},
		"a space behind a quote":    {"id,name\n1,\"a\" ,\n", decode.ErrSyntax, "text behind a closing quote"},
		"a carriage return alone":   {"id,name\r1,a\r2,b\r", decode.ErrSyntax, "a carriage return that ends no line"},
		"the line behind a break":   {"id,name\n1,\"a\nb\"\n2\n", decode.ErrSyntax, "read line 4:"},
		"a large record":            {"id,name\n1,\"" + strings.Repeat("a\n", 600), decode.ErrTooLarge, "more than 1000 bytes"},
		"a large line":              {"id,name\n1," + strings.Repeat("a", 1200), decode.ErrTooLarge, "more than 1000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			d := compile(t, csvLayout())
			page, err := d.Page(strings.NewReader(c.body))
			if !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.says) || len(page.Records) > 0 {
				t.Errorf("%d records, %v", len(page.Records), err)
			}
			if _, slow := windows(d, iotest.OneByteReader(strings.NewReader(c.body)), decode.Window{}); fmt.Sprint(slow) != fmt.Sprint(err) {
				t.Errorf("read slowly: %v, else %v", slow, err)
			}
		})
	}
	wide := csvLayout()
	wide.MaxBytes = 1 << 20
	if _, err := compile(t, wide).Page(strings.NewReader("id" + strings.Repeat(",", 10_000))); !errors.Is(err, decode.ErrTooLarge) {
		t.Errorf("10,001 columns: %v", err)
	}
}

// A body that is cut shows by the reader's error, wherever that is.
func TestCSVCutAtEveryByte(t *testing.T) {
	const body = "id,name\r\n1,\"a\"\"\n\"\r\n22,bb\r\n"
	d := compile(t, csvLayout())
	for n := range len(body) + 1 {
		if _, err := windows(d, &once{data: body[:n], err: io.ErrUnexpectedEOF}, decode.Window{}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("broken off at %d: %v", n, err)
		}
	}
}

func TestSeparator(t *testing.T) {
	for text, want := range map[string]byte{"": ',', ",": ',', ";": ';', "\t": '\t', "|": '|', "\x1f": '\x1f'} {
		if got, err := decode.Separator(text); got != want || err != nil {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for _, text := range []string{",,", "\"", "\n", "\r", "\x00", " ", "a", "Z", "0", ".", "-", "ü", "\xff"} {
		if got, err := decode.Separator(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
	l := csvLayout()
	l.Separator = ';'
	page, err := compile(t, l).Page(strings.NewReader("id;name\n\"1;\";a,b\n"))
	if diff := cmp.Diff([]string{`"1;" "a,b" -`}, cells(page)); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestUnnamedColumnsAreTold(t *testing.T) {
	l := csvLayout()
	l.Unnamed = &decode.Unnamed{Named: []string{"id"}}
	page, err := compile(t, l).Page(strings.NewReader("x,id,,name\na,1,b,\nc,2,d,e\n"))
	if diff := cmp.Diff([]string{`"1"|null| x="a" name=null`, `"2"|"e"| x="c" name="e"`}, written(page.Records, 3)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	l.MaxBytes = 1 << 20
	var header strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&header, ",c%d", i)
	}
	page, err = compile(t, l).Page(strings.NewReader("id" + header.String() + "\n1" + strings.Repeat(",v", 1001) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, members, more := decode.Split(page.Records[0], 3); len(members) != 1000 || !more {
		t.Errorf("%d members, more: %t", len(members), more)
	}
}

func TestWhatAMediaTypeDenies(t *testing.T) {
	for media, denied := range map[string]bool{
		"": false, "text/csv": false, "text/plain": false, "application/octet-stream": false,
		"application/json": true, "Application/Problem+JSON": true, "application/x-ndjson": true, "text/xml": true,
	} {
		if got := decode.CSV().Denies(media); got != denied {
			t.Errorf("csv: %q is denied: %t", media, got)
		}
		if decode.JSON().Denies(media) || decode.NDJSON().Denies(media) {
			t.Errorf("json: %q is denied", media)
		}
	}
}

func TestFormatNamed(t *testing.T) {
	for _, f := range decode.Formats() {
		if got, err := decode.FormatNamed(f.Name); err != nil || got.Name != f.Name {
			t.Errorf("%q is %q, %v", f.Name, got.Name, err)
		}
	}
	if _, err := decode.FormatNamed("xml"); err == nil {
		t.Error("xml is a format")
	}
}

// FuzzCSV holds what is read against encoding/csv, which agrees but where it
// changes line breaks or takes a carriage return for a character.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"id,name\n1,a\n", "\ufeffid,name\r\n1,\"a\"\"\r\n\"\r\n", "id,name\n1\n", "id\n\n\"\"\n", "id,id\n", "id;name\n", "id,name\n1,\"a", "id,name\n1,\"a\"b\n",
		"id,a\"b\n", "id,name\n\xff,\x00\n", "\"id\",,\n1,2,3", "id\r1", "id\n\"1\n\n\n2\"\r\n3\r",
	} {
		f.Add([]byte(seed), 2, int64(20))
	}
	l := csvLayout()
	l.MaxBytes = 400
	f.Fuzz(func(t *testing.T, body []byte, records int, size int64) {
		d := compile(t, l)
		pages, err := windows(d, bytes.NewReader(body), decode.Window{Records: records, Bytes: size})
		whole, wholeErr := d.Page(iotest.OneByteReader(bytes.NewReader(body)))
		if (err == nil) != (wholeErr == nil) && !errors.Is(err, decode.ErrTooLarge) && !errors.Is(wholeErr, decode.ErrTooLarge) {
			t.Fatalf("in windows %v, whole %v", err, wholeErr)
		}
		if err == nil && wholeErr == nil && !slices.Equal(cells(pages...), cells(whole)) {
			t.Fatalf("in windows %q, whole %q", cells(pages...), cells(whole))
		}
		if err != nil {
			for _, name := range []error{decode.ErrSyntax, decode.ErrNoHeader, decode.ErrTooLarge} {
				if errors.Is(err, name) {
					return
				}
			}
			t.Fatalf("an error without a name: %v", err)
		}
		var got [][][]byte
		for _, page := range pages {
			got = append(got, page.Records...)
		}
		compareCSV(t, body, got)
	})
}

// compareCSV holds records against what encoding/csv reads, which drops the
// carriage returns before line feeds and takes broken text as it is.
func compareCSV(t *testing.T, body []byte, got [][][]byte) {
	all, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff")))).ReadAll()
	if err != nil || len(all)-1 != len(got) {
		t.Fatalf("%d records of %q, and encoding/csv reads %d: %v", len(got), body, len(all)-1, err)
	}
	for i, record := range got {
		for slot, name := range []string{"id", "name", "a.b"} {
			at := slices.Index(all[0], name)
			if at < 0 {
				if record[slot] != nil {
					t.Fatalf("record %d has %q as %q, which the header of %q has not", i, record[slot], name, body)
				}
				continue
			}
			var text string
			if err := json.Unmarshal(record[slot], &text); err != nil {
				t.Fatalf("record %d has %q: %v", i, record[slot], err)
			}
			want := all[i+1][at]
			if text = strings.ReplaceAll(text, "\r\n", "\n"); text != want && utf8.ValidString(want) {
				t.Fatalf("record %d of %q has %q, want %q", i, body, text, want)
			}
		}
	}
}
