package sources

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// asker builds the questions of one source.
type asker struct {
	client  *Client
	request Request
	// accept is what a response may be; "": JSON.
	accept string
	// streamed says that a long body is read as it comes.
	streamed bool
	// examine lists the statuses whose bodies tell why.
	examine []int
}

func newAsker(c *Client, r Request) (*asker, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	for _, p := range r.Path {
		if strings.ContainsAny(p.Literal, "?#") {
			return nil, fmt.Errorf("path %q holds ? or #", p.Literal)
		}
	}
	a := &asker{client: c, request: r}
	if _, err := url.Parse(a.client.base.String() + a.literalPath()); err != nil {
		return nil, fmt.Errorf("path is no part of a URL: %w", bare(err))
	}
	return a, nil
}

// literalPath is the path with an x for every placeholder.
func (a *asker) literalPath() string {
	var b strings.Builder
	for _, p := range a.request.Path {
		if p.Placeholder != "" {
			b.WriteByte('x')
		} else {
			b.WriteString(escapeOdd(p.Literal))
		}
	}
	return b.String()
}

// ask builds the question of one step.
func (a *asker) ask(s step, look values) (question, error) {
	q := question{method: a.request.Method, url: s.url, streamed: a.streamed, examine: a.examine}
	var err error
	if q.url == nil {
		if q.url, err = a.url(s, look); err != nil {
			return q, err
		}
	} else {
		q.url = reveal(q.url, a.request.echoes())
	}
	if q.body, err = a.body(s, look); err != nil {
		return q, fmt.Errorf("make body: %w", err)
	}
	q.header, err = a.header(look)
	return q, err
}

func (a *asker) url(s step, look values) (*url.URL, error) {
	var path Template
	for _, p := range a.request.Path {
		p.Literal = escapeOdd(p.Literal)
		path = append(path, p)
	}
	tail, ok, err := path.expand(look, pathSegment)
	if err == nil && !ok {
		err = fmt.Errorf("its placeholder has no value here")
	}
	if err != nil {
		return nil, fmt.Errorf("make path: %w", err)
	}
	base := a.client.base.String()
	if strings.HasPrefix(tail, "/") {
		base = strings.TrimRight(base, "/")
	}
	u, err := url.Parse(base + tail)
	if err != nil {
		return nil, fmt.Errorf("make path: %w", bare(err))
	}
	if u.RawQuery, err = encodeQuery(a.query(s), a.request.Plus, look); err != nil {
		return nil, fmt.Errorf("make query: %w", err)
	}
	return u, a.client.origin.admit(u)
}

// query is the parameters of a step, in the order in which they are configured.
func (a *asker) query(s step) []Param {
	if s.first {
		return a.request.Query
	}
	params := slices.Clone(a.request.Query)
	for _, later := range a.request.Later.Query {
		i := slices.IndexFunc(params, func(p Param) bool { return p.Name == later.Name })
		if i >= 0 {
			params[i] = later
		} else {
			params = append(params, later)
		}
	}
	return params
}

func (a *asker) body(s step, look values) ([]byte, error) {
	v := a.request.Body
	if v == nil {
		return nil, nil
	}
	if v.Kind == Text {
		text, _, err := v.Text.expand(look, asIs)
		return []byte(text), err
	}
	if v.Kind == Object && !s.first {
		v = &Value{Kind: Object, Members: a.laterMembers(v.Members)}
	}
	if v.Kind == Object && isForm(a.request.ContentType) {
		text, err := encodeQuery(formOf(v.Members), a.request.Plus, look)
		return []byte(text), err
	}
	return v.json(look)
}

func (a *asker) laterMembers(members []Member) []Member {
	members = slices.DeleteFunc(slices.Clone(members), func(m Member) bool {
		return slices.Contains(a.request.Later.Without, m.Name)
	})
	for _, later := range a.request.Later.Body {
		i := slices.IndexFunc(members, func(m Member) bool { return m.Name == later.Name })
		if i >= 0 {
			members[i] = later
		} else {
			members = append(members, later)
		}
	}
	return members
}

// header begins with what every request carries; the owner's headers and the
// source's replace that.
func (a *asker) header(look values) (http.Header, error) {
	h := http.Header{
		"User-Agent":    {"larder"},
		"Accept":        {cmp.Or(a.accept, "application/json")},
		"Cache-Control": {"no-cache"},
	}
	if a.request.Body != nil {
		h.Set("Content-Type", cmp.Or(a.request.ContentType, "application/json"))
	}
	for name, value := range a.client.owner.Headers {
		h.Set(name, value)
	}
	for _, want := range a.request.Headers {
		text, ok, err := want.Value.expand(look, headerValue)
		if err != nil {
			return nil, fmt.Errorf("make header %q: %w", want.Name, err)
		}
		if ok {
			h.Set(want.Name, text)
		}
	}
	// Asking for an encoding by hand would turn off the transport's own gzip.
	h.Del("Accept-Encoding")
	return h, nil
}

// headerValue refuses what would end a header line.
func headerValue(s string) (string, error) {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return "", fmt.Errorf("value holds a control character")
		}
	}
	return s, nil
}
