package config

import (
	"strings"
	"time"
)

// Watermark is what a source is asked for next, and where that comes from: exactly one of Fields, Place and Start.
type Watermark struct {
	Fields       []Path // of records: the maximum of the first that is not null
	Place        Place  // of the response
	Start        bool   // the owner's time at the poll's start
	Format       Format
	Overlap      time.Duration // of times: what is asked again each poll
	OverlapCount int64         // of integers
	Initial      string        // where the first poll starts, in Format; empty: the beginning
	Order        Order
	Null         NullPolicy
}

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
	s, ok := r.section(n, "from", "format", "zone", "overlap", "initial", "order", "null")
	if !ok {
		return w
	}
	if from := s.need("from", `from = "updated_at", or another field that moves with every change`); from != nil {
		r.watermarkFrom(from, w)
	}
	s.format("format", "zone", &w.Format)
	order, null := string(w.Order), string(w.Null)
	s.choice("order", &order, string(OrderNone), string(OrderAscending), string(OrderDescending))
	s.choice("null", &null, string(NullFail), string(NullInclude), string(NullSkip))
	w.Order, w.Null = Order(order), NullPolicy(null)
	if overlap := s.child("overlap"); overlap != nil {
		r.overlap(overlap, w)
	}
	w.fill(s.has("overlap"))
	if initial := s.child("initial"); initial != nil {
		r.initial(initial, w)
	}
	s.checkWatermark(w)
	return w
}

func (r *reader) watermarkFrom(n *node, w *Watermark) {
	if n.kind == kindArray {
		w.Fields = r.paths(n)
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
	case prefix != text && !strings.ContainsAny(prefix, `."'`):
		r.wrong(n, "unknown place %s; write a field of the record, body:PATH, header:NAME or start", r.shown(n))
	default:
		if p, ok := r.path(n); ok {
			w.Fields = []Path{p}
		}
	}
}

// overlap reads a duration, or a count where the format is a sequence.
func (r *reader) overlap(n *node, w *Watermark) {
	if w.Format.IsTime() {
		w.Overlap, _ = r.duration(n, 0, 3650*day)
		return
	}
	w.OverlapCount, _ = r.integer(n, 0, 1<<53)
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
