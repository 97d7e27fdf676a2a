package decode_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/decode"
)

// One mark of UTF-8 at the very beginning of a body changes nothing but its
// size, in every format, whole and in windows. Inside a value it is a character.
func TestMarkOfUTF8IsLeftOut(t *testing.T) {
	objects := arrayLayout()
	lines := decode.Layout{Format: decode.NDJSON(), Record: []decode.Path{{"id"}}, MaxDepth: 8, MaxBytes: 100}
	csv := decode.Layout{Format: decode.CSV(), Record: []decode.Path{{"id"}}, MaxDepth: 8, MaxBytes: 100}
	for name, c := range map[string]struct {
		layout decode.Layout
		body   string
	}{
		"JSON":        {objects, `{"before":1,"d":[{"id":1},{"id":"` + "\ufeff" + `"},{"id":3}],"after":2}`},
		"NDJSON":      {lines, "{\"id\":1}\n{\"id\":\"\ufeff\"}\n\n{\"id\":3}"},
		"blank lines": {lines, "\n\r\n{\"id\":3}"},
		"no lines":    {lines, ""},
		"CSV":         {csv, "id\n1\n\ufeff\n3\n"},
	} {
		t.Run(name, func(t *testing.T) {
			d := compile(t, c.layout)
			want, err := d.Page(strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			marked := "\ufeff" + c.body
			for _, r := range []io.Reader{strings.NewReader(marked), iotest.OneByteReader(strings.NewReader(marked)), iotest.DataErrReader(strings.NewReader(marked))} {
				got, err := d.Page(r)
				if diff := cmp.Diff(cells(want), cells(got)); diff != "" || err != nil || !cmp.Equal(want.Body, got.Body) {
					t.Errorf("%q: %v (-want +got):\n%s", got.Body, err, diff)
				}
				if len(got.Records) > 0 && got.Size != int64(len(marked)) {
					t.Errorf("%d bytes of %d", got.Size, len(marked))
				}
			}
			pages, err := windows(d, iotest.OneByteReader(strings.NewReader(marked)), decode.Window{Records: 1})
			size := int64(0)
			for _, page := range pages {
				size += page.Size
			}
			if diff := cmp.Diff(cells(want), cells(pages...)); diff != "" || err != nil || len(pages) > 0 && size != int64(len(marked)) {
				t.Errorf("in windows: %d bytes, %v (-want +got):\n%s", size, err, diff)
			}
		})
	}
}

// A mark counts as any other bytes, hides no failure of the reader, and moves
// the place that an error names.
func TestMarkHidesNothing(t *testing.T) {
	broken := errors.New("broken")
	for _, l := range []decode.Layout{arrayLayout(), lineLayout()} {
		for _, start := range []string{"", "\ufeff", "\ufeff{", "{}"} {
			_, err := compile(t, l).Page(io.MultiReader(strings.NewReader(start), iotest.ErrReader(broken)))
			if !errors.Is(err, broken) {
				t.Errorf("%q and a broken reader: %v", start, err)
			}
		}
		for bound, fits := range map[int64]bool{3: false, 12: false, 13: true} {
			l.MaxBytes = bound
			_, err := compile(t, l).Page(strings.NewReader("\ufeff" + `{"d":[{}]}`))
			if (err == nil) != fits || !fits && !errors.Is(err, decode.ErrTooLarge) {
				t.Errorf("13 bytes in a bound of %d: %v", bound, err)
			}
		}
	}
	_, err := compile(t, arrayLayout()).Page(strings.NewReader("\ufeff{\"d\":x}"))
	if err == nil || !strings.Contains(err.Error(), "after byte 8") {
		t.Errorf("%v", err)
	}
	lines := compile(t, lineLayout())
	if _, err := lines.Page(strings.NewReader("\xff\xfe{\x00}\x00")); err == nil || !strings.Contains(err.Error(), "UTF-16") {
		t.Errorf("lines in UTF-16: %v", err)
	}
	if _, err := lines.Page(strings.NewReader("{}\n\ufeff{}\n")); !errors.Is(err, decode.ErrSyntax) {
		t.Errorf("a mark before the second line: %v", err)
	}
}
