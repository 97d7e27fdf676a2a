package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

type kind int

const (
	kindTable kind = iota
	kindArray
	kindText
	kindInteger
	kindFloat
	kindBoolean
	kindTime
)

// node is one key with its value, and where both stand.
type node struct {
	kind   kind
	key    string
	index  int // in an array
	parent *node
	text   string  // of a scalar: strings decoded, the rest as written
	below  []*node // of a table by first appearance, of an array by index
	keyAt  Position
	at     Position // the value; for a table with a header, its name
}

func (n *node) child(key string) *node {
	if n == nil || n.kind != kindTable {
		return nil
	}
	for _, c := range n.below {
		if c.key == key {
			return c
		}
	}
	return nil
}

// add puts c under n and returns it.
func (n *node) add(c *node) *node {
	c.parent, c.index = n, len(n.below)
	n.below = append(n.below, c)
	return c
}

// subject is whose value this is, and the key path from there down to it.
func (n *node) subject() (subject, path string) {
	var up []*node
	for m := n; m.parent != nil; m = m.parent {
		up = append(up, m)
	}
	at := func(i int) *node { return up[len(up)-1-i] }
	switch {
	case len(up) == 0:
		return "", ""
	case at(0).key == "table" && len(up) > 1 && at(0).kind == kindArray:
		return tableSubject(at(1)), joinPath(up[:len(up)-2])
	case at(0).key == "maintenance" && len(up) > 1 && at(0).kind == kindArray:
		return fmt.Sprintf("maintenance[%d]", at(1).index), joinPath(up[:len(up)-2])
	case at(0).key == "defaults" && len(up) > 1:
		return "defaults." + bare(at(1).key), joinPath(up[:len(up)-2])
	case len(up) > 1 && slices.Contains([]string{"owner", "source", "consumer", "alert", "nudge"}, at(0).key):
		return fmt.Sprintf("%s %q", at(0).key, at(1).key), joinPath(up[:len(up)-2])
	case len(up) == 1:
		return "", joinPath(up)
	}
	return bare(at(0).key), joinPath(up[:len(up)-1])
}

// keyPath is the whole key path of n, as Config.At takes it.
func (n *node) keyPath() string {
	var up []*node
	for ; n.parent != nil; n = n.parent {
		up = append(up, n)
	}
	return joinPath(up)
}

// tableSubject names a [[table]] as its reader would: by name, else by source, else by number.
func tableSubject(n *node) string {
	for _, key := range []string{"name", "source"} {
		if c := n.child(key); c != nil && c.kind == kindText && c.text != "" {
			return fmt.Sprintf("table %q", c.text)
		}
	}
	return fmt.Sprintf("table[%d]", n.index)
}

// joinPath writes nodes, the deepest first, as a dotted key path.
func joinPath(up []*node) string {
	var b strings.Builder
	for i := len(up) - 1; i >= 0; i-- {
		n := up[i]
		if n.parent != nil && n.parent.kind == kindArray {
			fmt.Fprintf(&b, "[%d]", n.index)
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(bare(n.key))
	}
	return b.String()
}

// bare writes a key as TOML does: quoted where it must be.
func bare(key string) string {
	for _, c := range key {
		if !isNameChar(c) {
			return strconv.Quote(key)
		}
	}
	if key == "" {
		return `""`
	}
	return key
}

func isNameChar(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// document is the text of a config file and where its lines begin.
type document struct {
	file  string
	data  []byte
	lines []int
}

func newDocument(file string, data []byte) *document {
	d := &document{file: file, data: data, lines: []int{0}}
	for i, c := range data {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	return d
}

func (d *document) position(offset int) Position {
	line := sort.SearchInts(d.lines, offset+1)
	start := d.lines[line-1]
	return Position{File: d.file, Line: line, Column: utf8.RuneCount(d.data[start:offset]) + 1}
}

// parse reads the document into a tree. Syntax and redefinitions are judged by a strict decode first, so
// the tree is only built from a document that is valid TOML.
func (d *document) parse() (*node, error) {
	var whole map[string]any
	if err := toml.Unmarshal(d.data, &whole); err != nil {
		return nil, d.syntaxMistake(err)
	}
	b := builder{document: d, root: &node{at: d.position(0), keyAt: d.position(0)}}
	b.current = b.root
	var p unstable.Parser
	p.Reset(d.data)
	for p.NextExpression() {
		b.expression(p.Expression())
	}
	if err := p.Error(); err != nil {
		return nil, d.syntaxMistake(err)
	}
	return b.root, nil
}

func (d *document) syntaxMistake(err error) Mistakes {
	m := Mistake{File: d.file, Line: 1, Column: 1, Text: strings.TrimPrefix(err.Error(), "toml: ")}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, column := e.Position()
		row = min(max(row, 1), len(d.lines))
		p := d.position(min(d.lines[row-1]+max(column, 1)-1, len(d.data)))
		m.Line, m.Column = p.Line, p.Column
	}
	return Mistakes{m}
}

// builder grows the tree one TOML expression at a time.
type builder struct {
	*document
	root, current *node
}

func (b *builder) expression(e *unstable.Node) {
	switch e.Kind {
	case unstable.Table:
		b.current = b.root
		for it := e.Key(); it.Next(); {
			b.current = b.descend(b.current, it.Node())
			if it.IsLast() {
				b.current.keyAt = b.start(it.Node())
				b.current.at = b.current.keyAt
			}
		}
	case unstable.ArrayTable:
		b.current = b.root
		for it := e.Key(); it.Next(); {
			if it.IsLast() {
				b.current = b.element(b.current, it.Node())
				continue
			}
			b.current = b.descend(b.current, it.Node())
		}
	case unstable.KeyValue:
		b.keyValue(b.current, e)
	}
}

// descend goes one key down, into the last element of an array of tables.
func (b *builder) descend(n *node, key *unstable.Node) *node {
	c := n.child(string(key.Data))
	if c == nil {
		at := b.start(key)
		return n.add(&node{kind: kindTable, key: string(key.Data), keyAt: at, at: at})
	}
	if c.kind == kindArray && len(c.below) > 0 {
		return c.below[len(c.below)-1]
	}
	return c
}

// element begins a new table in the array of tables n.key.
func (b *builder) element(n *node, key *unstable.Node) *node {
	at := b.start(key)
	array := n.child(string(key.Data))
	if array == nil {
		array = n.add(&node{kind: kindArray, key: string(key.Data), keyAt: at, at: at})
	}
	return array.add(&node{kind: kindTable, keyAt: at, at: at})
}

func (b *builder) keyValue(n *node, e *unstable.Node) {
	for it := e.Key(); it.Next(); {
		key := it.Node()
		if !it.IsLast() {
			n = b.descend(n, key)
			continue
		}
		c := &node{key: string(key.Data), keyAt: b.start(key), at: b.afterEquals(key)}
		b.value(c, e.Value())
		n.add(c)
	}
}

func (b *builder) value(n *node, v *unstable.Node) {
	if v.Raw.Length > 0 {
		n.at = b.start(v)
	}
	n.text = string(v.Data)
	switch v.Kind {
	case unstable.InlineTable:
		n.kind = kindTable
		for it := v.Children(); it.Next(); {
			b.keyValue(n, it.Node())
		}
	case unstable.Array:
		n.kind = kindArray
		for it := v.Children(); it.Next(); {
			c := &node{keyAt: n.at, at: n.at}
			b.value(c, it.Node())
			n.add(c)
		}
	case unstable.String:
		n.kind = kindText
	case unstable.Integer:
		n.kind = kindInteger
	case unstable.Float:
		n.kind = kindFloat
	case unstable.Bool:
		n.kind = kindBoolean
	default:
		n.kind = kindTime
	}
}

func (b *builder) start(n *unstable.Node) Position { return b.position(int(n.Raw.Offset)) }

// afterEquals finds where the value of key begins: the parser tells no range for an array.
func (b *builder) afterEquals(key *unstable.Node) Position {
	end := int(key.Raw.Offset + key.Raw.Length)
	equals := bytes.IndexByte(b.data[end:], '=')
	if equals < 0 {
		return b.start(key)
	}
	offset := end + equals + 1
	for offset < len(b.data) && (b.data[offset] == ' ' || b.data[offset] == '\t') {
		offset++
	}
	return b.position(offset)
}
