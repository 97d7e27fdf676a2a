package config

import (
	"cmp"
	"strings"
)

// checkSource looks at the parts of a source together.
func (r *reader) checkSource(s section, src *Source) {
	r.checkMode(s, src)
	r.checkDeleted(s, src)
	r.checkPaging(s, src)
	r.checkPlaceholders(s, src)
	r.checkOnePage(s, src)
	before := len(r.mistakes)
	r.checkFields(s, src)
	r.checkRecords(s, src)
	src.broken["records"] = src.broken["records"] || len(r.mistakes) > before
}

// at returns the child that a mistake is about, or the source itself.
func (s section) at(key string) *node {
	if n := s.child(key); n != nil {
		return n
	}
	return s.n
}

func (r *reader) checkDeleted(s section, src *Source) {
	records := s.child("records")
	if records == nil || records.kind != kindTable {
		return
	}
	deleted := records.child("deleted")
	switch {
	case src.Mode == Incremental && deleted == nil && src.Audit != nil:
		if !src.Audit.seesAllDeletions() && !src.broken["audit"] {
			r.wrong(s.child("audit"), `is all that could see a deletion, because records.deleted is left out; write compare = "all" or "keys", with repair`)
		}
	case src.Mode == Incremental && deleted == nil:
		r.wrong(records, `deleted is missing; name the field that tells a record is gone, such as deleted = "deleted_at", write "never" if the owner never deletes, or compare with its whole list now and then: audit = "@daily"`)
	case src.Mode != Snapshot && deleted == nil:
		r.wrong(records, `deleted is missing; name the field that tells a record is gone, such as deleted = "deleted_at", or write "never" if the owner never deletes`)
	case src.Mode == Snapshot && (src.Records.Deleted.Never || src.Records.Deleted.List != nil || src.Records.Deleted.Ask != nil):
		r.wrong(deleted, `has no use in a snapshot, where a record is gone when it is absent; leave it out`)
	}
}

// pagingPlaceholders are the placeholders that move from page to page, and the styles that fill them.
var pagingPlaceholders = []struct {
	name, shown string
	style       PagingStyle
}{
	{"cursor", "{cursor}", PagingCursor},
	{"page", "{page}", PagingPage},
	{"offset", "{offset}", PagingOffset},
	{"last", "{last.FIELD}", PagingKeyset},
}

// answered are the placeholders that an answer gives a value: there is none on the first page.
var answered = []struct{ name, shown string }{
	{"cursor", "{cursor}"}, {"last", "{last.FIELD}"}, {"first", "{first.FIELD}"},
}

func (r *reader) checkPaging(s section, src *Source) {
	if src.broken["paging"] {
		return
	}
	p := src.Paging
	r.checkConnection(s, &src.Request, p)
	r.checkLater(s, &src.Request, p.By)
	for _, x := range pagingPlaceholders {
		switch used := src.Request.Uses(x.name); {
		case p.By == x.style && !used && !src.broken["request"]:
			r.wrong(s.at("request"), "paging by %q moves on by %s, which the request never says", p.By, x.shown)
		case p.By != x.style && used:
			r.wrongAt(s, x.shown, "%s belongs to paging by %q, and this is by %q", x.shown, x.style, p.By)
		}
	}
	paging := s.child("paging")
	if p.By == PagingSince {
		r.checkPagingSince(s, src)
	}
	next := p.By == PagingCursor || p.By == PagingNextURL
	switch {
	case next && p.Next.IsZero() && paging.child("next") == nil && s.child("request").child("connection") == nil:
		r.wrong(s.at("paging"), "next is missing: where in an answer the next page is told, such as next = \"meta.next\"")
	case paging == nil: // what a resync takes from its source is checked there
		return
	case !next && !p.Next.IsZero():
		r.wrong(paging.child("next"), "belongs to paging by \"cursor\" and \"next_url\", and this is by %q", p.By)
	}
	r.checkPagingKeys(section{r, paging}, src)
}

// checkPagingSince checks that a page says what the next one is asked from.
func (r *reader) checkPagingSince(s section, src *Source) {
	by, w := s.child("paging"), src.Watermark
	if n := by.child("by"); n != nil {
		by = n
	}
	switch {
	case by == nil || w == nil || src.broken["watermark"]:
		if src.Mode == Snapshot && by != nil {
			r.wrong(by, `"since" goes on at the watermark, and a snapshot has none; say by what the next page is asked`)
		}
	case w.Opaque == URL:
		r.wrong(by, `"since" moves {since}, and a URL is asked as it is; say by what the next page is asked`)
	case w.Start || !w.Place.IsZero() && w.Opaque == "":
		r.wrong(by, `"since" goes on at a record or a token, and watermark.from names neither; say by what the next page is asked`)
	case w.Order == OrderDescending:
		r.wrong(by, `"since" goes on at the newest record, and order = "descending" leaves the older ones to later pages; say by what the next page is asked`)
	case w.Opaque == "" && w.Format.IsTime() && s.child("paging").child("size") == nil && src.Paging.More.IsZero():
		// Without it, a page full of one stamp cannot be told from the last one.
		r.wrong(by, `"since" loses records where more share a time than a page holds, and sees it only where size is said; add size = N, the most records that the owner hands out at once`)
	}
}

// checkPagingKeys refuses keys of paging that would do nothing.
func (r *reader) checkPagingKeys(s section, src *Source) {
	p := src.Paging
	only := func(key string, style PagingStyle) {
		if n := s.child(key); n != nil && p.By != style {
			r.wrong(n, "belongs to paging by %q, and this is by %q", style, p.By)
		}
	}
	only("first", PagingPage)
	only("pages", PagingPage)
	sent := src.Request.Uses("size") || src.broken["request"]
	switch size := s.child("size"); {
	case size != nil && !sent && !p.ShortPage && p.By != PagingSince:
		r.wrong(size, "the request never says {size}; add it as the parameter that the owner reads, or leave size out")
	case p.ShortPage && size == nil:
		r.wrong(s.child("short_page"), "a page is short against size; write size = N too")
	}
	if p.By != PagingNone {
		return
	}
	for _, key := range []string{"more", "short_page", "max_pages"} {
		if n := s.child(key); n != nil {
			r.wrong(n, `has no use, because this paging is by "none"; say by what the next page is asked`)
		}
	}
}

func (r *reader) checkPlaceholders(s section, src *Source) {
	for _, x := range answered {
		if src.Request.Needs(x.name) {
			r.wrongAt(s, x.shown, "the first page has no %s yet; let it be the whole value of a parameter, so that it can be left out, or say it in request.later", x.shown)
		}
	}
	if src.Request.Uses("first") && src.Paging.By == PagingNone && !src.broken["paging"] {
		r.wrongAt(s, "{first.FIELD}", "{first.FIELD} has a value from the second page on, and this paging is by \"none\"; say by what the next page is asked")
	}
	if src.Request.Uses("size") && src.Paging.Size == 0 && !src.broken["paging"] {
		r.wrongAt(s, "{size}", "{size} needs paging.size; write how many records a page has")
	}
	for _, x := range []struct{ name, shown string }{{"keys", "{keys}"}, {"record", "{record.FIELD}"}} {
		if src.Request.Uses(x.name) {
			r.wrongAt(s, x.shown, "%s is of records that are fetched by key; it belongs to records.hydrate.request", x.shown)
		}
	}
	r.checkEachIn(s, &src.Request, src)
	src.Request.templates(func(t Template, _ bool) {
		for _, p := range t.Placeholders() {
			if p.Placeholder == "last" || p.Placeholder == "first" {
				r.checkField(holding(s.child("request"), p.String()), p.Field, src)
			}
		}
	})
}

// checkEachIn checks the constants of the partition that a request names.
func (r *reader) checkEachIn(s section, q *Request, src *Source) {
	q.templates(func(t Template, _ bool) {
		for _, p := range t.Placeholders() {
			if p.Placeholder == "each" && !p.Field.IsZero() && !src.broken["each"] {
				r.checkEach(holding(s.child("request"), p.String()), Path{Text: "each." + p.Field.Text, Segments: []Segment{{"each", -1}, p.Field.Segments[0]}}, src)
			}
		}
	})
}

// checkConditional checks that a 304 would speak of all that a poll asks.
func (r *reader) checkConditional(src *Source) {
	switch n := src.Request.conditional; {
	case n == nil || !src.Request.Conditional:
	case src.Paging.By != PagingNone:
		r.wrong(n, "needs an answer of one page, and this paging is by %q: its first page may be unchanged while later ones are not", src.Paging.By)
	case src.Request.Method != "GET":
		r.wrong(n, "needs a GET; the answer to a %s has no validators", src.Request.Method)
	case src.Records.Deleted.Ask != nil:
		r.wrong(n, "needs an answer that tells everything, and this one tells nothing of what records.deleted asks for; leave it out")
	case src.Watermark != nil && src.Watermark.Window > 0:
		r.wrong(n, "needs one answer, and watermark.window makes several; leave it out")
	case src.Records.Hydrate != nil:
		r.wrong(n, "needs an answer with the records, and this one has their keys: a record may change while the list of keys does not; leave it out")
	}
}

// checkOnePage checks what only works where an answer is one page.
func (r *reader) checkOnePage(s section, src *Source) {
	r.checkConditional(src)
	format := src.Records.Format
	if !format.bare() {
		return
	}
	records := s.child("records")
	if src.Paging.By != PagingNone {
		r.wrong(cmp.Or(records.child("format"), s.n), "%s is one streamed answer, and this paging is by %q", format, src.Paging.By)
	}
	inBody := func(n *node, p Place) {
		if n != nil && !p.Body.IsZero() {
			r.wrong(n, "%s has nothing beside its records; name a header, or leave it out", format)
		}
	}
	if at := records.child("at"); at != nil {
		r.wrong(at, "has no use with %s, where every line is a record; leave it out", format)
	}
	inBody(records.child("error"), src.Records.Error)
	inBody(records.child("require"), src.Records.Require.At)
	inBody(s.child("paging").child("total"), src.Paging.Total)
	if src.Watermark != nil {
		inBody(s.child("watermark").child("from"), src.Watermark.Place)
	}
}

// checkFields checks which fields may be constants of the partition: those of the key.
func (r *reader) checkFields(s section, src *Source) {
	records := s.child("records")
	if !src.broken["each"] {
		for _, p := range src.Records.Key {
			r.checkEach(records.child("key"), p, src)
		}
	}
	for _, p := range src.Records.Key {
		r.checkField(records.child("key"), p, src)
	}
	constant := func(n *node, p Path) {
		if _, ok := p.Each(); ok && n != nil {
			r.wrong(n, "each.NAME is a constant and never changes; name a field of the record")
		}
		r.checkField(n, p, src)
	}
	for _, p := range src.Records.Version {
		constant(records.child("version"), p)
	}
	constant(records.child("deleted"), src.Records.Deleted.Field)
	if src.Watermark != nil {
		for _, p := range append([]Path{src.Watermark.Last, src.Watermark.First}, src.Watermark.Fields...) {
			constant(s.child("watermark").child("from"), p)
		}
	}
}

// wrongAt reports a mistake at the text of the request that holds a placeholder. A placeholder that is only
// taken for this one, after a slip of the finger, is told already.
func (r *reader) wrongAt(s section, placeholder, format string, args ...any) {
	if n := holding(s.child("request"), strings.TrimSuffix(placeholder, "FIELD}")); n != nil {
		r.wrong(n, format, args...)
	}
}

// holding finds the first text below n that holds a placeholder.
func holding(n *node, placeholder string) *node {
	if n == nil || n.kind == kindText && strings.Contains(n.text, placeholder) {
		return n
	}
	for _, c := range n.below {
		if found := holding(c, placeholder); found != nil {
			return found
		}
	}
	return nil
}
