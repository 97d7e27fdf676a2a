package feedtest

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Stripe is Stripe's list of events: newest first, behind starting_after or
// ahead of ending_before, which do not go together, and with created[gte] those
// of that second and later. What is older than 30 days is not there, and its id
// is unknown.
type Stripe struct{ Store }

const (
	stripePage  = 3
	stripeKeeps = 30 * 24 * time.Hour
)

// ServeHTTP answers /v1/events.
func (s *Stripe) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	s.date(w)
	q := r.URL.Query()
	newest := s.listed()
	if since, err := strconv.ParseInt(q.Get("created[gte]"), 10, 64); err == nil {
		newest = slices.DeleteFunc(newest, func(c Change) bool { return c.At.Unix() < since })
	} else if q.Has("created[gte]") {
		refuseStripe(w, "parameter_invalid_integer")
		return
	}
	slices.Reverse(newest)
	size := sized(q, "limit", stripePage)
	find := func(name string) (int, bool) {
		at := slices.IndexFunc(newest, func(c Change) bool { return stripeID(c) == q.Get(name) })
		return at, at >= 0
	}
	var page []Change
	more := false
	switch {
	case q.Has("ending_before") && q.Has("starting_after"):
		refuseStripe(w, "parameter_invalid")
		return
	case q.Has("ending_before"):
		at, ok := find("ending_before")
		if !ok {
			refuseStripe(w, "resource_missing")
			return
		}
		from := max(at-size, 0)
		page, more = newest[from:at], from > 0
	default:
		at, ok := find("starting_after")
		if q.Has("starting_after") && !ok {
			refuseStripe(w, "resource_missing")
			return
		}
		to := min(at+1+size, len(newest))
		page, more = newest[at+1:to], to < len(newest)
	}
	data := []object{}
	for _, c := range page {
		data = append(data, object{"id": stripeID(c), "object": "event", "created": c.At.Unix(), "type": "customer.updated",
			"data": object{"object": object{"id": c.ID, "name": c.Value}}})
	}
	answer(w, http.StatusOK, object{"object": "list", "url": "/v1/events", "has_more": more, "data": data})
}

func (s *Stripe) listed() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.log), func(c Change) bool { return s.clock().Sub(c.At) > stripeKeeps })
}

// Events is every event there ever was: its id, and what it is of.
func (s *Stripe) Events() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]string{}
	for _, c := range s.log {
		out[stripeID(c)] = c.Value
	}
	return out
}

func stripeID(c Change) string { return "evt_" + strconv.Itoa(c.Seq) }

func refuseStripe(w http.ResponseWriter, code string) {
	answer(w, http.StatusBadRequest, object{"error": object{"type": "invalid_request_error", "code": code}})
}
