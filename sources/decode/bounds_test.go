package decode_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/larder-sync/larder/sources/decode"
)

func TestReaderThatNeverMoves(t *testing.T) {
	if _, err := compile(t, layout()).Page(stuck{}); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestMaxBytes(t *testing.T) {
	const body = `{"data":[{"id":1}]}`
	for spare, want := range map[int]error{-1: decode.ErrTooLarge, 0: nil, 1: nil} {
		l := layout()
		l.MaxBytes = int64(len(body) + spare)
		if _, err := compile(t, l).Page(strings.NewReader(body)); !errors.Is(err, want) {
			t.Errorf("%d to spare: %v, want %v", spare, err, want)
		}
	}
	l := layout()
	l.MaxBytes = int64(len(body))
	for _, tail := range []string{" ", "x"} {
		if _, err := compile(t, l).Page(strings.NewReader(body + tail)); !errors.Is(err, decode.ErrTooLarge) {
			t.Errorf("tail %q: %v", tail, err)
		}
	}
}

func TestEndlessBodies(t *testing.T) {
	for name, endless := range map[string]struct{ start, more string }{
		"spaces":  {"", " "},
		"text":    {`{"data":[{"id":"`, "aaaaaaaaaaaaaaaa"},
		"skipped": {`{"x":"`, "aaaaaaaaaaaaaaaa"},
		"number":  {`{"data":[{"id":1`, "00000000"},
		"list":    {`{"data":[{"id":[0`, ",0"},
		"records": {`{"data":[{"id":1}`, `,{"id":2}`},
		"tail":    {`{"data":[]}`, "\n"},
	} {
		r := io.MultiReader(strings.NewReader(endless.start), &repeat{text: endless.more})
		if _, err := compile(t, layout()).Page(r); !errors.Is(err, decode.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// repeat is its text without end.
type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.text[r.at]
		r.at = (r.at + 1) % len(r.text)
	}
	return len(p), nil
}

// A body of tiny records must not take many times its size in slots.
func TestCrowdOfEmptyRecords(t *testing.T) {
	l := layout()
	for range 200 {
		l.Record = append(l.Record, decode.Path{"x"})
	}
	body := `{"data":[` + strings.Repeat("{},", 200_000) + `{}]}`
	if _, err := compile(t, l).Page(strings.NewReader(body)); !errors.Is(err, decode.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	page, err := compile(t, layout()).Page(strings.NewReader(`{"data":[` + strings.Repeat("{},", 10_000) + `{}]}`))
	if err != nil || len(page.Records) != 10_001 {
		t.Errorf("%d records, %v", len(page.Records), err)
	}
}

func TestMaxDepth(t *testing.T) {
	l := layout()
	l.MaxDepth = 5
	for inner, want := range map[int]error{2: nil, 3: decode.ErrTooDeep} {
		body := `{"data":[{"id":` + nested(inner) + `,"s":"[[[[[[{{{{\\\"[[["},{"id":[[]]}]}`
		if _, err := compile(t, l).Page(strings.NewReader(body)); !errors.Is(err, want) {
			t.Errorf("%d levels in a record: %v, want %v", inner, err, want)
		}
	}
	l.MaxDepth = 10_000
	for inner, want := range map[int]error{9_997: nil, 9_998: decode.ErrTooDeep} {
		for _, name := range []string{"id", "skipped"} {
			body := `{"data":[{"` + name + `":` + nested(inner) + `}]}`
			if _, err := compile(t, l).Page(strings.NewReader(body)); !errors.Is(err, want) {
				t.Errorf("%d levels in %s: %v, want %v", inner, name, err, want)
			}
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, l := range []decode.Layout{
		{MaxDepth: 0, MaxBytes: 1}, {MaxDepth: 10_001, MaxBytes: 1},
		{MaxDepth: 1, MaxBytes: 0}, {MaxDepth: 1, MaxBytes: 1<<40 + 1},
	} {
		if _, err := l.Compile(); err == nil {
			t.Errorf("%+v compiled", l)
		}
	}
}

// A page of rows, each in lines of its own, keeps the bounds of any page: in
// bytes, and in the memory that slots take.
func TestPagesOfRowsAreBounded(t *testing.T) {
	var paths []decode.Path
	for _, name := range strings.Split("abcdefghijklmnopqrst", "") {
		paths = append(paths, decode.Path{name})
	}
	const n = 300_000
	for name, c := range map[string]struct {
		format       decode.Format
		lines, empty string
	}{
		"json":   {decode.JSON(), `[{"id":1}` + strings.Repeat(`,{"id":1}`, 99) + "]", "[" + strings.TrimSuffix(strings.Repeat("{},", n), ",") + "]"},
		"ndjson": {decode.NDJSON(), strings.Repeat(`{"id":1}`+"\n", 100), strings.Repeat("{}\n", n)},
		"csv":    {decode.CSV(), "id\n" + strings.Repeat("1\n", 100), "x\n" + strings.Repeat("1\n", n)},
	} {
		t.Run(name, func(t *testing.T) {
			for spare, want := range map[int]error{-1: decode.ErrTooLarge, 0: nil, 1: nil} {
				l := decode.Layout{Format: c.format, Record: []decode.Path{{"id"}}, MaxDepth: 5, MaxBytes: int64(len(c.lines) + spare)}
				page, err := compile(t, l).Page(strings.NewReader(c.lines))
				if !errors.Is(err, want) || err == nil && len(page.Records) != 100 {
					t.Errorf("%d bytes to spare: %d records, %v, want %v", spare, len(page.Records), err, want)
				}
			}
			l := decode.Layout{Format: c.format, Record: paths, MaxDepth: 5, MaxBytes: 1 << 20}
			if page, err := compile(t, l).Page(strings.NewReader(c.empty)); !errors.Is(err, decode.ErrTooLarge) {
				t.Errorf("%d records of nothing: %v", len(page.Records), err)
			}
		})
	}
}
