package sourcetest

import (
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ServeHTTP answers a list request, whatever its path.
func (o *Owner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	o.mu.Lock()
	o.requests = append(o.requests, Request{r.Method, r.URL, r.Header.Clone(), body})
	n, length := len(o.requests), len(o.history.log)
	o.mu.Unlock()
	if o.Between != nil {
		o.Between(n)
	}
	var fault *Fault
	if o.Fault != nil {
		fault = o.Fault(n, r)
	}
	o.hit(func(c *counts) { c.when(n > 1 && len(o.history.log) != length, wroteBetween) })
	o.serve(w, r, &ask{n: n, url: r.URL, fault: fault})
}

// reply is an answer that is ready to go out.
type reply struct {
	status int
	body   []byte
	cut    int // bytes after which it breaks off; negative: it does not
}

// serve answers one request. An aborted handler is a connection that is closed.
func (o *Owner) serve(w http.ResponseWriter, r *http.Request, a *ask) {
	f := a.fault
	if f != nil && !pass(r.Context(), f.Stall) {
		o.hit(func(c *counts) { c.fault(f.name()) })
		return
	}
	if o.hit(func(c *counts) { c.when(o.Clock.Takes > 0, slowly) }); !pass(r.Context(), o.Clock.Takes/2) {
		return
	}
	if f != nil && f.Drop {
		o.hit(func(c *counts) { c.fault(f.name()) })
		panic(http.ErrAbortHandler)
	}
	answer := o.reply(w.Header(), r, a)
	if !pass(r.Context(), o.Clock.Takes-o.Clock.Takes/2) {
		return
	}
	w.WriteHeader(answer.status)
	if answer.cut >= 0 {
		_, _ = w.Write(answer.body[:answer.cut])
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(answer.body)
}

// pass lets time go by, and reports false if the asker has gone.
func pass(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (o *Owner) hit(count func(*counts)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	count(&o.hits)
}

// reply is what goes out.
func (o *Owner) reply(h http.Header, r *http.Request, a *ask) reply {
	o.mu.Lock()
	defer o.mu.Unlock()
	a.now = o.Now()
	f := a.fault
	kept := time.Duration(0)
	if f == nil {
		kept = o.kept(a.n, r.Header)
	}
	date := o.read(a, kept)
	h["Content-Type"], h["Date"] = []string{"application/json"}, nil
	o.dates(h, a, date)
	if refused := o.spend(a.now, h); refused != nil {
		f = refused
	}
	out := o.content(h, a, f)
	if f == nil && kept > 0 {
		h["Age"] = []string{seconds(kept)}
		o.hits.add(aged)
	}
	out = o.wrap(h, r, out)
	if f != nil && f == a.fault && (f.Cut == 0 || out.cut >= 0) && (f.list == nil || a.bent) {
		o.hits.fault(f.name())
	}
	return out
}

// dates says how late it is.
func (o *Owner) dates(h http.Header, a *ask, date time.Time) {
	if o.Clock.NoDate {
		o.hits.add(noDate)
		return
	}
	h["Date"] = []string{date.UTC().Format(http.TimeFormat)}
	o.hits.when(o.Clock.Skew != 0, skewed)
	o.hits.when(o.Clock.node(a.n).Skew != 0, nodeClock)
}

// content is the status and body: the owner's own, or a fault's.
func (o *Owner) content(h http.Header, a *ask, f *Fault) reply {
	out := reply{status: http.StatusOK, cut: -1}
	if f == nil || f.Keep {
		if refused := o.list(h, a, &out); refused != nil {
			f = refused
		}
	}
	if f == nil {
		return out
	}
	out.status = cmp.Or(f.Status, out.status)
	if !f.Keep {
		out.body = []byte(f.Body)
	}
	maps.Copy(h, f.Header)
	if f.Cut > 0 {
		out.cut = f.Cut - 1
	}
	return out
}

// wrap adds the validator, packs the body, and cuts it.
func (o *Owner) wrap(h http.Header, r *http.Request, out reply) reply {
	if o.Cache.ETags && out.status == http.StatusOK {
		validator := tag(out.body)
		h["Etag"] = []string{validator}
		if r.Header.Get("If-None-Match") == validator {
			o.hits.add(unchanged)
			return reply{status: http.StatusNotModified, cut: -1}
		}
	}
	if o.Wire.Gzip && h["Content-Encoding"] == nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		out.body = o.pack(out.body)
		h["Content-Encoding"] = []string{"gzip"}
		o.hits.add(packed)
	}
	h["Content-Length"] = []string{strconv.Itoa(len(out.body))}
	if out.cut > len(out.body) || out.cut == len(out.body) && len(out.body) == 0 {
		out.cut = -1
	}
	return out
}

// list writes the page that is asked for, or says why there is none.
func (o *Owner) list(h http.Header, a *ask, out *reply) (refused *Fault) {
	o.history.write(o.Wire)
	a.q, a.style = a.url.Query(), cmp.Or(o.Style, Whole)
	if len(o.Paging.Ignore) > 0 {
		o.ignore(a.q)
	}
	if a.q.Has("list") && (a.style == Delta || a.style == Log) {
		a.style = Cursor
	}
	c, refused := o.refusal(a)
	if refused != nil {
		return refused
	}
	b := body{text: make([]byte, 0, 2048)}
	switch a.style {
	case Delta:
		o.delta(&b, a, c)
	case Log:
		o.events(&b, a)
	case Lines:
		out.body = o.lines(h, a)
		return nil
	default:
		o.records(&b, h, a, c)
	}
	out.body = b.close()
	return nil
}

// records answers in the styles that list records.
func (o *Owner) records(b *body, h http.Header, a *ask, c cursor) {
	p := o.turn(a, o.selected(a), c)
	shown := a.told(p.list[p.from:p.to])
	if a.fault.half() {
		p.list, p.to, p.more = p.list[:p.from+len(shown)], p.from+len(shown), false
	}
	b.open()
	o.write(b, o.arranged(a, shown))
	o.around(b, h, a, &p)
	if o.Style != a.style {
		b.meta("head").number(o.head(a))
		o.epoch(b)
	}
}

// write lists records.
func (o *Owner) write(b *body, list []*entry) {
	for _, e := range list {
		b.record(e, 0)
		o.hits.all(e.marks)
	}
}

// lines is one record a line.
func (o *Owner) lines(h http.Header, a *ask) []byte {
	h["Content-Type"] = []string{"application/x-ndjson"}
	var b []byte
	for _, e := range o.arranged(a, a.told(o.selected(a))) {
		b = append(appendRecord(b, e, 0), '\n')
		o.hits.all(e.marks)
	}
	return b
}
