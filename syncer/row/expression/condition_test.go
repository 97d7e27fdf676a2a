package expression_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer/row"
	"github.com/larder-sync/larder/syncer/row/expression"
)

// bound compiles a condition whose paths have the slots in which compile names
// them.
func bound(text string) (row.Condition, []string, error) {
	_, paths, err := expression.Condition(text, nil)
	if err != nil {
		return nil, nil, err
	}
	var columns []expression.Field
	for i, path := range paths {
		columns = append(columns, expression.Field{Path: path, Slot: i})
	}
	return expression.Condition(text, columns)
}

// judge holds fields, "path=JSON" each, against a condition.
func judge(text string, fields ...string) string {
	c, paths, err := bound(text)
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
	holds, err := c.Holds(slots)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(holds)
}

func TestMeaning(t *testing.T) {
	for _, test := range []struct {
		text   string
		fields []string
		want   string
	}{
		{`status != "internal"`, []string{`status="open"`}, "true"},
		{`status != "internal"`, []string{`status="internal"`}, "false"},
		{`status != "internal"`, nil, "true"},
		{`status != 'internal'`, []string{`status="inter\u006eal"`}, "false"},
		{`pull_request == null`, nil, "true"},
		{`pull_request == nil`, []string{`pull_request=null`}, "true"},
		{`pull_request == null`, []string{`pull_request={"url":"x"}`}, "false"},
		{`labels.x in ["a", "b"]`, []string{`labels.x="b"`}, "true"},
		{`labels.x in ["a", "b"]`, []string{`labels.x="c"`}, "false"},
		{`labels.x not in ["a", "b"]`, nil, "true"},
		{`id in [1, 2]`, []string{`id=2`}, "true"},
		{`id in [1, 2]`, []string{`id=2.0`}, "true"},
		{`id in [1, 2]`, []string{`id="2"`}, "false"},
		{`"a" in tags`, []string{`tags=["b","a"]`}, "true"},
		{`"a" in tags`, nil, "false"},
		{`"a" in tags`, []string{`tags={"a":null}`}, "true"},
		{`each.city == "Bern"`, []string{`each.city="Bern"`}, "true"},
		{`$env["odd name"].x == 1`, []string{`odd name.x=1`}, "true"},
		{`items[0].sku == "a"`, []string{`items.0.sku="a"`}, "true"},
		{`a?.b?.c == 1`, []string{`a.b.c=1`}, "true"},
		{`type == "PushEvent" and count > 2 and len == 1`, []string{`type="PushEvent"`, `count=3`, `len=1`}, "true"},
		// Null.
		{`age > 18`, nil, "false"},
		{`age <= 18`, nil, "false"},
		{`not (age > 18)`, nil, "true"},
		{`(age ?? 20) > 18`, nil, "true"},
		{`active`, []string{`active=true`}, "true"},
		{`active`, nil, "false"},
		{`not active`, nil, "true"},
		{`active and verified`, []string{`active=true`}, "false"},
		{`active or verified`, []string{`verified=true`}, "true"},
		{`active ? a : b`, []string{`b=true`}, "true"},
		{`name startsWith "A"`, nil, "false"},
		// Numbers.
		{`id == 9007199254740993`, []string{`id=9007199254740993`}, "true"},
		{`id == 9007199254740993`, []string{`id=9007199254740992`}, "false"},
		{`id > 9007199254740992`, []string{`id=9007199254740993`}, "true"},
		{`id > 9007199254740992.0`, []string{`id=9007199254740993`}, "true"},
		{`9007199254740992.0 < id`, []string{`id=9007199254740993`}, "true"},
		{`amount == 10.1`, []string{`amount=10.10`}, "true"},
		{`amount == 1000`, []string{`amount=1e3`}, "true"},
		{`amount > 1`, []string{`amount=123456789012345678901234567890`}, "true"},
		{`amount < 0`, []string{`amount=-0.5`}, "true"},
		{`18 <= age < 65`, []string{`age=30`}, "true"},
		{`18 <= user.age < 65`, []string{`user.age=65`}, "false"},
		{`price * quantity >= 10`, []string{`price=2.5`, `quantity=4`}, "true"},
		{`a + b == 0.3`, []string{`a=0.1`, `b=0.2`}, "true"},
		{`amount == 0.1`, []string{`amount=0.1000000000000000055511151231257827`}, "false"},
		{`amount in [0.10, 2]`, []string{`amount=0.1`}, "true"},
		{`a / 3 * 3 == a`, []string{`a=1`}, "true"},
		{`id + 1 == 9223372036854775808.0`, []string{`id=9223372036854775807`}, "true"},
		{`id * id > id`, []string{`id=9223372036854775807`}, "true"},
		{`age + 1 == 2`, nil, "false"},
		{`lower(name) == "é"`, nil, "false"},
		{`lower(name) == null`, nil, "true"},
		{`hasPrefix(name, "a") or ok`, []string{`ok=true`}, "true"},
		{`let n = lower(name); n == "a" or n == "b"`, []string{`name="B"`}, "true"},
		// Texts, arrays, objects.
		{`updated >= "2024-01-02T00:00:00Z"`, []string{`updated="2024-01-02T10:00:00Z"`}, "true"},
		{`lower(name) == "é"`, []string{`name="É"`}, "true"},
		{`email endsWith "@example.com"`, []string{`email="a@example.com"`}, "true"},
		{`email matches "^a.*com$"`, []string{`email="a@example.com"`}, "true"},
		{`any(items, .price > 3)`, []string{`items=[{"price":1},{"price":4},{}]`}, "true"},
		{`any(items, price > 3)`, []string{`items=[{"price":1}]`}, "false"},
		{`all(items, .ok)`, []string{`items=[{"ok":true},{}]`}, "false"},
		{`any(items, any(.tags, # == "x"))`, []string{`items=[{"tags":["y","x"]}]`}, "true"},
		{`len(items) > 1 and items[-1] == 2`, []string{`items=[1,2]`}, "true"},
		{`tags == ["a", 1]`, []string{`tags=["a",1]`}, "true"},
		{`user.plan == "pro"`, []string{`user.plan="pro"`}, "true"},
		{"status ==\n \"open\"", []string{`status="open"`}, "true"},
		// What cannot be judged.
		{`age > 18`, []string{`age="19"`}, `where: age > 18 (column 5): compares a text with a number`},
		{`ok and user.age > 18`, []string{`ok=true`, `user.age={}`}, `where: user.age > 18 (column 17): compares an object with a number`},
		{`active`, []string{`active="yes"`}, `where: the whole is a text, not a condition`},
		{`active and true`, []string{`active=1`}, `where: active (column 1): is a number, not a condition`},
		{`true and user.ok`, []string{`user.ok=1`}, `where: user.ok (column 10): is a number, not a condition`},
		{`age + 1 == 2`, []string{`age="x"`}, `where: age + 1 (column 5): adds a text and a number: string(…) makes a text of a number, int(…) and float(…) a number of a text`},
		{`a`, []string{`a=nope`}, `where: field a: is not JSON`},
		{`a`, []string{`a="nope`}, `where: field a: is not JSON`},
		{`a`, []string{`a=[1`}, `where: field a: is not JSON`},
		{`a`, []string{`a=1e999`}, `where: field a: is a number out of range`},
		{`a`, []string{`a=` + strings.Repeat("[", 100) + strings.Repeat("]", 100)}, `where: field a: is nested too deep`},
		{`a`, []string{`a=[` + strings.Repeat("1,", 2000) + "1]"}, `where: field a: holds more than 1000 values`},
		{`a`, []string{`a=["` + strings.Repeat("x", 70_000) + `"]`}, `where: field a: is longer than 65536 bytes`},
		{`a == "x"`, []string{"a=\"\xff\""}, `false`},
		{`a == "x"`, []string{`a="\ud800"`}, `false`},
	} {
		if got := judge(test.text, test.fields...); got != test.want {
			t.Errorf("%s of %q: got %s, want %s", test.text, test.fields, got, test.want)
		}
	}
}

func TestPaths(t *testing.T) {
	for text, want := range map[string][]string{
		`b == 1 and a.c == b`:                   {"a.c", "b"},
		`any(items, .price > limit)`:            {"items", "limit"},
		`$env["a.b"].c or $env["q\"\\"]`:        {`"a.b".c`, `"q\"\\"`},
		`labels["x y"] == labels[key]`:          {"key", "labels", "labels.x y"},
		`1 < a.b.c < 3`:                         {"a.b.c"},
		`each.city == city`:                     {"city", "each.city"},
		`true`:                                  nil,
		`a?.b == 1 or a?.["b"].d == (x ? y: z)`: {"a.b", "a.b.d", "x", "y", "z"},
	} {
		_, got, err := expression.Condition(text, nil)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, paths (-want +got):\n%s", text, err, diff)
		}
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		``:                           "is empty",
		`a ==`:                       "column 4: unexpected token EOF",
		`a == "x`:                    "column 8: literal not terminated",
		`a = 1`:                      `column 3: unexpected token Operator("=")`,
		`"a" + "b"`:                  "is a text, not a condition",
		`1`:                          "is a number, not a condition",
		`a > null`:                   "column 3: a > null compares null, which has no order",
		`"a" < 5`:                    `column 5: "a" < 5 compares a text with a number`,
		`len(a) > "5"`:               `column 8: len(a) > "5" compares a number with a text`,
		`a and 5`:                    "column 7: 5 is a number, not a condition",
		`not "a"`:                    `column 5: "a" is a text, not a condition`,
		`now() > a`:                  `column 1: calls "now", which is no function here`,
		`a.b(1)`:                     `column 3: calls "a.b", which is no function here`,
		`foo(a)`:                     `column 1: calls "foo", which is no function here`,
		`sum(map(a, #)) > 1`:         `column 1: calls "sum", which is no function here`,
		`reduce(a, #acc + #) > 1`:    `column 1: calls "reduce", which is no function here`,
		`let x = a; x + x == 1`:      "",
		`(let x = a; x) == 1`:        "column 16: binds by let inside",
		`let x = 1; let x = 2; x`:    `column 5: binds "x" twice`,
		`let x = x; x == 1`:          `column 9: is a field here and bound by let`,
		`let y = x; let x = 1; y`:    `column 9: is a field here and bound by let`,
		`let len = 1; len(a) == 1`:   `column 14: calls "len", which is no function here`,
		`a; b`:                       "column 1: is one expression over the record",
		`len(a, b) == 1`:             `column 1: calls "len" with 2 arguments; it takes 1`,
		`{a: 1}`:                     "is an object, not a condition",
		`lower(5) == "a"`:            "column 7: 5 is a number, and lower takes a text",
		`upper(a) > 5`:               `column 10: upper(a) > 5 compares a text with a number`,
		`a - "x" > 5`:                `column 5: "x" is a text, and - takes a number`,
		`1 + "x" == a`:               `column 3: 1 + "x" adds a number and a text`,
		`any(5, true)`:               "column 5: 5 is a number, and any takes an array or an object",
		`$env == 1`:                  "column 1: $env needs the name of a field",
		`a in 1..1000000000`:         "column 7: makes a list of numbers",
		`a matches b`:                "column 3: matches with a pattern that is not written out",
		`a matches "("`:              "column 3: error parsing regexp",
		`any(a, any(b, any(c, #)))`:  "column 1: nests closures deeper than 2",
		strings.Repeat("(", 5000):    "is longer than 4096 bytes",
		"\xff":                       "is not UTF-8",
		strings.Repeat("a or ", 800): "column 1253: compilation failed: expression exceeds maximum allowed nodes",
	} {
		_, _, err := expression.Condition(text, nil)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if _, ok := errors.AsType[*expression.Error](err); !ok || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %s", text, err, want)
		}
	}
}

// What an owner sends can make judging a record long only up to a bound, which
// is the same everywhere; what expressions are for stays far below it.
func TestWorkIsBounded(t *testing.T) {
	list := func(n int) string { return "items=[" + strings.Repeat("1,", n-1) + "1]" }
	long := func(n int) string { return `note="` + strings.Repeat("za", n/2) + `"` }
	for _, test := range []struct {
		text   string
		fields []string
		want   string
	}{
		{`any(items, any(items, note contains "zz"))`, []string{list(999), long(1_000_000)}, `where: note contains "zz" (column 28): takes too much work for one record`},
		{`any(items, note matches "^b")`, []string{list(999), long(1_000_000)}, `where: note matches "^b" (column 17): takes too much work for one record`},
		{`all(items, all(items, # > 0))`, []string{list(999)}, `where: # > 0 (column 25): takes too much work for one record`},
		{`count(filter(items, none(items, # == 2)), # == 3) == 0`, []string{list(999)}, `where: # == 2 (column 35): takes too much work for one record`},
		{`all(items, all(items, # > 0))`, []string{list(400)}, "true"},
		{`any(items, note contains "zz")`, []string{list(99), long(1_000_000)}, "false"},
		{`note contains "zz" or note matches "^b"`, []string{long(1_000_000)}, "false"},
		{`any(items, # matches "b$" or lower(#) == "b")`, []string{`items=["` + strings.Repeat(`xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","`, 900) + `b"]`}, "true"},
	} {
		if got := judge(test.text, test.fields...); got != test.want {
			t.Errorf("%s: got %s, want %s", test.text, got, test.want)
		}
	}
	c, _, err := bound(`all(items, all(items, # > 0))`)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // each record has all of it
		if holds, err := c.Holds([][]byte{[]byte(strings.TrimPrefix(list(300), "items="))}); !holds || err != nil {
			t.Fatal(holds, err)
		}
	}
}

func TestConditionWithoutSlotJudgesNothing(t *testing.T) {
	c, _, err := expression.Condition("a or b", []expression.Field{{Path: "a", Slot: 0}})
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := c.Holds([][]byte{[]byte("true")}); holds || err == nil || err.Error() != `where: path "b" has no slot` {
		t.Errorf("got %v, %v", holds, err)
	}
}

func TestHoldsIsConcurrent(t *testing.T) {
	c, _, err := bound(`any(items, # == name) and age > 3`)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 200 {
				slots := [][]byte{fmt.Append(nil, i), []byte(`["x","b"]`), []byte(`"b"`)}
				if holds, err := c.Holds(slots); err != nil || holds != (i > 3) {
					t.Errorf("age %d: got %v, %v", i, holds, err)
					return
				}
			}
		})
	}
	group.Wait()
}

func FuzzCompile(f *testing.F) {
	for _, text := range []string{`a == "x" and b.c > 5`, `any(a, .b in [1, 2.5])`, `1 < a?.b[0] < 3`, `a ? b : not c`, `$env["a"]`, `len(a) matches "x"`, `a[1:2] == b ?? c`, `a | lower() == "b"`} {
		f.Add(text, []byte(`{"a":[1,2.5,"x",null,true]}`))
		f.Add(text, []byte(`"x"`))
	}
	f.Fuzz(func(t *testing.T, text string, raw []byte) {
		c, paths, err := bound(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x01") {
				t.Errorf("%q: %q", text, err)
			}
			return
		}
		slots := make([][]byte, len(paths))
		for i := range slots {
			slots[i] = raw
		}
		first, firstErr := c.Holds(slots)
		again, err := c.Holds(slots)
		if first != again || (err == nil) != (firstErr == nil) {
			t.Errorf("%q of %q: %v, %v and then %v, %v", text, raw, first, firstErr, again, err)
		}
		if err != nil && (first || strings.ContainsAny(err.Error(), "\n\x01")) {
			t.Errorf("%q of %q: %v, %q", text, raw, first, err)
		}
	})
}

func BenchmarkHolds(b *testing.B) {
	c, paths, err := bound(`status != "internal" and labels.x in ["a", "b"] and age > 18`)
	if err != nil {
		b.Fatal(err)
	}
	if diff := cmp.Diff([]string{"age", "labels.x", "status"}, paths); diff != "" {
		b.Fatal(diff)
	}
	slots := [][]byte{[]byte(`30`), []byte(`"b"`), []byte(`"open"`)}
	b.ReportAllocs()
	for b.Loop() {
		if holds, err := c.Holds(slots); !holds || err != nil {
			b.Fatal(holds, err)
		}
	}
}
