package decode_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources/decode"
)

// told reads a body and writes each record as its slots and what nobody named.
func told(t *testing.T, l decode.Layout, body string) []string {
	t.Helper()
	l.MaxDepth, l.MaxBytes = 100, 1<<20
	d, err := l.Compile()
	if err != nil {
		t.Fatal(err)
	}
	page, err := d.Page(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return written(page.Records, len(l.Record))
}

func written(records [][][]byte, width int) []string {
	var out []string
	for _, record := range records {
		slots, members, more := decode.Split(record, width)
		line := string(bytes.Join(slots, []byte("|")))
		for _, m := range members {
			line += " " + m.Name + "=" + string(m.Raw)
		}
		if more {
			line += " more"
		}
		out = append(out, line)
	}
	return out
}

func TestMembersThatNobodyNamedAreTold(t *testing.T) {
	idName := []decode.Path{{"id"}, {"profile", "name"}}
	named := func(in decode.Path, names ...string) *decode.Unnamed { return &decode.Unnamed{In: in, Named: names} }
	for name, c := range map[string]struct {
		layout decode.Layout
		body   string
		want   []string
	}{
		"of plain records": {decode.Layout{Record: idName, Unnamed: named(nil, "id", "profile")},
			`[{"id":1,"profile":{"name":"a","more":2},"x":[1, {}],"":null},{"x":9007199254740993.10,"id":2},{"id":3}]`,
			[]string{`1|"a" x=[1, {}] =null`, `2| x=9007199254740993.10`, `3|`}},
		"with escapes": {decode.Layout{Record: idName, Unnamed: named(nil, "id", "ü")},
			`[{"id":1,"\u00fc":1,"\u00e4":2}]`, []string{`1| ä=2`}},
		"of the record inside its envelope": {decode.Layout{Record: []decode.Path{{"id"}, {"data", "id"}}, Unnamed: named(decode.Path{"data"}, "id")},
			`[{"id":1,"type":"t","data":{"id":2,"x":3}},{"id":4,"y":1}]`, []string{`1|2 x=3`, `4|`}},
		"though a path begins with them": {decode.Layout{Record: idName, Unnamed: named(nil, "id")},
			`[{"id":1,"profile":{"name":"a"}}]`, []string{`1|"a" profile={"name":"a"}`}},
		"of a record that is wanted whole": {decode.Layout{Record: []decode.Path{{}, {"id"}}, Unnamed: named(nil, "id")},
			`[{"id":1,"x":2}]`, []string{`{"id":1,"x":2}|1 x=2`}},
		"of a map": {decode.Layout{As: decode.Map, Record: []decode.Path{{"id"}, nil}, Names: []int{1}, Unnamed: named(nil, "id")},
			`{"a":{"id":1,"x":2},"b":{"y":3}}`, []string{`1|"a" x=2`, `|"b" y=3`}},
		"of one": {decode.Layout{As: decode.One, Record: []decode.Path{{"id"}}, Unnamed: named(nil, "id")},
			`{"id":1,"x":2}`, []string{`1 x=2`}},
		"of parallel arrays": {decode.Layout{As: decode.Columns, Record: []decode.Path{{"id"}, {"w"}}, Unnamed: named(nil, "id", "unit")},
			`{"x":[1,2],"unit":["m","m"],"id":[10,20],"short":[1],"text":"t","w":[3,4],"y":[null,{}]}`, []string{`10|3 x=1 y=null w=3`, `20|4 x=2 y={} w=4`}},
		"and none of values": {decode.Layout{As: decode.Value, Record: []decode.Path{{}}, Unnamed: named(nil)},
			`[1,"a"]`, []string{`1`, `"a"`}},
		"inside the body's own places": {decode.Layout{At: decode.Path{"d"}, Record: []decode.Path{{"id"}}, Body: []decode.Path{{"d", "0", "x"}}, Unnamed: named(nil, "id")},
			`{"d":[{"id":1,"x":2}]}`, []string{`1 x=2`}},
	} {
		t.Run(name, func(t *testing.T) {
			got := told(t, c.layout, c.body)
			if c.layout.As == decode.Columns {
				for i := range got {
					got[i] = strings.Join(sortedWords(got[i]), " ")
				}
				for i := range c.want {
					c.want[i] = strings.Join(sortedWords(c.want[i]), " ")
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func sortedWords(s string) []string {
	words := strings.Fields(s)
	for i := range words {
		for j := i + 1; j < len(words); j++ {
			if words[j] < words[i] {
				words[i], words[j] = words[j], words[i]
			}
		}
	}
	return words
}

func TestMembersOfLinesAreTold(t *testing.T) {
	d, err := decode.Layout{Format: decode.NDJSON(), Record: []decode.Path{{"id"}}, Unnamed: &decode.Unnamed{Named: []string{"id"}}, MaxDepth: 10, MaxBytes: 1000}.Compile()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for page, err := range d.Windows(strings.NewReader("{\"id\":1,\"x\":2}\n{\"id\":3}\n{\"y\":4}\n"), decode.Window{Records: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, written(page.Records, 1)...)
	}
	if diff := cmp.Diff([]string{"1 x=2", "3", " y=4"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNoRecordIsToldEndlessly(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"f%d":%d`, i, i)
		}
		return b.String()
	}
	l := decode.Layout{Record: []decode.Path{{"id"}}, Unnamed: &decode.Unnamed{Named: []string{"id"}}}
	for n, more := range map[int]bool{1000: false, 1001: true, 5000: true} {
		got := told(t, l, `[{"id":1`+many(n)+`},{"id":2,"x":1}]`)
		if strings.HasSuffix(got[0], " more") != more || strings.Count(got[0], "=") != min(n, 1000) || got[1] != "2 x=1" {
			t.Errorf("of %d members %d are told, more: %t; then %s", n, strings.Count(got[0], "="), strings.HasSuffix(got[0], " more"), got[1])
		}
	}
	l.MaxDepth, l.MaxBytes = 10, 1<<20
	d, err := l.Compile()
	if err != nil {
		t.Fatal(err)
	}
	small := strings.Repeat(`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1},`, 20_000) + `{}`
	if page, err := d.Page(strings.NewReader("[" + small + "]")); err == nil {
		t.Errorf("members outgrow their bytes: %d bytes hold %d", len(small), page.Held)
	}
}
