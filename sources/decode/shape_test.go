package decode_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/decode"
)

// shape is a layout of records below "data": slot 0 is the whole record or
// nothing, slot 1 the path "a", slot 2 "b.n"; of a map slot 3 is the name.
func shape(as decode.As) decode.Layout {
	l := decode.Layout{At: decode.Path{"data"}, As: as, MaxDepth: 8, MaxBytes: 400,
		Record: []decode.Path{nil, {"a"}, {"b", "n"}, nil},
		Body:   []decode.Path{{"next"}, {"data", "a"}, {"data", "0"}}}
	switch as {
	case decode.Map:
		l.Names = []int{3}
	case decode.Value:
		l.Record[0] = decode.Path{}
	}
	return l
}

func TestShapes(t *testing.T) {
	const none = "-"
	for _, c := range []struct {
		as   decode.As
		body string
		want [][]string
		next string
	}{
		{decode.Map, `{"data":{"x":{"a":1},"\u0079":{"b":{"n":"q"}}},"next":"c"}`,
			[][]string{{none, "1", none, `"x"`}, {none, none, `"q"`, `"\u0079"`}}, `"c"`},
		{decode.Map, `{"data":{},"next":"c"}`, nil, `"c"`},
		{decode.One, `{"next":2,"data":{"a":[1],"b":{"n":null}}}`, [][]string{{none, "[1]", "null", none}}, "2"},
		{decode.Columns, `{"data":{"unit":"C","b":[{"n":1},{},{"n":3}],"a":[7,null,9.0],"c":[1]},"next":0}`,
			[][]string{{none, "7", "1", none}, {none, "null", none, none}, {none, "9.0", "3", none}}, "0"},
		{decode.Columns, `{"data":{"a":[7,8]}}`, [][]string{{none, "7", none, none}, {none, "8", none, none}}, none},
		{decode.Columns, `{"data":{"a":[],"b":[]}}`, nil, none},
		{decode.Value, `{"data":["x",1,true],"next":"c"}`,
			[][]string{{`"x"`, none, none, none}, {"1", none, none, none}, {"true", none, none, none}}, `"c"`},
	} {
		page, err := compile(t, shape(c.as)).Page(strings.NewReader(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		var got [][]string
		for _, r := range page.Records {
			var texts []string
			for _, slot := range r {
				if slot == nil {
					slot = []byte(none)
				}
				texts = append(texts, string(slot))
			}
			got = append(got, texts)
		}
		next := none
		if page.Body[0] != nil {
			next = string(page.Body[0])
		}
		if diff := cmp.Diff(c.want, got); diff != "" || next != c.next {
			t.Errorf("%q of %s, next %s (-want +got):\n%s", c.as, c.body, next, diff)
		}
	}
}

func TestShapesThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		as   decode.As
		body string
		want error
		says string
	}{
		{decode.Map, `{"data":[]}`, decode.ErrNotMap, `at "data"`},
		{decode.Map, `{"data":null}`, decode.ErrNotMap, `at "data"`},
		{decode.Map, `{}`, decode.ErrNoArray, `at "data"`},
		{decode.Map, `{"data":{"x":{},"y":1}}`, decode.ErrNotObject, "record 1"},
		{decode.Map, `{"data":{"x":{},"\ud800":{}}}`, decode.ErrSyntax, "broken text"},
		{decode.Map, `{"data":{"x":{},"x":{}}}`, decode.ErrSyntax, "named twice"},
		{decode.One, `{"data":null}`, decode.ErrNotMap, `at "data"`},
		{decode.Columns, `{"data":[{"a":1}]}`, decode.ErrNotMap, `at "data"`},
		{decode.Columns, `{"data":{"a":[1,2],"b":[{}]}}`, decode.ErrUneven, `"a" has 2, "b" has 1 at "data"`},
		{decode.Columns, `{"data":{"a":[1],"b":[{},{},{}]}}`, decode.ErrUneven, `"a" has 1, "b" has 3 at "data"`},
		{decode.Columns, `{"data":{"a":[],"b":[{}]}}`, decode.ErrUneven, `"a" has 0, "b" has 1 at "data"`},
		{decode.Columns, `{"data":{"a":5,"b":[{}]}}`, decode.ErrUneven, `"a" is no array`},
		{decode.Columns, `{"data":{"a":null}}`, decode.ErrUneven, `"a" is no array`},
		{decode.Columns, `{"data":{"c":[1]}}`, decode.ErrUneven, `none of "a", "b" is there`},
		{decode.Value, `{"data":{"x":1}}`, decode.ErrNotArray, `at "data"`},
		{decode.Value, `{"data":["x",{}]}`, decode.ErrNotValue, "record 1"},
		{decode.Value, `{"data":[null]}`, decode.ErrNotValue, "record 0"},
	} {
		page, err := compile(t, shape(c.as)).Page(strings.NewReader(c.body))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || page.Records != nil {
			t.Errorf("%q of %s: %v, want %v that says %s", c.as, c.body, err, c.want, c.says)
		}
	}
}

// TestScalarMap: the values of a map may be scalars where the layout wants
// them whole, as of a list of rates.
func TestScalarMap(t *testing.T) {
	l := decode.Layout{As: decode.Map, Record: []decode.Path{nil, {}}, Names: []int{0}, MaxDepth: 4, MaxBytes: 100}
	page, err := compile(t, l).Page(strings.NewReader(`{"EUR":1.10,"GBP":"0.9"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{`"EUR"`, "1.10"}, {`"GBP"`, `"0.9"`}}
	if diff := cmp.Diff(want, recordTexts(page)); diff != "" {
		t.Error(diff)
	}
	if _, err := compile(t, l).Page(strings.NewReader(`{"EUR":null}`)); !errors.Is(err, decode.ErrNotObject) && !errors.Is(err, decode.ErrNotValue) {
		t.Errorf("a null is a record: %v", err)
	}
}

func TestBlanks(t *testing.T) {
	l := decode.Layout{Record: []decode.Path{{"a"}}, Blanks: true, MaxDepth: 4, MaxBytes: 100}
	page, err := compile(t, l).Page(strings.NewReader(`[null,{"a":1},null,{"a":2}]`))
	if diff := cmp.Diff([][]string{{"1"}, {"2"}}, recordTexts(page)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	l.Blanks = false
	if _, err := compile(t, l).Page(strings.NewReader(`[null]`)); !errors.Is(err, decode.ErrNotObject) {
		t.Errorf("a null among the records: %v", err)
	}
}

// TestCrowdOfShapes: a page of many tiny records is bounded in every form.
func TestCrowdOfShapes(t *testing.T) {
	var m strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&m, `%q:{},`, fmt.Sprint(i))
	}
	for as, body := range map[decode.As]string{
		decode.Columns: `{"data":{"a":[` + strings.Repeat("1,", 60_000) + `1]}}`,
		decode.Value:   `{"data":[` + strings.Repeat("1,", 60_000) + `1]}`,
		decode.Map:     `{"data":{` + m.String() + `"z":{}}}`,
	} {
		l := shape(as)
		l.MaxBytes = 1 << 20
		for range 100 {
			l.Record = append(l.Record, decode.Path{"c"})
		}
		if _, err := compile(t, l).Page(strings.NewReader(body)); !errors.Is(err, decode.ErrTooLarge) {
			t.Errorf("%q: %v", as, err)
		}
	}
}

func TestShapeLayoutsRefused(t *testing.T) {
	for name, l := range map[string]decode.Layout{
		"unknown":                {As: "heap"},
		"names of no map":        {As: decode.One, Record: []decode.Path{nil}, Names: []int{0}},
		"a name that has a path": {As: decode.Map, Record: []decode.Path{{"a"}}, Names: []int{0}},
		"a name beyond":          {As: decode.Map, Names: []int{0}},
		"a whole of columns":     {As: decode.Columns, Record: []decode.Path{{}}},
	} {
		l.MaxDepth, l.MaxBytes = 4, 100
		if _, err := l.Compile(); err == nil {
			t.Errorf("%s: compiles", name)
		}
	}
	d := compile(t, decode.Layout{As: decode.One, MaxDepth: 4, MaxBytes: 100})
	if _, err := windows(d, strings.NewReader("{}\n"), decode.Window{}); err == nil {
		t.Error("lines of one record are read")
	}
}

// checkShape holds a body of any form against the oracle.
func checkShape(t check, body []byte, l decode.Layout, page decode.Page) {
	t.Helper()
	value := parse(t, body)
	at := lookup(value, l.At)
	compare(t, body, value, l.Body, page.Body)
	for i, record := range page.Records {
		switch l.As {
		case decode.Map:
			var name string
			if err := json.Unmarshal(record[3], &name); err != nil {
				t.Fatalf("name %q: %v", record[3], err)
			}
			compare(t, body, at.(map[string]any)[name], l.Record[1:3], record[1:3])
		case decode.One:
			compare(t, body, at, l.Record[1:3], record[1:3])
		case decode.Columns:
			for slot, path := range l.Record[1:3] {
				list, _ := lookup(at, path[:1]).([]any)
				var element any = absent{}
				if list != nil {
					element = list[i]
				}
				compare(t, body, lookupIn(element, path[1:]), []decode.Path{{}}, record[slot+1:slot+2])
			}
		case decode.Value:
			compare(t, body, at.([]any)[i], l.Record[:1], record[:1])
		}
	}
}

func lookupIn(value any, path decode.Path) any {
	if value == (absent{}) {
		return value
	}
	return lookup(value, path)
}

func FuzzShapes(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"a":{"a":1},"0":{"b":{"n":2}}},"next":1}`, `{"data":{"a":[1,2],"b":[{"n":1},{}]},"next":"c"}`,
		`{"data":{"a":[1],"b":[]}}`, `{"data":["a",1,null]}`, `{"data":[1,"b"],"next":{}}`, `{"data":{"a":[[[[[[[[]]]]]]]]}}`,
		`{"data":{"\ud800":{}}}`, `{"data":{"a":1,"a":2}}`, `{"data":null}`, `{"data":{"a":[`, `{"data":{"a":[1]}}x`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, as := range []decode.As{decode.Map, decode.One, decode.Columns, decode.Value} {
			l := shape(as)
			d := compile(t, l)
			page, err := d.Page(bytes.NewReader(body))
			slow, slowErr := d.Page(iotest.OneByteReader(bytes.NewReader(body)))
			if fmt.Sprint(err) != fmt.Sprint(slowErr) || !cmp.Equal(page, slow) {
				t.Fatalf("read slowly: %v %v, else %v %v", slow, slowErr, page, err)
			}
			if err != nil && !decode.Sound(err) {
				if !errors.Is(err, decode.ErrSyntax) && !errors.Is(err, decode.ErrTooLarge) && !errors.Is(err, decode.ErrTooDeep) {
					t.Fatalf("an error without a name: %v", err)
				}
				continue
			}
			if !json.Valid(body) {
				t.Fatalf("not JSON, but %v", err)
			}
			checkShape(t, body, l, page)
		}
	})
}
