package killtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// page is what was served before a place.
type page struct {
	// served are the records of the walk so far, this page's among them.
	served []version
	number int
}

// token is where a walk goes on. Each is handed out once.
type token struct {
	Walk  int       `json:"walk"`
	Since time.Time `json:"since"`
	Stamp time.Time `json:"stamp"`
	ID    int64     `json:"id"`
	Part  string    `json:"part,omitempty"`
	Serve int       `json:"serve"`
	// page is the number of the page, where that is how a walk goes on.
	page int
}

type answer struct {
	Data []record `json:"data"`
	Meta struct {
		Next string `json:"next_cursor,omitempty"`
	} `json:"meta"`
}

type record struct {
	ID      int64       `json:"id"`
	Name    string      `json:"name"`
	Amount  json.Number `json:"amount"`
	Updated time.Time   `json:"updated_at"`
	Deleted *time.Time  `json:"deleted_at"`
}

// ServeHTTP serves one page of the feed.
func (o *Owner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, before, err := o.from(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	o.requests++
	number := max(o.lately(before).number+1, from.page)
	delay, onPage, down := o.delay, o.onPage, o.down
	o.mu.Unlock()
	if down {
		http.Error(w, "down for a while", http.StatusServiceUnavailable)
		return
	}
	select {
	case <-r.Context().Done():
		return
	case <-time.After(delay):
	}
	body, date := o.serve(from, before, number)
	if onPage != nil {
		onPage(number)
	}
	w.Header().Set("Date", date.Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // a reader that was killed needs no answer
}

// from reads where a request wants to go on.
func (o *Owner) from(r *http.Request) (from token, before string, err error) {
	before = r.FormValue("cursor")
	if before != "" {
		raw, err := base64.RawURLEncoding.DecodeString(before)
		if err == nil {
			err = json.Unmarshal(raw, &from)
		}
		return from, before, err
	}
	from.Part = r.FormValue("part")
	if since := r.FormValue("updated_since"); since != "" {
		if from.Since, err = time.Parse(time.RFC3339Nano, since); err != nil {
			return from, "", fmt.Errorf("read updated_since: %w", err)
		}
	}
	if n := r.FormValue("page"); n != "" {
		if from.page, err = strconv.Atoi(n); err != nil || from.page < 1 {
			return from, "", fmt.Errorf("read page: %q", n)
		}
	}
	if after := r.FormValue("after_id"); after != "" {
		if from.Stamp, err = time.Parse(time.RFC3339Nano, r.FormValue("after_stamp")); err == nil {
			from.ID, err = strconv.ParseInt(after, 10, 64)
		}
		if err != nil {
			return from, "", fmt.Errorf("read the keyset: %w", err)
		}
		before = keyset(from.Stamp, from.ID)
	}
	return from, before, nil
}

// keyset is a place behind a record, as larder notes it: a list of values.
func keyset(stamp time.Time, id int64) string {
	text, _ := json.Marshal([]any{stamp, id}) // instants and numbers always encode
	return string(text)
}

// serve reads a page at one instant, and the owner's clock with it.
func (o *Owner) serve(from token, before string, number int) (answer, time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if before == "" {
		o.walks++
		from.Walk = o.walks
	}
	found := o.after(from)
	more := len(found) > o.pageSize
	found = found[:min(len(found), o.pageSize)]
	served := append(slices.Clone(o.lately(before).served), found...)
	body := answer{Data: []record{}}
	for _, v := range found {
		rec := record{ID: v.ID, Name: v.Name, Amount: json.Number(v.Amount), Updated: v.Stamp}
		if v.gone {
			rec.Deleted = &v.Stamp
		}
		body.Data = append(body.Data, rec)
	}
	if len(found) > 0 {
		last := found[len(found)-1]
		place := keyset(last.Stamp, last.ID)
		o.pages[place] = append(o.pages[place], page{served, number})
		if more {
			next := token{Walk: from.Walk, Since: from.Since, Stamp: last.Stamp, ID: last.ID, Part: from.Part, Serve: o.requests}
			raw, _ := json.Marshal(next) // numbers and instants always encode
			body.Meta.Next = base64.RawURLEncoding.EncodeToString(raw)
			o.pages[body.Meta.Next] = []page{{served, number}}
		}
	}
	return body, o.clock
}

// lately is what was last served before a place.
func (o *Owner) lately(place string) page {
	all := o.pages[place]
	if len(all) == 0 {
		return page{}
	}
	return all[len(all)-1]
}

// after is what is left of a walk, in the feed's order.
func (o *Owner) after(from token) []version {
	var found []version
	for id, past := range o.versions {
		v := past[len(past)-1]
		if v.Stamp.Before(from.Since) || v.Stamp.Before(from.Stamp) || v.Stamp.Equal(from.Stamp) && id <= from.ID {
			continue
		}
		if v.silent || from.Part != "" && from.Part != fmt.Sprint(id%int64(max(o.shape.Parts, 1))) {
			continue
		}
		found = append(found, v)
	}
	slices.SortFunc(found, func(a, b version) int {
		if c := a.Stamp.Compare(b.Stamp); c != 0 && from.page == 0 {
			return c
		}
		return int(a.ID - b.ID)
	})
	return found[min(len(found), max(from.page-1, 0)*o.pageSize):]
}
