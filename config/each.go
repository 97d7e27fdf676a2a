package config

import (
	"slices"
	"strings"
)

// Partition is one tuple of constants of a source, with a watermark and an as-of of its own. All partitions of
// a source have the same names, in the same order.
type Partition []Constant

// EachQuery asks a consumer's database for the partitions, one a row, at every poll. The names of its columns are the
// names of the constants.
type EachQuery struct {
	SQL      string
	Consumer *Consumer
}

// maxQuery bounds the text of a query.
const maxQuery = 64 << 10

// Constant is a named value of a partition, used as {each.NAME} in requests and as each.NAME in paths.
type Constant struct {
	Name  string
	Value Scalar
}

// Names are the names of the constants.
func (p Partition) Names() []string {
	var all []string
	for _, c := range p {
		all = append(all, c.Name)
	}
	return all
}

// Value returns the constant of that name.
func (p Partition) Value(name string) (Scalar, bool) {
	for _, c := range p {
		if c.Name == name {
			return c.Value, true
		}
	}
	return Scalar{}, false
}

// each reads the partitions, or the query that asks for them.
func (r *reader) each(n *node, src *Source, consumers []*Consumer) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	if src.Owner != nil {
		src.EachConcurrency = src.Owner.Concurrency
	}
	s.integer("concurrency", &src.EachConcurrency)
	values, query := s.child("values"), s.child("query")
	switch {
	case values != nil && query != nil:
		r.wrong(query, "is given beside values; leave one of both out")
	case query != nil:
		src.EachQuery = r.eachQuery(s, query, src.Name, consumers)
	case values == nil:
		r.wrong(n, `values is missing; write values = [ { name = "…" }, … ], or query = "select …" for rows of a consumer's table`)
	}
	if consumer := s.child("consumer"); consumer != nil && query == nil {
		r.wrong(consumer, "is whose database the query asks; write query too, or leave it out")
	}
	if values != nil {
		src.Each = r.eachValues(values)
	}
}

// eachQuery reads which rows of a consumer's database the partitions are.
func (r *reader) eachQuery(s section, n *node, us string, consumers []*Consumer) *EachQuery {
	q := new(EachQuery)
	text, ok := r.text(n)
	switch {
	case !ok:
	case strings.TrimSpace(text) == "":
		r.wrong(n, `is empty; write a query, such as "select id from cities"`)
	case len(text) > maxQuery:
		r.wrong(n, "is longer than %d bytes", maxQuery)
	default:
		q.SQL = text
	}
	q.Consumer, _ = refer(s, "consumer", us, consumers)
	return q
}

// eachValues reads partitions that the file lists.
func (r *reader) eachValues(values *node) []Partition {
	if values.kind != kindArray || len(values.below) == 0 {
		r.wrong(values, "is %s; write a list of at least one table, such as [ { city = \"Berlin\" } ]", values.whatOrNone())
		return nil
	}
	var all []Partition
	for _, v := range values.below {
		p := r.partition(v)
		if len(p) == 0 {
			continue
		}
		if len(all) > 0 {
			p = r.likeFirst(v, p, all[0])
		}
		for i, other := range all {
			if samePartition(p, other) {
				r.wrong(v, "is the same partition as values[%d]; leave one out", i)
			}
		}
		all = append(all, p)
	}
	return all
}

func (n *node) whatOrNone() string {
	if n.kind == kindArray {
		return "an empty list"
	}
	return n.what()
}

func (r *reader) partition(n *node) Partition {
	if n.kind != kindTable || len(n.below) == 0 {
		r.wrong(n, "is %s; write { NAME = value }", n.whatOrEmpty())
		return nil
	}
	var p Partition
	for _, c := range n.below {
		if !isName(c.key) {
			r.note(c, c.keyAt, "the name must be 1 to 63 letters, digits, dashes and underscores")
			continue
		}
		if v, ok := r.scalar(c); ok {
			p = append(p, Constant{c.key, v})
		}
	}
	return p
}

// likeFirst brings the constants of p into the order of the first partition, and reports what differs.
func (r *reader) likeFirst(n *node, p, first Partition) Partition {
	var ordered Partition
	for _, c := range first {
		v, ok := p.Value(c.Name)
		if !ok && n.child(c.Name) == nil {
			r.wrong(n, "lacks %q, which values[0] has; all partitions have the same names", c.Name)
		}
		ordered = append(ordered, Constant{c.Name, v})
	}
	for _, c := range p {
		if _, ok := first.Value(c.Name); !ok {
			r.wrong(n.child(c.Name), "values[0] has no %q; all partitions have the same names", c.Name)
		}
	}
	return ordered
}

func samePartition(a, b Partition) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Value.Text != b[i].Value.Text {
			return false
		}
	}
	return true
}

// Asked are the names of constants that a request of the source, its key or a column of its tables asks for, each once.
// Where a query gives the partitions, only its answer shows whether they are all there.
func (c *Config) Asked(s *Source) []string {
	var all []string
	note := func(p Path) {
		if name, ok := p.Each(); ok && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	for _, q := range s.requests() {
		q.templates(func(t Template, _ bool) {
			for _, p := range t.Placeholders() {
				if p.Placeholder == "each" {
					note(Path{Text: "each." + p.Field.Text, Segments: []Segment{{"each", -1}, p.Field.Segments[0]}})
				}
			}
		})
	}
	for _, p := range s.Records.Key {
		note(p)
	}
	for _, t := range c.Tables {
		for _, column := range t.Columns {
			for _, p := range column.From {
				if t.Source == s {
					note(p)
				}
			}
		}
	}
	return all
}

// requests are all that the source makes.
func (s *Source) requests() []*Request {
	all := []*Request{&s.Request}
	if h := s.Records.Hydrate; h != nil {
		all = append(all, &h.Request)
	}
	if a := s.Records.Deleted.Ask; a != nil {
		all = append(all, &a.Request)
	}
	if e := s.Epoch; e != nil && e.Request != nil {
		all = append(all, e.Request)
	}
	if y := s.Resync; y != nil && y.Request != nil {
		all = append(all, y.Request)
		if y.Before != nil {
			all = append(all, y.Before)
		}
	}
	return all
}
