// Package expression asks a record by an expression that the configuration
// writes: a condition says whether a table takes it, a value is what a column
// holds. An expression knows nothing but the fields of the record: neither the
// time, nor the environment, nor other records. It touches nothing.
//
// A name is a field, a dotted one a path into it (user.plan), items[0].sku an
// element, $env["odd name"] a field whose name is no word, each.NAME a value of
// the partition. A field that is missing is null, so only whole records can be
// asked: one that carries no more than what changed cannot. Values are what the owner's
// JSON says; texts compare byte by byte, as times in one format do.
//
// Numbers are exact, with or without a fraction, and so is what is computed
// from them: 0.1 + 0.2 is 0.3, and 1 / 3 is a third, which no column but a
// double can hold before it is rounded.
//
// Null is equal to null alone, comes neither before nor after anything (age > 18
// does not hold, nor does age <= 18), and counts as false where a condition is
// wanted. What is computed from null is null, by an operator or a function.
// Values of different kinds are not equal, and have no order: to ask for
// one is an error, as is any other operation that its operands do not have.
package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/larder-sync/larder/syncer/row"
)

// Bounds of an expression and of what asking one record may take.
const (
	maxText   = 4 << 10
	maxNodes  = 500
	maxMemory = 100_000
	// maxNested is how many closures may stand inside each other.
	maxNested = 2
)

// Field is what is known of a path, written as Condition and Value write paths.
type Field struct {
	Path string
	// Slot is that of a record which holds it; -1: it is not known.
	Slot int
	// Columns are those that are read from the field wherever it is there: what
	// they cannot hold, it never is in a record that fits.
	Columns []row.Column
}

// Error says why a text is no expression.
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

// Condition makes a condition of an expression, and lists the paths it reads,
// sorted, as a source's path set has them. Who does not know the slots of the
// paths yet leaves them -1, or gives no fields. A condition that reads a path
// without slot judges no record. An error is an *Error.
func Condition(text string, fields []Field) (row.Condition, []string, error) {
	v, program, err := compile(text, fields)
	if err != nil {
		return nil, nil, err
	}
	if kind := v.static(program.Node()); kind != 0 && kind&isBool == 0 {
		return nil, nil, &Error{Reason: fmt.Sprintf("is %s, not a condition", kind)}
	}
	p, paths := prepare(v, program, fields)
	return &condition{prepared: p}, paths, nil
}

// Value makes an expression that computes what a column of this name and type
// holds, and lists the paths it reads, as Condition does.
func Value(text string, column row.Column, fields []Field) (row.Expression, []string, error) {
	v, program, err := compile(text, fields)
	if err != nil {
		return nil, nil, err
	}
	if kind, holds := v.static(program.Node()), held(column); kind != 0 && kind&holds == 0 {
		return nil, nil, &Error{Reason: fmt.Sprintf("is %s, which never becomes a %s", kind, column.Type)}
	}
	p, paths := prepare(v, program, fields)
	return &value{prepared: p, rounds: column.Type.Kind == row.Double}, paths, nil
}

func compile(text string, fields []Field) (*visitors, *vm.Program, error) {
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
	v := &visitors{source: []rune(text), parts: map[int]string{}, depths: map[*ast.BuiltinNode]int{}, fields: map[string]declared{}, variables: map[string]int{}}
	for _, f := range fields {
		if len(f.Columns) > 0 {
			v.fields[f.Path] = declare(f)
		}
	}
	program, err := expr.Compile(text, v.options()...)
	if err == nil {
		v.bindings(program.Node())
	}
	if v.err != nil {
		return nil, nil, v.err
	}
	if err != nil {
		return nil, nil, explain(err)
	}
	return v, program, nil
}

// prepare gives the paths of a program their slots.
func prepare(v *visitors, program *vm.Program, fields []Field) (*prepared, []string) {
	p := &prepared{program: program, parts: v.parts}
	paths := slices.Compact(slices.Sorted(slices.Values(v.paths)))
	for _, path := range paths {
		f := field{path: path, name: mark + path, slot: -1}
		if i := slices.IndexFunc(fields, func(f Field) bool { return f.Path == path }); i >= 0 {
			f.slot = fields[i].Slot
		}
		p.fields = append(p.fields, f)
	}
	return p, paths
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
	const limit = 400
	s = strings.ReplaceAll(strings.ReplaceAll(s, mark, ""), callMark, "")
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
