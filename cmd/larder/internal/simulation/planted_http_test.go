package simulation_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/simulation"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// Mistakes on the wire: in how a source asks, and in what it takes for an answer.

// sizeAsked moves an offset by the size that was asked for, not by what came.
func sizeAsked(*scene) simulation.Seams {
	var mu sync.Mutex
	pages := map[string]int{} // by what is asked apart from the offset
	return questions(func(r *http.Request) {
		q := r.URL.Query()
		offset, size := q.Get("offset"), q.Get("size")
		if offset == "" {
			return
		}
		q.Del("offset")
		walk := q.Encode()
		mu.Lock()
		defer mu.Unlock()
		if pages[walk]++; offset == "0" {
			pages[walk] = 0
		}
		asked, _ := strconv.Atoi(size)
		q.Set("offset", strconv.Itoa(pages[walk]*asked))
		r.URL.RawQuery = q.Encode()
	})
}

// roundsUp asks since tens of seconds and rounds up, where it has to round down.
func roundsUp(*scene) simulation.Seams {
	return questions(func(r *http.Request) {
		q := r.URL.Query()
		at, err := time.Parse(time.RFC3339Nano, q.Get("since"))
		if up := at.Truncate(10 * time.Second); err == nil && up.Before(at) {
			q.Set("since", up.Add(10*time.Second).Format(layoutOf(q.Get("since"))))
		}
		r.URL.RawQuery = q.Encode()
	})
}

// layoutOf is how the text of a time is written.
func layoutOf(text string) string {
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000Z07:00", "2006-01-02T15:04:05.000000Z07:00"} {
		if at, err := time.Parse(layout, text); err == nil && at.Format(layout) == text {
			return layout
		}
	}
	return time.RFC3339Nano
}

// isEmpty takes some answers for a list that has no records.
func isEmpty(which func(*http.Response, []byte) bool) simulation.Seams {
	return replies(func(_ *http.Request, resp *http.Response) {
		if body, err := readAll(resp); err == nil && which(resp, body) {
			reply(resp, []byte(`{"data":[],"meta":{"next_cursor":null,"total":0,"pages":0,"more":false},"links":{"next":null}}`))
		}
	})
}

// errorIsEmpty takes an error in a 200 for a list without records.
func errorIsEmpty(*scene) simulation.Seams {
	return isEmpty(func(resp *http.Response, body []byte) bool {
		var page struct{ Data *json.RawMessage }
		return resp.StatusCode == http.StatusOK && json.Unmarshal(body, &page) == nil && page.Data == nil
	})
}

// pageIsEmpty takes a login page for a list without records.
func pageIsEmpty(*scene) simulation.Seams {
	return isEmpty(func(resp *http.Response, body []byte) bool {
		return resp.StatusCode == http.StatusOK && bytes.Contains(body, []byte("<html"))
	})
}

// throttledIsEmpty takes "too many requests" for a list without records.
func throttledIsEmpty(*scene) simulation.Seams {
	return isEmpty(func(resp *http.Response, _ []byte) bool { return resp.StatusCode == http.StatusTooManyRequests })
}

// failedIsEmpty takes an owner in trouble for one that has no records.
func failedIsEmpty(*scene) simulation.Seams {
	return isEmpty(func(resp *http.Response, _ []byte) bool { return resp.StatusCode >= 500 })
}

// shortIsTheEnd takes a page of fewer records than were asked for for the last.
func shortIsTheEnd(*scene) simulation.Seams {
	return simulation.Seams{Spec: func(s *sources.Spec) { s.Paging.ShortPage = true }}
}

// cutIsWhole takes the lines that came of a body that broke off for all.
func cutIsWhole(*scene) simulation.Seams {
	return replies(func(_ *http.Request, resp *http.Response) {
		body, err := readAll(resp)
		if err == nil || resp.StatusCode != http.StatusOK {
			return
		}
		body = body[:bytes.LastIndexByte(body, '\n')+1]
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	})
}

// asIfFresh does not look how long an answer has lain in a cache.
func asIfFresh(*scene) simulation.Seams {
	return replies(func(_ *http.Request, resp *http.Response) { resp.Header.Del("Age") })
}

// tokenLast takes the token that changes go on from from the last page of a list.
func tokenLast(*scene) simulation.Seams {
	var head notes[string] // one
	seams := batches(func(w syncer.Walk) altered {
		return func(b *syncer.Batch, err error) (*syncer.Batch, error) {
			if err == nil && b.End != nil && w.Kind == syncer.Resync && head.get("") != "" {
				b.End.Watermark = head.get("")
			}
			return b, err
		}
	})
	seams.Transport = replies(func(r *http.Request, resp *http.Response) {
		var page struct {
			Meta struct{ Head json.RawMessage }
		}
		if body, err := readAll(resp); err == nil && json.Unmarshal(body, &page) == nil && r.URL.Query().Has("list") {
			head.put("", strings.Trim(string(page.Meta.Head), `"`))
		}
	}).Transport
	return seams
}
