package config

import "strings"

// Resync is how everything is asked for: by leaving the watermark out, or by a request of its own.
type Resync struct {
	Everything bool       // asking without a watermark means everything
	Request    *Request   // nil with Everything
	Paging     *Paging    // nil: the source's
	Records    *Records   // nil: the source's. Key and Version are always those of the source
	Watermark  *Watermark // nil: the source's. Only Place may differ
	Before     *Request   // asked before the list, for the watermark; nil: the list's first page has it
}

// resync reads `true`, or a table with the request that lists everything.
func (r *reader) resync(n *node, src *Source) *Resync {
	asking := src.Mode == Delta || src.Mode == EventLog
	if !asking {
		r.wrong(n, `belongs to the modes "delta" and "log", and this is %q, whose every walk without a watermark lists everything; leave it out`, src.Mode)
	}
	if n.kind == kindBoolean {
		if n.text != "true" {
			r.wrong(n, "is false; leave it out")
		}
		return &Resync{Everything: true}
	}
	s, ok := r.section(n, "request", "paging", "records", "watermark")
	if !ok {
		return nil
	}
	y, part := new(Resync), listing(src)
	before := len(r.mistakes)
	r.resyncParts(s, y, part)
	if w := s.child("watermark"); w != nil {
		r.resyncWatermark(w, y, src)
	}
	if asking && len(r.mistakes) == before {
		r.checkResync(s, y, src, part)
	}
	return y
}

// listing is the source as a resync asks it: a snapshot, whose parts are the source's until others are given.
func listing(src *Source) *Source {
	part := *src
	part.Mode, part.Request, part.Watermark = Snapshot, Request{}, nil
	part.broken = map[string]bool{"each": src.broken["each"], "paging": src.broken["paging"]}
	return &part
}

func (r *reader) resyncParts(s section, y *Resync, part *Source) {
	const list = `request = { path = "/…" }, which lists everything; or resync = true if asking without a watermark means everything`
	if request := s.need("request", list); request != nil {
		y.Request = &part.Request
		r.request(request, y.Request)
	}
	if paging := s.child("paging"); paging != nil {
		part.Paging, part.broken["paging"] = defaultPaging(), false
		y.Paging = &part.Paging
		r.paging(paging, y.Paging)
	} else if part.Paging.By == PagingSince {
		// A list is not asked by the last event.
		part.Paging.By, y.Paging = "", &part.Paging
	}
	if part.Paging.By == "" {
		part.Paging.By = part.Paging.style(part.Request.Uses)
	}
	part.Request.fill(part.Paging.By)
	if records := s.child("records"); records != nil {
		y.Records = &part.Records
		r.resyncRecords(records, y.Records)
	}
}

// resyncRecords reads where the records of a list are. Their key and version are the source's, because the columns
// read them at the same paths.
func (r *reader) resyncRecords(n *node, into *Records) {
	s, ok := r.section(n, "at", "format", "deleted", "error", "require")
	if !ok {
		return
	}
	*into = Records{Format: JSON, Key: into.Key, Version: into.Version}
	r.recordsPlaces(s, into)
}

// resyncWatermark reads where changes go on after a list: a place, or { from, request }.
func (r *reader) resyncWatermark(n *node, y *Resync, src *Source) {
	from := n
	if _, isFile := fileOf(n); n.kind == kindTable && !isFile {
		s, ok := r.section(n, "from", "request")
		if !ok {
			return
		}
		if request := s.child("request"); request != nil {
			y.Before = new(Request)
			r.request(request, y.Before)
			y.Before.fill(PagingNone)
		}
		if from = s.need("from", `from = "body:PATH", where the answer holds what changes go on from`); from == nil {
			return
		}
	}
	text, ok := r.text(from)
	if !ok {
		return
	}
	if !strings.HasPrefix(text, "body:") && !strings.HasPrefix(text, "header:") {
		r.wrong(from, "%s is no place of an answer; write body:PATH or header:NAME", r.shown(from))
		return
	}
	place, ok := r.place(from)
	if !ok || src.Watermark == nil {
		return
	}
	w := *src.Watermark
	w.Fields, w.Last, w.First, w.Start, w.Place = nil, Path{}, Path{}, false, place
	y.Watermark = &w
}

// checkResync looks at the parts of a resync together, as at those of a snapshot.
func (r *reader) checkResync(s section, y *Resync, src, part *Source) {
	for _, name := range []string{"since", "now"} {
		if part.Request.Uses(name) {
			r.wrongAt(s, "{"+name+"}", "{%s} has no value where everything is asked for; leave it out", name)
		}
	}
	if n := y.Request.conditional; n != nil {
		r.wrong(n, "has no use here: a resync needs the whole answer; leave it out")
	}
	y.Request.Conditional, y.Request.conditional = false, nil
	if part.Paging.By == PagingSince {
		r.wrong(s.child("paging"), `a list is not asked by the last event; say how its pages follow each other`)
	} else {
		r.checkPaging(s, part)
	}
	r.checkPlaceholders(s, part)
	r.checkOnePage(s, part)
	w := s.child("watermark")
	switch {
	case src.Watermark == nil || src.broken["watermark"]:
	case w == nil && src.Mode == EventLog:
		r.wrong(s.n, `a list holds no position of the log; say where it is told with watermark = "header:NAME", or with a request of its own: watermark = { from = "body:PATH", request = { path = "/…" } }`)
	case w != nil && y.Before == nil && y.Watermark.Place.String() == src.Watermark.Place.String():
		r.wrong(w, "is the source's own; leave it out")
	}
	if y.Before != nil {
		r.checkBefore(section{r, w}, y.Before, part)
	}
}

// checkBefore checks the request for a watermark, which has one page.
func (r *reader) checkBefore(s section, q *Request, part *Source) {
	if n := q.conditional; n != nil {
		r.wrong(n, "has no use here: only the answer holds the watermark; leave it out")
	}
	q.Conditional, q.conditional = false, nil
	if later := s.child("request").child("later"); later != nil {
		r.wrong(later, "has no use: this request has one page; leave it out")
	}
	alone := *part
	alone.Request, alone.Paging = *q, defaultPaging()
	r.checkPlaceholders(s, &alone)
	q.templates(func(t Template, _ bool) {
		for _, p := range t.Placeholders() {
			if p.Placeholder != "each" && p.Placeholder != "size" {
				r.wrongAt(s, p.String(), "%s has no value in a request that is asked alone; leave it out", p)
			}
		}
	})
}
