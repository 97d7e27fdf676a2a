package config

func (s section) bearer(n *node, a *Auth) {
	a.Bearer = s.r.headerSecret(n)
	a.Scheme = "Bearer"
	s.text("scheme", &a.Scheme)
	if !isToken(a.Scheme) {
		s.r.wrong(s.child("scheme"), `is no scheme; write one word, such as "Bearer" or "Token"`)
	}
}
