package where

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
)

// mark begins the names of variables, which are paths: no name that an
// expression can write does, so that a field may be called as a function is.
const mark = "\x01"

// The functions that operators become, for the language's own are wider, and the
// one that closures end in.
const (
	truthFunc = mark + "truth"
	orderFunc = mark + "order"
	stepFunc  = mark + "step"
)

// functions are those that an expression may call. None of them knows the time
// or makes much of little.
func functions() []string {
	return []string{
		"all", "any", "none", "one", "filter", "count", "find", "len", "first", "last", "keys", "values",
		"lower", "upper", "trim", "trimPrefix", "trimSuffix", "hasPrefix", "hasSuffix", "indexOf",
		"int", "float", "string", "abs", "ceil", "floor", "round", "min", "max",
	}
}

// predicates are those whose closure is a condition.
func predicates() []string {
	return []string{"all", "any", "none", "one", "filter", "count", "find"}
}

// visitors take an expression's tree through its stations: what is not allowed
// is refused and paths become variables, then operators become functions, then
// what is left is listed.
type visitors struct {
	err   *Error
	paths []string
	parts map[int]string
	// depths is how deep closures are nested in each call.
	depths map[*ast.BuiltinNode]int
}

// options are what the expression is compiled with. Without the optimizer, a
// condition means the same whatever stands beside it.
func (v *visitors) options() []expr.Option {
	options := []expr.Option{
		expr.Env(map[string]any{}), expr.AllowUndefinedVariables(),
		expr.DisableAllBuiltins(), expr.DisableIfOperator(), expr.Optimize(false), expr.MaxNodes(maxNodes),
		expr.Function(truthFunc, func(args ...any) (any, error) { return truth(args[0]) }, new(func(any) bool)),
		expr.Function(orderFunc, func(args ...any) (any, error) { return order(args[0].(string), args[1], args[2]) }, new(func(string, any, any) bool)),
		expr.Function(stepFunc, metered, new(func(any, int, any) bool)),
		expr.Patch(visitor(v.names)), expr.Patch(visitor(v.operators)), expr.Patch(visitor(v.list)),
	}
	for _, name := range functions() {
		options = append(options, expr.EnableBuiltin(name))
	}
	return options
}

type visitor func(*ast.Node)

func (v visitor) Visit(n *ast.Node) { v(n) }

// refuse keeps the first reason.
func (v *visitors) refuse(n ast.Node, format string, args ...any) {
	if v.err == nil {
		v.err = &Error{Column: n.Location().From + 1, Reason: shown(fmt.Sprintf(format, args...))}
	}
}

// names turns fields, and members of fields whose name is written out, into
// variables that are called by their path. Children are visited first.
func (v *visitors) names(n *ast.Node) {
	switch node := (*n).(type) {
	case *ast.IdentifierNode:
		switch node.Value {
		case "null":
			ast.Patch(n, &ast.NilNode{})
		case "$env":
		default:
			// A chain of comparisons holds its inner operands twice.
			if !strings.HasPrefix(node.Value, mark) {
				node.Value = mark + segment(node.Value)
			}
		}
	case *ast.MemberNode:
		v.member(n, node)
	case *ast.ChainNode:
		if _, ok := node.Node.(*ast.IdentifierNode); ok {
			*n = node.Node
		}
	case *ast.CallNode:
		name := "this"
		if callee, ok := node.Callee.(*ast.IdentifierNode); ok {
			name = strconv.Quote(strings.TrimPrefix(callee.Value, mark))
		}
		v.refuse(node, "calls %s, which is no function here; there are %s", name, strings.Join(functions(), ", "))
	case *ast.BuiltinNode:
		if !slices.Contains(functions(), node.Name) {
			v.refuse(node, "calls %q, which is no function here; there are %s", node.Name, strings.Join(functions(), ", "))
		}
		if v.depths[node] = v.nested(node); v.depths[node] > maxNested {
			v.refuse(node, "nests closures deeper than %d", maxNested)
		}
	case *ast.VariableDeclaratorNode, *ast.SequenceNode, *ast.MapNode, *ast.BytesNode:
		v.refuse(node, "is one condition over the record: no variables, statements, objects or bytes")
	case *ast.BinaryNode:
		v.binary(node)
	}
}

func (v *visitors) member(n *ast.Node, node *ast.MemberNode) {
	base, ok := node.Node.(*ast.IdentifierNode)
	if chain, is := node.Node.(*ast.ChainNode); is {
		base, ok = chain.Node.(*ast.IdentifierNode)
	}
	if !ok {
		return
	}
	name := ""
	switch property := node.Property.(type) {
	case *ast.StringNode:
		name = segment(property.Value)
	case *ast.IntegerNode:
		if property.Value < 0 {
			return
		}
		name = strconv.Itoa(property.Value)
	default:
		return
	}
	path := base.Value + "." + name
	if base.Value == "$env" {
		path = mark + name
	}
	variable := &ast.IdentifierNode{Value: path}
	variable.SetLocation(base.Location())
	*n = variable
}

// binary refuses operators that make much of little, or that take a program
// from the owner.
func (v *visitors) binary(node *ast.BinaryNode) {
	switch node.Operator {
	case "..":
		v.refuse(node, "makes a list of numbers: compare with its ends instead")
	case "matches":
		if _, ok := node.Right.(*ast.StringNode); !ok {
			v.refuse(node, "matches with a pattern that is not written out")
		}
	}
}

// nested is how deep closures are nested in a call. Of those inside it is
// known already.
func (v *visitors) nested(call *ast.BuiltinNode) int {
	depth := 0
	for _, argument := range call.Arguments {
		if closure, ok := argument.(*ast.PredicateNode); ok {
			depth = max(depth, 1)
			ast.Walk(&closure.Node, visitor(func(n *ast.Node) {
				if inner, ok := (*n).(*ast.BuiltinNode); ok {
					depth = max(depth, 1+v.depths[inner])
				}
			}))
		}
	}
	return depth
}

// operators gives conditions and orders the meaning that the package says.
func (v *visitors) operators(n *ast.Node) {
	switch node := (*n).(type) {
	case *ast.UnaryNode:
		if node.Operator == "!" || node.Operator == "not" {
			v.condition(&node.Node)
		}
	case *ast.ConditionalNode:
		v.condition(&node.Cond)
	case *ast.BuiltinNode:
		if slices.Contains(predicates(), node.Name) {
			for _, argument := range node.Arguments {
				if closure, ok := argument.(*ast.PredicateNode); ok {
					v.condition(&closure.Node)
					v.meter(&closure.Node)
				}
			}
		}
	case *ast.BinaryNode:
		switch node.Operator {
		case "and", "&&", "or", "||":
			v.condition(&node.Left)
			v.condition(&node.Right)
		case "<", "<=", ">", ">=":
			v.ordered(n, node)
		}
	}
}

// condition makes null false, and refuses what never is a condition.
func (v *visitors) condition(n *ast.Node) {
	switch kind := static(*n); kind {
	case "true or false":
	case "", "null":
		call := &ast.CallNode{Callee: &ast.IdentifierNode{Value: truthFunc}, Arguments: []ast.Node{*n}}
		v.note(*n)
		ast.Patch(n, call)
	default:
		v.refuse(*n, "%s is %s, not a condition", *n, kind)
	}
}

func (v *visitors) ordered(n *ast.Node, node *ast.BinaryNode) {
	a, b := static(node.Left), static(node.Right)
	for _, kind := range []string{a, b} {
		if kind != "" && kind != "a number" && kind != "a text" {
			v.refuse(node, "%s compares %s, which has no order", node, kind)
		}
	}
	if a != "" && b != "" && a != b {
		v.refuse(node, "%s compares %s with %s", node, a, b)
	}
	v.note(node)
	ast.Patch(n, &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: orderFunc},
		Arguments: []ast.Node{&ast.StringNode{Value: node.Operator}, node.Left, node.Right},
	})
}

// static is what a part of the expression always is; "" if that depends on the
// record.
func static(n ast.Node) string {
	switch node := n.(type) {
	case *ast.NilNode:
		return "null"
	case *ast.ArrayNode:
		return "an array"
	case *ast.CallNode:
		return "true or false" // one of the functions of this package
	case *ast.IdentifierNode:
		return ""
	case *ast.ConditionalNode:
		if a, b := static(node.Exp1), static(node.Exp2); a == b {
			return a
		}
		return ""
	}
	nature := n.Nature()
	switch {
	case nature.IsBool():
		return "true or false"
	case nature.IsNumber():
		return "a number"
	case nature.IsString():
		return "a text"
	}
	return ""
}

// list notes the paths and where parts stand.
func (v *visitors) list(n *ast.Node) {
	switch node := (*n).(type) {
	case *ast.IdentifierNode:
		switch path, ok := strings.CutPrefix(node.Value, mark); {
		case node.Value == "$env":
			v.refuse(node, `$env needs the name of a field: $env["name"]`)
		case ok && !slices.Contains([]string{truthFunc, orderFunc, stepFunc, meterVar}, node.Value):
			v.paths = append(v.paths, path)
		}
	case *ast.BinaryNode, *ast.BuiltinNode, *ast.MemberNode, *ast.UnaryNode, *ast.SliceNode:
		v.note(node)
	}
}

// note remembers the text of a part by where it stands.
func (v *visitors) note(n ast.Node) {
	const limit = 60
	text := []rune(shown(n.String()))
	if len(text) > limit {
		text = append(text[:limit], '…')
	}
	if at := n.Location().From; v.parts[at] == "" {
		v.parts[at] = string(text)
	}
}

// segment writes one step of a path as a path set reads it: in quotes where it
// could be taken for more than a name.
func segment(name string) string {
	odd := name == "" || strings.TrimSpace(name) != name || strings.ContainsAny(name, `.[]"'\`) || strings.ContainsFunc(name, unicode.IsControl)
	if !odd {
		return name
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range name {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// compareNumbers is exact also between an int and a float64.
func compareNumbers(a, b any) (int, bool) {
	switch x := a.(type) {
	case int:
		switch y := b.(type) {
		case int:
			return cmp.Compare(x, y), true
		case float64:
			return big.NewFloat(0).SetPrec(64).SetInt64(int64(x)).Cmp(big.NewFloat(y)), true
		}
	case float64:
		switch y := b.(type) {
		case float64:
			return cmp.Compare(x, y), true
		case int:
			c, _ := compareNumbers(y, x)
			return -c, true
		}
	}
	return 0, false
}
