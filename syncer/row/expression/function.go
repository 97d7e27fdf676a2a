package expression

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// function is one that an expression may call. None of them knows the time or
// makes much of little. A null among its arguments makes null of it all.
type function struct {
	name        string
	least, most int // arguments
	takes       kinds
	result      kinds
	call        func(m *meter, args []any) (any, error)
}

const anyNumber = 16 // of arguments

// functions are all of them, but for those that take closures.
func functions() []function {
	return []function{
		{"len", 1, 1, isText | isArray | isObject, isNumber, length},
		{"first", 1, 1, isArray, isAny, func(_ *meter, a []any) (any, error) { return element(a[0], 0) }},
		{"last", 1, 1, isArray, isAny, func(_ *meter, a []any) (any, error) { return element(a[0], -1) }},
		{"keys", 1, 1, isObject, isArray, func(_ *meter, a []any) (any, error) { return members(a[0], false) }},
		{"values", 1, 1, isObject, isArray, func(_ *meter, a []any) (any, error) { return members(a[0], true) }},
		{"lower", 1, 1, isText, isText, texted(func(t []string) string { return strings.ToLower(t[0]) })},
		{"upper", 1, 1, isText, isText, texted(func(t []string) string { return strings.ToUpper(t[0]) })},
		{"trim", 1, 2, isText, isText, texted(func(t []string) string {
			if len(t) == 1 {
				return strings.TrimSpace(t[0])
			}
			return strings.Trim(t[0], t[1])
		})},
		{"trimPrefix", 2, 2, isText, isText, texted(func(t []string) string { return strings.TrimPrefix(t[0], t[1]) })},
		{"trimSuffix", 2, 2, isText, isText, texted(func(t []string) string { return strings.TrimSuffix(t[0], t[1]) })},
		{"hasPrefix", 2, 2, isText, isBool, judged(strings.HasPrefix)},
		{"hasSuffix", 2, 2, isText, isBool, judged(strings.HasSuffix)},
		{"indexOf", 2, 2, isText, isNumber, indexOf},
		{"replace", 3, 3, isText, isText, replace},
		{"split", 2, 2, isText, isArray, split},
		{"join", 1, 2, isArray, isText, join},
		{"int", 1, 1, isNumber | isText, isNumber, toWhole},
		{"float", 1, 1, isNumber | isText, isNumber, func(_ *meter, a []any) (any, error) { return toNumber(a[0]) }},
		{"string", 1, 1, isAny, isText, toText},
		{"abs", 1, 1, isNumber, isNumber, computed(func(x *big.Rat) *big.Rat { return new(big.Rat).Abs(x) })},
		{"ceil", 1, 1, isNumber, isNumber, computed(func(x *big.Rat) *big.Rat {
			return new(big.Rat).Neg(new(big.Rat).SetInt(floored(new(big.Rat).Neg(x))))
		})},
		{"floor", 1, 1, isNumber, isNumber, computed(func(x *big.Rat) *big.Rat { return new(big.Rat).SetInt(floored(x)) })},
		{"round", 1, 2, isNumber, isNumber, round},
		{"min", 1, anyNumber, isNumber | isArray, isNumber, func(_ *meter, a []any) (any, error) { return extreme(a, -1) }},
		{"max", 1, anyNumber, isNumber | isArray, isNumber, func(_ *meter, a []any) (any, error) { return extreme(a, 1) }},
	}
}

func functionOf(name string) (function, bool) {
	all := functions()
	i := slices.IndexFunc(all, func(f function) bool { return f.name == name })
	if i < 0 {
		return function{}, false
	}
	return all[i], true
}

// names are those that an expression may call, for who calls another one.
func names() string {
	all := predicates()
	for _, f := range functions() {
		all = append(all, f.name)
	}
	return strings.Join(all, ", ")
}

// run is what the language calls: the meter comes before the arguments.
func (f function) run(args ...any) (any, error) {
	if slices.Contains(args[1:], nil) {
		return nil, nil
	}
	return f.call(args[0].(*meter), args[1:])
}

// wants is the error of a function that has no answer for a value.
func wants(k kinds, v any) error { return fmt.Errorf("takes %s, and this is %s", k, kindOf(v)) }

func textsOf(args []any) ([]string, error) {
	out := make([]string, len(args))
	for i, a := range args {
		text, ok := a.(string)
		if !ok {
			return nil, wants(isText, a)
		}
		out[i] = text
	}
	return out, nil
}

// texted is a function that makes a text of texts, about as long as the first.
func texted(do func([]string) string) func(*meter, []any) (any, error) {
	return func(m *meter, args []any) (any, error) {
		texts, err := textsOf(args)
		if err != nil {
			return nil, err
		}
		if err := m.makes(len(texts[0])); err != nil {
			return nil, err
		}
		return do(texts), nil
	}
}

func judged(do func(a, b string) bool) func(*meter, []any) (any, error) {
	return func(_ *meter, args []any) (any, error) {
		texts, err := textsOf(args)
		if err != nil {
			return nil, err
		}
		return do(texts[0], texts[1]), nil
	}
}

func indexOf(_ *meter, args []any) (any, error) {
	texts, err := textsOf(args)
	if err != nil {
		return nil, err
	}
	return strings.Index(texts[0], texts[1]), nil
}

func length(_ *meter, args []any) (any, error) {
	switch v := args[0].(type) {
	case string:
		return utf8.RuneCountInString(v), nil
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	}
	return nil, wants(isText|isArray|isObject, args[0])
}

func element(of any, at int) (any, error) {
	list, ok := of.([]any)
	switch {
	case !ok:
		return nil, wants(isArray, of)
	case len(list) == 0:
		return nil, nil
	case at < 0:
		return list[len(list)+at], nil
	}
	return list[at], nil
}

// members are an object's names, sorted, or its values in the order of those.
func members(of any, values bool) (any, error) {
	object, ok := of.(map[string]any)
	if !ok {
		return nil, wants(isObject, of)
	}
	out := make([]any, 0, len(object))
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if values {
			out = append(out, object[name])
		} else {
			out = append(out, name)
		}
	}
	return out, nil
}

func replace(m *meter, args []any) (any, error) {
	texts, err := textsOf(args)
	if err != nil {
		return nil, err
	}
	n := strings.Count(texts[0], texts[1])
	if err := m.makes(len(texts[0]) + n*(len(texts[2])-len(texts[1]))); err != nil {
		return nil, err
	}
	return strings.ReplaceAll(texts[0], texts[1], texts[2]), nil
}

func split(_ *meter, args []any) (any, error) {
	texts, err := textsOf(args)
	if err != nil {
		return nil, err
	}
	if strings.Count(texts[0], texts[1]) >= maxElements {
		return nil, fmt.Errorf("makes more than %d texts", maxElements)
	}
	var out []any
	for part := range strings.SplitSeq(texts[0], texts[1]) {
		out = append(out, part)
	}
	return out, nil
}

func join(m *meter, args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok {
		return nil, wants(isArray, args[0])
	}
	texts, err := textsOf(list)
	if err != nil {
		return nil, err
	}
	between := ""
	if len(args) > 1 {
		if between, ok = args[1].(string); !ok {
			return nil, wants(isText, args[1])
		}
	}
	size := len(between) * len(texts)
	for _, t := range texts {
		size += len(t)
	}
	if err := m.makes(size); err != nil {
		return nil, err
	}
	return strings.Join(texts, between), nil
}

func toNumber(v any) (any, error) {
	switch v := v.(type) {
	case int, decimal:
		return v, nil
	case string:
		n, err := number(v)
		if errors.Is(err, errNotJSON) {
			err = errors.New("takes a number, and this is another text")
		}
		return n, err
	}
	return nil, wants(isNumber|isText, v)
}

// toWhole cuts a number's fraction off; a text has to be a whole number.
func toWhole(_ *meter, args []any) (any, error) {
	v, err := toNumber(args[0])
	if d, ok := v.(decimal); ok {
		if _, text := args[0].(string); text && !d.IsInt() {
			return nil, errors.New("takes a whole number, and this text has a fraction")
		}
		return exact(new(big.Rat).SetInt(truncated(d.Rat))), nil
	}
	return v, err
}

// toText writes a value as JSON does, a text without quotes.
func toText(m *meter, args []any) (any, error) {
	if text, ok := args[0].(string); ok {
		return text, nil
	}
	b, err := encode(args[0], false)
	if err == nil {
		err = m.makes(len(b))
	}
	return string(b), err
}

func computed(do func(*big.Rat) *big.Rat) func(*meter, []any) (any, error) {
	return func(_ *meter, args []any) (any, error) {
		x := rational(args[0])
		if x == nil {
			return nil, wants(isNumber, args[0])
		}
		return bounded(do(x))
	}
}

func round(_ *meter, args []any) (any, error) {
	x, places := rational(args[0]), 0
	if x == nil {
		return nil, wants(isNumber, args[0])
	}
	if len(args) > 1 {
		n, ok := args[1].(int)
		if !ok || n < 0 || n > maxPlaces {
			return nil, fmt.Errorf("rounds to 0 to %d digits", maxPlaces)
		}
		places = n
	}
	return bounded(rounded(x, places))
}

// extreme is the least number, or the greatest. Of nothing it is null, and so it
// is with a null among the elements.
func extreme(args []any, sign int) (any, error) {
	var all []any
	for _, a := range args {
		if list, ok := a.([]any); ok {
			all = append(all, list...)
		} else {
			all = append(all, a)
		}
	}
	if len(all) == 0 || slices.Contains(all, nil) {
		return nil, nil
	}
	best := all[0]
	for _, v := range all {
		c, ok := compareNumbers(v, best)
		if !ok {
			return nil, wants(isNumber, v)
		}
		if c == sign {
			best = v
		}
	}
	return best, nil
}
