package config

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Auth is who we are to an owner: at most one of the kinds is set.
type Auth struct {
	Kind     AuthKind
	Scheme   string // of a bearer
	Bearer   Secret
	User     Secret
	Password Secret
	Values   []Credential // the headers or the query parameters
	OAuth2   *OAuth2      // nil but for AuthOAuth2
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
	AuthOAuth2 AuthKind = "oauth2"
)

// auth reads credentials. No value of theirs is ever part of a mistake.
func (r *reader) auth(n *node) Auth {
	var a Auth
	s, ok := r.section(n)
	if !ok {
		return a
	}
	var given []string
	for _, kind := range []AuthKind{AuthBearer, AuthBasic, AuthHeader, AuthQuery, AuthOAuth2} {
		if s.has(string(kind)) {
			given, a.Kind = append(given, string(kind)), kind
		}
	}
	if len(given) != 1 {
		r.wrong(n, "names %s; give exactly one of bearer, basic, header, query, oauth2", countOf(given))
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
	if oauth2 := s.child("oauth2"); oauth2 != nil {
		a.OAuth2 = r.oauth2(oauth2)
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
	s, ok := r.section(n)
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
	if o.Auth.Kind == AuthBearer || o.Auth.Kind == AuthBasic || o.Auth.Kind == AuthOAuth2 {
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
