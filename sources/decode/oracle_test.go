package decode_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/sources/decode"
)

// absent is what the oracle finds where nothing is. No JSON value equals it.
type absent struct{}

// lookup is the slow way to a place: through maps, with numbers as text.
func lookup(value any, path decode.Path) any {
	for _, segment := range path {
		switch v := value.(type) {
		case map[string]any:
			inner, ok := v[segment]
			if !ok {
				return absent{}
			}
			value = inner
		case []any:
			i, err := strconv.Atoi(segment)
			if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != segment {
				return absent{}
			}
			value = v[i]
		default:
			return absent{}
		}
	}
	return value
}

func parse(t check, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		t.Fatalf("slot %q: %v", text, err)
	}
	return value
}

// compare holds slots against what the oracle finds at their paths.
func compare(t check, body []byte, value any, wanted []decode.Path, slots [][]byte) {
	t.Helper()
	for i, path := range wanted {
		want := lookup(value, path)
		if slots[i] == nil {
			if want != (absent{}) {
				t.Fatalf("%q: absent, want %v", path, want)
			}
			continue
		}
		if diff := cmp.Diff(want, parse(t, slots[i])); diff != "" {
			t.Fatalf("%q: %s", path, diff)
		}
		if !bytes.Contains(body, slots[i]) {
			t.Fatalf("%q: %q is not in the body as it stands", path, slots[i])
		}
	}
}

// checkPage holds a whole page, or its error, against the oracle.
func checkPage(t check, body []byte, l decode.Layout, r io.Reader) {
	t.Helper()
	page, err := compile(t, l).Page(r)
	value := parse(t, body)
	at := lookup(value, l.At)
	list, isList := at.([]any)
	misfit := slices.IndexFunc(list, func(v any) bool { _, ok := v.(map[string]any); return !ok })
	switch {
	case at == absent{}:
		if !errors.Is(err, decode.ErrNoArray) {
			t.Fatalf("nothing at %q: %v", l.At, err)
		}
	case !isList:
		if !errors.Is(err, decode.ErrNotArray) {
			t.Fatalf("no array at %q: %v", l.At, err)
		}
	case misfit >= 0:
		if !errors.Is(err, decode.ErrNotObject) || !strings.Contains(err.Error(), fmt.Sprintf("record %d:", misfit)) {
			t.Fatalf("record %d is no object: %v", misfit, err)
		}
	case err != nil:
		t.Fatal(err)
	}
	if err == nil && len(page.Records) != len(list) {
		t.Fatalf("%d records, want %d", len(page.Records), len(list))
	}
	for i, record := range page.Records {
		compare(t, body, list[i], l.Record, record)
	}
	compare(t, body, value, l.Body, page.Body)
}

var (
	names   = rapid.SampledFrom([]string{"a", "b", "c", "data", "id", "0", "1", "2", "01", "", "a.b", `"`, "\\", "é", "😀", "\n"})
	spaces  = rapid.SampledFrom([]string{"", "", "", " ", "\n\t", "\r\n"})
	scalars = rapid.SampledFrom([]string{
		"null", "true", "false", "0", "-0", "1", "0.10", "1e400", "-1.5E-3", "9007199254740993", "123456789012345678901234567890",
		`""`, `"a"`, `"[{\"\\"`, `"\u00e9\u0000"`, `"😀"`, `"\ud83d\ude00"`, `"\/"`, "[]", "{}",
	})
)

// draw writes a random value, with the spaces and escapes an owner may use.
func draw(t *rapid.T, b *strings.Builder, depth int) {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	switch {
	case depth == 0 || kind < 2:
		b.WriteString(scalars.Draw(t, "scalar"))
	case kind < 4:
		drawObject(t, b, depth)
	default:
		b.WriteString("[")
		for i := range rapid.IntRange(0, 4).Draw(t, "elements") {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(spaces.Draw(t, "space"))
			if rapid.Bool().Draw(t, "record") {
				drawObject(t, b, depth-1)
			} else {
				draw(t, b, depth-1)
			}
		}
		b.WriteString(spaces.Draw(t, "space") + "]")
	}
}

func drawObject(t *rapid.T, b *strings.Builder, depth int) {
	b.WriteString("{")
	for i, name := range rapid.SliceOfNDistinct(names, 0, 5, rapid.ID).Draw(t, "names") {
		if i > 0 {
			b.WriteString(",")
		}
		quoted := strconv.QuoteToASCII(name)
		if rapid.Bool().Draw(t, "escape") || strings.ContainsAny(quoted, `U`) {
			text, _ := json.Marshal(name)
			quoted = string(text)
		}
		if name == "a" && rapid.Bool().Draw(t, "escape a") {
			quoted = `"\u0061"`
		}
		b.WriteString(spaces.Draw(t, "space") + quoted + spaces.Draw(t, "space") + ":" + spaces.Draw(t, "space"))
		if depth <= 0 {
			b.WriteString(scalars.Draw(t, "scalar"))
		} else {
			draw(t, b, depth-1)
		}
	}
	b.WriteString(spaces.Draw(t, "space") + "}")
}

func drawPaths(t *rapid.T, label string, least, most int) []decode.Path {
	var out []decode.Path
	for range rapid.IntRange(0, 6).Draw(t, label) {
		out = append(out, rapid.SliceOfN(names, least, most).Draw(t, label))
	}
	return out
}

func TestPageAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		draw(t, &b, 5)
		body := []byte(b.String())
		l := decode.Layout{
			Record:   drawPaths(t, "record", 0, 3),
			Body:     drawPaths(t, "body", 0, 5),
			At:       rapid.SliceOfN(names, 0, 2).Draw(t, "at"),
			MaxDepth: 50,
			MaxBytes: 1 << 20,
		}
		var r io.Reader = bytes.NewReader(body)
		if rapid.Bool().Draw(t, "slow") {
			r = iotest.OneByteReader(r)
		}
		checkPage(t, body, l, r)
	})
}

// Pages whose shape fits: rare among wholly random ones.
func TestRecordsAgainstOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString(`{"0":`)
		draw(t, &b, 2)
		b.WriteString(`,"data":[`)
		for i := range rapid.IntRange(0, 6).Draw(t, "records") {
			if i > 0 {
				b.WriteString(",")
			}
			drawObject(t, &b, 3)
		}
		b.WriteString(`],"b":`)
		draw(t, &b, 2)
		b.WriteString("}")
		body := []byte(b.String())
		l := decode.Layout{At: decode.Path{"data"}, Record: drawPaths(t, "record", 0, 3), MaxDepth: 50, MaxBytes: 1 << 20}
		for _, path := range drawPaths(t, "body", 0, 4) {
			if rapid.Bool().Draw(t, "inside") {
				path = append(decode.Path{"data"}, path...)
			}
			l.Body = append(l.Body, path)
		}
		checkPage(t, body, l, bytes.NewReader(body))
	})
}

// fuzzLayout wants overlapping places, inside and outside the records.
func fuzzLayout() decode.Layout {
	return decode.Layout{
		At:     decode.Path{"data"},
		Record: []decode.Path{{"id"}, {"p"}, {"p", "n"}, {"p", "0", "n"}, {}},
		Body:   []decode.Path{{"next"}, {"data", "0", "id"}, {"m", "1"}, {"data"}},
		// Small bounds, so that the fuzzer meets them.
		MaxDepth: 8,
		MaxBytes: 400,
	}
}

func FuzzPage(f *testing.F) {
	for _, seed := range []string{
		`{"data":[{"id":1,"p":{"n":"x"}},{"id":9007199254740993,"p":[{"n":null}]}],"next":"c","m":[0,1]}`,
		`{"data":null}`, `[]`, `{"data":[1]}`, `{"data":[{"id":"\ud800"}]}`, "{\"data\":[{\"id\":\"\xff\"}]}",
		`{"data":[{"id":1,"id":2}]}`, `{"data":[[[[[[[[[[]]]]]]]]]]}`, `{"data":[]}x`, `{"data":[{"id":01}]}`, `{"\u0064ata":[{}]}`, ``,
		"\ufeff{\"data\":[{\"id\":\"\ufeff\"}]}", "\ufeff\ufeff[]", "\xff\xfe[\x00]\x00",
	} {
		f.Add([]byte(seed))
	}
	l := fuzzLayout()
	f.Fuzz(func(t *testing.T, body []byte) {
		d := compile(t, l)
		page, err := d.Page(bytes.NewReader(body))
		if len(body) > 400 && err == nil {
			t.Fatal("past the bound")
		}
		slow, slowErr := d.Page(iotest.OneByteReader(bytes.NewReader(body)))
		if fmt.Sprint(err) != fmt.Sprint(slowErr) || !cmp.Equal(page, slow) {
			t.Fatalf("read slowly: %v %v, else %v %v", slow, slowErr, page, err)
		}
		unfit := errors.Is(err, decode.ErrNoArray) || errors.Is(err, decode.ErrNotArray) || errors.Is(err, decode.ErrNotObject)
		if err != nil && !unfit {
			named := errors.Is(err, decode.ErrSyntax) || errors.Is(err, decode.ErrTooLarge) || errors.Is(err, decode.ErrTooDeep)
			if !named {
				t.Fatalf("an error without a name: %v", err)
			}
			return
		}
		text := bytes.TrimPrefix(body, []byte("\ufeff"))
		if !json.Valid(text) {
			t.Fatalf("not JSON, but %v", err)
		}
		checkPage(t, text, l, bytes.NewReader(text))
	})
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{
		"{\"id\":1}\n{\"id\":2}\n", "\n\n{}", "{\"id\":\"\\ud800\"}\r\n \n", "[]\n", "{}{}\n", "{\"id\":\n1}", "{\"p\":{\"n\":[[[[[[[[]]]]]]]]}}", "{",
		"\ufeff{\"id\":\"\ufeff\"}\n", "{}\n\ufeff{}", "\ufeff\n",
	} {
		f.Add([]byte(seed), 2, int64(20))
	}
	l := fuzzLayout()
	l.Format, l.At, l.Body = decode.NDJSON(), nil, nil
	f.Fuzz(func(t *testing.T, body []byte, records int, size int64) {
		d := compile(t, l)
		pages, err := windows(d, bytes.NewReader(body), decode.Window{Records: records, Bytes: size})
		var wanted [][]byte
		for line := range bytes.Lines(bytes.TrimPrefix(body, []byte("\ufeff"))) {
			if line = bytes.Trim(line, " \t\r\n"); len(line) > 0 {
				wanted = append(wanted, line)
			}
		}
		read := 0
		for _, page := range pages {
			if len(page.Records) == 0 || records > 0 && len(page.Records) > records || page.Size > l.MaxBytes {
				t.Fatalf("a window of %d records, %d bytes", len(page.Records), page.Size)
			}
			for _, record := range page.Records {
				if read == len(wanted) || !bytes.Equal(record[4], wanted[read]) {
					t.Fatalf("line %d became %q", read, record[4])
				}
				compare(t, body, parse(t, record[4]), l.Record, record)
				read++
			}
		}
		if err == nil && read != len(wanted) {
			t.Fatalf("%d of %d lines", read, len(wanted))
		}
		if err == nil {
			return
		}
		for _, name := range []error{decode.ErrSyntax, decode.ErrNotObject, decode.ErrTooLarge, decode.ErrTooDeep} {
			if errors.Is(err, name) {
				return
			}
		}
		t.Fatalf("an error without a name: %v", err)
	})
}
