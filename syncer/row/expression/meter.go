package expression

import (
	"errors"
	"fmt"

	"github.com/expr-lang/expr/ast"
)

// meterVar is the variable that holds the meter of a run.
const meterVar = mark + "meter"

// Bounds of what an expression may do with one record. A closure
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
	// maxMade is how many bytes of text may be made from one record.
	maxMade = 4 << 20
)

var errTooMuch = errors.New("takes too much work for one record")

// meter adds up what asking one record takes.
type meter struct {
	work, size, made int
	// each is the work of one part of the expression, which may read all that the
	// record has for it, and all that was made of it.
	each int
}

// start sets the meter to a record of so many bytes.
func (m *meter) start(size int) { *m = meter{size: size, each: 1 + size/unit} }

// step counts a step of a closure of so many parts.
func (m *meter) step(parts int) error {
	if m.work += parts * m.each; m.work > maxWork {
		return errTooMuch
	}
	return nil
}

// makes counts text of so many bytes, before it is made.
func (m *meter) makes(n int) error {
	if n > maxString {
		return fmt.Errorf("is longer than %d bytes", maxString)
	}
	if m.made += n; m.made > maxMade {
		return errTooMuch
	}
	m.each = 1 + (m.size+m.made)/unit
	return nil
}

// metered is what the conditions of closures call after each step.
func metered(args ...any) (any, error) {
	if err := args[0].(*meter).step(args[1].(int)); err != nil {
		return false, err
	}
	return truth(args[2])
}

// stepped is what closures that are values call after each step.
func stepped(args ...any) (any, error) {
	return args[2], args[0].(*meter).step(args[1].(int))
}

// meter counts the steps of a closure by one of the functions above.
func (v *visitors) meter(body *ast.Node, by string) {
	parts := 0
	ast.Walk(body, visitor(func(n *ast.Node) {
		parts++
		if node, ok := (*n).(*ast.BinaryNode); ok && node.Operator == "matches" {
			parts += patternWork
		}
	}))
	v.note(*body)
	ast.Patch(body, &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: by},
		Arguments: []ast.Node{&ast.IdentifierNode{Value: meterVar}, &ast.IntegerNode{Value: parts}, *body},
	})
}
