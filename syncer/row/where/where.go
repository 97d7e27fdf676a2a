// Package where judges records by an expression that the configuration writes.
// An expression knows nothing but the fields of the record: neither the time,
// nor the environment, nor the judgement of other records. It touches nothing.
//
// A name is a field, a dotted one a path into it (user.plan), items[0].sku an
// element, $env["odd name"] a field whose name is no word, each.NAME a value of
// the partition. A field that is missing is null, so only whole records can be
// judged: one that carries no more than what changed cannot. Values are what the owner's
// JSON says: a number that is a whole one of 64 bits is exact, every other one
// is the nearest double; texts compare byte by byte, as times in one format do.
//
// Null is equal to null alone, comes neither before nor after anything (age > 18
// does not hold, nor does age <= 18), and counts as false where a condition is
// wanted. Values of different kinds are not equal, and have no order: to ask for
// one is an error, as is any other operation that its operands do not have.
package where

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/larder-sync/larder/syncer/row"
)

// Bounds of an expression and of what judging one record may take.
const (
	maxText   = 4 << 10
	maxNodes  = 500
	maxMemory = 100_000
	// maxNested is how many closures may stand inside each other.
	maxNested = 2
)

// Column says which slot of a record holds a path, written as Compile writes
// paths.
type Column struct {
	Path string
	Slot int
}

// Error says why a text is no condition.
type Error struct {
	// Column is where, in runes from 1; 0: not at one place.
	Column int
	Reason string
}

func (e *Error) Error() string {
	if e.Column == 0 {
		return e.Reason
	}
	return fmt.Sprintf("column %d: %s", e.Column, e.Reason)
}

// Compile makes a condition of an expression, and lists the paths it reads,
// sorted, as a source's path set has them. Who does not know the slots of the
// paths yet compiles without columns first. A condition that reads a path that
// no column has judges no record. An error is an *Error.
func Compile(text string, columns []Column) (row.Condition, []string, error) {
	switch {
	case !utf8.ValidString(text):
		return nil, nil, &Error{Reason: "is not UTF-8"}
	case len(text) > maxText:
		return nil, nil, &Error{Reason: fmt.Sprintf("is longer than %d bytes", maxText)}
	case strings.TrimSpace(text) == "":
		return nil, nil, &Error{Reason: "is empty"}
	}
	// Line breaks mean nothing to the language but in texts between backquotes;
	// without them a place is a column.
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		return r
	}, text)
	v := &visitors{parts: map[int]string{}, depths: map[*ast.BuiltinNode]int{}}
	program, err := expr.Compile(text, v.options()...)
	if v.err != nil {
		return nil, nil, v.err
	}
	if err != nil {
		return nil, nil, explain(err)
	}
	if kind := static(program.Node()); kind != "" && kind != "null" && kind != "true or false" {
		return nil, nil, &Error{Reason: "is " + kind + ", not a condition"}
	}
	c := &condition{program: program, parts: v.parts}
	paths := slices.Compact(slices.Sorted(slices.Values(v.paths)))
	for _, path := range paths {
		f := field{path: path, name: mark + path, slot: -1}
		if i := slices.IndexFunc(columns, func(c Column) bool { return c.Path == path }); i >= 0 {
			f.slot = columns[i].Slot
		}
		c.fields = append(c.fields, f)
	}
	return c, paths, nil
}

// explain makes an Error of what the compiler complains of.
func explain(err error) *Error {
	if at, ok := errors.AsType[*file.Error](err); ok {
		return &Error{Column: at.Column + 1, Reason: shown(at.Message)}
	}
	return &Error{Reason: shown(err.Error())}
}

// shown is what can be shown of a message, in one line.
func shown(s string) string {
	const limit = 160
	s = strings.ReplaceAll(s, mark, "")
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit]) + "…"
	}
	return s
}

// condition is a row.Condition.
type condition struct {
	program *vm.Program
	fields  []field
	// parts are the texts of the expression's parts by where they stand.
	parts map[int]string
	runs  sync.Pool // of *run
}

type field struct {
	path string
	name string // of the variable
	slot int    // -1: not known
}

// run is what judging one record needs; another one may use it next.
type run struct {
	vm    vm.VM
	env   map[string]any
	meter meter
}

// Holds implements row.Condition.
func (c *condition) Holds(slots [][]byte) (bool, error) {
	r, _ := c.runs.Get().(*run)
	if r == nil {
		r = &run{vm: vm.VM{MemoryBudget: maxMemory}, env: make(map[string]any, len(c.fields))}
	}
	defer func() {
		clear(r.env)
		c.runs.Put(r)
	}()
	size := 0
	for _, f := range c.fields {
		if f.slot < 0 {
			return false, fmt.Errorf("where: path %q has no slot", f.path)
		}
		var raw []byte
		if f.slot < len(slots) {
			raw = slots[f.slot]
		}
		v, err := decode(raw)
		if err != nil {
			return false, fmt.Errorf("where: field %s: %w", f.path, err)
		}
		r.env[f.name] = v
		size += len(raw)
	}
	r.meter.start(size)
	r.env[meterVar] = &r.meter
	out, err := r.vm.Run(c.program, r.env)
	if err != nil {
		return false, c.located(err)
	}
	holds, err := truth(out)
	if err != nil {
		return false, fmt.Errorf("where: the whole %w", err)
	}
	return holds, nil
}

// located names the part of the expression that an error comes from.
func (c *condition) located(err error) error {
	at, ok := errors.AsType[*file.Error](err)
	if !ok {
		return fmt.Errorf("where: %s", shown(err.Error()))
	}
	if part := c.parts[at.From]; part != "" {
		return fmt.Errorf("where: %s (column %d): %s", part, at.Column+1, shown(at.Message))
	}
	return fmt.Errorf("where: column %d: %s", at.Column+1, shown(at.Message))
}
