package config

import "strings"

// expr reads what computes a column. What it says is for others to compile; they report by Mistake at this key.
func (s section) expr(c *Column) {
	n := s.child("expr")
	if n == nil {
		return
	}
	text, ok := s.r.text(n)
	switch {
	case !ok:
	case strings.TrimSpace(text) == "":
		s.r.wrong(n, `is empty; write an expression such as 'first + " " + last', or leave it out`)
	case len(text) > maxWhere:
		s.r.wrong(n, "is longer than %d bytes", maxWhere)
	default:
		c.Expr, c.ExprPath, c.From = text, n.keyPath(), nil
	}
	if from := s.child("from"); from != nil {
		s.r.wrong(from, "is a field, and expr computes the column; leave one of them out")
	}
	if !s.has("type") {
		s.r.wrong(s.n, `type is missing: what is computed needs one; write type = "text", or another of %s`, strings.Join(ColumnTypes(), ", "))
	}
}

// discovers reports whether the types of some columns are those of the table, which exists then.
func (t *Table) discovers() bool {
	for _, c := range t.Columns {
		if c.Type.IsZero() {
			return true
		}
	}
	return false
}
