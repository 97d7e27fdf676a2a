package sourcetest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// envelope is a page of the JSON styles.
type envelope struct {
	Data  []Row          `json:"data"`
	Meta  map[string]any `json:"meta,omitempty"`
	Links map[string]any `json:"links,omitempty"`
}

// ServeHTTP answers a list request, whatever its path.
func (o *Owner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	o.mu.Lock()
	o.requests = append(o.requests, Request{r.Method, r.URL, r.Header.Clone(), body})
	n := len(o.requests)
	o.mu.Unlock()
	if o.Between != nil {
		o.Between(n)
	}
	var fault *Fault
	if o.Fault != nil {
		fault = o.Fault(n, r)
	}
	if fault == nil {
		fault = &Fault{Keep: true}
	}
	o.answer(w, r, fault)
}

func (o *Owner) answer(w http.ResponseWriter, r *http.Request, f *Fault) {
	if f.Stall > 0 {
		select {
		case <-time.After(f.Stall):
		case <-r.Context().Done():
			return
		}
	}
	if f.Drop {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h["Date"] = nil
	if !o.NoDate {
		h.Set("Date", o.Now().UTC().Format(http.TimeFormat))
	}
	status, body := cmp.Or(f.Status, http.StatusOK), []byte(f.Body)
	if f.Keep {
		body = o.list(h, r.URL)
	}
	for name, values := range f.Header {
		h[name] = values
	}
	if o.ETags && status == http.StatusOK {
		sum := sha256.Sum256(body)
		h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
		if r.Header.Get("If-None-Match") == h.Get("ETag") {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if f.Cut > 0 && f.Cut <= len(body) {
		_, _ = w.Write(body[:f.Cut-1])
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body)
}

// list is the body of one page.
func (o *Owner) list(h http.Header, u *url.URL) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := u.Query()
	since, _ := time.Parse(o.layout(), q.Get("since"))
	all := o.visible(since)
	if until, err := o.moment(q.Get("until")); err == nil {
		all = slices.DeleteFunc(all, func(c Change) bool { return !o.shown(c.Stamp).Before(until) })
	}
	if o.Style == Lines {
		return o.lines(h, all)
	}
	size := cmp.Or(o.PageSize, 10)
	if asked, err := strconv.Atoi(q.Get("size")); err == nil && asked > 0 {
		size = min(size, asked)
	}
	if o.Style == Whole {
		size = len(all)
	}
	from := min(o.start(q, all, size), len(all))
	to := min(from+size, len(all))
	e := envelope{Data: []Row{}}
	for _, c := range all[from:to] {
		e.Data = append(e.Data, o.row(c))
	}
	o.around(&e, h, u, place{all, from, to, size})
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(e) // a struct of strings and numbers
	return b.Bytes()
}

// moment reads a time as the owner writes it, or with other digits.
func (o *Owner) moment(text string) (time.Time, error) {
	at, err := time.Parse(o.layout(), text)
	if err != nil {
		return time.Parse(time.RFC3339Nano, text)
	}
	return at, nil
}

func (o *Owner) lines(h http.Header, all []Change) []byte {
	h.Set("Content-Type", "application/x-ndjson")
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	for _, c := range all {
		_ = encoder.Encode(o.row(c)) // a struct of strings and numbers
	}
	return b.Bytes()
}

// start is the index of a page's first record.
func (o *Owner) start(q url.Values, all []Change, size int) int {
	number := func(name string) int {
		n, _ := strconv.Atoi(q.Get(name))
		return max(n, 0)
	}
	switch o.Style {
	case Page, Link:
		return (max(number("page"), 1) - 1) * size
	case Offset:
		return number("offset")
	case Keyset:
		if q.Has("after_id") {
			return o.behind(all, q.Get("after_stamp"), q.Get("after_id"))
		}
	case Cursor, NextURL:
		if token, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(q.Get("cursor"), tokenPrefix)); err == nil && len(token) > 0 {
			stamp, id, _ := strings.Cut(string(token), "|")
			return o.behind(all, stamp, id)
		}
	}
	return 0
}

// tokenPrefix holds what goes wrong when a token is encoded twice or not.
const tokenPrefix = "t+/=%2B &"

func (o *Owner) token(c Change) string {
	return tokenPrefix + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s|%d", c.Stamp.UTC().Format(o.layout()), c.ID))
}

// behind is the index of the first record after a place in the order.
func (o *Owner) behind(all []Change, stamp, id string) int {
	at, _ := time.Parse(o.layout(), stamp)
	number, _ := strconv.ParseInt(id, 10, 64)
	for i, c := range all {
		if o.compare(c, Change{ID: number, Stamp: at}) > 0 {
			return i
		}
	}
	return len(all)
}

type place struct {
	all            []Change
	from, to, size int
}

// around adds what leads to the next page.
func (o *Owner) around(e *envelope, h http.Header, u *url.URL, p place) {
	more := p.to < len(p.all)
	e.Meta = map[string]any{}
	if o.Totals {
		e.Meta["total"], e.Meta["pages"], e.Meta["more"] = len(p.all), (len(p.all)+p.size-1)/max(p.size, 1), more
	}
	with := func(name, value string) string {
		q := u.Query()
		q.Set(name, value)
		return "?" + q.Encode()
	}
	switch o.Style {
	case Cursor:
		e.Meta["next_cursor"] = nil
		if more {
			e.Meta["next_cursor"] = o.token(p.all[p.to-1])
		}
	case NextURL:
		e.Links = map[string]any{"next": nil}
		if more {
			e.Links["next"] = with("cursor", o.token(p.all[p.to-1]))
		}
	case Link:
		page := p.from/max(p.size, 1) + 1
		links := []string{`<` + with("page", "1") + `>; rel="first"`}
		if more {
			links = append(links, `<`+with("page", strconv.Itoa(page+1))+`>; title="a, b; c"; rel="next last"`)
		}
		h.Set("Link", strings.Join(links, ", "))
	}
}
