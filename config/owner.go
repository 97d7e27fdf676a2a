package config

import (
	"fmt"
	"net"
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
	Headers     []Credential
	Rate        Rate // over all sources of this owner
	Burst       int  // at least 1 where there is a rate, else 0
	Concurrency int  // requests at one time
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

// Auth is who we are to an owner: at most one of the kinds is set.
type Auth struct {
	Kind     AuthKind
	Scheme   string // of a bearer
	Bearer   Secret
	User     Secret
	Password Secret
	Values   []Credential // the headers or the query parameters
}

// AuthKind is the way credentials travel.
type AuthKind string

// The kinds of auth. AuthNone sends none.
const (
	AuthNone   AuthKind = ""
	AuthBearer AuthKind = "bearer"
	AuthBasic  AuthKind = "basic"
	AuthHeader AuthKind = "header"
	AuthQuery  AuthKind = "query"
)

func (r *reader) owner(n *node) *Owner {
	o := defaultOwner(n.key)
	s, ok := r.section(n, "url", "auth", "headers", "rate", "burst", "concurrency", "timeout", "retry", "max_body", "max_depth")
	if !ok {
		return o
	}
	if u := s.need("url", `"https://HOST"`); u != nil {
		o.URL = r.url(u)
	}
	if auth := s.child("auth"); auth != nil {
		o.Auth = r.auth(auth)
		r.checkPlainHTTP(auth, o)
	}
	if headers := s.child("headers"); headers != nil {
		o.Headers = r.credentials(headers, true)
	}
	s.rate(o)
	s.integer("concurrency", &o.Concurrency, 1, 1000)
	s.duration("timeout", &o.Timeout, 100*time.Millisecond, time.Hour)
	s.size("max_body", &o.MaxBody, kib, 4*gib)
	s.integer("max_depth", &o.MaxDepth, 1, 10_000)
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
	s.integer("burst", &o.Burst, 1, 100_000)
	text, ok := s.r.text(n)
	if !ok {
		return
	}
	if o.Rate, ok = parseRate(text); !ok {
		s.r.wrong(n, "%s is no rate; %s", s.r.shown(n), rateForm)
	}
}

func (r *reader) retry(n *node, into *Retry) {
	s, ok := r.section(n, "attempts", "min", "max", "status")
	if !ok {
		return
	}
	s.integer("attempts", &into.Attempts, 1, 20)
	s.duration("min", &into.Min, time.Millisecond, time.Hour)
	s.duration("max", &into.Max, time.Millisecond, day)
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
		if code, ok := r.integer(c, 400, 599); ok {
			into.Status = append(into.Status, int(code))
		}
	}
}

// auth reads credentials. No value of theirs is ever part of a mistake.
func (r *reader) auth(n *node) Auth {
	var a Auth
	s, ok := r.section(n, "bearer", "scheme", "basic", "header", "query")
	if !ok {
		return a
	}
	var given []string
	for _, kind := range []AuthKind{AuthBearer, AuthBasic, AuthHeader, AuthQuery} {
		if s.has(string(kind)) {
			given, a.Kind = append(given, string(kind)), kind
		}
	}
	if len(given) != 1 {
		r.wrong(n, "names %s; give exactly one of bearer, basic, header, query", countOf(given))
	}
	if scheme := s.child("scheme"); scheme != nil && !s.has("bearer") {
		r.wrong(scheme, "belongs to bearer; leave it out")
	}
	if bearer := s.child("bearer"); bearer != nil {
		a.Bearer = r.headerSecret(bearer)
		a.Scheme = "Bearer"
		s.text("scheme", &a.Scheme)
		if !isToken(a.Scheme) {
			r.wrong(s.child("scheme"), `is no scheme; write one word, such as "Bearer" or "Token"`)
		}
	}
	if basic := s.child("basic"); basic != nil {
		r.basic(basic, &a)
	}
	if headers := s.child("header"); headers != nil {
		a.Values = r.credentials(headers, true)
	}
	if query := s.child("query"); query != nil {
		a.Values = r.credentials(query, false)
	}
	return a
}

func countOf(given []string) string {
	if len(given) == 0 {
		return "no kind"
	}
	return strings.Join(given, " and ")
}

func (r *reader) basic(n *node, a *Auth) {
	s, ok := r.section(n, "user", "password")
	if !ok {
		return
	}
	if s.need("user", `user = "${USER_NAME}"`) != nil {
		s.secret("user", &a.User)
	}
	if s.need("password", `password = "${PASSWORD}"`) != nil {
		s.secret("password", &a.Password)
	}
}

// credentials reads NAME = value pairs whose values are secrets.
func (r *reader) credentials(n *node, headers bool) []Credential {
	if n.kind != kindTable || len(n.below) == 0 {
		r.wrong(n, "is %s; write { NAME = \"value\" }", n.whatOrEmpty())
		return nil
	}
	var all []Credential
	for _, c := range n.below {
		if headers && !isToken(c.key) {
			r.note(c, c.keyAt, "is no name of a header; use letters, digits and dashes")
			continue
		}
		if headers {
			all = append(all, Credential{Name: c.key, Value: r.headerSecret(c)})
			continue
		}
		text, _ := r.text(c)
		all = append(all, Credential{Name: c.key, Value: NewSecret(text)})
	}
	return all
}

func (n *node) whatOrEmpty() string {
	if n.kind == kindTable {
		return "an empty table"
	}
	return n.what()
}

// headerSecret reads a secret that travels in a header.
func (r *reader) headerSecret(n *node) Secret {
	text, ok := r.text(n)
	if ok && strings.ContainsFunc(text, isControl) {
		r.wrong(n, "holds a line break or another control character, which no header can carry")
	}
	if ok && text == "" {
		r.wrong(n, "is empty; set it, or leave it out")
	}
	return NewSecret(text)
}

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// checkPlainHTTP refuses to send a bearer or a password where everybody on the way can read it.
func (r *reader) checkPlainHTTP(n *node, o *Owner) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
		return
	}
	if o.Auth.Kind == AuthBearer || o.Auth.Kind == AuthBasic {
		r.wrong(n, "%s", fmt.Sprintf("%s would travel readable over http; use an https url", o.Auth.Kind))
	}
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
