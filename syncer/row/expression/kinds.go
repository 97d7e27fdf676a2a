package expression

import (
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/larder-sync/larder/syncer/row"
)

// kinds are the kinds that a value can have beside null.
type kinds uint8

const (
	isBool kinds = 1 << iota
	isNumber
	isText
	isArray
	isObject
	isAny = isBool | isNumber | isText | isArray | isObject
)

func (k kinds) String() string {
	var out []string
	for i, name := range []string{"true or false", "a number", "a text", "an array", "an object"} {
		if k&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	if out == nil {
		return "null"
	}
	return strings.Join(out, " or ")
}

// held are the kinds of JSON values that fit a column. A number may be sent as
// a text, and a text column takes a number.
func held(c row.Column) kinds {
	if c.Blank {
		return isText
	}
	if c.Discover {
		return isAny
	}
	switch c.Type.Kind {
	case row.Text, row.Boolean:
		return isBool | isNumber | isText
	case row.Integer, row.Bigint, row.Double, row.Numeric:
		return isNumber | isText
	case row.Timestamptz, row.Date:
		if c.As.Counted() {
			return isNumber | isText
		}
		return isText
	case row.UUID, row.Bytes:
		return isText
	}
	return isAny
}

// declared is what the configuration says of a field.
type declared struct {
	kinds kinds
	// number says that the field is one, though it may be sent as a text: as
	// texts, 10 is less than 9.
	number bool
	// sent says that it always is sent as a text, as CSV does.
	sent bool
	// as is the type that says so.
	as string
}

func declare(f Field) declared {
	d := declared{kinds: isAny}
	for _, c := range f.Columns {
		d.kinds &= held(c)
		d.sent = d.sent || c.Blank
		if c.Discover {
			d.as = "text in CSV"
			continue
		}
		switch c.Type.Kind {
		case row.Integer, row.Bigint, row.Double, row.Numeric:
			d.number = true
		}
		d.as = c.Type.String()
	}
	return d
}

// field is what the configuration says of a part that is a field.
func (v *visitors) field(n ast.Node) (declared, bool) {
	node, ok := n.(*ast.IdentifierNode)
	if !ok {
		return declared{}, false
	}
	d, ok := v.fields[strings.TrimPrefix(node.Value, mark)]
	return d, ok && strings.HasPrefix(node.Value, mark)
}

// static are the kinds that a part of the expression can have; 0: it is null.
func (v *visitors) static(n ast.Node) kinds {
	switch node := n.(type) {
	case *ast.NilNode:
		return 0
	case *ast.BoolNode:
		return isBool
	case *ast.IntegerNode, *ast.FloatNode, *ast.ConstantNode:
		return isNumber
	case *ast.StringNode:
		return isText
	case *ast.ArrayNode:
		return isArray
	case *ast.MapNode:
		return isObject
	case *ast.IdentifierNode:
		if d, ok := v.field(node); ok {
			return d.kinds
		}
	case *ast.ConditionalNode:
		return v.static(node.Exp1) | v.static(node.Exp2)
	case *ast.UnaryNode:
		return isBool // signs are calls
	case *ast.BinaryNode:
		if node.Operator == "??" {
			return v.static(node.Left) | v.static(node.Right)
		}
		return isBool // arithmetic is calls
	case *ast.CallNode:
		return v.result(node)
	case *ast.BuiltinNode:
		return ofPredicate(node.Name)
	case *ast.VariableDeclaratorNode:
		return v.static(node.Expr)
	case *ast.ChainNode:
		return v.static(node.Node)
	case *ast.PredicateNode:
		return v.static(node.Node)
	case *ast.SliceNode:
		return isText | isArray
	}
	return isAny
}

func ofPredicate(name string) kinds {
	switch name {
	case "all", "any", "none", "one":
		return isBool
	case "count":
		return isNumber
	case "filter", "map":
		return isArray
	}
	return isAny
}

// result are the kinds that a call of one of our functions answers with.
func (v *visitors) result(call *ast.CallNode) kinds {
	callee, ok := call.Callee.(*ast.IdentifierNode)
	if !ok {
		return isAny
	}
	switch callee.Value {
	case truthFunc, orderFunc, conditionFunc:
		return isBool
	case signFunc:
		return isNumber
	case stepFunc:
		return v.static(call.Arguments[2])
	case arithmeticFunc:
		if op, ok := call.Arguments[0].(*ast.StringNode); !ok || op.Value != "+" {
			return isNumber
		}
		a, b := v.static(call.Arguments[1]), v.static(call.Arguments[2])
		if both := a & b & (isNumber | isText); both != 0 {
			return both
		}
		return isNumber | isText
	}
	if f, ok := functionOf(strings.TrimPrefix(callee.Value, callMark)); ok {
		return f.result
	}
	return isAny
}

// boolean reports whether a part is never anything but true or false, null not
// either.
func (v *visitors) boolean(n ast.Node) bool {
	switch node := n.(type) {
	case *ast.BoolNode, *ast.UnaryNode:
		return true
	case *ast.BinaryNode:
		return node.Operator != "??"
	case *ast.BuiltinNode:
		return ofPredicate(node.Name) == isBool
	case *ast.CallNode:
		callee, ok := node.Callee.(*ast.IdentifierNode)
		return ok && (callee.Value == truthFunc || callee.Value == orderFunc || callee.Value == conditionFunc)
	}
	return false
}
