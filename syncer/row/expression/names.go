package expression

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
)

// The marks of variables, which are paths, and of functions: no name that an
// expression can write begins so, and a field may be called as a function is.
const (
	mark     = "\x01"
	callMark = "\x02"
)

// The functions that operators become, for the language's own are wider, and
// those that closures end in.
const (
	truthFunc      = callMark + "truth"
	orderFunc      = callMark + "order"
	arithmeticFunc = callMark + "arithmetic"
	signFunc       = callMark + "sign"
	conditionFunc  = callMark + "condition"
	stepFunc       = callMark + "step"
)

// predicates are the functions that take a closure.
func predicates() []string {
	return []string{"all", "any", "none", "one", "filter", "map", "count", "find"}
}

// visitors take an expression's tree through its stations: what is not allowed
// is refused and paths become variables, then operators become functions, then
// what is left is listed.
type visitors struct {
	err    *Error
	source []rune
	paths  []string
	parts  map[int]string
	// depths is how deep closures are nested in each call.
	depths map[*ast.BuiltinNode]int
	fields map[string]declared
	// variables says how often a name is bound by let.
	variables map[string]int
}

// options are what the expression is compiled with. Without the optimizer, a
// condition means the same whatever stands beside it.
func (v *visitors) options() []expr.Option {
	options := []expr.Option{
		expr.Env(map[string]any{}), expr.AllowUndefinedVariables(),
		expr.DisableAllBuiltins(), expr.DisableIfOperator(), expr.Optimize(false), expr.MaxNodes(maxNodes),
		expr.Function(truthFunc, func(args ...any) (any, error) { return truth(args[0]) }, new(func(any) bool)),
		expr.Function(orderFunc, func(args ...any) (any, error) { return order(args[0].(string), args[1], args[2]) }, new(func(string, any, any) bool)),
		expr.Function(arithmeticFunc, arithmetic, new(func(string, any, any, any) any)),
		expr.Function(signFunc, signed, new(func(string, any) any)),
		expr.Function(conditionFunc, metered, new(func(any, int, any) bool)),
		expr.Function(stepFunc, stepped, new(func(any, int, any) any)),
		expr.Patch(visitor(v.describe)), expr.Patch(visitor(v.names)), expr.Patch(visitor(v.operators)), expr.Patch(visitor(v.list)),
	}
	for _, f := range functions() {
		options = append(options, expr.Function(callMark+f.name, f.run, new(func(...any) any)))
	}
	for _, name := range predicates() {
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

// describe notes the text of parts as they were written, and the variables
// that let binds.
func (v *visitors) describe(n *ast.Node) {
	switch node := (*n).(type) {
	case *ast.BinaryNode, *ast.BuiltinNode, *ast.CallNode, *ast.MemberNode, *ast.UnaryNode, *ast.SliceNode:
		v.note(node)
	case *ast.VariableDeclaratorNode:
		if v.variables[node.Name]++; v.variables[node.Name] > 1 {
			v.refuse(node, "binds %q twice", node.Name)
		}
		// A name that is bound means that everywhere: before its let it would
		// be the field of that name. What follows has been visited.
		ast.Walk(&node.Value, visitor(func(inner *ast.Node) {
			if name, ok := (*inner).(*ast.IdentifierNode); ok && v.variables[name.Value] > 0 {
				v.refuse(name, "is a field here and bound by let: choose another name, or write $env[%q] for the field", name.Value)
			}
		}))
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
			if !strings.HasPrefix(node.Value, mark) && !strings.HasPrefix(node.Value, callMark) && v.variables[node.Value] == 0 {
				node.Value = mark + segment(node.Value)
			}
		}
	case *ast.FloatNode:
		v.literal(n, node)
	case *ast.MemberNode:
		v.member(n, node)
	case *ast.ChainNode:
		if _, ok := node.Node.(*ast.IdentifierNode); ok {
			*n = node.Node
		}
	case *ast.CallNode:
		v.call(node)
	case *ast.BuiltinNode:
		if !slices.Contains(predicates(), node.Name) {
			v.refuse(node, "calls %q, which is no function here; there are %s", node.Name, names())
		}
		if v.depths[node] = v.nested(node); v.depths[node] > maxNested {
			v.refuse(node, "nests closures deeper than %d", maxNested)
		}
	case *ast.SequenceNode, *ast.BytesNode:
		v.refuse(node, "is one expression over the record: no statements, no bytes")
	case *ast.BinaryNode:
		v.binary(node)
	}
}

// literal takes a number as it is written, not as the nearest double.
func (v *visitors) literal(n *ast.Node, node *ast.FloatNode) {
	at, text := node.Location(), strconv.FormatFloat(node.Value, 'g', -1, 64)
	if at.From >= 0 && at.From < at.To && at.To <= len(v.source) {
		text = strings.ReplaceAll(string(v.source[at.From:at.To]), "_", "")
	}
	number, err := number(text)
	switch number := number.(type) {
	case int:
		ast.Patch(n, &ast.IntegerNode{Value: number})
	case decimal:
		ast.Patch(n, &ast.ConstantNode{Value: number})
	default:
		v.refuse(node, "%s %v", text, err)
	}
}

// call puts one of our functions in the place of a name.
func (v *visitors) call(node *ast.CallNode) {
	name := "this"
	if callee, ok := node.Callee.(*ast.IdentifierNode); ok {
		if strings.HasPrefix(callee.Value, callMark) {
			return
		}
		written := strings.TrimPrefix(callee.Value, mark)
		name = strconv.Quote(written)
		if f, ok := functionOf(written); ok && v.variables[written] == 0 {
			if given := len(node.Arguments); given < f.least || given > f.most {
				v.refuse(node, "calls %q with %d arguments; it takes %s", f.name, given, counted(f))
			}
			callee.Value = callMark + f.name
			node.Arguments = append([]ast.Node{&ast.IdentifierNode{Value: meterVar}}, node.Arguments...)
			return
		}
	}
	v.refuse(node, "calls %s, which is no function here; there are %s", name, names())
}

func counted(f function) string {
	switch {
	case f.least == f.most:
		return strconv.Itoa(f.least)
	case f.most == anyNumber:
		return fmt.Sprintf("%d to %d, or an array", f.least, f.most)
	}
	return fmt.Sprintf("%d or %d", f.least, f.most)
}

func (v *visitors) member(n *ast.Node, node *ast.MemberNode) {
	base, ok := node.Node.(*ast.IdentifierNode)
	if chain, is := node.Node.(*ast.ChainNode); is {
		base, ok = chain.Node.(*ast.IdentifierNode)
	}
	if !ok || base.Value != "$env" && !strings.HasPrefix(base.Value, mark) {
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

// list notes the paths and where parts stand.
func (v *visitors) list(n *ast.Node) {
	switch node := (*n).(type) {
	case *ast.IdentifierNode:
		switch path, ok := strings.CutPrefix(node.Value, mark); {
		case node.Value == "$env":
			v.refuse(node, `$env needs the name of a field: $env["name"]`)
		case ok && node.Value != meterVar:
			v.paths = append(v.paths, path)
		}
	}
}

// bindings refuses a let that does not stand before the whole expression.
func (v *visitors) bindings(root ast.Node) {
	bound := 0
	for n, ok := root.(*ast.VariableDeclaratorNode); ok; n, ok = n.Expr.(*ast.VariableDeclaratorNode) {
		bound++
	}
	if bound != len(v.variables) {
		v.refuse(root, "binds by let inside: let stands before the whole expression")
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

// text is a part as it was written.
func (v *visitors) text(n ast.Node) string {
	if text := v.parts[n.Location().From]; text != "" {
		return text
	}
	if c, ok := n.(*ast.ConstantNode); ok {
		if d, ok := c.Value.(decimal); ok {
			return new(big.Rat).Set(d.Rat).FloatString(3)
		}
	}
	return shown(n.String())
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
