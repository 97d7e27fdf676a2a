package config

import (
	"slices"
	"strings"
)

// checkRecords looks at the keys of records together.
func (r *reader) checkRecords(s section, src *Source) {
	n := s.child("records")
	if n == nil || n.kind != kindTable {
		return
	}
	at := section{r, n}
	r.checkAs(at, src)
	r.checkCSV(at, src)
	r.checkDeletedList(at, src)
	if absent := n.child("absent"); absent != nil && src.Records.AbsentEmpty && n.child("require") == nil {
		r.wrong(absent, `takes an answer without the list for an empty one, which an error page is too; write require = { at = "PATH", equals = VALUE }, which tells them apart`)
	}
	if src.Records.Hydrate != nil {
		r.checkHydrate(at, src)
	}
	switch partial := n.child("partial"); {
	case partial == nil || !src.Records.Partial:
	case src.Mode == Snapshot:
		r.wrong(partial, "has no use in a snapshot, which lists whole records; leave it out")
	case src.Records.Hydrate != nil:
		r.wrong(partial, "has no use with hydrate, which fetches whole records; leave it out")
	}
}

// checkField checks that a record can have a field.
func (r *reader) checkField(n *node, p Path, s *Source) {
	if n == nil || p.IsZero() {
		return
	}
	r.checkEvent(n, p, s)
	records := &s.Records
	r.checkCSVField(n, p, s)
	if _, constant := p.Each(); constant || p.Event || records.As != AsValue || records.Hydrate != nil || s.broken["records"] {
		return
	}
	if !slices.ContainsFunc(records.Key, p.Equal) {
		r.wrong(n, `%s is a field, and with as = "value" a record has none but its key; leave it out, or write hydrate`, p)
	}
}

// checkCSVField checks that a field of CSV is a column.
func (r *reader) checkCSVField(n *node, p Path, s *Source) {
	if _, constant := p.Each(); s.Records.Format != CSV || s.Records.Hydrate != nil || constant || len(p.Segments) == 1 || s.broken["records"] {
		return
	}
	r.wrong(n, `%s leads into a field, and those of csv are texts; quote a column's name that has a dot: '"NAME.WITH.DOT"'`, p)
}

// checkCSV checks what is said of CSV, and of nothing else.
func (r *reader) checkCSV(s section, src *Source) {
	separator, csv := s.child("separator"), src.Records.Format == CSV
	switch text := src.Records.Separator; {
	case separator == nil || separator.kind != kindText || separator.text == ",":
	case !csv:
		r.wrong(separator, `is of csv, and the format is %q; write format = "csv", or leave it out`, src.Records.Format)
	case len(text) != 1 || text[0] >= 0x80 || strings.ContainsAny(text, notSeparators):
		r.wrong(separator, `is no separator; write one character such as ";" or "\t", no letter, digit, quote or line end`)
	}
	if unwrap := s.child("unwrap"); unwrap != nil && csv {
		r.wrong(unwrap, "has no use with csv, which has no envelopes; leave it out")
	}
}

// notSeparators stand in fields, end lines, or are what other formats of numbers and names are made of.
const notSeparators = "\"\r\n\x00 .-+_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// checkEvent checks that a path event:PATH has an envelope to start from.
func (r *reader) checkEvent(n *node, p Path, s *Source) {
	as := s.Records.As
	switch {
	case !p.Event || !s.Records.Unwrap.IsZero() || s.broken["records"]:
	case s.Records.Format == CSV:
		r.wrong(n, `%s: records of csv come without an envelope; leave event: out`, p)
	case as != AsMap:
		r.wrong(n, `%s: source %q has no envelopes; write records.unwrap = "PATH OF THE RECORD IN IT", or leave event: out`, p, s.Name)
	case p.Text != "event:key":
		r.wrong(n, `%s: of the members of a map only event:key is known; write that, or records.unwrap too`, p)
	}
}

// checkAs checks what holds the records against what they have to hold.
func (r *reader) checkAs(s section, src *Source) {
	records := &src.Records
	if unwrap := s.child("unwrap"); unwrap != nil && (records.As == AsValue || records.As == AsColumns) {
		r.wrong(unwrap, "has no use with as = %q, which has no envelopes; leave it out", records.As)
	}
	if records.As != AsValue {
		return
	}
	if fields := records.keyFields(); len(fields) != 1 && s.has("key") && len(records.Key) > 0 {
		r.wrong(s.child("key"), `as = "value" gives one value a record, which is its key; name one field, not %d`, len(fields))
	}
}

// checkDeletedList checks lists of what is gone, which know a record by one value.
func (r *reader) checkDeletedList(s section, src *Source) {
	n, d := s.child("deleted"), src.Records.Deleted
	if n == nil || d.List == nil && d.Ask == nil || src.Mode == Snapshot {
		return
	}
	if fields := src.Records.keyFields(); len(src.Records.Key) > 0 && len(fields) != 1 {
		r.wrong(n, "knows a record by one value, and the key has %d fields", len(fields))
	}
	switch {
	case d.List != nil && src.Records.Format.bare():
		r.wrong(n, "%s has nothing beside its records; name a field, or a request of its own", src.Records.Format)
	case d.Ask != nil:
		r.checkDeletedAsk(section{r, n}, d.Ask, src)
	}
}

func (r *reader) checkDeletedAsk(s section, a *DeletedAsk, src *Source) {
	w := src.Watermark
	if w == nil || src.broken["watermark"] {
		return
	}
	if src.Mode != Incremental {
		r.wrong(s.n, "is asked from the time of the watermark, and this one is %s; name a field of the records or a list in the answer", w.said())
		return
	}
	r.checkAlone(s, &a.Request, src, "since", "until", "now", "each")
	if a.Request.Needs("since") && w.Initial == "" {
		r.wrongAt(s, "{since}", "{since} cannot be left out here; say where the first poll starts with watermark.initial")
	}
	if !w.Format.IsTime() && a.Request.Uses("until") {
		r.wrongAt(s, "{until}", "{until} is a time, and the watermark's format is %q; leave it out", w.Format)
	}
}

// checkHydrate checks that whole records can be asked for by what the feed has of them.
func (r *reader) checkHydrate(s section, src *Source) {
	h, n := src.Records.Hydrate, s.child("hydrate")
	if n.kind != kindTable || n.child("request") == nil {
		return
	}
	at := section{r, n}
	r.checkAlone(at, &h.Request, src, "each", "keys", "record")
	fields := src.Records.keyFields()
	if len(src.Records.Key) > 0 && len(fields) != 1 {
		r.wrong(n, "asks for a record by one value, and the key has %d fields", len(fields))
	}
	keys, record := h.Request.Uses("keys"), h.Request.Uses("record")
	switch {
	case !keys && !record:
		r.wrong(n.child("request"), "never says which records are asked for; add {keys}, or {record.FIELD} for one at a time")
	case keys && len(fields) == 1 && fields[0].Event:
		r.wrongAt(at, "{keys}", "{keys} are told apart in the answer by the key, and %s stands in an envelope, which fetched records have not; name a field of theirs as key, or ask for one at a time with {record.FIELD}", fields[0])
	case keys && record:
		r.wrongAt(at, "{record.FIELD}", "{record.FIELD} is of one record, and {keys} of several; leave one out")
	}
	if keys {
		return
	}
	for _, key := range []string{"batch", "join", "missing"} {
		if one := n.child(key); one != nil {
			r.wrong(one, "is of several records that are asked for at once with {keys}, which the request never says; leave it out")
		}
	}
}
