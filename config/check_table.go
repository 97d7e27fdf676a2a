package config

import (
	"slices"
	"strings"
)

// checkColumns looks at the columns together, and at the partitions they must tell apart.
func (r *reader) checkColumns(n *node, t *Table) {
	for _, name := range t.Key {
		if c, _ := t.Column(name); c.Type.Name == "json" || c.Type.Name == "double" {
			r.wrong(columnNode(n, name), "is the key and of type %s, which cannot be compared exactly; choose another type", c.Type)
		}
	}
	if t.Source.broken["each"] {
		return
	}
	var told []string
	before := len(r.mistakes)
	for _, c := range t.Columns {
		for _, p := range c.From {
			r.checkField(columnNode(n, c.Name), p, t.Source)
			name, ok := r.checkEach(columnNode(n, c.Name), p, t.Source)
			if ok && len(c.From) == 1 {
				told = append(told, name)
			}
		}
	}
	if len(r.mistakes) == before {
		r.checkPartitions(n, told, t.Source)
	}
}

// columnNode is where a column stands, or all columns for one that was added.
func columnNode(columns *node, name string) *node {
	if c := columns.child(name); c != nil {
		return c
	}
	return columns
}

// checkEach checks that each.NAME names a constant of the source's partitions, and returns NAME.
func (r *reader) checkEach(n *node, p Path, s *Source) (string, bool) {
	name, ok := p.Each()
	if !ok {
		return "", false
	}
	if s.EachQuery != nil {
		return name, true
	}
	if len(s.Each) == 0 {
		r.wrong(n, `each.%s: source %q has no each; quote a field that is called so: "each".%s`, name, s.Name, name)
		return "", false
	}
	if _, ok := s.Each[0].Value(name); !ok {
		r.wrong(n, "each.%s: no value of source %q has it%s", name, s.Name, hint(name, s.Each[0].Names()))
		return "", false
	}
	return name, true
}

// checkPartitions checks that the constants in the columns tell the partitions apart: a sweep deletes only
// among the rows of its own partition.
func (r *reader) checkPartitions(n *node, told []string, s *Source) {
	if len(s.Each) == 0 && s.EachQuery == nil {
		return
	}
	example := "name"
	if len(s.Each) > 0 {
		example = s.Each[0].Names()[0]
	}
	if len(told) == 0 {
		r.wrong(n, "no column tells the partitions of source %q apart; add one such as %s = { from = \"each.%s\", type = \"text\" }", s.Name, example, example)
		return
	}
	seen := map[string]bool{}
	for _, p := range s.Each {
		var b strings.Builder
		for _, name := range told {
			v, _ := p.Value(name)
			b.WriteString(v.Text)
			b.WriteByte(0)
		}
		if seen[b.String()] {
			r.wrong(n, "the columns from each.%s are the same for two partitions; add another from each", strings.Join(told, ", each."))
			return
		}
		seen[b.String()] = true
	}
}

// checkVersion refuses a version by which newer and older cannot be told.
func (r *reader) checkVersion(n *node, c Column, ofWatermark bool) {
	switch {
	case slices.Contains([]string{"boolean", "json", "bytes", "uuid"}, c.Type.Name):
		r.wrong(columnNode(n, c.Name), "is the version and of type %s, which has no order; choose a time or a number", c.Type)
	case c.Type.Name == "text" && !ofWatermark:
		r.wrong(columnNode(n, c.Name), "is the version and text, whose order is not the owner's; choose a time or a number, or name the watermark's field as version")
	}
}

// checkWhere refuses a condition over records of which only a part is sent: it would read as null what a change leaves
// out, and take the row away.
func (r *reader) checkWhere(s section, t *Table) {
	if n := s.child("where"); n != nil && t.Source.Records.Partial {
		r.wrong(n, "is judged by the fields of a record, and source %q sends parts of them: a change that leaves such a field out would delete the row; leave where out, and read the table through a view", t.Source.Name)
	}
}

// checkNames checks a table's names against its consumer's database.
func (r *reader) checkNames(s section, t *Table) {
	n := s.child("name")
	if n == nil {
		n = s.n
	}
	schema, name := t.Ident()
	switch {
	case strings.Count(t.Name, ".") > 1 || t.Name != name && schema == "":
		r.wrong(n, "is no table; write NAME or SCHEMA.NAME")
		return
	case schema != "" && t.Consumer.Database.IsSQLite():
		r.wrong(n, "SQLite has no schemas; write a name without a dot")
	case schema != "":
		r.identifier(n, schema)
	}
	r.identifier(n, name)
	if !t.Consumer.Database.IsSQLite() {
		return
	}
	seen := map[string]string{}
	for _, c := range t.Columns {
		if other, ok := seen[strings.ToLower(c.Name)]; ok {
			r.wrong(s.n, "columns %q and %q are one to SQLite, which knows no case; rename one", other, c.Name)
		}
		seen[strings.ToLower(c.Name)] = c.Name
	}
}

// identity is what makes two databases the same one.
func (d Database) identity() string { return d.File + "\x00" + d.Postgres.Reveal() }

// checkDatabases refuses two consumers whose bookkeeping would be one.
func (r *reader) checkDatabases(c *Config) {
	seen := map[string]*Consumer{}
	for _, one := range c.Consumers {
		if one.Database.identity() == "\x00" {
			continue
		}
		id := one.Database.identity() + "\x00" + one.Bookkeeping
		if other := seen[id]; other != nil {
			r.wrong(c.find(one.KeyPath), "has the same database and bookkeeping as consumer %q; make them one, or give it another bookkeeping", other.Name)
		}
		seen[id] = one
	}
}

// checkTableNames refuses two tables of one name in one database.
func (r *reader) checkTableNames(c *Config) {
	seen := map[string]*Table{}
	for _, t := range c.Tables {
		name := t.Name
		if t.Consumer.Database.IsSQLite() {
			name = strings.ToLower(name)
		}
		id := t.Consumer.Database.identity() + "\x00" + name
		if seen[id] != nil {
			n := c.find(t.KeyPath + ".name")
			r.wrong(n, "consumer %q has a table %q already; give this one another name", t.Consumer.Name, seen[id].Name)
		}
		seen[id] = t
	}
}
