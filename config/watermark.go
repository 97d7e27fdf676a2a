package config

import (
	"strings"
	"time"
)

// Watermark is what a source is asked for next, and where that comes from: exactly one of Fields, Place, Start, Last
// and First.
type Watermark struct {
	Fields       []Path        // of records: the maximum of the first that is not null
	Place        Place         // of the response
	Start        bool          // the owner's time at the poll's start
	Last         Path          // of the last record of a walk
	First        Path          // of the first record of a walk
	Opaque       Opaque        // the owner's own word, sent back as it is
	Format       Format        // zero if Opaque
	Overlap      time.Duration // of times: what is asked again each poll
	OverlapCount int64         // of integers
	Initial      string        // where the first poll starts, in Format; empty: the beginning
	Order        Order
	Null         NullPolicy
	Ask          Format        // how times are asked; zero: Format
	Settle       time.Duration // how far behind the newest a poll stays
	Window       time.Duration // of the slices of a backfill; 0: there are none
	Slices       int           // walked at one time; 0 without Window
}

// Opaque is a kind of watermark that is never parsed, compared or moved. Empty: it is in a Format.
type Opaque string

// The opaque watermarks.
const (
	Token Opaque = "token" // sent as {since}
	URL   Opaque = "url"   // the first request of the next poll
)

// isPosition reports whether the watermark is an event's place in a log.
func (w *Watermark) isPosition() bool { return !w.Last.IsZero() || !w.First.IsZero() }

// Order is what the owner promises about the sequence of records.
type Order string

// The orders.
const (
	OrderNone       Order = "none"
	OrderAscending  Order = "ascending"
	OrderDescending Order = "descending"
)

// NullPolicy is what happens to records without the watermark's field.
type NullPolicy string

// The policies for records without the field.
const (
	NullFail    NullPolicy = "fail"
	NullInclude NullPolicy = "include"
	NullSkip    NullPolicy = "skip"
)

func (r *reader) watermark(n *node) *Watermark {
	w := defaultWatermark()
	s, ok := r.section(n)
	if !ok {
		return w
	}
	if from := s.need("from", `from = "updated_at", or another field that moves with every change`); from != nil {
		r.watermarkFrom(from, w)
	}
	s.ask(w)
	switch name := w.Format.Name; {
	case name == string(Token) || name == string(URL):
		w.Opaque, w.Format = Opaque(name), Format{}
	case w.isPosition() && !s.has("format"):
		w.Opaque, w.Format = Token, Format{}
	}
	choose(s, "order", &w.Order)
	choose(s, "null", &w.Null)
	if w.Opaque != "" || w.isPosition() {
		s.checkOwnWord(w)
		return w
	}
	if overlap := s.child("overlap"); overlap != nil {
		r.overlap(overlap, w)
	}
	w.fill(s.has("overlap"))
	s.window(w)
	if initial := s.child("initial"); initial != nil {
		r.initial(initial, w)
	}
	s.checkWatermark(w)
	return w
}

func (r *reader) watermarkFrom(n *node, w *Watermark) {
	if n.kind == kindArray {
		w.Fields = r.fields(n)
		return
	}
	text, ok := r.text(n)
	if !ok {
		return
	}
	prefix, _, _ := strings.Cut(text, ":")
	switch {
	case text == "start":
		w.Start = true
	case prefix == "body" || prefix == "header":
		w.Place, _ = r.place(n)
	case (prefix == "last" || prefix == "first") && prefix != text:
		r.watermarkRecord(n, w, prefix, strings.TrimPrefix(text, prefix+":"))
	case prefix != text && prefix != "event" && !strings.ContainsAny(prefix, `."'`):
		r.wrong(n, "unknown place %s; write a field of the record, event:FIELD, last:FIELD, first:FIELD, body:PATH, header:NAME or start", r.shown(n))
	default:
		if p, ok := r.field(n); ok {
			w.Fields = []Path{p}
		}
	}
}

// watermarkRecord reads FIELD of last:FIELD and first:FIELD.
func (r *reader) watermarkRecord(n *node, w *Watermark, which, field string) {
	p, err := ParseField(field)
	switch {
	case err != nil:
		r.wrong(n, "%s names no field: %v", r.shown(n), err)
	case which == "last":
		w.Last = p
	default:
		w.First = p
	}
}

// overlap reads a duration, or a count where the format is a sequence.
func (r *reader) overlap(n *node, w *Watermark) {
	if w.Format.IsTime() {
		w.Overlap, _ = r.duration(n)
		return
	}
	w.OverlapCount, _ = r.integer(n)
}

// initial reads a watermark as the owner would write it.
func (r *reader) initial(n *node, w *Watermark) {
	v, ok := r.scalar(n)
	if !ok {
		return
	}
	if v.Kind == Boolean || !w.Format.holds(v.Text) {
		r.wrong(n, "is not written in the format %q", w.Format)
		return
	}
	w.Initial = v.Text
}

func (s section) checkWatermark(w *Watermark) {
	if !w.Format.IsTime() && !s.has("overlap") && w.Order != OrderAscending {
		s.r.wrong(s.n, "an integer needs overlap = N, how many numbers may still be committed late; or order = \"ascending\" if they are handed out in commit order")
	}
	if !w.Format.IsTime() && len(w.Fields) == 0 && (w.Start || !w.Place.IsZero()) {
		s.r.wrong(s.child("from"), "gives a time, not an integer; name a field of the record, or a format of times")
	}
	if w.Order == OrderAscending && len(w.Fields) == 0 {
		s.r.wrong(s.child("order"), "speaks of a field of the records, and from names none")
	}
}

// checkOwnWord checks a watermark that is sent back as the owner wrote it.
func (s section) checkOwnWord(w *Watermark) {
	what := w.said()
	for _, x := range []struct{ key, why string }{
		{"overlap", "nothing lies before it that could be asked again"},
		{"initial", "no poll can start at one that the owner has not told"},
		{"order", "it has none that could be compared"},
		{"ask", "it is sent back as it came"},
		{"settle", "it tells no time to stay behind"},
		{"window", "there is no time between two of them that could be cut"},
		{"concurrency", "one walk follows from the other"},
		{"null", "the owner gives one or the poll fails"},
	} {
		if n := s.child(x.key); n != nil && !(x.key == "initial" && w.Opaque == "") {
			s.r.wrong(n, "has no use with %s: %s; leave it out", what, x.why)
		}
	}
	if initial := s.child("initial"); initial != nil && w.Opaque == "" {
		s.r.initial(initial, w)
	}
	from := s.child("from")
	switch {
	case from == nil:
	case w.isPosition() && w.Opaque == "" && w.Format.Name != FormatInteger:
		s.r.wrong(s.child("format"), "is a time, and the position of a log is not; write \"integer\", or leave it out for any text")
	case w.isPosition() && w.Opaque == URL:
		s.r.wrong(from, "is a field, and a url has a place in the answer; write body:PATH or header:NAME")
	case len(w.Fields) > 0:
		s.r.wrong(from, "is a field, and a %s has no order that could tell the greatest; write body:PATH or header:NAME, or last:%s for the position of a log", w.Opaque, w.Fields[0])
	case w.Start:
		s.r.wrong(from, "is a time and no %s; write body:PATH or header:NAME", w.Opaque)
	}
}
