package config

import (
	"slices"
	"strings"
)

// Resync is how everything is asked for: by leaving the watermark out, or by a request of its own.
type Resync struct {
	Everything bool       // asking without a watermark means everything
	Request    *Request   // nil with Everything
	Paging     *Paging    // nil: the source's
	Records    *Records   // nil: the source's. Key and Version are always those of the source
	Watermark  *Watermark // nil: the source's. It may come from elsewhere, and has neither Settle nor Window
	Before     *Request   // asked before the list, for the watermark; nil: the list's first page has it
}

// resync reads `true`, or a table with the request that lists everything.
func (r *reader) resync(n *node, src *Source) *Resync {
	if src.Mode == Snapshot {
		r.wrong(n, `has no use in a snapshot, whose every walk lists everything; leave it out`)
	}
	if n.kind == kindBoolean {
		switch {
		case n.text != "true":
			r.wrong(n, "is false; leave it out")
		case src.Mode == Incremental:
			r.wrong(n, `is so in mode "incremental", whose every walk without a watermark lists everything; leave it out`)
		}
		return &Resync{Everything: true}
	}
	s, ok := r.section(n)
	if !ok {
		return nil
	}
	y, part := new(Resync), listing(src)
	before := len(r.mistakes)
	r.resyncParts(s, y, part)
	if w := s.child("watermark"); w != nil {
		r.resyncWatermark(w, y, src)
	} else if w := src.Watermark; w != nil && (w.Settle > 0 || w.Window > 0) {
		y.Watermark = w.unbounded()
	}
	if src.Mode != Snapshot && len(r.mistakes) == before {
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
	if records := s.child("records"); records != nil {
		y.Records = &part.Records
		r.resyncRecords(records, y.Records)
	}
	y.connect(s, part)
	part.Paging.guess(part.Request.Uses)
	part.Request.fill(part.Paging.By)
}

// resyncRecords reads where the records of a list are. Their key and version are the source's, because the columns
// read them at the same paths.
func (r *reader) resyncRecords(n *node, into *Records) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	*into = Records{Format: JSON, Key: into.Key, Version: into.Version}
	r.recordsPlaces(s, into)
	if hydrate := s.child("hydrate"); hydrate != nil {
		into.Hydrate = r.hydrate(hydrate)
	}
	for _, x := range []struct {
		key string
		own []Path
	}{{"key", into.Key}, {"version", into.Version}} {
		before := len(r.mistakes)
		same := slices.Clone(x.own)
		s.fields(x.key, &same)
		if len(r.mistakes) == before && !samePaths(same, x.own) {
			r.wrong(s.child(x.key), "is not the source's %s, from which the columns are read; leave it out", x.key)
		}
	}
	if d := into.Deleted; d.List != nil || d.Ask != nil {
		r.wrong(s.child("deleted"), "has no use in a list of everything, where a record is gone when it is absent; leave it out")
	}
}

// resyncWatermark reads where changes go on after a list: a place, start, or { from, request }.
func (r *reader) resyncWatermark(n *node, y *Resync, src *Source) {
	from := n
	if _, isFile := fileOf(n); n.kind == kindTable && !isFile {
		s, ok := r.section(n)
		if !ok || !s.sameFormat(src.Watermark) {
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
	if src.Watermark == nil {
		return
	}
	w := src.Watermark.unbounded()
	w.Fields, w.Last, w.First, w.Start, w.Place = nil, Path{}, Path{}, false, Place{}
	switch {
	case text == "start" && src.Mode == Incremental && w.Format.IsTime():
		w.Start = true
		if y.Before != nil {
			r.wrong(n.child("request"), "has no use: start is the owner's clock when the list is asked; leave it out")
		}
	case !strings.HasPrefix(text, "body:") && !strings.HasPrefix(text, "header:"):
		r.wrong(from, "%s is no place of an answer; write body:PATH or header:NAME", r.shown(from))
		return
	default:
		w.Place, _ = r.place(from)
	}
	y.Watermark = w
}

// unbounded is the watermark as a list of everything moves it, which runs to the newest record in one go.
func (w *Watermark) unbounded() *Watermark {
	copied := *w
	copied.Settle, copied.Window, copied.Slices = 0, 0, 0
	return &copied
}

// sameFormat checks that a watermark from a list is written as the one that changes go on from.
func (s section) sameFormat(source *Watermark) bool {
	n := s.child("format")
	if n == nil || source == nil {
		return true
	}
	f, own := source.Format, source.Format
	if source.Opaque != "" {
		f, own = Format{}, Format{Name: string(source.Opaque)}
	}
	before := len(s.r.mistakes)
	s.format("format", "zone", &f)
	if len(s.r.mistakes) == before && f != own {
		s.r.wrong(n, "is not the source's, and changes go on from here; write %q, or leave it out", own)
	}
	return len(s.r.mistakes) == before
}

// checkResync looks at the parts of a resync together, as at those of a snapshot.
func (r *reader) checkResync(s section, y *Resync, src, part *Source) {
	for _, name := range []string{"since", "until", "now"} {
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
	r.checkRecords(s, part)
	if y.Records != nil {
		for _, p := range slices.Concat(y.Records.Key, y.Records.Version, []Path{y.Records.Deleted.Field}) {
			r.checkField(s.child("records"), p, part)
		}
	}
	w := s.child("watermark")
	switch {
	case src.Watermark == nil || src.broken["watermark"]:
	case w == nil && src.Mode == EventLog:
		r.wrong(s.n, `a list holds no position of the log; say where it is told with watermark = "header:NAME", or with a request of its own: watermark = { from = "body:PATH", request = { path = "/…" } }`)
	case w != nil && y.Before == nil && y.Watermark.Start == src.Watermark.Start && y.Watermark.Place.String() == src.Watermark.Place.String():
		r.wrong(w, "is the source's own; leave it out")
	}
	if y.Before != nil {
		r.checkAlone(section{r, w}, y.Before, part, "each")
	}
}

// checkAlone checks a request that is asked for itself, once and for one page, in which only some placeholders have a
// value.
func (r *reader) checkAlone(s section, q *Request, src *Source, known ...string) {
	if n := q.conditional; n != nil {
		r.wrong(n, "has no use here: only the answer tells; leave it out")
	}
	q.Conditional, q.conditional = false, nil
	if later := s.child("request").child("later"); later != nil {
		r.wrong(later, "has no use: this request has one page; leave it out")
	}
	if connection := s.child("request").child("connection"); connection != nil {
		r.wrong(connection, "has no use: this request has one page; say where its answer is, and leave it out")
	}
	r.checkEachIn(s, q, src)
	q.templates(func(t Template, _ bool) {
		for _, p := range t.Placeholders() {
			if !slices.Contains(known, p.Placeholder) {
				r.wrongAt(s, p.String(), "%s has no value in a request that is asked alone; leave it out", p)
			}
		}
	})
}
