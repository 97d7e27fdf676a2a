package config

import (
	"strconv"
	"time"
)

// key is a line of the table of keys: all that a key may be, where its names, words and bounds are said once for
// the reader, the mistakes, the JSON Schema and the test that compares them with README.md.
type key struct {
	name string
	is   form
	def  any    // what it is when left out, as TOML would say it; none or required
	says string // one sentence for an editor; README.md has the rest
}

// What a key is when left out, where that is no value of its own.
const (
	none     absence = ""         // nothing, or what follows from other keys
	required absence = "required" // a mistake
)

type absence string

// form is what may be written as a value: any one of its variants.
type form []variant

type variant struct {
	kind      variantKind
	low, high int64    // of an integer; of a duration in nanoseconds, of a size in bytes
	words     []string // of a choice; of a text those that mean something of their own; of a flag the only one
	keys      []key    // of a table
	obvious   string   // of a table: the key that is meant where its value stands alone
	shared    string   // of a table: its name in the schema, which writes it once
	whole     bool     // of a table: it is one of several kinds, and no default is merged into it
	of        form     // of the elements of a list, and of the values of a table of any names
	least     int      // elements of a list
}

type variantKind int

const (
	isText variantKind = iota
	isChoice
	isFlag
	isInteger
	isNumber
	isDuration
	isSize
	isShare
	isRate
	isColumnType
	isTable
	isNames
	isList
	isAny
)

// A text may stand in the environment or in a file; so may all that is written in quotes.
func text(words ...string) form { return form{{kind: isText, words: words}} }

// A path, a field, a place, a template and a secret are texts: what stands in them is for their readers.
func path() form     { return text() }
func field() form    { return text() }
func place() form    { return text() }
func template() form { return text() }
func secret() form   { return text() }

// choice is one of a few words.
func choice[T ~string](words ...T) form {
	v := variant{kind: isChoice}
	for _, w := range words {
		v.words = append(v.words, string(w))
	}
	return form{v}
}

func flag() form { return form{{kind: isFlag}} }

// only is one of both flags.
func only(value bool) form { return form{{kind: isFlag, words: []string{strconv.FormatBool(value)}}} }

func integer(low, high int64) form { return form{{kind: isInteger, low: low, high: high}} }

func duration(low, high time.Duration) form {
	return form{{kind: isDuration, low: int64(low), high: int64(high)}}
}

func size(low, high int64) form { return form{{kind: isSize, low: low, high: high}} }
func share() form               { return form{{kind: isShare}} }
func rate() form                { return form{{kind: isRate}} }
func columnType() form          { return form{{kind: isColumnType}} }

// scalar is a text, a number or a boolean.
func scalar() form { return either(text(), form{{kind: isNumber}}, flag()) }

// anything is a value that is sent to the owner as it stands: a body.
func anything() form { return form{{kind: isAny}} }

// table has these keys and no others.
func table(keys ...key) form { return form{{kind: isTable, keys: keys}} }

// tableOr is a table, or the value of its one obvious key alone.
func tableOr(obvious string, keys ...key) form {
	return form{{kind: isTable, keys: keys, obvious: obvious}}
}

// whole is a table that stands for itself: it is one of several kinds, so no default is merged into it.
func whole(keys ...key) form { return form{{kind: isTable, keys: keys, whole: true}} }

// shared lets the schema write a table once, under this name.
func shared(name string, f form) form {
	f[0].shared = name
	return f
}

// anyNames is a table whose keys are names, all with values of one form.
func anyNames(of form) form { return form{{kind: isNames, of: of}} }

func list(of form) form { return form{{kind: isList, of: of}} }

// some is a list that is not empty.
func some(of form) form { return form{{kind: isList, of: of, least: 1}} }

func oneOrMore(of form) form { return either(of, some(of)) }

func either(all ...form) (f form) {
	for _, one := range all {
		f = append(f, one...)
	}
	return f
}

// variant returns the first variant that is one of kinds.
func (f form) variant(kinds ...variantKind) (variant, bool) {
	for _, k := range kinds {
		for _, v := range f {
			if v.kind == k {
				return v, true
			}
		}
	}
	return variant{}, false
}

// words are the words of a choice, or of a text that knows some.
func (f form) words() (all []string) {
	for _, v := range f {
		all = append(all, v.words...)
	}
	return all
}

// keyNames are the keys of a table in their order.
func (f form) keyNames() (all []string) {
	t, _ := f.variant(isTable)
	for _, k := range t.keys {
		all = append(all, k.name)
	}
	return all
}

// below returns the form of the value under a key.
func (f form) below(name string) form {
	t, _ := f.variant(isTable)
	for _, k := range t.keys {
		if k.name == name {
			return k.is
		}
	}
	any, _ := f.variant(isNames)
	return any.of
}

// form finds what may be written at n.
func (r *reader) form(n *node) form {
	if n.parent == nil {
		return r.root
	}
	above := r.form(n.parent)
	if n.parent.kind == kindArray {
		l, _ := above.variant(isList)
		return l.of
	}
	return above.below(n.key)
}
