package config

import "net/http"

// Expired is the answer by which an owner says that it cannot tell any more what changed since the watermark.
type Expired struct {
	Status []int
	At     Place    // zero: the status alone tells
	Equals []Scalar // any of them; none: At is there, and neither null nor false
}

func (r *reader) expired(n *node, e *Expired) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	s.place("at", &e.At)
	if equals := s.child("equals"); equals != nil {
		e.Equals = r.scalars(equals)
		if !s.has("at") {
			r.wrong(equals, "is compared with what stands at a place; write at = \"PATH\" too")
		}
	}
	status := s.child("status")
	if status == nil {
		return
	}
	e.Status = nil
	if status.kind == kindArray && len(status.below) == 0 {
		r.wrong(status, "the list is empty; name at least one status, such as 410")
	}
	for _, one := range eachOf(status) {
		code, ok := r.integer(one)
		switch {
		case !ok:
			continue
		case code > http.StatusOK && code < 400:
			r.wrong(one, "%d is no answer that could say so; write 200, or one from 400 to 599", code)
		case (code == http.StatusOK || code == http.StatusBadRequest) && !s.has("at"):
			r.wrong(one, "%d has other meanings too; say where the answer tells that the watermark is too old with at = \"PATH\"", code)
		}
		e.Status = append(e.Status, int(code))
	}
}
