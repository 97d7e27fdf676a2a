package config

import (
	"strings"
	"time"
)

// Login is how a session is begun, by a POST of Body or Form.
type Login struct {
	Path    string // begins with a slash
	Headers []Credential
	Body    *SecretValue // sent as JSON; nil: none
	Form    []Credential
	Token   Place  // zero: Cookie
	Cookie  string // the name of the cookie that is the token
	Expires Place  // zero: the answer does not say
	Lasts   time.Duration
	Header  string // of the token; "" with Cookie
	Scheme  string // before the token; "": none
}

// SecretValue is a JSON-like tree whose texts are secrets, with its members in the order of the file.
type SecretValue struct {
	Kind    Kind
	Secret  Secret // of a text
	Scalar  string // of a number or boolean, as JSON writes it
	Items   []SecretValue
	Members []SecretMember
}

// SecretMember is a named value of an object.
type SecretMember struct {
	Name  string
	Value SecretValue
}

func (s section) login(n *node, a *Auth) {
	l := new(Login)
	a.Login = l
	own, ok := s.r.section(n)
	if !ok {
		return
	}
	if path := own.need("path", `path = "/login"`); path != nil {
		own.text("path", &l.Path)
		if text := l.Path; text != "" && (!strings.HasPrefix(text, "/") || strings.ContainsAny(text, "# \t\r\n")) {
			s.r.wrong(path, `is no path of the owner; write one that begins with /, such as "/login"`)
		}
	}
	if headers := own.child("headers"); headers != nil {
		l.Headers = s.r.credentials(headers, true)
	}
	own.loginBody(l)
	if token := own.need("token", `token = "PATH", "header:NAME" or "cookie:NAME"`); token != nil {
		own.loginToken(token, l)
	}
	if expires := own.child("expires"); expires != nil {
		own.loginExpires(expires, l)
	}
	own.loginHeader(l)
}

func (s section) loginBody(l *Login) {
	if form := s.child("form"); form != nil {
		l.Form = s.r.credentials(form, false)
		if s.has("body") {
			s.r.wrong(form, "stands beside body; give one of them")
		}
	}
	body := s.child("body")
	if body == nil {
		return
	}
	if body.kind != kindTable {
		s.r.wrong(body, "is %s; write a table, which is sent as JSON, or form for a form", body.what())
		return
	}
	v := s.r.secretValue(body)
	l.Body = &v
}

// secretValue reads a JSON-like tree of secrets.
func (r *reader) secretValue(n *node) SecretValue {
	_, isFile := fileOf(n)
	v := SecretValue{Kind: Text}
	switch {
	case isFile || n.kind == kindText:
		v.Secret = r.secret(n, nil)
	case n.kind == kindArray:
		v.Kind = List
		for _, c := range n.below {
			v.Items = append(v.Items, r.secretValue(c))
		}
	case n.kind == kindTable:
		v.Kind = Object
		for _, c := range n.below {
			v.Members = append(v.Members, SecretMember{c.key, r.secretValue(c)})
		}
	default:
		s, _ := r.scalar(n)
		v.Kind, v.Scalar = s.Kind, s.Text
		if s.Kind == Text { // a time
			v.Secret, v.Scalar = NewSecret(s.Text), ""
		}
	}
	return v
}

func (s section) loginToken(n *node, l *Login) {
	text, ok := s.r.text(n)
	if !ok {
		return
	}
	if name, cookie := strings.CutPrefix(text, "cookie:"); cookie {
		l.Cookie = name
		if !isToken(name) {
			s.r.wrong(n, "%s is no place: a cookie's name is letters, digits and dashes", s.r.shown(n))
		}
		return
	}
	l.Token, _ = s.r.place(n)
}

// loginExpires reads a duration or, where that is none, a place.
func (s section) loginExpires(n *node, l *Login) {
	text, ok := s.r.text(n)
	if !ok {
		return
	}
	if _, ok := parseDuration(text); ok {
		l.Lasts, _ = s.r.duration(n)
		return
	}
	l.Expires, _ = s.r.place(n)
}

// loginHeader reads how the token is sent.
func (s section) loginHeader(l *Login) {
	header, scheme := s.child("header"), s.child("scheme")
	if l.Cookie != "" {
		for _, n := range []*node{header, scheme} {
			if n != nil {
				s.r.wrong(n, "does not go with a cookie, which is sent back as one; leave it out")
			}
		}
		return
	}
	l.Header = "Authorization"
	s.text("header", &l.Header)
	if !isToken(l.Header) {
		s.r.wrong(header, "is no name of a header; use letters, digits and dashes")
	}
	if strings.EqualFold(l.Header, "Authorization") {
		l.Scheme = "Bearer"
	}
	s.text("scheme", &l.Scheme)
	if l.Scheme != "" && !isToken(l.Scheme) {
		s.r.wrong(scheme, `is no scheme; write one word, such as "Bearer" or "Token", or "" for none`)
	}
}
