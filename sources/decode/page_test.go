package decode_test

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/decode"
)

// layout is what most tests read with: id and profile.name of the records in
// data, and the next cursor.
func layout() decode.Layout {
	return decode.Layout{
		At:       decode.Path{"data"},
		Record:   []decode.Path{{"id"}, {"profile", "name"}},
		Body:     []decode.Path{{"meta", "next"}},
		MaxDepth: 20,
		MaxBytes: 1 << 20,
	}
}

// check is what *testing.T and *rapid.T have in common.
type check interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func compile(t check, l decode.Layout) *decode.Decoder {
	t.Helper()
	d, err := l.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// texts shows slots as strings; an absent one is "-".
func texts(slots [][]byte) []string {
	out := make([]string, len(slots))
	for i, raw := range slots {
		if out[i] = string(raw); raw == nil {
			out[i] = "-"
		}
	}
	return out
}

func recordTexts(p decode.Page) [][]string {
	out := [][]string{}
	for _, record := range p.Records {
		out = append(out, texts(record))
	}
	return out
}

func paths(t check, written ...string) []decode.Path {
	t.Helper()
	var out []decode.Path
	for _, s := range written {
		p, err := decode.ParsePath(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestSlots(t *testing.T) {
	tests := []struct {
		name, body, at string
		record, place  []string
		want           [][]string
		wantBody       []string
	}{
		{
			name: "the body is the array", body: ` [ {"id" : 1} , {} ] `, record: []string{"id"},
			want: [][]string{{"1"}, {"-"}}, wantBody: []string{},
		}, {
			name: "null is not absent", body: `{"data":[{"id":null},{"id":""},{"di":0}]}`, at: "data", record: []string{"id"},
			want: [][]string{{"null"}, {`""`}, {"-"}}, wantBody: []string{},
		}, {
			name: "no records", body: `{"data":[]}`, at: "data", record: []string{"id"}, place: []string{"next"},
			want: [][]string{}, wantBody: []string{"-"},
		}, {
			name: "places before, after and beside the records",
			body: `{"n":1,"a":{"x":[7,{"y":8}],"rows":[{"id":1}],"z":9},"m":[0,[2]]}`, at: "a.rows", record: []string{"id"},
			place: []string{"n", "a.x.1.y", "a.z", "m.1.0", "m.2", "n.o"},
			want:  [][]string{{"1"}}, wantBody: []string{"1", "8", "9", "2", "-", "-"},
		}, {
			name: "places inside, around and at the records",
			body: `{"a":{"rows":[{"id":1},{"id":2,"v":{"w":3}}]}}`, at: "a.rows", record: []string{"id"},
			place: []string{"a.rows.1.v.w", "a.rows.1", "a.rows", "a", "a.rows.2.id"},
			want:  [][]string{{"1"}, {"2"}},
			wantBody: []string{"3", `{"id":2,"v":{"w":3}}`, `[{"id":1},{"id":2,"v":{"w":3}}]`,
				`{"rows":[{"id":1},{"id":2,"v":{"w":3}}]}`, "-"},
		}, {
			name: "the records lie in an array", body: `[{"x":[]},{"x":[{"id":4}]}]`, at: "1.x", record: []string{"id"},
			want: [][]string{{"4"}}, wantBody: []string{},
		}, {
			name: "a value and places inside it", body: `[{"a":{"b":[{"c":1},2]}},{"a":5},{"a":{"b":{"0":{"c":6}}}}]`,
			record: []string{"a", "a.b.0.c", "a.b", "a.b.1", "a"},
			want: [][]string{
				{`{"b":[{"c":1},2]}`, "1", `[{"c":1},2]`, "2", `{"b":[{"c":1},2]}`},
				{"5", "-", "-", "-", "5"},
				{`{"b":{"0":{"c":6}}}`, "6", `{"0":{"c":6}}`, "-", `{"b":{"0":{"c":6}}}`},
			},
			wantBody: []string{},
		}, {
			name: "a path through something else is absent", body: `[{"p":[]},{"p":"x"},{"p":null},{"p":{"q":{}}}]`,
			record: []string{"p.q.r"}, want: [][]string{{"-"}, {"-"}, {"-"}, {"-"}}, wantBody: []string{},
		}, {
			name: "only whole numbers index", body: `[{"p":[1,2]},{"p":{"01":3,"-1":4,"1":5}}]`,
			record: []string{"p.01", "p.-1", "p.1"}, want: [][]string{{"-", "-", "2"}, {"3", "4", "5"}}, wantBody: []string{},
		}, {
			name: "names with dots, escapes and none", body: `{"value":[{"@odata.id":1,"na\u006de":2,"":3,"ü":4}]}`, at: "value",
			record: []string{`"@odata.id"`, "name", `""`, "ü"}, want: [][]string{{"1", "2", "3", "4"}}, wantBody: []string{},
		}, {
			name:   "text stays as it was written",
			body:   `[{"a": 100000000000000000000000000000 , "b":1e400,"c":0.10,"d":"\u00e9\/\u0000","e":[ 1 ,{ "f" : 2 } ],"g":-0}]`,
			record: []string{"a", "b", "c", "d", "e", "g"}, wantBody: []string{},
			want: [][]string{{"100000000000000000000000000000", "1e400", "0.10", `"\u00e9\/\u0000"`, `[ 1 ,{ "f" : 2 } ]`, "-0"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := decode.Layout{Record: paths(t, tt.record...), Body: paths(t, tt.place...), MaxDepth: 20, MaxBytes: 1000}
			if tt.at != "" {
				l.At = paths(t, tt.at)[0]
			}
			d := compile(t, l)
			for _, r := range []io.Reader{strings.NewReader(tt.body), iotest.OneByteReader(strings.NewReader(tt.body))} {
				page, err := d.Page(r)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(tt.want, recordTexts(page)); diff != "" {
					t.Errorf("records (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.wantBody, texts(page.Body)); diff != "" {
					t.Errorf("body (-want +got):\n%s", diff)
				}
				if page.Size != int64(len(tt.body)) {
					t.Errorf("size %d, want %d", page.Size, len(tt.body))
				}
			}
		})
	}
}

func TestWholeRecord(t *testing.T) {
	d := compile(t, decode.Layout{Record: []decode.Path{{}, {"a", "b"}}, MaxDepth: 9, MaxBytes: 100})
	page, err := d.Page(strings.NewReader(`[ {"a":{"b":1} } ]`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{`{"a":{"b":1} }`, "1"}}, recordTexts(page)); diff != "" {
		t.Error(diff)
	}
}

// Two records whose keys differ only in broken text stay two; nothing is
// repaired, and nobody else's record suffers.
func TestBrokenTextStaysInItsRecord(t *testing.T) {
	for _, broken := range []string{`"\ud800"`, `"x\udc00y"`, `"\ud800\ud800"`, "\"\xff\"", "\"ab\xc3\"", "\"\xed\xa0\x80\"", `{"n":["\ud800"]}`, "{\"\xff\":1}"} {
		body := `{"data":[{"id":` + broken + `,"extra":` + broken + `},{"id":2}]}`
		page, err := compile(t, layout()).Page(strings.NewReader(body))
		if err != nil {
			t.Errorf("%q: %v", broken, err)
			continue
		}
		if diff := cmp.Diff([][]string{{broken, "-"}, {"2", "-"}}, recordTexts(page)); diff != "" {
			t.Errorf("%q: %s", broken, diff)
		}
	}
}

func TestHostileBodies(t *testing.T) {
	tests := []struct {
		name, body string
		want       error
		why        string // of a syntax error
	}{
		{"nothing", "", decode.ErrSyntax, "cut off"},
		{"only space", " \n", decode.ErrSyntax, "cut off"},
		{"a page of HTML", "<!DOCTYPE html><p>log in", decode.ErrSyntax, "malformed"},
		{"only a mark of UTF-8", "\ufeff", decode.ErrSyntax, "cut off"},
		{"half a mark of UTF-8", "\xef\xbb" + `{"data":[]}`, decode.ErrSyntax, "malformed"},
		{"two marks of UTF-8", "\ufeff\ufeff" + `{"data":[]}`, decode.ErrSyntax, "malformed"},
		{"a mark behind a space", " \ufeff" + `{"data":[]}`, decode.ErrSyntax, "malformed"},
		{"a mark inside", "{\ufeff" + `"data":[]}`, decode.ErrSyntax, "malformed"},
		{"a mark at the end", `{"data":[]}` + "\ufeff", decode.ErrSyntax, "more follows the value"},
		{"UTF-16", "\xff\xfe{\x00}\x00", decode.ErrSyntax, "written in UTF-16, and only UTF-8 is read"},
		{"UTF-16, the other way", "\xfe\xff\x00{\x00}", decode.ErrSyntax, "written in UTF-16, and only UTF-8 is read"},
		{"a member named twice in a record", `{"data":[{"id":1,"id":2}]}`, decode.ErrSyntax, "a member is named twice"},
		{"twice by an escape", `{"data":[{"id":1,"\u0069d":2}]}`, decode.ErrSyntax, "a member is named twice"},
		{"twice in a kept value", `{"data":[{"id":{"a":1,"a":1}}]}`, decode.ErrSyntax, "a member is named twice"},
		{"twice in a skipped value", `{"x":{"a":1,"a":1},"data":[]}`, decode.ErrSyntax, "a member is named twice"},
		{"the records twice", `{"data":[],"data":[]}`, decode.ErrSyntax, "a member is named twice"},
		{"two names that would be repaired into one", "{\"data\":[{\"id\":{\"\xfe\":1,\"\xff\":2}}]}", decode.ErrSyntax, "a member is named twice"},
		{"a broken name beside a wanted one", `{"data":[{"\ud800":1,"id":2}]}`, decode.ErrSyntax, "a member name is broken text"},
		{"a name that is not UTF-8", "{\"data\":[{\"i\xff\":1}]}", decode.ErrSyntax, "a member name is broken text"},
		{"leading zero", `{"data":[{"id":01}]}`, decode.ErrSyntax, "malformed"},
		{"leading plus", `{"data":[{"id":+1}]}`, decode.ErrSyntax, "malformed"},
		{"not a number", `{"data":[{"id":NaN}]}`, decode.ErrSyntax, "malformed"},
		{"half a number", `{"data":[{"id":1.}]}`, decode.ErrSyntax, "malformed"},
		{"raw control character", "{\"data\":[{\"id\":\"a\nb\"}]}", decode.ErrSyntax, "malformed"},
		{"bad escape", `{"data":[{"id":"\q"}]}`, decode.ErrSyntax, "malformed"},
		{"bad escape in a skipped value", `{"data":[{"x":"\q"}]}`, decode.ErrSyntax, "malformed"},
		{"bad hex", `{"data":[{"id":"\u12g4"}]}`, decode.ErrSyntax, "malformed"},
		{"trailing comma", `{"data":[{"id":1},]}`, decode.ErrSyntax, "malformed"},
		{"a name without quotes", `{data:[]}`, decode.ErrSyntax, "malformed"},
		{"a number for a name", `{"data":[{1:2}]}`, decode.ErrSyntax, "malformed"},
		{"single quotes", `{'data':[]}`, decode.ErrSyntax, "malformed"},
		{"a comment", `{"data":[]/* */}`, decode.ErrSyntax, "malformed"},
		{"the wrong bracket", `{"data":[}}`, decode.ErrSyntax, "malformed"},
		{"trailing garbage", `{"data":[]}x`, decode.ErrSyntax, "more follows the value"},
		{"a second value", `{"data":[]} {"data":[]}`, decode.ErrSyntax, "more follows the value"},
		{"a closing bracket too many", `{"data":[]}]`, decode.ErrSyntax, "more follows the value"},
		{"a NUL after it", "{\"data\":[]}\x00", decode.ErrSyntax, "more follows the value"},
		{"an error body", `{"error":"no"}`, decode.ErrNoArray, ""},
		{"records below null", `null`, decode.ErrNoArray, ""},
		{"a list for an object", `[]`, decode.ErrNoArray, ""},
		{"null records", `{"data":null}`, decode.ErrNotArray, ""},
		{"an object of records", `{"data":{"0":{}}}`, decode.ErrNotArray, ""},
		{"text for records", `{"data":"[]"}`, decode.ErrNotArray, ""},
		{"a null record", `{"data":[{"id":1},null]}`, decode.ErrNotObject, ""},
		{"a list for a record", `{"data":[["id",1]]}`, decode.ErrNotObject, ""},
		{"a text for a record", `{"data":["id"]}`, decode.ErrNotObject, ""},
		{"unsound after a misfit", `{"data":[7],"x":01}`, decode.ErrSyntax, "malformed"},
		{"too deep in a kept value", `{"data":[{"id":` + nested(18) + `}]}`, decode.ErrTooDeep, ""},
		{"too deep in a skipped value", `{"x":` + nested(20) + `,"data":[]}`, decode.ErrTooDeep, ""},
		{"100,000 arrays", `{"data":[{"id":` + strings.Repeat("[", 100_000), decode.ErrTooDeep, ""},
		{"100,000 objects", strings.Repeat(`{"data":`, 100_000), decode.ErrTooDeep, ""},
		{"deep brackets in a text are no depth, but its end is missing", `{"data":[{"id":"` + strings.Repeat(`[\"`, 100), decode.ErrSyntax, "cut off"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			page, err := compile(t, layout()).Page(strings.NewReader(tt.body))
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if page.Records != nil {
				t.Error("records beside an error")
			}
			var syntax *decode.SyntaxError
			if errors.As(err, &syntax) && syntax.Why != tt.why {
				t.Errorf("why %q, want %q", syntax.Why, tt.why)
			}
		})
	}
}

func nested(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }

func TestErrorsNameThePlace(t *testing.T) {
	for body, want := range map[string]string{
		`{"secret":1}`:                `no records at "data"`,
		`{"data":"secret"}`:           `no array of records at "data"`,
		`{"data":[{},{},"secret",1]}`: `record 2: not an object`,
		`{"data":[{"secret":x}]}`:     `unsound JSON after byte 19: malformed`,
		`{"data":[{"id":1,"id":2}]}`:  `unsound JSON after byte 17: a member is named twice`,
		`{"data":[{"id":"secret`:      `unsound JSON after byte 22: cut off`,
		`{"data":[]} secret`:          `unsound JSON after byte 11: more follows the value`,
		`{"data":[{"\ud800":1}]}`:     `unsound JSON after byte 10: a member name is broken text`,
	} {
		if _, err := compile(t, layout()).Page(strings.NewReader(body)); err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", body, err, want)
		}
	}
	d := compile(t, decode.Layout{MaxDepth: 1, MaxBytes: 100})
	if _, err := d.Page(strings.NewReader("7")); err == nil || err.Error() != "no array of records at the top of the body" {
		t.Error(err)
	}
}

// The offset of what is wrong in a value that is read twice counts from the
// body's start as well.
func TestOffsetInsideKeptValue(t *testing.T) {
	d := compile(t, decode.Layout{Record: []decode.Path{{"a"}, {"a", "b", "c"}, {"a", "b"}}, MaxDepth: 9, MaxBytes: 100})
	_, err := d.Page(strings.NewReader(`[{"a": {"b" : {"\ud800":1}}}]`))
	var syntax *decode.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset != 15 {
		t.Errorf("got %v, want offset 15", err)
	}
}

// What the owner says beside the missing records is what explains them.
func TestBodyComesWithMisfit(t *testing.T) {
	for _, body := range []string{`{"meta":{"next":"why"}}`, `{"data":null,"meta":{"next":"why"}}`, `{"data":[1],"meta":{"next":"why"}}`} {
		page, err := compile(t, layout()).Page(strings.NewReader(body))
		if err == nil {
			t.Errorf("%s: no error", body)
		}
		if diff := cmp.Diff([]string{`"why"`}, texts(page.Body)); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

func TestCutAtEveryByte(t *testing.T) {
	const body = `{"meta":{"next":"a\u00e9"},"data":[{"id":-1.5e3,"profile":{"name":"ü","x":[true]}},{"id":null}],"more":false}`
	d := compile(t, layout())
	if _, err := d.Page(strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	for n := range len(body) {
		_, err := d.Page(strings.NewReader(body[:n]))
		var syntax *decode.SyntaxError
		if !errors.As(err, &syntax) || syntax.Why != "cut off" {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	for n := range len(body) + 1 {
		r := io.MultiReader(strings.NewReader(body[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := d.Page(r); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, decode.ErrSyntax) {
			t.Errorf("broken off at %d: %v", n, err)
		}
		// The error comes with the last bytes, and only once.
		if _, err := d.Page(&once{data: body[:n], err: io.ErrUnexpectedEOF}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("broken off once at %d: %v", n, err)
		}
	}
}

// once gives its error together with the data, and a clean end after it.
type once struct {
	data string
	err  error
}

func (o *once) Read(p []byte) (int, error) {
	n := copy(p, o.data)
	if o.data = o.data[n:]; o.data != "" {
		return n, nil
	}
	err := o.err
	o.err = io.EOF
	return n, err
}

// Pages share nothing, so that a kept one cannot be changed by a later one,
// nor a slot by what is appended to its neighbour.
func TestPagesAreTheirOwn(t *testing.T) {
	d := compile(t, layout())
	first, err := d.Page(strings.NewReader(`{"data":[{"id":"first","profile":{"name":"one"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Page(strings.NewReader(`{"data":[{"id":"other","profile":{"name":"two"}}]}`)); err != nil {
		t.Fatal(err)
	}
	_ = append(first.Records[0][0], "!!!!!!"...)
	_ = append(first.Records[0], []byte("!"))
	if diff := cmp.Diff([][]string{{`"first"`, `"one"`}}, recordTexts(first)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"-"}, texts(first.Body)); diff != "" {
		t.Error(diff)
	}
}

// Nothing of a page shows in the next one, which may use its working memory.
func TestPagesForgetEachOther(t *testing.T) {
	d := compile(t, layout())
	for range 10 {
		if _, err := d.Page(strings.NewReader(`{"data":[{"id":1}],"meta":{"next":"c1"}}`)); err != nil {
			t.Fatal(err)
		}
		page, err := d.Page(strings.NewReader(`{"data":[{}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if page.Body[0] != nil || page.Records[0][0] != nil {
			t.Fatalf("an empty page has %q and %q", page.Body, page.Records)
		}
		if _, err := d.Page(strings.NewReader(`{"data":[1]}`)); !errors.Is(err, decode.ErrNotObject) {
			t.Fatal(err)
		}
		if _, err := d.Page(strings.NewReader(`{}`)); !errors.Is(err, decode.ErrNoArray) {
			t.Fatal(err)
		}
	}
}

func TestConcurrentPages(t *testing.T) {
	d := compile(t, layout())
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 50 {
				id := strconv.Itoa(1000*worker + i)
				page, err := d.Page(strings.NewReader(`{"data":[{"id":` + id + `}]}`))
				if err != nil || string(page.Records[0][0]) != id {
					t.Errorf("id %s: %q, %v", id, page.Records, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestLargePageAfterSmall(t *testing.T) {
	d := compile(t, decode.Layout{Record: []decode.Path{{"a"}}, MaxDepth: 9, MaxBytes: 16 << 20})
	large := `"` + strings.Repeat("é", 1<<20) + `"`
	for _, a := range []string{"1", large, "2"} {
		page, err := d.Page(iotest.HalfReader(strings.NewReader(`[{"a":` + a + `}]`)))
		if err != nil || len(page.Records) != 1 || string(page.Records[0][0]) != a {
			t.Fatalf("%d bytes: %v", len(a), err)
		}
		if held := int64(len(a) + 2*24); page.Held != held {
			t.Errorf("held %d, want %d", page.Held, held)
		}
	}
}

func TestPageCostsFewAllocations(t *testing.T) {
	body, l := usersPage()
	d := compile(t, l)
	if got := testing.AllocsPerRun(20, func() {
		if _, err := d.Page(bytes.NewReader(body)); err != nil {
			t.Fatal(err)
		}
	}); got > 50 {
		t.Errorf("%v allocations for a page of 1,000 records", got)
	}
}
