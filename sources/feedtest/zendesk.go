package feedtest

import (
	"net/http"
	"net/url"
	"time"
)

// Zendesk is the cursor export of tickets. Every page has an after_url, the
// last one, which says end_of_stream, too. What was written in the last minute
// is withheld. Its cursors do not expire.
type Zendesk struct{ Store }

const (
	zendeskPage = 3
	withheld    = time.Minute
)

// ServeHTTP answers /api/v2/incremental/tickets/cursor.json.
func (z *Zendesk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z.note(r)
	q := r.URL.Query()
	from := 0
	switch c, ok := parseCursor(q.Get("cursor")); {
	case q.Has("cursor") == q.Has("start_time"), q.Has("cursor") && !ok:
		answer(w, http.StatusBadRequest, object{"error": "StartTimeOrCursor"})
		return
	case ok:
		from = c.from
	}
	size := sized(q, "per_page", zendeskPage)
	tickets, at := []object{}, from
	upto := z.shown()
	for _, c := range z.between(0, upto, true) {
		if c.Seq > from && len(tickets) < size {
			tickets, at = append(tickets, z.ticket(c)), c.Seq
		}
	}
	end := len(tickets) < size
	if end {
		at = max(at, upto)
	}
	token := cursor{from: at}.token()
	answer(w, http.StatusOK, object{
		"tickets": tickets, "after_cursor": token, "before_cursor": nil, "end_of_stream": end,
		"after_url": origin(r) + r.URL.Path + "?cursor=" + url.QueryEscape(token),
	})
}

// shown is the number of the last change that is not withheld.
func (z *Zendesk) shown() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	n := len(z.log)
	for n > 0 && z.clock().Sub(z.log[n-1].At) < withheld {
		n--
	}
	return n
}

// ticket writes one down. A change that leaves the subject alone is one of the
// system: generated_timestamp tells of it, and updated_at does not.
func (z *Zendesk) ticket(c Change) object {
	status := "open"
	if c.Gone {
		status = "deleted"
	}
	return object{"id": number(c.ID), "subject": c.Value, "status": status, "generated_timestamp": c.Seq,
		"updated_at": z.Since(c).UTC().Format(time.RFC3339)}
}
