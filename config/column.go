package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Column is a column of a table and where its value comes from.
type Column struct {
	Name     string
	From     []Path // the first that is there; a path each.NAME is a constant of the partition
	Expr     string // computes the column in place of From; empty: it is not computed
	ExprPath string // where Expr stands
	Type     ColumnType
	NotNull  bool
	Default  *Scalar // for a record without the field, or a computed null; nil: null
	As       Format  // how the owner writes a time; zero: RFC 3339
	Inner    bool    // of json: a text is read as the JSON that it holds
}

// asJSON says of a column of JSON that the owner writes it into a text.
const asJSON = "json"

// ColumnType is one of ColumnTypes, or zero where it is that of the table, which exists. Precision and Scale belong to
// numeric; without precision it is unbounded.
type ColumnType struct {
	Name             string
	Precision, Scale int
}

func (t ColumnType) String() string {
	if t.Precision > 0 {
		return fmt.Sprintf("%s(%d,%d)", t.Name, t.Precision, t.Scale)
	}
	return t.Name
}

// ColumnTypes are the types a column can have.
func ColumnTypes() []string {
	return []string{
		"text", "boolean", "integer", "bigint", "double", "numeric",
		"timestamptz", "date", "uuid", "json", "bytes",
	}
}

// alsoCalled are names of types elsewhere, which no spelling brings near to ours.
var alsoCalled = map[string]string{
	"string": "text", "varchar": "text", "char": "text", "bool": "boolean", "int": "integer", "int4": "integer",
	"int32": "integer", "smallint": "integer", "int8": "bigint", "int64": "bigint", "long": "bigint", "number": "numeric",
	"float": "double", "float8": "double", "float64": "double", "real": "double", "guid": "uuid", "object": "json", "array": "json",
	"decimal": "numeric", "timestamp": "timestamptz", "datetime": "timestamptz", "jsonb": "json",
	"bytea": "bytes", "blob": "bytes",
}

var typeForm = regexp.MustCompile(`^([A-Za-z0-9_]+)(?:\(([0-9]{1,4})(?:, ?([0-9]{1,4}))?\))?( not null)?$`)

// columns reads the columns of a table, or those its source gives to all, and adds those of key and version.
func (r *reader) columns(s section, t *Table) {
	n := s.child("columns")
	if n == nil {
		n = t.Source.columns
	}
	if n == nil {
		r.wrong(s.n, `columns is missing; write columns = { id = "bigint", name = "text" }`)
		return
	}
	if n.kind != kindTable || len(n.below) == 0 {
		r.wrong(n, `is %s; write { NAME = "type" }`, n.whatOrEmpty())
		return
	}
	for _, c := range n.below {
		if !r.identifier(c, c.key) {
			continue
		}
		if column, ok := r.column(c); ok {
			t.Columns = append(t.Columns, column)
		}
	}
	if len(t.Columns) == len(n.below) && !t.Source.broken["records"] && !t.Source.broken["watermark"] {
		r.keyColumns(n, t)
		r.versionColumn(n, t)
		r.checkColumns(n, t)
	}
}

// IsZero reports whether the type is the table's own.
func (t ColumnType) IsZero() bool { return t.Name == "" }

// column reads "type" or { from, expr, type, default, as, zone }.
func (r *reader) column(n *node) (Column, bool) {
	c := Column{Name: n.key, From: []Path{fieldPath(n.key)}}
	before := len(r.mistakes)
	if n.kind == kindText {
		r.columnType(n, &c)
		return c, len(r.mistakes) == before
	}
	if n.kind != kindTable {
		r.wrong(n, `is %s; write a type such as "text", or a table with from and type`, n.what())
		return c, false
	}
	s, ok := r.section(n)
	if !ok {
		return c, false
	}
	s.fields("from", &c.From)
	s.expr(&c)
	if t := s.child("type"); t != nil {
		r.columnType(t, &c)
	}
	s.format("as", "zone", &c.As)
	if as := s.child("as"); as != nil && (!c.Type.IsZero() || c.As.Name == FormatInteger) {
		s.checkAs(as, c)
	}
	if c.As.Name == asJSON {
		c.As, c.Inner = Format{}, true
	}
	if d := s.child("default"); d != nil {
		if v, ok := r.scalar(d); ok {
			c.Default = &v
			r.checkDefault(d, c)
		}
	}
	return c, len(r.mistakes) == before
}

// fieldPath is the field that is called like a column: one segment, whatever stands in the name.
func fieldPath(name string) Path {
	if p, err := ParsePath(name); err == nil && len(p.Segments) == 1 && p.Segments[0].Index < 0 {
		return p
	}
	return Path{Text: strconv.Quote(name), Segments: []Segment{{Name: name, Index: -1}}}
}

func (r *reader) columnType(n *node, c *Column) {
	text, ok := r.text(n)
	if !ok {
		return
	}
	m := typeForm.FindStringSubmatch(text)
	if m == nil {
		r.wrong(n, `%s is no type; write one such as "text", "numeric(12,2)" or "text not null"`, r.shown(n))
		return
	}
	switch name := m[1]; {
	case slices.Contains(ColumnTypes(), name):
		c.Type, c.NotNull = ColumnType{Name: name}, m[4] != ""
	case alsoCalled[strings.ToLower(name)] != "":
		r.wrong(n, "unknown type %s; write %q", r.shown(n), alsoCalled[strings.ToLower(name)])
		return
	default:
		r.wrong(n, "unknown type %s%s", r.shown(n), hint(name, ColumnTypes()))
		return
	}
	if m[2] == "" {
		return
	}
	c.Type.Precision, _ = strconv.Atoi(m[2])
	c.Type.Scale, _ = strconv.Atoi("0" + m[3])
	switch {
	case c.Type.Name != "numeric":
		r.wrong(n, "%s takes no numbers in parentheses; only numeric does", c.Type.Name)
	case c.Type.Precision < 1 || c.Type.Precision > 1000:
		r.wrong(n, "the precision of numeric must be from 1 to 1000, not %d", c.Type.Precision)
	case c.Type.Scale > c.Type.Precision:
		r.wrong(n, "the scale %d is greater than the precision %d", c.Type.Scale, c.Type.Precision)
	}
}

// checkAs refuses a format where no time is written.
func (s section) checkAs(n *node, c Column) {
	switch {
	case c.As.Name == asJSON && c.Type.Name != "json":
		s.r.wrong(n, "belongs to json, and the type is %s", c.Type)
	case c.As.Name == asJSON:
	case c.As.Name == FormatInteger:
		s.r.wrong(n, "is no format of times; leave it out, the type says that it is a number")
	case c.Type.Name != "timestamptz" && c.Type.Name != "date":
		s.r.wrong(n, "belongs to timestamptz and date, and the type is %s", c.Type)
	}
}

// checkDefault refuses a default of another kind than the column's. Whether a text is a good date is for the
// conversion to say.
func (r *reader) checkDefault(n *node, c Column) {
	want := Text
	switch c.Type.Name {
	case "":
		return
	case "boolean":
		want = Boolean
	case "integer", "bigint", "double", "numeric":
		want = Number
	case "json":
		want = c.Default.Kind
	}
	if c.Default.Kind != want || n.kind == kindFloat && (c.Type.Name == "integer" || c.Type.Name == "bigint") {
		r.wrong(n, "is %s, and the column is %s", n.what(), c.Type)
	}
}

// keyColumns finds the columns that are the key, and adds those that were left out as text.
func (r *reader) keyColumns(n *node, t *Table) {
	for _, path := range t.Source.Records.Key {
		added := ColumnType{Name: "text"}
		if t.discovers() {
			added = ColumnType{}
		}
		c, ok := r.columnFrom(n, t, []Path{path}, added, Format{})
		if ok {
			c.NotNull = true
			t.Key = append(t.Key, c.Name)
		}
	}
}

// versionColumn finds the column that is the version, or adds it with the watermark's type.
func (r *reader) versionColumn(n *node, t *Table) {
	version, w := t.Source.Records.Version, t.Source.Watermark
	if len(version) == 0 {
		return
	}
	ofWatermark := w != nil && samePaths(version, w.Fields)
	var added ColumnType
	var as Format
	if ofWatermark {
		added, as = w.columnType()
	} else if columnOf(t, version) == nil {
		r.wrong(n, "no column is the version %q; add one, so that its type tells which of two is newer", version[0])
		return
	}
	c, ok := r.columnFrom(n, t, version, added, as)
	if !ok {
		return
	}
	t.Version = c.Name
	c.NotNull = c.NotNull || w == nil || w.Null != NullInclude
	r.checkVersion(n, *c, ofWatermark)
}

// columnOf returns the column that is taken from exactly these paths.
func columnOf(t *Table, paths []Path) *Column {
	for i := range t.Columns {
		if samePaths(t.Columns[i].From, paths) {
			return &t.Columns[i]
		}
	}
	return nil
}

// columnFrom returns the column that is taken from exactly these paths, or adds it under the last segment's name.
func (r *reader) columnFrom(n *node, t *Table, paths []Path, added ColumnType, as Format) (*Column, bool) {
	if c := columnOf(t, paths); c != nil {
		return c, true
	}
	name := paths[0].Last()
	if other, taken := t.Column(name); taken && other.Expr != "" {
		r.wrong(n.child(name), "is computed, and the field %q, by which rows are told apart or newer from older, needs a column as it is; compute into a column of another name", paths[0])
		return nil, false
	} else if taken {
		r.wrong(n.child(name), "is taken from elsewhere, and the field %q needs a column too; add one under another name with from = %q", paths[0], paths[0].Text)
		return nil, false
	}
	if name == "" || len(name) > maxIdentifier || strings.ContainsRune(name, 0) {
		r.wrong(n, "the field %q cannot name a column; add one with from = %q", paths[0], paths[0].Text)
		return nil, false
	}
	t.Columns = append(t.Columns, Column{Name: name, From: paths, Type: added, As: as})
	return &t.Columns[len(t.Columns)-1], true
}

func samePaths(a, b []Path) bool {
	return slices.EqualFunc(a, b, Path.Equal)
}
