package expression_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/row/expression"
)

// columnOf is a column of a type as a configuration writes it.
func columnOf(t testing.TB, typ string) row.Column {
	t.Helper()
	parsed, err := row.ParseType(typ)
	if err != nil {
		t.Fatal(err)
	}
	return row.Column{Name: "computed", Type: parsed}
}

func boundValue(text string, column row.Column) (row.Expression, []string, error) {
	_, paths, err := expression.Value(text, column, nil)
	if err != nil {
		return nil, nil, err
	}
	var fields []expression.Field
	for i, path := range paths {
		fields = append(fields, expression.Field{Path: path, Slot: i})
	}
	return expression.Value(text, column, fields)
}

// compute holds fields, "path=JSON" each, against a value for a column.
func compute(column row.Column, text string, fields ...string) string {
	e, paths, err := boundValue(text, column)
	if err != nil {
		return "compile: " + err.Error()
	}
	slots := make([][]byte, len(paths))
	for _, f := range fields {
		path, raw, _ := strings.Cut(f, "=")
		for i := range paths {
			if paths[i] == path {
				slots[i] = []byte(raw)
			}
		}
	}
	out, err := e.Value(slots)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func TestValue(t *testing.T) {
	for _, test := range []struct {
		typ, text string
		fields    []string
		want      string
	}{
		{"text", `first + " " + last`, []string{`first="Ada"`, `last="L\u00f6w \"x\""`}, `"Ada Löw \"x\""`},
		{"text", `first + " " + last`, []string{`first="Ada"`}, `null`},
		{"text", `first + " " + (last ?? "")`, []string{`first="Ada"`}, `"Ada "`},
		{"text", `age >= 18 ? "adult" : "minor"`, []string{`age=18`}, `"adult"`},
		{"text", `age >= 18 ? "adult" : "minor"`, nil, `"minor"`},
		{"text", `name`, []string{`name=1.50`}, `1.5`},
		{"boolean", `status == "open" and not draft`, []string{`status="open"`}, `true`},
		{"boolean", `active`, nil, `null`},
		// Numbers are exact.
		{"numeric", `price * quantity`, []string{`price=19.99`, `quantity=3`}, `59.97`},
		{"numeric", `a + b`, []string{`a=0.1`, `b=0.2`}, `0.3`},
		{"numeric", `amount`, []string{`amount=1234567890.12345678901234567890123`}, `1234567890.12345678901234567890123`},
		{"numeric", `a * a`, []string{`a=9223372036854775807`}, `85070591730234615847396907784232501249`},
		{"numeric", `cents / 100`, []string{`cents=1999`}, `19.99`},
		{"numeric", `cents / 100`, []string{`cents=-2000`}, `-20`},
		{"numeric", `a / 3`, []string{`a=1`}, `is not computed: is a number whose digits have no end: round(…, 2) keeps two of them`},
		{"numeric", `round(a / 3, 2)`, []string{`a=1`}, `0.33`},
		{"numeric", `round(a, 1)`, []string{`a=-0.25`}, `-0.3`},
		{"numeric", `0.1000000000000000055511151231257827`, nil, `0.1000000000000000055511151231257827`},
		{"double", `a / 3`, []string{`a=1`}, `0.3333333333333333`},
		{"bigint", `id + 1`, []string{`id=9007199254740993`}, `9007199254740994`},
		{"bigint", `id + 1`, []string{`id=9223372036854775807`}, `9223372036854775808`},
		{"bigint", `-id`, []string{`id=-9223372036854775808`}, `9223372036854775808`},
		{"bigint", `int(id) % 10`, []string{`id="123"`}, `3`},
		{"bigint", `7 / 2`, nil, `3.5`},
		{"bigint", `2 ** 10 - 2 ^ -1`, nil, `1023.5`},
		{"bigint", `floor(-1.5) + ceil(-1.5) * 10 + int(-1.5) * 100 + round(-1.5) * 1000`, nil, `-2112`},
		{"bigint", `max(a, 2.5) + min([1, a])`, []string{`a=7`}, `8`},
		{"bigint", `max(a, 2)`, nil, `null`},
		{"bigint", `len(name) + indexOf(name, "ö")`, []string{`name="Löw"`}, `4`},
		// Texts, arrays and objects.
		{"text", `join(split(upper(trim(name)), " "), "-")`, []string{`name=" ada love lace "`}, `"ADA-LOVE-LACE"`},
		{"text", `replace(trimPrefix(phone, "+"), " ", "")`, []string{`phone="+49 30 1"`}, `"49301"`},
		{"text", `string(id) + "/" + string(price) + "/" + string(ok)`, []string{`id=5`, `price=1.50`, `ok=true`}, `"5/1.5/true"`},
		{"text", `name[0:1]`, []string{`name="ö"`}, `is not computed: is not valid text`},
		{"json", `{name: name, tags: map(tags, upper(#)), n: [1, 2.50, null]}`, []string{`name="a"`, `tags=["x","y"]`}, `{"n":[1,2.5,null],"name":"a","tags":["X","Y"]}`},
		{"json", `filter(items, .price > 1)`, []string{`items=[{"price":1},{"price":1.01,"b":{}}]`}, `[{"b":{},"price":1.01}]`},
		{"json", `keys(o) == ["a", "b"] ? values(o) : first(l)`, []string{`o={"b":1,"a":2}`}, `[2,1]`},
		{"json", `find(items, .id == 2)?.name`, []string{`items=[{"id":2,"name":"x"}]`}, `"x"`},
		{"text", `let parts = split(name, ","); let n = len(parts); n > 1 ? last(parts) : name`, []string{`name="a,b"`}, `"b"`},
		{"text", `each.city + "/" + $env["odd name"]`, []string{`each.city="Bern"`, `odd name="x"`}, `"Bern/x"`},
		// What is not computed.
		{"text", `first + last`, []string{`first="a"`, `last=1`}, `is not computed: first + last (column 7): adds a text and a number: string(…) makes a text of a number, int(…) and float(…) a number of a text`},
		{"bigint", `a - b * 2`, []string{`a=1`, `b="2"`}, `is not computed: b * 2 (column 7): has a text and a number, and * takes two numbers`},
		{"bigint", `a / b`, []string{`a=1`, `b=0`}, `is not computed: a / b (column 3): divides by zero`},
		{"bigint", `a % 2`, []string{`a=1.5`}, `is not computed: a % 2 (column 3): takes the rest of numbers that are not whole`},
		{"bigint", `2 ** a`, []string{`a=0.5`}, `is not computed: 2 ** a (column 3): has an exponent that is no whole number`},
		{"bigint", `int(a)`, []string{`a="1.5"`}, `is not computed: int(a) (column 1): takes a whole number, and this text has a fraction`},
		{"bigint", `int(a)`, []string{`a="x"`}, `is not computed: int(a) (column 1): takes a number, and this is another text`},
		{"text", `lower(a)`, []string{`a=1`}, `is not computed: lower(a) (column 1): takes a text, and this is a number`},
		{"text", `a`, []string{"a=\"\xff\""}, `is not computed: field a: is not valid text`},
		{"text", `a`, []string{`a="\ud800"`}, `is not computed: field a: is not valid text`},
		{"json", `a`, []string{`a={"b":1,"b":2}`}, `is not computed: field a: has a member name twice, or text that is not valid`},
		{"json", `a`, []string{`a=["\udc00"]`}, `is not computed: field a: has a member name twice, or text that is not valid`},
		{"json", `a`, []string{`a=[1`}, `is not computed: field a: is not JSON`},
		{"numeric", `a`, []string{`a=1e999`}, `is not computed: field a: is a number out of range`},
	} {
		if got := compute(columnOf(t, test.typ), test.text, test.fields...); got != test.want {
			t.Errorf("%s of %q: got %s, want %s", test.text, test.fields, got, test.want)
		}
	}
}

// What is made from a record is bounded, in bytes, digits and steps.
func TestMakingIsBounded(t *testing.T) {
	long := `a="` + strings.Repeat("x", 600_000) + `"`
	items := "items=[" + strings.Repeat("1,", 998) + "1]"
	for _, test := range []struct {
		typ, text string
		fields    []string
		want      string
	}{
		{"text", `a + a`, []string{long}, `is not computed: a + a (column 3): is longer than 1048576 bytes`},
		{"json", `[upper(a), lower(a), trim(a), upper(a), upper(a), upper(a), upper(a)]`, []string{long}, `is not computed: upper(a) (column 61): takes too much work for one record`},
		{"json", `[a, a]`, []string{long}, `is not computed: is longer than 1048576 bytes`},
		{"json", `map(items, a + "b")`, []string{items, long}, `is not computed: a + "b" (column 14): takes too much work for one record`},
		{"json", `map(items, a)`, []string{items, long}, `is not computed: is longer than 1048576 bytes`},
		{"json", `map(items, map(items, [#, #]))`, []string{items}, `is not computed: `},
		{"text", `replace(a, "", a)`, []string{long}, `is not computed: replace(a, "", a) (column 1): is longer than 1048576 bytes`},
		{"json", `split(a, "")`, []string{long}, `is not computed: split(a, "") (column 1): makes more than 1000 texts`},
		{"numeric", `10 ** 9999999`, nil, `is not computed: 10 ** 9999999 (column 4): makes a number of too many digits`},
		{"numeric", strings.Repeat("b * ", 99) + "b", []string{"b=" + strings.Repeat("9", 900)}, `is not computed: b * b * b`},
	} {
		if got := compute(columnOf(t, test.typ), test.text, test.fields...); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: got %.200s, want %s", test.text, got, test.want)
		}
	}
}

func TestValueRefusals(t *testing.T) {
	for _, test := range []struct{ typ, text, want string }{
		{"bigint", `a == 1`, "is true or false, which never becomes a bigint"},
		{"uuid", `1`, "is a number, which never becomes a uuid"},
		{"timestamptz", `a * 1000`, "is a number, which never becomes a timestamptz"},
		{"numeric(10,2)", `[a]`, "is an array, which never becomes a numeric(10,2)"},
		{"text", `{a: a}`, "is an object, which never becomes a text"},
		{"boolean", `a ? [1] : {b: 1}`, "is an array or an object, which never becomes a boolean"},
		{"bigint", `a ? null : b == 1`, "is true or false, which never becomes a bigint"},
		{"bigint", `a + now()`, `column 5: calls "now", which is no function here; there are all, any, none, one, filter, map, count, find, len, first, last, keys, values, lower, upper, trim, trimPrefix, trimSuffix, hasPrefix, hasSuffix, indexOf, replace, split, join, int, float, string, abs, ceil, floor, round, min, max`},
		{"bigint", `round(a, 1, 2)`, `column 1: calls "round" with 3 arguments; it takes 1 or 2`},
		{"bigint", `1e999`, "column 5: invalid float literal"},
		{"bigint", `99999999999999999999`, "column 20: invalid integer literal"},
	} {
		_, _, err := expression.Value(test.text, columnOf(t, test.typ), nil)
		if _, ok := errors.AsType[*expression.Error](err); !ok || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s as %s: got %v, want %s", test.text, test.typ, err, test.want)
		}
	}
	for _, test := range []struct{ typ, text string }{{"text", "1 + 1"}, {"boolean", "len(a)"}, {"json", "a == 1"}, {"bigint", "upper(a)"}, {"uuid", "null"}} {
		if _, _, err := expression.Value(test.text, columnOf(t, test.typ), nil); err != nil {
			t.Errorf("%s as %s: %v", test.text, test.typ, err)
		}
	}
}

// What a column never holds, its field is never in a record that fits; what it
// may hold is for the record to say.
func TestFieldsOfDeclaredColumns(t *testing.T) {
	unix, err := row.ParseFormat("unix", nil)
	if err != nil {
		t.Fatal(err)
	}
	typed := func(path string, columns ...row.Column) expression.Field {
		return expression.Field{Path: path, Slot: -1, Columns: columns}
	}
	stamped := columnOf(t, "timestamptz")
	stamped.As = unix
	fields := []expression.Field{
		typed("age", columnOf(t, "bigint")), typed("name", columnOf(t, "text")), typed("active", columnOf(t, "boolean")),
		typed("seen", columnOf(t, "timestamptz")), typed("stamp", stamped), typed("uid", columnOf(t, "uuid")), typed("doc", columnOf(t, "json")),
		typed("both", columnOf(t, "text"), columnOf(t, "uuid")), typed("found", row.Column{Discover: true}), typed("cell", row.Column{Type: row.Type{Kind: row.Bigint}, Blank: true}), typed("price", columnOf(t, "numeric(10,2)")),
	}
	for text, want := range map[string]string{
		`age > "5"`:              `column 5: age > "5" compares a number with a text; age is the column's bigint: write a number, or int(age) if it is sent as a text`,
		`"5" <= price`:           `column 5: "5" <= price compares a text with a number; price is the column's numeric(10,2): write a number, or int(price) if it is sent as a text`,
		`age > name`:             "",
		`int(age) > 5`:           "",
		`age == "5"`:             "",
		`age == true`:            `column 5: age == true compares a number or a text with true or false, which are never equal; age is the column's bigint: write a number, or int(age) if it is sent as a text`,
		`age`:                    `is a number or a text, not a condition`,
		`active and age`:         `column 12: age is a number or a text, not a condition; age is the column's bigint`,
		`active == 1`:            "",
		`active > 0`:             "",
		`seen > 5`:               `column 6: seen > 5 compares a text with a number; seen is the column's timestamptz`,
		`seen > "2024-01-01"`:    "",
		`stamp > 5`:              "",
		`stamp > "5"`:            "",
		`uid == 5`:               `column 5: uid == 5 compares a text with a number, which are never equal; uid is the column's uuid`,
		`both == 5`:              `column 6: both == 5 compares a text with a number, which are never equal; both is the column's uuid`,
		`uid * 2 > 1`:            `column 1: uid is a text, and * takes a number; uid is the column's uuid`,
		`-uid > 1`:               `column 2: uid is a text, and - takes a number`,
		`abs(seen) > 1`:          `column 5: seen is a text, and abs takes a number`,
		`any(name, # == 1)`:      `column 5: name is true or false or a number or a text, and any takes an array or an object`,
		`doc > 5 and doc.a == 1`: "",
		`found > 5`:              "",
		`name > 5`:               "",
		`uid == null`:            "",
		`len(uid) > 5`:           "",
		`cell > 5`:               `column 6: cell > 5 compares a number that is sent as a text; cell is the column's bigint, and CSV has texts alone: write int(cell) or float(cell)`,
		`cell > "5"`:             `column 6: cell > "5" compares a number with a text; cell is the column's bigint, and CSV has texts alone`,
		`cell * 2 > 5`:           `column 1: cell is a text, and * takes a number; cell is the column's bigint, and CSV`,
		`int(cell) > 5`:          "",
		`cell == "5"`:            "",
	} {
		_, _, err := expression.Condition(text, fields)
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	_, _, err = expression.Value(`uid`, columnOf(t, "bigint"), fields)
	if err != nil {
		t.Errorf("a uuid is a text, which may be a number's: %v", err)
	}
	if _, _, err = expression.Value(`age`, columnOf(t, "json"), fields); err != nil {
		t.Error(err)
	}
}

func FuzzCompute(f *testing.F) {
	for _, text := range []string{`a + " " + b`, `a * 0.1 - b / 3`, `{x: a, y: [b, -a]}`, `map(a, # + 1)`, `round(a / 7, 2) ** 3`, `let x = a ?? 1; x % 5`,
		`join(split(a, ","), b)`, `replace(a, b, a)`, `string(a) + string(b)`, `max(a, b, 2.5)`, `a ? b : null`, `keys(a)[0]`, `a[1:2]`, `2 ** a ** b`} {
		f.Add(text, []byte(`[1,2.5,"x",null,true,{"b":-1e3}]`))
		f.Add(text, []byte(`"x,y"`))
		f.Add(text, []byte(`12345678901234567890.5`))
	}
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		for _, typ := range []string{"json", "double"} {
			e, paths, err := boundValue(text, columnOf(t, typ))
			if err != nil {
				if strings.ContainsAny(err.Error(), "\n\x01\x02") {
					t.Errorf("%q: %q", text, err)
				}
				continue
			}
			slots := make([][]byte, len(paths))
			for i := range slots {
				slots[i] = raw
			}
			first, firstErr := e.Value(slots)
			again, err := e.Value(slots)
			if (err == nil) != (firstErr == nil) || string(first) != string(again) {
				t.Errorf("%q of %q: %s, %v and then %s, %v", text, raw, first, firstErr, again, err)
			}
			switch {
			case err != nil && (len(first) > 0 || strings.ContainsAny(err.Error(), "\n\x01\x02")):
				t.Errorf("%q of %q: %s, %q", text, raw, first, err)
			case err == nil && (!json.Valid(first) || len(first) > 1<<20):
				t.Errorf("%q of %q: %.200s", text, raw, first)
			}
		}
	})
}

func BenchmarkComputed(b *testing.B) {
	e, paths, err := boundValue(`first + " " + last`, columnOf(b, "text"))
	if err != nil {
		b.Fatal(err)
	}
	if diff := cmp.Diff([]string{"first", "last"}, paths); diff != "" {
		b.Fatal(diff)
	}
	slots := [][]byte{[]byte(`"Ada"`), []byte(`"Lovelace"`)}
	b.ReportAllocs()
	for b.Loop() {
		if out, err := e.Value(slots); string(out) != `"Ada Lovelace"` || err != nil {
			b.Fatal(out, err)
		}
	}
}

func BenchmarkComputedDecimal(b *testing.B) {
	e, _, err := boundValue(`price * quantity`, columnOf(b, "numeric"))
	if err != nil {
		b.Fatal(err)
	}
	slots := [][]byte{[]byte(`19.99`), []byte(`3`)}
	b.ReportAllocs()
	for b.Loop() {
		if out, err := e.Value(slots); string(out) != `59.97` || err != nil {
			b.Fatal(string(out), err)
		}
	}
}
