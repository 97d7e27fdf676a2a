package decode_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/decode"
)

func lineLayout() decode.Layout {
	return decode.Layout{Format: decode.NDJSON(), Record: []decode.Path{{"id"}, {"p", "n"}}, MaxDepth: 5, MaxBytes: 1000}
}

// windows reads all of r, and the error that ended it.
func windows(d *decode.Decoder, r io.Reader, w decode.Window) ([]decode.Page, error) {
	var pages []decode.Page
	for page, err := range d.Windows(r, w) {
		if err != nil {
			return pages, err
		}
		pages = append(pages, page)
	}
	return pages, nil
}

func TestLines(t *testing.T) {
	const body = "{\"id\":1}\n\n {\"id\":2,\"p\":{\"n\":\"\\ud800\"}} \r\n\t\r\n{\"id\":3}\n{\"id\":4}\n{\"id\":5}"
	tests := []struct {
		name   string
		window decode.Window
		want   [][]string // the ids of each window
	}{
		{"one window", decode.Window{}, [][]string{{"1", "2", "3", "4", "5"}}},
		{"two records each", decode.Window{Records: 2}, [][]string{{"1", "2"}, {"3", "4"}, {"5"}}},
		{"five records each", decode.Window{Records: 5}, [][]string{{"1", "2", "3", "4", "5"}}},
		{"one record each", decode.Window{Records: 1}, [][]string{{"1"}, {"2"}, {"3"}, {"4"}, {"5"}}},
		{"18 bytes each", decode.Window{Bytes: 18}, [][]string{{"1"}, {"2"}, {"3"}, {"4", "5"}}},
		{"one byte each", decode.Window{Bytes: 1}, [][]string{{"1"}, {"2"}, {"3"}, {"4"}, {"5"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body)), iotest.DataErrReader(strings.NewReader(body))} {
				pages, err := windows(compile(t, lineLayout()), r, tt.window)
				if err != nil {
					t.Fatal(err)
				}
				var got [][]string
				var size int64
				for _, page := range pages {
					size += page.Size
					var ids []string
					for _, record := range page.Records {
						ids = append(ids, string(record[0]))
						if string(record[0]) == "2" && string(record[1]) != `"\ud800"` {
							t.Errorf("slot %q", record[1])
						}
					}
					got = append(got, ids)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if size != int64(len(body)) {
					t.Errorf("windows of %d bytes in all, want %d", size, len(body))
				}
			}
		})
	}
}

func TestNoLines(t *testing.T) {
	for _, body := range []string{"", "\n", " \r\n\n  "} {
		if pages, err := windows(compile(t, lineLayout()), strings.NewReader(body), decode.Window{}); err != nil || len(pages) > 0 {
			t.Errorf("%q: %d windows, %v", body, len(pages), err)
		}
	}
}

func TestLinesCutAtEveryByte(t *testing.T) {
	lines := []string{`{"id":-1.5,"p":{"n":"ü\n"}}`, `{"id":[1,{}]}`}
	body := lines[0] + "\n" + lines[1] + "\n"
	whole := map[int]int{ // records of a cut that falls beside a line
		0: 0, len(lines[0]): 1, len(lines[0]) + 1: 1, len(body) - 1: 2, len(body): 2,
	}
	for _, w := range []decode.Window{{}, {Records: 1}} {
		for n := range len(body) + 1 {
			pages, err := windows(compile(t, lineLayout()), strings.NewReader(body[:n]), w)
			want, ok := whole[n]
			if !ok {
				if !errors.Is(err, decode.ErrSyntax) {
					t.Errorf("cut at %d: %v", n, err)
				}
				continue
			}
			got := 0
			for _, page := range pages {
				got += len(page.Records)
			}
			if err != nil || got != want {
				t.Errorf("cut at %d: %d records, want %d: %v", n, got, want, err)
			}
		}
	}
	for n := range len(body) + 1 {
		for _, r := range []io.Reader{
			io.MultiReader(strings.NewReader(body[:n]), iotest.ErrReader(io.ErrUnexpectedEOF)),
			&once{data: body[:n], err: io.ErrUnexpectedEOF},
		} {
			if _, err := windows(compile(t, lineLayout()), r, decode.Window{}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("broken off at %d: %v", n, err)
			}
		}
	}
}

func TestHostileLines(t *testing.T) {
	long := `{"id":"` + strings.Repeat("a", 991) + `"}`
	tests := []struct {
		name, line string
		want       error
	}{
		{"a text", `"id"`, decode.ErrNotObject},
		{"null", `null`, decode.ErrNotObject},
		{"a whole array", `[{"id":1}]`, decode.ErrNotObject},
		{"two records", `{"id":1} {"id":2}`, decode.ErrSyntax},
		{"a record over two lines", "{\"id\":\n1}", decode.ErrSyntax},
		{"a page of HTML", "<p>", decode.ErrSyntax},
		{"trailing comma", `{"id":1},`, decode.ErrSyntax},
		{"a member named twice", `{"id":1,"id":1}`, decode.ErrSyntax},
		{"a broken name", `{"\ud800":1}`, decode.ErrSyntax},
		{"a misfit that is unsound", `[01]`, decode.ErrSyntax},
		{"too deep", `{"id":[[[[[1]]]]]}`, decode.ErrTooDeep},
		{"100,000 arrays", strings.Repeat("[", 900), decode.ErrTooDeep},
		{"too long", long, decode.ErrTooLarge},
		{"blank lines without end", strings.Repeat("\n", 1001), decode.ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := "{\"id\":0}\n" + tt.line + "\n{\"id\":9}\n"
			pages, err := windows(compile(t, lineLayout()), strings.NewReader(body), decode.Window{Records: 1})
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if len(pages) > 1 || len(pages) == 1 && string(pages[0].Records[0][0]) != "0" {
				t.Errorf("windows beside the error: %v", pages)
			}
		})
	}
}

func TestLineErrorsNameThePlace(t *testing.T) {
	for body, want := range map[string]string{
		"{}\n\n7\n":                     "read line 3: not an object",
		"{}\n{\"a\":secret}\n":          "read line 2: unsound JSON after byte 8: malformed",
		"{}\n{\"a\":\"secret\n":         "read line 2: unsound JSON after byte 15: malformed",
		"{}\n{\"a\":\"secret":           "read line 2: unsound JSON after byte 15: cut off",
		"{}\n{} secret\n":               "read line 2: unsound JSON after byte 5: more follows the value",
		"{}\n{\"i\":1,\"\\ud800\":1}\n": "read line 2: unsound JSON after byte 10: a member name is broken text",
	} {
		if _, err := windows(compile(t, lineLayout()), strings.NewReader(body), decode.Window{}); err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", body, err, want)
		}
	}
}

// A line of exactly MaxBytes with its end is read, in a window of its own, and
// windows never pass MaxBytes together.
func TestLinesKeepMaxBytes(t *testing.T) {
	l := lineLayout()
	l.MaxBytes = 20
	body := "{\"id\":\"0123456789\"}\n" + "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n" + "{\"id\":\"0123456789\"}\n"
	pages, err := windows(compile(t, l), strings.NewReader(body), decode.Window{})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int64
	for _, page := range pages {
		sizes = append(sizes, page.Size)
	}
	if diff := cmp.Diff([]int64{20, 18, 9, 20}, sizes); diff != "" {
		t.Error(diff)
	}
	l.MaxBytes = 19
	if _, err := windows(compile(t, l), strings.NewReader(body), decode.Window{}); !errors.Is(err, decode.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := windows(compile(t, l), &repeat{text: "a"}, decode.Window{}); !errors.Is(err, decode.ErrTooLarge) {
		t.Error(err)
	}
}

// Lines longer than the read buffer take the slow way and arrive whole.
func TestLongLines(t *testing.T) {
	l := lineLayout()
	l.MaxBytes = 1 << 20
	var body strings.Builder
	for i := range 5 {
		fmt.Fprintf(&body, "{\"id\":%d,\"p\":{\"n\":%q}}\n", i, strings.Repeat("x", 100_000*i))
	}
	pages, err := windows(compile(t, l), strings.NewReader(body.String()), decode.Window{Records: 2})
	if err != nil || len(pages) != 3 {
		t.Fatalf("%d windows, %v", len(pages), err)
	}
	for i := range 5 {
		record := pages[i/2].Records[i%2]
		if string(record[0]) != fmt.Sprint(i) || len(record[1]) != 100_000*i+2 {
			t.Errorf("line %d: id %s, %d bytes", i, record[0], len(record[1]))
		}
	}
}

// A large window stays what it was while the next ones are read.
func TestLargeWindowsAreTheirOwn(t *testing.T) {
	l := lineLayout()
	l.MaxBytes = 4 << 20
	var body strings.Builder
	for i := range 6 {
		fmt.Fprintf(&body, "{\"id\":%q}\n", strings.Repeat(string(rune('a'+i)), 800_000))
	}
	pages, err := windows(compile(t, l), strings.NewReader(body.String()), decode.Window{Records: 2})
	if err != nil || len(pages) != 3 {
		t.Fatalf("%d windows, %v", len(pages), err)
	}
	for i := range 6 {
		if got := pages[i/2].Records[i%2][0][1]; got != byte('a'+i) {
			t.Errorf("line %d became %q", i, got)
		}
	}
}

// Where a page would be refused, windows of tiny records only become shorter.
func TestCrowdOfEmptyLines(t *testing.T) {
	l := lineLayout()
	l.MaxBytes = 1 << 20
	for range 200 {
		l.Record = append(l.Record, decode.Path{"x"})
	}
	pages, err := windows(compile(t, l), strings.NewReader(strings.Repeat("{}\n", 10_000)), decode.Window{})
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for _, page := range pages {
		records += len(page.Records)
		if page.Held > 4<<20 {
			t.Errorf("a window holds %d bytes", page.Held)
		}
	}
	if records != 10_000 || len(pages) < 2 {
		t.Errorf("%d records in %d windows", records, len(pages))
	}
}

func TestLinesStopWhenTold(t *testing.T) {
	r := &counted{r: &repeat{text: "{\"id\":1}\n"}}
	seen := 0
	for _, err := range compile(t, lineLayout()).Windows(r, decode.Window{Records: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 || r.n > 1<<17 {
		t.Errorf("%d windows, %d bytes read", seen, r.n)
	}
}

type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestLinesRefusePlacesAroundRecords(t *testing.T) {
	for _, l := range []decode.Layout{
		{At: decode.Path{"data"}},
		{Body: []decode.Path{{"next"}}},
		{As: decode.Map},
	} {
		for _, format := range []decode.Format{decode.NDJSON(), decode.CSV()} {
			l.Format, l.MaxDepth, l.MaxBytes = format, 5, 10
			if _, err := l.Compile(); err == nil {
				t.Errorf("%s took %+v", format.Name, l)
			}
		}
	}
}
