package config

import "strings"

func (s section) bearer(n *node, a *Auth) {
	a.Bearer = s.r.headerSecret(n)
	a.Scheme = "Bearer"
	s.text("scheme", &a.Scheme)
	if twice := a.Scheme + " "; !outside(n) && strings.HasPrefix(n.text, twice) {
		s.r.wrong(n, "begins with the scheme, which is sent before it; leave out %q", twice)
	}
	if !isToken(a.Scheme) {
		s.r.wrong(s.child("scheme"), `is no scheme; write one word, such as "Bearer" or "Token"`)
	}
}
