package feedtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// HTTPFeed is a feed as http-feeds.org describes it: CloudEvents in the order
// in which they were appended, after lastEventId; an empty array is the end,
// for which the owner waits where it is asked to with timeout, in milliseconds.
type HTTPFeed struct {
	Store
	// Compact drops events that a later one of the same subject replaces. The
	// position of a dropped id works all the same.
	Compact bool
	// Items serves the live items at /items, and the last id in the header
	// Last-Event-Id: how everything is asked for.
	Items bool
	// Hold is how long the owner waits though it was asked for less.
	Hold time.Duration
}

const httpFeedPage = 3

// ServeHTTP answers /inventory, and /items.
func (f *HTTPFeed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.note(r)
	if f.Items && r.URL.Path == "/items" {
		f.items(w)
		return
	}
	from := 0
	if id := r.URL.Query().Get("lastEventId"); id != "" {
		if n, err := fmt.Sscanf(id, "018f-%d", &from); err != nil || n != 1 {
			answer(w, http.StatusBadRequest, object{"detail": "unknown id"})
			return
		}
	}
	if f.refuses(from) {
		answer(w, http.StatusGone, object{"detail": "the feed begins later"})
		return
	}
	events := f.after(from)
	if len(events) == 0 {
		f.wait(r, from)
		events = f.after(from)
	}
	answer(w, http.StatusOK, events[:min(httpFeedPage, len(events))])
}

// wait returns when there is an event, or when the asker has waited enough.
func (f *HTTPFeed) wait(r *http.Request, from int) {
	ms, _ := strconv.Atoi(r.URL.Query().Get("timeout"))
	until := time.Now().Add(max(time.Duration(ms)*time.Millisecond, f.Hold))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(until) && len(f.after(from)) == 0 {
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// after is the events behind a place that the owner still has.
func (f *HTTPFeed) after(from int) []object {
	f.mu.Lock()
	defer f.mu.Unlock()
	events := []object{}
	for _, c := range f.log[from:] {
		dropped := f.Compact && slices.ContainsFunc(f.log[c.Seq:], func(later Change) bool { return later.ID == c.ID })
		if c.ID != "" && c.Seq > f.expired && !dropped {
			events = append(events, event(c))
		}
	}
	return events
}

func event(c Change) object {
	e := object{"specversion": "1.0", "type": "org.example.inventory", "source": "https://example.org/inventory",
		"id": eventID(c.Seq), "time": c.At.UTC().Format(time.RFC3339Nano), "subject": c.ID,
		"datacontenttype": "application/json", "data": object{"name": c.Value, "quantity": number(c.Value)}}
	if c.Gone {
		delete(e, "data")
		e["method"] = "DELETE"
	}
	return e
}

func eventID(seq int) string { return fmt.Sprintf("018f-%06d", seq) }

func (f *HTTPFeed) items(w http.ResponseWriter) {
	items, last := []object{}, f.now()
	for id, value := range f.Truth() {
		items = append(items, object{"subject": id, "data": object{"name": value}})
	}
	w.Header().Set("Last-Event-Id", eventID(last))
	answer(w, http.StatusOK, items)
}
