package killtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// page is what was served before a token was handed out.
type page struct {
	before  string // the token that asked for it; "" for a walk's first page
	records []version
	number  int
}

// token is where a walk goes on. Each is handed out once.
type token struct {
	Walk  int       `json:"walk"`
	Since time.Time `json:"since"`
	Stamp time.Time `json:"stamp"`
	ID    int64     `json:"id"`
	Serve int       `json:"serve"`
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
	number := o.pages[before].number + 1
	delay, onPage := o.delay, o.onPage
	o.mu.Unlock()
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
	if since := r.FormValue("updated_since"); since != "" {
		if from.Since, err = time.Parse(time.RFC3339Nano, since); err != nil {
			return from, "", fmt.Errorf("read updated_since: %w", err)
		}
	}
	return from, "", nil
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
	body := answer{Data: []record{}}
	for _, v := range found {
		rec := record{ID: v.ID, Name: v.Name, Amount: json.Number(v.Amount), Updated: v.Stamp}
		if v.gone {
			rec.Deleted = &v.Stamp
		}
		body.Data = append(body.Data, rec)
	}
	if more {
		last := found[len(found)-1]
		next := token{Walk: from.Walk, Since: from.Since, Stamp: last.Stamp, ID: last.ID, Serve: o.requests}
		raw, _ := json.Marshal(next) // numbers and instants always encode
		body.Meta.Next = base64.RawURLEncoding.EncodeToString(raw)
		o.pages[body.Meta.Next] = page{before: before, records: found, number: number}
	}
	return body, o.clock
}

// after is what is left of a walk, in the feed's order.
func (o *Owner) after(from token) []version {
	var found []version
	for id, past := range o.versions {
		v := past[len(past)-1]
		if v.Stamp.Before(from.Since) || v.Stamp.Before(from.Stamp) || v.Stamp.Equal(from.Stamp) && id <= from.ID {
			continue
		}
		found = append(found, v)
	}
	slices.SortFunc(found, func(a, b version) int {
		if c := a.Stamp.Compare(b.Stamp); c != 0 {
			return c
		}
		return int(a.ID - b.ID)
	})
	return found
}

// servedBefore is what the pages of a walk up to a token held. False: no page
// ever bore the token.
func (o *Owner) servedBefore(text string) ([]version, bool) {
	var all []version
	for text != "" {
		p, known := o.pages[text]
		if !known {
			return nil, false
		}
		all = append(all, p.records...)
		text = p.before
	}
	return all, true
}
