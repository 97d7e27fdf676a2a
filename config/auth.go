package config

import (
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
	Login    *Login       // nil but for AuthLogin
	HMAC     *HMAC        // nil but for AuthHMAC
	SigV4    *SigV4       // nil but for AuthSigV4
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
	AuthLogin  AuthKind = "login"
	AuthHMAC   AuthKind = "hmac"
	AuthSigV4  AuthKind = "sigv4"
)

// authKind is how one kind is read: from its own value and, in s, the table of auth around it.
type authKind struct {
	kind AuthKind
	read func(s section, n *node, a *Auth)
	// reusable says that what is sent is all that somebody on the way needs to send requests of their own.
	reusable bool
}

func authKinds() []authKind {
	return append(receiverAuthKinds(), []authKind{
		{AuthHeader, section.authHeader, false}, // may be no secret at all
		{AuthQuery, section.authQuery, false},
		{AuthOAuth2, section.oauth2, true},
		{AuthLogin, section.login, true},
		{AuthHMAC, section.hmac, false}, // a signature is of one request
		{AuthSigV4, section.sigv4, false},
	}...)
}

// receiverAuthKinds are the ways that receivers know, too.
func receiverAuthKinds() []authKind {
	return []authKind{{AuthBearer, section.bearer, true}, {AuthBasic, section.basic, true}}
}

// auth reads credentials by one of several kinds. No value of theirs is ever part of a mistake.
func (r *reader) auth(n *node, kinds []authKind) Auth {
	var a Auth
	s, ok := r.section(n)
	if !ok {
		return a
	}
	var known, given []string
	for _, k := range kinds {
		known = append(known, string(k.kind))
		if own := s.child(string(k.kind)); own != nil {
			given, a.Kind = append(given, string(k.kind)), k.kind
			k.read(s, own, &a)
		}
	}
	if len(given) != 1 {
		r.wrong(n, "names %s; give exactly one of %s", countOf(given), strings.Join(known, ", "))
	}
	if scheme := s.child("scheme"); scheme != nil && !s.has("bearer") {
		r.wrong(scheme, "belongs to bearer; leave it out")
	}
	return a
}

func countOf(given []string) string {
	if len(given) == 0 {
		return "no kind"
	}
	return strings.Join(given, " and ")
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
		all = append(all, Credential{Name: c.key, Value: r.secret(c, nil)})
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
func (r *reader) headerSecret(n *node) Secret { return r.secret(n, fitsHeader) }

// fitsHeader says what is wrong with a value for a header; "": nothing.
func fitsHeader(text string) string {
	switch {
	case strings.ContainsFunc(text, isControl):
		return "holds a line break or another control character, which no header can carry"
	case text == "":
		return "is empty; set it, or leave it out"
	}
	return ""
}

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// checkPlainHTTP refuses to send what anybody on the way could read and send again.
func (r *reader) checkPlainHTTP(n *node, o *Owner) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
		return
	}
	for _, k := range authKinds() {
		if k.kind == o.Auth.Kind && k.reusable {
			r.wrong(n, "%s would travel readable over http; use an https url", k.kind)
		}
	}
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
