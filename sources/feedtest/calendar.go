package feedtest

import (
	"net/http"
	"strings"
	"time"
)

// Calendar is the events list of Google Calendar: nextPageToken until the last
// page, which alone has nextSyncToken. A page's request must repeat the
// parameters of the first one. What is cancelled is told to those only who come
// with a sync token, by their id and nothing else. An event whose summary
// begins with "day" lasts the whole day.
type Calendar struct{ Store }

const calendarPage = 3

// ServeHTTP answers /calendars/{id}/events.
func (c *Calendar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.note(r)
	q := r.URL.Query()
	refuse := func(status int, reason string) {
		answer(w, status, object{"error": object{"code": status, "errors": []object{{"reason": reason}}}})
	}
	at := cursor{upto: c.now()}
	if q.Has("syncToken") {
		for _, clash := range []string{"timeMin", "timeMax", "updatedMin", "q", "orderBy"} {
			if q.Has(clash) {
				refuse(http.StatusBadRequest, "syncTokenWithRequestedUnsupportedFilters")
				return
			}
		}
		since, ok := parseCursor(q.Get("syncToken"))
		if !ok {
			refuse(http.StatusBadRequest, "invalid")
			return
		}
		if c.refuses(since.upto) {
			refuse(http.StatusGone, "fullSyncRequired")
			return
		}
		at.from = since.upto
	}
	if q.Has("pageToken") {
		page, ok := parseCursor(q.Get("pageToken"))
		if !ok || page.from != at.from || q.Get("maxResults") == "" {
			refuse(http.StatusBadRequest, "invalid")
			return
		}
		at = page
	}
	items, next := at.page(c.between(at.from, at.upto, at.from > 0), sized(q, "maxResults", calendarPage))
	body := object{"kind": "calendar#events", "items": calendarItems(items)}
	if next != nil {
		body["nextPageToken"] = next.token()
	} else {
		body["nextSyncToken"] = cursor{upto: at.upto}.token()
	}
	answer(w, http.StatusOK, body)
}

func calendarItems(changes []Change) []object {
	items := []object{}
	for _, c := range changes {
		item := object{"id": c.ID, "status": "confirmed", "summary": c.Value, "updated": c.At.UTC().Format(time.RFC3339Nano),
			"start": object{"dateTime": "2026-03-02T10:00:00+01:00", "timeZone": "Europe/Berlin"},
			"end":   object{"dateTime": "2026-03-02T11:30:00+01:00", "timeZone": "Europe/Berlin"}}
		if strings.HasPrefix(c.Value, "day") {
			item["start"], item["end"] = object{"date": "2026-03-02"}, object{"date": "2026-03-03"}
		}
		if c.Gone {
			item = object{"id": c.ID, "status": "cancelled"}
		}
		items = append(items, item)
	}
	return items
}
