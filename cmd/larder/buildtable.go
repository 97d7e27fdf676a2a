package main

import (
	"fmt"
	"slices"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// builtTable is a table of the configuration on its way to a row.Spec.
type builtTable struct {
	table *config.Table
	spec  row.Spec
	// reads are the paths that it reads of records.
	reads []string
}

// tablesOf are the tables of a source.
func tablesOf(c *config.Config, s *config.Source) []*builtTable {
	var out []*builtTable
	for _, t := range c.Tables {
		if t.Source == s {
			out = append(out, &builtTable{table: t})
		}
	}
	return out
}

// fill makes the table's spec, reading its columns from the path set.
func (b *builtTable) fill(s *config.Source, p plan, set *pathSet) error {
	t := b.table
	b.spec = row.Spec{
		Name: t.Consumer.Name + "." + t.Name, Target: t.Name, Source: s.Name, Version: -1,
		Partitions:  partitionsOf(s),
		Changing:    s.EachQuery != nil,
		Keep:        t.OnDelete == config.OnDeleteKeep,
		Notify:      t.Notify,
		Partial:     s.Records.Partial,
		Budget:      budgetOf(t, p),
		Guard:       guardOf(t.MaxDelete),
		Confirm:     t.Confirm,
		Drift:       driftOf(t.Drift),
		MisfitFails: t.Misfit == config.MisfitFail,
		Broken:      brokenOf(t.Text),
		Remember:    s.Lag,
	}
	if t.OnDelete == config.OnDeleteMark {
		b.spec.Mark = config.MarkColumn
	}
	if s.Watermark != nil {
		b.spec.Remember += s.Watermark.Overlap
	}
	var digests []string
	for i, c := range t.Columns {
		col, err := columnOf(c, set, readsCSV(s))
		if err == nil && c.Expr != "" {
			col.Computed, err = computedOf(c, col, set)
		}
		if err != nil {
			return fmt.Errorf("column %q of %s: %w", c.Name, b.spec.Name, err)
		}
		if c.Name == t.Version {
			b.spec.Version = i
			if b.spec.VersionFormat, err = versionFormatOf(c, s); err != nil {
				return err
			}
		}
		b.spec.Columns = append(b.spec.Columns, col)
		digests = append(digests, columnDigest(c))
	}
	for _, name := range t.Key {
		i := slices.IndexFunc(t.Columns, func(c config.Column) bool { return c.Name == name })
		b.spec.Key = append(b.spec.Key, i)
		b.spec.Columns[i].NotNull = true
	}
	b.spec.Shape = syncer.Shape(sourceDigest(s), digests, choices(t)...)
	var err error
	b.spec.Where, err = conditionOf(t, set)
	return err
}

// budgetOf maps the budget of a table, whose grace counts from the ticks of its
// source.
func budgetOf(t *config.Table, p plan) syncer.Budget {
	b := syncer.Budget{Warn: t.Budget.Warn, Critical: t.Budget.Critical, Deletes: p.deletesBudget(t), Newest: t.Newest}
	if g := t.Budget.Grace; g.Critical > 0 {
		b.Grace = syncer.Grace{Warn: g.Warn, Critical: g.Critical, Due: p.Schedule, Lag: t.Source.Lag}
	}
	return b
}

// newestOf is what tells how new a record is, by the first of the tables that
// want to know.
func newestOf(tables []*builtTable) (out sources.Newest, err error) {
	for _, t := range tables {
		if t.table.Newest > 0 {
			fields, as := t.table.Dated()
			out.From = texts(fields)
			out.Format, err = formatOf(as)
			return out, err
		}
	}
	return out, nil
}

// floored reports whether every table can tell its rows that lie before the
// first watermark from the others.
func floored(floor []byte, tables []*builtTable) bool {
	for _, t := range tables {
		if _, ok := t.spec.Floor(floor); !ok || !t.table.TellsFloor() {
			return false
		}
	}
	return len(tables) > 0
}

// versionFormatOf is how a version that is text is read: as the watermark, of
// which it then is the field; nil where its type has an order of its own. Of a
// column without a type that shows in the table.
func versionFormatOf(c config.Column, s *config.Source) (*row.Format, error) {
	text, w := c.Type.Name == row.Text.String(), s.Watermark
	if c.Type.IsZero() && w != nil {
		text = slices.EqualFunc(c.From, w.Fields, config.Path.Equal)
	}
	if !text || w == nil {
		return nil, nil
	}
	return formatOf(w.Format)
}

// optionalPaths are the paths that a record may lack as a whole: those of
// columns with a default, unless a column without one reads them, too; all
// where a record may carry only what changed.
func optionalPaths(s *config.Source, tables []*builtTable, all []string) []string {
	if s.Records.Partial {
		return all
	}
	var with, without []string
	for _, t := range tables {
		for _, c := range t.table.Columns {
			if c.Default != nil {
				with = append(with, texts(c.From)...)
			} else {
				without = append(without, texts(c.From)...)
			}
		}
	}
	return slices.DeleteFunc(with, func(path string) bool { return slices.Contains(without, path) })
}

// eitherOf has, for a slot of which nothing but a list of fields in a column
// makes use, the slots of the others in its lists.
func eitherOf(s *config.Source, tables []*builtTable, set pathSet) map[int][]int {
	alone := slices.Concat(texts(s.Records.Key), texts(s.Records.Version), []string{s.Records.Deleted.Field.Text})
	var lists [][]string
	for _, t := range tables {
		for _, c := range t.table.Columns {
			if from := texts(c.From); len(from) > 1 {
				lists = append(lists, from)
			} else {
				alone = append(alone, from...)
			}
		}
	}
	either := make(map[int][]int)
	for _, from := range lists {
		for _, path := range from {
			if slices.Contains(alone, path) {
				continue
			}
			for _, other := range from {
				either[set.index[path]] = append(either[set.index[path]], set.index[other])
			}
		}
	}
	return either
}

// brokenOf maps what becomes of broken text.
func brokenOf(t config.TextPolicy) row.Broken {
	if t == config.TextReject {
		return row.BrokenReject
	}
	return row.Broken(t)
}

// readsCSV reports whether records of a source may come as CSV, all of whose
// fields are texts.
func readsCSV(s *config.Source) bool {
	listed := s.Resync != nil && s.Resync.Records != nil && s.Resync.Records.Format == config.CSV
	return s.Records.Format == config.CSV || listed
}

// columnOf maps a column. Of CSV, JSON stands in texts, and an empty text is no
// value of any other type.
func columnOf(c config.Column, set *pathSet, csv bool) (row.Column, error) {
	var typ row.Type
	if !c.Type.IsZero() {
		var err error
		if typ, err = row.ParseType(c.Type.String()); err != nil {
			return row.Column{}, err
		}
	}
	as, err := formatOf(c.As)
	if err != nil {
		return row.Column{}, err
	}
	csv = csv && c.Expr == ""
	out := row.Column{Name: c.Name, Type: typ, Discover: c.Type.IsZero(), NotNull: c.NotNull, Slots: set.slots(c.From), As: as,
		Inner: c.Inner || csv && typ.Kind == row.JSON, Blank: csv}
	if c.Default != nil {
		out.Default = jsonOf(*c.Default)
	}
	for _, p := range c.From {
		if name, ok := p.Each(); ok {
			out.Each = name
		}
	}
	return out, nil
}

// guardOf maps the guard. A bound of no rows holds every sweep.
func guardOf(m config.MaxDelete) syncer.Guard {
	if m.Rows == 0 {
		return syncer.Guard{All: m.All}
	}
	return syncer.Guard{Share: m.Share, Floor: m.Floor, Rows: max(m.Rows, 0), All: m.All}
}
