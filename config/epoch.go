package config

import "cmp"

// Epoch is what tells that the owner's history started again, so that a watermark from before means nothing.
type Epoch struct {
	Request    *Request // whose answer has At; nil: every page has it
	At         Place    // zero with Contiguous alone
	Falling    bool     // only a value that is less than the last one tells
	Contiguous bool     // and a gap in the integers of the watermark does
}

// epoch reads a place, or { request, at, falling, contiguous }.
func (r *reader) epoch(n *node) *Epoch {
	e := new(Epoch)
	s, ok := r.section(n)
	if !ok {
		return e
	}
	if request := s.child("request"); request != nil {
		e.Request = new(Request)
		r.request(request, e.Request)
		e.Request.fill(PagingNone)
	}
	s.place("at", &e.At)
	s.flag("falling", &e.Falling)
	s.flag("contiguous", &e.Contiguous)
	switch {
	case s.has("at"):
	case e.Falling:
		r.wrong(s.child("falling"), "is said of a value that tells the owner's history; write at = \"PATH\" too")
	case e.Request != nil:
		r.wrong(s.child("request"), "is asked for a value; say where its answer has it with at = \"PATH\"")
	case !e.Contiguous:
		r.wrong(n, `at is missing; write at = "PATH", where each page tells which history it belongs to`)
	}
	return e
}

// checkEpoch checks that an epoch can be told, and that something can be done about another one.
func (r *reader) checkEpoch(s section, src *Source) {
	n, w := s.child("epoch"), src.Watermark
	if n == nil || src.Epoch == nil || src.broken["epoch"] || src.broken["watermark"] {
		return
	}
	switch {
	case src.Mode == Snapshot:
		r.wrong(n, "has no use in a snapshot, which asks for everything each time; leave it out")
		return
	case src.Mode == EventLog && !s.has("resync"):
		r.wrong(n, "another history means that everything has to be asked, and nothing says how; %s", src.howToResync())
	case src.Epoch.Contiguous && w != nil && (w.Opaque != "" || w.Format.Name != FormatInteger):
		r.wrong(n.child("contiguous"), "is said of integers, and the watermark's format is %q; leave it out", cmp.Or(string(w.Opaque), w.Format.String()))
	case src.Records.Format.bare() && src.Epoch.Request == nil && !src.Epoch.At.Body.IsZero():
		r.wrong(n.child("at"), "%s has nothing beside its records; name a header, or a request of its own", src.Records.Format)
	}
	if q := src.Epoch.Request; q != nil {
		r.checkAlone(section{r, n}, q, src, "each")
	}
}
