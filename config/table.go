package config

import (
	"slices"
	"strings"
	"time"
)

// Table is a consumer's local copy of one source.
type Table struct {
	KeyPath   string // of the [[table]]
	Name      string // as written, perhaps with a schema: see Ident
	Source    *Source
	Consumer  *Consumer
	Columns   []Column // those that were left out and added stand last
	Key       []string // names of columns, in the order of the source's key
	Version   string   // name of a column; empty: records have no version
	Budget    Budget
	MaxDelete MaxDelete
	Confirm   int // complete walks a row must be absent from before a sweep deletes it
	Misfit    Misfit
	Text      TextPolicy
	Where     string // a condition over the records, as it is written; empty: all are taken
	OnDelete  OnDelete
	Drift     Drift
	Newest    time.Duration // how old the newest record may be; 0: that is not looked at
	Notify    string        // a channel of Postgres; empty: none
}

// Ident splits the name into its schema, empty for none, and the table's own name.
func (t *Table) Ident() (schema, name string) {
	if schema, name, ok := strings.Cut(t.Name, "."); ok {
		return schema, name
	}
	return "", t.Name
}

// Column returns the column of that name.
func (t *Table) Column(name string) (Column, bool) {
	for _, c := range t.Columns {
		if c.Name == name {
			return c, true
		}
	}
	return Column{}, false
}

// MaxDelete is the guard of sweeps: they are held when more than Floor rows and more than Share of all would go,
// or more than Rows.
type MaxDelete struct {
	Share float64 // from 0 to 1
	Floor int
	Rows  int  // NoRows: not given
	All   bool // an empty answer may empty the table
}

// NoRows stands for a guard that does not count rows.
const NoRows = -1

// TextPolicy is what becomes of text that no database takes: U+0000, bytes that are not UTF-8, half surrogates.
type TextPolicy string

// The policies: the record does not fit, what is broken is left out, U+FFFD takes its place.
const (
	TextReject  TextPolicy = "reject"
	TextStrip   TextPolicy = "strip"
	TextReplace TextPolicy = "replace"
)

// Misfit is what happens to a record that does not fit its table.
type Misfit string

// The policies for records that do not fit.
const (
	MisfitQuarantine Misfit = "quarantine"
	MisfitFail       Misfit = "fail"
)

// OnDelete is what becomes of a row that the owner has deleted.
type OnDelete string

// The ways to follow a deletion, or not.
const (
	OnDeleteDelete OnDelete = "delete"
	OnDeleteMark   OnDelete = "mark" // stamps MarkColumn
	OnDeleteKeep   OnDelete = "keep"
)

// maxWhere bounds the text of a condition.
const maxWhere = 4096

// table reads a [[table]], once for each of its consumers.
func (r *reader) table(n *node, c *Config) []*Table {
	s, ok := r.section(n)
	if !ok {
		return nil
	}
	t := defaultTable()
	t.KeyPath = n.keyPath()
	r.budget(s, &t.Budget)
	if guard := s.child("max_delete"); guard != nil {
		r.maxDelete(guard, &t.MaxDelete)
	}
	choose(s, "misfit", &t.Misfit)
	choose(s, "text", &t.Text)
	s.integer("confirm", &t.Confirm)
	choose(s, "on_delete", &t.OnDelete)
	s.duration("newest", &t.Newest)
	s.text("notify", &t.Notify)
	r.where(s, &t)
	source := s.need("source", `source = "NAME"`)
	if source == nil {
		return nil
	}
	if t.Source, ok = lookup(r, source, "source", c.Sources); !ok {
		return nil
	}
	if t.Confirm == 0 {
		t.Confirm = defaultConfirm(t.Source.Paging.By)
	}
	t.Name = t.Source.Name
	s.text("name", &t.Name)
	r.checkWhere(s, &t)
	r.drift(s, &t)
	r.columns(s, &t)
	r.checkDeletesBudget(s, &t)
	r.checkFloor(s, &t)
	r.checkMark(s, &t)
	r.checkNewest(s, &t)
	var all []*Table
	for _, consumer := range r.consumers(s, &t, c.Consumers) {
		one := t
		one.Consumer = consumer
		r.checkNames(s, &one)
		r.checkNotify(s, &one)
		all = append(all, &one)
	}
	return all
}

// consumers are one or several.
func (r *reader) consumers(s section, t *Table, all []*Consumer) []*Consumer {
	n := s.child("consumer")
	if n == nil || n.kind != kindArray {
		one, ok := refer(s, "consumer", t.Source.Name, all)
		if !ok {
			return nil
		}
		return []*Consumer{one}
	}
	if len(n.below) == 0 {
		r.wrong(n, "the list is empty; name at least one consumer")
	}
	var several []*Consumer
	for _, c := range n.below {
		one, ok := lookup(r, c, "consumer", all)
		if !ok {
			continue
		}
		if slices.Contains(several, one) {
			r.wrong(c, "names %q twice; leave one out", one.Name)
			continue
		}
		several = append(several, one)
	}
	return several
}

func (r *reader) maxDelete(n *node, into *MaxDelete) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	s.share("share", &into.Share)
	s.integer("floor", &into.Floor)
	s.integer("rows", &into.Rows)
	s.flag("all", &into.All)
}

// where reads a condition. What it says is for others to compile; they report by Mistake at this key.
func (r *reader) where(s section, t *Table) {
	n := s.child("where")
	if n == nil {
		return
	}
	text, ok := r.text(n)
	switch {
	case !ok:
	case strings.TrimSpace(text) == "":
		r.wrong(n, `is empty; write a condition such as 'state == "open"', or leave it out`)
	case len(text) > maxWhere:
		r.wrong(n, "is longer than %d bytes", maxWhere)
	default:
		t.Where = text
	}
}
