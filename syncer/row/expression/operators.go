package expression

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// operators gives conditions, orders and arithmetic the meaning that the
// package says, and refuses what can never hold.
func (v *visitors) operators(n *ast.Node) {
	switch node := (*n).(type) {
	case *ast.UnaryNode:
		switch node.Operator {
		case "!", "not":
			v.condition(&node.Node)
		case "-", "+":
			v.sign(n, node)
		}
	case *ast.ConditionalNode:
		v.condition(&node.Cond)
	case *ast.BuiltinNode:
		v.closures(node)
	case *ast.CallNode:
		v.arguments(node)
	case *ast.BinaryNode:
		switch node.Operator {
		case "and", "&&", "or", "||":
			v.condition(&node.Left)
			v.condition(&node.Right)
		case "<", "<=", ">", ">=":
			v.ordered(n, node)
		case "==", "!=":
			v.compared(node)
		case "+", "-", "*", "/", "%", "**", "^":
			v.arithmetic(n, node)
		case "contains", "startsWith", "endsWith", "matches":
			v.lacks(node.Left, isText, node.Operator)
			v.lacks(node.Right, isText, node.Operator)
		}
	}
}

// closures counts the steps of a call's closures.
func (v *visitors) closures(call *ast.BuiltinNode) {
	for _, argument := range call.Arguments {
		closure, ok := argument.(*ast.PredicateNode)
		switch {
		case !ok:
			v.lacks(argument, isArray|isObject, call.Name)
		case call.Name == "map":
			v.meter(&closure.Node, stepFunc)
		default:
			v.condition(&closure.Node)
			v.meter(&closure.Node, conditionFunc)
		}
	}
}

// condition makes null false, and refuses what never is a condition.
func (v *visitors) condition(n *ast.Node) {
	kind := v.static(*n)
	switch {
	case v.boolean(*n):
	case kind != 0 && kind&isBool == 0:
		v.refuse(*n, "%s is %s, not a condition%s", v.text(*n), kind, v.because(*n))
	default:
		call := &ast.CallNode{Callee: &ast.IdentifierNode{Value: truthFunc}, Arguments: []ast.Node{*n}}
		v.note(*n)
		ast.Patch(n, call)
	}
}

func (v *visitors) ordered(n *ast.Node, node *ast.BinaryNode) {
	a, b := v.inOrder(node.Left), v.inOrder(node.Right)
	for _, kind := range []kinds{a, b} {
		if kind&(isNumber|isText) == 0 {
			v.refuse(node, "%s compares %s, which has no order", v.text(node), kind)
		}
	}
	if a&b&(isNumber|isText) == 0 {
		v.refuse(node, "%s compares %s with %s%s", v.text(node), a, b, v.because(node.Left, node.Right))
	}
	for _, part := range []ast.Node{node.Left, node.Right} {
		if d, ok := v.field(part); ok && d.number && d.sent {
			v.refuse(node, "%s compares a number that is sent as a text%s", v.text(node), v.because(part))
		}
	}
	v.note(node)
	ast.Patch(n, &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: orderFunc},
		Arguments: []ast.Node{&ast.StringNode{Value: node.Operator}, node.Left, node.Right},
	})
}

// inOrder are the kinds of a part whose order is asked for. A number that is
// sent as a text has none as such.
func (v *visitors) inOrder(n ast.Node) kinds {
	if d, ok := v.field(n); ok && d.number {
		return isNumber
	}
	return v.static(n)
}

// compared refuses a comparison with a field that never has such a value.
func (v *visitors) compared(node *ast.BinaryNode) {
	_, left := v.field(node.Left)
	_, right := v.field(node.Right)
	a, b := v.static(node.Left), v.static(node.Right)
	if (left || right) && a != 0 && b != 0 && a&b == 0 {
		v.refuse(node, "%s compares %s with %s, which are never equal%s", v.text(node), a, b, v.because(node.Left, node.Right))
	}
}

func (v *visitors) arithmetic(n *ast.Node, node *ast.BinaryNode) {
	takes := isNumber
	if node.Operator == "+" {
		takes |= isText
	}
	a, b := v.static(node.Left), v.static(node.Right)
	switch {
	case a != 0 && a&takes == 0, b != 0 && b&takes == 0:
		v.lacks(node.Left, takes, node.Operator)
		v.lacks(node.Right, takes, node.Operator)
	case a != 0 && b != 0 && a&b&takes == 0:
		v.refuse(node, "%s adds %s and %s: string(…) makes a text of a number, int(…) and float(…) a number of a text%s", v.text(node), a, b, v.because(node.Left, node.Right))
	}
	v.note(node)
	ast.Patch(n, &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: arithmeticFunc},
		Arguments: []ast.Node{&ast.StringNode{Value: node.Operator}, node.Left, node.Right, &ast.IdentifierNode{Value: meterVar}},
	})
}

// sign makes a number of a sign before one that is written out.
func (v *visitors) sign(n *ast.Node, node *ast.UnaryNode) {
	v.lacks(node.Node, isNumber, node.Operator)
	var operand any
	switch number := node.Node.(type) {
	case *ast.IntegerNode:
		operand = number.Value
	case *ast.ConstantNode:
		operand = number.Value
	default:
		v.note(node)
		ast.Patch(n, &ast.CallNode{
			Callee:    &ast.IdentifierNode{Value: signFunc},
			Arguments: []ast.Node{&ast.StringNode{Value: node.Operator}, node.Node},
		})
		return
	}
	out, _ := signed(node.Operator, operand) // of a number
	switch out := out.(type) {
	case int:
		ast.Patch(n, &ast.IntegerNode{Value: out})
	case decimal:
		ast.Patch(n, &ast.ConstantNode{Value: out})
	}
}

// arguments refuses what a function of ours has no answer for.
func (v *visitors) arguments(call *ast.CallNode) {
	callee, ok := call.Callee.(*ast.IdentifierNode)
	if !ok || len(call.Arguments) < 2 || slices.Contains([]string{truthFunc, orderFunc, arithmeticFunc, signFunc, conditionFunc, stepFunc}, callee.Value) {
		return
	}
	if f, ok := functionOf(callee.Value[len(callMark):]); ok {
		v.lacks(call.Arguments[1], f.takes, f.name)
	}
}

// lacks refuses an operand that never is of the kinds that an operator takes.
func (v *visitors) lacks(n ast.Node, takes kinds, operator string) {
	if kind := v.static(n); kind != 0 && kind&takes == 0 {
		v.refuse(n, "%s is %s, and %s takes %s%s", v.text(n), kind, operator, takes, v.because(n))
	}
}

// because tells where it is known from what kind a field is.
func (v *visitors) because(parts ...ast.Node) string {
	out := ""
	for _, n := range parts {
		d, ok := v.field(n)
		if !ok {
			continue
		}
		name := shown(n.String())
		out += "; " + name + " is the column's " + d.as
		switch {
		case d.number && d.sent:
			out += ", and CSV has texts alone: write int(" + name + ") or float(" + name + ")"
		case d.number:
			out += ": write a number, or int(" + name + ") if it is sent as a text"
		}
	}
	return out
}
