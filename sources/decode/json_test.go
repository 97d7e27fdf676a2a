package decode_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/decode"
)

func arrayLayout() decode.Layout {
	return decode.Layout{
		At: decode.Path{"d"}, Record: []decode.Path{{"id"}}, MaxDepth: 8, MaxBytes: 100,
		Body: []decode.Path{{"before"}, {"after"}, {"d", "1", "id"}},
	}
}

func TestArrayInWindows(t *testing.T) {
	const body = `{"before":"b","d":[{"id":1},{"id":2} ,{"id":3,"x":[{}]},{"id":4},{"id":5}],"after":"a"}`
	for name, c := range map[string]struct {
		window decode.Window
		want   []string // the ids of each window, and the places known by then
	}{
		"one window":   {decode.Window{}, []string{`1 2 3 4 5|"b" "a" 2`}},
		"two records":  {decode.Window{Records: 2}, []string{`1 2|"b" - 2`, `3 4|"b" - 2`, `5|"b" "a" 2`}},
		"five records": {decode.Window{Records: 5}, []string{`1 2 3 4 5|"b" - 2`, `|"b" "a" 2`}},
		"few bytes":    {decode.Window{Bytes: 20}, []string{`1|"b" - -`, `2 3|"b" - 2`, `4 5|"b" "a" 2`}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body))} {
				pages, err := windows(compile(t, arrayLayout()), r, c.window)
				var got []string
				size := int64(0)
				for _, page := range pages {
					size += page.Size
					places := strings.Join(cells(decode.Page{Records: [][][]byte{page.Body}}), "")
					got = append(got, strings.Join(cells(page), " ")+"|"+places)
				}
				if diff := cmp.Diff(c.want, got); diff != "" || err != nil || size != int64(len(body)) {
					t.Errorf("%d bytes, %v (-want +got):\n%s", size, err, diff)
				}
			}
		})
	}
}

// A record, and what lies between two, may have as many bytes as a page, and
// the whole any number.
func TestArrayIsBoundedByRecord(t *testing.T) {
	d := compile(t, arrayLayout())
	record := `{"id":"` + strings.Repeat("x", 80) + `"}`
	for body, fits := range map[string]bool{
		`{"d":[` + strings.Repeat(record+",", 1000) + record + `]}`:           true,
		`{"d":[` + record + `,{"id":"` + strings.Repeat("x", 250) + `"}]}`:    false,
		`{"d":[` + strings.Repeat(" ", 250) + record + `]}`:                   false,
		`{"x":"` + strings.Repeat("x", 250) + `","d":[]}`:                     false,
		`{"d":[{}],"x":[` + strings.Repeat("1,", 200) + `1]}`:                 false,
		`{"d":[` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `,{}]} `: false,
	} {
		_, err := windows(d, strings.NewReader(body), decode.Window{Records: 7})
		if fits && err != nil || !fits && !errors.Is(err, decode.ErrTooLarge) && !errors.Is(err, decode.ErrTooDeep) {
			t.Errorf("%.40s: %v", body, err)
		}
	}
}

// What is unsound behind the records ends the sequence with an error, and what
// is sound and no list of records tells what else the body has.
func TestArrayThatFailsAtItsEnd(t *testing.T) {
	for body, c := range map[string]struct {
		is      error
		windows int
		after   string
	}{
		`{"d":[{"id":1},{"id":2}`:                        {decode.ErrSyntax, 2, ""},
		`{"d":[{"id":1},{"id":2}]`:                       {decode.ErrSyntax, 2, ""},
		`{"d":[{"id":1},{"id":2}],"d":[]}`:               {decode.ErrSyntax, 2, ""},
		`{"d":[{"id":1},{"id":2}]} x`:                    {decode.ErrSyntax, 2, ""},
		`{"d":[{"id":1},{"id":2,"id":3}]}`:               {decode.ErrSyntax, 1, ""},
		`{"d":[{"id":1},7,{"id":3},{"id":4}],"after":8}`: {decode.ErrNotObject, 1, "8"},
		`{"d":null,"after":8}`:                           {decode.ErrNotArray, 0, "8"},
		`{"e":[],"after":8}`:                             {decode.ErrNoArray, 0, "8"},
	} {
		n, end := 0, decode.Page{}
		var last error
		for page, err := range compile(t, arrayLayout()).Windows(strings.NewReader(body), decode.Window{Records: 1}) {
			if err != nil {
				end, last = page, err
				break
			}
			n++
		}
		after := ""
		if len(end.Body) > 0 {
			after = string(end.Body[1])
		}
		if !errors.Is(last, c.is) || n != c.windows || after != c.after || len(end.Records) > 0 {
			t.Errorf("%s: %d windows, then %v with %q", body, n, last, after)
		}
	}
	_, err := windows(compile(t, arrayLayout()), strings.NewReader(`{"d":[{},{},{},7]}`), decode.Window{Records: 2})
	if !strings.Contains(fmt.Sprint(err), "record 3:") {
		t.Errorf("the record that is none is not told by its place in the body: %v", err)
	}
}

func TestWhatCannotBeStreamed(t *testing.T) {
	for _, c := range []struct {
		layout decode.Layout
		can    bool
	}{
		{decode.Layout{}, true},
		{decode.Layout{As: decode.Value, Record: []decode.Path{{}}}, true},
		{decode.Layout{At: decode.Path{"a", "b"}, Body: []decode.Path{{"a", "c"}, {"a", "b", "0"}}}, true},
		{decode.Layout{At: decode.Path{"a", "b"}, Body: []decode.Path{{"a"}}}, false},
		{decode.Layout{At: decode.Path{"a"}, Body: []decode.Path{{"a"}}}, false},
		{decode.Layout{As: decode.Map}, false},
		{decode.Layout{As: decode.One}, false},
		{decode.Layout{As: decode.Columns}, false},
		{decode.Layout{Format: decode.CSV()}, true},
	} {
		c.layout.MaxDepth, c.layout.MaxBytes = 5, 100
		d := compile(t, c.layout)
		if d.Streams() != c.can {
			t.Errorf("%+v streams: %t", c.layout, d.Streams())
		}
		if _, err := windows(d, strings.NewReader("{}"), decode.Window{}); !c.can && err == nil {
			t.Errorf("%+v was read in windows", c.layout)
		}
	}
}

func TestArrayStopsWhenTold(t *testing.T) {
	r := &counted{r: io.MultiReader(strings.NewReader(`{"d":[`), &repeat{text: `{"id":1},`})}
	seen := 0
	for _, err := range compile(t, arrayLayout()).Windows(r, decode.Window{Records: 3}) {
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

// hugeArray is a body of about size bytes, and how many records it has.
func hugeArray(size int) (io.Reader, int) {
	text := `{"id":"` + strings.Repeat("x", 2000) + `"},`
	n := size / len(text)
	return io.MultiReader(strings.NewReader(`{"d":[`), io.LimitReader(&repeat{text: text}, int64(n*len(text))), strings.NewReader(`{}],"after":1}`)), n + 1
}

// readHuge reads it in windows and returns by how many bytes the heap grew.
func readHuge(t testing.TB, size int) int64 {
	l := arrayLayout()
	l.MaxBytes = 1 << 20
	d, err := l.Compile()
	if err != nil {
		t.Fatal(err)
	}
	body, want := hugeArray(size)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var most uint64
	records, windows := 0, 0
	var after []byte
	for page, err := range d.Windows(body, decode.Window{Records: 1000, Bytes: 1 << 20}) {
		if err != nil {
			t.Fatal(err)
		}
		after = page.Body[1]
		records += len(page.Records)
		if windows++; windows%16 == 0 {
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapInuse)
		}
	}
	if records != want || string(after) != "1" {
		t.Errorf("%d records, want %d; %q behind them", records, want, after)
	}
	return int64(most) - int64(before.HeapInuse)
}

// What is held does not grow with the body. BenchmarkHugeArray reads more of it.
func TestArrayTakesLittleMemory(t *testing.T) {
	if grew := readHuge(t, 32<<20); grew > 16<<20 {
		t.Errorf("the heap grew by %d MiB", grew>>20)
	}
}

// BenchmarkHugeArray reads an array of half a GiB in windows.
func BenchmarkHugeArray(b *testing.B) {
	b.SetBytes(512 << 20)
	for b.Loop() {
		b.ReportMetric(float64(readHuge(b, 512<<20))/(1<<20), "MiB-heap")
	}
}

// FuzzStream holds an array in windows against the whole page: the same records
// in the same order, the same places, or the same error.
func FuzzStream(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"id":1,"p":{"n":"x"}},{"id":2}],"next":"c","m":[0,1]}`, `{"next":1,"data":[]}`, `{"data":[{},{},{"id":[{}]},{}],"m":{"1":2}}`,
		`{"data":[{"id":1},7]}`, `{"data":[{}],"data":[{}]}`, `{"data":[{"id":1}`, `{"data":null}`, `[]`, ` {"data" : [ {} , {} ] } x`, `{"data":[{"p":{"n":1,"n":2}}]}`,
		`{"data":[{"id":"\ud800"},{"0":{"id":3}}]}`, `{"data":[[]]}`, "\ufeff{\"data\":[{\"id\":1},{\"id\":2}]}",
	} {
		f.Add([]byte(seed), 1, int64(20))
	}
	l := fuzzLayout()
	l.Body = []decode.Path{{"next"}, {"data", "0", "id"}, {"m", "1"}, {"m"}}
	l.MaxBytes = 4000
	f.Fuzz(func(t *testing.T, body []byte, most int, size int64) {
		if len(body) > 4000 {
			return
		}
		d := compile(t, l)
		page, err := d.Page(bytes.NewReader(body))
		var all decode.Page
		var ended error
		for window, err := range d.Windows(iotest.HalfReader(bytes.NewReader(body)), decode.Window{Records: most, Bytes: size}) {
			if all.Body = window.Body; err != nil {
				ended = err
				break
			}
			if most > 0 && len(window.Records) > most {
				t.Fatalf("a window of %d records", len(window.Records))
			}
			all.Records = append(all.Records, window.Records...)
			all.Size += window.Size
		}
		if fmt.Sprint(err) != fmt.Sprint(ended) {
			t.Fatalf("whole: %v, in windows: %v", err, ended)
		}
		if err == nil && (!cmp.Equal(cells(page), cells(all)) || page.Size != all.Size) {
			t.Fatalf("whole: %q, in windows: %q", cells(page), cells(all))
		}
		if !cmp.Equal(page.Body, all.Body) {
			t.Fatalf("whole: %q, in windows: %q", page.Body, all.Body)
		}
	})
}
