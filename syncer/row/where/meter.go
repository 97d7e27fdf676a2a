package where

import (
	"errors"

	"github.com/expr-lang/expr/ast"
)

// meterVar is the variable that holds the meter of a run.
const meterVar = mark + "meter"

// Bounds of what the closures of an expression may do with one record. A closure
// inside another one takes its steps once for every step of the outer one, and
// each may read a text of a megabyte: without a bound one record would keep a
// poll for minutes. They count work and not time, so that a record is judged
// alike on every machine.
const (
	maxWork = 2_000_000
	// unit is how many bytes make the work of one part of an expression double.
	unit = 1 << 10
	// patternWork is the work of a pattern beside that of another operator.
	patternWork = 32
)

var errTooMuch = errors.New("takes too much work for one record")

// meter adds up what judging one record takes.
type meter struct {
	work int
	// each is the work of one part of the expression, which may read all that the
	// record has for it.
	each int
}

// start sets the meter to a record of so many bytes.
func (m *meter) start(size int) { *m = meter{each: 1 + size/unit} }

// step counts a step of a closure of so many parts.
func (m *meter) step(parts int) error {
	if m.work += parts * m.each; m.work > maxWork {
		return errTooMuch
	}
	return nil
}

// metered is what the closures of an expression call after each step.
func metered(args ...any) (any, error) {
	if err := args[0].(*meter).step(args[1].(int)); err != nil {
		return false, err
	}
	return truth(args[2])
}

// meter counts the steps of a closure.
func (v *visitors) meter(body *ast.Node) {
	parts := 0
	ast.Walk(body, visitor(func(n *ast.Node) {
		parts++
		if node, ok := (*n).(*ast.BinaryNode); ok && node.Operator == "matches" {
			parts += patternWork
		}
	}))
	v.note(*body)
	ast.Patch(body, &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: stepFunc},
		Arguments: []ast.Node{&ast.IdentifierNode{Value: meterVar}, &ast.IntegerNode{Value: parts}, *body},
	})
}
