package config

import "strings"

// MarkColumn stamps the rows that the owner deleted, where on_delete says "mark".
const MarkColumn = "deleted_at"

// checkMark refuses a mapped column where the marks belong. SQLite knows no case.
func (r *reader) checkMark(s section, t *Table) {
	if t.OnDelete != OnDeleteMark {
		return
	}
	columns := s.child("columns")
	if columns == nil {
		columns = t.Source.columns
	}
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, MarkColumn) {
			r.wrong(columnNode(columns, c.Name), `is the column that on_delete = "mark" writes; give the owner's field another name, such as owner_%s = { from = %q, … }`, MarkColumn, c.From[0].Text)
		}
	}
}

// Dated are the fields that tell how new a record is, and how they are written: those of a watermark that is a time, or
// else of a version that is one. None: nothing tells.
func (t *Table) Dated() ([]Path, Format) {
	if w := t.Source.Watermark; w != nil && len(w.Fields) > 0 && w.Opaque == "" && w.Format.IsTime() {
		return w.Fields, w.Format
	}
	c, ok := t.Column(t.Version)
	switch {
	case !ok || c.Type.Name != "timestamptz" && c.Type.Name != "date":
		return nil, Format{}
	case !c.As.IsZero():
		return c.From, c.As
	case c.Type.Name == "date":
		return c.From, Format{Name: FormatDate}
	}
	return c.From, Format{Name: FormatRFC3339}
}

// checkNewest refuses an age of the newest record where no time tells it.
func (r *reader) checkNewest(s section, t *Table) {
	n := s.child("newest")
	if n == nil || t.Newest == 0 || t.Source.broken["watermark"] || t.Source.broken["records"] {
		return
	}
	if fields, _ := t.Dated(); len(fields) == 0 {
		r.wrong(n, "is the age of the newest record, and no field of source %q tells it: neither the watermark nor the version is a time of a record; name one as records.version, with a column of type timestamptz or date, or leave newest out", t.Source.Name)
	}
}

// checkNotify refuses channels that are none.
func (r *reader) checkNotify(s section, t *Table) {
	n := s.child("notify")
	switch {
	case n == nil:
	case t.Consumer.Database.IsSQLite():
		r.wrong(n, "is a channel of Postgres, and consumer %q is an SQLite file, which tells nobody; leave it out", t.Consumer.Name)
	default:
		r.identifier(n, t.Notify)
	}
}
