package config

import (
	"net/url"
	"strings"
	"time"
)

// Owner is a service that holds the source of truth and offers a public API.
type Owner struct {
	Name        string
	KeyPath     string
	URL         string // http or https, without user, query and fragment, and without a slash at its end
	Auth        Auth
	TLS         TLS
	Headers     []Credential
	Rate        Rate // over all sources of this owner
	Burst       int  // at least 1 where there is a rate, else 0
	Quota       Quota
	AllowHosts  []AllowedHost
	Concurrency int // requests at one time
	Timeout     time.Duration
	Retry       Retry
	MaxBody     int64 // decompressed bytes of a page
	MaxDepth    int   // of a JSON body
}

func (o *Owner) name() string { return o.Name }

// Retry is how a request is tried again.
type Retry struct {
	Attempts int           // the first one counts
	Min, Max time.Duration // between attempts
	Status   []int         // the answers that are worth another attempt
}

func (r *reader) owner(n *node) *Owner {
	o := defaultOwner(n.key)
	s, ok := r.section(n)
	if !ok {
		return o
	}
	if u := s.need("url", `"https://HOST"`); u != nil {
		o.URL = r.url(u)
	}
	if auth := s.child("auth"); auth != nil {
		o.Auth = r.auth(auth, authKinds())
		r.checkPlainHTTP(auth, o)
	}
	if headers := s.child("headers"); headers != nil {
		o.Headers = r.credentials(headers, true)
	}
	if tls := s.child("tls"); tls != nil {
		r.tls(tls, o)
	}
	if quota := s.child("quota"); quota != nil {
		o.Quota = r.quota(quota)
	}
	if hosts := s.child("allow_hosts"); hosts != nil {
		r.allowHosts(hosts, o)
	}
	s.rate(o)
	s.integer("concurrency", &o.Concurrency)
	s.duration("timeout", &o.Timeout)
	s.size("max_body", &o.MaxBody)
	s.integer("max_depth", &o.MaxDepth)
	if retry := s.child("retry"); retry != nil {
		r.retry(retry, &o.Retry)
	}
	return o
}

// url reads the base of an owner. The mistakes never repeat it: it may hold a password.
func (r *reader) url(n *node) string {
	text, ok := r.text(n)
	if !ok {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		r.wrong(n, `does not parse as a URL; write "https://HOST/PATH"`)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		r.wrong(n, `must begin with https://HOST or http://HOST`)
	case u.User != nil:
		r.wrong(n, "holds a user; write auth = { basic = { user, password } }")
	case u.RawQuery != "" || u.ForceQuery:
		r.wrong(n, "holds a query; write it in request.query, or in auth = { query = … } where it is a key")
	case u.Fragment != "":
		r.wrong(n, "holds a fragment, which is never sent; leave out what follows #")
	default:
		return strings.TrimRight(text, "/")
	}
	return ""
}

func (s section) rate(o *Owner) {
	burst := s.child("burst")
	n := s.child("rate")
	if n == nil {
		if burst != nil {
			s.r.wrong(burst, `has no use without rate; write rate = "10/s" too`)
		}
		return
	}
	o.Burst = 1
	s.integer("burst", &o.Burst)
	text, ok := s.r.text(n)
	if !ok {
		return
	}
	if o.Rate, ok = parseRate(text); !ok {
		s.r.wrong(n, "%s is no rate; %s", s.r.shown(n), rateForm)
	}
}

func (r *reader) retry(n *node, into *Retry) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	s.integer("attempts", &into.Attempts)
	s.duration("min", &into.Min)
	s.duration("max", &into.Max)
	if into.Min > into.Max {
		r.wrong(n, "min is %s and max is %s; min must not be greater", showDuration(into.Min), showDuration(into.Max))
	}
	status := s.child("status")
	if status == nil {
		return
	}
	into.Status = nil
	if status.kind != kindArray {
		r.wrong(status, "is %s; write a list such as [429, 503]", status.what())
		return
	}
	for _, c := range status.below {
		if code, ok := r.integer(c); ok {
			into.Status = append(into.Status, int(code))
		}
	}
}
